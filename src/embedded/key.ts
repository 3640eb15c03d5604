import { compareNumbers } from './compare.ts';
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
  UNDEFINED,
} from './value.ts';

/*
 * Index keys: bytes whose plain order is the order of `compareValues`, and which are equal exactly when the values are.
 * Every encoded value ends by itself (no value is a prefix of another), so a compound key is simply one after the other,
 * and a descending field is the same bytes inverted.
 */

/** First byte of each type's keys, in MongoDB's order. All lie below 0xfb, so that inverted they stay above 0x04. */
export const TAG = {
  minKey: 0x05,
  undefined: 0x08,
  null: 0x0a,
  nan: 0x10,
  negative: 0x14,
  zero: 0x15,
  positive: 0x16,
  string: 0x3c,
  object: 0x46,
  array: 0x50,
  binary: 0x5a,
  objectId: 0x64,
  false: 0x6e,
  true: 0x6f,
  date: 0x78,
  timestamp: 0x82,
  regex: 0x8c,
  pointer: 0x96,
  code: 0xa0,
  scopedCode: 0xaa,
  maxKey: 0xf0,
} as const;

/** Longest key LMDB takes on the smallest page, less what the engine puts before it. */
export const MAX_KEY_BYTES = 1900;

/** Collects the bytes of one key. */
export class KeyWriter {
  private bytes = Buffer.allocUnsafe(128);
  private at = 0;

  /** Starts over, keeping the memory. */
  reset(): void {
    this.at = 0;
  }

  /** How many bytes were written. */
  get length(): number {
    return this.at;
  }

  /** A copy of what was written. */
  finish(): Buffer {
    return Buffer.from(this.bytes.subarray(0, this.at));
  }

  /** Appends ready bytes. */
  raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** Appends an unsigned 32-bit number, big end first. */
  uint32(value: number): void {
    const at = this.reserve(4);
    this.bytes.writeUInt32BE(value, at);
  }

  /** Appends one byte. */
  byte(value: number): void {
    const at = this.reserve(1);
    this.bytes[at] = value;
  }

  /** Appends a value, inverted when the index field is descending. */
  field(value: Value, descending: boolean): void {
    const start = this.at;
    this.value(value);
    if (descending) for (let i = start; i < this.at; i++) this.bytes[i] = ~(this.bytes[i] as number) & 0xff;
  }

  private reserve(length: number): number {
    const at = this.at;
    if (at + length > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, at + length));
      this.bytes.copy(larger, 0, 0, at);
      this.bytes = larger;
    }
    this.at = at + length;
    return at;
  }

  private value(value: Value): void {
    if (value === null) return this.byte(TAG.null);
    switch (typeof value) {
      case 'number':
        return this.float(value);
      case 'string':
        this.byte(TAG.string);
        return this.text(value);
      case 'boolean':
        return this.byte(value ? TAG.true : TAG.false);
      case 'bigint':
        return this.bigint(value);
      default:
    }
    if (value instanceof ObjectIdValue) {
      this.byte(TAG.objectId);
      return this.raw(value.bytes);
    }
    if (value instanceof DateValue) {
      this.byte(TAG.date);
      const at = this.reserve(8);
      this.bytes.writeBigInt64BE(BigInt(value.ms), at);
      this.bytes[at] = (this.bytes[at] as number) ^ 0x80;
      return;
    }
    if (value instanceof Double) return this.float(value.value);
    if (value instanceof Map) return this.doc(value);
    if (Array.isArray(value)) {
      this.byte(TAG.array);
      for (const item of value) this.value(item);
      return this.byte(0);
    }
    this.rareValue(value);
  }

  private rareValue(value: Value): void {
    if (value instanceof Decimal) return this.decimal(value);
    if (value instanceof BinaryValue) {
      this.byte(TAG.binary);
      this.uint32(value.bytes.length);
      this.byte(value.subtype);
      return this.raw(value.bytes);
    }
    if (value instanceof TimestampValue) {
      this.byte(TAG.timestamp);
      const at = this.reserve(8);
      this.bytes.writeBigUInt64BE(value.bits, at);
      return;
    }
    if (value instanceof RegexValue) {
      this.byte(TAG.regex);
      this.text(value.pattern);
      return this.text(value.options);
    }
    if (value instanceof SymbolValue) {
      this.byte(TAG.string);
      return this.text(value.text);
    }
    if (value instanceof PointerValue) {
      this.byte(TAG.pointer);
      this.text(value.namespace);
      // Keeps the bytes apart from the text's end: 00 FF would read as a zero inside the text.
      this.byte(1);
      return this.raw(value.bytes);
    }
    if (value instanceof CodeValue) {
      this.byte(value.scope === undefined ? TAG.code : TAG.scopedCode);
      this.text(value.code);
      if (value.scope !== undefined) this.doc(value.scope);
      return;
    }
    this.byte(value === MIN_KEY ? TAG.minKey : value === MAX_KEY ? TAG.maxKey : TAG.undefined);
  }

  /** UTF-8; a zero inside becomes 00 FF, so that the single 00 at the end sorts first. */
  private text(text: string): void {
    const at = this.reserve(text.length * 3 + 1);
    const length = this.bytes.write(text, at, 'utf8');
    this.at = at + length;
    if (text.includes('\0')) {
      const plain = Buffer.from(this.bytes.subarray(at, this.at));
      this.at = at;
      for (const byte of plain) {
        this.byte(byte);
        if (byte === 0) this.byte(0xff);
      }
    }
    this.byte(0);
  }

  private doc(doc: Doc): void {
    this.byte(TAG.object);
    for (const [name, value] of doc) {
      // MongoDB compares two fields by type, then name, then value; the four number tags are one type.
      const start = this.at;
      this.value(value);
      const encoded = Buffer.from(this.bytes.subarray(start, this.at));
      this.at = start;
      const tag = encoded[0] as number;
      this.byte(typeTag(tag));
      this.text(name);
      this.raw(encoded);
    }
    this.byte(0);
  }

  private float(value: number): void {
    if (Number.isNaN(value)) return this.byte(TAG.nan);
    if (value === 0) return this.byte(TAG.zero);
    const at = this.reserve(10);
    this.bytes[at] = value < 0 ? TAG.negative : TAG.positive;
    this.bytes.writeDoubleBE(Math.abs(value), at + 1);
    this.bytes[at + 9] = 0;
    if (value < 0) this.invert(at + 1);
  }

  private bigint(value: bigint): void {
    const float = Number(value);
    if (BigInt(float) === value) return this.float(float);
    this.digits(value < 0n, value < 0n ? -value : value, 0);
  }

  private decimal(value: Decimal): void {
    if (value.kind === 'nan') return this.byte(TAG.nan);
    if (value.kind === 'infinity') return this.float(value.negative ? -Infinity : Infinity);
    if (value.coefficient === 0n) return this.byte(TAG.zero);
    const float = Number(`${value.negative ? '-' : ''}${value.coefficient}e${value.exponent}`);
    if (Number.isFinite(float) && compareNumbers(new Double(float), value) === 0) return this.float(float);
    this.digits(value.negative, value.coefficient, value.exponent);
  }

  /**
   * A number no double holds exactly: the nearest double towards zero, then 01, then its own decimal digits; it falls
   * between that double (which ends in 00) and the next one.
   */
  private digits(negative: boolean, coefficient: bigint, exponent: number): void {
    const digits = coefficient.toString().replace(/0+$/, '');
    const lead = exponent + coefficient.toString().length;
    let float = Number(`0.${digits}e${lead}`);
    const magnitude = new Decimal('finite', false, BigInt(digits), lead - digits.length);
    if (float === Infinity) float = Number.MAX_VALUE;
    else if (compareNumbers(new Double(float), magnitude) > 0) float = doubleBefore(float);
    const at = this.reserve(12);
    this.bytes[at] = negative ? TAG.negative : TAG.positive;
    this.bytes.writeDoubleBE(float, at + 1);
    this.bytes[at + 9] = 1;
    this.bytes.writeUInt16BE(lead + 0x4000, at + 10);
    for (const digit of digits) this.byte(Number(digit) + 1);
    this.byte(0);
    if (negative) this.invert(at + 1);
  }

  private invert(from: number): void {
    for (let i = from; i < this.at; i++) this.bytes[i] = ~(this.bytes[i] as number) & 0xff;
  }
}

/** The tag of a type as a whole, e.g. every number → the lowest number tag. */
export function typeTag(tag: number): number {
  if (tag >= TAG.nan && tag <= TAG.positive) return TAG.nan;
  return tag === TAG.true ? TAG.false : tag;
}

/** One value's key bytes; two values give the same bytes exactly when MongoDB calls them equal. */
export function encodeKey(value: Value): Buffer {
  shared.reset();
  shared.field(value, false);
  return shared.finish();
}

/** Text form of a value's key, for use in a Map or Set of MongoDB's equality. */
export function hashKey(value: Value): string {
  if (typeof value === 'string') return `s${value}`;
  return encodeKey(value).toString('latin1');
}

/**
 * Reads key fields back. Numbers come back as doubles, int64 or decimals without their stored type: the caller knows the
 * type from the entry (see index-entries.ts). Objects, arrays and the rare types are not read back (`undefined`).
 */
export class KeyReader {
  private readonly bytes: Buffer;
  /** Place of the next byte. */
  at: number;
  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  /** The next value, or `undefined` for a type that is only compared, never read back; then the reader must be dropped. */
  field(descending: boolean): Value | undefined {
    const flip = descending ? 0xff : 0;
    const tag = (this.bytes[this.at++] as number) ^ flip;
    switch (tag) {
      case TAG.null:
        return null;
      case TAG.nan:
        return new Double(NaN);
      case TAG.zero:
        return new Double(0);
      case TAG.positive:
      case TAG.negative:
        return this.number(tag === TAG.negative, flip);
      case TAG.string:
        return this.text(flip);
      case TAG.objectId:
        return new ObjectIdValue(this.take(12, flip));
      case TAG.false:
        return false;
      case TAG.true:
        return true;
      case TAG.date: {
        const bytes = this.take(8, flip);
        bytes[0] = (bytes[0] as number) ^ 0x80;
        return new DateValue(Number(bytes.readBigInt64BE()));
      }
      case TAG.timestamp:
        return new TimestampValue(this.take(8, flip).readBigUInt64BE());
      case TAG.minKey:
        return MIN_KEY;
      case TAG.maxKey:
        return MAX_KEY;
      case TAG.undefined:
        return UNDEFINED;
      default:
        return undefined;
    }
  }

  /** Steps over one field of any type. */
  skip(descending: boolean): void {
    const flip = descending ? 0xff : 0;
    const tag = (this.bytes[this.at++] as number) ^ flip;
    switch (tag) {
      case TAG.positive:
      case TAG.negative: {
        const own = tag === TAG.negative ? flip ^ 0xff : flip;
        const exact = ((this.bytes[this.at + 8] as number) ^ own) === 0;
        this.at += 9;
        if (!exact) {
          this.at += 2;
          this.skipTo(own);
        }
        return;
      }
      case TAG.string:
        return this.skipText(flip);
      case TAG.objectId:
        this.at += 12;
        return;
      case TAG.date:
      case TAG.timestamp:
        this.at += 8;
        return;
      case TAG.object:
        while (((this.bytes[this.at] as number) ^ flip) !== 0) {
          this.at++;
          this.skipText(flip);
          this.skip(descending);
        }
        this.at++;
        return;
      case TAG.array:
        while (((this.bytes[this.at] as number) ^ flip) !== 0) this.skip(descending);
        this.at++;
        return;
      case TAG.binary: {
        const length = this.take(4, flip).readUInt32BE();
        this.at += 1 + length;
        return;
      }
      case TAG.regex:
        this.skipText(flip);
        return this.skipText(flip);
      case TAG.pointer:
        this.skipText(flip);
        this.at += 13;
        return;
      case TAG.code:
        return this.skipText(flip);
      case TAG.scopedCode:
        this.skipText(flip);
        return this.skip(descending);
      default:
    }
  }

  private skipTo(byte: number): void {
    this.at = this.bytes.indexOf(byte, this.at) + 1;
  }

  private skipText(flip: number): void {
    do this.skipTo(flip);
    while (this.at < this.bytes.length && this.bytes[this.at] === (0xff ^ flip) && ++this.at);
  }

  private number(negative: boolean, flip: number): Value | undefined {
    const bytes = this.take(9, negative ? flip ^ 0xff : flip);
    if (bytes[8] !== 0) return undefined;
    const float = bytes.readDoubleBE();
    return new Double(negative ? -float : float);
  }

  private text(flip: number): string {
    const start = this.at;
    const mark = flip;
    let zeros = false;
    for (;;) {
      const end = this.bytes.indexOf(mark, this.at);
      this.at = end + 1;
      if (this.bytes[this.at] !== (0xff ^ flip) || this.at >= this.bytes.length) break;
      zeros = true;
      this.at++;
    }
    let bytes = this.bytes.subarray(start, this.at - 1);
    if (flip !== 0) bytes = Buffer.from(bytes.map((byte) => byte ^ 0xff));
    const text = bytes.toString('utf8');
    return zeros ? Buffer.from(bytes.toString('latin1').replaceAll('\0\xff', '\0'), 'latin1').toString('utf8') : text;
  }

  private take(length: number, flip: number): Buffer {
    const bytes = Buffer.from(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    if (flip !== 0) for (let i = 0; i < length; i++) bytes[i] = (bytes[i] as number) ^ 0xff;
    return bytes;
  }
}

/** The smallest bytes that come after every key that begins with these; nothing when all are FF. */
export function afterPrefix(prefix: Buffer): Buffer | undefined {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    if (end[i] !== 0xff) {
      end[i] = (end[i] as number) + 1;
      return end.subarray(0, i + 1);
    }
  }
  return undefined;
}

const shared = new KeyWriter();

function doubleBefore(value: number): number {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  bytes.writeBigUInt64BE(bytes.readBigUInt64BE() - 1n);
  return bytes.readDoubleBE();
}
