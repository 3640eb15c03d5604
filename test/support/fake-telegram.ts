import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkCall, readForm, UploadedFile } from './fake-telegram-spec.ts';
import { createUser, type FakeChat, type FakeMessage, type FakeUser, type Hands } from './fake-telegram-user.ts';
import { readMultipart } from './multipart.ts';

/** What goes wrong with the next call: an answer of the API, or the network. `lost` does the work and loses the answer, `pass` lets one call through. */
export type FakeFailure =
  | { kind: 'error'; code: number; description: string; parameters?: Record<string, unknown> }
  | { kind: 'html'; status: number }
  | { kind: 'hang' | 'reset' | 'lost' | 'lost-and-hang' | 'pass' };

/** Options of {@link startFakeTelegram}. */
export interface FakeOptions {
  token?: string;
  username?: string;
  /** Milliseconds; real time unless told. */
  now?(): number;
  /** Answers 429 above 30 messages a second, one a second in a chat (bursts of three), 20 a minute in a group. */
  strict?: boolean;
  port?: number;
  /** How long a second of a long poll lasts, in milliseconds; 1000 unless told. */
  secondMs?: number;
}

interface Queued {
  update: Record<string, unknown> & { update_id: number };
  at: number;
  /** Delivered before: comes once more, whatever was confirmed. */
  repeated: boolean;
}

const dayMs = 86_400_000;

class ApiError extends Error {
  readonly code: number;
  readonly parameters: Record<string, unknown> | undefined;

  constructor(code: number, description: string, parameters?: Record<string, unknown>) {
    super(description);
    this.code = code;
    this.parameters = parameters;
  }
}

/** A running stand-in for the Bot API. Every call is checked against the specification; what is wrong is answered with 400 and kept in `problems`. */
export interface FakeTelegram {
  root: string;
  token: string;
  username: string;
  /** Every call, oldest first; `token` is never part of it. */
  calls: { method: string; payload: Record<string, unknown>; at: number }[];
  problems: string[];
  /** Callback queries that were answered. */
  answered: Set<string>;
  commands: Map<string, unknown>;
  webhook: { url: string; secret: string } | null;
  /** Webhook answers, in order: status, or 0 where none came. */
  deliveries: number[];
  /** How many 429 were answered because of the rate. */
  tooFast: number;
  downloads: number;
  /** `started`: has written to the bot before. */
  user(id: number, about?: { name?: string; group?: number; started?: boolean }): FakeUser;
  chat(id: number): { messages: FakeMessage[]; said: string[] };
  /** Lets the next calls of a method (in a chat) fail. */
  fail(method: string, failure: FakeFailure, times?: number, chat?: number): void;
  /** Puts anything into the queue of updates. */
  push(update: Record<string, unknown>): number;
  /** Delivers an update again, as Telegram does after a lost answer. */
  repeat(number: number): void;
  lastUpdate(): number;
  upgradeGroup(from: number, to: number): void;
  /** Nobody can fetch the files sent so far any more. */
  loseFiles(): void;
  unconfirmed(): number;
  /** How many connections were opened to it. */
  connections(): number;
  /** The id of the file sent last. */
  lastFile(): string;
  close(): Promise<void>;
}

/** Starts the stand-in on a free port of this machine. */
export async function startFakeTelegram(options: FakeOptions = {}): Promise<FakeTelegram> {
  const token = options.token ?? '110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw';
  const username = options.username ?? 'dondoc_test_bot';
  const now = () => options.now?.() ?? Date.now();
  const chats = new Map<number, FakeChat>();
  const files = new Map<string, { bytes: Buffer; size: number; path: string }>();
  const failures: { method: string; failure: FakeFailure; times: number; chat: number | undefined }[] = [];
  const allSentAt: number[] = [];
  let queue: Queued[] = [];
  let nextUpdate = 500_000_001;
  let nextFile = 1;
  let allowed: string[] | null = null;
  let currentPoll: { refuse(): void } | null = null;
  let woken = () => undefined as void;
  let closed = false;
  let connections = 0;

  const seconds = () => Math.floor(now() / 1000);
  const chatOf = (id: number): FakeChat => {
    const known = chats.get(id);
    if (known) return known;
    const fresh: FakeChat = { id, messages: [], started: false, blocked: false, movedTo: null, nextId: 1, sentAt: [] };
    chats.set(id, fresh);
    return fresh;
  };

  function push(update: Record<string, unknown>): number {
    const number = nextUpdate++;
    const kind = Object.keys(update)[0] ?? '';
    if (allowed === null || allowed.includes(kind)) queue.push({ update: { update_id: number, ...update }, at: now(), repeated: false });
    woken();
    return number;
  }

  const fake: FakeTelegram = {
    root: '', token, username, calls: [], problems: [], answered: new Set(), commands: new Map(), webhook: null, deliveries: [], tooFast: 0, downloads: 0,
    user: (id, about = {}) => createUser(hands, id, about),
    chat: (id) => {
      const { messages } = chatOf(id);
      return { messages, said: messages.filter((message) => message.from === 'bot').map((message) => message.text) };
    },
    fail: (method, failure, times = 1, chat) => void failures.push({ method, failure, times, chat }),
    push,
    repeat(number) {
      const seen = history.get(number);
      if (!seen) throw new Error(`update ${number} was never delivered`);
      queue.unshift({ update: seen, at: now(), repeated: true });
      woken();
    },
    lastUpdate: () => nextUpdate - 1,
    upgradeGroup: (from, to) => {
      chatOf(from).movedTo = to;
      chatOf(to).started = true;
    },
    loseFiles: () => files.clear(),
    unconfirmed: () => queue.length,
    connections: () => connections,
    lastFile: () => [...files.keys()].at(-1) ?? '',
    async close() {
      closed = true;
      currentPoll?.refuse();
      woken();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const history = new Map<number, Queued['update']>();

  const hands: Hands = {
    chatOf, push, now,
    bot: { id: Number(token.split(':')[0]), is_bot: true, first_name: 'Đôn Đốc', username },
    nextQuery: (person) => `${person}${nextUpdate}00`,
    keepFile(bytes, size) {
      const ref = `BQACAgUAAxkBAAI${nextFile}`;
      files.set(ref, { bytes, size, path: `documents/file_${nextFile++}.bin` });
      return ref;
    },
  };
  const { bot } = hands;

  async function getUpdates(payload: Record<string, unknown>, response: ServerResponse): Promise<unknown> {
    if (fake.webhook) throw new ApiError(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first");
    currentPoll?.refuse();
    let refused = false;
    const poll = { refuse: () => { refused = true; woken(); } };
    response.once('close', () => woken());
    currentPoll = poll;
    const offset = typeof payload.offset === 'number' ? payload.offset : 0;
    if (Array.isArray(payload.allowed_updates)) allowed = payload.allowed_updates as string[];
    queue = queue.filter((item) => (item.repeated || item.update.update_id >= offset) && now() - item.at < dayMs);
    const until = Date.now() + Number(payload.timeout ?? 0) * (options.secondMs ?? 1_000);
    while (queue.length === 0 && !refused && !closed && !response.destroyed && Date.now() < until) {
      const wait = new AbortController();
      woken = () => wait.abort();
      await sleep(Math.min(until - Date.now(), 1_000), undefined, { signal: wait.signal }).catch(() => undefined);
    }
    if (currentPoll === poll) currentPoll = null;
    if (refused) throw new ApiError(409, 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running');
    const batch = queue.slice(0, Math.min(Number(payload.limit ?? 100), 100));
    for (const item of batch) history.set(item.update.update_id, item.update);
    queue = queue.filter((item) => !(item.repeated && batch.includes(item)));
    return batch.map((item) => item.update);
  }

  function pace(chat: FakeChat): void {
    if (!options.strict) return;
    const at = now();
    const refuse = (retryAfter: number) => {
      fake.tooFast += 1;
      throw new ApiError(429, `Too Many Requests: retry after ${retryAfter}`, { retry_after: retryAfter });
    };
    if (allSentAt.filter((sent) => at - sent < 1_000).length >= 30) refuse(1);
    if (chat.id < 0 && chat.sentAt.filter((sent) => at - sent < 60_000).length >= 20) refuse(10);
    if (chat.id > 0 && chat.sentAt.filter((sent) => at - sent < 3_000).length >= 3) refuse(3);
    allSentAt.push(at);
    chat.sentAt.push(at);
  }

  function reachable(payload: Record<string, unknown>): FakeChat {
    const chat = chats.get(Number(payload.chat_id));
    if (!chat) throw new ApiError(400, 'Bad Request: chat not found');
    if (chat.movedTo !== null) throw new ApiError(400, 'Bad Request: group chat was upgraded to a supergroup chat', { migrate_to_chat_id: chat.movedTo });
    if (chat.blocked) throw new ApiError(403, 'Forbidden: bot was blocked by the user');
    if (!chat.started) throw new ApiError(403, "Forbidden: bot can't initiate conversation with a user");
    return chat;
  }

  function readKeyboard(payload: Record<string, unknown>): FakeMessage['buttons'] {
    const markup = payload.reply_markup as { inline_keyboard?: { text: string; callback_data?: string; url?: string }[][] } | undefined;
    const rows = markup?.inline_keyboard ?? [];
    if (rows.flat().length > 100 || rows.some((row) => row.length > 8)) throw new ApiError(400, 'Bad Request: too many buttons');
    return rows.map((row) => row.map((button) => {
      if (button.text === '') throw new ApiError(400, "Bad Request: can't parse inline keyboard button: Text must be non-empty");
      if (button.url !== undefined && /\/\/(localhost|127\.|\[)/.test(button.url)) throw new ApiError(400, `Bad Request: inline keyboard button URL '${button.url}' is invalid: Wrong HTTP URL`);
      return { label: button.text, ...(button.callback_data === undefined ? {} : { data: button.callback_data }), ...(button.url === undefined ? {} : { url: button.url }) };
    }));
  }

  function shown(chat: FakeChat, message: FakeMessage): Record<string, unknown> {
    return { message_id: message.id, from: bot, chat: { id: chat.id, type: chat.id < 0 ? 'supergroup' : 'private' }, date: seconds(), text: message.text };
  }

  function say(payload: Record<string, unknown>, text: string, document: UploadedFile | null): Record<string, unknown> {
    const chat = reachable(payload);
    const buttons = readKeyboard(payload);
    if (text.trim() === '' && !document) throw new ApiError(400, 'Bad Request: message text is empty');
    pace(chat);
    const message: FakeMessage = { id: chat.nextId++, from: 'bot', text, document, buttons, edits: 0, at: now() };
    chat.messages.push(message);
    return shown(chat, message);
  }

  function edit(payload: Record<string, unknown>): Record<string, unknown> {
    const chat = reachable(payload);
    const message = chat.messages.find((kept) => kept.id === payload.message_id && kept.from === 'bot');
    if (!message) throw new ApiError(400, 'Bad Request: message to edit not found');
    if (message.document) throw new ApiError(400, 'Bad Request: there is no text in the message to edit');
    const buttons = readKeyboard(payload);
    if (message.text === payload.text && JSON.stringify(buttons) === JSON.stringify(message.buttons)) {
      throw new ApiError(400, 'Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message');
    }
    Object.assign(message, { text: payload.text, buttons, edits: message.edits + 1 });
    return shown(chat, message);
  }

  async function run(method: string, payload: Record<string, unknown>, response: ServerResponse): Promise<unknown> {
    switch (method) {
      case 'getMe': return { ...bot, can_join_groups: true, can_read_all_group_messages: false, supports_inline_queries: false };
      case 'getUpdates': return getUpdates(payload, response);
      case 'sendMessage': return say(payload, textOf(payload.text), null);
      case 'sendDocument': return say(payload, textOf(payload.caption), payload.document as UploadedFile);
      case 'editMessageText': return edit(payload);
      case 'answerCallbackQuery': return fake.answered.add(textOf(payload.callback_query_id)) && true;
      case 'setMyCommands': return fake.commands.set(textOf(payload.language_code), payload.commands) && true;
      case 'getWebhookInfo': return { url: fake.webhook?.url ?? '', has_custom_certificate: false, pending_update_count: queue.length };
      case 'deleteWebhook': fake.webhook = null; return true;
      case 'setWebhook':
        if (payload.url === '') fake.webhook = null;
        else fake.webhook = { url: textOf(payload.url), secret: textOf(payload.secret_token) };
        if (Array.isArray(payload.allowed_updates)) allowed = payload.allowed_updates as string[];
        currentPoll?.refuse();
        void deliver();
        return true;
      case 'getFile': {
        const file = files.get(textOf(payload.file_id));
        if (!file) throw new ApiError(400, 'Bad Request: wrong file_id or the file is temporarily unavailable');
        if (file.size > 20 * 1024 * 1024) throw new ApiError(400, 'Bad Request: file is too big');
        return { file_id: payload.file_id, file_unique_id: 'u', file_size: file.size, file_path: file.path };
      }
      default: throw new ApiError(404, 'Not Found: method not found');
    }
  }

  let delivering = false;
  async function deliver(): Promise<void> {
    if (delivering) return;
    delivering = true;
    let pause = 50;
    while (fake.webhook && !closed) {
      const item = queue[0];
      if (!item) {
        const wait = new AbortController();
        woken = () => wait.abort();
        await sleep(500, undefined, { signal: wait.signal }).catch(() => undefined);
        continue;
      }
      const status = await fetch(fake.webhook.url, {
        method: 'POST', headers: { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': fake.webhook.secret }, body: JSON.stringify(item.update), signal: AbortSignal.timeout(10_000),
      }).then((answer) => answer.status, () => 0);
      fake.deliveries.push(status);
      history.set(item.update.update_id, item.update);
      if (status >= 200 && status < 300) {
        queue = queue.filter((other) => other !== item);
        pause = 50;
      } else {
        await sleep(pause);
        pause = Math.min(pause * 2, 1_000);
      }
    }
    delivering = false;
  }

  function nextFailure(method: string, payload: Record<string, unknown>): FakeFailure | null {
    const found = failures.find((failure) => failure.times > 0 && failure.method === method && (failure.chat === undefined || failure.chat === payload.chat_id));
    if (!found) return null;
    found.times -= 1;
    return found.failure;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const file = /^\/file\/bot([^/]+)\/(.+)$/.exec(url.pathname);
    if (file) return sendFile(decodeURIComponent(file[1] as string), decodeURIComponent(file[2] as string), response);
    const [, shownToken = '', method = ''] = /^\/bot([^/]+)\/(\w+)$/.exec(decodeURIComponent(url.pathname)) ?? [];
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const type = request.headers['content-type'] ?? '';
    const body = Buffer.concat(chunks);
    try {
      if (shownToken !== token) throw new ApiError(401, 'Unauthorized');
      const payload = type.startsWith('multipart/') ? readForm(method, readMultipart(type, body)) : (JSON.parse(body.toString() || '{}') as Record<string, unknown>);
      fake.calls.push({ method, payload, at: now() });
      const problems = checkCall(method, payload);
      fake.problems.push(...problems);
      if (problems.length > 0) throw new ApiError(400, `Bad Request: ${problems.join('; ')}`);
      const failure = nextFailure(method, payload);
      if (failure?.kind === 'error') throw new ApiError(failure.code, failure.description, failure.parameters);
      if (failure?.kind === 'html') return void response.writeHead(failure.status, { 'content-type': 'text/html' }).end('<html><h1>Bad Gateway</h1></html>');
      if (failure?.kind === 'reset') return void request.socket.destroy();
      if (failure?.kind === 'hang') return;
      const result = await run(method, payload, response);
      if (failure?.kind === 'lost') return void request.socket.destroy();
      if (failure?.kind === 'lost-and-hang') return;
      reply(response, 200, { ok: true, result });
    } catch (error) {
      if (!(error instanceof ApiError)) {
        fake.problems.push(`${method}: ${error instanceof Error ? error.message : 'unreadable'}`);
        return reply(response, 400, { ok: false, error_code: 400, description: 'Bad Request: unreadable' });
      }
      reply(response, error.code, { ok: false, error_code: error.code, description: error.message, ...(error.parameters ? { parameters: error.parameters } : {}) });
    }
  }

  function sendFile(shownToken: string, path: string, response: ServerResponse): void {
    const file = [...files.values()].find((known) => known.path === path);
    if (shownToken !== token || !file) return reply(response, 404, { ok: false, error_code: 404, description: 'Not Found' });
    const failure = nextFailure('file', {});
    fake.downloads += 1;
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': file.bytes.length });
    if (!failure) return void response.end(file.bytes);
    response.write(file.bytes.subarray(0, Math.floor(file.bytes.length / 2)));
    if (failure.kind === 'reset') setTimeout(() => response.destroy(), 50);
  }

  const server: Server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  fake.root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return fake;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  if (!response.headersSent) response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
