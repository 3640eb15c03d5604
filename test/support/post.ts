import { randomBytes } from 'node:crypto';
import type { OutboxRow } from '../../src/domain/notice.ts';
import type { ChannelName } from '../../src/domain/person.ts';
import type { Channel, Core, Outgoing, Pacing, Sent, Store, Timing } from '../../src/ports.ts';
import { createSender, type Sender, type SenderOptions } from '../../src/services/outbox.ts';
import { buildPerson, calendar } from './builders.ts';
import { openHouseStore } from './house-store.ts';

/** A message as it left: where, what, when (milliseconds of the test's own clock). */
export interface Letter {
  channel: ChannelName;
  chat: string;
  text: string;
  at: number;
}

/** A channel whose answers are scripted; without a script everything arrives. */
export interface ScriptedChannel extends Channel {
  /** What the next calls answer, in order; `null` in between: as usual. */
  script: ((chat: string, text: string) => Sent | Promise<Sent> | null)[];
  latencyMs: number;
}

/** Pacing nothing waits for. */
export const freePacing: Pacing = { perSecond: 2000, perChatPerSecond: 1000, chatBurst: 1000, perGroupMinute: 60_000, isGroup: (chat) => chat.startsWith('-') };

/** How much faster time runs in a {@link Post} unless said otherwise. */
export const postFactor = 5;

/** Time that runs `factor` times as fast, so that pauses of minutes fit into a test. */
export function fastTiming(factor: number): Timing {
  return {
    monotonic: () => performance.now() * factor,
    after(ms, run) {
      const timer = setTimeout(run, ms / factor);
      return () => clearTimeout(timer);
    },
  };
}

/** A store, channels that write down what leaves, and senders on them. */
export interface Post {
  core: Core;
  store: Store;
  letters: Letter[];
  channel(name: ChannelName): ScriptedChannel;
  /** Starts a sender of that channel as a process of its own. */
  sender(name: ChannelName, change?: Partial<SenderOptions>): Sender;
  /** The present time; the core's clock. */
  now: { add(ms: number): void };
  /** Waits until the condition holds; throws after `limitMs`. */
  until(what: () => Promise<boolean> | boolean, limitMs?: number): Promise<void>;
  /** Until nothing is pending or being sent. */
  idle(limitMs?: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens a {@link Post} with these channels; time runs five times as fast unless said otherwise. */
export async function openPost(options: { channels?: Partial<Record<ChannelName, Pacing>>; timing?: Timing } = {}): Promise<Post> {
  const opened = await openHouseStore();
  const timing = options.timing ?? fastTiming(postFactor);
  const letters: Letter[] = [];
  const senders: Sender[] = [];
  let shift = 0;
  const channels = new Map<ChannelName, ScriptedChannel>();
  for (const [name, pacing] of Object.entries(options.channels ?? { telegram: freePacing })) channels.set(name as ChannelName, scriptedChannel(name as ChannelName, pacing, letters, timing));
  const core: Core = {
    store: opened.store, channels, calendar, levels: [], secret: 'secret', publicUrl: 'http://127.0.0.1', clock: () => new Date(Date.now() + shift),
    log: { info() {}, warn() {}, error() {} }, random: (bytes) => randomBytes(bytes), wakeOutbox: () => senders.forEach((sender) => sender.wake()),
    recognise: () => Promise.reject(new Error('no files here')), drawCode: () => Promise.reject(new Error('no pictures here')), drawChart: () => Promise.reject(new Error('no pictures here')), writeSheet: () => { throw new Error('no sheets here'); },
  };
  const post: Post = {
    core, store: opened.store, letters,
    channel: (name) => channels.get(name) as ScriptedChannel,
    sender(name, change = {}) {
      const sender = createSender({
        core, channel: post.channel(name), timing, instance: `process-${senders.length + 1}`, wakeOthers: () => core.wakeOutbox(),
        render: async (notice, row, _person, again) => ({ text: `${row.key}${again ? ' again' : ''}${notice.kind === 'answer' ? ' answer' : ''}` }), ...change,
      });
      senders.push(sender);
      sender.start();
      return sender;
    },
    now: { add: (ms) => (shift += ms) },
    async until(what, limitMs = 8000) {
      for (const end = Date.now() + limitMs; !(await what()); await new Promise((resolve) => setTimeout(resolve, 10))) {
        if (Date.now() > end) throw new Error(`waited ${limitMs} ms in vain; outbox: ${JSON.stringify(await opened.store.outbox.counts())}`);
      }
    },
    async idle(limitMs) {
      await post.until(async () => {
        const counts = await opened.store.outbox.counts();
        return counts.pending === 0 && counts.sending === 0;
      }, limitMs);
    },
    async close() {
      await Promise.all(senders.map((sender) => sender.stop()));
      await opened.leave();
    },
  };
  return post;
}

/** People `p0`, `p1`, … each with an address on the channel: `c0`, `c1`, … unless said otherwise. */
export async function addPeople(store: Store, count: number, channel: ChannelName = 'telegram', chatOf = (index: number): string => `c${index}`): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const { id: _id, ...person } = buildPerson(`p${index}`);
    ids.push((await store.people.create({ ...person, addresses: [{ channel, id: chatOf(index), lastAt: person.consent.at, state: 'active', reason: null }] })).id);
  }
  return ids;
}

/** A row bound to a chat, as answers are. */
export function toChat(chat: string): Partial<OutboxRow> {
  return { chat, person: null };
}

function scriptedChannel(name: ChannelName, pacing: Pacing, letters: Letter[], timing: Timing): ScriptedChannel {
  const channel: ScriptedChannel = {
    name, pacing, script: [], latencyMs: 5,
    capabilities: { buttons: 100, textLimit: 4096, filesIn: true, sendsFile: () => true, edits: true },
    start: async () => {},
    reach: () => ({ kind: 'free' }),
    async send(chat: string, outgoing: Outgoing): Promise<Sent> {
      const scripted = channel.script.shift()?.(chat, outgoing.text);
      await new Promise<void>((resolve) => timing.after(channel.latencyMs, resolve));
      const sent = (await scripted) ?? { kind: 'ok', messageId: String(letters.length + 1) };
      if (sent.kind === 'ok' || sent.kind === 'unknown') letters.push({ channel: name, chat, text: outgoing.text, at: timing.monotonic() });
      return sent;
    },
    open: () => Promise.reject(new Error('nothing was sent')),
    deepLink: () => null,
    health: () => ({ ok: true, detail: '' }),
    stop: async () => {},
  };
  return channel;
}
