import { signed } from './decimal.ts';
import type { Doc, Value } from './value.ts';
import {
  BinaryValue,
  CodeValue,
  DateValue,
  Decimal,
  Double,
  MAX_KEY,
  MIN_KEY,
  ObjectIdValue,
  PointerValue,
  RegexValue,
  SymbolValue,
  TimestampValue,
} from './value.ts';

/** The place of a value's type in MongoDB's comparison order; types with one number are compared by value. */
export function typeRank(value: Value): number {
  if (value === null) return 5;
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return 10;
    case 'string':
      return 15;
    case 'boolean':
      return 40;
    default:
  }
  if (value instanceof Map) return 20;
  if (Array.isArray(value)) return 25;
  if (value instanceof Double || value instanceof Decimal) return 10;
  if (value instanceof ObjectIdValue) return 35;
  if (value instanceof DateValue) return 45;
  if (value instanceof BinaryValue) return 30;
  if (value instanceof SymbolValue) return 15;
  if (value instanceof TimestampValue) return 47;
  if (value instanceof RegexValue) return 50;
  if (value instanceof PointerValue) return 55;
  if (value instanceof CodeValue) return value.scope === undefined ? 60 : 65;
  if (value === MIN_KEY) return -1;
  if (value === MAX_KEY) return 127;
  return 0;
}

/**
 * The one order of the engine: filters, sorts, index keys and groups all follow it. Negative when `a` comes first, 0 when
 * MongoDB calls them equal (`1`, `1.0` and `NumberLong(1)`). Source: MongoDB manual, "Comparison/Sort Order".
 */
export function compareValues(a: Value, b: Value): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b);
  const rankA = typeRank(a);
  const rankB = typeRank(b);
  if (rankA !== rankB) return rankA - rankB;
  switch (rankA) {
    case 10:
      return compareNumbers(a as number, b as number);
    case 15:
      return compareStrings(textOf(a), textOf(b));
    case 20:
      return compareDocs(a as Doc, b as Doc);
    case 25:
      return compareArrays(a as Value[], b as Value[]);
    case 30:
      return compareBinaries(a as BinaryValue, b as BinaryValue);
    case 35:
      return Buffer.compare((a as ObjectIdValue).bytes, (b as ObjectIdValue).bytes);
    case 40:
      return Number(a) - Number(b);
    case 45:
      return (a as DateValue).ms - (b as DateValue).ms;
    case 47:
      return sign((a as TimestampValue).bits, (b as TimestampValue).bits);
    case 50:
      return (
        compareStrings((a as RegexValue).pattern, (b as RegexValue).pattern) ||
        compareStrings((a as RegexValue).options, (b as RegexValue).options)
      );
    case 55:
      return comparePointers(a as PointerValue, b as PointerValue);
    case 60:
      return compareStrings((a as CodeValue).code, (b as CodeValue).code);
    case 65:
      return (
        compareStrings((a as CodeValue).code, (b as CodeValue).code) ||
        compareDocs((a as CodeValue).scope as Doc, (b as CodeValue).scope as Doc)
      );
    default:
      return 0;
  }
}

/** True when MongoDB calls the two values equal. */
export function sameValue(a: Value, b: Value): boolean {
  return compareValues(a, b) === 0;
}

/** Order of two numbers of any types; NaN comes before every other number and equals itself. */
export function compareNumbers(a: number | bigint | Double | Decimal, b: number | bigint | Double | Decimal): number {
  if (!(a instanceof Decimal) && !(b instanceof Decimal)) {
    const x = a instanceof Double ? a.value : a;
    const y = b instanceof Double ? b.value : b;
    if (typeof x === 'bigint' && typeof y === 'bigint') return sign(x, y);
    const nanX = Number.isNaN(x);
    const nanY = Number.isNaN(y);
    if (nanX || nanY) return Number(nanY) - Number(nanX);
    // JavaScript compares a bigint with a number by their exact mathematical values.
    return x < y ? -1 : x > y ? 1 : 0;
  }
  const x = exactNumber(a);
  const y = exactNumber(b);
  if (x.level !== y.level) return x.level - y.level;
  if (x.level !== 0) return 0;
  return compareExact(x, y);
}

/** Order of two texts by their UTF-8 bytes, which differs from JavaScript's own order beyond the basic plane. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      if (x >= 0xd800 && y >= 0xd800) {
        const surrogateX = x <= 0xdfff;
        if (surrogateX !== y <= 0xdfff) return surrogateX ? 1 : -1;
      }
      return x - y;
    }
  }
  return a.length - b.length;
}

function compareDocs(a: Doc, b: Doc): number {
  const left = a.entries();
  const right = b.entries();
  for (;;) {
    const x = left.next();
    const y = right.next();
    if (x.done || y.done) return Number(y.done ?? false) - Number(x.done ?? false);
    const [nameX, valueX] = x.value;
    const [nameY, valueY] = y.value;
    const order = typeRank(valueX) - typeRank(valueY) || compareStrings(nameX, nameY) || compareValues(valueX, valueY);
    if (order !== 0) return order;
  }
}

function compareArrays(a: Value[], b: Value[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = compareValues(a[i] as Value, b[i] as Value);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareBinaries(a: BinaryValue, b: BinaryValue): number {
  return a.bytes.length - b.bytes.length || a.subtype - b.subtype || Buffer.compare(a.bytes, b.bytes);
}

function comparePointers(a: PointerValue, b: PointerValue): number {
  return compareStrings(a.namespace, b.namespace) || Buffer.compare(a.bytes, b.bytes);
}

function textOf(value: Value): string {
  return typeof value === 'string' ? value : (value as SymbolValue).text;
}

function sign(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `level` orders NaN (-2), -∞ (-1), finite (0) and ∞ (1); a finite number is `numerator × 2^two × 10^ten` exactly. */
interface Exact {
  level: number;
  numerator: bigint;
  two: number;
  ten: number;
}

const bits = new DataView(new ArrayBuffer(8));

function exactNumber(value: number | bigint | Double | Decimal): Exact {
  if (typeof value === 'bigint') return { level: 0, numerator: value, two: 0, ten: 0 };
  if (value instanceof Decimal) {
    if (value.kind === 'nan') return { level: -2, numerator: 0n, two: 0, ten: 0 };
    if (value.kind === 'infinity') return { level: value.negative ? -1 : 1, numerator: 0n, two: 0, ten: 0 };
    return { level: 0, numerator: signed(value), two: 0, ten: value.exponent };
  }
  const float = typeof value === 'number' ? value : value.value;
  if (Number.isNaN(float)) return { level: -2, numerator: 0n, two: 0, ten: 0 };
  if (!Number.isFinite(float)) return { level: float < 0 ? -1 : 1, numerator: 0n, two: 0, ten: 0 };
  if (Number.isSafeInteger(float)) return { level: 0, numerator: BigInt(float), two: 0, ten: 0 };
  bits.setFloat64(0, float);
  const high = bits.getUint32(0);
  const exponent = (high >>> 20) & 0x7ff;
  const fraction = (BigInt(high & 0xfffff) << 32n) | BigInt(bits.getUint32(4));
  const mantissa = exponent === 0 ? fraction : fraction | (1n << 52n);
  return { level: 0, numerator: float < 0 ? -mantissa : mantissa, two: Math.max(exponent, 1) - 1075, ten: 0 };
}

function compareExact(x: Exact, y: Exact): number {
  let left = x.numerator;
  let right = y.numerator;
  const two = Math.min(x.two, y.two);
  const ten = Math.min(x.ten, y.ten);
  if (left < 0n !== right < 0n || left === 0n || right === 0n) return sign(left, right);
  left = left * 2n ** BigInt(x.two - two) * 10n ** BigInt(x.ten - ten);
  right = right * 2n ** BigInt(y.two - two) * 10n ** BigInt(y.ten - ten);
  return sign(left, right);
}
