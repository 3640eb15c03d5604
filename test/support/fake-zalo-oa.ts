import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';

/** How a call is made to fail: their own "no" (HTTP 200), a gateway's page, a broken connection before the work was done, an answer lost after it. */
export type ZaloOaFailure = { kind: 'error'; code: number; message: string } | { kind: 'html'; status: number } | { kind: 'reset' } | { kind: 'lost' };

/** A button as the person sees it. */
export interface OaButton {
  title: string;
  payload?: string;
  url?: string;
}

/** A message of the account as the person sees it. */
export interface OaMessage {
  text: string;
  buttons: OaButton[];
  file: { name: string; bytes: Buffer } | null;
  template: { id: string; data: Record<string, string> } | null;
}

/** A file somebody sent; what the event says of it may be a lie. */
export interface OaFile {
  name: string;
  bytes: Buffer;
  size?: number | string;
  checksum?: string;
  /** Another address than the stand-in's own. */
  url?: string;
}

/** A stand-in of Zalo for an Official Account: OAuth, the OpenAPI, the webhook's caller and the file host, which refuses and loses what the real ones refuse and lose. */
export interface FakeZaloOa {
  /** The base of the API, of OAuth, and the host files are kept on. */
  root: string;
  host: string;
  appId: string;
  appSecret: string;
  secretKey: string;
  firstRefreshToken: string;
  /** Where events go. */
  hook(url: string | null): void;
  /** The status of the delivery. A failed connection is tried again by {@link FakeZaloOa.retry}. */
  says(user: string, text: string): Promise<number>;
  sendsFile(user: string, file: OaFile, kind?: 'file' | 'image'): Promise<number>;
  /** Any event of that person, signed. */
  event(name: string, user: string, more?: Record<string, unknown>): Promise<number>;
  /** The last body once more, unchanged, as an hour later. */
  retry(): Promise<number>;
  /** A body of one's own; signed unless a header is given (null: none). */
  post(body: string, signature?: string | null): Promise<number>;
  sign(body: string, timestamp: string): string;
  seen(user: string): OaMessage[];
  press(user: string, title: string): Promise<number>;
  fail(path: string, failure: ZaloOaFailure): void;
  /** `refused`: buttons are answered with -201; `typed`: only those without `template_type` are. */
  buttons(mode: 'taken' | 'refused' | 'typed'): void;
  templates: Set<string>;
  /** Moves the stand-in's clock: windows close, uploads and tokens end. */
  wait(ms: number): void;
  leaves(user: string): void;
  losesFiles(): void;
  /** Refresh tokens traded in so far, good and burnt. */
  exchanges: string[];
  calls: { path: string; code: number }[];
  /** The one refresh token that is good now, as the console would give it. */
  goodRefreshToken(): string;
  /** Called in the middle of an exchange, after the old token is burnt. */
  onExchange: (() => void) | null;
  close(): Promise<void>;
}

const hour = 3_600_000;
const day = 24 * hour;

const buttonSchema = z.strictObject({ title: z.string().min(1).max(100), type: z.enum(['oa.query.hide', 'oa.open.url']), payload: z.union([z.string().min(1).max(1000), z.strictObject({ url: z.url() })]) });
const messageSchema = z.strictObject({
  recipient: z.strictObject({ user_id: z.string().min(1) }),
  message: z.union([
    z.strictObject({ text: z.string().min(1), attachment: z.strictObject({ type: z.literal('template'), payload: z.strictObject({ template_type: z.literal('button').optional(), buttons: z.array(buttonSchema).min(1).max(5) }) }).optional() }),
    z.strictObject({ attachment: z.strictObject({ type: z.literal('file'), payload: z.strictObject({ token: z.string().min(1) }) }) }),
  ]),
});
const templateSchema = z.strictObject({ user_id: z.string().min(1), template_id: z.string().min(1), template_data: z.record(z.string(), z.string().max(30)) });

class No extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Starts the stand-in on a free port. `trial`: an account that is not verified gets no refresh token. */
export async function startFakeZaloOa(options: { trial?: boolean; ratePerMinute?: number } = {}): Promise<FakeZaloOa> {
  const appId = '3608000001';
  const appSecret = 'app-secret-of-tests';
  const secretKey = 'oa-secret-key-of-tests';
  const oaId = '579745863508352884';
  const tokens = { access: '', refresh: 'refresh-0', accessEnds: 0 };
  const lastContact = new Map<string, number>();
  const gone = new Set<string>();
  const chats = new Map<string, OaMessage[]>();
  const log: { user: string; src: 0 | 1; time: number; type: string; message: string; id: string }[] = [];
  const uploads = new Map<string, { name: string; bytes: Buffer; at: number }>();
  const files = new Map<string, Buffer>();
  const failures: { path: string; failure: ZaloOaFailure }[] = [];
  let filesLost = false;
  let buttonMode: 'taken' | 'refused' | 'typed' = 'taken';
  let hookUrl: string | null = null;
  let lastBody = '';
  let lastSignature: string | null = null;
  let shift = 0;
  let count = 0;
  let minute = { start: 0, calls: 0 };

  const now = (): number => Date.now() + shift;

  function requireToken(request: IncomingMessage): void {
    if (request.url?.includes('access_token=')) throw new No(404, 'Not found');
    const given = request.headers['access_token'];
    if (given !== tokens.access || given === '') throw new No(-216, 'Access token is invalid');
    if (now() > tokens.accessEnds) throw new No(-220, 'Access token is expired');
    if (now() - minute.start > 60_000) minute = { start: now(), calls: 0 };
    minute.calls += 1;
    if (minute.calls > (options.ratePerMinute ?? 4000)) throw new No(-32, 'Your application reached limit call api');
  }

  function requireOpen(user: string): void {
    const last = lastContact.get(user);
    if (gone.has(user)) throw new No(-213, 'User has not followed');
    if (last === undefined || now() - last > 7 * day) throw new No(-230, 'User has not interacted with the OA in the past 7 days');
  }

  function show(user: string, message: Partial<OaMessage>): Record<string, unknown> {
    chats.set(user, [...(chats.get(user) ?? []), { text: '', buttons: [], file: null, template: null, ...message }]);
    const id = `oa${(count += 1)}`;
    log.push({ user, src: 0, time: now(), type: 'text', message: message.text ?? '', id });
    const since = now() - (lastContact.get(user) ?? 0);
    return { message_id: id, user_id: user, sent_time: String(now()), quota: { quota_type: message.template ? 'purchase_quota' : since <= 2 * day ? 'reply' : 'sub_quota' } };
  }

  function sendMessage(body: unknown): unknown {
    const parsed = messageSchema.safeParse(body);
    if (!parsed.success) throw new No(-201, `${parsed.error.issues[0]?.path.join('.') ?? ''} is invalid!`);
    const { recipient: { user_id: user }, message } = parsed.data;
    if (!/^[0-9a-z]+$/.test(user)) throw new No(-201, 'user_id is invalid!');
    requireOpen(user);
    if (!('text' in message)) {
      const upload = uploads.get(message.attachment.payload.token);
      if (!upload || now() - upload.at > 7 * day) throw new No(-100, 'attachment is expired');
      return show(user, { file: upload });
    }
    if (message.text.normalize('NFC').length > 2000) throw new No(-210, 'text is too long');
    if (message.attachment && (buttonMode === 'refused' || (buttonMode === 'typed' && !message.attachment.payload.template_type))) throw new No(-201, 'attachment is invalid!');
    const buttons = (message.attachment?.payload.buttons ?? []).map(({ title, payload }) => (typeof payload === 'string' ? { title, payload } : { title, url: payload.url }));
    return show(user, { text: message.text, buttons });
  }

  function sendTemplate(body: unknown): unknown {
    const parsed = templateSchema.safeParse(body);
    if (!parsed.success) throw new No(-1124, 'template data is invalid');
    const { user_id: user, template_id: id, template_data: data } = parsed.data;
    if (!fake.templates.has(id)) throw new No(-131, 'template is not approved');
    if (gone.has(user) || !lastContact.has(user)) throw new No(-232, 'user cannot receive');
    return show(user, { template: { id, data } });
  }

  async function upload(request: IncomingMessage): Promise<unknown> {
    const form = await new Response(new Uint8Array(await buffer(request)), { headers: { 'content-type': request.headers['content-type'] ?? '' } }).formData();
    const file = form.get('file');
    if (file === null || typeof file === 'string') throw new No(-201, 'file is invalid!');
    const bytes = Buffer.from(await file.arrayBuffer());
    if (bytes.length > 5 * 1024 * 1024) throw new No(-210, 'file size exceeds limit');
    // Other kinds are silently rejected: success without a token.
    if (!/\.(pdf|docx?|csv)$/i.test(file.name)) return {};
    const token = `upload-${(count += 1)}`;
    uploads.set(token, { name: file.name, bytes, at: now() });
    return { token };
  }

  function listEntries(user: string | null, query: unknown): unknown {
    const { offset, count: size } = z.looseObject({ offset: z.int().min(0), count: z.int().min(1).max(10) }).parse(query);
    const mine = log.filter((entry) => user === null || entry.user === user);
    // The list of chats holds the latest message of each.
    const shown = user === null ? [...new Map(mine.map((entry) => [entry.user, entry])).values()] : mine;
    return shown.sort((a, b) => b.time - a.time).slice(offset, offset + size).map(({ src, time, type, message, id, user: person }) => ({
      src, time, type, message, message_id: id, from_id: src === 1 ? person : oaId, to_id: src === 1 ? oaId : person,
    }));
  }

  /** Answers of another shape than the API's, and with status 200 even when it says no. */
  function exchange(request: IncomingMessage, body: string): Record<string, unknown> {
    const form = new URLSearchParams(body);
    const no = (error: number, name: string): Record<string, unknown> => ({ error, error_name: name, error_reason: name, error_description: name, ref_doc: 'https://developers.zalo.me' });
    if (request.headers['secret_key'] !== appSecret || form.get('app_id') !== appId || form.get('grant_type') !== 'refresh_token') return no(-14002, 'Invalid app');
    const given = form.get('refresh_token') ?? '';
    fake.exchanges.push(given);
    if (given !== tokens.refresh) return no(-14014, 'Invalid refresh token');
    if (options.trial) return { access_token: 'trial', expires_in: '90000' };
    const number = (count += 1);
    Object.assign(tokens, { access: `access-${number}`, refresh: `refresh-${number}`, accessEnds: now() + 90_000_000 });
    fake.onExchange?.();
    return { access_token: tokens.access, refresh_token: tokens.refresh, expires_in: '90000' };
  }

  async function api(path: string, url: URL, request: IncomingMessage): Promise<unknown> {
    requireToken(request);
    const query = (): unknown => JSON.parse(url.searchParams.get('data') ?? '{}');
    const body = async (): Promise<unknown> => JSON.parse((await buffer(request)).toString('utf8'));
    switch (`${request.method} ${path}`) {
      case 'POST /v3.0/oa/message/cs': return sendMessage(await body());
      case 'POST /v3.0/oa/message/template': return sendTemplate(await body());
      case 'POST /v2.0/oa/upload/file': return upload(request);
      case 'GET /v2.0/oa/getoa': return { oaid: oaId, name: 'Công đoàn tỉnh', is_verified: true, oa_type: 4, num_follower: 12, package_name: 'Growth', package_valid_through_date: '31/12/2026' };
      case 'GET /v2.0/oa/listrecentchat': return listEntries(null, query());
      case 'GET /v2.0/oa/conversation': return listEntries(z.looseObject({ user_id: z.string() }).parse(query()).user_id, query());
      default: throw new No(404, 'Not found');
    }
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const path = url.pathname;
    if (path.startsWith('/files/')) {
      const bytes = filesLost ? undefined : files.get(path);
      return void (bytes ? response.writeHead(200).end(bytes) : response.writeHead(404).end());
    }
    if (path === '/redirect') return void response.writeHead(302, { location: url.searchParams.get('to') ?? '/' }).end();
    const index = failures.findIndex((entry) => entry.path === path);
    const failure = index < 0 ? null : (failures.splice(index, 1)[0]?.failure ?? null);
    if (failure?.kind === 'html') return void response.writeHead(failure.status, { 'content-type': 'text/html' }).end('<html>Bad Gateway</html>');
    if (failure?.kind === 'reset') return void request.socket.destroy();
    let code = 0;
    let answer: unknown;
    try {
      if (failure?.kind === 'error') throw new No(failure.code, failure.message);
      answer = path === '/v4/oa/access_token' ? exchange(request, (await buffer(request)).toString('utf8')) : { data: await api(path, url, request), error: 0, message: 'Success' };
    } catch (error) {
      code = error instanceof No ? error.code : -200;
      answer = { error: code, message: error instanceof Error ? error.message : 'failed' };
    }
    fake.calls.push({ path, code });
    if (failure?.kind === 'lost') return void request.socket.destroy();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  const server = createServer((request, response) => {
    serve(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  const sign = (body: string, timestamp: string): string => createHash('sha256').update(`${appId}${body}${timestamp}${secretKey}`).digest('hex');

  async function deliver(body: string, signature: string | null): Promise<number> {
    lastBody = body;
    lastSignature = signature;
    if (hookUrl === null) return 0;
    return fetch(hookUrl, { method: 'POST', headers: { 'content-type': 'application/json', ...(signature === null ? {} : { 'x-zevent-signature': signature }) }, body }).then((answer) => answer.status, () => 0);
  }

  async function event(name: string, user: string, more: Record<string, unknown> = {}): Promise<number> {
    const timestamp = String(now());
    const who = name === 'follow' || name === 'unfollow' ? { oa_id: oaId, follower: { id: user } } : { sender: { id: user }, recipient: { id: oaId }, user_id_by_app: `app-${user}` };
    const body = JSON.stringify({ app_id: appId, ...who, event_name: name, ...more, timestamp });
    return deliver(body, `mac=${sign(body, timestamp)}`);
  }

  const fake: FakeZaloOa = {
    root: `http://${host}`, host, appId, appSecret, secretKey, firstRefreshToken: 'refresh-0',
    hook: (url) => (hookUrl = url),
    sign,
    async says(user, text) {
      lastContact.set(user, now());
      const id = `in${(count += 1)}`;
      log.push({ user, src: 1, time: now(), type: 'text', message: text, id });
      return event('user_send_text', user, { message: { msg_id: id, text } });
    },
    async sendsFile(user, file, kind = 'file') {
      lastContact.set(user, now());
      const path = `/files/${(count += 1)}`;
      files.set(path, file.bytes);
      const payload = {
        url: file.url ?? `http://${host}${path}`,
        ...(kind === 'image' ? { thumbnail: `http://${host}${path}` } : { name: file.name, type: file.name.split('.').at(-1), size: String(file.size ?? file.bytes.length), checksum: file.checksum ?? createHash('md5').update(file.bytes).digest('hex') }),
      };
      return event(kind === 'image' ? 'user_send_image' : 'user_send_file', user, { message: { msg_id: `in${(count += 1)}`, attachments: [{ type: kind, payload }] } });
    },
    event,
    retry: () => deliver(lastBody, lastSignature),
    post(body, signature) {
      if (signature !== undefined) return deliver(body, signature);
      const timestamp = z.looseObject({ timestamp: z.string() }).safeParse(JSON.parse(body)).data?.timestamp ?? '';
      return deliver(body, `mac=${sign(body, timestamp)}`);
    },
    seen: (user) => chats.get(user) ?? [],
    async press(user, title) {
      const button = (chats.get(user) ?? []).flatMap((message) => message.buttons).findLast((each) => each.title === title);
      if (button?.payload === undefined) throw new Error(`no button "${title}"`);
      return fake.says(user, button.payload);
    },
    fail: (path, failure) => void failures.push({ path, failure }),
    buttons: (mode) => (buttonMode = mode),
    templates: new Set(),
    wait: (ms) => (shift += ms),
    leaves: (user) => void gone.add(user),
    losesFiles: () => (filesLost = true),
    goodRefreshToken: () => tokens.refresh,
    exchanges: [], calls: [], onExchange: null,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}
