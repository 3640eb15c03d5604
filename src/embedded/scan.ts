import type { Collection } from './catalog.ts';
import { decodeDoc } from './codec.ts';
import type { Matcher } from './filter.ts';
import { compileFilter } from './filter.ts';
import { idInUniqueValue } from './index-entries.ts';
import type { Index } from './index-entries.ts';
import { KeyReader } from './key.ts';
import type { IndexPlan, Plan } from './plan.ts';
import type { Entry, Range, Storage } from './storage.ts';
import { unsealBytes } from './storage.ts';
import type { Doc } from './value.ts';

/** A document found: its bytes as stored, decoded on demand, and the bytes of its `_id`. */
export interface Row {
  bytes: Buffer;
  idBytes: Buffer;
  doc: Doc | undefined;
}

/** What a reader has looked at, for explain. */
export interface Examined {
  keys: number;
  docs: number;
}

/**
 * Reads the documents of a plan one after the other. It holds no transaction open: between two calls it remembers the
 * last key and goes on behind it, so a cursor costs nothing while it waits and writers are never kept waiting.
 */
export interface Scan {
  /** The next matching document, or nothing at the end. */
  next(): Row | undefined;
  examined: Examined;
}

/** The decoded document of a row; decoded once. */
export function docOfRow(row: Row): Doc {
  row.doc ??= decodeDoc(row.bytes);
  return row.doc;
}

/** Opens a scan over a plan; `covered` makes the documents of the entries themselves (their bytes are then empty). */
export function openScan(storage: Storage, collection: Collection, plan: Plan, covered?: (key: Buffer) => Doc): Scan {
  const examined: Examined = { keys: 0, docs: 0 };
  const parts = plan.parts.map((part) => openPart(storage, collection, part, examined, plan.scan, covered));
  // A document may have several entries in an index over arrays, and satisfy several branches of an $or.
  const repeats = plan.parts.length > 1 || plan.parts.some((part) => !part.distinct);
  const seen = new Set<string>();
  let at = 0;
  const next = (): Row | undefined => {
    while (at < parts.length) {
      const row = (parts[at] as () => Row | undefined)();
      if (row === undefined) {
        at++;
        continue;
      }
      if (repeats) {
        const id = row.idBytes.toString('latin1');
        if (seen.has(id)) continue;
        seen.add(id);
      }
      return row;
    }
    return undefined;
  };
  return { next, examined };
}

/** Reads a range's entries in growing steps, so that a query for one document reads one entry. */
export function openEntries(storage: Storage, range: Range, reverse: boolean): () => Entry | undefined {
  let buffer: Entry[] = [];
  let position = 0;
  let step = 4;
  let after: Buffer | undefined;
  let done = false;
  return () => {
    if (position >= buffer.length) {
      if (done) return undefined;
      buffer = storage.read(range, step, reverse, after);
      position = 0;
      if (buffer.length < step) done = true;
      step = Math.min(step * 4, 512);
      after = buffer.at(-1)?.key;
      if (after === undefined) return undefined;
    }
    return buffer[position++];
  };
}

/** The `_id` bytes behind the fields of an entry's key, or in a unique entry's value. */
export function idBytesOf(index: Index, entry: Entry): Buffer {
  if (index.clustered) return entry.key.subarray(4);
  if (index.unique) return idInUniqueValue(entry.value);
  const reader = new KeyReader(entry.key, 4);
  for (const field of index.fields) reader.skip(field.descending);
  return entry.key.subarray(reader.at);
}

function openPart(storage: Storage, collection: Collection, part: IndexPlan, examined: Examined, whole: boolean, covered?: (key: Buffer) => Doc): () => Row | undefined {
  const matcher: Matcher | undefined = part.rest && compileFilter(part.rest);
  const entries = part.mergeAt ? openMerged(storage, part) : openInOrder(storage, part);
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(collection.id);
  return () => {
    for (;;) {
      const entry = entries();
      if (entry === undefined) return undefined;
      if (!whole) examined.keys++;
      const idBytes = idBytesOf(part.index, entry);
      if (covered) return { bytes: NO_BYTES, idBytes, doc: covered(entry.key) };
      const sealed = part.index.clustered ? entry.value : storage.get(Buffer.concat([prefix, idBytes]));
      // Gone since the entry was read: another client deleted it.
      if (sealed === undefined) continue;
      examined.docs++;
      const row: Row = { bytes: unsealBytes(sealed), idBytes, doc: undefined };
      if (matcher && !matcher(docOfRow(row))) continue;
      return row;
    }
  };
}

const NO_BYTES = Buffer.alloc(0);

function openInOrder(storage: Storage, part: IndexPlan): () => Entry | undefined {
  if (part.index.clustered && part.equalities > 0) return openPoints(storage, part);
  const ranges = part.reverse ? part.ranges.toReversed() : part.ranges;
  let at = 0;
  let current: (() => Entry | undefined) | undefined;
  return () => {
    for (;;) {
      if (!current) {
        const range = ranges[at++];
        if (!range) return undefined;
        current = openEntries(storage, range, part.reverse);
      }
      const entry = current();
      if (entry) return entry;
      current = undefined;
    }
  };
}

/** Documents by their `_id`: each range is one key, got without a cursor. */
function openPoints(storage: Storage, part: IndexPlan): () => Entry | undefined {
  const ranges = part.reverse ? part.ranges.toReversed() : part.ranges;
  let at = 0;
  return () => {
    for (let range = ranges[at++]; range; range = ranges[at++]) {
      const value = storage.get(range.start);
      if (value) return { key: range.start, value };
    }
    return undefined;
  };
}

/** Several ranges read side by side, always the one whose next entry comes first in the wanted order. */
function openMerged(storage: Storage, part: IndexPlan): () => Entry | undefined {
  const sign = part.reverse ? -1 : 1;
  const sources = part.ranges.map((range, i) => {
    const read = openEntries(storage, range, part.reverse);
    return { read, skip: part.mergeAt?.[i] ?? 0, head: read() };
  });
  return () => {
    let best: (typeof sources)[number] | undefined;
    for (const source of sources) {
      if (!source.head) continue;
      if (!best?.head || source.head.key.compare(best.head.key, best.skip, undefined, source.skip) * sign < 0) best = source;
    }
    if (!best) return undefined;
    const entry = best.head;
    best.head = best.read();
    return entry;
  };
}
