import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

/** How a call is made to fail: an answer of the service (with HTTP 200, as always), a gateway's page, a broken connection, an answer lost after the work was done. */
export type ZaloBotFailure = { kind: 'error'; code: number; description: string } | { kind: 'html'; status: number } | { kind: 'reset' } | { kind: 'lost' };

/** A stand-in for the Zalo Bot API that refuses and loses what the real one refuses and loses. */
export interface FakeZaloBot {
  root: string;
  token: string;
  /** What was said in a chat by the bot. */
  said(chat: string): string[];
  /** The person writes: by webhook when one is set, else it waits for a poll, and is lost when nobody polls for `keepMs`. */
  says(chat: string, words: string): Promise<void>;
  /** Any event. */
  push(update: Record<string, unknown>): Promise<void>;
  /** Delivers the last event once more. */
  repeat(): Promise<void>;
  fail(method: string, failure: ZaloBotFailure): void;
  blocks(chat: string): void;
  /** Setting a webhook is saved, and its verification fails. */
  unreachable(): void;
  /** Polls under way at the same time, the most ever seen. */
  mostPolls(): number;
  webhook(): { url: string; secret: string } | null;
  close(): Promise<void>;
}

const sendSchema = z.object({ chat_id: z.string().min(1), text: z.string().min(1).max(2000) });

/** Starts the stand-in on a free port. `keepMs`: how long an update waits for a poll before it is lost. */
export async function startFakeZaloBot(options: { keepMs?: number } = {}): Promise<FakeZaloBot> {
  const token = '8123456789:zalo-bot-token_of-tests';
  const keepMs = options.keepMs ?? 60_000;
  const chats = new Map<string, string[]>();
  const known = new Set<string>();
  const blocked = new Set<string>();
  const failures: { method: string; failure: ZaloBotFailure }[] = [];
  const waiting: { update: unknown; at: number }[] = [];
  const polls = new Set<ServerResponse>();
  let hook: { url: string; secret: string } | null = null;
  let last: unknown = null;
  let verified = true;
  let most = 0;
  let count = 0;

  const answer = (response: ServerResponse, body: unknown): void => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const refuse = (response: ServerResponse, code: number, description: string): void => answer(response, { ok: false, error_code: code, description });

  const server = createServer((request, response) => {
    void (async () => {
      const [, given, method = ''] = /^\/bot([^/]+)\/(\w+)$/.exec(request.url ?? '') ?? [];
      const params = JSON.parse((await text(request)) || '{}') as Record<string, unknown>;
      if (decodeURIComponent(given ?? '') !== token) return refuse(response, 401, 'Unauthorized');
      const index = failures.findIndex((entry) => entry.method === method);
      const failure = index < 0 ? null : (failures.splice(index, 1)[0]?.failure ?? null);
      if (failure?.kind === 'error') return refuse(response, failure.code, failure.description);
      if (failure?.kind === 'html') return response.writeHead(failure.status, { 'content-type': 'text/html' }).end('<html><body>502 Bad Gateway</body></html>');
      if (failure?.kind === 'reset') return request.socket.destroy();
      const result = call(method, params, response);
      if (result === undefined) return undefined;
      if (failure?.kind === 'lost') return request.socket.destroy();
      return answer(response, result);
    })();
  });

  function call(method: string, params: Record<string, unknown>, response: ServerResponse): unknown {
    switch (method) {
      case 'getMe':
        return { ok: true, result: { id: '555', account_name: 'bot.test', account_type: 'BASIC', can_join_groups: false } };
      case 'deleteWebhook':
        if (!hook) return { ok: false, error_code: 404, description: 'webhook not found' };
        hook = null;
        return { ok: true, result: true };
      case 'setWebhook':
        hook = z.object({ url: z.string().url(), secret_token: z.string().min(8).max(256) }).transform(({ url, secret_token: secret }) => ({ url, secret })).parse(params);
        return { ok: true, result: { verification: verified ? { ok: true } : { ok: false, outcome: 'connection refused' } } };
      case 'getUpdates':
        return poll(z.object({ timeout: z.string().regex(/^\d+$/) }).parse(params), response);
      case 'sendMessage': {
        const sent = sendSchema.safeParse(params);
        if (!sent.success) return { ok: false, error_code: 400, description: 'Bad Request: text must be 1 to 2000 characters' };
        const { chat_id: chat, text: words } = sent.data;
        // Nobody can be written to who has never written; whoever blocked the bot is not found.
        if (!known.has(chat) || blocked.has(chat)) return { ok: false, error_code: 403, description: 'Forbidden: user has not interacted or blocked the bot' };
        chats.set(chat, [...(chats.get(chat) ?? []), words]);
        return { ok: true, result: { message_id: `m${(count += 1)}`, date: Date.now() } };
      }
      default:
        return { ok: false, error_code: 404, description: `unknown method ${method}` };
    }
  }

  function poll({ timeout }: { timeout: string }, response: ServerResponse): unknown {
    if (hook) return { ok: false, error_code: 400, description: 'webhook is set' };
    while (waiting[0] && Date.now() - waiting[0].at > keepMs) waiting.shift();
    const first = waiting.shift();
    if (first) return { ok: true, result: first.update };
    polls.add(response);
    most = Math.max(most, polls.size);
    const timer = setTimeout(() => {
      polls.delete(response);
      // "Nothing new" comes as an error.
      refuse(response, 408, 'Request timeout');
    }, Number(timeout) * 1000);
    response.on('close', () => {
      clearTimeout(timer);
      polls.delete(response);
    });
    return undefined;
  }

  async function push(update: Record<string, unknown>): Promise<void> {
    last = update;
    if (hook) {
      // Retries are not promised; the tests' person tries again, as people do.
      for (let tries = 0; tries < 5; tries += 1) {
        const status = await fetch(hook.url, { method: 'POST', headers: { 'content-type': 'application/json', 'x-bot-api-secret-token': hook.secret }, body: JSON.stringify({ ok: true, result: update }) }).then((sent) => sent.status, () => 0);
        if (status === 200) return;
      }
      return;
    }
    const [open] = polls;
    if (!open) return void waiting.push({ update, at: Date.now() });
    polls.delete(open);
    answer(open, { ok: true, result: update });
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    root: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token,
    said: (chat) => chats.get(chat) ?? [],
    async says(chat, words) {
      known.add(chat);
      await push({ event_name: 'message.text.received', message: { from: { id: chat, display_name: 'Ted', is_bot: false }, chat: { id: chat, chat_type: 'PRIVATE' }, text: words, message_id: `in${(count += 1)}`, date: Date.now() } });
    },
    push,
    repeat: () => push(last as Record<string, unknown>),
    fail: (method, failure) => void failures.push({ method, failure }),
    blocks: (chat) => void blocked.add(chat),
    unreachable() {
      verified = false;
    },
    mostPolls: () => most,
    webhook: () => hook,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
