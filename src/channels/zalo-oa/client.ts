import { z } from 'zod';
import { describeNetworkFailure } from '../network-failure.ts';

/** Why a call did not succeed. Holds no token and nothing of what was sent. */
export interface OaFailure {
  /** Zalo's error number (0 never); null when no answer of theirs was read. */
  code: number | null;
  /** Their words, masked, or what went wrong on the way. */
  description: string;
  /** Whether the call may have had its effect all the same. */
  perhapsDone: boolean;
}

/** How a call ended. */
export type OaResult<Value> = { ok: true; value: Value } | { ok: false; failure: OaFailure };

/** A call to the Official Account's API. */
export interface OaRequest<Value> {
  /** @example '/v3.0/oa/message/cs' */
  path: string;
  /** Sent as JSON by POST. */
  body?: unknown;
  /** Sent as one url-encoded JSON in `data=` by GET. */
  data?: unknown;
  /** Sent as multipart/form-data by POST. */
  form?: FormData;
  /** Reads the `data` of the answer. */
  result: z.ZodType<Value>;
  /** Another base than the API's (templates). */
  root?: string;
  timeoutMs: number;
}

/** The Official Account's API: errors come inside HTTP 200, the token goes into a header of its own. */
export interface OaClient {
  call<Value>(token: string, request: OaRequest<Value>): Promise<OaResult<Value>>;
}

/** The error numbers that say the access token is no longer good: the same cause comes under several. */
export const tokenCodes: ReadonlySet<number> = new Set([-216, 216, -401, 401, -220]);

// `data` is missing on errors, which come with HTTP 200 all the same.
const envelopeSchema = z.looseObject({ error: z.coerce.number(), message: z.string().catch(''), data: z.unknown().optional() });

/** A client for one API root. */
export function createOaClient(apiRoot: string): OaClient {
  return {
    async call(token, request) {
      const url = new URL(`${(request.root ?? apiRoot).replace(/\/+$/, '')}${request.path}`);
      if (request.data !== undefined) url.searchParams.set('data', JSON.stringify(request.data));
      const headers: Record<string, string> = { access_token: token };
      if (request.body !== undefined) headers['content-type'] = 'application/json';
      const sent = request.form ?? (request.body === undefined ? undefined : JSON.stringify(request.body));
      const read = await fetchText(url, { method: sent === undefined ? 'GET' : 'POST', headers, body: sent ?? null, redirect: 'error', signal: AbortSignal.timeout(request.timeoutMs) });
      if ('failure' in read) return { ok: false, failure: read.failure };
      // The body first, then the status: their own "no" comes with any status, a gateway's page is no answer at all.
      const envelope = envelopeSchema.safeParse(parseJson(read.text)).data;
      if (!envelope) return { ok: false, failure: { code: null, description: `status ${read.status}, not JSON`, perhapsDone: true } };
      if (envelope.error !== 0) return { ok: false, failure: { code: envelope.error, description: envelope.message.replaceAll(token, '***').slice(0, 200), perhapsDone: false } };
      const value = request.result.safeParse(envelope.data);
      return value.success ? { ok: true, value: value.data } : { ok: false, failure: { code: null, description: 'answer not understood', perhapsDone: true } };
    },
  };
}

/** Fetches a text; a network failure is a value that says whether the request may have arrived. */
export async function fetchText(url: URL, init: RequestInit): Promise<{ status: number; text: string } | { failure: OaFailure }> {
  try {
    const response = await fetch(url, init);
    return { status: response.status, text: await response.text() };
  } catch (error) {
    return { failure: { code: null, ...describeNetworkFailure(error) } };
  }
}

/** JSON, or null where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
