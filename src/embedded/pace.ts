import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long one request may keep the event loop before others get their turn, in milliseconds. */
const TURN = 8;

/** Lets others run when this work has held the event loop for a while; call it between pieces of work. */
export function createPacer(): () => Promise<void> | undefined {
  let started = performance.now();
  return () => {
    if (performance.now() - started < TURN) return undefined;
    return nextTurn().then(() => {
      started = performance.now();
    });
  };
}
