import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareStrings, compareValues } from '../../src/embedded/compare.ts';
import { makeDecimal, parseDecimal } from '../../src/embedded/decimal.ts';
import type { Decimal, Value } from '../../src/embedded/value.ts';
import { BinaryValue, DateValue, Double, MAX_KEY, MIN_KEY, ObjectIdValue, RegexValue, TimestampValue } from '../../src/embedded/value.ts';
import { values } from './values.ts';

describe('the comparison order of the MongoDB manual', () => {
  test('types come in the documented order', () => {
    const order: Value[] = [
      MIN_KEY,
      null,
      new Double(NaN),
      new Double(-Infinity),
      -1,
      new Double(0.5),
      'text',
      new Map([['a', 1]]),
      [1],
      new BinaryValue(0, Buffer.from([1])),
      new ObjectIdValue(Buffer.alloc(12)),
      false,
      true,
      new DateValue(0),
      new TimestampValue(0n),
      new RegexValue('a', ''),
      MAX_KEY,
    ];
    for (let i = 1; i < order.length; i++) expect(compareValues(order[i - 1] as Value, order[i] as Value)).toBeLessThan(0);
  });

  test('one number is equal in all its types, and 64-bit integers are never rounded', () => {
    const ones: Value[] = [1, 1n, new Double(1), makeDecimal(false, 10n, -1)];
    for (const a of ones) for (const b of ones) expect(compareValues(a, b)).toBe(0);
    expect(compareValues(9007199254740993n, new Double(9007199254740992))).toBeGreaterThan(0);
    expect(compareValues(9007199254740993n, makeDecimal(false, 9007199254740993n, 0))).toBe(0);
    expect(compareValues(new Double(0.1), parseDecimal('0.1') as Decimal)).toBeGreaterThan(0);
    expect(compareValues(new Double(-0), 0)).toBe(0);
    expect(compareValues(new Double(5e-324), parseDecimal('1E-6176') as Decimal)).toBeGreaterThan(0);
  });

  test('texts compare by their UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        expect(Math.sign(compareStrings(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });

  test('it is an order: antisymmetric and transitive', () => {
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        expect(Math.sign(compareValues(a, b))).toBe(-Math.sign(compareValues(b, a)) + 0);
        const sorted = [a, b, c].toSorted(compareValues) as [Value, Value, Value];
        expect(compareValues(sorted[0], sorted[2])).toBeLessThanOrEqual(0);
      }),
      { numRuns: 400 },
    );
  });
});
