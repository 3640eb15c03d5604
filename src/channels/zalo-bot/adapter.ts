import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Choice, Incoming } from '../../domain/message.ts';
import type { Capabilities, Channel, Log, Outgoing, Sent } from '../../ports.ts';
import { degrade } from '../degrade.ts';
import { openRemoteFile, zaloFileHosts } from '../remote-file.ts';
import { createZaloBotClient, type CallFailure } from './client.ts';
import { parseZaloBotUpdate } from './update.ts';

/** Messages a month that the free bot has, perhaps in both directions: both are counted. */
export const zaloBotMonthlyQuota = 3000;

/** Counts the month's messages; kept in the store, so that a restart forgets nothing. */
export interface Quota {
  /** Counts some messages and answers the month's sum. */
  add(count: number): Promise<number>;
  used(): Promise<number>;
  /** Milliseconds until the next month begins. */
  untilNextMonth(): number;
}

/** Times that tests shorten, in milliseconds except `pollSeconds`. */
export interface ZaloBotWaits {
  callMs: number;
  pollSeconds: number;
  pollMarginMs: number;
  pauseMs: number;
  longestPauseMs: number;
  /** Between two parts of one message. */
  partGapMs: number;
}

/** The times of the real service. */
export const usualZaloBotWaits: ZaloBotWaits = { callMs: 20_000, pollSeconds: 30, pollMarginMs: 10_000, pauseMs: 1000, longestPauseMs: 60_000, partGapMs: 1050 };

/** What the Zalo Bot channel is built from. */
export interface ZaloBotSettings {
  token: string;
  apiRoot: string;
  /** The address Zalo is to call and the secret it shows; null: polling. */
  webhook: { url: string; secret: string } | null;
  quota: Quota;
  offer(chat: string, choices: readonly Choice[]): Promise<{ number: number; choice: Choice }[]>;
  linkFor(chat: string, document: { fileId: string; name: string }): Promise<string>;
  log: Log;
  waits?: Partial<ZaloBotWaits>;
}

/** The Zalo Bot channel; webhook updates are handed in by the HTTP route. */
export interface ZaloBotChannel extends Channel {
  /** Takes one parsed body. Resolves once it is stored or could never be; rejects when it could not be stored. */
  receive(update: unknown): Promise<void>;
}

/** What the Zalo Bot can do: words, nothing else. A sent picture arrives as an address; files come and go by link. */
export const zaloBotCapabilities: Capabilities = { buttons: 0, textLimit: 1900, filesIn: false, sendsFile: () => false, edits: false };

const meSchema = z.object({ id: z.string() });
const sentSchema = z.object({ message_id: z.string() });
const anySchema = z.unknown();
const hookSchema = z.object({ verification: z.object({ ok: z.boolean(), outcome: z.string().catch('') }).optional().catch(undefined) }).catch({});
/** Words of a 400, 403 or 404 that is about the one person, not about the bot. */
const personWords = /user|chat|recipient|block|interact/i;
const triesWhileStopping = 4;

/** Creates the Zalo Bot channel. One poll at a time: what one poll reads, no other would see again, and it is stored before the next. */
export function createZaloBotChannel(settings: ZaloBotSettings): ZaloBotChannel {
  const { log, webhook, quota } = settings;
  const waits: ZaloBotWaits = { ...usualZaloBotWaits, ...settings.waits };
  const client = createZaloBotClient(settings.token, settings.apiRoot);
  const stopping = new AbortController();
  const inHand = new Set<Promise<unknown>>();
  let handle: ((incoming: Incoming) => Promise<void>) | null = null;
  let receiving: Promise<void> = Promise.resolve();
  let health = { ok: false, detail: 'not started' };

  function track<Value>(work: Promise<Value>): Promise<Value> {
    inHand.add(work);
    return work.finally(() => inHand.delete(work));
  }

  async function receive(update: unknown): Promise<void> {
    if (stopping.signal.aborted) throw new Error('zalo-bot: not receiving');
    await take(update);
  }

  async function take(update: unknown): Promise<void> {
    if (!handle) throw new Error('zalo-bot: not receiving');
    const parsed = parseZaloBotUpdate(update);
    if (parsed.kind === 'malformed') return log.warn('zalo-bot.malformed-update', { where: parsed.where });
    if (parsed.kind === 'skipped') return log.info('zalo-bot.skipped-update', { why: parsed.why });
    await track(handle(parsed.incoming));
    await quota.add(1).catch(() => undefined);
  }

  /** Stores an update that exists nowhere else any more: it is tried until it is stored, and nothing new is read before; also while stopping, a few times. */
  async function keep(update: unknown): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted || failures < triesWhileStopping; failures += 1) {
      try {
        return await take(update);
      } catch (error) {
        log.error('zalo-bot.not-stored', { error: error instanceof Error ? error.name : 'unknown' });
        health = { ok: false, detail: 'updates cannot be stored' };
        await sleep(Math.min(waits.pauseMs * 2 ** failures, waits.longestPauseMs));
      }
    }
    log.error('zalo-bot.update-lost');
  }

  async function rest(failure: CallFailure, failures: number): Promise<void> {
    if (stopping.signal.aborted) return;
    health = { ok: false, detail: `${failure.code ?? ''} ${failure.description}`.trim() };
    log.warn('zalo-bot.call-failed', { code: failure.code, description: failure.description, failures: failures + 1 });
    const pause = failure.code === 401 || failure.code === 403 ? waits.longestPauseMs : Math.min(waits.pauseMs * 2 ** failures, waits.longestPauseMs);
    await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
  }

  /** Calls until it works; null when stopped meanwhile. */
  async function insist<Value>(method: string, params: Record<string, unknown>, result: z.ZodType<Value>): Promise<{ value: Value | null } | null> {
    for (let failures = 0; !stopping.signal.aborted; failures += 1) {
      const answer = await client.call(method, params, result, { timeoutMs: waits.callMs, signal: stopping.signal });
      if (answer.ok) return { value: answer.value };
      // No webhook was set: there is nothing to delete.
      if (method === 'deleteWebhook' && answer.failure.code === 404) return { value: null };
      await rest(answer.failure, failures);
    }
    return null;
  }

  async function poll(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      const answer = await client.call('getUpdates', { timeout: String(waits.pollSeconds) }, anySchema, { timeoutMs: waits.pollSeconds * 1000 + waits.pollMarginMs, signal: stopping.signal });
      if (answer.ok) {
        failures = 0;
        health = { ok: true, detail: 'polling' };
        if (answer.value !== null && answer.value !== undefined) await keep(answer.value);
      } else if (answer.failure.code === 408 || (answer.failure.code === null && answer.failure.description === 'TimeoutError')) {
        // Nothing new is said as an error.
        failures = 0;
        health = { ok: true, detail: 'polling' };
      } else {
        await rest(answer.failure, failures);
        failures += 1;
      }
    }
  }

  async function run(): Promise<void> {
    if (!(await insist('getMe', {}, meSchema))) return;
    if (!webhook) {
      if (!(await insist('deleteWebhook', {}, anySchema))) return;
      health = { ok: true, detail: 'polling' };
      return poll();
    }
    const set = await insist('setWebhook', { url: webhook.url, secret_token: webhook.secret }, hookSchema);
    if (!set) return;
    const check = set.value?.verification;
    health = { ok: true, detail: 'webhook' };
    if (check?.ok !== false) return;
    // It is saved all the same: perhaps the address was not yet to be reached from outside.
    health = { ok: true, detail: 'webhook set, but Zalo could not reach it' };
    log.warn('zalo-bot.webhook-not-verified', { outcome: check.outcome.slice(0, 100) });
  }

  async function send(chat: string, outgoing: Outgoing): Promise<Sent> {
    if (stopping.signal.aborted) return { kind: 'retry', afterMs: 1000, scope: 'channel', reason: 'stopped' };
    if ((await quota.used()) >= zaloBotMonthlyQuota) return quotaUsedUp();
    const parts = await degrade(outgoing, zaloBotCapabilities, { offer: (choices) => settings.offer(chat, choices), linkFor: (document) => settings.linkFor(chat, document), captionLimit: 0 });
    let sent: Sent = { kind: 'refused', reason: 'nothing to send' };
    for (const [index, part] of parts.entries()) {
      if (index > 0) await sleep(waits.partGapMs);
      const answer = await client.call('sendMessage', { chat_id: chat, text: part.text }, sentSchema, { timeoutMs: waits.callMs });
      sent = answer.ok ? { kind: 'ok', messageId: answer.value.message_id } : sentOf(answer.failure);
      if (answer.ok) await quota.add(1).catch(() => undefined);
      // The beginning is there already: the whole must not be sent again.
      if (sent.kind !== 'ok') return index > 0 ? { kind: 'unknown', reason: 'only the beginning arrived' } : sent;
    }
    return sent;
  }

  function quotaUsedUp(): Sent {
    return { kind: 'retry', afterMs: quota.untilNextMonth(), scope: 'channel', reason: 'monthly quota used up' };
  }

  function sentOf(failure: CallFailure): Sent {
    const { code, description: reason } = failure;
    if (failure.perhapsDone) return { kind: 'unknown', reason };
    if (code === 429) return /quota/i.test(reason) ? quotaUsedUp() : { kind: 'retry', afterMs: 60_000, scope: 'channel', reason };
    if (code === null || code === 401) return { kind: 'retry', afterMs: 60_000, scope: 'channel', reason };
    if ((code === 403 || code === 404 || /not found/i.test(reason)) && personWords.test(reason)) return { kind: 'gone', reason };
    // About the bot as a whole: nobody is to blame and nothing is lost, it waits until the bot may speak again.
    if (code === 403 || code === 404) return { kind: 'retry', afterMs: 60_000, scope: 'channel', reason };
    return { kind: 'refused', reason };
  }

  return {
    name: 'zalo-bot',
    capabilities: zaloBotCapabilities,
    // No rate is published: be modest.
    pacing: { perSecond: 5, perChatPerSecond: 1, chatBurst: 3, perGroupMinute: 20, isGroup: () => false },
    async start(given) {
      handle = given;
      receiving = run();
    },
    receive,
    reach: () => ({ kind: 'free' }),
    send: (chat, outgoing) => track(send(chat, outgoing)),
    open: (file) => openRemoteFile(file, { hosts: zaloFileHosts, idleMs: 30_000 }),
    deepLink: () => null,
    health: () => health,
    async stop() {
      stopping.abort();
      await receiving;
      await Promise.allSettled(inHand);
      health = { ok: false, detail: 'stopped' };
    },
  };
}
