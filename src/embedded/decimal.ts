import { Decimal } from './value.ts';

const MAX_DIGITS = 34;
const MAX_COEFFICIENT = 10n ** 34n - 1n;
const MIN_EXPONENT = -6176;
const MAX_EXPONENT = 6111;

/** Not a number, as a decimal. */
export const DECIMAL_NAN = new Decimal('nan', false, 0n, 0);

/** The decimal in the 16 bytes of BSON's BID format, given as two little-endian halves; coefficients past 34 digits read as 0. */
export function decimalFromBits(low: bigint, high: bigint): Decimal {
  const negative = high >> 63n === 1n;
  const top = (high >> 58n) & 31n;
  if (top === 31n) return DECIMAL_NAN;
  if (top === 30n) return new Decimal('infinity', negative, 0n, 0);
  if (top >= 24n) return new Decimal('finite', negative, 0n, Number((high >> 47n) & 0x3fffn) + MIN_EXPONENT);
  const coefficient = ((high & 0x1ffffffffffffn) << 64n) | low;
  const exponent = Number((high >> 49n) & 0x3fffn) + MIN_EXPONENT;
  return new Decimal('finite', negative, coefficient > MAX_COEFFICIENT ? 0n : coefficient, exponent);
}

/** The two halves `[low, high]` of a decimal's 16 bytes. */
export function decimalToBits(value: Decimal): [bigint, bigint] {
  const sign = value.negative ? 1n << 63n : 0n;
  if (value.kind === 'nan') return [0n, 31n << 58n];
  if (value.kind === 'infinity') return [0n, sign | (30n << 58n)];
  const high = sign | (BigInt(value.exponent - MIN_EXPONENT) << 49n) | (value.coefficient >> 64n);
  return [value.coefficient & 0xffffffffffffffffn, high];
}

/** A decimal rounded (half to even) into 34 digits and the exponent range, as IEEE 754 asks. */
export function makeDecimal(negative: boolean, coefficient: bigint, exponent: number): Decimal {
  let c = coefficient;
  let e = exponent;
  const digits = c.toString().length;
  let drop = Math.max(digits - MAX_DIGITS, MIN_EXPONENT - e, 0);
  if (drop > 0) {
    if (drop > digits + 1) drop = digits + 1;
    c = divideHalfEven(c, 10n ** BigInt(drop));
    e = Math.max(e + drop, MIN_EXPONENT);
    if (c > MAX_COEFFICIENT) {
      c /= 10n;
      e += 1;
    }
  }
  while (e > MAX_EXPONENT && c !== 0n && c * 10n <= MAX_COEFFICIENT) {
    c *= 10n;
    e -= 1;
  }
  if (e > MAX_EXPONENT) {
    if (c !== 0n) return new Decimal('infinity', negative, 0n, 0);
    e = MAX_EXPONENT;
  }
  return new Decimal('finite', negative, c, e);
}

/** The decimal a text stands for (`'-1.50' → -150 × 10^-2`); nothing when it is not a number. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?$/.exec(text);
  const negative = text.startsWith('-');
  if (!match) {
    if (/^[+-]?inf(inity)?$/i.test(text)) return new Decimal('infinity', negative, 0n, 0);
    return /^[+-]?nan$/i.test(text) ? DECIMAL_NAN : undefined;
  }
  const fraction = match[3] ?? match[4] ?? '';
  return makeDecimal(negative, BigInt((match[2] ?? '') + fraction || '0'), Number(match[5] ?? 0) - fraction.length);
}

/** A decimal in MongoDB's writing, e.g. `-150 × 10^-2 → '-1.50'`. */
export function formatDecimal(value: Decimal): string {
  if (value.kind === 'nan') return 'NaN';
  const sign = value.negative ? '-' : '';
  if (value.kind === 'infinity') return `${sign}Infinity`;
  const digits = value.coefficient.toString();
  const adjusted = value.exponent + digits.length - 1;
  if (value.exponent > 0 || adjusted < -6) {
    const mantissa = digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits;
    return `${sign}${mantissa}E${adjusted >= 0 ? '+' : ''}${adjusted}`;
  }
  if (value.exponent === 0) return sign + digits;
  const padded = digits.padStart(1 - value.exponent, '0');
  return `${sign}${padded.slice(0, padded.length + value.exponent)}.${padded.slice(value.exponent)}`;
}

/** Sum of two decimals. */
export function addDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind === 'nan' || b.kind === 'nan') return DECIMAL_NAN;
  if (a.kind === 'infinity') return b.kind === 'infinity' && a.negative !== b.negative ? DECIMAL_NAN : a;
  if (b.kind === 'infinity') return b;
  // Numbers more than 40 digits apart cannot change each other's 34 digits: keep the shift small.
  const [high, low] = a.exponent >= b.exponent ? [a, b] : [b, a];
  const shift = Math.min(high.exponent - low.exponent, high.coefficient === 0n ? 0 : 120);
  if (shift < high.exponent - low.exponent) return high.coefficient === 0n ? low : high;
  const sum = signed(high) * 10n ** BigInt(shift) + signed(low);
  return makeDecimal(sum < 0n, sum < 0n ? -sum : sum, low.exponent);
}

/** Product of two decimals. */
export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind === 'nan' || b.kind === 'nan') return DECIMAL_NAN;
  const negative = a.negative !== b.negative;
  if (a.kind === 'infinity' || b.kind === 'infinity') {
    const zero = (a.kind === 'finite' && a.coefficient === 0n) || (b.kind === 'finite' && b.coefficient === 0n);
    return zero ? DECIMAL_NAN : new Decimal('infinity', negative, 0n, 0);
  }
  return makeDecimal(negative, a.coefficient * b.coefficient, a.exponent + b.exponent);
}

/** Quotient of two decimals to 34 digits. */
export function divideDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind === 'nan' || b.kind === 'nan' || (a.kind === 'infinity' && b.kind === 'infinity')) return DECIMAL_NAN;
  const negative = a.negative !== b.negative;
  if (a.kind === 'infinity') return new Decimal('infinity', negative, 0n, 0);
  if (b.kind === 'infinity') return new Decimal('finite', negative, 0n, 0);
  if (b.coefficient === 0n) return a.coefficient === 0n ? DECIMAL_NAN : new Decimal('infinity', negative, 0n, 0);
  let coefficient = a.coefficient * 10n ** 70n;
  let exponent = a.exponent - b.exponent - 70;
  const exact = coefficient % b.coefficient === 0n;
  coefficient /= b.coefficient;
  if (exact) {
    const ideal = a.exponent - b.exponent;
    while (exponent < ideal && coefficient % 10n === 0n && coefficient !== 0n) {
      coefficient /= 10n;
      exponent += 1;
    }
    if (coefficient === 0n) exponent = ideal;
  }
  return makeDecimal(negative, coefficient, exponent);
}

/** The coefficient with its sign. */
export function signed(value: Decimal): bigint {
  return value.negative ? -value.coefficient : value.coefficient;
}

function divideHalfEven(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  const twice = (value % by) * 2n;
  if (twice > by || (twice === by && quotient % 2n === 1n)) return quotient + 1n;
  return quotient;
}
