import fc from 'fast-check';
import type { Doc, Value } from '../../src/embedded/value.ts';
import {
  BinaryValue,
  CodeValue,
  DateValue,
  Double,
  MAX_KEY,
  MIN_KEY,
  ObjectIdValue,
  PointerValue,
  RegexValue,
  SymbolValue,
  TimestampValue,
  UNDEFINED,
} from '../../src/embedded/value.ts';
import { makeDecimal } from '../../src/embedded/decimal.ts';
import { DECIMAL_NAN } from '../../src/embedded/decimal.ts';
import { Decimal } from '../../src/embedded/value.ts';

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length }).map((all) => Buffer.from(all));

/** Numbers of all four types, with many that are equal or nearly equal across types. */
export const numbers: fc.Arbitrary<Value> = fc.oneof(
  fc.integer(),
  fc.integer({ min: -3, max: 3 }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }),
  fc.double().map((value) => new Double(value)),
  fc.integer({ min: -3, max: 3 }).map((value) => new Double(value)),
  fc.constantFrom(2 ** 53, 2 ** 53 + 2, 0.1, 5e-324, -0, 1.7976931348623157e308).map((value) => new Double(value)),
  fc.tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 34n - 1n }), fc.integer({ min: -6176, max: 6111 })).map(([n, c, e]) => makeDecimal(n, c, e)),
  fc.tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 40n }), fc.integer({ min: -2, max: 1 })).map(([n, c, e]) => makeDecimal(n, c, e)),
  fc.constantFrom(DECIMAL_NAN, new Decimal('infinity', true, 0n, 0), new Decimal('infinity', false, 0n, 0), makeDecimal(false, 9007199254740993n, 0), makeDecimal(false, 1n, -1)),
);

const texts = fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), fc.constantFrom('', 'a', 'a\0', 'ab', '\u{1F600}', '\uffff', '\ue000', 'đ'));
const names = fc.oneof(fc.constantFrom('a', 'b', 'c', '10', '9', '__proto__'), fc.string({ maxLength: 3 })).filter((name) => !name.includes('\0'));

const scalars: fc.Arbitrary<Value> = fc.oneof(
  { weight: 5, arbitrary: numbers },
  { weight: 3, arbitrary: texts },
  fc.constantFrom<Value>(null, true, false, MIN_KEY, MAX_KEY, UNDEFINED),
  bytes(12).map((all) => new ObjectIdValue(all)),
  fc.integer({ min: -1e15, max: 1e15 }).map((ms) => new DateValue(ms)),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((bits) => new TimestampValue(bits)),
  fc.tuple(fc.integer({ min: 0, max: 7 }), fc.uint8Array({ maxLength: 4 })).map(([subtype, all]) => new BinaryValue(subtype, Buffer.from(all))),
  fc.constantFrom<Value>(new RegexValue('a', ''), new RegexValue('a', 'i'), new RegexValue('b', ''), new CodeValue('x', undefined), new CodeValue('x', new Map([['a', 1]])), new SymbolValue('a')),
  bytes(12).map((all) => new PointerValue('d.c', all)),
);

/** Any BSON value, documents and arrays included. */
export const values: fc.Arbitrary<Value> = fc.letrec<{ value: Value; doc: Doc }>((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalars, tie('doc'), fc.array(tie('value'), { maxLength: 3 })),
  doc: fc.uniqueArray(fc.tuple(names, tie('value')), { maxLength: 3, selector: ([name]) => name }).map((fields) => new Map(fields)),
})).value;

/** Any document. */
export const docs: fc.Arbitrary<Doc> = fc.uniqueArray(fc.tuple(names, values), { maxLength: 4, selector: ([name]) => name }).map((fields) => new Map(fields));
