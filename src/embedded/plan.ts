import type { Interval } from './bounds.ts';
import { all, boundsOf, intersect, passesMissing } from './bounds.ts';
import type { FieldFilter } from './bounds.ts';
import type { Collection } from './catalog.ts';
import { badValue } from './failure.ts';
import type { Filter } from './filter.ts';
import { compileFilter, isEmptyFilter } from './filter.ts';
import type { Index } from './index-entries.ts';
import { rangeOf } from './index-entries.ts';
import { afterPrefix, encodeKey } from './key.ts';
import type { SortKey } from './sort.ts';
import type { Range, Storage } from './storage.ts';
import type { Doc, Value } from './value.ts';
import { sameDoc } from './sort.ts';

/** A query as `find`, `update`, `delete` and the head of a pipeline share it. */
export interface Query {
  filter: Filter;
  sort: SortKey[];
  skip: number;
  /** 0: all. */
  limit: number;
  hint: Value | undefined;
}

/** One index and the ranges of it that are read. */
export interface IndexPlan {
  index: Index;
  /** In the order of the index. */
  ranges: Range[];
  reverse: boolean;
  /** What the entries do not guarantee already; nothing when every document found passes. */
  rest: Filter | undefined;
  /** The entries come in the wanted order. */
  sorted: boolean;
  /** Several ranges, each in the wanted order by itself: the readers merge them by what follows this many bytes of each key. */
  mergeAt: number[] | undefined;
  /** Fields held by an equality, and whether a range follows: what the planner's taste is made of. */
  equalities: number;
  ranged: boolean;
  /** No document has two entries in the ranges: every field that holds arrays is held to one value. */
  distinct: boolean;
  /** For explain: the intervals of each field. */
  bounds: Interval[][];
}

/** How a query is answered: one index (the collection itself is the `_id` index read whole), or several for an `$or`. */
export interface Plan {
  parts: IndexPlan[];
  /** True for a scan of the whole collection. */
  scan: boolean;
  sorted: boolean;
}

/** Past this many points the rest of an index is not multiplied out any further. */
const MOST_RANGES = 4096;
const COUNTED = 2000;
/** Most ranges that are read side by side for a merged order. */
const MOST_MERGED = 300;

/**
 * Chooses how to find what a filter wants in the order wanted. `hint` is an index name or key pattern; a hint that names
 * no index is refused with code 2. `limit` (0 for none) tells how soon the reader may stop.
 */
export function makePlan(storage: Storage, collection: Collection, filter: Filter, sort: SortKey[], hint: Value | undefined, limit: number): Plan {
  const whole = scanPlan(collection, filter, sort);
  if (hint !== undefined) {
    const natural = naturalHint(hint);
    if (natural !== 0) {
      const part = whole.parts[0] as IndexPlan;
      return natural > 0 ? whole : { ...whole, parts: [{ ...part, reverse: true, sorted: false }], sorted: false };
    }
    const index = collection.indexes.find((each) => !each.building && (typeof hint === 'string' ? each.name === hint : hint instanceof Map && sameDoc(each.spec.get('key') as Doc, hint)));
    if (!index) throw badValue('error processing query: planner returned error: hint provided does not correspond to an existing index');
    const part = planIndex(index, filter, sort) ?? readWhole(index, filter, sort);
    return { parts: [part], scan: false, sorted: part.sorted };
  }
  const candidates: IndexPlan[] = [];
  for (const index of collection.indexes) {
    if (index.building || index.spec.get('hidden') === true) continue;
    const part = planIndex(index, filter, sort);
    if (part) candidates.push(part);
  }
  if (candidates.length === 0) return planOr(storage, collection, filter, sort, limit) ?? whole;
  const best = candidates.length === 1 ? (candidates[0] as IndexPlan) : choose(storage, candidates, sort, limit);
  if (best.equalities === 0 && !best.ranged) {
    const branches = planOr(storage, collection, filter, sort, limit);
    if (branches && (sort.length === 0 || !best.sorted)) return branches;
  }
  return { parts: [best], scan: best.index.clustered && best.bounds.length === 0, sorted: best.sorted };
}

/** The tests every matching document passes: the conjunction's own parts. */
export function conjunctsOf(filter: Filter): Filter[] {
  return filter.kind === 'and' ? filter.parts.flatMap(conjunctsOf) : [filter];
}

function naturalHint(hint: Value): number {
  if (!(hint instanceof Map) || !hint.has('$natural')) return 0;
  return Number(hint.get('$natural')) < 0 ? -1 : 1;
}

function scanPlan(collection: Collection, filter: Filter, sort: SortKey[]): Plan {
  const index = collection.indexes[0] as Index;
  const sorted = sort.length === 0;
  const part: IndexPlan = {
    index,
    ranges: [rangeOf(index.id)],
    reverse: false,
    rest: isEmptyFilter(filter) ? undefined : filter,
    sorted,
    mergeAt: undefined,
    equalities: 0,
    ranged: false,
    distinct: true,
    bounds: [],
  };
  return { parts: [part], scan: true, sorted };
}

function readWhole(index: Index, filter: Filter, sort: SortKey[]): IndexPlan {
  const order = orderGiven(index, sort, [], false);
  return {
    index,
    ranges: [rangeOf(index.id)],
    reverse: order?.reverse ?? false,
    rest: isEmptyFilter(filter) ? undefined : filter,
    sorted: sort.length === 0 || order !== undefined,
    mergeAt: undefined,
    equalities: 0,
    ranged: false,
    distinct: !index.multikey.includes(true),
    bounds: index.fields.map(() => [all()]),
  };
}

/** Each branch of a top-level `$or` by an index of its own; nothing when one of them has none. */
function planOr(storage: Storage, collection: Collection, filter: Filter, sort: SortKey[], limit: number): Plan | undefined {
  const conjuncts = conjunctsOf(filter);
  const or = conjuncts.find((part) => part.kind === 'or' && part.parts.length > 0);
  if (or?.kind !== 'or') return undefined;
  const others = conjuncts.filter((part) => part !== or);
  const parts: IndexPlan[] = [];
  for (const branch of or.parts) {
    const plan = makePlan(storage, collection, { kind: 'and', parts: [...conjunctsOf(branch), ...others] }, [], undefined, 0);
    if (plan.scan || plan.parts.some((part) => part.equalities === 0 && !part.ranged)) return undefined;
    parts.push(...plan.parts);
  }
  return { parts, scan: false, sorted: sort.length === 0 && limit >= 0 };
}

function planIndex(index: Index, filter: Filter, sort: SortKey[]): IndexPlan | undefined {
  const conjuncts = conjunctsOf(filter);
  if (!mayServe(index, conjuncts)) return undefined;
  const perField: Interval[][] = [];
  const settled = new Set<Filter>();
  const usedArrays = new Set<string>();
  let prefixes: Buffer[] = [numberPrefix(index.id)];
  let equalities = 0;
  let ranged = false;
  let ranges: Range[] | undefined;
  for (const [i, field] of index.fields.entries()) {
    const bounds = fieldBounds(index, i, conjuncts, settled, usedArrays);
    if (!bounds) break;
    perField.push(bounds);
    const points = bounds.every((interval) => interval.point !== undefined);
    if (points && prefixes.length * bounds.length <= MOST_RANGES) {
      const ordered = field.descending ? bounds.toReversed() : bounds;
      prefixes = prefixes.flatMap((prefix) => ordered.map((interval) => Buffer.concat([prefix, invert(interval.start, field.descending)])));
      equalities++;
      continue;
    }
    ranges = prefixes.flatMap((prefix) => (field.descending ? bounds.toReversed() : bounds).map((interval) => spanOf(prefix, interval, field.descending)));
    ranged = !bounds.some((interval) => interval.start.length === 1 && interval.start[0] === 0);
    break;
  }
  ranges ??= prefixes.map((prefix) => ({ start: prefix, end: afterPrefix(prefix) as Buffer }));
  const single = prefixes.length === 1;
  const order = orderGiven(index, sort, perField.slice(0, equalities), !single);
  const useful = equalities > 0 || ranged || (sort.length > 0 && order !== undefined) || (index.partial !== undefined && !index.clustered);
  if (!useful) return undefined;
  const rest = conjuncts.filter((part) => !settled.has(part));
  const merged = order !== undefined && order.merge && ranges.length > 1;
  const perPrefix = ranges.length / Math.max(prefixes.length, 1);
  return {
    index,
    ranges,
    reverse: order?.reverse ?? false,
    rest: rest.length === 0 ? undefined : { kind: 'and', parts: rest },
    sorted: sort.length === 0 || (order !== undefined && (!merged || ranges.length <= MOST_MERGED)),
    mergeAt: merged && ranges.length <= MOST_MERGED ? ranges.map((_range, at) => (prefixes[Math.floor(at / perPrefix)] as Buffer).length) : undefined,
    equalities,
    ranged,
    distinct: index.multikey.every((several, i) => !several || (i < equalities && (perField[i]?.length ?? 0) <= 1)),
    bounds: index.fields.map((_field, i) => perField[i] ?? [all()]),
  };
}

/** The intervals of one index field from all tests on it; marks the tests the intervals answer fully. */
function fieldBounds(index: Index, i: number, conjuncts: Filter[], settled: Set<Filter>, usedArrays: Set<string>): Interval[] | undefined {
  const field = index.fields[i];
  if (!field) return undefined;
  const multikey = index.multikey[i] === true;
  const root = field.fields[0] as string;
  // Two fields below one array may be met by two different elements: bounds on both would lose documents.
  if (multikey && usedArrays.has(root)) return undefined;
  let found: Interval[] | undefined;
  for (const part of conjuncts) {
    if (part.kind !== 'field') continue;
    const test = testFor(part, field.path);
    if (!test) continue;
    const bounds = boundsOf(test.test);
    if (!bounds) continue;
    // In an index over arrays one test confines the entries; null is left to the document, for an empty array is indexed too.
    const answers = bounds.exact && test.direct && (multikey ? found === undefined && !passesMissing(test.test) : !(index.sparse && passesMissing(test.test)));
    if (found === undefined) found = bounds.intervals;
    else if (multikey) continue;
    else found = intersect(found, bounds.intervals);
    if (answers) settled.add(part);
  }
  if (found && multikey) usedArrays.add(root);
  return found;
}

/** A test on the index's path; `{ a: { $elemMatch: { b: 1 } } }` also confines `a.b`, without answering the whole. */
function testFor(part: FieldFilter, path: string): { test: FieldFilter['test']; direct: boolean } | undefined {
  if (part.path === path) {
    if (part.test.op === 'elemTest') {
      const inner = conjunctsOf(part.test.tests).find((each): each is FieldFilter => each.kind === 'field' && boundsOf(each.test) !== undefined);
      return inner ? { test: inner.test, direct: false } : undefined;
    }
    return { test: part.test, direct: true };
  }
  if (part.test.op === 'elemMatch' && path.startsWith(`${part.path}.`)) {
    const rest = path.slice(part.path.length + 1);
    const inner = conjunctsOf(part.test.filter).find((each): each is FieldFilter => each.kind === 'field' && each.path === rest && boundsOf(each.test) !== undefined);
    return inner ? { test: inner.test, direct: false } : undefined;
  }
  return undefined;
}

/** Sparse and partial indexes leave documents out: they serve only filters that cannot mean those. */
function mayServe(index: Index, conjuncts: Filter[]): boolean {
  if (index.sparse) {
    const holds = conjuncts.some((part) => part.kind === 'field' && index.fields.some((field) => field.path === part.path) && !passesMissing(part.test));
    if (!holds) return false;
  }
  return !index.partial || conjunctsOf(index.partial.filter).every((wanted) => implied(wanted, conjuncts));
}

/** True when some conjunct guarantees the wanted test. */
function implied(wanted: Filter, conjuncts: Filter[]): boolean {
  if (wanted.kind === 'or') return wanted.parts.some((part) => conjunctsOf(part).every((each) => implied(each, conjuncts)));
  if (wanted.kind !== 'field') return false;
  return conjuncts.some((part) => {
    if (part.kind === 'or') return part.parts.length > 0 && part.parts.every((branch) => implied(wanted, conjunctsOf(branch)));
    if (part.kind !== 'field' || part.path !== wanted.path) return false;
    if (wanted.test.op === 'exists') return !passesMissing(part.test);
    const values = part.test.op === 'eq' ? [part.test.value] : part.test.op === 'in' && part.test.regexes.length === 0 ? part.test.values : undefined;
    if (values) {
      if (values.length === 0) return true;
      if (values.some((value) => Array.isArray(value) || value === null)) return sameTest(part.test, wanted.test);
      const passes = compileFilter({ kind: 'field', path: 'v', fields: ['v'], test: wanted.test });
      return values.every((value) => passes(new Map([['v', value]])));
    }
    if (sameTest(part.test, wanted.test)) return true;
    const narrow = boundsOf(part.test);
    const wide = boundsOf(wanted.test);
    if (!narrow?.exact || !wide?.exact) return false;
    return narrow.intervals.every((x) => wide.intervals.some((y) => Buffer.compare(x.start, y.start) >= 0 && Buffer.compare(x.end, y.end) <= 0));
  });
}

function sameTest(a: FieldFilter['test'], b: FieldFilter['test']): boolean {
  if (a.op !== b.op) return false;
  if ('value' in a && 'value' in b) return encodeKey(a.value).equals(encodeKey(b.value));
  if (a.op === 'type' && b.op === 'type') return [...a.types].every((type) => b.types.has(type));
  if (a.op === 'in' && b.op === 'in' && a.regexes.length + b.regexes.length === 0) return encodeKey(a.values).equals(encodeKey(b.values));
  return false;
}

/**
 * Whether reading the index forwards or backwards gives the wanted order. `held` are the leading fields confined to
 * points; a field held to one point may be skipped, and after several points the ranges have to be merged.
 */
function orderGiven(index: Index, sort: SortKey[], held: Interval[][], several: boolean): { reverse: boolean; merge: boolean } | undefined {
  if (sort.length === 0) return { reverse: false, merge: false };
  let reverse: boolean | undefined;
  let merge = false;
  let next = 0;
  for (const [i, field] of index.fields.entries()) {
    const wanted = sort[next];
    if (!wanted) break;
    const points = held[i]?.length;
    if (wanted.path === field.path && index.multikey[i] !== true) {
      const backwards = wanted.descending !== field.descending;
      if (merge && points !== undefined && points > 1) return undefined;
      if (points === 1) {
        next++;
        continue;
      }
      if (reverse !== undefined && reverse !== backwards) return undefined;
      reverse = backwards;
      next++;
      continue;
    }
    if (points === undefined) return undefined;
    if (points > 1) {
      // Points of a field that is not part of the order, met before the order began: each range is in order by itself.
      if (next > 0 || reverse !== undefined) return undefined;
      merge = true;
    }
  }
  // What is left of the sort may be fields held to one value further up.
  while (next < sort.length && index.fields.some((field, i) => field.path === (sort[next] as SortKey).path && held[i]?.length === 1 && !index.multikey[i])) next++;
  if (next < sort.length) return undefined;
  return { reverse: reverse ?? false, merge: merge && several };
}

function choose(storage: Storage, candidates: IndexPlan[], sort: SortKey[], limit: number): IndexPlan {
  let best: IndexPlan | undefined;
  let bestCost = Infinity;
  for (const part of candidates) {
    const cost = costOf(storage, part, sort, limit, bestCost);
    const better = cost < bestCost || (cost === bestCost && best !== undefined && taste(part) > taste(best));
    if (better) {
      best = part;
      bestCost = cost;
    }
  }
  return best as IndexPlan;
}

function taste(part: IndexPlan): number {
  return part.equalities * 10 + (part.ranged ? 5 : 0) + (part.sorted ? 3 : 0) + (part.rest ? 0 : 2) - part.index.fields.length * 0.1;
}

/** Entries to be read, counted in the index itself as far as a reader might go or the best way so far costs; sorting afterwards costs as much again. */
function costOf(storage: Storage, part: IndexPlan, sort: SortKey[], limit: number, bestCost: number): number {
  const inOrder = sort.length === 0 || part.sorted;
  const stopsEarly = inOrder && limit > 0 && !part.rest;
  const most = Math.min(COUNTED, bestCost + 1, stopsEarly ? limit : Infinity);
  let entries = 0;
  for (const range of part.ranges) {
    entries += storage.count(range, most - entries);
    if (entries >= most) break;
  }
  return inOrder ? entries : entries * 2 + 1;
}

function numberPrefix(id: number): Buffer {
  return rangeOf(id).start;
}

function invert(bytes: Buffer, descending: boolean): Buffer {
  return descending ? Buffer.from(bytes.map((byte) => byte ^ 0xff)) : bytes;
}

function spanOf(prefix: Buffer, interval: Interval, descending: boolean): Range {
  if (!descending) return { start: Buffer.concat([prefix, interval.start]), end: Buffer.concat([prefix, interval.end]) };
  // Inverted, the exclusive end becomes a start that must be left out, and the inclusive start an end that stays in.
  const start = Buffer.concat([prefix, invert(interval.end, true)]);
  const end = Buffer.concat([prefix, invert(interval.start, true)]);
  return { start: afterShort(start), end: afterPrefix(end) as Buffer };
}

/** Behind every key that begins with the bytes of an exclusive bound. */
function afterShort(bytes: Buffer): Buffer {
  return afterPrefix(bytes) ?? bytes;
}
