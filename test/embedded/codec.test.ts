import { describe, expect, test } from '@jest/globals';
import { Decimal128, deserialize, serialize } from 'bson';
import fc from 'fast-check';
import { decodeDoc, encodeDoc, MAX_DEPTH } from '../../src/embedded/codec.ts';
import { addDecimals, divideDecimals, formatDecimal, multiplyDecimals, parseDecimal } from '../../src/embedded/decimal.ts';
import { CommandFailure } from '../../src/embedded/failure.ts';
import type { Decimal, Doc } from '../../src/embedded/value.ts';
import { docs } from './values.ts';

describe('BSON', () => {
  test('every document comes back byte for byte, field order and number types included', () => {
    fc.assert(
      fc.property(docs, (doc) => {
        const bytes = encodeDoc(doc);
        expect(encodeDoc(decodeDoc(bytes)).equals(bytes)).toBe(true);
        expect([...decodeDoc(bytes).keys()]).toEqual([...doc.keys()]);
      }),
      { numRuns: 400 },
    );
  });

  test('what the drivers write is read, and what is written the drivers read', () => {
    const written = { a: 1, b: 1.5, c: 'đôn đốc', d: new Date(5), e: [1, { f: null }], g: Decimal128.fromString('1.50'), h: Buffer.from('x'), i: 2n ** 60n };
    const doc = decodeDoc(Buffer.from(serialize(written)));
    expect(Buffer.from(serialize(deserialize(encodeDoc(doc), { promoteLongs: false, useBigInt64: false })))).toEqual(Buffer.from(serialize(written)));
  });

  test('bytes that are no BSON are refused with code 22 or 15, whatever they are', () => {
    const refuse = (bytes: Buffer): void => {
      try {
        decodeDoc(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(CommandFailure);
        expect([15, 22]).toContain((error as CommandFailure).code);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => refuse(Buffer.from(bytes))), { numRuns: 400 });
    fc.assert(
      fc.property(docs, fc.nat(), fc.nat({ max: 255 }), fc.nat(), (doc, at, byte, cut) => {
        const bytes = encodeDoc(doc);
        bytes[at % bytes.length] = byte;
        refuse(bytes);
        refuse(bytes.subarray(0, cut % bytes.length));
      }),
      { numRuns: 400 },
    );
  });

  test('documents nested too deeply are refused before the stack ends', () => {
    let doc: Doc = new Map();
    for (let i = 0; i < MAX_DEPTH + 5; i++) doc = new Map([['a', doc]]);
    expect(() => encodeDoc(doc)).toThrow(/nested/);
    let bytes = Buffer.from([5, 0, 0, 0, 0]);
    for (let i = 0; i < 3000; i++) {
      const outer = Buffer.alloc(bytes.length + 8);
      outer.writeInt32LE(outer.length, 0);
      outer[4] = 3;
      outer[5] = 97;
      bytes.copy(outer, 7);
      bytes = outer;
    }
    expect(() => decodeDoc(bytes)).toThrow(/nested/);
  });
});

describe('Decimal128', () => {
  const texts = fc.tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 34n - 1n }), fc.integer({ min: -6176, max: 6111 })).map(([n, c, e]) => `${n ? '-' : ''}${c}E${e}`);

  test('is written and read as the bson library does', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const theirs = Decimal128.fromString(text);
        const ours = parseDecimal(text) as Decimal;
        expect(formatDecimal(ours)).toBe(theirs.toString());
        const bytes = encodeDoc(new Map([['v', ours]]));
        expect(bytes.subarray(7, 23)).toEqual(Buffer.from(theirs.bytes));
        expect(formatDecimal(decodeDoc(bytes).get('v') as Decimal)).toBe(theirs.toString());
      }),
    );
  });

  test.each([
    ['1.10', '2.205', '3.305', '2.42550'],
    ['0.1', '0.2', '0.3', '0.02'],
    ['-5', '5', '0', '-25'],
    ['9999999999999999999999999999999999', '1', '1.000000000000000000000000000000000E+34', '9999999999999999999999999999999999'],
  ])('%s and %s add and multiply exactly', (a, b, sum, product) => {
    const [x, y] = [parseDecimal(a) as Decimal, parseDecimal(b) as Decimal];
    expect(formatDecimal(addDecimals(x, y))).toBe(sum);
    expect(formatDecimal(multiplyDecimals(x, y))).toBe(product);
  });

  test('division keeps 34 digits', () => {
    expect(formatDecimal(divideDecimals(parseDecimal('1') as Decimal, parseDecimal('3') as Decimal))).toBe('0.3333333333333333333333333333333333');
    expect(formatDecimal(divideDecimals(parseDecimal('6') as Decimal, parseDecimal('2') as Decimal))).toBe('3');
  });
});
