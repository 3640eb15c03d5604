import type { AnyBulkWriteOperation, Model } from 'mongoose';
import { createGathering } from '../gathering.ts';
import { findRows, insertNew, type Row } from './model.ts';

/** Single calls that go to the database together: many times what is ever under way at once for people, and still a short write. */
const most = 500;

/**
 * Joins single calls of the same kind into one question to the database; see {@link createGathering}. When a batch of several fails, each of it is
 * asked alone, so that one bad row fails nobody else: only for calls that may be repeated.
 */
export function gather<Item, Result>(run: (items: readonly Item[]) => Promise<readonly Result[]>): (item: Item) => Promise<Result> {
  const answer = createGathering<Item, () => Result>(async (items) => {
    try {
      return (await run(items)).map((result) => () => result);
    } catch (error) {
      if (items.length === 1) throw error;
      return Promise.all(items.map((item) => run([item]).then(([result]) => () => result as Result, (failure: unknown) => () => raise(failure))));
    }
  }, most);
  return async (item) => (await answer(item))();
}

function raise(failure: unknown): never {
  throw failure;
}

/** Finds rows by a unique value each. `keysOf`: the values a row is found by; its key unless said otherwise. */
export function gatherFinds<R extends Row>(model: Model<R>, field = '_id', keysOf: (row: R) => readonly string[] = (row) => [row._id]): (key: string) => Promise<R | null> {
  return gather(async (keys) => {
    const rows = await findRows(model, field, keys);
    const found = new Map(rows.flatMap((row) => keysOf(row).map((key) => [key, row] as const)));
    return keys.map((key) => found.get(key) ?? null);
  });
}

/** Inserts rows; false for one that a unique value of was there already. */
export function gatherInserts<R extends Row>(model: Model<R>): (row: R) => Promise<boolean> {
  return gather((rows) => insertNew(model, rows));
}

/** Updates and replacements whose outcome nobody asks for. */
export function gatherWrites<R extends Row>(model: Model<R>): (write: AnyBulkWriteOperation<R>) => Promise<void> {
  return gather(async (writes) => {
    await model.collection.bulkWrite([...writes] as never, { ordered: false });
    return writes.map(() => undefined);
  });
}
