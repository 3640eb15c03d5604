import { CommandFailure, badValue } from './failure.ts';
import type { Filter } from './filter.ts';
import { compileFilter, parseFilter } from './filter.ts';
import { arrayIndex, splitPath } from './path.ts';
import type { Doc, Value } from './value.ts';
import { isDoc } from './value.ts';

/** What positional parts of an update's path stand for. */
export interface Positions {
  /** The element the filter matched in the array at a path; -1 when the filter named none. */
  matchedPlace: (arrayPath: string) => number;
  /** The conditions of `$[name]`. */
  arrayFilters: ReadonlyMap<string, (item: Value) => boolean>;
}

/** Reads the `arrayFilters` of an update: each names one identifier, `[{ 'e.grade': { $gte: 85 } }]`. */
export function parseArrayFilters(value: Value | undefined): Map<string, (item: Value) => boolean> {
  const filters = new Map<string, (item: Value) => boolean>();
  if (value === undefined) return filters;
  if (!Array.isArray(value)) throw new CommandFailure(14, 'arrayFilters must be an array');
  for (const condition of value) {
    if (!isDoc(condition)) throw new CommandFailure(14, 'each array filter must be an object');
    const parsed = parseFilter(condition);
    const name = identifierOf(parsed);
    if (name === undefined) throw new CommandFailure(9, 'Cannot use an expression without a top-level field name in arrayFilters');
    if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) throw badValue(`The array filter identifier '${name}' must begin with a lowercase letter and hold only letters and digits`);
    if (filters.has(name)) throw new CommandFailure(9, `Found multiple array filters with the same top-level field name ${name}`);
    const matches = compileFilter(parsed);
    filters.set(name, (item) => matches(new Map([[name, item]])));
  }
  return filters;
}

/**
 * The real paths a written path means in a document: `a.$[].b` → `a.0.b`, `a.1.b`. Throws code 2 when a positional part
 * meets no array or names no filter.
 */
export function expandPath(doc: Doc, path: string, positions: Positions): string[][] {
  const written = splitPath(path);
  if (!path.includes('$')) return [written];
  const found: string[][] = [];
  const walk = (value: Value | undefined, at: number, done: string[]): void => {
    if (at === written.length) {
      found.push(done);
      return;
    }
    const part = written[at] as string;
    if (!part.startsWith('$')) {
      const below = isDoc(value) ? value.get(part) : Array.isArray(value) && arrayIndex(part) !== undefined ? value[Number(part)] : undefined;
      walk(below, at + 1, [...done, part]);
      return;
    }
    const here = done.join('.');
    if (part === '$') {
      const place = positions.matchedPlace(here);
      if (place < 0) throw badValue('The positional operator did not find the match needed from the query.');
      walk(Array.isArray(value) ? value[place] : undefined, at + 1, [...done, String(place)]);
      return;
    }
    const name = /^\$\[(.*)\]$/.exec(part)?.[1];
    if (name === undefined) throw new CommandFailure(52, `The dollar ($) prefixed field '${part}' in '${path}' is not allowed in the context of an update.`);
    if (!Array.isArray(value)) {
      if (value === undefined) throw badValue(`The path '${here}' must exist in the document in order to apply array updates.`);
      throw badValue(`Cannot apply array updates to non-array element ${here}`);
    }
    const filter = name === '' ? () => true : positions.arrayFilters.get(name);
    if (!filter) throw badValue(`No array filter found for identifier '${name}' in path '${path}'`);
    for (const [i, item] of value.entries()) if (filter(item)) walk(item, at + 1, [...done, String(i)]);
  };
  walk(doc, 0, []);
  return found;
}

/** The value at a real path, places in arrays included. */
export function getAt(doc: Doc, path: readonly string[]): Value | undefined {
  let value: Value | undefined = doc;
  for (const field of path) {
    if (isDoc(value)) value = value.get(field);
    else if (Array.isArray(value)) {
      const index = arrayIndex(field);
      value = index === undefined ? undefined : value[index];
    } else return undefined;
  }
  return value;
}

const MOST_PADDING = 1_500_000;

/** Sets the value at a real path, making documents on the way. Throws code 28 where something else stands in the way. */
export function setAt(doc: Doc, path: readonly string[], value: Value): void {
  let target: Value = doc;
  for (let at = 0; at < path.length; at++) {
    const field = path[at] as string;
    const last = at === path.length - 1;
    if (isDoc(target)) {
      const child: Value | undefined = target.get(field);
      if (last) target.set(field, value);
      else if (child === undefined) {
        const made: Doc = new Map();
        target.set(field, made);
        target = made;
      } else target = child;
    } else if (Array.isArray(target)) {
      const index = arrayIndex(field);
      if (index === undefined) throw notViable(path, at);
      if (index - target.length > MOST_PADDING) throw badValue(`can't backfill more than ${MOST_PADDING} elements`);
      while (target.length < index) target.push(null);
      const child: Value | undefined = target[index];
      if (last) target[index] = value;
      else if (child === undefined) {
        const made: Doc = new Map();
        target[index] = made;
        target = made;
      } else target = child;
    } else throw notViable(path, at);
  }
}

/** Removes the value at a real path; an element of an array becomes null. Nothing happens where there is nothing. */
export function unsetAt(doc: Doc, path: readonly string[]): void {
  const parent = getAt(doc, path.slice(0, -1));
  const field = path[path.length - 1] as string;
  if (isDoc(parent)) parent.delete(field);
  else if (Array.isArray(parent)) {
    const index = arrayIndex(field);
    if (index !== undefined && index < parent.length) parent[index] = null;
  }
}

/** A copy that shares no document or array with the original. */
export function cloneValue<T extends Value>(value: T): T {
  if (isDoc(value)) return new Map([...(value as Doc)].map(([name, inner]) => [name, cloneValue(inner)])) as unknown as T;
  return (Array.isArray(value) ? (value as Value[]).map((item) => cloneValue(item)) : value) as T;
}

function notViable(path: readonly string[], at: number): CommandFailure {
  return new CommandFailure(28, `Cannot create field '${path[at] as string}' in element {${path[at - 1] as string}: ...}`);
}

function identifierOf(filter: Filter): string | undefined {
  if (filter.kind === 'field') return filter.fields[0];
  if (filter.kind === 'not') return identifierOf(filter.part);
  if (filter.kind === 'expr') return undefined;
  const names = new Set(filter.parts.map(identifierOf));
  return names.size === 1 ? [...names][0] : undefined;
}
