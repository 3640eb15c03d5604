import { CommandFailure } from './failure.ts';
import type { Filter } from './filter.ts';
import { compileFilter } from './filter.ts';
import { afterPrefix, KeyWriter, MAX_KEY_BYTES } from './key.ts';
import type { Range } from './storage.ts';
import type { Doc, Value } from './value.ts';
import { bsonTypeOf, Decimal, Double, isDoc, UNDEFINED } from './value.ts';

/** One field of an index. */
export interface IndexField {
  path: string;
  fields: string[];
  descending: boolean;
}

/** What the catalog knows of an index. The `_id` index is the collection's own documents (`clustered`). */
export interface Index {
  id: number;
  name: string;
  fields: IndexField[];
  unique: boolean;
  sparse: boolean;
  clustered: boolean;
  /** Kept up by writers already, but not to be read before the commit that filled it: readers still see the file as it was. */
  building: boolean;
  partial: { doc: Doc; filter: Filter } | undefined;
  expireAfterSeconds: number | undefined;
  /** Per field: an array was seen there once. Never goes back to false. */
  multikey: boolean[];
  /** Per field: the kinds of values seen so far, bits of `KIND`. */
  kinds: number[];
  /** As `listIndexes` shows it. */
  spec: Doc;
}

/** Bits of the kinds of values an index field has seen; they tell what a key alone can be read back as. */
export const KIND = { int: 1, double: 2, long: 4, other: 8, null: 16, missing: 32, unreadable: 64 } as const;

/** One entry as it is stored. */
export interface IndexEntry {
  key: Buffer;
  value: Buffer;
}

/** All entries of a document in one index, and what they teach the catalog. */
export interface Entries {
  entries: IndexEntry[];
  multikey: boolean[];
  kinds: number[];
}

const NOTHING: Entries = { entries: [], multikey: [], kinds: [] };
const EMPTY = Buffer.alloc(0);
const writer = new KeyWriter();

/** A collection's or index's whole range of keys. */
export function rangeOf(id: number): Range {
  const start = Buffer.alloc(4);
  start.writeUInt32BE(id);
  const end = Buffer.alloc(4);
  end.writeUInt32BE(id + 1);
  return { start, end };
}

/** The key of a document: collection number and its `_id` in key bytes. */
export function documentKey(collection: number, id: Value): Buffer {
  writer.reset();
  writer.uint32(collection);
  writer.field(id, false);
  if (writer.length > MAX_KEY_BYTES) throw new CommandFailure(17280, `_id is too large to be a key: ${writer.length} bytes, ${MAX_KEY_BYTES} at most`);
  return writer.finish();
}

/**
 * The entries a document has in an index: one per value of its arrays; none when the index is sparse or partial and
 * leaves it out. A unique index keeps the `_id` in the value, the others at the end of the key.
 * Throws code 171 for two arrays side by side, 17280 for a key that is too long.
 */
export function entriesOf(index: Index, doc: Doc, idBytes: Buffer): Entries {
  if (index.partial && !compileFilter(index.partial.filter)(doc)) return NOTHING;
  const multikey = index.fields.map(() => false);
  const kinds = index.fields.map(() => 0);
  const combinations = combinationsOf(index.fields, doc, multikey);
  if (index.sparse && combinations.every((values) => values.every((value) => value === undefined))) return NOTHING;
  const entries = new Map<string, IndexEntry>();
  for (const values of combinations) {
    const entry = writeEntry(index, values, idBytes, kinds);
    if (combinations.length === 1) return { entries: [entry], multikey, kinds };
    entries.set(entry.key.toString('latin1'), entry);
  }
  return { entries: [...entries.values()], multikey, kinds };
}

/**
 * The rows of values a document has at some paths together, arrays multiplied out as an index does it; sorts use the same
 * rows. `multikey` is set to true for the fields that met an array. Throws code 171 for two arrays side by side.
 */
export function combinationsOf(fields: readonly IndexField[], doc: Doc, multikey: boolean[]): (Value | undefined)[][] {
  const combinations: (Value | undefined)[][] = [];
  if (!isSimple(fields, doc, combinations)) {
    expand(fields.map((field): Way => ({ at: 0, node: doc, fields: field.fields })), multikey, combinations);
  }
  return combinations;
}

/** The `_id` bytes of an entry (`prefix` = bytes of the index fields, which a reader has to know for a non-unique index). */
export function idInUniqueValue(value: Buffer): Buffer {
  return value.subarray(1 + (value[0] as number));
}

/** The stored type marks of an entry, one byte per field, or nothing when all are plain. */
export function marksOf(index: Index, value: Buffer): Buffer | undefined {
  if (index.unique) {
    const count = value[0] as number;
    return count === 0 ? undefined : value.subarray(1, 1 + count);
  }
  return value.length === 0 ? undefined : value;
}

/** The range of all keys that begin with these bytes. */
export function prefixRange(prefix: Buffer): Range {
  return { start: prefix, end: afterPrefix(prefix) ?? Buffer.alloc(MAX_KEY_BYTES, 0xff) };
}

/** The usual document has plain values at all the paths: one entry, no walking. */
function isSimple(fields: readonly IndexField[], doc: Doc, combinations: (Value | undefined)[][]): boolean {
  const values: (Value | undefined)[] = [];
  for (const field of fields) {
    let value: Value | undefined = doc;
    for (const name of field.fields) {
      if (isDoc(value)) value = value.get(name);
      else if (Array.isArray(value)) return false;
      else {
        value = undefined;
        break;
      }
    }
    if (Array.isArray(value)) return false;
    values.push(value);
  }
  combinations.push(values);
  return true;
}

/** Where one index field stands on its way into a document; `at` past the end means its value is final. */
interface Way {
  node: Value | undefined;
  fields: string[];
  at: number;
  final?: boolean;
}

function expand(ways: Way[], multikey: boolean[], out: (Value | undefined)[][]): void {
  let array: Value[] | undefined;
  for (const way of ways) {
    while (way.at < way.fields.length && isDoc(way.node)) way.node = way.node.get(way.fields[way.at++] as string);
    if (Array.isArray(way.node) && !way.final) {
      if (array !== undefined && array !== way.node) {
        throw new CommandFailure(171, `cannot index parallel arrays [${ways.map((each) => each.fields.join('.')).join('] [')}]`);
      }
      array = way.node;
    } else if (way.at < way.fields.length) {
      way.node = undefined;
      way.at = way.fields.length;
      way.final = true;
    }
  }
  if (array === undefined) {
    out.push(ways.map((way) => way.node));
    return;
  }
  const items: (Value | undefined)[] = array.length === 0 ? [undefined] : array;
  for (const item of items) {
    expand(
      ways.map((way, i) => {
        if (way.node !== array || way.final) return { ...way };
        multikey[i] = true;
        const ended = way.at >= way.fields.length;
        if (ended) return { ...way, node: item === undefined ? UNDEFINED : item, final: true };
        return { ...way, node: isDoc(item) ? item : undefined };
      }),
      multikey,
      out,
    );
  }
}

function writeEntry(index: Index, values: (Value | undefined)[], idBytes: Buffer, kinds: number[]): IndexEntry {
  writer.reset();
  writer.uint32(index.id);
  let marks: Buffer | undefined;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const kind = kindOf(value);
    kinds[i] = (kinds[i] as number) | kind;
    if (kind !== KIND.other && kind !== KIND.int && kind !== KIND.null) {
      marks ??= Buffer.alloc(values.length);
      marks[i] = kind;
    }
    writer.field(value ?? null, (index.fields[i] as IndexField).descending);
  }
  if (!index.unique) writer.raw(idBytes);
  if (writer.length > MAX_KEY_BYTES) throw new CommandFailure(17280, `index key of ${index.name} is too large: ${writer.length} bytes, ${MAX_KEY_BYTES} at most`);
  const key = writer.finish();
  if (!index.unique) return { key, value: marks ?? EMPTY };
  const count = marks?.length ?? 0;
  return { key, value: Buffer.concat([Buffer.from([count]), marks ?? EMPTY, idBytes]) };
}

function kindOf(value: Value | undefined): number {
  if (value === undefined) return KIND.missing;
  if (value === null) return KIND.null;
  if (typeof value === 'number') return KIND.int;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? KIND.long : KIND.unreadable;
  if (value instanceof Double) return Object.is(value.value, -0) ? KIND.unreadable : KIND.double;
  if (value instanceof Decimal) return KIND.unreadable;
  switch (bsonTypeOf(value)) {
    case 2:
    case 7:
    case 8:
    case 9:
    case 17:
      return KIND.other;
    default:
      return KIND.unreadable;
  }
}
