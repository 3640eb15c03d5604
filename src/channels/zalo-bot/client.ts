import { z } from 'zod';
import { describeNetworkFailure } from '../network-failure.ts';

/** Why a call did not succeed. Holds no token and nothing of what was sent. */
export interface CallFailure {
  /** The service's error code; null when no answer of it was read. */
  code: number | null;
  /** The service's words, masked, or what went wrong on the way. */
  description: string;
  /** Whether the call may have had its effect all the same. */
  perhapsDone: boolean;
}

/** How a call ended. */
export type CallResult<Value> = { ok: true; value: Value } | { ok: false; failure: CallFailure };

/** The Zalo Bot API: about ten methods, JSON over POST, answers read by zod, failures as values. */
export interface ZaloBotClient {
  /** Calls a method; never throws. `signal` ends it early. */
  call<Value>(method: string, params: Record<string, unknown>, result: z.ZodType<Value>, limits: { timeoutMs: number; signal?: AbortSignal }): Promise<CallResult<Value>>;
}

// Errors come with HTTP 200: only `ok` tells.
const envelopeSchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), result: z.unknown().optional() }),
  z.object({ ok: z.literal(false), error_code: z.coerce.number().catch(0), description: z.string().catch('') }),
]);

/** A client for one bot. The token stands in the path of every call, so no address and no raw error is ever passed on. */
export function createZaloBotClient(token: string, apiRoot: string): ZaloBotClient {
  const root = apiRoot.replace(/\/+$/, '');
  const mask = (text: string) => text.replaceAll(token, '***').replaceAll(encodeURIComponent(token), '***').slice(0, 200);

  return {
    async call(method, params, result, { timeoutMs, signal }) {
      const signals = [AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])];
      let status: number;
      let body: string;
      try {
        const response = await fetch(`${root}/bot${token}/${method}`, {
          method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(params), signal: AbortSignal.any(signals), redirect: 'error',
        });
        status = response.status;
        body = await response.text();
      } catch (error) {
        return { ok: false, failure: { code: null, ...describeNetworkFailure(error) } };
      }
      const envelope = envelopeSchema.safeParse(parseJson(body)).data;
      // Not their JSON: a gateway spoke. What stood behind it may have done the work.
      if (!envelope) return { ok: false, failure: { code: null, description: `status ${status}, not JSON`, perhapsDone: true } };
      if (!envelope.ok) return { ok: false, failure: { code: envelope.error_code, description: mask(envelope.description), perhapsDone: envelope.error_code >= 500 } };
      const value = result.safeParse(envelope.result);
      return value.success ? { ok: true, value: value.data } : { ok: false, failure: { code: null, description: 'answer not understood', perhapsDone: true } };
    },
  };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
