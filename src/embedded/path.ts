import type { Doc, Value } from './value.ts';
import { isDoc } from './value.ts';

/** A dotted path cut into its fields, e.g. `'a.0.b' → ['a', '0', 'b']`. */
export function splitPath(path: string): string[] {
  return path.split('.');
}

/**
 * Every value a filter's path can mean in a document: each array on the way stands for its elements that are documents,
 * and, when the field is a number, for the element at that place. The array at the end itself is not expanded.
 * `throughArray` tells that an array was entered element by element (not by a place in the path).
 * `visit` returns true to stop; the call then returns true. A missing field is visited once as `undefined`.
 */
export function visitPath(
  value: Value,
  fields: readonly string[],
  at: number,
  visit: (value: Value | undefined, throughArray: boolean) => boolean,
  throughArray = false,
): boolean {
  if (at === fields.length) return visit(value, throughArray);
  const field = fields[at] as string;
  if (isDoc(value)) {
    const child = value.get(field);
    if (child === undefined) return visit(undefined, throughArray);
    return visitPath(child, fields, at + 1, visit, throughArray);
  }
  if (!Array.isArray(value)) return visit(undefined, throughArray);
  const index = arrayIndex(field);
  if (index !== undefined) {
    const child = value[index];
    if (child !== undefined && visitPath(child, fields, at + 1, visit, throughArray)) return true;
  }
  for (const item of value) {
    if (isDoc(item) && visitPath(item, fields, at, visit, true)) return true;
  }
  // An array without a document (or place) to enter has nothing at this path; that is not a missing field, so null does not match it.
  return false;
}

/** The array place a path field means (`'12' → 12`); nothing for anything that is not a plain whole number. */
export function arrayIndex(field: string): number | undefined {
  if (!/^(0|[1-9]\d{0,8})$/.test(field)) return undefined;
  return Number(field);
}

/** The value at a path of documents only, as `$project` of a computed field and shard of updates need it; arrays end the walk. */
export function getPlain(doc: Doc, fields: readonly string[]): Value | undefined {
  let value: Value | undefined = doc;
  for (const field of fields) {
    if (!isDoc(value)) return undefined;
    value = value.get(field);
  }
  return value;
}

/** Sets a value at a path of documents, making the documents on the way (and replacing what is not one). */
export function setPlain(doc: Doc, fields: readonly string[], value: Value): void {
  let target = doc;
  for (const field of fields.slice(0, -1)) {
    const child = target.get(field);
    if (isDoc(child)) target = child;
    else {
      const made: Doc = new Map();
      target.set(field, made);
      target = made;
    }
  }
  target.set(fields[fields.length - 1] as string, value);
}
