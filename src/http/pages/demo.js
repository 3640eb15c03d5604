// The demo page: three chats with the real bot over the web channel. Nothing here decides anything; it shows what the service says.
const words = JSON.parse(document.getElementById('words').textContent);
const phones = [...document.querySelectorAll('.phone')];
const timeFormat = new Intl.DateTimeFormat('vi-VN', { timeZone: words.timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const plainSwitch = document.getElementById('plain');
const entries = new Map(phones.map((phone) => [phone.dataset.chat, new Map()]));

async function call(path, options = {}) {
  const headers = { 'x-dondoc-demo': '1', ...(options.json ? { 'content-type': 'application/json' } : {}) };
  const answer = await fetch(path, { method: options.method ?? 'GET', headers, body: options.json ? JSON.stringify(options.json) : options.body });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).message ?? words.failed);
  return answer.json();
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function tell(phone, text) {
  phone.querySelector('.typing').textContent = text;
}

// Addresses in plain text become links; the text itself is only ever text.
function withLinks(text) {
  return text.split(/(https?:\/\/[^\s]+)/).map((part, index) => (index % 2 ? make('a', { href: part, target: '_blank', rel: 'noopener' }, part) : part));
}

function drawEntry(entry, chat) {
  const parts = [];
  const at = make('time', {}, timeFormat.format(new Date(entry.at)));
  const pieces = plainSwitch.checked && entry.from === 'bot' ? entry.plain : [entry.text];
  pieces.forEach((piece, index) => {
    const bubble = make('div', { class: `bubble ${entry.from}` }, ...withLinks(piece));
    if (entry.document && !plainSwitch.checked) bubble.append(make('div', {}, '📎 ', make('a', { href: `/demo/files/${encodeURIComponent(entry.document.fileId)}`, download: entry.document.name }, entry.document.name)));
    if (index === pieces.length - 1) bubble.append(at);
    parts.push(bubble);
  });
  if (entry.choices.length > 0 && !plainSwitch.checked) {
    const rows = entry.choices.map((row) => make('div', {}, ...row.map((choice) =>
      choice.url
        ? make('a', { href: choice.url, target: '_blank', rel: 'noopener' }, choice.label)
        : make('button', { type: 'button', onclick: () => press(chat, choice.id, entry.id) }, choice.label))));
    parts.push(make('div', { class: 'choices' }, ...rows));
  }
  return parts;
}

function draw(phone) {
  const log = phone.querySelector('.log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.replaceChildren(...[...entries.get(phone.dataset.chat).values()].flatMap((entry) => drawEntry(entry, phone.dataset.chat)));
  if (atEnd || log.scrollTop === 0) log.scrollTop = log.scrollHeight;
}

function phoneOf(chat) {
  return phones.find((phone) => phone.dataset.chat === chat);
}

async function send(chat, path, options) {
  const phone = phoneOf(chat);
  tell(phone, words.typing);
  try {
    await call(`/demo/chats/${chat}/${path}`, { method: 'POST', ...options });
  } catch (error) {
    tell(phone, error.message);
  }
}

function press(chat, choice, on) {
  return send(chat, 'press', { json: { id: crypto.randomUUID(), choice, on } });
}

function say(chat, text) {
  return send(chat, 'text', { json: { id: crypto.randomUUID(), text } });
}

for (const phone of phones) {
  const chat = phone.dataset.chat;
  const field = phone.querySelector('input[type=text]');
  phone.querySelector('form').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text === '') return;
    field.value = '';
    void say(chat, text);
  });
  const files = phone.querySelector('input[type=file]');
  files.addEventListener('change', async () => {
    for (const file of files.files) {
      const body = new FormData();
      body.append('file', file, file.name);
      await send(chat, `files?id=${crypto.randomUUID()}`, { body });
    }
    files.value = '';
  });
}

// One phone at a time on a small screen.
const tabs = [...document.querySelectorAll('.tabs button')];
function show(chat) {
  for (const phone of phones) phone.dataset.shown = String(phone.dataset.chat === chat);
  for (const tab of tabs) {
    tab.setAttribute('aria-selected', String(tab.dataset.chat === chat));
    if (tab.dataset.chat === chat) tab.dataset.new = 'false';
  }
  const log = phoneOf(chat).querySelector('.log');
  log.scrollTop = log.scrollHeight;
}
for (const tab of tabs) tab.addEventListener('click', () => show(tab.dataset.chat));
show(phones[0].dataset.chat);

function receive(entry) {
  const phone = phoneOf(entry.chat);
  if (!phone) return;
  entries.get(entry.chat).set(entry.id, entry);
  if (entry.from === 'bot') tell(phone, '');
  draw(phone);
  const tab = tabs.find((other) => other.dataset.chat === entry.chat);
  if (tab && phone.dataset.shown !== 'true') tab.dataset.new = 'true';
}

plainSwitch.addEventListener('change', () => phones.forEach(draw));

function drawState(state) {
  document.getElementById('now').textContent = state.nowText;
  document.getElementById('now').dateTime = state.now;
  document.getElementById('next').title = state.nextText ?? '';
  for (const step of state.story) {
    const item = document.querySelector(`[data-step="${step.key}"]`);
    item.dataset.done = String(step.done);
    const button = item.querySelector('button');
    if (button) button.disabled = step.done || !step.ready;
  }
  document.getElementById('outbox').replaceChildren(...Object.entries(state.outbox).map(([name, count]) => make('li', {}, make('b', {}, String(count)), ` ${words.outbox[name]}`)));
  document.getElementById('assignments').replaceChildren(...state.assignments.map((row) => make('tr', {}, make('td', {}, row.unit), make('td', {}, row.title), make('td', {}, row.due), make('td', {}, row.state))));
}

async function refresh() {
  drawState(await call('/demo/state'));
}

async function moveClock(move) {
  const buttons = [...document.querySelectorAll('.clock button')];
  buttons.forEach((button) => { button.disabled = true; });
  try {
    drawState(await call('/demo/clock', { method: 'POST', json: { move } }));
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}
for (const button of document.querySelectorAll('[data-move]')) button.addEventListener('click', () => void moveClock(button.dataset.move));
document.getElementById('reset').addEventListener('click', async () => {
  if (!confirm(words.resetSure)) return;
  await call('/demo/reset', { method: 'POST', json: {} });
  // The server begins anew: the page waits until it answers again.
  for (let tries = 0; tries < 60; tries += 1) {
    await new Promise((resolve) => { setTimeout(resolve, 500); });
    if (await fetch('/healthz').then((answer) => answer.ok, () => false)) break;
  }
  location.reload();
});
for (const button of document.querySelectorAll('[data-play]')) {
  button.addEventListener('click', async () => {
    button.disabled = true;
    show(button.dataset.chat);
    await call('/demo/play', { method: 'POST', json: { step: button.dataset.play } }).catch((error) => tell(phoneOf(button.dataset.chat), error.message));
    await refresh();
  });
}

async function start() {
  for (const phone of phones) {
    for (const entry of await call(`/demo/chats/${phone.dataset.chat}/messages`)) entries.get(phone.dataset.chat).set(entry.id, entry);
    draw(phone);
  }
  await refresh();
  const events = new EventSource('/demo/events');
  events.addEventListener('entry', (event) => receive(JSON.parse(event.data)));
  events.addEventListener('state', () => void refresh());
  setInterval(() => void refresh().catch(() => undefined), 15_000);
}
void start();
