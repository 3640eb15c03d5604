import type { Store } from '../../src/ports.ts';

/** Thrown instead of a write: the process ended there. */
export class Killed extends Error {}

const writes: Partial<Record<keyof Store, readonly string[]>> = {
  units: ['put'], plans: ['put'], waves: ['ensure', 'setOffsets'], settings: ['set', 'setOnce'], assignments: ['insertMissing', 'change'], pledges: ['insertMissing', 'change'],
};

/**
 * Lets the process die instead of its write number `nth` (from 1): that write and every later one throw {@link Killed}. `revive` gives the store back.
 * @example killAt(store, 3); await expect(loadPlan(core, plan)).rejects.toThrow(Killed)
 */
export function killAt(store: Store, nth: number): { revive(): void; count(): number } {
  let count = 0;
  const undo: (() => void)[] = [];
  for (const [group, names] of Object.entries(writes)) {
    const functions = store[group as keyof Store] as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const name of names) {
      const original = functions[name] as (...args: unknown[]) => unknown;
      functions[name] = (...args) => {
        count += 1;
        return count >= nth ? Promise.reject(new Killed(`${group}.${name}`)) : original.apply(functions, args);
      };
      undo.push(() => {
        functions[name] = original;
      });
    }
  }
  return { revive: () => undo.forEach((put) => put()), count: () => count };
}
