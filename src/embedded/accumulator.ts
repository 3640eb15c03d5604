import { compareValues } from './compare.ts';
import { CommandFailure } from './failure.ts';
import { hashKey } from './key.ts';
import type { Numeric } from './number.ts';
import { addNumbers, divideNumbers, isNumeric, multiplyNumbers, toFloat, toWhole } from './number.ts';
import type { Value } from './value.ts';
import { Decimal, Double } from './value.ts';

/** Gathers the values of one group; `times` says how often the same value came in a row. */
export interface Accumulator {
  add(value: Value | undefined, times: number): void;
  result(): Value;
}

/** The accumulators of `$group`. `$count` is handled as `{ $sum: 1 }` by the caller. */
export const ACCUMULATORS: ReadonlyMap<string, () => Accumulator> = new Map([
  ['$sum', createSum],
  ['$avg', createAverage],
  ['$min', () => createExtreme(-1)],
  ['$max', () => createExtreme(1)],
  ['$first', createFirst],
  ['$last', createLast],
  ['$push', createPush],
  ['$addToSet', createSet],
  ['$mergeObjects', createMerge],
]);

/** Accumulators whose result depends on how often a value came, but not on the order: safe over runs of an index. */
export const ORDERLESS: ReadonlySet<string> = new Set(['$sum', '$avg', '$min', '$max', '$addToSet']);

/** `$sum`, `$avg`, `$min` or `$max` over a list. */
export function accumulate(name: string, values: readonly (Value | undefined)[]): Value {
  const accumulator = (ACCUMULATORS.get(name) as () => Accumulator)();
  for (const value of values) accumulator.add(value, 1);
  return accumulator.result();
}

function times(value: Numeric, count: number): Numeric {
  return count === 1 ? value : (multiplyNumbers(value, BigInt(count)) ?? new Double(toFloat(value) * count));
}

/** Sums whole numbers exactly and doubles with compensation (Neumaier), as MongoDB promises the exact type of the widest summand. */
class Total {
  private whole = 0n;
  private wide = false;
  private float = 0;
  private lost = 0;
  private floats = false;
  private decimal: Decimal | undefined;

  add(value: Numeric, count: number): void {
    if (value instanceof Decimal) {
      this.decimal = (this.decimal ? addNumbers(this.decimal, times(value, count)) : times(value, count)) as Decimal;
    } else if (value instanceof Double) {
      this.floats = true;
      this.addFloat(value.value * count);
    } else {
      if (typeof value === 'bigint') this.wide = true;
      this.whole += BigInt(value) * BigInt(count);
    }
  }

  result(): Numeric {
    const whole = this.fit();
    if (this.decimal) {
      const rest = this.floats ? (addNumbers(whole, new Double(this.float + this.lost)) as Numeric) : whole;
      return addNumbers(this.decimal, rest) as Numeric;
    }
    if (!this.floats) return whole;
    const total = this.float + Number(this.whole);
    return new Double(Number.isFinite(total) ? total + this.lost : total);
  }

  private addFloat(value: number): void {
    const next = this.float + value;
    if (Number.isFinite(next)) {
      this.lost += Math.abs(this.float) >= Math.abs(value) ? this.float - next + value : value - next + this.float;
    }
    this.float = next;
  }

  private fit(): Numeric {
    if (!this.wide && this.whole >= -2147483648n && this.whole <= 2147483647n) return Number(this.whole);
    return BigInt.asIntN(64, this.whole) === this.whole ? this.whole : new Double(Number(this.whole));
  }
}

function createSum(): Accumulator {
  const total = new Total();
  return {
    add: (value, count) => {
      if (isNumeric(value)) total.add(value, count);
    },
    result: () => total.result(),
  };
}

function createAverage(): Accumulator {
  const total = new Total();
  let count = 0;
  return {
    add: (value, how) => {
      if (!isNumeric(value)) return;
      total.add(value, how);
      count += how;
    },
    result: () => (count === 0 ? null : divideNumbers(total.result(), new Double(count))),
  };
}

/** Null and missing do not count for `$min` and `$max`. */
function createExtreme(sign: 1 | -1): Accumulator {
  let best: Value | undefined;
  return {
    add: (value) => {
      if (value === undefined || value === null) return;
      if (best === undefined || compareValues(value, best) * sign > 0) best = value;
    },
    result: () => best ?? null,
  };
}

function createFirst(): Accumulator {
  let first: Value | undefined;
  let seen = false;
  return {
    add: (value) => {
      if (!seen) first = value;
      seen = true;
    },
    result: () => first ?? null,
  };
}

function createLast(): Accumulator {
  let last: Value | undefined;
  return {
    add: (value) => {
      last = value;
    },
    result: () => last ?? null,
  };
}

const MOST_GATHERED = 100 * 1024 * 1024;

/** Refuses an array in one group past 100 MB, where MongoDB would too. */
function checkGathered(bytes: number): void {
  if (bytes > MOST_GATHERED) throw new CommandFailure(146, '$push used too much memory and cannot spill to disk. Memory limit: 104857600 bytes');
}

function createPush(): Accumulator {
  const items: Value[] = [];
  let bytes = 0;
  return {
    add: (value, count) => {
      if (value === undefined) return;
      bytes += roughSize(value) * count;
      checkGathered(bytes);
      for (let i = 0; i < count; i++) items.push(value);
    },
    result: () => items,
  };
}

function createSet(): Accumulator {
  const items = new Map<string, Value>();
  let bytes = 0;
  return {
    add: (value) => {
      if (value === undefined) return;
      const key = hashKey(value);
      if (items.has(key)) return;
      items.set(key, value);
      bytes += roughSize(value);
      checkGathered(bytes);
    },
    result: () => [...items.values()],
  };
}

function createMerge(): Accumulator {
  const merged = new Map<string, Value>();
  return {
    add: (value) => {
      if (value instanceof Map) for (const [name, inner] of value) merged.set(name, inner);
      else if (value !== undefined && value !== null) throw new CommandFailure(40400, '$mergeObjects requires object inputs');
    },
    result: () => merged,
  };
}

/** About how many bytes a value holds on to in memory; for limits, not for accounts. */
export function roughSize(value: Value): number {
  if (typeof value === 'string') return 24 + value.length;
  if (value instanceof Map) {
    let size = 48;
    for (const [name, inner] of value) size += 32 + name.length + roughSize(inner);
    return size;
  }
  if (Array.isArray(value)) return value.reduce<number>((size, item) => size + 8 + roughSize(item), 32);
  return typeof value === 'object' && value !== null && 'bytes' in value ? 40 + value.bytes.length : 24;
}

/** The whole number of a stage's argument (`$limit`, `$skip`), or nothing when it is not one. */
export function wholeArgument(value: Value): number | undefined {
  if (!isNumeric(value)) return undefined;
  const whole = toWhole(value);
  return whole === undefined || compareValues(whole, value) !== 0 ? undefined : Number(whole);
}
