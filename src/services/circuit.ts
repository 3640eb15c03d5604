import { pauseAfter } from '../domain/pacing.ts';

/** How a channel stands: `closed` works, `open` rests after failures, `probing` lets one call through to see. */
export type CircuitState = 'closed' | 'open' | 'probing';

/**
 * Keeps a channel that is down from being knocked at: every failure in a row doubles the pause (with jitter, up to the longest), after the
 * pause one call goes through alone, and its answer decides. All times are milliseconds of a clock that only rises.
 */
export interface Circuit {
  state(now: number): CircuitState;
  /** Whether a call may begin while so many are under way. */
  allows(now: number, underWay: number): boolean;
  /** What a call has to name when it reports: calls begun before the last failure say nothing new. */
  round(): number;
  worked(): void;
  /** The whole channel said no; it rests at least that long. */
  failed(round: number, now: number, atLeastMs: number): void;
  /** A call fell silent. One says little; three in a row count as a failure. */
  fellSilent(round: number, now: number): void;
  /** Milliseconds until a call may go through; 0 now. */
  waitFor(now: number): number;
  /** Failures in a row. */
  failures(): number;
}

const silencesTaken = 2;

/** A closed {@link Circuit}; `chance` gives random numbers from 0 up to 1. */
export function createCircuit(chance: () => number, longestPauseMs: number): Circuit {
  let failures = 0;
  let silences = 0;
  let round = 0;
  let openUntil = 0;

  function open(now: number, atLeastMs: number): void {
    failures += 1;
    silences = 0;
    round += 1;
    openUntil = now + Math.max(atLeastMs, pauseAfter(failures, chance(), longestPauseMs));
  }

  const circuit: Circuit = {
    state: (now) => (failures === 0 ? 'closed' : now < openUntil ? 'open' : 'probing'),
    allows: (now, underWay) => failures === 0 || (now >= openUntil && underWay === 0),
    round: () => round,
    worked() {
      failures = 0;
      silences = 0;
    },
    failed(begunIn, now, atLeastMs) {
      if (begunIn === round) open(now, atLeastMs);
      else openUntil = Math.max(openUntil, now + atLeastMs);
    },
    fellSilent(begunIn, now) {
      if (begunIn !== round) return;
      silences += 1;
      // A probe that falls silent is answer enough.
      if (failures > 0 || silences > silencesTaken) open(now, 0);
    },
    waitFor: (now) => (failures === 0 ? 0 : Math.max(0, openUntil - now)),
    failures: () => failures,
  };
  return circuit;
}
