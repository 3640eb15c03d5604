// The demo page: three chats with the real bot over the web channel. Nothing here decides anything; it shows what the service says.
const words = JSON.parse(document.getElementById('words').textContent);
const language = document.documentElement.lang;
const plainSwitch = document.getElementById('plain');
const away = document.getElementById('away');
const timeFormat = new Intl.DateTimeFormat('vi-VN', { timeZone: words.timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const dayFormat = new Intl.DateTimeFormat('vi-VN', { timeZone: words.timeZone, day: '2-digit', month: '2-digit', year: 'numeric' });
/** Waits between tries when the service does not answer, in milliseconds. */
const pauses = [500, 1000, 2000, 4000];
const answerMs = 6000;
/** Words of the bot that come within this time are read from the first of them. */
const batchMs = 1500;

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function call(path, options = {}) {
  const headers = { 'x-dondoc-demo': '1', ...(options.json ? { 'content-type': 'application/json' } : {}) };
  const answer = await fetch(`${path}${path.includes('?') ? '&' : '?'}lang=${language}`, { method: options.method ?? 'GET', headers, body: options.json ? JSON.stringify(options.json) : options.body });
  if (!answer.ok) throw Object.assign(new Error((await answer.json().catch(() => ({}))).message ?? words.failed), { refused: answer.status < 500 });
  return answer.json();
}

/** Text and elements only: whatever people and files are called, it is never read as markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Addresses can be opened; receipt numbers stay in one piece. */
function drawText(text) {
  return text.split(/(https?:\/\/[^\s]+|BN-\d{4}-\d+)/).map((part, index) => {
    if (index % 2 === 0) return part;
    return part.startsWith('http') ? make('a', { href: part, target: '_blank', rel: 'noopener' }, part) : make('b', {}, part);
  });
}

// ---- one phone

function createPhone(element) {
  const chat = element.dataset.chat;
  const log = element.querySelector('.log');
  const status = element.querySelector('.status');
  const field = element.querySelector('input[type=text]');
  const files = element.querySelector('input[type=file]');
  /** What is shown, by id: the entry and its element. */
  let shown = new Map();
  let typing = null;
  let typingTimer = 0;
  let sending = Promise.resolve();
  /** Where the words that came together begin, and when the last of them came. */
  let batch = { element: null, at: 0 };

  function drawEntry(entry) {
    const box = make('div', { class: `entry ${entry.from}` });
    const pieces = plainSwitch.checked && entry.from === 'bot' ? entry.plain : [entry.text];
    const bubbles = pieces.filter((piece) => piece !== '' || pieces.length === 1).map((piece) => make('div', { class: 'bubble' }, ...drawText(piece)));
    if (entry.document && !plainSwitch.checked) bubbles.at(-1).append(make('div', {}, '📎 ', make('a', { href: `/demo/files/${encodeURIComponent(entry.document.fileId)}`, download: entry.document.name }, entry.document.name)));
    bubbles.at(-1).append(make('time', { datetime: entry.at }, timeFormat.format(new Date(entry.at))));
    box.append(...bubbles);
    if (entry.choices.length > 0 && !plainSwitch.checked) box.append(drawChoices(entry));
    return box;
  }

  function drawChoices(entry) {
    const rows = make('div', { class: 'rows' }, ...entry.choices.map((row) => make('div', {}, ...row.map((choice) =>
      choice.url
        ? make('a', { href: choice.url, target: '_blank', rel: 'noopener' }, choice.label)
        : make('button', { type: 'button', onclick: () => send(choice.label, 'press', { choice: choice.id, on: entry.id }) }, choice.label)))));
    if (entry.choices.length <= 4) return make('div', { class: 'choices' }, rows);
    // A long list folds up once something newer stands below it.
    return make('details', { class: 'choices long latest', open: '' }, make('summary', {}, words.buttons.replace('{number}', String(entry.choices.flat().length))), rows);
  }

  function foldOlder() {
    const long = [...log.querySelectorAll('.choices.long')];
    const latest = log.querySelector('.entry.bot:nth-last-child(1 of .entry.bot) > .choices.long');
    for (const choices of long) {
      if (choices === latest || !choices.classList.contains('latest')) continue;
      choices.classList.remove('latest');
      choices.open = false;
    }
  }

  function place(entry, element) {
    const before = [...shown.values()].at(-1);
    const day = dayFormat.format(new Date(entry.at));
    if (!before || dayFormat.format(new Date(before.entry.at)) !== day) log.append(make('div', { class: 'day' }, day));
    log.append(element);
  }

  /** Shows the newest words: their end, or their beginning where they are longer than the phone. */
  function scrollToNew(element) {
    const top = element.offsetTop - log.offsetTop - 10;
    log.scrollTop = Math.min(top, log.scrollHeight - log.clientHeight);
  }

  function put(entry) {
    const old = shown.get(entry.id);
    if (old && old.text === JSON.stringify(entry)) return;
    const element = drawEntry(entry);
    if (old) old.element.replaceWith(element);
    else {
      element.classList.add('fresh');
      place(entry, element);
    }
    shown.set(entry.id, { entry, element, text: JSON.stringify(entry) });
    if (entry.from === 'bot') setTyping(false);
    else if (typing) log.append(typing);
    foldOlder();
    if (entry.from === 'person' || !batch.element || performance.now() - batch.at > batchMs) batch = { element, at: 0 };
    if (entry.from === 'bot') batch.at = performance.now();
    if (!old) scrollToNew(batch.element.isConnected ? batch.element : element);
    else if (entry.from === 'bot') scrollToNew(element);
  }

  function redraw(entries) {
    log.replaceChildren();
    shown = new Map();
    for (const entry of entries) {
      const element = drawEntry(entry);
      place(entry, element);
      shown.set(entry.id, { entry, element, text: JSON.stringify(entry) });
    }
    if (typing) log.append(typing);
    foldOlder();
    const last = [...shown.values()].at(-1);
    if (last) scrollToNew(last.element);
  }

  function setTyping(on) {
    clearTimeout(typingTimer);
    typing?.remove();
    typing = null;
    status.textContent = on ? words.typing : '';
    if (!on) return;
    typing = make('div', { class: 'dots', 'aria-hidden': 'true' }, make('i'), make('i'), make('i'));
    log.append(typing);
    log.scrollTop = log.scrollHeight;
    // Some words get no answer.
    typingTimer = setTimeout(() => setTyping(false), answerMs);
  }

  /** Shows the words at once and sends them, one after the other; the same id however often it is tried, so that it is one message. */
  function send(text, path, body) {
    const id = crypto.randomUUID();
    put({ id, chat, from: 'person', at: document.getElementById('now').dateTime || new Date().toISOString(), text, choices: [], document: null, plain: [text] });
    shown.get(id).element.classList.add('waiting');
    setTyping(true);
    sending = sending.then(() => deliver(id, path, body));
  }

  async function deliver(id, path, body) {
    for (let round = 0; ; round += 1) {
      try {
        if (body instanceof File) {
          const form = new FormData();
          form.append('file', body, body.name);
          await call(`/demo/chats/${chat}/${path}?id=${id}`, { method: 'POST', body: form });
        } else await call(`/demo/chats/${chat}/${path}`, { method: 'POST', json: { id, ...body } });
        shown.get(id)?.element.classList.remove('waiting');
        return;
      } catch (error) {
        if (error.refused || round >= pauses.length) {
          setTyping(false);
          status.textContent = error.refused ? error.message : words.failed;
          const again = error.refused ? [] : [make('button', { type: 'button', class: 'button', onclick: (event) => { event.target.parentElement.remove(); setTyping(true); sending = sending.then(() => deliver(id, path, body)); } }, words.again)];
          shown.get(id)?.element.append(make('div', { class: 'trouble' }, error.refused ? error.message : words.failed, ...again));
          return;
        }
        await sleep(pauses[round]);
      }
    }
  }

  element.querySelector('form').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text === '') return;
    field.value = '';
    send(text, 'text', { text });
  });
  files.addEventListener('change', () => {
    for (const file of files.files) send(`📎 ${file.name}`, 'files', file);
    files.value = '';
  });

  return {
    chat, element, put, setTyping,
    latest: () => [...shown.values()].at(-1)?.element,
    scroll: () => { const last = [...shown.values()].at(-1); if (last) scrollToNew(last.element); },
    /** Brings what is shown to what was said, after a pause or in another view. */
    async sync(again = false) {
      const earlier = new Set(shown.keys());
      const entries = await call(`/demo/chats/${chat}/messages`);
      // What came while the answer was on its way may be missing in it.
      entries.push(...[...shown.values()].filter((row) => !row.element.classList.contains('waiting')).map((row) => row.entry).filter((entry) => !earlier.has(entry.id) && !entries.some((other) => other.id === entry.id)));
      const known = [...shown.values()].map((row) => row.text);
      const waiting = [...shown.values()].filter((row) => row.element.classList.contains('waiting') && !entries.some((entry) => entry.id === row.entry.id));
      if (!again && waiting.length === 0 && known.length === entries.length && entries.every((entry, index) => JSON.stringify(entry) === known[index])) return;
      redraw([...entries, ...waiting.map((row) => row.entry)]);
    },
    redraw: () => redraw([...shown.values()].map((row) => row.entry)),
  };
}

const phones = [...document.querySelectorAll('.phone')].map(createPhone);
const phoneOf = (chat) => phones.find((phone) => phone.chat === chat);

// ---- one phone at a time on a small screen

const tabs = [...document.querySelectorAll('.tabs button')];
function markNew(chat, isNew) {
  const tab = tabs.find((other) => other.dataset.chat === chat);
  tab.dataset.new = String(isNew);
  tab.querySelector('span').hidden = !isNew;
}
function show(chat) {
  for (const phone of phones) phone.element.dataset.shown = String(phone.chat === chat);
  for (const tab of tabs) tab.setAttribute('aria-pressed', String(tab.dataset.chat === chat));
  markNew(chat, false);
  phoneOf(chat).scroll();
}
for (const tab of tabs) tab.addEventListener('click', () => show(tab.dataset.chat));
show(phones[0].chat);

plainSwitch.addEventListener('change', () => {
  document.body.classList.toggle('plain', plainSwitch.checked);
  phones.forEach((phone) => phone.redraw());
});

// ---- clock, story and what happens inside

let birth = null;
let current = null;

function drawState(state) {
  // Begun again: nothing of this page is true any more.
  if (birth !== null && state.birth !== birth) location.reload();
  birth = state.birth;
  const now = document.getElementById('now');
  if (now.textContent !== state.nowText) now.textContent = state.nowText;
  now.dateTime = state.now;
  document.getElementById('next-at').textContent = state.nextText ?? '';
  drawStory(state.story);
  document.getElementById('outbox').replaceChildren(...Object.entries(state.outbox).map(([name, count]) => make('li', {}, make('b', {}, String(count)), ` ${words.outbox[name]}`)));
  document.getElementById('units').replaceChildren(...[...words.columns, ...state.inside.units].map((name) => make('th', { scope: 'col' }, name)));
  document.getElementById('rows').replaceChildren(...state.inside.rows.map((row) => make('tr', {}, make('th', { scope: 'row' }, row.title), make('td', {}, row.due), ...row.states.map((cell) =>
    cell ? make('td', { 'data-state': cell.state }, cell.text, ...(cell.reminded ? [make('small', {}, cell.reminded)] : [])) : make('td', {}, '–')))));
}

function drawStory(story) {
  const next = story.find((step) => !step.done)?.key ?? null;
  for (const step of story) {
    const item = document.querySelector(`[data-step="${step.key}"]`);
    item.dataset.done = String(step.done);
    item.dataset.current = String(step.key === next);
    item.querySelector('summary span').textContent = step.done ? ` (${words.done})` : '';
    item.querySelector('button').disabled = !step.ready || (step.done && step.key === 'pair');
    if (next !== current) item.querySelector('details').open = step.key === next;
  }
  document.getElementById('story-end').hidden = next !== null;
  current = next;
}

let refreshing = null;
/** Asked for many times while one answer is on its way, it is asked once more afterwards. */
async function refresh() {
  if (refreshing) {
    refreshing.again = true;
    return;
  }
  refreshing = { again: false };
  try {
    do {
      refreshing.again = false;
      drawState(await call('/demo/state'));
    } while (refreshing.again);
  } finally {
    refreshing = null;
  }
}

async function guarded(buttons, work) {
  const able = buttons.filter((button) => !button.disabled);
  able.forEach((button) => { button.disabled = true; });
  try {
    away.hidden = true;
    await work();
  } catch (error) {
    away.textContent = error.refused ? error.message : words.failed;
    away.hidden = false;
  } finally {
    able.forEach((button) => { button.disabled = false; });
    await refresh().catch(() => undefined);
  }
}

const movers = [...document.querySelectorAll('[data-move]')];
for (const button of movers) button.addEventListener('click', () => guarded(movers, async () => drawState(await call('/demo/clock', { method: 'POST', json: { move: button.dataset.move } }))));
for (const button of document.querySelectorAll('[data-play]')) {
  button.addEventListener('click', () => guarded([button], async () => {
    show(button.dataset.chat);
    phoneOf(button.dataset.chat).setTyping(true);
    await call('/demo/play', { method: 'POST', json: { step: button.dataset.play } });
  }));
}
const reset = document.getElementById('reset');
reset.addEventListener('click', () => {
  if (confirm(words.resetSure)) void guarded([reset], () => call('/demo/reset', { method: 'POST', json: {} }));
});

// ---- what happens from now on; after every pause first what was missed

function listen() {
  const events = new EventSource('/demo/events');
  events.addEventListener('open', () => void catchUp());
  events.addEventListener('entry', (event) => {
    const entry = JSON.parse(event.data);
    const phone = phoneOf(entry.chat);
    if (phone) {
      phone.put(entry);
      if (phone.element.dataset.shown !== 'true') markNew(phone.chat, true);
    }
    void refresh().catch(() => undefined);
  });
  events.addEventListener('state', () => void refresh().catch(() => undefined));
  events.addEventListener('error', () => {
    away.textContent = words.away;
    away.hidden = false;
    if (events.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, 1000);
  });
}

async function catchUp() {
  try {
    await refresh();
    await Promise.all(phones.map((phone) => phone.sync()));
    away.hidden = true;
    document.body.dataset.ready = 'true';
  } catch {
    setTimeout(catchUp, 1000);
  }
}

listen();
setInterval(() => void refresh().catch(() => undefined), 10_000);
