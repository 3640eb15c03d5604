import type { Filter, Test } from './filter.ts';
import { afterPrefix, encodeKey, TAG } from './key.ts';
import { literalPrefix } from './regex.ts';
import type { Value } from './value.ts';
import { Decimal, Double, isDoc, MAX_KEY, MIN_KEY, UNDEFINED } from './value.ts';

/** An interval of one field's key bytes (ascending form), end exclusive; `point` when it holds a single value. */
export interface Interval {
  start: Buffer;
  end: Buffer;
  point: Buffer | undefined;
}

/** The intervals a test confines a field to; `exact` when every value inside passes the test (and none outside does). */
export interface Bounds {
  intervals: Interval[];
  exact: boolean;
}

/** A test with its field, as the planner collects them. */
export type FieldFilter = Filter & { kind: 'field' };

/** The intervals of one test, or nothing when an index cannot narrow it. */
export function boundsOf(test: Test): Bounds | undefined {
  switch (test.op) {
    case 'eq':
      return equality([test.value]);
    case 'in': {
      if (test.regexes.length > 0) return undefined;
      return equality(test.values);
    }
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return comparison(test.op, test.value);
    case 'regex': {
      const prefix = literalPrefix(test.regex.pattern, test.regex.options);
      if (prefix === undefined) return undefined;
      const start = encodeKey(prefix).subarray(0, -1);
      return { intervals: sorted([{ start, end: afterPrefix(start) as Buffer, point: undefined }, point(test.regex)]), exact: false };
    }
    case 'exists':
      return { intervals: [all()], exact: false };
    default:
      return undefined;
  }
}

/** The whole of a field's keys. */
export function all(): Interval {
  return { start: Buffer.from([0]), end: Buffer.from([0xff]), point: undefined };
}

/** What lies in both lists of intervals (each in order). */
export function intersect(a: Interval[], b: Interval[]): Interval[] {
  const out: Interval[] = [];
  for (const x of a) {
    for (const y of b) {
      const start = Buffer.compare(x.start, y.start) >= 0 ? x.start : y.start;
      const end = Buffer.compare(x.end, y.end) <= 0 ? x.end : y.end;
      if (Buffer.compare(start, end) < 0) out.push({ start, end, point: x.point ?? y.point });
    }
  }
  return sorted(out);
}

/** True when a document without the field can pass the test. */
export function passesMissing(test: Test): boolean {
  switch (test.op) {
    case 'eq':
    case 'gte':
    case 'lte':
      return test.value === null;
    case 'in':
      return test.values.includes(null);
    case 'gt':
    case 'lt':
    case 'regex':
    case 'exists':
    case 'type':
    case 'mod':
    case 'size':
    case 'bits':
    case 'elemMatch':
    case 'elemTest':
      return false;
    default:
      return true;
  }
}

function equality(values: Value[]): Bounds | undefined {
  const intervals = new Map<string, Interval>();
  for (const value of values) {
    // An array is indexed by its elements: looking for the whole array goes another way.
    if (Array.isArray(value)) return undefined;
    for (const each of value === null ? [null, UNDEFINED] : [value]) {
      const interval = point(each);
      intervals.set(interval.start.toString('latin1'), interval);
    }
  }
  return { intervals: sorted([...intervals.values()]), exact: true };
}

function comparison(op: 'gt' | 'gte' | 'lt' | 'lte', value: Value): Bounds | undefined {
  if (Array.isArray(value) || isDoc(value) || value === MIN_KEY || value === MAX_KEY || value === UNDEFINED) return undefined;
  if (value === null) return op === 'gte' || op === 'lte' ? equality([null]) : { intervals: [], exact: true };
  if ((value instanceof Double && Number.isNaN(value.value)) || (value instanceof Decimal && value.kind === 'nan')) {
    return op === 'gte' || op === 'lte' ? equality([value]) : { intervals: [], exact: true };
  }
  const key = encodeKey(value);
  const [first, last] = typeSpan(key[0] as number);
  const behind = afterPrefix(key) as Buffer;
  const low = Buffer.from([first]);
  const high = Buffer.from([last + 1]);
  const interval =
    op === 'gt'
      ? { start: behind, end: high }
      : op === 'gte'
        ? { start: key, end: high }
        : op === 'lt'
          ? { start: low, end: key }
          : { start: low, end: behind };
  return { intervals: Buffer.compare(interval.start, interval.end) < 0 ? [{ ...interval, point: undefined }] : [], exact: true };
}

/** First and last tag of a type whose values are compared with each other; NaN is in no order, so it is left out. */
function typeSpan(tag: number): [number, number] {
  if (tag >= TAG.negative && tag <= TAG.positive) return [TAG.negative, TAG.positive];
  if (tag === TAG.false || tag === TAG.true) return [TAG.false, TAG.true];
  return [tag, tag];
}

function point(value: Value): Interval {
  const start = encodeKey(value);
  return { start, end: afterPrefix(start) as Buffer, point: start };
}

function sorted(intervals: Interval[]): Interval[] {
  return intervals.toSorted((a, b) => Buffer.compare(a.start, b.start));
}
