import { compareValues } from './compare.ts';
import { badValue, CommandFailure } from './failure.ts';
import { isNumeric } from './number.ts';
import type { Doc, Value } from './value.ts';
import { Double, isDoc, SymbolValue, typeNameOf } from './value.ts';

/** What an expression may look at. */
export interface Scope {
  root: Doc;
  /** `$$CURRENT`, `$$this` and what `$let` binds; absent names are unknown. */
  variables: ReadonlyMap<string, Value | undefined>;
}

/** A computed value; `undefined` is MongoDB's "missing". */
export type Evaluate = (scope: Scope) => Value | undefined;

/** What operators need to compile their arguments. */
export interface Compiler {
  compile: (value: Value, names?: readonly string[]) => Evaluate;
}

/** Compiles one operator's argument. */
export type Operator = (argument: Value, compiler: Compiler) => Evaluate;

/** True for null, missing and the old undefined, which most operators answer with null. */
export function isNullish(value: Value | undefined): value is null | undefined {
  return value === undefined || value === null || (typeof value === 'object' && 'name' in value && value.name === 'undefined');
}

/** An operator of a fixed number of arguments, each evaluated first. */
export function plain(name: string, least: number, most: number, apply: (args: (Value | undefined)[]) => Value | undefined): [string, Operator] {
  return [
    name,
    (argument, compiler) => {
      const parts = argumentsOf(name, argument, least, most).map((part) => compiler.compile(part));
      return (scope) => apply(parts.map((part) => part(scope)));
    },
  ];
}

/** An operator whose argument is a document of named parts; unknown names are refused with code 9. */
export function named(
  name: string,
  required: readonly string[],
  optional: readonly string[],
  build: (parts: Map<string, Value>, compiler: Compiler) => Evaluate,
): [string, Operator] {
  return [
    name,
    (argument, compiler) => {
      if (!isDoc(argument)) throw new CommandFailure(9, `${name} only supports an object as its argument`);
      for (const key of argument.keys()) {
        if (!required.includes(key) && !optional.includes(key)) throw new CommandFailure(9, `Unrecognized parameter to ${name}: ${key}`);
      }
      for (const key of required) if (!argument.has(key)) throw new CommandFailure(9, `Missing '${key}' parameter to ${name}`);
      return build(argument, compiler);
    },
  ];
}

/** A text for `$concat` and its like; code 16702 for another type. */
export function textArgument(name: string, value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof SymbolValue) return value.text;
  throw new CommandFailure(16702, `${name} only supports strings, not ${typeNameOf(value)}`);
}

/** MongoDB's truth of a value. */
export function isTrue(value: Value | undefined): boolean {
  if (value === undefined || value === null || value === false) return false;
  if (isNumeric(value)) return value instanceof Double ? value.value !== 0 : compareValues(value, 0) !== 0;
  return typeof value !== 'object' || !('name' in value && value.name === 'undefined');
}

/** The arguments of an operator that takes a fixed number of them; one may stand without its array. */
export function argumentsOf(name: string, value: Value, least: number, most: number): Value[] {
  const items = Array.isArray(value) ? value : [value];
  if (items.length >= least && items.length <= most) return items;
  const wanted = least === most ? `exactly ${least}` : `at least ${least}`;
  if (most === Infinity) throw badValue(`Expression ${name} takes ${wanted} arguments. ${items.length} were passed in.`);
  throw new CommandFailure(16020, `Expression ${name} takes ${wanted} arguments. ${items.length} were passed in.`);
}
