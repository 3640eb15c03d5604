import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Telegram, TelegramError } from 'telegraf';
import { z } from 'zod';
import { neverLeft } from '../network-failure.ts';
import { postForm, type Upload } from './upload.ts';

/** Why a call did not succeed: the service said no, or the network failed. Holds no token and nothing of what was sent. */
export interface CallFailure {
  /** The Bot API's error code; null when no answer of it was read. */
  code: number | null;
  /** The service's words, or the network's error code. */
  description: string;
  /** How long it asks us to wait, in milliseconds. */
  retryAfterMs: number | null;
  /** The new chat id of a group that was upgraded. */
  movedTo: string | null;
  /** Whether the call may have had its effect all the same. */
  perhapsDone: boolean;
}

/** How a call ended. */
export type CallResult<Value> = { ok: true; value: Value } | { ok: false; failure: CallFailure };

/** The Bot API with a time limit for each call and failures as values. */
export interface TelegramClient {
  /** Calls a method; `result` reads its answer. `signal` ends the call early. Never throws. */
  call<Value>(method: string, payload: Record<string, unknown>, result: z.ZodType<Value>, limits: { timeoutMs: number; signal?: AbortSignal }): Promise<CallResult<Value>>;
  /** The same with one file, streamed. A file that cannot be read whole is a failure that surely had no effect. */
  upload<Value>(method: string, fields: Readonly<Record<string, string>>, file: Upload, result: z.ZodType<Value>, limits: { timeoutMs: number }): Promise<CallResult<Value>>;
  /** The address a file is fetched from. It holds the token: never log it, never show it. */
  fileUrl(path: string): URL;
  /** Closes idle connections. */
  close(): void;
}

const certificateTrouble = /^(CERT_|ERR_TLS_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/** A client for one bot. `apiRoot` may carry a path (a proxy). */
export function createTelegramClient(token: string, apiRoot: string): TelegramClient {
  const root = apiRoot.endsWith('/') ? apiRoot : `${apiRoot}/`;
  // telegraf drops its agent for http:// roots and then opens a connection for every call.
  // Idle connections are closed by us early: one that the service closes just then would make a sending `unknown`.
  const keeping = { keepAlive: true, keepAliveMsecs: 10_000, timeout: 15_000, scheduling: 'lifo' } as const;
  const agent = root.startsWith('http://') ? new HttpAgent(keeping) : new HttpsAgent(keeping);
  const telegram = new Telegram(token, { apiRoot: root, webhookReply: false });
  Object.assign(telegram.options, { agent });
  const callApi = telegram.callApi.bind(telegram) as (method: string, payload: object, options: { signal: AbortSignal }) => Promise<unknown>;

  return {
    async call(method, payload, result, { timeoutMs, signal }) {
      // telegraf's own limit is 500 s for every call: a dead connection would be silence for minutes.
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), timeoutMs);
      const stop = () => abort.abort();
      signal?.addEventListener('abort', stop, { once: true });
      if (signal?.aborted) abort.abort();
      try {
        const answer = result.safeParse(await callApi(method, payload, { signal: abort.signal }));
        return answer.success ? { ok: true, value: answer.data } : { ok: false, failure: failureOf(null, 'answer not understood', { perhapsDone: true }) };
      } catch (error) {
        return { ok: false, failure: readFailure(error, token) };
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', stop);
      }
    },
    async upload(method, fields, file, result, { timeoutMs }) {
      let unread = false;
      file.stream.once('error', () => {
        unread = true;
      });
      try {
        const body = await postForm(new URL(`./bot${token}/${method}`, root), agent, fields, file, AbortSignal.timeout(timeoutMs));
        const envelope = z.looseObject({ ok: z.literal(true), result: z.unknown() }).safeParse(parseJson(body));
        if (!envelope.success) throw new TelegramError(answeredSchema.safeParse(parseJson(body)).data ?? { error_code: 502, description: 'not JSON' });
        const answer = result.safeParse(envelope.data.result);
        return answer.success ? { ok: true, value: answer.data } : { ok: false, failure: failureOf(null, 'answer not understood', { perhapsDone: true }) };
      } catch (error) {
        // Half an upload is no message: nothing arrived.
        if (unread) return { ok: false, failure: failureOf(null, fileUnread) };
        return { ok: false, failure: readFailure(error, token) };
      } finally {
        file.stream.destroy();
      }
    },
    fileUrl: (path) => new URL(`./file/bot${token}/${path.split('/').map(encodeURIComponent).join('/')}`, root),
    close: () => agent.destroy(),
  };
}

/** The description of an upload whose own file could not be read. */
export const fileUnread = 'the file cannot be read';

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

const answeredSchema = z.object({
  error_code: z.number(),
  description: z.string().catch(''),
  parameters: z.object({ retry_after: z.number().min(0).optional().catch(undefined), migrate_to_chat_id: z.number().int().optional().catch(undefined) }).catch({}).default({}),
});

function readFailure(error: unknown, token: string): CallFailure {
  if (error instanceof TelegramError) {
    const answer = answeredSchema.safeParse(error.response).data;
    // 5xx comes from a gateway as often as from the API: what stood behind it may have done the work.
    if (!answer || answer.error_code >= 500) return failureOf(answer?.error_code ?? null, 'server error', { perhapsDone: true });
    const { retry_after: retryAfter, migrate_to_chat_id: movedTo } = answer.parameters;
    return failureOf(answer.error_code, redact(answer.description, token), {
      retryAfterMs: retryAfter === undefined ? null : Math.ceil(retryAfter * 1000), movedTo: movedTo === undefined ? null : String(movedTo),
    });
  }
  const { name, code, type, message } = z.object({ name: z.string().catch(''), code: z.string().optional().catch(undefined), type: z.string().optional().catch(undefined), message: z.string().catch('') }).catch({ name: '', message: '' }).parse(error);
  if (name === 'AbortError' || name === 'TimeoutError') return failureOf(null, 'no answer in time', { perhapsDone: true });
  const never = code !== undefined && (neverLeft.has(code) || certificateTrouble.test(code) || (code === 'ETIMEDOUT' && /connect ETIMEDOUT|reason: $/.test(message)));
  // The message holds the address of the call: only the code is told.
  return failureOf(null, code ?? type ?? (name || 'network failed'), { perhapsDone: !never });
}

function failureOf(code: number | null, description: string, rest: Partial<CallFailure> = {}): CallFailure {
  return { code, description: description.slice(0, 200), retryAfterMs: null, movedTo: null, perhapsDone: false, ...rest };
}

function redact(text: string, token: string): string {
  return text.replaceAll(token, '***').replaceAll(encodeURIComponent(token), '***');
}
