import { isUtf8 } from 'node:buffer';
import { CommandFailure } from './failure.ts';
import type { Doc, Value } from './value.ts';
import {
  BinaryValue,
  CodeValue,
  DateValue,
  Decimal,
  Double,
  MAX_KEY,
  MIN_KEY,
  Marker,
  ObjectIdValue,
  PointerValue,
  RawDoc,
  RegexValue,
  SymbolValue,
  TimestampValue,
  UNDEFINED,
} from './value.ts';
import { decimalFromBits, decimalToBits } from './decimal.ts';

/** Deepest nesting MongoDB stores, and the deepest the engine walks (recursion stays far from the stack's end). */
export const MAX_DEPTH = 100;
/** Largest document that may be stored, in bytes. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/**
 * Reads one document that must fill `bytes` from `offset` for exactly its own length.
 * Throws code 22 (InvalidBSON) for anything that is not well formed, whatever the bytes are.
 */
export function decodeDoc(bytes: Buffer, offset = 0): Doc {
  return readDoc(bytes, offset, bytes.length, 0);
}

/** The length a document claims for itself; throws unless it lies inside the bytes. */
export function docLengthAt(bytes: Buffer, offset: number, end: number): number {
  if (offset + 5 > end) throw broken('document ends early');
  const length = bytes.readInt32LE(offset);
  if (length < 5 || offset + length > end) throw broken('document length is out of bounds');
  return length;
}

/** Writes a document to fresh bytes. Throws code 15 when it is nested too deeply. */
export function encodeDoc(doc: Doc): Buffer {
  const writer = new Writer();
  writer.doc(doc, 0);
  return writer.finish();
}

/** A stored document with those of its own fields only, in their order. Copied from its bytes: nothing is decoded. */
export function pickFields(bytes: Buffer, names: ReadonlySet<string>): Buffer {
  const end = bytes.length - 1;
  const reader = new Reader(bytes, 4, end, 0);
  const picked = Buffer.allocUnsafe(bytes.length);
  let length = 4;
  while (reader.position < end) {
    const start = reader.position;
    const type = bytes[reader.position++] as number;
    const wanted = names.has(reader.cstring());
    reader.skipValue(type);
    if (wanted) length += bytes.copy(picked, length, start, reader.position);
  }
  picked[length++] = 0;
  picked.writeInt32LE(length, 0);
  return picked.subarray(0, length);
}

function broken(reason: string): CommandFailure {
  return new CommandFailure(22, `Invalid BSON: ${reason}`);
}

function tooDeep(): CommandFailure {
  return new CommandFailure(15, `BSONObj exceeds maximum nested object depth: ${MAX_DEPTH}`);
}

function readDoc(bytes: Buffer, start: number, limit: number, depth: number): Doc {
  if (depth > MAX_DEPTH) throw tooDeep();
  const end = start + docLengthAt(bytes, start, limit) - 1;
  if (bytes[end] !== 0) throw broken('document does not end with a zero byte');
  const doc: Doc = new Map();
  const reader = new Reader(bytes, start + 4, end, depth);
  let count = 0;
  while (reader.position < end) {
    const type = bytes[reader.position++] as number;
    const name = reader.cstring();
    doc.set(name, reader.value(type));
    count++;
  }
  if (doc.size !== count) throw broken('a field name occurs twice in one document');
  return doc;
}

function readArray(bytes: Buffer, start: number, limit: number, depth: number): Value[] {
  if (depth > MAX_DEPTH) throw tooDeep();
  const end = start + docLengthAt(bytes, start, limit) - 1;
  if (bytes[end] !== 0) throw broken('array does not end with a zero byte');
  const items: Value[] = [];
  const reader = new Reader(bytes, start + 4, end, depth);
  while (reader.position < end) {
    const type = bytes[reader.position++] as number;
    reader.skipName();
    items.push(reader.value(type));
  }
  return items;
}

class Reader {
  position: number;
  private readonly bytes: Buffer;
  private readonly end: number;
  private readonly depth: number;
  constructor(bytes: Buffer, position: number, end: number, depth: number) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
    this.depth = depth;
  }

  skipName(): void {
    const zero = this.bytes.indexOf(0, this.position);
    if (zero < 0 || zero >= this.end) throw broken('a name has no end');
    this.position = zero + 1;
  }

  cstring(): string {
    const start = this.position;
    const bytes = this.bytes;
    // Most field names are short ASCII: a loop beats a call into C++ for them.
    let at = start;
    let text = '';
    for (;;) {
      if (at >= this.end) throw broken('a name has no end');
      const byte = bytes[at] as number;
      if (byte === 0) break;
      if (byte > 127 || at - start > 24) {
        this.skipName();
        return this.utf8(start, this.position - 1);
      }
      text += String.fromCharCode(byte);
      at++;
    }
    this.position = at + 1;
    return text;
  }

  /** Goes past a value of a stored document. */
  skipValue(type: number): void {
    const bytes = this.bytes;
    if (type === 3 || type === 4) this.skip(bytes.readInt32LE(this.position));
    else if (type === 2) this.skip(4 + bytes.readInt32LE(this.position));
    else if (type === 1 || type === 9 || type === 18) this.skip(8);
    else if (type === 16) this.skip(4);
    else if (type === 8) this.skip(1);
    else if (type !== 10) this.value(type);
  }

  value(type: number): Value {
    const bytes = this.bytes;
    const at = this.position;
    switch (type) {
      case 1:
        this.skip(8);
        return new Double(bytes.readDoubleLE(at));
      case 2:
        return this.string();
      case 3: {
        const doc = readDoc(bytes, at, this.end, this.depth + 1);
        this.position = at + bytes.readInt32LE(at);
        return doc;
      }
      case 4: {
        const items = readArray(bytes, at, this.end, this.depth + 1);
        this.position = at + bytes.readInt32LE(at);
        return items;
      }
      case 5: {
        const length = this.length();
        const subtype = bytes[this.skip(1)] as number;
        const start = this.skip(length);
        return new BinaryValue(subtype, bytes.subarray(start, start + length));
      }
      case 6:
        return UNDEFINED;
      case 7:
        this.skip(12);
        return new ObjectIdValue(bytes.subarray(at, at + 12));
      case 8: {
        const byte = bytes[this.skip(1)];
        if (byte !== 0 && byte !== 1) throw broken('a boolean is neither 0 nor 1');
        return byte === 1;
      }
      case 9: {
        this.skip(8);
        const ms = bytes.readInt32LE(at + 4) * 4294967296 + bytes.readUInt32LE(at);
        if (!Number.isSafeInteger(ms)) throw broken('a date is out of range');
        return new DateValue(ms);
      }
      case 10:
        return null;
      case 11: {
        const pattern = this.cstring();
        return new RegexValue(pattern, this.cstring());
      }
      case 12: {
        const namespace = this.string();
        const start = this.skip(12);
        return new PointerValue(namespace, bytes.subarray(start, start + 12));
      }
      case 13:
        return new CodeValue(this.string(), undefined);
      case 14:
        return new SymbolValue(this.string());
      case 15: {
        const total = this.length();
        if (total < 14 || at + total > this.end) throw broken('code with scope is out of bounds');
        const code = this.string();
        const scope = readDoc(bytes, this.position, this.end, this.depth + 1);
        this.position = at + total;
        return new CodeValue(code, scope);
      }
      case 16:
        this.skip(4);
        return bytes.readInt32LE(at);
      case 17:
        this.skip(8);
        return new TimestampValue(bytes.readBigUInt64LE(at));
      case 18:
        this.skip(8);
        return bytes.readBigInt64LE(at);
      case 19:
        this.skip(16);
        return decimalFromBits(bytes.readBigUInt64LE(at), bytes.readBigUInt64LE(at + 8));
      case 127:
        return MAX_KEY;
      case 255:
        return MIN_KEY;
      default:
        throw broken(`unknown type ${type}`);
    }
  }

  private skip(length: number): number {
    const at = this.position;
    if (at + length > this.end) throw broken('a value ends early');
    this.position = at + length;
    return at;
  }

  private length(): number {
    const length = this.bytes.readInt32LE(this.skip(4));
    if (length < 0) throw broken('a length is negative');
    return length;
  }

  private string(): string {
    const length = this.length();
    if (length < 1) throw broken('a string has no end');
    const start = this.skip(length);
    if (this.bytes[start + length - 1] !== 0) throw broken('a string does not end with a zero byte');
    return this.utf8(start, start + length - 1);
  }

  private utf8(start: number, end: number): string {
    const text = this.bytes.toString('utf8', start, end);
    // The decoder writes U+FFFD for bytes that are not UTF-8: kept, it would silently change what was stored.
    if (text.includes('�') && !isUtf8(this.bytes.subarray(start, end))) throw broken('a string is not UTF-8');
    return text;
  }
}

class Writer {
  private bytes = Buffer.allocUnsafe(512);
  private at = 0;

  finish(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  doc(doc: Doc, depth: number): void {
    if (depth > MAX_DEPTH) throw tooDeep();
    const start = this.reserve(4);
    for (const [name, value] of doc) {
      const typeAt = this.reserve(1);
      this.cstring(name);
      // Not in one statement: the buffer may be exchanged for a larger one while the value is written.
      const type = this.value(value, depth);
      this.bytes[typeAt] = type;
    }
    const end = this.reserve(1);
    this.bytes[end] = 0;
    this.bytes.writeInt32LE(this.at - start, start);
  }

  private array(items: Value[], depth: number): void {
    if (depth > MAX_DEPTH) throw tooDeep();
    const start = this.reserve(4);
    for (let i = 0; i < items.length; i++) {
      const typeAt = this.reserve(1);
      this.cstring(String(i));
      const type = this.value(items[i] as Value, depth);
      this.bytes[typeAt] = type;
    }
    const end = this.reserve(1);
    this.bytes[end] = 0;
    this.bytes.writeInt32LE(this.at - start, start);
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

  private cstring(text: string): void {
    if (text.includes('\0')) throw broken('a name or pattern contains a zero byte');
    const at = this.reserve(text.length * 3 + 1);
    const length = this.bytes.write(text, at, 'utf8');
    this.bytes[at + length] = 0;
    this.at = at + length + 1;
  }

  private string(text: string): void {
    const at = this.reserve(text.length * 3 + 5);
    const length = this.bytes.write(text, at + 4, 'utf8');
    this.bytes.writeInt32LE(length + 1, at);
    this.bytes[at + 4 + length] = 0;
    this.at = at + 5 + length;
  }

  private byte(value: number): void {
    const at = this.reserve(1);
    this.bytes[at] = value;
  }

  private raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** Writes the value and returns its type byte. */
  private value(value: Value, depth: number): number {
    if (value === null) return 10;
    switch (typeof value) {
      case 'number':
        return this.number(value);
      case 'string':
        this.string(value);
        return 2;
      case 'boolean':
        this.byte(value ? 1 : 0);
        return 8;
      case 'bigint': {
        const at = this.reserve(8);
        this.bytes.writeBigInt64LE(BigInt.asIntN(64, value), at);
        return 18;
      }
      default:
    }
    if (value instanceof Map) {
      this.doc(value, depth + 1);
      return 3;
    }
    if (Array.isArray(value)) {
      this.array(value, depth + 1);
      return 4;
    }
    if (value instanceof Double) {
      const at = this.reserve(8);
      this.bytes.writeDoubleLE(value.value, at);
      return 1;
    }
    if (value instanceof ObjectIdValue) {
      this.raw(value.bytes);
      return 7;
    }
    if (value instanceof DateValue) {
      const at = this.reserve(8);
      this.bytes.writeBigInt64LE(BigInt(value.ms), at);
      return 9;
    }
    if (value instanceof RawDoc) {
      this.raw(value.bytes);
      return 3;
    }
    return this.rareValue(value, depth);
  }

  private number(value: number): number {
    const at = this.reserve(4);
    this.bytes.writeInt32LE(value, at);
    return 16;
  }

  private rareValue(value: Value, depth: number): number {
    if (value instanceof Decimal) {
      const at = this.reserve(16);
      const [low, high] = decimalToBits(value);
      this.bytes.writeBigUInt64LE(low, at);
      this.bytes.writeBigUInt64LE(high, at + 8);
      return 19;
    }
    if (value instanceof BinaryValue) {
      const at = this.reserve(5);
      this.bytes.writeInt32LE(value.bytes.length, at);
      this.bytes[at + 4] = value.subtype;
      this.raw(value.bytes);
      return 5;
    }
    if (value instanceof RegexValue) {
      this.cstring(value.pattern);
      this.cstring(value.options);
      return 11;
    }
    if (value instanceof TimestampValue) {
      const at = this.reserve(8);
      this.bytes.writeBigUInt64LE(value.bits, at);
      return 17;
    }
    if (value instanceof CodeValue) {
      if (value.scope === undefined) {
        this.string(value.code);
        return 13;
      }
      const at = this.reserve(4);
      this.string(value.code);
      this.doc(value.scope, depth + 1);
      this.bytes.writeInt32LE(this.at - at, at);
      return 15;
    }
    if (value instanceof SymbolValue) {
      this.string(value.text);
      return 14;
    }
    if (value instanceof PointerValue) {
      this.string(value.namespace);
      this.raw(value.bytes);
      return 12;
    }
    if (value instanceof Marker) return value === MIN_KEY ? 255 : value === MAX_KEY ? 127 : 6;
    throw new Error('a value of an unknown kind reached the BSON writer');
  }
}
