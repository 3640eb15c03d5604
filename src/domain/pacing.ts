/** How much may pass: at most `capacity` at once after a rest, refilled at `perSecond`. */
export interface Rate {
  capacity: number;
  perSecond: number;
}

/** A token bucket at a moment of a clock that only rises (milliseconds). A value: every change makes a new one. */
export interface Bucket {
  level: number;
  at: number;
}

/** A bucket nobody has drawn from. */
export function fullBucket(rate: Rate, now: number): Bucket {
  return { level: rate.capacity, at: now };
}

/**
 * What the bucket holds at that moment.
 * @example levelAt({ level: 0, at: 0 }, { capacity: 3, perSecond: 1 }, 2000) → 2
 */
export function levelAt(bucket: Bucket, rate: Rate, now: number): number {
  return Math.min(rate.capacity, bucket.level + (Math.max(0, now - bucket.at) / 1000) * rate.perSecond);
}

/** Draws `count` tokens. The level may become negative: what was sent against the rate delays what follows. */
export function draw(bucket: Bucket, rate: Rate, now: number, count = 1): Bucket {
  return { level: levelAt(bucket, rate, now) - count, at: Math.max(now, bucket.at) };
}

/** Puts back a token that was drawn and not used. */
export function putBack(bucket: Bucket, rate: Rate, now: number): Bucket {
  return draw(bucket, rate, now, -1);
}

/**
 * Milliseconds until the bucket holds `wanted`; 0 when it does. Infinity when it never will.
 * @example waitFor({ level: 0, at: 0 }, { capacity: 3, perSecond: 1 }, 0, 1) → 1000
 */
export function waitFor(bucket: Bucket, rate: Rate, now: number, wanted = 1): number {
  if (wanted > rate.capacity) return Number.POSITIVE_INFINITY;
  // A hair is forgiven, so that rounding never makes a wait of 0.0001 ms.
  const lacking = wanted - levelAt(bucket, rate, now) - 1e-9;
  return lacking <= 0 ? 0 : (lacking / rate.perSecond) * 1000;
}

/** A budget over all chats: `reserve` is what only urgent messages may draw on, `inSecond` the most that leave within any one second, `urgentInSecond` with urgent ones. */
export interface Budget extends Rate {
  reserve: number;
  inSecond: number;
  urgentInSecond: number;
}

/**
 * The budget of a channel. Ordinary messages may make up for half a second's delay at once; urgent ones find a whole second's worth ready
 * after a rest. Whatever the mixture, no second holds more than the rate, and two urgent ones.
 * @example budgetOf(28) → { perSecond: 28, capacity: 28, reserve: 14, inSecond: 28, urgentInSecond: 30 }
 */
export function budgetOf(perSecond: number): Budget {
  const capacity = Math.max(1, perSecond);
  return { perSecond, capacity, reserve: capacity - Math.max(1, perSecond * 0.5), inSecond: Math.ceil(perSecond), urgentInSecond: Math.ceil(perSecond) + 2 };
}

/**
 * Milliseconds until one more may leave, so that no second holds more than `most`. `times` are the latest moments, oldest first.
 * @example waitForSecond([0, 10, 20], 3, 400) → 600
 */
export function waitForSecond(times: readonly number[], most: number, now: number): number {
  const oldest = times[times.length - most];
  return oldest === undefined ? 0 : Math.max(0, oldest + 1000 - now);
}

const firstPause = 1000;

/**
 * The pause after that many failures in a row: doubled each time from one second to the longest, of which between half and all is
 * waited, so that several processes do not knock together. `chance` is a random number from 0 up to 1.
 * @example pauseAfter(3, 0.5, 60_000) → 3000
 */
export function pauseAfter(failures: number, chance: number, longestMs: number): number {
  const full = Math.min(longestMs, firstPause * 2 ** Math.max(0, failures - 1));
  return full * (0.5 + chance / 2);
}

/**
 * How many calls may be under way at once: what the rate needs at the present latency, with half as much again to spare, never fewer than
 * four. No more than that are in doubt when the channel falls silent.
 * @example callsNeeded(28, 400) → 21
 */
export function callsNeeded(perSecond: number, latencyMs: number): number {
  return Math.min(256, Math.max(4, 4 + Math.ceil((perSecond * latencyMs * 1.5) / 1000)));
}
