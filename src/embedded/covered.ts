import { countKeys } from './key-count.ts';
import type { Flow, Group } from './group.ts';
import type { Index, IndexField } from './index-entries.ts';
import { KIND } from './index-entries.ts';
import { afterPrefix, KeyReader } from './key.ts';
import { isNumeric, toFloat } from './number.ts';
import { createPacer } from './pace.ts';
import { setPlain, splitPath } from './path.ts';
import type { Plan, Query } from './plan.ts';
import type { Examined } from './scan.ts';
import type { Range, Storage } from './storage.ts';
import type { Doc, Value } from './value.ts';
import { Double } from './value.ts';

/** Distinct values of some fields of an index and how many entries share them, read without touching a document. */
export interface Run {
  /** By path; a missing field is left out. */
  values: Map<string, Value>;
  count: number;
}

/** Which fields of an index are read back, and how many leading fields that takes. */
export interface Depth {
  depth: number;
  /** Places of the fields that are wanted. */
  wanted: ReadonlySet<number>;
}

/**
 * Answers a `$group` from an index alone: for every distinct combination of the leading fields one seek and one count
 * inside LMDB, however many documents share it. Nothing when the plan or the index cannot promise the exact values.
 */
export function readCoveredGroups(storage: Storage, plan: Plan, group: Group, examined: Examined, query: Pick<Query, 'skip' | 'limit'>): (() => Flow) | undefined {
  const part = plan.parts[0];
  if (!part || plan.parts.length !== 1 || part.rest || !part.distinct || !group.paths || !group.orderless) return undefined;
  const { index, ranges } = part;
  if (group.paths.length === 0) {
    // Only how many there are matters: `countDocuments` comes this way, also with skip and limit.
    return async function* counted() {
      const count = countKeys(storage, plan, query);
      examined.keys += count;
      const collector = group.start();
      if (count > 0) collector.add(new Map(), count);
      yield collector.finish();
    };
  }
  const depth = query.skip === 0 && query.limit === 0 ? coveredDepth(index, group.paths) : undefined;
  if (depth === undefined) return undefined;
  return async function* covered() {
    const collector = group.start();
    const pace = createPacer();
    for (const range of ranges) {
      for (const run of readRuns(storage, index, range, depth)) {
        examined.keys += run.count;
        const doc: Doc = new Map();
        for (const [path, value] of run.values) setPlain(doc, splitPath(path), value);
        collector.add(doc, run.count);
        await pace();
      }
    }
    yield collector.finish();
  };
}

/** How the index gives all these paths with values that can be read back exactly; nothing when it does not. */
export function coveredDepth(index: Index, paths: readonly string[]): Depth | undefined {
  const wanted = new Set<number>();
  for (const path of paths) {
    const at = index.fields.findIndex((field) => field.path === path);
    if (at < 0 || index.clustered || index.multikey[at] || !readable(index.kinds[at] as number)) return undefined;
    // A path inside another one (a and a.b) would be written over when the document is put together.
    if (paths.some((other) => other.startsWith(`${path}.`))) return undefined;
    wanted.add(at);
  }
  return { depth: Math.max(0, ...[...wanted].map((at) => at + 1)), wanted };
}

/** The distinct combinations of the leading fields within a range. */
export function* readRuns(storage: Storage, index: Index, range: Range, depth: Depth): Generator<Run> {
  let from = range.start;
  for (;;) {
    const [key] = storage.readKeys({ start: from, end: range.end }, 1, false, undefined);
    if (!key) return;
    const reader = new KeyReader(key, 4);
    const values = valuesAt(index, reader, depth);
    const behind = afterPrefix(key.subarray(0, reader.at)) ?? range.end;
    const end = Buffer.compare(behind, range.end) < 0 ? behind : range.end;
    const count = storage.count({ start: key, end });
    if (count > 0) yield { values, count };
    from = end;
    if (Buffer.compare(from, range.end) >= 0) return;
  }
}

/**
 * Makes documents of an index's entries, holding these fields alone (`_id` first), so that the stored ones need not be fetched.
 * Nothing when the plan or the index cannot promise the exact values.
 */
export function coveredDocs(plan: Plan, paths: readonly string[]): ((key: Buffer) => Doc) | undefined {
  const part = plan.parts[0];
  if (!part || plan.scan || plan.parts.length !== 1 || part.rest || !plan.sorted || paths.some((path) => path.includes('.'))) return undefined;
  const depth = coveredDepth(part.index, paths);
  if (depth === undefined) return undefined;
  return (key) => {
    const values = valuesAt(part.index, new KeyReader(key, 4), depth);
    const doc: Doc = new Map();
    if (values.has('_id')) doc.set('_id', values.get('_id') as Value);
    for (const [path, value] of values) doc.set(path, value);
    return doc;
  };
}

/** The wanted values of one entry, missing ones left out; the reader stands behind them afterwards. */
function valuesAt(index: Index, reader: KeyReader, { depth, wanted }: Depth): Map<string, Value> {
  const values = new Map<string, Value>();
  for (let i = 0; i < depth; i++) {
    const field = index.fields[i] as IndexField;
    if (!wanted.has(i)) {
      reader.skip(field.descending);
      continue;
    }
    const value = typed(index, i, reader.field(field.descending));
    if (value !== undefined) values.set(field.path, value);
  }
  return values;
}

/** One kind of number at most, and not both null and missing: then the key tells the stored value. */
function readable(kinds: number): boolean {
  if (kinds & KIND.unreadable) return false;
  const numbers = kinds & (KIND.int | KIND.double | KIND.long);
  if ((numbers & (numbers - 1)) !== 0) return false;
  return !(kinds & KIND.null && kinds & KIND.missing);
}

function typed(index: Index, i: number, value: Value | undefined): Value | undefined {
  const kinds = index.kinds[i] as number;
  if (value === null) return kinds & KIND.missing ? undefined : null;
  if (!isNumeric(value) || kinds & KIND.double) return value;
  const float = toFloat(value);
  if (kinds & KIND.long) return BigInt(float);
  return kinds & KIND.int ? float : new Double(float);
}
