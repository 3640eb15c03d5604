import { ARRAY_OPERATORS } from './expression-arrays.ts';
import { DATE_OPERATORS } from './expression-dates.ts';
import { compareValues } from './compare.ts';
import { formatDecimal } from './decimal.ts';
import type { Evaluate, Operator } from './operator.ts';
import { argumentsOf, isNullish, isTrue, named, plain, textArgument } from './operator.ts';
import { CommandFailure } from './failure.ts';
import type { Numeric } from './number.ts';
import { addNumbers, divideNumbers, fitWhole, isNumeric, multiplyNumbers, subtractNumbers, toDecimal, toFloat, toWhole } from './number.ts';
import { compileRegex } from './regex.ts';
import type { Doc, Value } from './value.ts';
import { DateValue, Decimal, Double, hexOf, isDoc, ObjectIdValue, RegexValue, SymbolValue, typeNameOf } from './value.ts';
import { parseDecimal } from './decimal.ts';

function compareOperator(name: string, holds: (order: number) => boolean): [string, Operator] {
  return plain(name, 2, 2, ([a, b]) => holds(compareMissing(a, b)));
}

/** Expressions order "missing" before everything but MinKey; it is not equal to null there. */
function compareMissing(a: Value | undefined, b: Value | undefined): number {
  if (a === undefined || b === undefined) {
    if (a === b) return 0;
    if (a === undefined) return b !== undefined && typeof b === 'object' && b !== null && 'name' in b && b.name === 'minKey' ? 1 : -1;
    return -compareMissing(b, a);
  }
  return compareValues(a, b);
}

function numeric(name: string, value: Value): Numeric {
  if (!isNumeric(value)) throw new CommandFailure(14, `${name} only supports numeric types, not ${typeNameOf(value)}`);
  return value;
}

function overflowed(a: Numeric, b: Numeric, apply: (x: number, y: number) => number): Double {
  return new Double(apply(toFloat(a), toFloat(b)));
}

function add(args: (Value | undefined)[]): Value {
  let total: Numeric = 0;
  let date = false;
  for (const item of args) {
    if (isNullish(item)) return null;
    let number: Value = item;
    if (item instanceof DateValue) {
      if (date) throw new CommandFailure(16612, 'only one date allowed in an $add expression');
      date = true;
      number = BigInt(item.ms);
    } else if (!isNumeric(item)) throw new CommandFailure(14, `$add only supports numeric or date types, not ${typeNameOf(item)}`);
    total = addNumbers(total, number as Numeric) ?? overflowed(total, number as Numeric, (x, y) => x + y);
  }
  if (!date) return total;
  return new DateValue(Math.round(toFloat(total)));
}

function subtract([a, b]: (Value | undefined)[]): Value {
  if (isNullish(a) || isNullish(b)) return null;
  if (a instanceof DateValue) {
    if (b instanceof DateValue) return BigInt(a.ms - b.ms);
    if (isNumeric(b)) return new DateValue(Math.round(a.ms - toFloat(b)));
  } else if (isNumeric(a) && isNumeric(b)) return subtractNumbers(a, b) ?? overflowed(a, b, (x, y) => x - y);
  throw new CommandFailure(14, `can't $subtract ${typeNameOf(b)} from ${typeNameOf(a)}`);
}

function multiply(args: (Value | undefined)[]): Value {
  let total: Numeric = 1;
  for (const item of args) {
    if (isNullish(item)) return null;
    const number = numeric('$multiply', item);
    total = multiplyNumbers(total, number) ?? overflowed(total, number, (x, y) => x * y);
  }
  return total;
}

function divide([a, b]: (Value | undefined)[]): Value {
  if (isNullish(a) || isNullish(b)) return null;
  if (!isNumeric(a) || !isNumeric(b)) throw new CommandFailure(14, `$divide only supports numeric types, not ${typeNameOf(a)} and ${typeNameOf(b)}`);
  if (compareValues(b, 0) === 0) throw new CommandFailure(2, "can't $divide by zero");
  return divideNumbers(a, b);
}

function modulo([a, b]: (Value | undefined)[]): Value {
  if (isNullish(a) || isNullish(b)) return null;
  if (!isNumeric(a) || !isNumeric(b)) throw new CommandFailure(16611, `$mod only supports numeric types, not ${typeNameOf(a)} and ${typeNameOf(b)}`);
  if (compareValues(b, 0) === 0) throw new CommandFailure(16610, "can't $mod by zero");
  if (a instanceof Decimal || b instanceof Decimal) throw new CommandFailure(238, '$mod of decimals is not served by this engine');
  if (a instanceof Double || b instanceof Double) return new Double(toFloat(a) % toFloat(b));
  return fitWhole(BigInt(a) % BigInt(b), typeof a === 'bigint' || typeof b === 'bigint') ?? 0n;
}

function rounding(name: string, round: (value: number) => number): [string, Operator] {
  return plain(name, 1, 1, ([value]) => {
    if (isNullish(value)) return null;
    const number = numeric(name, value);
    if (number instanceof Decimal) throw new CommandFailure(238, `${name} of decimals is not served by this engine`);
    return number instanceof Double ? new Double(round(number.value)) : number;
  });
}

/** `$round` and `$trunc` to a number of places, halves to the even neighbour. */
function roundTo(name: string, round: boolean): [string, Operator] {
  return plain(name, 1, 2, ([value, places]) => {
    if (isNullish(value)) return null;
    if (places !== undefined && isNullish(places)) return null;
    const number = numeric(name, value);
    const digits = places === undefined ? 0 : Number(toWhole(numeric(name, places)) ?? 0n);
    if (digits < -20 || digits > 100) throw new CommandFailure(51083, `cannot apply ${name} with precision value ${digits}`);
    if (number instanceof Decimal) throw new CommandFailure(238, `${name} of decimals is not served by this engine`);
    if (!(number instanceof Double)) {
      if (digits >= 0) return number;
      const unit = 10n ** BigInt(-digits);
      const whole = BigInt(number);
      const magnitude = whole < 0n ? -whole : whole;
      const rest = magnitude % unit;
      let cut = magnitude - rest;
      if (round && (rest * 2n > unit || (rest * 2n === unit && (cut / unit) % 2n === 1n))) cut += unit;
      return fitWhole(whole < 0n ? -cut : cut, typeof number === 'bigint') ?? BigInt.asIntN(64, cut);
    }
    if (!Number.isFinite(number.value)) return number;
    const scale = 10 ** digits;
    const scaled = number.value * scale;
    if (!Number.isFinite(scaled)) return number;
    return new Double((round ? roundHalfEven(scaled) : Math.trunc(scaled)) / scale);
  });
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return Math.round(value);
}

/** The text MongoDB makes of a value in `$toString` and `$concat`-like places; code 241 where it makes none. */
function toText(value: Value): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || typeof value === 'bigint' || typeof value === 'number') return String(value);
  if (value instanceof Double) return Number.isFinite(value.value) ? String(value.value) : value.value > 0 ? 'Infinity' : Number.isNaN(value.value) ? 'NaN' : '-Infinity';
  if (value instanceof Decimal) return formatDecimal(value);
  if (value instanceof ObjectIdValue) return hexOf(value.bytes);
  if (value instanceof DateValue) return new Date(value.ms).toISOString();
  if (value instanceof SymbolValue) return value.text;
  throw new CommandFailure(241, `Unsupported conversion from ${typeNameOf(value)} to string in $convert with no onError value`);
}

function noConversion(value: Value, to: string): CommandFailure {
  return new CommandFailure(241, `Unsupported conversion from ${typeNameOf(value)} to ${to} in $convert with no onError value`);
}

function notParsed(text: string, to: string): CommandFailure {
  return new CommandFailure(241, `Failed to parse ${to} '${text}' in $convert with no onError value`);
}

function convert(value: Value, to: string): Value {
  switch (to) {
    case 'string':
      return toText(value);
    case 'bool':
      return isNumeric(value) ? compareValues(value, 0) !== 0 : value === false ? false : true;
    case 'int':
    case 'long': {
      if (typeof value === 'boolean') return to === 'int' ? Number(value) : BigInt(value);
      let whole: bigint | undefined;
      if (value instanceof DateValue && to === 'long') whole = BigInt(value.ms);
      else if (isNumeric(value)) whole = toWhole(value);
      else if (typeof value === 'string') {
        if (!/^[+-]?\d+$/.test(value)) throw notParsed(value, 'number');
        whole = BigInt(value.replace('+', ''));
      } else throw noConversion(value, to);
      const fitted = whole === undefined ? undefined : fitWhole(whole, to === 'long');
      if (fitted === undefined || (to === 'int' && typeof fitted !== 'number')) throw new CommandFailure(241, `Conversion would overflow target type in $convert with no onError value: ${toText(value)}`);
      return fitted;
    }
    case 'double':
      if (typeof value === 'boolean') return new Double(Number(value));
      if (value instanceof DateValue) return new Double(value.ms);
      if (isNumeric(value)) return new Double(toFloat(value));
      if (typeof value === 'string') {
        if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value)) throw notParsed(value, 'number');
        return new Double(Number(value));
      }
      throw noConversion(value, to);
    case 'decimal': {
      if (typeof value === 'boolean') return toDecimal(Number(value));
      if (isNumeric(value)) return toDecimal(value);
      const parsed = typeof value === 'string' ? parseDecimal(value) : undefined;
      if (typeof value === 'string' && !parsed) throw notParsed(value, 'number');
      if (!parsed) throw noConversion(value, to);
      return parsed;
    }
    case 'date':
      if (value instanceof DateValue) return value;
      if (value instanceof ObjectIdValue) return new DateValue(Buffer.from(value.bytes).readUInt32BE(0) * 1000);
      if (typeof value === 'bigint' || value instanceof Double || value instanceof Decimal) return new DateValue(Number(toWhole(value) ?? 0n));
      if (typeof value === 'string') {
        if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:?\d\d)?)?$/.test(value)) throw notParsed(value, 'date');
        const zoned = /T/.test(value) && !/(Z|[+-]\d\d:?\d\d)$/.test(value) ? `${value}Z` : value;
        return new DateValue(new Date(zoned.replace(/([+-]\d\d)(\d\d)$/, '$1:$2')).getTime());
      }
      throw noConversion(value, to);
    case 'objectId':
      if (value instanceof ObjectIdValue) return value;
      if (typeof value === 'string') {
        if (!/^[0-9a-fA-F]{24}$/.test(value)) throw notParsed(value, 'objectId');
        return new ObjectIdValue(Buffer.from(value, 'hex'));
      }
      throw noConversion(value, to);
    default:
      throw new CommandFailure(2, `Unknown type name: ${to}`);
  }
}

function conversion(name: string, to: string): [string, Operator] {
  return plain(name, 1, 1, ([value]) => (isNullish(value) ? null : convert(value, to)));
}

/** `$toUpper` and `$toLower` change ASCII letters only, as documented. */
function changeCase(name: string, upper: boolean): [string, Operator] {
  return plain(name, 1, 1, ([value]) => {
    if (isNullish(value)) return '';
    const text = toText(value);
    return upper ? text.replace(/[a-z]+/g, (part) => part.toUpperCase()) : text.replace(/[A-Z]+/g, (part) => part.toLowerCase());
  });
}

/** What `$trim` takes away when it is not told; source: MongoDB manual, $trim. */
const WHITESPACE = Array.from('\0 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a');

/** The operators named CP count code points, not what a reader calls a letter. */
function codePoints(text: string): string[] {
  return Array.from(text);
}

function trimming(name: string, start: boolean, end: boolean): [string, Operator] {
  return named(name, ['input'], ['chars'], (parts, compiler) => {
    const input = compiler.compile(parts.get('input') as Value);
    const chars = parts.has('chars') ? compiler.compile(parts.get('chars') as Value) : undefined;
    return (scope) => {
      const value = input(scope);
      if (isNullish(value)) return null;
      const wanted = chars?.(scope);
      if (chars && isNullish(wanted)) return null;
      const set = new Set(wanted === undefined ? WHITESPACE : codePoints(textArgument(name, wanted as Value)));
      const points = codePoints(textArgument(name, value));
      let from = 0;
      let to = points.length;
      while (start && from < to && set.has(points[from] as string)) from++;
      while (end && to > from && set.has(points[to - 1] as string)) to--;
      return points.slice(from, to).join('');
    };
  });
}

function regexParts(name: string, find: (text: string, regex: RegExp) => Value): [string, Operator] {
  return named(name, ['input', 'regex'], ['options'], (parts, compiler) => {
    const input = compiler.compile(parts.get('input') as Value);
    const regex = compiler.compile(parts.get('regex') as Value);
    const options = parts.has('options') ? compiler.compile(parts.get('options') as Value) : undefined;
    return (scope) => {
      const pattern = regex(scope);
      const value = input(scope);
      const letters = options?.(scope);
      if (isNullish(pattern)) return name === '$regexMatch' ? false : null;
      const compiled = pattern instanceof RegexValue ? compileRegex(pattern.pattern, pattern.options || textArgument(name, letters ?? '')) : compileRegex(textArgument(name, pattern), textArgument(name, letters ?? ''));
      if (isNullish(value)) return name === '$regexMatch' ? false : null;
      return find(textArgument(name, value), compiled);
    };
  });
}

function findRegex(text: string, regex: RegExp): Value {
  const match = regex.exec(text);
  if (!match) return null;
  const found: Doc = new Map();
  found.set('match', match[0]);
  found.set('idx', codePoints(text.slice(0, match.index)).length);
  found.set('captures', match.slice(1).map((part): Value => part ?? null));
  return found;
}

const CONTROL: [string, Operator][] = [
  [
    '$cond',
    (argument, compiler) => {
      let parts: Value[];
      if (isDoc(argument)) {
        for (const key of argument.keys()) if (!['if', 'then', 'else'].includes(key)) throw new CommandFailure(17083, `Unrecognized parameter to $cond: ${key}`);
        for (const key of ['if', 'then', 'else']) if (!argument.has(key)) throw new CommandFailure(17080, `Missing '${key}' parameter to $cond`);
        parts = ['if', 'then', 'else'].map((key) => argument.get(key) as Value);
      } else parts = argumentsOf('$cond', argument, 3, 3);
      const [test, yes, no] = parts.map((part) => compiler.compile(part)) as [Evaluate, Evaluate, Evaluate];
      return (scope) => (isTrue(test(scope)) ? yes(scope) : no(scope));
    },
  ],
  [
    '$ifNull',
    (argument, compiler) => {
      const parts = argumentsOf('$ifNull', argument, 2, Infinity).map((part) => compiler.compile(part));
      return (scope) => {
        let value: Value | undefined;
        for (const part of parts) {
          value = part(scope);
          if (!isNullish(value)) return value;
        }
        return value;
      };
    },
  ],
  named('$switch', ['branches'], ['default'], (parts, compiler) => {
    const branches = parts.get('branches');
    if (!Array.isArray(branches) || branches.length === 0) throw new CommandFailure(40068, '$switch requires at least one branch.');
    const compiled = branches.map((branch) => {
      if (!isDoc(branch) || !branch.has('case') || !branch.has('then')) throw new CommandFailure(40067, '$switch requires each branch have a case and a then');
      return { test: compiler.compile(branch.get('case') as Value), result: compiler.compile(branch.get('then') as Value) };
    });
    const otherwise = parts.has('default') ? compiler.compile(parts.get('default') as Value) : undefined;
    return (scope) => {
      for (const branch of compiled) if (isTrue(branch.test(scope))) return branch.result(scope);
      if (!otherwise) throw new CommandFailure(40066, '$switch could not find a matching branch for an input, and no default was specified.');
      return otherwise(scope);
    };
  }),
  named('$let', ['vars', 'in'], [], (parts, compiler) => {
    const vars = parts.get('vars');
    if (!isDoc(vars)) throw new CommandFailure(16876, 'invalid parameter: expected an object (vars)');
    const bound = [...vars].map(([name, value]): [string, Evaluate] => [name, compiler.compile(value)]);
    const body = compiler.compile(parts.get('in') as Value, [...vars.keys()]);
    return (scope) => {
      const variables = new Map(scope.variables);
      for (const [name, value] of bound) variables.set(name, value(scope));
      return body({ root: scope.root, variables });
    };
  }),
  [
    '$and',
    (argument, compiler) => {
      const parts = argumentsOf('$and', argument, 0, Infinity).map((part) => compiler.compile(part));
      return (scope) => parts.every((part) => isTrue(part(scope)));
    },
  ],
  [
    '$or',
    (argument, compiler) => {
      const parts = argumentsOf('$or', argument, 0, Infinity).map((part) => compiler.compile(part));
      return (scope) => parts.some((part) => isTrue(part(scope)));
    },
  ],
];

/** Every operator of expressions the engine serves. */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ...CONTROL,
  plain('$not', 1, 1, ([value]) => !isTrue(value)),
  compareOperator('$eq', (order) => order === 0),
  compareOperator('$ne', (order) => order !== 0),
  compareOperator('$gt', (order) => order > 0),
  compareOperator('$gte', (order) => order >= 0),
  compareOperator('$lt', (order) => order < 0),
  compareOperator('$lte', (order) => order <= 0),
  plain('$cmp', 2, 2, ([a, b]) => Math.sign(compareMissing(a, b))),
  plain('$add', 0, Infinity, add),
  plain('$subtract', 2, 2, subtract),
  plain('$multiply', 0, Infinity, multiply),
  plain('$divide', 2, 2, divide),
  plain('$mod', 2, 2, modulo),
  plain('$abs', 1, 1, ([value]) => {
    if (isNullish(value)) return null;
    const number = numeric('$abs', value);
    if (number instanceof Decimal) return new Decimal(number.kind, false, number.coefficient, number.exponent);
    if (number instanceof Double) return new Double(Math.abs(number.value));
    if (compareValues(number, 0) >= 0) return number;
    const positive = subtractNumbers(0, number);
    if (positive === undefined) throw new CommandFailure(28680, "can't take $abs of long long min");
    return positive;
  }),
  rounding('$floor', Math.floor),
  rounding('$ceil', Math.ceil),
  roundTo('$round', true),
  roundTo('$trunc', false),
  plain('$type', 1, 1, ([value]) => typeNameOf(value)),
  plain('$isNumber', 1, 1, ([value]) => isNumeric(value)),
  conversion('$toString', 'string'),
  conversion('$toBool', 'bool'),
  conversion('$toInt', 'int'),
  conversion('$toLong', 'long'),
  conversion('$toDouble', 'double'),
  conversion('$toDecimal', 'decimal'),
  conversion('$toDate', 'date'),
  conversion('$toObjectId', 'objectId'),
  plain('$concat', 0, Infinity, (args) => {
    let text = '';
    for (const item of args) {
      if (isNullish(item)) return null;
      text += textArgument('$concat', item);
    }
    return text;
  }),
  changeCase('$toUpper', true),
  changeCase('$toLower', false),
  trimming('$trim', true, true),
  trimming('$ltrim', true, false),
  trimming('$rtrim', false, true),
  plain('$strLenCP', 1, 1, ([value]) => {
    if (typeof value !== 'string') throw new CommandFailure(34471, `$strLenCP requires a string argument, found: ${typeNameOf(value)}`);
    return codePoints(value).length;
  }),
  plain('$strLenBytes', 1, 1, ([value]) => {
    if (typeof value !== 'string') throw new CommandFailure(34473, `$strLenBytes requires a string argument, found: ${typeNameOf(value)}`);
    return Buffer.byteLength(value);
  }),
  plain('$strcasecmp', 2, 2, ([a, b]) => {
    const [x, y] = [a, b].map((value) => (isNullish(value) ? '' : toText(value).replace(/[a-z]+/g, (part) => part.toUpperCase()))) as [string, string];
    return Math.sign(compareValues(x, y));
  }),
  plain('$substrCP', 3, 3, ([value, from, count]) => {
    if (!isNumeric(from) || !isNumeric(count)) throw new CommandFailure(34450, '$substrCP: starting index must be a numeric type');
    const start = Number(toWhole(from) ?? 0n);
    const length = Number(toWhole(count) ?? 0n);
    if (start < 0) throw new CommandFailure(34455, '$substrCP: the starting index must be nonnegative integer.');
    if (length < 0) throw new CommandFailure(34454, '$substrCP: length must be a nonnegative integer.');
    return isNullish(value) ? '' : codePoints(toText(value)).slice(start, start + length).join('');
  }),
  plain('$split', 2, 2, ([value, by]) => {
    if (isNullish(value) || isNullish(by)) return null;
    const separator = textArgument('$split', by);
    if (separator === '') throw new CommandFailure(40087, '$split requires a non-empty separator');
    return textArgument('$split', value).split(separator);
  }),
  regexParts('$regexMatch', (text, regex) => regex.test(text)),
  regexParts('$regexFind', findRegex),
  ...ARRAY_OPERATORS,
  ...DATE_OPERATORS,
]);
