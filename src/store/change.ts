import type { Model } from 'mongoose';
import { Refusal, type RefusalCode } from '../domain/refusal.ts';
import type { Row } from './model.ts';

/** Far more than people and ticks ever race for one row; past it something is wrong that no retry will mend. */
const attemptLimit = 100;

/**
 * Reads a row, applies a pure function and writes the answer back only while the row's `rev` is still the one that was read; otherwise it
 * tries again on top of what came between. One atomic write: a crash leaves the row as it was or as it becomes. A function that answers
 * what it was given writes nothing. Throws what the function throws, and the refusal when there is no such row.
 */
export async function changeRow<R extends Row & { rev: number }, T extends { rev: number }>(
  model: Model<R>, id: string, unknown: RefusalCode, map: { toItem(row: R): T; toRow(item: T): R; beforeWrite?(row: R): Promise<void> }, apply: (item: T) => T,
): Promise<T> {
  for (let attempt = 0; attempt < attemptLimit; attempt += 1) {
    const row = (await model.findOne({ _id: id } as never).lean()) as R | null;
    if (!row) throw new Refusal(unknown);
    const item = map.toItem(row);
    const applied = apply(item);
    if (applied === item) return item;
    const changed = { ...applied, rev: row.rev + 1 };
    const stored = map.toRow(changed);
    await map.beforeWrite?.(stored);
    const { _id, ...replacement } = stored;
    const written = await model.collection.replaceOne({ _id: id, rev: row.rev } as never, replacement as never);
    if (written.matchedCount === 1) return changed;
  }
  throw new Error(`${model.collection.collectionName} ${id} changed ${attemptLimit} times while it was being changed`);
}
