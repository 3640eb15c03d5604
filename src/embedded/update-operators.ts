import { compareValues } from './compare.ts';
import { CommandFailure, badValue } from './failure.ts';
import { compileFilter, parseFilter } from './filter.ts';
import { hashKey } from './key.ts';
import { addNumbers, isNumeric, multiplyNumbers, toWhole } from './number.ts';
import { splitPath } from './path.ts';
import { parseSort, sortKeyOf } from './sort.ts';
import { cloneValue, getAt } from './update-path.ts';
import type { Doc, Value } from './value.ts';
import { DateValue, isDoc, RegexValue, TimestampValue, typeNameOf } from './value.ts';

/** One change at one path: from the value that is there (or nothing) to the one that shall be (or nothing). */
export interface Change {
  path: string;
  onlyInsert: boolean;
  apply: (before: Value | undefined, doc: Doc) => Value | undefined;
}

type UpdateOperator = (path: string, argument: Value, now: () => number) => Change[];

/** Every update operator the engine serves. */
export const UPDATE_OPERATORS: ReadonlyMap<string, UpdateOperator> = new Map<string, UpdateOperator>([
  ['$set', (path, argument) => [change(path, () => cloneValue(argument))]],
  ['$setOnInsert', (path, argument) => [{ ...change(path, () => cloneValue(argument)), onlyInsert: true }]],
  ['$unset', (path) => [change(path, () => undefined)]],
  ['$inc', arithmetic('$inc', 'increment', addNumbers, (argument) => argument)],
  ['$mul', arithmetic('$mul', 'multiply', multiplyNumbers, (argument) => multiplyNumbers(argument as number, 0) as Value)],
  ['$min', (path, argument) => [change(path, (before) => (before === undefined || compareValues(argument, before) < 0 ? cloneValue(argument) : before))]],
  ['$max', (path, argument) => [change(path, (before) => (before === undefined || compareValues(argument, before) > 0 ? cloneValue(argument) : before))]],
  ['$rename', rename],
  ['$currentDate', currentDate],
  ['$push', push],
  ['$addToSet', addToSet],
  ['$pop', pop],
  ['$pull', pull],
  ['$pullAll', pullAll],
  ['$bit', bit],
]);

function change(path: string, apply: Change['apply']): Change {
  return { path, onlyInsert: false, apply };
}

function arithmetic(
  name: string,
  verb: string,
  combine: (a: number, b: number) => Value | undefined,
  whenMissing: (argument: Value) => Value,
): UpdateOperator {
  return (path, argument) => {
    if (!isNumeric(argument)) throw new CommandFailure(14, `Cannot ${verb} with non-numeric argument: {${path}: ${typeNameOf(argument)}}`);
    return [
      change(path, (before, doc) => {
        if (before === undefined) return whenMissing(argument);
        if (!isNumeric(before)) {
          throw new CommandFailure(14, `Cannot apply ${name} to a value of non-numeric type. {_id: ${describeId(doc)}} has the field '${path}' of non-numeric type ${typeNameOf(before)}`);
        }
        const result = combine(before as number, argument as number);
        if (result === undefined) throw badValue(`Failed to apply ${name} operations to current value: the result is beyond 64 bits`);
        return result;
      }),
    ];
  };
}

function describeId(doc: Doc): string {
  const id = doc.get('_id');
  return id === undefined ? 'no id' : typeof id === 'object' ? typeNameOf(id) : JSON.stringify(typeof id === 'bigint' ? Number(id) : id);
}

function rename(path: string, argument: Value): Change[] {
  if (typeof argument !== 'string') throw badValue(`The 'to' field for $rename must be a string: ${path}`);
  if (path === argument) throw badValue(`The source and target field for $rename must differ: ${path}`);
  if (/\$/.test(path) || /\$/.test(argument)) throw badValue(`The source field for $rename may not be dynamic: ${path}`);
  const fields = splitPath(path);
  // The two halves run in the order of their paths: whichever comes first takes the value along for the other.
  let moved: { doc: Doc; value: Value | undefined } | undefined;
  const take = (doc: Doc): Value | undefined => {
    if (moved?.doc === doc) return moved.value;
    for (let i = 1; i < fields.length; i++) {
      if (Array.isArray(getAt(doc, fields.slice(0, i)))) throw badValue(`The source field cannot be an array element, '${path}' in doc has an array field`);
    }
    moved = { doc, value: getAt(doc, fields) };
    return moved.value;
  };
  return [
    change(path, (_before, doc) => {
      take(doc);
      return undefined;
    }),
    change(argument, (before, doc) => take(doc) ?? before),
  ];
}

function currentDate(path: string, argument: Value, now: () => number): Change[] {
  const type = isDoc(argument) ? argument.get('$type') : argument === true ? 'date' : undefined;
  if (argument === false) return [change(path, () => new DateValue(now()))];
  if (type === 'date') return [change(path, () => new DateValue(now()))];
  if (type === 'timestamp') return [change(path, () => new TimestampValue((BigInt(Math.floor(now() / 1000)) << 32n) | 1n))];
  throw badValue("The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field : {$type: 'date'}}}");
}

function arrayAt(name: string, path: string, before: Value | undefined, doc: Doc): Value[] {
  if (before === undefined) return [];
  if (!Array.isArray(before)) {
    throw name === '$push'
      ? badValue(`The field '${path}' must be an array but is of type ${typeNameOf(before)} in document {_id: ${describeId(doc)}}`)
      : badValue(`Cannot apply ${name} to non-array field. Field named '${path}' has non-array type ${typeNameOf(before)}`);
  }
  return before;
}

function wholeModifier(name: string, value: Value): number {
  const whole = isNumeric(value) ? toWhole(value) : undefined;
  if (whole === undefined || compareValues(whole, value) !== 0) throw badValue(`The value for ${name} must be an integer value but was given type: ${typeNameOf(value)}`);
  return Number(whole);
}

function push(path: string, argument: Value): Change[] {
  const modified = isDoc(argument) && argument.has('$each');
  const items = modified ? argument.get('$each') : [argument];
  if (!Array.isArray(items)) throw badValue('The argument to $each in $push must be an array but it was of type: ' + typeNameOf(items));
  let position = Infinity;
  let slice: number | undefined;
  let order: ((list: Value[]) => Value[]) | undefined;
  if (modified) {
    for (const [name, value] of argument) {
      if (name === '$each') continue;
      else if (name === '$position') position = wholeModifier('$position', value);
      else if (name === '$slice') slice = wholeModifier('$slice', value);
      else if (name === '$sort') order = sorting(value);
      else throw badValue(`Unrecognized clause in $push: ${name}`);
    }
  }
  return [
    change(path, (before, doc) => {
      const list = [...arrayAt('$push', path, before, doc)];
      const at = position < 0 ? Math.max(list.length + position, 0) : Math.min(position, list.length);
      list.splice(at, 0, ...items.map((item) => cloneValue(item)));
      const ordered = order ? order(list) : list;
      if (slice === undefined) return ordered;
      return slice === 0 ? [] : slice > 0 ? ordered.slice(0, slice) : ordered.slice(slice);
    }),
  ];
}

function sorting(value: Value): (list: Value[]) => Value[] {
  if (isNumeric(value)) {
    const way = Number(toWhole(value));
    if (way !== 1 && way !== -1) throw badValue('The $sort element value must be either 1 or -1');
    return (list) => list.toSorted((a, b) => compareValues(a, b) * way);
  }
  if (!isDoc(value) || value.size === 0) throw badValue('The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields');
  const sort = parseSort(value);
  return (list) => {
    const keyed = list.map((item) => ({ item, key: sortKeyOf(sort, isDoc(item) ? item : new Map()) }));
    return keyed.toSorted((a, b) => Buffer.compare(a.key, b.key)).map(({ item }) => item);
  };
}

function addToSet(path: string, argument: Value): Change[] {
  const modified = isDoc(argument) && argument.keys().next().value === '$each';
  const items = modified ? argument.get('$each') : [argument];
  if (!Array.isArray(items)) throw new CommandFailure(14, 'The argument to $each in $addToSet must be an array but it was of type ' + typeNameOf(items));
  return [
    change(path, (before, doc) => {
      const list = arrayAt('$addToSet', path, before, doc);
      const known = new Set(list.map(hashKey));
      const added: Value[] = [];
      for (const item of items) {
        const key = hashKey(item);
        if (!known.has(key)) added.push(cloneValue(item));
        known.add(key);
      }
      return added.length === 0 && before !== undefined ? before : [...list, ...added];
    }),
  ];
}

function pop(path: string, argument: Value): Change[] {
  const way = wholeModifier('$pop', argument);
  if (way !== 1 && way !== -1) throw new CommandFailure(9, `$pop expects 1 or -1, found: ${way}`);
  return [
    change(path, (before) => {
      if (before === undefined) return undefined;
      if (!Array.isArray(before)) throw new CommandFailure(14, `Path '${path}' contains an element of non-array type '${typeNameOf(before)}'`);
      return way === 1 ? before.slice(0, -1) : before.slice(1);
    }),
  ];
}

function pull(path: string, argument: Value): Change[] {
  let matches: (item: Value) => boolean;
  if (isDoc(argument)) {
    const operators = argument.keys().next().value?.startsWith('$') === true;
    if (operators) {
      const test = compileFilter(parseFilter(new Map([['v', argument]])));
      matches = (item) => test(new Map([['v', item]]));
    } else {
      const test = compileFilter(parseFilter(argument));
      matches = (item) => isDoc(item) && test(item);
    }
  } else if (argument instanceof RegexValue) {
    const test = compileFilter(parseFilter(new Map([['v', argument]])));
    matches = (item) => test(new Map([['v', item]]));
  } else matches = (item) => compareValues(item, argument) === 0;
  return [removing('$pull', path, matches)];
}

function pullAll(path: string, argument: Value): Change[] {
  if (!Array.isArray(argument)) throw badValue('$pullAll requires an array argument but was given a ' + typeNameOf(argument));
  return [removing('$pullAll', path, (item) => argument.some((each) => compareValues(each, item) === 0))];
}

function removing(name: string, path: string, matches: (item: Value) => boolean): Change {
  return change(path, (before, doc) => {
    if (before === undefined) return undefined;
    const list = arrayAt(name, path, before, doc);
    const kept = list.filter((item) => !matches(item));
    return kept.length === list.length ? before : kept;
  });
}

function bit(path: string, argument: Value): Change[] {
  if (!isDoc(argument) || argument.size === 0) throw badValue(`The $bit modifier is not compatible with a ${typeNameOf(argument)}: {$bit: {field: {and/or/xor: #}}}`);
  return [
    change(path, (before) => {
      const start = before ?? 0;
      if (typeof start !== 'number' && typeof start !== 'bigint') throw badValue(`Cannot apply $bit to a value of non-integral type: the field ${path} has type ${typeNameOf(start)}`);
      let wide = typeof start === 'bigint';
      let value = BigInt(start);
      for (const [name, operand] of argument) {
        if (typeof operand !== 'number' && typeof operand !== 'bigint') throw badValue(`The $bit modifier field must be an Integer(32/64 bit); a '${typeNameOf(operand)}' is not supported here`);
        wide ||= typeof operand === 'bigint';
        if (name === 'and') value &= BigInt(operand);
        else if (name === 'or') value |= BigInt(operand);
        else if (name === 'xor') value ^= BigInt(operand);
        else throw badValue(`The $bit modifier only supports 'and', 'or', and 'xor', not '${name}'`);
      }
      return wide ? BigInt.asIntN(64, value) : Number(BigInt.asIntN(32, value));
    }),
  ];
}
