import type { Attempt, OutboxRow } from '../domain/notice.ts';
import { budgetOf, callsNeeded, draw, fullBucket, levelAt, putBack, waitFor, waitForSecond } from '../domain/pacing.ts';
import type { ChannelName } from '../domain/person.ts';
import type { Channel, Core, Outgoing, Sent, Settlement, Timing } from '../ports.ts';
import { createChannelLease } from './channel-lease.ts';
import { createCircuit, type CircuitState } from './circuit.ts';
import { endNowhere, lostChange, outcomeOf, prepareDelivery, withAttempt, WordsMissing, type Render } from './delivery.ts';
import { createGathering } from '../gathering.ts';
import { createLanes, type HeldRow } from './lanes.ts';
import { chooseRoute } from './routing.ts';

/** What a sender needs. `instance` names this process among several; `rate` replaces the channel's own messages a second. */
export interface SenderOptions {
  core: Core;
  channel: Channel;
  render: Render;
  timing: Timing;
  instance: string;
  rate?: number;
  /** Told when a row was handed over to another channel's sender. */
  wakeOthers?(): void;
}

/** How a sender stands, for `/readyz` and the metrics. */
export interface SenderState {
  channel: ChannelName;
  /** Whether this process is the one that sends there; false: another one does. */
  active: boolean;
  circuit: CircuitState;
  /** Failures of the channel in a row. */
  failures: number;
  /** Rows read ahead, and calls under way. */
  held: number;
  underWay: number;
  /** Milliseconds a row takes from its turn to its settlement, averaged. */
  latencyMs: number;
  /** Answers since the start. */
  answers: Record<Sent['kind'], number>;
}

/** The one sender of a channel in this process. */
export interface Sender {
  start(): void;
  /** Rows may have been added: look now. */
  wake(): void;
  state(): SenderState;
  /** Takes nothing new, finishes what is in hand (ten seconds at most) and gives the channel free for another process. */
  stop(): Promise<void>;
}

const readAhead = 128;
const lowWater = 64;
const heldLimit = 2000;
const urgentCalls = 8;
const fullLookMs = 1000;
/** Rows added by another process wake nobody here: this is how long an answer waits for a look at the most. */
const urgentLookMs = 200;
/** Rows that are added together, by a hundred people who write at once, are looked for together. */
const wakeMs = 5;
const longestChannelPauseMs = 60_000;
/** Nobody is spared by not asking our own database: it is asked again soon. */
const longestStorePauseMs = 4000;
const callLimitMs = 60_000;
const stopLimitMs = 10_000;
const wordsTries = 5;
const chatsThatMeanAll = 3;
const bulk = [0, 1, 2, 3, 4] as const;
const urgent = [0, 1] as const;

/** Creates a {@link Sender}; it does nothing until it is started. */
export function createSender(options: SenderOptions): Sender {
  const { core, channel, render, timing, instance } = options;
  const { outbox, people } = core.store;
  const budget = budgetOf(options.rate ?? channel.pacing.perSecond);
  const chance = (): number => (core.random(1)[0] ?? 0) / 256;
  const circuit = createCircuit(chance, longestChannelPauseMs);
  const storeCircuit = createCircuit(chance, longestStorePauseMs);
  const lanes = createLanes(channel.pacing);
  const answers: Record<Sent['kind'], number> = { ok: 0, retry: 0, gone: 0, refused: 0, unknown: 0 };
  const underWay = new Set<Promise<void>>();
  const wordsFailed = new WeakMap<OutboxRow, number>();
  const refusedLately = new Map<string, number>();
  let bucket = fullBucket(budget, timing.monotonic());
  /** When the latest rows had their turn, and when the latest messages left; oldest first. */
  const lately: number[] = [];
  const left: number[] = [];
  let gate: Promise<void> = Promise.resolve();
  let running = false;
  let stopped = false;
  let latencyMs = 200;
  let count = 0;
  let cancelTimer = (): void => {};
  let reading = false;
  let readFailed = false;
  let woken = false;
  let wanted = true;
  let moreUrgent = false;
  let moreBulk = false;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let lookedUrgentAt = Number.NEGATIVE_INFINITY;

  const lease = createChannelLease({ core, timing, name: `sender/${channel.name}`, instance, onHeld: recover, onChange: (mine) => (mine ? pump() : lanes.clear()) });

  /** Takes rows, all of one batch under the same attempt; null for a row that is no longer to be sent by us. */
  const takeRow = createGathering(async (rows: readonly OutboxRow[]): Promise<(Attempt | null)[]> => {
    count += 1;
    const attempt: Attempt = { id: `${instance}/${count}`, at: core.clock(), answeredAt: null, answer: null, channel: channel.name, reason: null };
    const taken = new Set(await outbox.begin(rows.map((row) => row.key), { owner: instance, until: new Date(attempt.at.getTime() + callLimitMs) }, attempt));
    // Asked after the write: whoever took the channel over before this answer finds these rows, whoever comes later finds them too.
    if (taken.size > 0 && !(await lease.confirm())) {
      await outbox.settle(rows.filter((row) => taken.has(row.key)).map(untouched));
      return rows.map(() => null);
    }
    return rows.map((row) => (taken.has(row.key) ? attempt : null));
  }, readAhead);

  const settleRow = createGathering(async (settlements: readonly Settlement[]): Promise<boolean[]> => {
    const settled = new Set(await outbox.settle(settlements));
    return settlements.map((each) => settled.has(each.key));
  }, readAhead);

  /** Puts a row back as it was read: nothing was sent, and no attempt is left behind. */
  function untouched(row: OutboxRow): Settlement {
    return { key: row.key, owner: instance, attempt: null, change: { state: 'pending', attempts: row.attempts } };
  }

  // ------------------------------------------------------------------------------------------------------------ the pump
  // Everything that happens (a row was added, a call came back, a wait is over) ends in one look at what may go now.

  function pump(): void {
    if (!running) return;
    const now = timing.monotonic();
    if (lease.mine()) {
      while (launchNext(now));
      readOn(now);
    }
    schedule(now);
  }

  function launchNext(now: number): boolean {
    if (!circuit.allows(now, underWay.size) || !storeCircuit.allows(now, underWay.size)) return false;
    const level = levelAt(bucket, budget, now);
    const limit = callsNeeded(budget.perSecond, latencyMs);
    if (level < 1 || waitForSecond(lately, budget.urgentInSecond, now) > 0 || underWay.size >= limit + urgentCalls) return false;
    const held = lanes.take(now, level < budget.reserve + 1 || underWay.size >= limit || waitForSecond(lately, budget.inSecond, now) > 0);
    if (!held) return false;
    bucket = draw(bucket, budget, now);
    lately.push(now);
    if (lately.length > budget.urgentInSecond) lately.shift();
    const task = deliver(held, now)
      .catch((error: unknown) => core.log.error('delivery failed', { channel: channel.name, key: held.row.key, error }))
      .finally(() => {
        underWay.delete(task);
        pump();
      });
    underWay.add(task);
    return true;
  }

  function schedule(now: number): void {
    cancelTimer();
    const wait = lease.mine() ? Math.min(waitForLook(now), waitForRow(now)) : fullLookMs;
    cancelTimer = timing.after(Math.min(fullLookMs, Math.max(1, wait)), pump);
  }

  function waitForLook(now: number): number {
    if (reading) return Number.POSITIVE_INFINITY;
    const look = Math.min(roomFor(bulk, now) ? lookedAt + fullLookMs : Number.POSITIVE_INFINITY, roomFor(urgent, now) ? lookedUrgentAt + urgentLookMs : Number.POSITIVE_INFINITY);
    return Math.max(look - now, storeCircuit.waitFor(now));
  }

  function waitForRow(now: number): number {
    const resting = circuit.failures() > 0 || storeCircuit.failures() > 0;
    // A call that comes back looks by itself.
    if (underWay.size >= (resting ? 1 : callsNeeded(budget.perSecond, latencyMs))) return Number.POSITIVE_INFINITY;
    const level = lanes.waiting(true, now) > 0 ? 1 : budget.reserve + 1;
    return Math.max(lanes.waitFor(now), waitFor(bucket, budget, now, level), waitForSecond(lately, lanes.waiting(true, now) > 0 ? budget.urgentInSecond : budget.inSecond, now), circuit.waitFor(now), storeCircuit.waitFor(now));
  }

  // --------------------------------------------------------------------------------------------------------- reading ahead

  function readOn(now: number): void {
    if (reading || storeCircuit.waitFor(now) > 0) return;
    // While as many answers wait as the budget needs, what comes after them is looked for at rest, not with every answer that is added.
    const soon = (wanted || moreBulk) && roomFor(urgent, now);
    if (roomFor(bulk, now) && (soon || now - lookedAt >= fullLookMs)) void read(now, bulk);
    else if (roomFor(urgent, now) && (wanted || moreUrgent || now - lookedUrgentAt >= urgentLookMs)) void read(now, urgent);
  }

  function roomFor(priorities: typeof bulk | typeof urgent, now: number): boolean {
    return lanes.waiting(priorities === urgent, now) < lowWater && (priorities === urgent || lanes.size() < heldLimit);
  }

  async function read(now: number, priorities: typeof bulk | typeof urgent): Promise<void> {
    reading = true;
    const round = storeCircuit.round();
    const all = priorities === bulk;
    if (wanted && !all) moreBulk = true;
    wanted = false;
    lookedUrgentAt = now;
    if (all) lookedAt = now;
    try {
      const rows = await outbox.peek(channel.name, core.clock(), { priorities, limit: readAhead, except: lanes.except(!all, now) });
      moreUrgent = rows.length === readAhead;
      if (all) moreBulk = moreUrgent;
      await takeIn(rows);
      // On a full disk reading goes on as ever: only after a read that failed does one that works say anything.
      if (readFailed) storeCircuit.worked();
      readFailed = false;
    } catch (error) {
      readFailed = true;
      storeFailed(round, error);
    } finally {
      reading = false;
      pump();
    }
  }

  async function takeIn(rows: readonly OutboxRow[]): Promise<void> {
    const ids = [...new Set(rows.flatMap((row) => (row.person !== null && row.chat === null ? [row.person] : [])))];
    const found = new Map((ids.length === 0 ? [] : await people.many(ids)).map((person) => [person.id, person]));
    const aside: Settlement[] = [];
    const now = core.clock();
    for (const row of rows) {
      const route = row.expiresAt && row.expiresAt <= now ? { nowhere: 'expired' } : chooseRoute(core, row, found.get(row.person ?? '') ?? null, now);
      if ('nowhere' in route) aside.push({ key: row.key, owner: instance, attempt: null, change: endNowhere(row, route.nowhere) });
      else if (route.channel !== channel.name) aside.push({ key: row.key, owner: instance, attempt: null, change: { channel: route.channel } });
      else lanes.add(row, route.chat, timing.monotonic());
    }
    if (aside.length === 0 || !lease.mine()) return;
    await outbox.settle(aside);
    options.wakeOthers?.();
  }

  // ------------------------------------------------------------------------------------------------------------- one row

  async function deliver(held: HeldRow, begunAt: number): Promise<void> {
    const { row } = held;
    const storeRound = storeCircuit.round();
    try {
      const prepared = await prepareDelivery(core, render, channel.name, row, held.chat);
      if (prepared.kind === 'send') {
        const attempt = await takeRow(row);
        if (attempt) return await send(held, prepared.outgoing, attempt, begunAt);
      } else {
        await settleRow({ key: row.key, owner: instance, attempt: null, change: prepared.kind === 'end' ? prepared.change : { channel: prepared.channel } });
        wanted = true;
        if (prepared.kind === 'elsewhere' && prepared.channel !== channel.name) options.wakeOthers?.();
      }
      storeCircuit.worked();
      lanes.done(held, timing.monotonic(), false);
    } catch (error) {
      if (error instanceof WordsMissing && (await storeAnswers())) await wordsMissing(held, error);
      else await takeBack(held, storeRound, error);
    }
    bucket = putBack(bucket, budget, timing.monotonic());
    lately.pop();
  }

  async function send(held: HeldRow, outgoing: Outgoing, attempt: Attempt, begunAt: number): Promise<void> {
    const { row, chat } = held;
    const round = circuit.round();
    storeCircuit.worked();
    await passGate();
    // No wait stands between this look and the call: a process that slept past its lease stops here.
    if (!lease.mine()) {
      await settleSurely(untouched(row));
      return lanes.done(held, timing.monotonic(), false);
    }
    const sent = await callChannel(row, chat, outgoing, attempt);
    const now = timing.monotonic();
    answers[sent.kind] += 1;
    if (sent.kind === 'retry' && (sent.scope === 'channel' || isEverywhere(chat, now))) circuit.failed(round, now, sent.afterMs);
    else if (sent.kind === 'unknown') circuit.fellSilent(round, now);
    else circuit.worked();
    if (sent.kind !== 'unknown') latencyMs += (now - begunAt - latencyMs) / 8;
    if (sent.kind !== 'ok') core.log.warn('not delivered', { channel: channel.name, key: row.key, answer: sent.kind, reason: sent.reason });

    const at = core.clock();
    const attempts = withAttempt(row.attempts, { ...attempt, answeredAt: at, answer: sent.kind, reason: sent.kind === 'ok' ? null : sent.reason });
    const { change, restMs } = outcomeOf(row, attempts, sent, at);
    if (sent.kind === 'gone') await markGone(chat, sent);
    await settleSurely({ key: row.key, owner: instance, attempt: attempt.id, change });
    const done = timing.monotonic();
    const counted = sent.kind !== 'retry';
    if (change.state === 'pending' && sent.kind !== 'gone' && lease.mine()) lanes.putBack({ row: { ...row, ...change }, chat }, done, restMs, counted);
    else lanes.done(held, done, counted);
    if (change.state === 'pending') wanted = true;
  }

  /** A refusal names no reason: from several chats within a second it is about the whole channel, from fewer about those chats alone. */
  function isEverywhere(chat: string, now: number): boolean {
    refusedLately.set(chat, now);
    for (const [other, at] of refusedLately) if (now - at > 1000) refusedLately.delete(other);
    return refusedLately.size >= chatsThatMeanAll;
  }

  /**
   * The last pace before the call. A row's turn comes at an even pace, but the store may hold up several and let them go together: here no
   * second sees more than the budget, whatever happened on the way.
   */
  function passGate(): Promise<void> {
    gate = gate.then(async () => {
      const wait = waitForSecond(left, budget.urgentInSecond, timing.monotonic());
      if (wait > 0) await new Promise<void>((resolve) => timing.after(wait, resolve));
      left.push(timing.monotonic());
      if (left.length > budget.urgentInSecond) left.shift();
    });
    return gate;
  }

  /** The call itself. One that throws or never comes back may have arrived; an `ok` that comes after all is still written down. */
  async function callChannel(row: OutboxRow, chat: string, outgoing: Outgoing, attempt: Attempt): Promise<Sent> {
    let cancel = (): void => {};
    const silence = new Promise<Sent>((resolve) => {
      cancel = timing.after(callLimitMs, () => resolve({ kind: 'unknown', reason: 'no answer within a minute' }));
    });
    const call = channel.send(chat, outgoing).catch((error: unknown): Sent => {
      core.log.error('channel threw', { channel: channel.name, key: row.key, error });
      return { kind: 'unknown', reason: 'the channel failed' };
    });
    const sent = await Promise.race([call, silence]);
    cancel();
    if (sent.kind === 'unknown') {
      void call.then(async (late) => {
        if (late.kind !== 'ok') return;
        const at = core.clock();
        await settleSurely({ key: row.key, owner: instance, attempt: attempt.id, change: outcomeOf(row, withAttempt(row.attempts, { ...attempt, answeredAt: at, answer: 'ok' }), late, at).change });
      });
    }
    return sent;
  }

  async function markGone(chat: string, sent: Extract<Sent, { kind: 'gone' }>): Promise<void> {
    await surely(() => (sent.movedTo === undefined ? people.markGone(channel.name, chat, sent.reason) : people.moveAddress(channel.name, chat, sent.movedTo)));
  }

  // -------------------------------------------------------------------------------------------------------- when it goes wrong

  /** Rows a sender left behind in the middle of a call: they may have arrived, and follow the rule of their kind. */
  async function recover(): Promise<void> {
    for (;;) {
      const rows = await outbox.stale(channel.name, instance, readAhead);
      if (rows.length === 0) return;
      core.log.warn('attempts without an answer', { channel: channel.name, rows: rows.length });
      const settled = await outbox.settle(
        rows.map((row) => {
          const last = row.attempts.at(-1);
          const attempts = last ? withAttempt(row.attempts, { ...last, answer: 'unknown', reason: 'the sender stopped' }) : row.attempts;
          return { key: row.key, owner: row.lease?.owner ?? '', attempt: null, change: { ...lostChange(row, attempts), attempts } };
        }),
      );
      wanted = true;
      if (settled.length === 0) return;
    }
  }

  /**
   * The store failed around the taking of a row: nothing was sent, and whether or not the row was taken, it is put back. That this works says nothing about
   * the next taking: it needs no room, and on a full disk the two would chase each other without a pause.
   */
  async function takeBack(held: HeldRow, round: number, error: unknown): Promise<void> {
    storeFailed(round, error);
    await surely(() => settleRow(untouched(held.row)), () => undefined);
    lanes.done(held, timing.monotonic(), false);
    wanted = true;
  }

  async function wordsMissing(held: HeldRow, error: WordsMissing): Promise<void> {
    const tries = (wordsFailed.get(held.row) ?? 0) + 1;
    wordsFailed.set(held.row, tries);
    core.log.error('no words for a notice', { kind: held.row.notice.kind, key: held.row.key, tries, error: error.cause });
    if (tries < wordsTries) return lanes.putBack(held, timing.monotonic(), 500 * 2 ** tries, false);
    await settleSurely({ key: held.row.key, owner: instance, attempt: null, change: { state: 'dead', reason: 'no words' } });
    lanes.done(held, timing.monotonic(), false);
  }

  async function storeAnswers(): Promise<boolean> {
    return core.store.ping().then(() => true, () => false);
  }

  function storeFailed(round: number, error: unknown): void {
    if (round === storeCircuit.round()) core.log.error('store failed', { channel: channel.name, error });
    storeCircuit.failed(round, timing.monotonic(), 0);
  }

  async function settleSurely(settlement: Settlement): Promise<void> {
    await surely(() => settleRow(settlement));
  }

  /** Until it is done or the process ends: what is known about a message that has left must not be lost with a hiccup of the store. */
  async function surely(deed: () => Promise<unknown>, worked = storeCircuit.worked): Promise<void> {
    for (;;) {
      const round = storeCircuit.round();
      try {
        await deed();
        return worked();
      } catch (error) {
        storeFailed(round, error);
        if (stopped) return;
        await new Promise<void>((resolve) => timing.after(storeCircuit.waitFor(timing.monotonic()), resolve));
      }
    }
  }

  return {
    start() {
      running = true;
      lease.start();
      pump();
    },
    wake() {
      wanted = true;
      if (woken) return;
      woken = true;
      timing.after(wakeMs, () => {
        woken = false;
        pump();
      });
    },
    state: () => ({ channel: channel.name, active: lease.mine(), circuit: circuit.state(timing.monotonic()), failures: circuit.failures(), held: lanes.size(), underWay: underWay.size, latencyMs: Math.round(latencyMs), answers: { ...answers } }),
    async stop() {
      running = false;
      cancelTimer();
      let cancel = (): void => {};
      await Promise.race([Promise.all(underWay), new Promise<void>((resolve) => (cancel = timing.after(stopLimitMs, resolve)))]);
      cancel();
      stopped = true;
      await lease.stop();
    },
  };
}
