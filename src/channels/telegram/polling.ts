import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Log } from '../../ports.ts';
import type { CallFailure, TelegramClient } from './client.ts';
import { updateChat, updateKinds, updateNumber } from './update.ts';

/** Times that tests shorten; all in milliseconds except `pollSeconds`. */
export interface Waits {
  /** A call without a file. */
  callMs: number;
  /** A call that uploads a file. */
  uploadMs: number;
  /** How long the service may hold a poll open, in seconds. */
  pollSeconds: number;
  /** How much longer than that we wait before the connection counts as dead. */
  pollMarginMs: number;
  /** First pause after a failure; it doubles up to `longestPauseMs`. */
  pauseMs: number;
  longestPauseMs: number;
  /** Between two parts of one reply in the same chat: it takes about one message a second. */
  partGapMs: number;
  /** A download that stands still this long is given up. */
  downloadIdleMs: number;
}

/** The times of the real service. */
export const usualWaits: Waits = { callMs: 20_000, uploadMs: 60_000, pollSeconds: 25, pollMarginMs: 10_000, pauseMs: 1_000, longestPauseMs: 30_000, partGapMs: 1_050, downloadIdleMs: 30_000 };

/** What the supervised loops are handed. */
export interface Supervision {
  client: TelegramClient;
  waits: Waits;
  log: Log;
  /** Ends the loop and every call of it. */
  signal: AbortSignal;
  /** Told how it goes, for `/readyz`. */
  report(ok: boolean, detail: string): void;
}

/**
 * Repeats a call until it succeeds or the signal ends it, with a growing pause; nothing but the signal ends it for good. Answers the
 * value, or null when it was ended.
 */
export async function insist<Value>(on: Supervision, method: string, payload: Record<string, unknown>, result: z.ZodType<Value>): Promise<Value | null> {
  for (let failures = 0; !on.signal.aborted; failures += 1) {
    const answer = await on.client.call(method, payload, result, { timeoutMs: on.waits.callMs, signal: on.signal });
    if (answer.ok) return answer.value;
    await pauseAfter(on, method, answer.failure, failures);
  }
  return null;
}

/**
 * Receives by long polling until the signal ends it. An update is confirmed only by asking for the one after it, and that happens only
 * once `store` has resolved for it: what cannot be stored is asked for again. Chats are stored side by side, one chat in order.
 */
export async function poll(on: Supervision, store: (update: unknown) => Promise<void>): Promise<void> {
  let offset: number | undefined;
  let proven = false;
  for (let failures = 0; !on.signal.aborted; ) {
    // The first poll, and the first after a failure, is short: it soon tells whether all is well.
    const pollSeconds = proven ? on.waits.pollSeconds : 0;
    const { pollMarginMs } = on.waits;
    const answer = await on.client.call(
      'getUpdates', { ...(offset === undefined ? {} : { offset }), limit: 100, timeout: pollSeconds, allowed_updates: updateKinds }, z.array(z.unknown()),
      { timeoutMs: pollSeconds * 1000 + pollMarginMs, signal: on.signal },
    );
    if (!answer.ok) {
      proven = false;
      await pauseAfter(on, 'getUpdates', answer.failure, failures);
      failures += 1;
      continue;
    }
    proven = true;
    const next = await storeBatch(answer.value, store, on.log);
    const stuck = answer.value.length > 0 && (next === null || next === offset);
    if (next !== null) offset = next;
    if (stuck) {
      on.report(false, 'updates cannot be stored');
      await rest(on, failures);
      failures += 1;
    } else {
      on.report(true, 'polling');
      failures = 0;
    }
  }
  // Confirms what is stored, so that the next start does not read it again. Harmless if it fails: repeats are known by their id.
  if (offset !== undefined) await on.client.call('getUpdates', { offset, limit: 1, timeout: 0 }, z.array(z.unknown()), { timeoutMs: Math.min(on.waits.callMs, 2_000) });
}

/** Stores a batch; answers the offset that confirms everything before the first update that could not be stored, null when no update had a number. */
async function storeBatch(updates: readonly unknown[], store: (update: unknown) => Promise<void>, log: Log): Promise<number | null> {
  const chats = new Map<string, { number: number; update: unknown }[]>();
  for (const update of updates) {
    const number = updateNumber(update);
    if (number === null) log.warn('telegram.update-without-number');
    else chats.set(updateChat(update), [...(chats.get(updateChat(update)) ?? []), { number, update }]);
  }
  const numbers = [...chats.values()].flat().map(({ number }) => number);
  const failed = await Promise.all([...chats.values()].map(async (chat) => {
    for (const { number, update } of chat) {
      try {
        await store(update);
      } catch (error) {
        log.error('telegram.not-stored', { error: error instanceof Error ? error.name : 'unknown' });
        return number;
      }
    }
    return null;
  }));
  const unstored = failed.filter((number) => number !== null);
  if (numbers.length === 0) return null;
  return unstored.length > 0 ? Math.min(...unstored) : Math.max(...numbers) + 1;
}

async function pauseAfter(on: Supervision, method: string, failure: CallFailure, failures: number): Promise<void> {
  if (on.signal.aborted) return;
  const { code, description } = failure;
  on.report(false, `${method}: ${code ?? ''} ${description}`.replace(/\s+/g, ' '));
  on.log.warn('telegram.call-failed', { method, code, description, failures: failures + 1 });
  // 401 and 404: the token is wrong; hurrying does not mend it.
  const hopeless = code === 401 || code === 404;
  await rest(on, hopeless ? Infinity : failures, failure.retryAfterMs ?? 0);
}

async function rest(on: Supervision, failures: number, atLeastMs = 0): Promise<void> {
  const pause = Math.max(Math.min(on.waits.pauseMs * 2 ** failures, on.waits.longestPauseMs), atLeastMs);
  await sleep(pause, undefined, { signal: on.signal }).catch(() => undefined);
}
