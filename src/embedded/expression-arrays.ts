import { compareValues } from './compare.ts';
import { accumulate } from './accumulator.ts';
import type { Evaluate, Operator } from './operator.ts';
import { argumentsOf, isNullish, isTrue, named, plain } from './operator.ts';
import { CommandFailure } from './failure.ts';
import { hashKey } from './key.ts';
import { isNumeric, toWhole } from './number.ts';
import type { Doc, Value } from './value.ts';
import { isDoc, typeNameOf } from './value.ts';

function array(name: string, code: number, value: Value): Value[] {
  if (!Array.isArray(value)) throw new CommandFailure(code, `The argument to ${name} must be an array, but was of type: ${typeNameOf(value)}`);
  return value;
}

function whole(name: string, value: Value): number {
  const number = isNumeric(value) ? toWhole(value) : undefined;
  if (number === undefined || compareValues(number, value) !== 0) throw new CommandFailure(28690, `${name}'s argument must be a whole number`);
  return Number(number);
}

/** `$sum` and its like outside `$group`: over the arguments, or over the one array given. */
function folding(name: string): [string, Operator] {
  return [
    name,
    (argument, compiler) => {
      const single = !Array.isArray(argument) || argument.length === 1;
      const parts = argumentsOf(name, argument, 0, Infinity).map((part) => compiler.compile(part));
      return (scope) => {
        const values = parts.map((part) => part(scope));
        const items = single && Array.isArray(values[0]) ? values[0] : values;
        return accumulate(name, items);
      };
    },
  ];
}

function itemAt(items: Value[], index: number): Value | undefined {
  return items[index < 0 ? items.length + index : index];
}

/** Distinct values in MongoDB's equality, first seen first. */
function distinct(items: Value[]): Value[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const key = hashKey(item);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function sets(name: string, args: (Value | undefined)[]): Value[][] | undefined {
  const lists: Value[][] = [];
  for (const item of args) {
    if (isNullish(item)) return undefined;
    lists.push(array(name, 17043, item));
  }
  return lists;
}

/** Evaluates `in` for each element bound to `as` (default `this`). */
function looping(name: string, body: 'in' | 'cond', collect: (item: Value, result: Value | undefined, into: Value[]) => void): [string, Operator] {
  return named(name, ['input', body], ['as', ...(name === '$filter' ? ['limit'] : [])], (parts, compiler) => {
    const as = (parts.get('as') ?? 'this') as string;
    const input = compiler.compile(parts.get('input') as Value);
    const each = compiler.compile(parts.get(body) as Value, [as]);
    const limit = parts.has('limit') ? compiler.compile(parts.get('limit') as Value) : undefined;
    return (scope) => {
      const list = input(scope);
      if (isNullish(list)) return null;
      const most = limit ? whole(name, limit(scope) ?? null) : Infinity;
      const out: Value[] = [];
      for (const item of array(name, 16883, list)) {
        if (out.length >= most) break;
        collect(item, each({ root: scope.root, variables: new Map(scope.variables).set(as, item) }), out);
      }
      return out;
    };
  });
}

/** The operators on arrays and objects. */
export const ARRAY_OPERATORS: [string, Operator][] = [
  plain('$size', 1, 1, ([value]) => array('$size', 17124, value ?? null).length),
  plain('$isArray', 1, 1, ([value]) => Array.isArray(value)),
  plain('$arrayElemAt', 2, 2, ([list, index]) => {
    if (isNullish(list) || isNullish(index)) return null;
    return itemAt(array('$arrayElemAt', 28689, list), whole('$arrayElemAt', index));
  }),
  plain('$in', 2, 2, ([value, list]) => {
    if (!Array.isArray(list)) throw new CommandFailure(40081, `$in requires an array as a second argument, found: ${typeNameOf(list)}`);
    return value !== undefined && list.some((item) => compareValues(item, value) === 0);
  }),
  plain('$indexOfArray', 2, 2, ([list, value]) => {
    if (isNullish(list)) return null;
    return array('$indexOfArray', 40090, list).findIndex((item) => value !== undefined && compareValues(item, value) === 0);
  }),
  plain('$concatArrays', 0, Infinity, (args) => {
    const out: Value[] = [];
    for (const item of args) {
      if (isNullish(item)) return null;
      out.push(...array('$concatArrays', 28664, item));
    }
    return out;
  }),
  plain('$reverseArray', 1, 1, ([list]) => (isNullish(list) ? null : [...array('$reverseArray', 34435, list)].reverse())),
  plain('$slice', 2, 3, ([list, a, b]) => {
    if (isNullish(list) || isNullish(a) || (b !== undefined && isNullish(b))) return null;
    const items = array('$slice', 28724, list);
    const first = whole('$slice', a);
    if (b === undefined) return first >= 0 ? items.slice(0, first) : items.slice(first);
    const count = whole('$slice', b);
    if (count <= 0) throw new CommandFailure(28729, 'Third argument to $slice must be positive');
    const from = first < 0 ? Math.max(items.length + first, 0) : first;
    return items.slice(from, from + count);
  }),
  plain('$range', 2, 3, ([from, to, by]) => {
    const step = by === undefined ? 1 : whole('$range', by);
    if (step === 0) throw new CommandFailure(34449, '$range requires a non-zero step value');
    const out: Value[] = [];
    const end = whole('$range', to ?? null);
    for (let i = whole('$range', from ?? null); step > 0 ? i < end : i > end; i += step) {
      if (out.length > 1_000_000) throw new CommandFailure(146, '$range would use too much memory');
      out.push(i);
    }
    return out;
  }),
  looping('$map', 'in', (_item, result, into) => into.push(result ?? null)),
  looping('$filter', 'cond', (item, result, into) => {
    if (isTrue(result)) into.push(item);
  }),
  named('$reduce', ['input', 'initialValue', 'in'], [], (parts, compiler) => {
    const input = compiler.compile(parts.get('input') as Value);
    const initial = compiler.compile(parts.get('initialValue') as Value);
    const body = compiler.compile(parts.get('in') as Value, ['this', 'value']);
    return (scope) => {
      const list = input(scope);
      if (isNullish(list)) return null;
      let value = initial(scope);
      for (const item of array('$reduce', 40080, list)) {
        value = body({ root: scope.root, variables: new Map(scope.variables).set('this', item).set('value', value) });
      }
      return value;
    };
  }),
  plain('$setUnion', 0, Infinity, (args) => {
    const lists = sets('$setUnion', args);
    return lists === undefined ? null : distinct(lists.flat());
  }),
  plain('$setIntersection', 0, Infinity, (args) => {
    const lists = sets('$setIntersection', args);
    if (lists === undefined) return null;
    const keys = lists.slice(1).map((list) => new Set(list.map(hashKey)));
    return distinct(lists[0] ?? []).filter((item) => keys.every((set) => set.has(hashKey(item))));
  }),
  plain('$setDifference', 2, 2, (args) => {
    const lists = sets('$setDifference', args);
    if (lists === undefined) return null;
    const without = new Set((lists[1] as Value[]).map(hashKey));
    return distinct(lists[0] as Value[]).filter((item) => !without.has(hashKey(item)));
  }),
  plain('$setIsSubset', 2, 2, (args) => {
    const lists = sets('$setIsSubset', args);
    if (lists === undefined) throw new CommandFailure(17046, 'both operands of $setIsSubset must be arrays');
    const within = new Set((lists[1] as Value[]).map(hashKey));
    return (lists[0] as Value[]).every((item) => within.has(hashKey(item)));
  }),
  plain('$objectToArray', 1, 1, ([value]) => {
    if (isNullish(value)) return null;
    if (!isDoc(value)) throw new CommandFailure(40390, `$objectToArray requires a document input, found: ${typeNameOf(value)}`);
    return [...value].map(([k, v]): Doc => new Map<string, Value>([['k', k], ['v', v]]));
  }),
  plain('$arrayToObject', 1, 1, ([value]) => {
    if (isNullish(value)) return null;
    const out: Doc = new Map();
    for (const item of array('$arrayToObject', 40386, value)) {
      const [k, v] = isDoc(item) ? [item.get('k'), item.get('v')] : Array.isArray(item) ? item : [];
      if (typeof k !== 'string' || v === undefined) throw new CommandFailure(40392, '$arrayToObject requires an array of key-value pairs');
      out.set(k, v);
    }
    return out;
  }),
  plain('$mergeObjects', 0, Infinity, (args) => {
    const out: Doc = new Map();
    for (const item of args.length === 1 && Array.isArray(args[0]) ? args[0] : args) {
      if (isNullish(item)) continue;
      if (!isDoc(item)) throw new CommandFailure(40400, `$mergeObjects requires object inputs, but input is of type ${typeNameOf(item)}`);
      for (const [name, value] of item) out.set(name, value);
    }
    return out;
  }),
  [
    '$first',
    (argument, compiler): Evaluate => {
      const list = compiler.compile(argumentsOf('$first', argument, 1, 1)[0] as Value);
      return (scope) => {
        const value = list(scope);
        return isNullish(value) ? null : array('$first', 28689, value)[0];
      };
    },
  ],
  [
    '$last',
    (argument, compiler): Evaluate => {
      const list = compiler.compile(argumentsOf('$last', argument, 1, 1)[0] as Value);
      return (scope) => {
        const value = list(scope);
        return isNullish(value) ? null : itemAt(array('$last', 28689, value), -1);
      };
    },
  ],
  folding('$sum'),
  folding('$avg'),
  folding('$min'),
  folding('$max'),
];
