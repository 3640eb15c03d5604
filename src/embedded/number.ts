import { addDecimals, DECIMAL_NAN, divideDecimals, formatDecimal, multiplyDecimals, parseDecimal } from './decimal.ts';
import type { Value } from './value.ts';
import { Decimal, Double } from './value.ts';

/** Any BSON number. */
export type Numeric = number | bigint | Double | Decimal;

/** The number cut to a whole one towards zero (`-1.9 → -1n`); nothing for NaN and the infinities. */
export function toWhole(value: Numeric): bigint | undefined {
  if (typeof value === 'number') return BigInt(value);
  if (typeof value === 'bigint') return value;
  if (value instanceof Double) return Number.isFinite(value.value) ? BigInt(Math.trunc(value.value)) : undefined;
  if (value.kind !== 'finite') return undefined;
  const whole = value.exponent >= 0 ? value.coefficient * 10n ** BigInt(value.exponent) : value.coefficient / 10n ** BigInt(-value.exponent);
  return value.negative ? -whole : whole;
}

/** The nearest double. */
export function toFloat(value: Numeric): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Double ? value.value : Number(formatDecimal(value));
}

/** The number as a decimal; doubles keep 15 digits, as MongoDB does. */
export function toDecimal(value: Numeric): Decimal {
  if (value instanceof Decimal) return value;
  if (!(value instanceof Double)) return parseDecimal(String(value)) ?? DECIMAL_NAN;
  if (!Number.isFinite(value.value)) return parseDecimal(String(value.value)) ?? DECIMAL_NAN;
  return parseDecimal(value.value.toPrecision(15)) ?? DECIMAL_NAN;
}

/** Sum in MongoDB's result type: int32 grows to int64; nothing when an int64 overflows (`$inc` refuses, `$add` goes on as a double). */
export function addNumbers(a: Numeric, b: Numeric): Numeric | undefined {
  return combine(a, b, (x, y) => x + y, (x, y) => x + y, addDecimals);
}

/** Product in MongoDB's result type; nothing when an int64 overflows. */
export function multiplyNumbers(a: Numeric, b: Numeric): Numeric | undefined {
  return combine(a, b, (x, y) => x * y, (x, y) => x * y, multiplyDecimals);
}

/** Difference in MongoDB's result type; nothing when an int64 overflows. */
export function subtractNumbers(a: Numeric, b: Numeric): Numeric | undefined {
  return combine(a, b, (x, y) => x - y, (x, y) => x - y, (x, y) => addDecimals(x, new Decimal(y.kind, !y.negative, y.coefficient, y.exponent)));
}

/** Quotient as `$divide` gives it: a double, or a decimal when either is one. */
export function divideNumbers(a: Numeric, b: Numeric): Numeric {
  if (a instanceof Decimal || b instanceof Decimal) return divideDecimals(toDecimal(a), toDecimal(b));
  return new Double(toFloat(a) / toFloat(b));
}

/** True for a number type. */
export function isNumeric(value: Value | undefined): value is Numeric {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Double || value instanceof Decimal;
}

/** A whole number in int32 when both sides were, else int64; nothing beyond 64 bits. */
export function fitWhole(value: bigint, wide: boolean): number | bigint | undefined {
  if (!wide && value >= -2147483648n && value <= 2147483647n) return Number(value);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

function combine(
  a: Numeric,
  b: Numeric,
  floats: (x: number, y: number) => number,
  wholes: (x: bigint, y: bigint) => bigint,
  decimals: (x: Decimal, y: Decimal) => Decimal,
): Numeric | undefined {
  if (typeof a === 'number' && typeof b === 'number') {
    const result = floats(a, b);
    if (result >= -2147483648 && result <= 2147483647) return result === 0 ? 0 : result;
    return Number.isSafeInteger(result) ? BigInt(result) : fitWhole(wholes(BigInt(a), BigInt(b)), true);
  }
  if (a instanceof Decimal || b instanceof Decimal) return decimals(toDecimal(a), toDecimal(b));
  if (a instanceof Double || b instanceof Double) return new Double(floats(toFloat(a), toFloat(b)));
  return fitWhole(wholes(BigInt(a), BigInt(b)), true);
}
