import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Incoming } from '../../domain/message.ts';
import type { Log, SettingStore } from '../../ports.ts';
import type { OaRequest, OaResult } from './client.ts';
import { readWords } from './update.ts';

/** Reads what people typed while nobody took events in. */
export interface CatchUp {
  /** What arrived with that stamp is stored: nothing before it is missing, unless {@link CatchUp.missed} says so. */
  stored(at: Date): Promise<void>;
  /** An event could not be stored, and Zalo does not promise to bring it again. */
  missed(at: Date | null): void;
  /** Reads what came after the last stored event (since the first missed one), once everything works; then whenever something was missed. */
  start(): Promise<void>;
  /** Reads now. Answers how many messages were handed over; throws what the handler or the store throws, or when Zalo does not answer. */
  run(): Promise<number>;
  stop(): void;
}

/** What catching up is built from. */
export interface CatchUpSettings {
  call<Value>(request: Omit<OaRequest<Value>, 'timeoutMs'>): Promise<OaResult<Value>>;
  handle(incoming: Incoming): Promise<void>;
  settings: SettingStore;
  log: Log;
  payloadMark: string;
  /** Milliseconds between two tries while something is missing; they double up to twenty times as long. */
  pauseMs: number;
}

const lastKey = 'zalo-oa/last-event';
const pageSize = 10;
/** A list of people this long at most: enough for an outage of hours. */
const chatLimit = 2000;
const messageLimit = 200;

const userId = z.union([z.string(), z.int()]).transform(String);
// Both lists hold the same entries: `src` 0 is the account, 1 the person; `time` is in milliseconds.
const entriesSchema = z.array(z.looseObject({ src: z.coerce.number(), message_id: z.string(), from_id: userId, to_id: userId, time: z.coerce.number(), type: z.string().catch(''), message: z.string().catch('') }));
type Entry = z.infer<typeof entriesSchema>[number];

/**
 * Only typed words can be read again: nothing says that Zalo keeps files there. What came twice is recognised by its id, so reading too much is
 * harmless; still nothing is read that is not newer than the last event stored before the outage.
 */
export function createCatchUp(given: CatchUpSettings): CatchUp {
  const { settings, log } = given;
  const stopping = new AbortController();
  let last: number | null = null;
  let missedSince: number | null = null;
  let reading: Promise<void> | null = null;

  async function readLast(): Promise<number | null> {
    last ??= await settings.get<number>(lastKey);
    return last;
  }

  async function readPages(path: string, about: Record<string, unknown>, since: number, limit: number): Promise<Entry[]> {
    const found: Entry[] = [];
    for (let offset = 0; offset < limit; offset += pageSize) {
      const page = await given.call({ path, data: { ...about, offset, count: pageSize }, result: entriesSchema });
      if (!page.ok) throw new Error('zalo-oa: cannot catch up');
      found.push(...page.value.filter((entry) => entry.time > since));
      // Newest first: an entry from before says that the rest is older still.
      if (page.value.length < pageSize || page.value.some((entry) => entry.time <= since)) break;
    }
    return found;
  }

  async function run(): Promise<number> {
    const since = missedSince ?? (await readLast());
    // An account that never received anything has missed nothing.
    if (since === null) return 0;
    const chats = await readPages('/v2.0/oa/listrecentchat', {}, since, chatLimit);
    const users = new Set(chats.map((entry) => (entry.src === 1 ? entry.from_id : entry.to_id)));
    let count = 0;
    for (const user of users) {
      const entries = await readPages('/v2.0/oa/conversation', { user_id: user }, since, messageLimit);
      for (const entry of entries.filter(({ src, type }) => src === 1 && type === 'text').sort((a, b) => a.time - b.time)) {
        const content = readWords(entry.message, given.payloadMark);
        await given.handle({ channel: 'zalo-oa', chat: user, group: false, messageId: entry.message_id, edits: null, at: new Date(entry.time), senderName: '', content });
        count += 1;
      }
    }
    if (missedSince === since) missedSince = null;
    return count;
  }

  async function runUntilDone(): Promise<void> {
    for (let pauseMs = given.pauseMs; !stopping.signal.aborted; pauseMs = Math.min(2 * pauseMs, 20 * given.pauseMs)) {
      try {
        const found = await run();
        if (found > 0) log.info('zalo-oa.caught-up', { messages: found });
        if (missedSince === null) return;
      } catch (error) {
        log.warn('zalo-oa.catch-up-failed', { error: error instanceof Error ? error.name : 'unknown' });
      }
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  function begin(): void {
    reading ??= runUntilDone().finally(() => {
      reading = null;
    });
  }

  return {
    async stored(at) {
      // While something is missing the mark stays before it, so that a restart reads it too.
      if (missedSince !== null || at.getTime() <= ((await readLast()) ?? 0)) return;
      last = at.getTime();
      await settings.set(lastKey, last);
    },
    missed(at) {
      if (at === null || stopping.signal.aborted) return;
      missedSince = Math.min(missedSince ?? Number.POSITIVE_INFINITY, at.getTime() - 1);
      begin();
    },
    async start() {
      // Read before the first new event moves the mark.
      await readLast();
      missedSince = last;
      if (missedSince !== null) begin();
    },
    run,
    stop: () => stopping.abort(),
  };
}
