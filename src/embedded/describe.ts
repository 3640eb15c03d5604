import { formatDecimal } from './decimal.ts';
import type { Value } from './value.ts';
import { BinaryValue, DateValue, Decimal, Double, hexOf, isDoc, ObjectIdValue, RegexValue, typeNameOf } from './value.ts';

/** A value as MongoDB's error messages write it, e.g. `{ name: "x" }`, `ObjectId('…')`. */
export function describeValue(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value instanceof Double) return Number.isInteger(value.value) ? `${value.value}.0` : String(value.value);
  if (value instanceof Decimal) return formatDecimal(value);
  if (value instanceof ObjectIdValue) return `ObjectId('${hexOf(value.bytes)}')`;
  if (value instanceof DateValue) return `new Date(${value.ms})`;
  if (value instanceof RegexValue) return `/${value.pattern}/${value.options}`;
  if (value instanceof BinaryValue) return `BinData(${value.subtype}, ${Buffer.from(value.bytes).toString('hex').toUpperCase()})`;
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[ ${value.map(describeValue).join(', ')} ]`;
  if (isDoc(value)) return value.size === 0 ? '{}' : `{ ${[...value].map(([name, inner]) => `${name}: ${describeValue(inner)}`).join(', ')} }`;
  return typeNameOf(value);
}
