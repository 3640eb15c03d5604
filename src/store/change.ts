import { mongo, type Model } from 'mongoose';
import { Refusal, type RefusalCode } from '../domain/refusal.ts';
import { gather, gatherFinds } from './gathered.ts';
import { findRows, type Row } from './model.ts';

/** Far more than people and ticks ever race for one row; past it something is wrong that no retry will mend. */
const attemptLimit = 100;

/** How rows become items and back. */
export interface ChangeMap<R, T> {
  toItem(row: R): T;
  toRow(item: T): R;
  beforeWrite?(row: R): Promise<void>;
}

/**
 * Makes the function that changes one row: it reads the row, applies a pure function and writes the answer back only while the row's `rev` is still the
 * one that was read; otherwise it tries again on top of what came between. One atomic write: a crash leaves the row as it was or as it becomes. A
 * function that answers what it was given writes nothing. `known`: the item as it was just read, which saves reading it again. Throws what the
 * function throws, and the refusal when there is no such row.
 */
export function createChange<R extends Row & { rev: number }, T extends { rev: number }>(
  model: Model<R>, unknown: RefusalCode, map: ChangeMap<R, T>,
): (id: string, apply: (item: T) => T, known?: T) => Promise<T> {
  const find = gatherFinds(model);
  const replace = gatherReplaces(model);

  async function read(id: string): Promise<T> {
    const row = await find(id);
    if (!row) throw new Refusal(unknown);
    return map.toItem(row);
  }

  return async (id, apply, known) => {
    let item = known ?? (await read(id));
    for (let attempt = 0; attempt < attemptLimit; attempt += 1) {
      const applied = apply(item);
      if (applied !== item) {
        const changed = { ...applied, rev: item.rev + 1 };
        const stored = map.toRow(changed);
        await map.beforeWrite?.(stored);
        if (await replace({ row: stored, rev: item.rev })) return changed;
      } else if (item !== known) return item;
      // Somebody was faster, or what was known may be old.
      item = await read(id);
    }
    throw new Error(`${model.collection.collectionName} ${id} changed ${attemptLimit} times while it was being changed`);
  };
}

/** Replaces rows that still have that `rev`; true when the row stands as it was to be written. */
function gatherReplaces<R extends Row & { rev: number }>(model: Model<R>): (write: { row: R; rev: number }) => Promise<boolean> {
  return gather(async (writes) => {
    const result = await model.collection.bulkWrite(writes.map(({ row: { _id, ...replacement }, rev }) => ({ replaceOne: { filter: { _id, rev }, replacement } })) as never, { ordered: false });
    if (result.matchedCount === writes.length) return writes.map(() => true);
    // Some lost a race. Which ones is read from the rows: one that stands exactly as it was to be written counts as written.
    const rows = await findRows<R>(model, '_id', writes.map(({ row }): string => row._id));
    const standing = new Map(rows.map((row) => [row._id, row]));
    return writes.map(({ row }) => isSame(standing.get(row._id), row));
  });
}

function isSame(one: object | undefined, other: object): boolean {
  const bytes = (row: object): Uint8Array => mongo.BSON.serialize(row, { ignoreUndefined: true });
  return one !== undefined && Buffer.compare(bytes(one), bytes(other)) === 0;
}
