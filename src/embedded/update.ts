import { compareValues } from './compare.ts';
import { CommandFailure, badValue } from './failure.ts';
import type { Filter } from './filter.ts';
import { equalitiesOf, findMatchingPlace } from './filter.ts';
import { arrayIndex, splitPath } from './path.ts';
import type { Change } from './update-operators.ts';
import { UPDATE_OPERATORS } from './update-operators.ts';
import { cloneValue, expandPath, getAt, parseArrayFilters, setAt, unsetAt } from './update-path.ts';
import type { Project } from './projection.ts';
import type { Doc, Value } from './value.ts';
import { isDoc } from './value.ts';

/** A parsed update, ready to be applied to any number of documents. */
export interface Update {
  /** True for a whole new document in place of the old one. */
  replaces: boolean;
  /**
   * The document after the update; the one given may be changed and must not be used afterwards. `inserting` also applies
   * `$setOnInsert`. Throws MongoDB's codes for what cannot be done.
   */
  apply: (doc: Doc, filter: Filter, inserting: boolean) => Doc;
}

/**
 * Parses an update: operators, a replacement, or a pipeline compiled by the caller (`compilePipeline`).
 * `now` is the time `$currentDate` writes.
 */
export function parseUpdate(
  update: Value,
  arrayFilters: Value | undefined,
  now: () => number,
  compilePipeline: (stages: Value[]) => Project,
): Update {
  if (Array.isArray(update)) {
    const pipeline = compilePipeline(update);
    return { replaces: false, apply: (doc) => pipeline(doc) };
  }
  if (!isDoc(update)) throw new CommandFailure(9, 'Update argument must be either an object or an array');
  const first = update.keys().next().value;
  if (first === undefined || !first.startsWith('$')) {
    for (const name of update.keys()) {
      if (name.startsWith('$')) throw new CommandFailure(52, `The dollar ($) prefixed field '${name}' in '${name}' is not allowed in the context of an update's replacement document.`);
    }
    return { replaces: true, apply: (doc) => replace(doc, update) };
  }
  const filters = parseArrayFilters(arrayFilters);
  const changes = collectChanges(update, now);
  for (const name of filters.keys()) {
    if (!changes.some((change) => change.path.includes(`$[${name}]`))) {
      throw new CommandFailure(9, `The array filter for identifier '${name}' was not used in the update ${[...update.keys()].join(', ')}`);
    }
  }
  return {
    replaces: false,
    apply: (doc, filter, inserting) => {
      const before = inserting || changes.every((change) => !change.path.includes('.$')) ? doc : cloneValue(doc);
      const positions = { matchedPlace: (path: string) => findMatchingPlace(filter, before, path), arrayFilters: filters };
      for (const change of changes) {
        if (change.onlyInsert && !inserting) continue;
        for (const path of expandPath(doc, change.path, positions)) applyChange(doc, path, change);
      }
      return doc;
    },
  };
}

/** The document an upsert starts from: the filter's equalities; code 54 when one path is given two values. */
export function upsertBase(filter: Filter, update: Update): Doc {
  const doc: Doc = new Map();
  for (const { path, value } of equalitiesOf(filter)) {
    if (update.replaces && path !== '_id') continue;
    const fields = splitPath(path);
    const found = getAt(doc, fields);
    if (found !== undefined) {
      if (compareValues(found, value) === 0) continue;
      throw new CommandFailure(54, `cannot infer query fields to set, path '${path}' is matched twice`);
    }
    setAt(doc, fields, cloneValue(value));
  }
  return doc;
}

function replace(doc: Doc, update: Doc): Doc {
  const id = doc.get('_id');
  const made: Doc = new Map();
  if (id !== undefined) made.set('_id', id);
  for (const [name, value] of update) {
    if (name === '_id' && id !== undefined) {
      if (compareValues(value, id) !== 0) throw immutableId();
      continue;
    }
    made.set(name, cloneValue(value));
  }
  return made;
}

/** The refusal to change `_id`. */
export function immutableId(): CommandFailure {
  return new CommandFailure(66, "Performing an update on the path '_id' would modify the immutable field '_id'");
}

/** All changes of an update in the order MongoDB applies them: by path, places in arrays as numbers. Conflicts are code 40. */
function collectChanges(update: Doc, now: () => number): Change[] {
  const changes: Change[] = [];
  for (const [name, fields] of update) {
    const operator = UPDATE_OPERATORS.get(name);
    if (!operator) {
      throw new CommandFailure(9, `Unknown modifier: ${name}. Expected a valid update modifier or pipeline-style update specified as an array`);
    }
    if (!isDoc(fields)) throw new CommandFailure(9, `Modifiers operate on fields but we found type ${typeof fields} instead. For example: {$mod: {<field>: ...}}`);
    for (const [path, argument] of fields) {
      checkUpdatePath(path);
      changes.push(...operator(path, argument, now));
    }
  }
  changes.sort((a, b) => comparePaths(a.path, b.path));
  for (let i = 1; i < changes.length; i++) {
    const [before, after] = [changes[i - 1] as Change, changes[i] as Change];
    if (after.path === before.path || after.path.startsWith(`${before.path}.`)) {
      throw new CommandFailure(40, `Updating the path '${after.path}' would create a conflict at '${before.path}'`);
    }
  }
  return changes;
}

function checkUpdatePath(path: string): void {
  if (path === '') throw new CommandFailure(56, "An empty update path is not valid.");
  const fields = splitPath(path);
  if (fields.includes('')) throw new CommandFailure(56, `The update path '${path}' contains an empty field name, which is not allowed.`);
  if ((fields[0] as string).startsWith('$')) {
    if (/^\$(\[.*\])?$/.test(fields[0] as string)) throw badValue(`Cannot have positional (i.e. '$') element in the first position in path '${path}'`);
    throw new CommandFailure(52, `The dollar ($) prefixed field '${path}' in '${path}' is not allowed in the context of an update.`);
  }
}

function comparePaths(a: string, b: string): number {
  const left = splitPath(a);
  const right = splitPath(b);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i] as string, right[i] as string];
    if (x === y) continue;
    const [m, n] = [arrayIndex(x), arrayIndex(y)];
    if (m !== undefined && n !== undefined) return m - n;
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

function applyChange(doc: Doc, path: string[], change: Change): void {
  const before = getAt(doc, path);
  const after = change.apply(before, doc);
  if (after === undefined) {
    if (before !== undefined) unsetAt(doc, path);
  } else if (after !== before || before === undefined) setAt(doc, path, after);
}
