import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { draw, fullBucket, levelAt, waitFor, type Bucket, type Rate } from '../domain/pacing.ts';

/** What happens to a call: it works, or it goes wrong in one of the ways real networks know. */
export type Weather =
  | 'fine'
  /** A gateway's page instead of an answer; nothing was done. */
  | 'bad-gateway'
  /** Accepted and never answered; nothing was done. */
  | 'hang'
  /** The connection is cut before anything was done. */
  | 'reset'
  /** Done, and the connection is cut before the answer. */
  | 'lose-answer'
  | 'unauthorized'
  | 'conflict'
  | 'too-many'
  | 'blocked';

/** A message that was taken. Texts are kept as sent: whoever measures writes numbers into them. */
export interface Taken {
  chat: string;
  text: string;
  /** Milliseconds since the epoch. */
  at: number;
}

/** How strict and how slow the server is; every value may be changed while it runs. */
export interface StrictSettings {
  /** Milliseconds until an answer. */
  latencyMs: number;
  limits: { all: Rate; chat: Rate; group: Rate };
  /** What a refused call is told to wait at least, in seconds. */
  penalty: number;
  /** The weather of one call. */
  weather(chat: string, text: string): Weather;
  /** Called with every message taken. */
  onTaken?(taken: Taken): void;
}

/** A running server. */
export interface StrictBotApi {
  /** What `TELEGRAM_API_ROOT` is set to. */
  root: string;
  settings: StrictSettings;
  taken: Taken[];
  /** Calls refused with 429. */
  refused: number;
  close(): Promise<void>;
}

/** The published limits: 30 a second over all, one a second per chat with bursts of three, 20 a minute per group. */
export const publishedLimits: StrictSettings['limits'] = {
  all: { capacity: 30, perSecond: 30 },
  chat: { capacity: 3, perSecond: 1 },
  group: { capacity: 20, perSecond: 20 / 60 },
};

/** Limits nothing comes near: for measuring the sender alone. */
export const noLimits: StrictSettings['limits'] = { all: { capacity: 1e9, perSecond: 1e9 }, chat: { capacity: 1e9, perSecond: 1e9 }, group: { capacity: 1e9, perSecond: 1e9 } };

const bodySchema = z.object({ chat_id: z.coerce.string().default(''), text: z.string().default('') }).catch({ chat_id: '', text: '' });

/** Starts a server that speaks as much of the Bot API as a sender needs, and enforces the limits like the real one: nobody may go over. */
export async function startStrictBotApi(change: Partial<StrictSettings> = {}): Promise<StrictBotApi> {
  const settings: StrictSettings = { latencyMs: 50, limits: publishedLimits, penalty: 3, weather: () => 'fine', ...change };
  const chats = new Map<string, Bucket>();
  const open = new Set<ServerResponse>();
  let all = fullBucket(settings.limits.all, performance.now());
  let lastId = 0;

  /** Draws from both buckets, or answers the seconds to wait. */
  function pass(chat: string): number | null {
    const now = performance.now();
    const rate = chat.startsWith('-') ? settings.limits.group : settings.limits.chat;
    const bucket = chats.get(chat) ?? fullBucket(rate, now);
    const wait = Math.max(waitFor(bucket, rate, now), waitFor(all, settings.limits.all, now));
    if (wait > 0) return Math.max(settings.penalty, Math.ceil(wait / 1000));
    chats.set(chat, draw(bucket, rate, now));
    all = draw(all, settings.limits.all, now);
    if (chats.size > 10_000) for (const [key, each] of chats) if (levelAt(each, settings.limits.chat, now) >= settings.limits.chat.capacity) chats.delete(key);
    return null;
  }

  function answer(response: ServerResponse, code: number, body: object): void {
    setTimeout(() => {
      if (response.destroyed) return;
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    }, settings.latencyMs);
  }

  function refuse(response: ServerResponse, code: number, description: string, parameters: object = {}): void {
    answer(response, code, { ok: false, error_code: code, description, parameters });
  }

  function cut(response: ServerResponse): void {
    setTimeout(() => response.socket?.destroy(), settings.latencyMs);
  }

  function sendMessage(response: ServerResponse, chat: string, text: string): void {
    const weather = settings.weather(chat, text);
    if (weather === 'hang') return;
    if (weather === 'reset') return cut(response);
    if (weather === 'bad-gateway') return void setTimeout(() => response.writeHead(502, { 'content-type': 'text/html' }).end('<html><body>502 Bad Gateway</body></html>'), settings.latencyMs);
    if (weather === 'unauthorized') return refuse(response, 401, 'Unauthorized');
    if (weather === 'conflict') return refuse(response, 409, 'Conflict: terminated by other getUpdates request');
    if (weather === 'blocked') return refuse(response, 403, 'Forbidden: bot was blocked by the user');
    const wait = weather === 'too-many' ? settings.penalty : pass(chat);
    if (wait !== null) {
      api.refused += 1;
      return refuse(response, 429, `Too Many Requests: retry after ${wait}`, { retry_after: wait });
    }
    const taken = { chat, text, at: Date.now() };
    lastId += 1;
    api.taken.push(taken);
    settings.onTaken?.(taken);
    if (weather === 'lose-answer') return cut(response);
    answer(response, 200, { ok: true, result: { message_id: lastId, date: Math.floor(taken.at / 1000), chat: { id: Number(chat) || 0, type: 'private' }, text } });
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    open.add(response);
    response.on('close', () => open.delete(response));
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const method = /\/bot[^/]+\/(\w+)/.exec(request.url ?? '')?.[1] ?? '';
    if (method === 'sendMessage') {
      const { chat_id: chat, text } = bodySchema.parse(readJson(Buffer.concat(parts).toString()));
      return sendMessage(response, chat, text);
    }
    if (method === 'getMe') return answer(response, 200, { ok: true, result: { id: 1, is_bot: true, first_name: 'Bench', username: 'bench_bot' } });
    // Nobody writes here: a poll is answered empty after a while.
    if (method === 'getUpdates') return void setTimeout(() => answer(response, 200, { ok: true, result: [] }), 2000);
    answer(response, 200, { ok: true, result: true });
  }

  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const api: StrictBotApi = {
    root: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    settings,
    taken: [],
    refused: 0,
    async close() {
      for (const response of open) response.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
  return api;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
