/**
 * The values a BSON document can hold, typed so that nothing is lost on the way through the engine:
 * an int32 is a JavaScript number, an int64 a bigint, a double a `Double`; documents are Maps, because a plain object
 * would move a field called "10" before one called "9a" and swallow one called "__proto__".
 */

/** A BSON document: fields in the order they were stored. */
export type Doc = Map<string, Value>;

/** Any BSON value. "Missing" is not a value: functions that may find nothing return `undefined`. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Double
  | Decimal
  | ObjectIdValue
  | DateValue
  | TimestampValue
  | BinaryValue
  | RegexValue
  | CodeValue
  | SymbolValue
  | PointerValue
  | Marker
  | RawDoc
  | Value[]
  | Doc;

/** A 64-bit float. */
export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A Decimal128: `coefficient × 10^exponent`; `kind` tells NaN and the infinities from the finite. */
export class Decimal {
  readonly kind: 'finite' | 'infinity' | 'nan';
  readonly negative: boolean;
  readonly coefficient: bigint;
  readonly exponent: number;
  constructor(kind: 'finite' | 'infinity' | 'nan', negative: boolean, coefficient: bigint, exponent: number) {
    this.kind = kind;
    this.negative = negative;
    this.coefficient = coefficient;
    this.exponent = exponent;
  }
}

/** Twelve bytes that name a document. */
export class ObjectIdValue {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** Milliseconds since 1970, as a whole number within the safe integers. */
export class DateValue {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
}

/** MongoDB's internal timestamp: seconds in the high 32 bits, a counter in the low ones. */
export class TimestampValue {
  readonly bits: bigint;
  constructor(bits: bigint) {
    this.bits = bits;
  }
}

/** Bytes with a subtype (4 is a UUID). */
export class BinaryValue {
  readonly subtype: number;
  readonly bytes: Uint8Array;
  constructor(subtype: number, bytes: Uint8Array) {
    this.subtype = subtype;
    this.bytes = bytes;
  }
}

/** A regular expression as stored: PCRE pattern and its option letters. */
export class RegexValue {
  readonly pattern: string;
  readonly options: string;
  constructor(pattern: string, options: string) {
    this.pattern = pattern;
    this.options = options;
  }
}

/** JavaScript code, only ever stored and handed back; `scope` is set for code with a scope. */
export class CodeValue {
  readonly code: string;
  readonly scope: Doc | undefined;
  constructor(code: string, scope: Doc | undefined) {
    this.code = code;
    this.scope = scope;
  }
}

/** The old symbol type; compares like a string. */
export class SymbolValue {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** The old DBPointer type. */
export class PointerValue {
  readonly namespace: string;
  readonly bytes: Uint8Array;
  constructor(namespace: string, bytes: Uint8Array) {
    this.namespace = namespace;
    this.bytes = bytes;
  }
}

/** A document that is passed on as the bytes it was stored in; found only in replies, never in what is computed with. */
export class RawDoc {
  readonly bytes: Buffer;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** The three values without content. */
export class Marker {
  readonly name: 'minKey' | 'maxKey' | 'undefined';
  constructor(name: 'minKey' | 'maxKey' | 'undefined') {
    this.name = name;
  }
}

/** Sorts before everything. */
export const MIN_KEY = new Marker('minKey');
/** Sorts after everything. */
export const MAX_KEY = new Marker('maxKey');
/** The deprecated BSON undefined; an empty array is indexed as this. */
export const UNDEFINED = new Marker('undefined');

/** True for a document (not an array). */
export function isDoc(value: Value | undefined): value is Doc {
  return value instanceof Map;
}

/** True for any of the four number types. */
export function isNumber(value: Value | undefined): value is number | bigint | Double | Decimal {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Double || value instanceof Decimal;
}

/** The number of a value's BSON type as stored, e.g. `'a' → 2`; the source is the BSON specification. */
export function bsonTypeOf(value: Value): number {
  if (value === null) return 10;
  switch (typeof value) {
    case 'number':
      return 16;
    case 'bigint':
      return 18;
    case 'string':
      return 2;
    case 'boolean':
      return 8;
    default:
  }
  if (value instanceof Map) return 3;
  if (Array.isArray(value)) return 4;
  if (value instanceof Double) return 1;
  if (value instanceof ObjectIdValue) return 7;
  if (value instanceof DateValue) return 9;
  if (value instanceof Decimal) return 19;
  if (value instanceof BinaryValue) return 5;
  if (value instanceof RegexValue) return 11;
  if (value instanceof TimestampValue) return 17;
  if (value instanceof CodeValue) return value.scope === undefined ? 13 : 15;
  if (value instanceof SymbolValue) return 14;
  if (value instanceof PointerValue) return 12;
  if (value === MIN_KEY) return 255;
  if (value === MAX_KEY) return 127;
  return 6;
}

const TYPE_NAMES: Record<number, string> = {
  1: 'double',
  2: 'string',
  3: 'object',
  4: 'array',
  5: 'binData',
  6: 'undefined',
  7: 'objectId',
  8: 'bool',
  9: 'date',
  10: 'null',
  11: 'regex',
  12: 'dbPointer',
  13: 'javascript',
  14: 'symbol',
  15: 'javascriptWithScope',
  16: 'int',
  17: 'timestamp',
  18: 'long',
  19: 'decimal',
  127: 'maxKey',
  255: 'minKey',
};

/** The alias `$type` uses, e.g. `5 → 'int'`, missing → `'missing'`. */
export function typeNameOf(value: Value | undefined): string {
  return value === undefined ? 'missing' : (TYPE_NAMES[bsonTypeOf(value)] as string);
}

/** The type numbers an alias stands for, e.g. `'number' → [1, 16, 18, 19]`; nothing for an unknown alias. */
export function typesNamed(alias: string): number[] | undefined {
  if (alias === 'number') return [1, 16, 18, 19];
  for (const [number, name] of Object.entries(TYPE_NAMES)) if (name === alias) return [Number(number)];
  return undefined;
}

/** A document from a plain object whose keys are not whole numbers (those would be reordered); `undefined` fields are left out. */
export function docOf(fields: Record<string, Value | undefined>): Doc {
  const doc: Doc = new Map();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) doc.set(name, value);
  return doc;
}

/** A whole number in the smallest type MongoDB would use for it: int32, else int64. */
export function wholeNumber(value: number): number | bigint {
  return value >= -2147483648 && value <= 2147483647 ? value : BigInt(value);
}

/** The ObjectId written as 24 hex digits, or an error text part for messages. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
