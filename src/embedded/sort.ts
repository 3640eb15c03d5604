import { CommandFailure, badValue } from './failure.ts';
import type { IndexField } from './index-entries.ts';
import { combinationsOf } from './index-entries.ts';
import { KeyWriter } from './key.ts';
import { isNumeric, toFloat } from './number.ts';
import { splitPath } from './path.ts';
import type { Doc, Value } from './value.ts';
import { isDoc } from './value.ts';

/** One field of a sort. */
export type SortKey = IndexField;

/** Something to be put in order, with its sort key's bytes. */
export interface Keyed<T> {
  key: Buffer;
  item: T;
  bytes: number;
}

/** Where MongoDB stops a sort or a group that stays in memory, too. */
export const MOST_SORTED_BYTES = 100 * 1024 * 1024;

const writer = new KeyWriter();

/** Reads `{ a: 1, 'b.c': -1 }`. Throws code 2 (directions) or 15975 and its like for what is not a sort. */
export function parseSort(value: Value | undefined): SortKey[] {
  if (value === undefined || value === null) return [];
  if (!isDoc(value)) throw new CommandFailure(14, 'sort must be an object');
  const keys: SortKey[] = [];
  for (const [path, direction] of value) {
    if (path === '$natural') {
      if (value.size > 1) throw badValue('$natural sort cannot be set with other fields');
      return [];
    }
    if (isDoc(direction)) throw new CommandFailure(238, '$meta sorts are not served by this engine');
    if (!isNumeric(direction)) throw new CommandFailure(15974, 'Illegal key in $sort specification: the direction must be a number');
    const way = toFloat(direction);
    if (way !== 1 && way !== -1) throw new CommandFailure(15975, '$sort key ordering must be 1 (for ascending) or -1 (for descending)');
    if (path === '') throw new CommandFailure(15998, 'FieldPath cannot be constructed with empty string');
    keys.push({ path, fields: splitPath(path), descending: way < 0 });
  }
  return keys;
}

/** A sort's document turned round for `{ $natural: -1 }`: the hint it means; nothing for any other sort. */
export function naturalOrder(value: Value | undefined): Value | undefined {
  return isDoc(value) && value.has('$natural') ? value : undefined;
}

/** The bytes a document is sorted by: of an array ascending its least value, descending its greatest. */
export function sortKeyOf(sort: readonly SortKey[], doc: Doc): Buffer {
  const rows = rowsOf(sort, doc);
  let best: Buffer | undefined;
  for (const row of rows) {
    writer.reset();
    for (let i = 0; i < row.length; i++) writer.field(row[i] ?? null, (sort[i] as SortKey).descending);
    const key = writer.finish();
    if (best === undefined || Buffer.compare(key, best) < 0) best = key;
  }
  return best as Buffer;
}

function rowsOf(sort: readonly SortKey[], doc: Doc): (Value | undefined)[][] {
  try {
    return combinationsOf(sort, doc, []);
  } catch (error) {
    if (error instanceof CommandFailure && error.code === 171) throw badValue('cannot sort with keys that are parallel arrays');
    throw error;
  }
}

/**
 * Puts items in order, keeping at most `most` of them (Infinity: all) and at most 100 MB; past that it refuses with
 * MongoDB's code 292.
 */
export function createSorter<T>(most: number): { add(entry: Keyed<T>): void; finish(): T[] } {
  let kept: Keyed<T>[] = [];
  let bytes = 0;
  const order = (a: Keyed<T>, b: Keyed<T>): number => Buffer.compare(a.key, b.key);
  const trim = (): void => {
    kept.sort(order);
    kept = kept.slice(0, most);
    bytes = kept.reduce((sum, entry) => sum + entry.bytes, 0);
  };
  return {
    add: (entry) => {
      kept.push(entry);
      bytes += entry.bytes + entry.key.length;
      if (kept.length >= 2 * most + 64) trim();
      if (bytes > MOST_SORTED_BYTES) {
        trim();
        if (bytes > MOST_SORTED_BYTES) {
          throw new CommandFailure(292, 'Sort exceeded memory limit of 104857600 bytes, but did not opt in to external sorting.');
        }
      }
    },
    finish: () => {
      trim();
      return kept.map((entry) => entry.item);
    },
  };
}

/** True when two key patterns are the same fields in the same order and directions. */
export function sameDoc(a: Doc, b: Doc): boolean {
  const left = [...a];
  const right = [...b];
  return (
    left.length === right.length &&
    left.every(([name, way], i) => {
      const other = right[i] as [string, Value];
      return name === other[0] && isNumeric(way) && isNumeric(other[1]) && toFloat(way) === toFloat(other[1]);
    })
  );
}
