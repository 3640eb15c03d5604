import { compareValues, typeRank } from './compare.ts';
import { compileExpression } from './expression.ts';
import { badValue, CommandFailure } from './failure.ts';
import { hashKey } from './key.ts';
import { splitPath, visitPath } from './path.ts';
import { compileRegex } from './regex.ts';
import type { Doc, Value } from './value.ts';
import { BinaryValue, bsonTypeOf, Decimal, Double, isDoc, isNumber, MAX_KEY, MIN_KEY, RegexValue, SymbolValue, typesNamed } from './value.ts';
import { toWhole } from './number.ts';

/** A test of one value at a path, kept readable for the planner. */
export type Test =
  | { op: 'eq' | 'gt' | 'gte' | 'lt' | 'lte'; value: Value }
  | { op: 'in'; values: Value[]; regexes: RegexValue[] }
  | { op: 'regex'; regex: RegexValue }
  | { op: 'exists' }
  | { op: 'type'; types: Set<number> }
  | { op: 'size'; size: number }
  | { op: 'mod'; divisor: bigint; remainder: bigint }
  | { op: 'bits'; mask: bigint; all: boolean; set: boolean }
  | { op: 'elemMatch'; filter: Filter }
  | { op: 'elemTest'; tests: Filter }
  | { op: 'nothing' };

/** A parsed filter. */
export type Filter =
  | { kind: 'and' | 'or'; parts: Filter[] }
  | { kind: 'not'; part: Filter }
  | { kind: 'field'; path: string; fields: string[]; test: Test }
  | { kind: 'expr'; matches: (doc: Doc) => boolean };

/** Answers whether a document passes. */
export type Matcher = (doc: Doc) => boolean;

/** Reads a filter document; throws code 2 for an operator that is unknown or used wrongly, and for everything that would run code. */
export function parseFilter(query: Doc): Filter {
  const parts: Filter[] = [];
  for (const [name, value] of query) {
    if (name.startsWith('$')) parseTopLevel(name, value, parts);
    else parseField(name, value, parts);
  }
  return parts.length === 1 ? (parts[0] as Filter) : { kind: 'and', parts };
}

/** A matcher for a filter. `{ a: 1 }` passes `{ a: 1.0 }` and `{ a: [1, 2] }` */
export function compileFilter(filter: Filter): Matcher {
  return (doc) => matches(filter, doc);
}

/** True when the filter lets everything through. */
export function isEmptyFilter(filter: Filter): boolean {
  return filter.kind === 'and' && filter.parts.length === 0;
}

/** The first element of the array at a path that made the filter match, for the positional `$`; -1 for none. */
export function findMatchingPlace(filter: Filter, doc: Doc, arrayPath: string): number {
  let place = -1;
  walkFields(filter, (path, test) => {
    if (place >= 0 || (path !== arrayPath && !path.startsWith(`${arrayPath}.`))) return;
    const array = plainValue(doc, splitPath(arrayPath));
    if (!Array.isArray(array)) return;
    const rest = path === arrayPath ? [] : splitPath(path.slice(arrayPath.length + 1));
    place = array.findIndex((item) => {
      if (rest.length === 0) {
        if (test.op === 'elemMatch') return (isDoc(item) || Array.isArray(item)) && matches(test.filter, item as Doc);
        if (test.op === 'elemTest') return passesAlone(test.tests, item);
        return passes(test, item);
      }
      return (isDoc(item) || Array.isArray(item)) && testAt(test, item, rest);
    });
  });
  return place;
}

/** The fields an upsert takes from its filter: equalities at the top and inside `$and` (and an `$or`/`$in` of one). */
export function equalitiesOf(filter: Filter): { path: string; value: Value }[] {
  if (filter.kind === 'and' || (filter.kind === 'or' && filter.parts.length === 1)) return filter.parts.flatMap(equalitiesOf);
  if (filter.kind !== 'field') return [];
  if (filter.test.op === 'eq') return [{ path: filter.path, value: filter.test.value }];
  if (filter.test.op === 'in' && filter.test.values.length === 1 && filter.test.regexes.length === 0) {
    return [{ path: filter.path, value: filter.test.values[0] as Value }];
  }
  return [];
}

/** Calls back for every field test that a match depends on (nothing inside a negation). */
function walkFields(filter: Filter, visit: (path: string, test: Test) => void): void {
  if (filter.kind === 'and' || filter.kind === 'or') for (const part of filter.parts) walkFields(part, visit);
  else if (filter.kind === 'field') visit(filter.path, filter.test);
}

function plainValue(doc: Doc, fields: string[]): Value | undefined {
  let value: Value | undefined = doc;
  for (const field of fields) {
    if (isDoc(value)) value = value.get(field);
    else if (Array.isArray(value) && /^\d+$/.test(field)) value = value[Number(field)];
    else return undefined;
  }
  return value;
}

function matches(filter: Filter, doc: Doc): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.parts.every((part) => matches(part, doc));
    case 'or':
      return filter.parts.some((part) => matches(part, doc));
    case 'not':
      return !matches(filter.part, doc);
    case 'field':
      return testAt(filter.test, doc, filter.fields);
    default:
      return filter.matches(doc);
  }
}

function testAt(test: Test, doc: Value, fields: string[]): boolean {
  if (fields.length === 1 && isDoc(doc)) return testLeaf(test, doc.get(fields[0] as string));
  return visitPath(doc, fields, 0, (value) => testLeaf(test, value));
}

function testLeaf(test: Test, value: Value | undefined): boolean {
  if (Array.isArray(value)) {
    switch (test.op) {
      case 'exists':
        return true;
      case 'size':
        return value.length === test.size;
      case 'elemMatch':
        return value.some((item) => (isDoc(item) || Array.isArray(item)) && matches(test.filter, item as Doc));
      case 'elemTest':
        return value.some((item) => passesAlone(test.tests, item));
      default:
        return value.some((item) => passes(test, item)) || passes(test, value);
    }
  }
  return passes(test, value);
}

/** `$elemMatch` with operators: every test on the element itself; an element that is an array is not entered again. */
function passesAlone(filter: Filter, item: Value): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.parts.every((part) => passesAlone(part, item));
    case 'or':
      return filter.parts.some((part) => passesAlone(part, item));
    case 'not':
      return !passesAlone(filter.part, item);
    case 'field': {
      const { op } = filter.test;
      return op === 'size' || op === 'elemMatch' || op === 'elemTest' ? testLeaf(filter.test, item) : passes(filter.test, item);
    }
    default:
      return false;
  }
}

/** The test on one value as it stands. */
function passes(test: Test, value: Value | undefined): boolean {
  switch (test.op) {
    case 'eq':
      return equalTo(value, test.value);
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return compares(test.op, value, test.value);
    case 'in': {
      if (test.regexes.some((regex) => passesRegex(regex, value))) return true;
      return inSet(test, value);
    }
    case 'regex':
      return passesRegex(test.regex, value);
    case 'exists':
      return value !== undefined;
    case 'type':
      return value !== undefined && test.types.has(bsonTypeOf(value));
    case 'mod': {
      if (!isNumber(value)) return false;
      const whole = toWhole(value);
      return whole !== undefined && whole % test.divisor === test.remainder;
    }
    case 'bits':
      return passesBits(test, value);
    default:
      return false;
  }
}

const sets = new WeakMap<object, Set<string>>();

function inSet(test: { values: Value[] }, value: Value | undefined): boolean {
  if (test.values.length < 8) return test.values.some((wanted) => equalTo(value, wanted));
  let set = sets.get(test);
  if (!set) {
    set = new Set(test.values.map(hashKey));
    sets.set(test, set);
  }
  if (value === undefined || typeRank(value) === 0) return set.has(hashKey(null)) || (value !== undefined && set.has(hashKey(value)));
  return set.has(hashKey(value));
}

/** Null also stands for a missing field and the old undefined. */
function equalTo(value: Value | undefined, wanted: Value): boolean {
  if (value === undefined) return wanted === null;
  if (wanted === null) return value === null || typeRank(value) === 0;
  return compareValues(value, wanted) === 0;
}

/** Order tests hold only between values of one type; NaN is equal to NaN and in no other order. */
function compares(op: 'gt' | 'gte' | 'lt' | 'lte', value: Value | undefined, wanted: Value): boolean {
  if (wanted === null) return (op === 'gte' || op === 'lte') && equalTo(value, null);
  if (value === undefined) return false;
  if (wanted === MIN_KEY || wanted === MAX_KEY) {
    const order = compareValues(value, wanted);
    return op === 'gt' ? order > 0 : op === 'gte' ? order >= 0 : op === 'lt' ? order < 0 : order <= 0;
  }
  if (typeRank(value) !== typeRank(wanted)) return false;
  const order = compareValues(value, wanted);
  if (isNan(value) || isNan(wanted)) return order === 0 && (op === 'gte' || op === 'lte');
  return op === 'gt' ? order > 0 : op === 'gte' ? order >= 0 : op === 'lt' ? order < 0 : order <= 0;
}

function isNan(value: Value): boolean {
  return value instanceof Double ? Number.isNaN(value.value) : value instanceof Decimal && value.kind === 'nan';
}

function passesRegex(regex: RegexValue, value: Value | undefined): boolean {
  if (typeof value === 'string') return compileRegex(regex.pattern, regex.options).test(value);
  if (value instanceof SymbolValue) return compileRegex(regex.pattern, regex.options).test(value.text);
  return value instanceof RegexValue && compareValues(value, regex) === 0;
}

function passesBits(test: { mask: bigint; all: boolean; set: boolean }, value: Value | undefined): boolean {
  let bits: bigint | undefined;
  if (value instanceof BinaryValue) {
    bits = 0n;
    for (let i = value.bytes.length - 1; i >= 0; i--) bits = (bits << 8n) | BigInt(value.bytes[i] as number);
  } else if (isNumber(value)) {
    const whole = toWhole(value);
    const exact = whole !== undefined && compareValues(value, whole) === 0 && BigInt.asIntN(64, whole) === whole;
    bits = exact ? whole : undefined;
  }
  if (bits === undefined) return false;
  const found = bits & test.mask;
  if (test.set) return test.all ? found === test.mask : found !== 0n;
  return test.all ? found === 0n : found !== test.mask;
}

function parseTopLevel(name: string, value: Value, parts: Filter[]): void {
  switch (name) {
    case '$and':
      for (const part of listOfFilters(name, value)) parts.push(part);
      return;
    case '$or':
      parts.push({ kind: 'or', parts: listOfFilters(name, value) });
      return;
    case '$nor':
      parts.push({ kind: 'not', part: { kind: 'or', parts: listOfFilters(name, value) } });
      return;
    case '$expr': {
      const expression = compileExpression(value);
      parts.push({ kind: 'expr', matches: (doc) => expression.truth(doc) });
      return;
    }
    case '$comment':
      return;
    case '$alwaysTrue':
      return;
    case '$alwaysFalse':
      parts.push({ kind: 'or', parts: [] });
      return;
    case '$where':
      throw badValue('no globalScriptEngine in $where parsing');
    case '$text':
      throw new CommandFailure(27, 'text index required for $text query');
    case '$jsonSchema':
      throw new CommandFailure(238, '$jsonSchema is not served by this engine');
    default:
      throw badValue(
        `unknown top level operator: ${name}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.`,
      );
  }
}

function listOfFilters(name: string, value: Value): Filter[] {
  if (!Array.isArray(value)) throw badValue(`${name} must be an array`);
  if (value.length === 0) throw badValue('$and/$or/$nor must be a nonempty array');
  return value.map((item) => {
    if (!isDoc(item)) throw badValue('$or/$and/$nor entries need to be full objects');
    return parseFilter(item);
  });
}

function parseField(path: string, value: Value, parts: Filter[]): void {
  const fields = splitPath(path);
  if (isDoc(value) && isOperators(value)) {
    parseOperators(path, fields, value, parts);
    return;
  }
  if (value instanceof RegexValue) {
    compileRegex(value.pattern, value.options);
    parts.push({ kind: 'field', path, fields, test: { op: 'regex', regex: value } });
    return;
  }
  parts.push({ kind: 'field', path, fields, test: { op: 'eq', value } });
}

function isOperators(value: Doc): boolean {
  const first = value.keys().next();
  return !first.done && first.value.startsWith('$') && !['$ref', '$id', '$db'].includes(first.value);
}

function parseOperators(path: string, fields: string[], operators: Doc, parts: Filter[]): void {
  for (const [name, value] of operators) {
    const field = (test: Test): Filter => ({ kind: 'field', path, fields, test });
    switch (name) {
      case '$eq':
        parts.push(field({ op: 'eq', value }));
        break;
      case '$ne':
        if (value instanceof RegexValue) throw badValue("Can't have regex as arg to $ne.");
        parts.push({ kind: 'not', part: field({ op: 'eq', value }) });
        break;
      case '$gt':
      case '$gte':
      case '$lt':
      case '$lte':
        if (value instanceof RegexValue) throw badValue(`Can't have RegEx as arg to predicate over field '${path}'.`);
        parts.push(field({ op: name.slice(1) as 'gt', value }));
        break;
      case '$in':
        parts.push(field(parseIn('$in', value)));
        break;
      case '$nin':
        parts.push({ kind: 'not', part: field(parseIn('$nin', value)) });
        break;
      case '$not':
        parts.push(parseNot(path, fields, value));
        break;
      case '$exists':
        parts.push(isTruthy(value) ? field({ op: 'exists' }) : { kind: 'not', part: field({ op: 'exists' }) });
        break;
      case '$type':
        parts.push(field({ op: 'type', types: parseTypes(value) }));
        break;
      case '$size': {
        const size = isNumber(value) ? toWhole(value) : undefined;
        if (size === undefined || compareValues(size, value) !== 0) throw badValue('Failed to parse $size. Expected an integer');
        if (size < 0n) throw badValue('Failed to parse $size. Expected a non-negative number');
        parts.push(field({ op: 'size', size: Number(size) }));
        break;
      }
      case '$regex':
        parts.push(field({ op: 'regex', regex: parseRegex(value, operators.get('$options')) }));
        break;
      case '$options':
        if (!operators.has('$regex')) throw badValue('$options needs a $regex');
        break;
      case '$mod':
        parts.push(field(parseMod(value)));
        break;
      case '$all':
        parts.push(parseAll(path, fields, value));
        break;
      case '$elemMatch':
        parts.push(field(parseElemMatch(value)));
        break;
      case '$bitsAllSet':
      case '$bitsAllClear':
      case '$bitsAnySet':
      case '$bitsAnyClear':
        parts.push(field({ op: 'bits', mask: parseMask(value), all: name.includes('All'), set: name.endsWith('Set') }));
        break;
      case '$comment':
        break;
      default:
        throw badValue(`unknown operator: ${name}`);
    }
  }
}

function parseIn(name: string, value: Value): Test {
  if (!Array.isArray(value)) throw badValue(`${name} needs an array`);
  const values: Value[] = [];
  const regexes: RegexValue[] = [];
  for (const item of value) {
    if (item instanceof RegexValue) {
      compileRegex(item.pattern, item.options);
      regexes.push(item);
    } else if (isDoc(item) && isOperators(item)) throw badValue(`cannot nest $ under ${name}`);
    else values.push(item);
  }
  return { op: 'in', values, regexes };
}

function parseNot(path: string, fields: string[], value: Value): Filter {
  if (value instanceof RegexValue) {
    compileRegex(value.pattern, value.options);
    return { kind: 'not', part: { kind: 'field', path, fields, test: { op: 'regex', regex: value } } };
  }
  if (!isDoc(value)) throw badValue('$not needs a regex or a document');
  if (value.size === 0) throw badValue('$not cannot be empty');
  if (!isOperators(value)) throw badValue(`unknown operator: ${String(value.keys().next().value)}`);
  const parts: Filter[] = [];
  parseOperators(path, fields, value, parts);
  return { kind: 'not', part: { kind: 'and', parts } };
}

function parseTypes(value: Value): Set<number> {
  const types = new Set<number>();
  for (const item of Array.isArray(value) ? value : [value]) {
    if (typeof item === 'string') {
      const named = typesNamed(item);
      if (!named) throw badValue(`Unknown type name alias: ${item}`);
      for (const type of named) types.add(type);
    } else if (isNumber(item)) {
      const number = Number(toWhole(item) ?? -2n);
      if (number === -1) types.add(255);
      else if ((number >= 1 && number <= 19) || number === 127) types.add(number);
      else throw badValue(`Invalid numerical type code: ${number}`);
    } else throw new CommandFailure(14, 'type must be represented as a number or a string');
  }
  if (types.size === 0) throw new CommandFailure(9, '$type must match at least one type');
  return types;
}

function parseRegex(value: Value, options: Value | undefined): RegexValue {
  if (options !== undefined && typeof options !== 'string') throw badValue('$options has to be a string');
  let regex: RegexValue;
  if (value instanceof RegexValue) {
    if (value.options !== '' && options !== undefined) throw new CommandFailure(51075, 'options set in both $regex and $options');
    regex = new RegexValue(value.pattern, options ?? value.options);
  } else if (typeof value === 'string') regex = new RegexValue(value, options ?? '');
  else throw badValue('$regex has to be a string');
  compileRegex(regex.pattern, regex.options);
  return regex;
}

function parseMod(value: Value): Test {
  if (!Array.isArray(value)) throw badValue('malformed mod, needs to be an array');
  if (value.length < 2) throw badValue('malformed mod, not enough elements');
  if (value.length > 2) throw badValue('malformed mod, too many elements');
  const [divisor, remainder] = value.map((item) => (isNumber(item) ? toWhole(item) : undefined));
  if (divisor === undefined) throw badValue('malformed mod, divisor not a number');
  if (remainder === undefined) throw badValue('malformed mod, remainder not a number');
  if (divisor === 0n) throw badValue('divisor cannot be 0');
  return { op: 'mod', divisor, remainder };
}

function parseAll(path: string, fields: string[], value: Value): Filter {
  if (!Array.isArray(value)) throw badValue('$all needs an array');
  if (value.length === 0) return { kind: 'or', parts: [] };
  const parts = value.map((item): Filter => {
    if (isDoc(item) && item.has('$elemMatch')) {
      return { kind: 'field', path, fields, test: parseElemMatch(item.get('$elemMatch') as Value) };
    }
    if (isDoc(item) && isOperators(item)) throw badValue('no $ expressions in $all');
    return { kind: 'field', path, fields, test: item instanceof RegexValue ? { op: 'regex', regex: item } : { op: 'eq', value: item } };
  });
  return { kind: 'and', parts };
}

function parseElemMatch(value: Value): Test {
  if (!isDoc(value)) throw badValue('$elemMatch needs an Object');
  const first = value.keys().next().value;
  if (first !== undefined && isOperators(value) && !['$and', '$or', '$nor', '$where', '$expr'].includes(first)) {
    const parts: Filter[] = [];
    parseOperators('', [''], value, parts);
    return { op: 'elemTest', tests: { kind: 'and', parts } };
  }
  return { op: 'elemMatch', filter: parseFilter(value) };
}

function parseMask(value: Value): bigint {
  if (value instanceof BinaryValue) {
    let mask = 0n;
    for (let i = value.bytes.length - 1; i >= 0; i--) mask = (mask << 8n) | BigInt(value.bytes[i] as number);
    return mask;
  }
  if (Array.isArray(value)) {
    let mask = 0n;
    for (const item of value) {
      const bit = isNumber(item) ? toWhole(item) : undefined;
      if (bit === undefined || bit < 0n) throw badValue('bit positions must be integers ≥ 0');
      mask |= 1n << (bit > 63n ? 63n : bit);
    }
    return mask;
  }
  const mask = isNumber(value) ? toWhole(value) : undefined;
  if (mask === undefined || mask < 0n) throw badValue('bitmask must be a non-negative integer, an array or binary data');
  return mask;
}

/** MongoDB's truth: everything but false, null, undefined and zero. */
function isTruthy(value: Value): boolean {
  if (value === null || value === false) return false;
  return !isNumber(value) || compareValues(value, 0) !== 0;
}
