import type { OutboxRow } from '../domain/notice.ts';
import { draw, fullBucket, levelAt, waitFor, type Bucket, type Rate } from '../domain/pacing.ts';
import type { Pacing, PeekRequest } from '../ports.ts';

/** A row read ahead, waiting for its turn in a chat. */
export interface HeldRow {
  row: OutboxRow;
  chat: string;
}

/** Rows that answer somebody or give a receipt: they never wait behind the others, and the others never behind their number. */
export function isUrgent(row: Pick<OutboxRow, 'priority'>): boolean {
  return row.priority <= 1;
}

/** Most rows of one chat held at a time, urgent and others counted apart: a busy chat or group never fills the window. */
const heldPerChat = 8;

/**
 * The rows a sender holds, one lane per chat. A lane lets one row pass at a time and only at the chat's own pace, so that the order inside
 * a chat is kept and no refusal comes back; lanes do not hold up each other. All times are milliseconds of a clock that only rises.
 */
export interface Lanes {
  /** Takes a row in; false when its chat has enough waiting (it stays in the store and is read again later). */
  add(row: OutboxRow, chat: string, now: number): boolean;
  /** The row that goes next (of the lanes that may send the most urgent, private chats before groups, then the oldest), taken out of its lane, which is busy from here on. */
  take(now: number, urgentOnly: boolean): HeldRow | null;
  /** The row taken from that chat is done with; `sent` when the channel may have counted it. */
  done(held: HeldRow, now: number, sent: boolean): void;
  /** Puts the row back in its place in the lane, which then waits for so long: nothing of that chat overtakes it but what is more urgent. */
  putBack(held: HeldRow, now: number, pauseMs: number, sent: boolean): void;
  /** Milliseconds until a row could go; Infinity when none waits for time alone. */
  waitFor(now: number): number;
  /** Rows waiting in lanes that are not paused, urgent ones or the others. */
  waiting(urgent: boolean, now: number): number;
  /** What need not be read again: rows in hand, and chats that have enough waiting. */
  except(urgent: boolean, now: number): PeekRequest['except'];
  /** Drops everything not taken: another sender has the channel now. */
  clear(): void;
  /** Rows held, taken ones included. */
  size(): number;
}

interface Lane {
  group: boolean;
  queue: OutboxRow[];
  taken: OutboxRow | null;
  bucket: Bucket;
  pausedUntil: number;
}

/** Whether the first row goes before the second. */
function goesBefore(a: OutboxRow, b: OutboxRow): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  const waited = a.notBefore.getTime() - b.notBefore.getTime() || a.createdAt.getTime() - b.createdAt.getTime();
  return waited === 0 ? a.key < b.key : waited < 0;
}

/** Empty {@link Lanes} that keep that pacing. */
export function createLanes(pacing: Pacing): Lanes {
  const lanes = new Map<string, Lane>();
  const privateRate: Rate = { capacity: pacing.chatBurst, perSecond: pacing.perChatPerSecond };
  const groupRate: Rate = { capacity: pacing.perGroupMinute, perSecond: pacing.perGroupMinute / 60 };
  const rateOf = (lane: Lane): Rate => (lane.group ? groupRate : privateRate);
  let lastTidied = 0;

  function laneOf(chat: string, now: number): Lane {
    const found = lanes.get(chat);
    if (found) return found;
    const group = pacing.isGroup(chat);
    const made: Lane = { group, queue: [], taken: null, bucket: fullBucket(group ? groupRate : privateRate, now), pausedUntil: 0 };
    lanes.set(chat, made);
    return made;
  }

  function insert(lane: Lane, row: OutboxRow): void {
    const place = lane.queue.findIndex((waiting) => goesBefore(row, waiting));
    lane.queue.splice(place < 0 ? lane.queue.length : place, 0, row);
  }

  /** Forgets chats at rest with a full bucket: memory follows what is under way, not who was ever written to. */
  function tidy(now: number): void {
    if (now - lastTidied < 1000) return;
    lastTidied = now;
    for (const [chat, lane] of lanes) {
      const rate = rateOf(lane);
      if (lane.queue.length === 0 && !lane.taken && lane.pausedUntil <= now && levelAt(lane.bucket, rate, now) >= rate.capacity) lanes.delete(chat);
    }
  }

  function release(held: HeldRow, now: number, sent: boolean): Lane {
    const lane = laneOf(held.chat, now);
    lane.taken = null;
    // The token is drawn when the answer is here: the channel counted the message at some moment before, so it never sees more than we do.
    if (sent) lane.bucket = draw(lane.bucket, rateOf(lane), now);
    return lane;
  }

  const countIn = (lane: Lane, urgent: boolean): number => lane.queue.filter((row) => isUrgent(row) === urgent).length;

  return {
    add(row, chat, now) {
      tidy(now);
      const lane = laneOf(chat, now);
      if (countIn(lane, isUrgent(row)) >= heldPerChat) return false;
      insert(lane, row);
      return true;
    },
    take(now, urgentOnly) {
      let best: { chat: string; lane: Lane; row: OutboxRow } | null = null;
      for (const [chat, lane] of lanes) {
        const row = lane.queue[0];
        if (!row || lane.taken || lane.pausedUntil > now || (urgentOnly && !isUrgent(row))) continue;
        if (best && !(best.row.priority === row.priority && best.lane.group !== lane.group ? best.lane.group : goesBefore(row, best.row))) continue;
        if (waitFor(lane.bucket, rateOf(lane), now) > 0) continue;
        best = { chat, lane, row };
      }
      if (!best) return null;
      best.lane.queue.shift();
      best.lane.taken = best.row;
      return { row: best.row, chat: best.chat };
    },
    done(held, now, sent) {
      release(held, now, sent);
    },
    putBack(held, now, pauseMs, sent) {
      const lane = release(held, now, sent);
      insert(lane, held.row);
      lane.pausedUntil = Math.max(lane.pausedUntil, now + pauseMs);
    },
    waitFor(now) {
      let least = Number.POSITIVE_INFINITY;
      for (const lane of lanes.values()) {
        if (lane.queue.length === 0 || lane.taken) continue;
        least = Math.min(least, Math.max(lane.pausedUntil - now, waitFor(lane.bucket, rateOf(lane), now), 0));
      }
      return least;
    },
    waiting(urgent, now) {
      let count = 0;
      for (const lane of lanes.values()) if (lane.pausedUntil <= now) count += countIn(lane, urgent);
      return count;
    },
    except(urgent, now) {
      const keys: string[] = [];
      const people = new Set<string>();
      const chats: string[] = [];
      for (const [chat, lane] of lanes) {
        const rows = lane.taken ? [lane.taken, ...lane.queue] : lane.queue;
        for (const row of rows) keys.push(row.key);
        if (countIn(lane, urgent) < heldPerChat && !(lane.queue.length > 0 && lane.pausedUntil > now)) continue;
        chats.push(chat);
        // A row bound to a chat says nothing about where its person's other rows go.
        for (const row of rows) if (row.person !== null && row.chat === null) people.add(row.person);
      }
      return { keys, people: [...people], chats };
    },
    clear() {
      for (const lane of lanes.values()) lane.queue = [];
    },
    size() {
      let count = 0;
      for (const lane of lanes.values()) count += lane.queue.length + (lane.taken ? 1 : 0);
      return count;
    },
  };
}
