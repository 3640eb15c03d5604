import type { Expression } from './expression.ts';
import { compileExpression, isTrue } from './expression.ts';
import { CommandFailure } from './failure.ts';
import type { Filter } from './filter.ts';
import { compileFilter, findMatchingPlace, parseFilter } from './filter.ts';
import { isNumeric, toWhole } from './number.ts';
import { splitPath } from './path.ts';
import type { Doc, Value } from './value.ts';
import { isDoc } from './value.ts';

/** Shapes a document for the reader. */
export type Project = (doc: Doc) => Doc;

/** What a projection says about one field; a `Map` says it about the fields below. */
type Rule = 'include' | 'exclude' | Expression | Special | Rules;
type Rules = Map<string, Rule>;
interface Special {
  special: (value: Value | undefined, doc: Doc) => Value | undefined;
}

/**
 * Compiles a projection. `find` adds what only `find` knows: `$slice`, `$elemMatch` and the positional `a.$`, which needs
 * the filter. Mixing inclusion and exclusion is refused with MongoDB's codes 31253 and 31254.
 */
export function compileProjection(projection: Doc, find: { filter: Filter } | undefined): Project {
  const rules: Rules = new Map();
  let including: boolean | undefined;
  let idRule: boolean | undefined;
  let positional = false;

  const add = (path: string, rule: Rule): void => {
    const fields = splitPath(path);
    let at = rules;
    for (const field of fields.slice(0, -1)) {
      const below = at.get(field);
      if (below !== undefined && !(below instanceof Map)) throw new CommandFailure(31250, `Path collision at ${path}`);
      const made: Rules = below ?? new Map<string, Rule>();
      at.set(field, made);
      at = made;
    }
    const last = fields[fields.length - 1] as string;
    if (at.has(last)) throw new CommandFailure(31250, `Path collision at ${path}`);
    at.set(last, rule);
  };
  const turn = (include: boolean, path: string): void => {
    if (including !== undefined && including !== include) {
      throw include
        ? new CommandFailure(31253, `Cannot do inclusion on field ${path} in exclusion projection`)
        : new CommandFailure(31254, `Cannot do exclusion on field ${path} in inclusion projection`);
    }
    including = include;
  };
  const walk = (path: string, value: Value): void => {
    if (path === '') throw new CommandFailure(40352, 'FieldPath cannot be constructed with empty string');
    if (isNumeric(value) || typeof value === 'boolean') {
      const include = isTrue(value);
      if (path === '_id') {
        idRule = include;
        if (!include) return;
      } else turn(include, path);
      if (path.endsWith('.$') && find) {
        if (positional) throw new CommandFailure(31276, 'Cannot specify more than one positional projection per query.');
        positional = true;
        const array = path.slice(0, -2);
        add(array, { special: (found, doc) => positionalItem(find.filter, array, found, doc) });
        return;
      }
      add(path, include ? 'include' : 'exclude');
      return;
    }
    if (isDoc(value)) {
      const first = value.keys().next().value;
      if (first === undefined) throw new CommandFailure(51270, `An empty sub-projection is not a valid value. Found empty object at path ${path}`);
      if (find && first === '$slice') {
        const special = slicing(value.get('$slice') as Value);
        if (special) {
          add(path, special);
          return;
        }
      }
      if (find && first === '$elemMatch') {
        const inner = value.get('$elemMatch');
        if (!isDoc(inner)) throw new CommandFailure(31274, 'elemMatch: Invalid argument, object required');
        turn(true, path);
        const place = (item: Value): boolean => elementMatches(inner, item);
        add(path, { special: (found) => firstItem(found, place) });
        return;
      }
      if (!first.startsWith('$')) {
        for (const [name, inner] of value) walk(`${path}.${name}`, inner);
        return;
      }
    }
    if (path !== '_id') turn(true, path);
    add(path, compileExpression(value));
  };
  for (const [path, value] of projection) walk(path, value);
  const onlyId = including === undefined;
  // Only `_id: 1` includes nothing else; only `_id: 0`, or specials alone, exclude nothing else.
  const include = including ?? (onlyId && idRule === true && [...rules.values()].every((rule) => rule === 'include'));
  if (include && idRule !== false && !rules.has('_id')) rules.set('_id', 'include');
  if (!include && idRule === false) rules.set('_id', 'exclude');
  if (!include && rules.get('_id') === 'include') rules.delete('_id');
  return (doc) => (include ? includeFields(rules, doc, doc) : excludeFields(rules, doc, doc));
}

function includeFields(rules: Rules, doc: Doc, root: Doc): Doc {
  const out: Doc = new Map();
  for (const [name, value] of doc) {
    const rule = rules.get(name);
    if (rule === undefined || isExpression(rule)) {
      // A computed field keeps no place of its own among the others.
      continue;
    }
    const kept = rule === 'include' ? value : rule instanceof Map ? includeBelow(rule, value, root) : rule === 'exclude' ? undefined : rule.special(value, root);
    if (kept !== undefined) out.set(name, kept);
  }
  computeFields(rules, doc, out, root);
  return out;
}

function includeBelow(rules: Rules, value: Value, root: Doc): Value | undefined {
  if (isDoc(value)) return includeFields(rules, value, root);
  if (Array.isArray(value)) {
    const items: Value[] = [];
    for (const item of value) {
      const kept = includeBelow(rules, item, root);
      if (kept !== undefined) items.push(kept);
    }
    return items;
  }
  return undefined;
}

/** Adds the computed fields, also those below documents that do not exist yet. */
function computeFields(rules: Rules, doc: Doc, out: Doc, root: Doc): void {
  for (const [name, rule] of rules) {
    if (isExpression(rule)) {
      const value = rule.evaluate(root);
      if (value !== undefined) out.set(name, value);
    } else if (rule instanceof Map && hasExpression(rule) && !isDoc(doc.get(name)) && !Array.isArray(doc.get(name))) {
      const made: Doc = new Map();
      computeFields(rule, new Map(), made, root);
      out.set(name, made);
    }
  }
}

function excludeFields(rules: Rules, doc: Doc, root: Doc): Doc {
  const out: Doc = new Map();
  for (const [name, value] of doc) {
    const rule = rules.get(name);
    if (rule === undefined || rule === 'include') out.set(name, value);
    else if (rule instanceof Map) out.set(name, excludeBelow(rule, value, root));
    else if (rule !== 'exclude' && !isExpression(rule)) {
      const kept = rule.special(value, root);
      if (kept !== undefined) out.set(name, kept);
    }
  }
  computeFields(rules, doc, out, root);
  return out;
}

function excludeBelow(rules: Rules, value: Value, root: Doc): Value {
  if (isDoc(value)) return excludeFields(rules, value, root);
  return Array.isArray(value) ? value.map((item) => excludeBelow(rules, item, root)) : value;
}

function isExpression(rule: Rule): rule is Expression {
  return typeof rule === 'object' && 'evaluate' in rule;
}

function hasExpression(rules: Rules): boolean {
  return [...rules.values()].some((rule) => isExpression(rule) || (rule instanceof Map && hasExpression(rule)));
}

/** `{ $slice: n }` and `{ $slice: [skip, n] }`; anything else is the expression of that name. */
function slicing(argument: Value): Special | undefined {
  const whole = (value: Value | undefined): number | undefined => (isNumeric(value) ? Number(toWhole(value) ?? 0n) : undefined);
  const single = whole(argument);
  if (single !== undefined) return { special: (value) => (Array.isArray(value) ? (single >= 0 ? value.slice(0, single) : value.slice(single)) : value) };
  if (!Array.isArray(argument) || argument.length !== 2) return undefined;
  const [skip, count] = argument.map(whole);
  if (skip === undefined || count === undefined) return undefined;
  if (count <= 0) throw new CommandFailure(28729, 'First argument to $slice must be positive when a skip is given');
  return {
    special: (value) => {
      if (!Array.isArray(value)) return value;
      const from = skip < 0 ? Math.max(value.length + skip, 0) : skip;
      return value.slice(from, from + count);
    },
  };
}

function elementMatches(condition: Doc, item: Value): boolean {
  const filter = parseFilter(new Map([['v', new Map([['$elemMatch', condition]])]]));
  return compileFilter(filter)(new Map([['v', [item]]]));
}

function firstItem(value: Value | undefined, place: (item: Value) => boolean): Value | undefined {
  if (!Array.isArray(value)) return undefined;
  const found = value.find(place);
  return found === undefined ? undefined : [found];
}

function positionalItem(filter: Filter, path: string, value: Value | undefined, doc: Doc): Value | undefined {
  if (!Array.isArray(value)) return value;
  const place = findMatchingPlace(filter, doc, path);
  if (place < 0) throw new CommandFailure(51246, "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array");
  return [value[place] as Value];
}

/** `$addFields`/`$set`: computed fields laid over a document, below existing documents and into each document of arrays. */
export function compileAddFields(fields: Doc): Project {
  const rules: Rules = new Map();
  const walk = (at: Rules, path: string[], value: Value): void => {
    const [first, ...rest] = path as [string, ...string[]];
    if (first === '' || first.startsWith('$')) throw new CommandFailure(16410, `FieldPath field names may not start with '$'. Consider using $getField or $setField.`);
    const nested = rest.length === 0 && isDoc(value) && value.size > 0 && !(value.keys().next().value as string).startsWith('$');
    if (rest.length === 0 && !nested) {
      if (at.has(first)) throw new CommandFailure(40176, `specification contains two conflicting paths at ${first}`);
      at.set(first, compileExpression(value));
      return;
    }
    const below = at.get(first) ?? new Map<string, Rule>();
    if (!(below instanceof Map)) throw new CommandFailure(40176, `specification contains two conflicting paths at ${first}`);
    at.set(first, below);
    if (nested) for (const [name, inner] of value) walk(below, splitPath(name), inner);
    else walk(below, rest, value);
  };
  for (const [path, value] of fields) walk(rules, splitPath(path), value);
  return (doc) => addFields(rules, doc, doc) as Doc;
}

function addFields(rules: Rules, value: Value | undefined, root: Doc): Value {
  if (Array.isArray(value)) return value.map((item) => addFields(rules, item, root));
  const out: Doc = new Map(isDoc(value) ? value : []);
  for (const [name, rule] of rules) {
    if (rule instanceof Map) out.set(name, addFields(rule, out.get(name), root));
    else if (isExpression(rule)) {
      const computed = rule.evaluate(root);
      if (computed === undefined) out.delete(name);
      else out.set(name, computed);
    }
  }
  return out;
}
