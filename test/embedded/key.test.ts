import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareValues } from '../../src/embedded/compare.ts';
import { afterPrefix, encodeKey, KeyReader, KeyWriter } from '../../src/embedded/key.ts';
import type { Value } from '../../src/embedded/value.ts';
import { DateValue, Double, ObjectIdValue } from '../../src/embedded/value.ts';
import { numbers, values } from './values.ts';

const sign = (value: number): number => Math.sign(value);

describe('index keys', () => {
  test('bytes order exactly as values do, numbers of all types among them', () => {
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        expect(sign(Buffer.compare(encodeKey(a), encodeKey(b)))).toBe(sign(compareValues(a, b)));
      }),
      { numRuns: 400 },
    );
  });

  test('bytes order exactly as values do, whatever the types', () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        expect(sign(Buffer.compare(encodeKey(a), encodeKey(b)))).toBe(sign(compareValues(a, b)));
      }),
      { numRuns: 400 },
    );
  });

  test('a compound key orders field by field, descending fields turned round', () => {
    const key = (row: Value[]): Buffer => {
      const writer = new KeyWriter();
      row.forEach((value, i) => writer.field(value, i === 1));
      return writer.finish();
    };
    fc.assert(
      fc.property(fc.tuple(values, values, values), fc.tuple(values, values, values), fc.boolean(), (a, b, share) => {
        const other: Value[] = share ? [a[0], a[1], b[2]] : b;
        const wanted = compareValues(a[0], other[0] as Value) || -compareValues(a[1], other[1] as Value) || compareValues(a[2], other[2] as Value);
        expect(sign(Buffer.compare(key(a), key(other)))).toBe(sign(wanted));
      }),
      { numRuns: 400 },
    );
  });

  test('stepping over a field ends where the next begins, in both directions', () => {
    fc.assert(
      fc.property(values, values, fc.boolean(), (a, b, descending) => {
        const writer = new KeyWriter();
        writer.field(a, descending);
        const length = writer.length;
        writer.field(b, !descending);
        const reader = new KeyReader(writer.finish(), 0);
        reader.skip(descending);
        expect(reader.at).toBe(length);
        reader.skip(!descending);
        expect(reader.at).toBe(writer.length);
      }),
      { numRuns: 400 },
    );
  });

  test('texts, dates, ids and doubles are read back as they were', () => {
    const readable = fc.oneof<fc.Arbitrary<Value>[]>(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('a\0b', '\0', 'x\0\0'),
      fc.integer().map((ms) => new DateValue(ms)),
      fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => new ObjectIdValue(Buffer.from(bytes))),
      fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)).map((value) => new Double(value)),
      fc.constantFrom(true, false, null),
    );
    fc.assert(
      fc.property(readable, fc.boolean(), (value, descending) => {
        const writer = new KeyWriter();
        writer.field(value, descending);
        writer.field('behind', false);
        const reader = new KeyReader(writer.finish(), 0);
        expect(reader.field(descending)).toEqual(value);
        expect(reader.field(false)).toBe('behind');
      }),
    );
  });

  test('the end of a prefix lies behind all that begins with it', () => {
    expect(afterPrefix(Buffer.from([1, 0xff]))).toEqual(Buffer.from([2]));
    expect(afterPrefix(Buffer.from([0xff]))).toBeUndefined();
  });
});
