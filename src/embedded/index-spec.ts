import { isTrue } from './expression.ts';
import { CommandFailure } from './failure.ts';
import type { Filter } from './filter.ts';
import { parseFilter } from './filter.ts';
import type { Index } from './index-entries.ts';
import { isNumeric, toFloat } from './number.ts';
import { arrayIndex, splitPath } from './path.ts';
import type { Doc, Value } from './value.ts';
import { docOf, isDoc, isNumber, typeNameOf } from './value.ts';
import { encodeDoc } from './codec.ts';

const KNOWN_OPTIONS = new Set(['v', 'key', 'name', 'unique', 'sparse', 'partialFilterExpression', 'expireAfterSeconds', 'background', 'hidden', 'ns', 'collation', 'clustered']);

/** An index from its stored spec. */
export function indexFromSpec(id: number, spec: Doc, clustered: boolean): Index {
  const fields = [...(spec.get('key') as Doc)].map(([path, direction]) => ({
    path,
    fields: splitPath(path),
    descending: isNumeric(direction) && toFloat(direction) < 0,
  }));
  const partial = spec.get('partialFilterExpression');
  const expire = spec.get('expireAfterSeconds');
  return {
    id,
    name: spec.get('name') as string,
    fields,
    unique: clustered || spec.get('unique') === true,
    sparse: spec.get('sparse') === true,
    clustered,
    building: false,
    partial: isDoc(partial) ? { doc: partial, filter: parseFilter(partial) } : undefined,
    expireAfterSeconds: isNumeric(expire) ? toFloat(expire) : undefined,
    multikey: fields.map(() => false),
    kinds: fields.map(() => 0),
    spec,
  };
}

/**
 * Checks a client's index document and brings it into the form that is stored. Refuses with MongoDB's codes what it
 * calls bad (67, 72, 197) and what this engine does not serve: text, 2d, hashed, wildcard, collations.
 */
export function normalizeSpec(given: Value): Doc {
  if (!isDoc(given)) throw new CommandFailure(14, `The 'indexes' field must be an array of objects, but got ${typeNameOf(given)}`);
  for (const name of given.keys()) {
    if (!KNOWN_OPTIONS.has(name)) throw new CommandFailure(197, `The field '${name}' is not valid for an index specification. Specification: not served by this engine`);
  }
  const key = given.get('key');
  if (!isDoc(key)) throw new CommandFailure(9, "The 'key' field is a required property of an index specification");
  if (key.size === 0) throw new CommandFailure(67, 'Index keys cannot be an empty object.');
  if (key.size > 32) throw new CommandFailure(67, 'Index key pattern cannot have more than 32 fields');
  for (const [path, direction] of key) checkKeyField(path, direction);
  const name = given.get('name');
  if (typeof name !== 'string') throw new CommandFailure(9, "The 'name' field is a required property of an index specification");
  if (name === '' || name === '*') throw new CommandFailure(67, `The index name '${name}' is not valid`);
  if (given.has('collation')) {
    const collation = given.get('collation');
    if (!isDoc(collation) || collation.get('locale') !== 'simple') throw new CommandFailure(67, 'collations other than simple are not served by this engine');
  }
  const partial = given.get('partialFilterExpression');
  if (partial !== undefined) {
    if (!isDoc(partial)) throw new CommandFailure(14, "The field 'partialFilterExpression' must be an object");
    checkPartial(parseFilter(partial));
    if (given.has('sparse') && isTrue(given.get('sparse'))) throw new CommandFailure(67, 'cannot mix "partialFilterExpression" and "sparse" options');
  }
  const expire = given.get('expireAfterSeconds');
  if (expire !== undefined) {
    if (!isNumber(expire)) throw new CommandFailure(67, `TTL index 'expireAfterSeconds' option must be numeric, but received a type of ${typeNameOf(expire)}`);
    if (toFloat(expire) < 0) throw new CommandFailure(67, "TTL index 'expireAfterSeconds' option must be within an acceptable range");
    if (key.size > 1) throw new CommandFailure(67, 'TTL indexes are single-field indexes, compound indexes do not support TTL');
    if (key.has('_id')) throw new CommandFailure(197, "The field 'expireAfterSeconds' is not valid for an _id index specification");
  }
  return docOf({
    v: 2,
    key,
    name,
    unique: isTrue(given.get('unique')) ? true : undefined,
    sparse: isTrue(given.get('sparse')) ? true : undefined,
    partialFilterExpression: partial,
    expireAfterSeconds: expire,
    hidden: isTrue(given.get('hidden')) ? true : undefined,
  });
}

/** True when two specs ask for the same index, whatever their names. */
export function sameIndex(a: Doc, b: Doc): boolean {
  const [left, right] = [a, b].map((spec) => {
    const rest = new Map(spec);
    rest.delete('name');
    rest.delete('v');
    rest.delete('background');
    // Directions are the same index whether they came as int32 or double.
    rest.set('key', new Map([...(spec.get('key') as Doc)].map(([path, way]) => [path, toFloat(way as number) < 0 ? -1 : 1])));
    return encodeDoc(new Map([...rest].toSorted(([x], [y]) => (x < y ? -1 : 1))));
  }) as [Buffer, Buffer];
  return left.equals(right);
}

function checkKeyField(path: string, direction: Value): void {
  if (typeof direction === 'string') throw new CommandFailure(67, `Unknown index plugin '${direction}': only ascending and descending keys are served by this engine`);
  if (!isNumber(direction) || toFloat(direction) === 0 || Number.isNaN(toFloat(direction))) {
    throw new CommandFailure(67, `Values in v:2 index key pattern cannot be of type ${typeNameOf(direction)}. Only numbers > 0, numbers < 0, and strings are allowed.`);
  }
  if (path === '' || path.startsWith('.') || path.endsWith('.') || path.includes('..')) throw new CommandFailure(67, 'Index keys cannot contain an empty field name.');
  for (const field of splitPath(path)) {
    if (field.startsWith('$')) throw new CommandFailure(67, field === '$**' ? 'wildcard indexes are not served by this engine' : `Index key contains an illegal field name: field name starts with '$'.`);
    if (arrayIndex(field) !== undefined) throw new CommandFailure(67, `a place in an array (${path}) as an index key is not served by this engine`);
  }
}

/** MongoDB allows only tests that an index can answer; a negation or an expression is not one. */
function checkPartial(filter: Filter): void {
  if (filter.kind === 'and' || filter.kind === 'or') for (const part of filter.parts) checkPartial(part);
  else if (filter.kind === 'field' && ['eq', 'gt', 'gte', 'lt', 'lte', 'in', 'type', 'exists'].includes(filter.test.op)) return;
  else throw new CommandFailure(67, 'unsupported expression in partial index');
}
