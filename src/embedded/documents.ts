import { randomBytes } from 'node:crypto';
import type { Catalog, Collection } from './catalog.ts';
import { encodeDoc, MAX_DOCUMENT_BYTES } from './codec.ts';
import { CommandFailure, DuplicateKeyFailure } from './failure.ts';
import type { Entries, Index, IndexEntry } from './index-entries.ts';
import { combinationsOf, documentKey, entriesOf, idInUniqueValue } from './index-entries.ts';
import { immutableId } from './update.ts';
import { describeValue } from './describe.ts';
import type { Storage } from './storage.ts';
import { sealBytes } from './storage.ts';
import type { Doc, Value } from './value.ts';
import { isDoc, ObjectIdValue, RegexValue, typeNameOf, UNDEFINED } from './value.ts';

/*
 * The only places where documents and their index entries change. Each works inside `storage.write` and checks everything
 * before its first put: a refusal leaves nothing half done.
 */

/** Inserts a document; gives back its `_id`. Throws 11000 when a unique key is taken. */
export function insertDoc(storage: Storage, catalog: Catalog, collection: Collection, given: Doc): Value {
  const doc = withIdFirst(given);
  const id = checkId(doc.get('_id') as Value);
  const bytes = encodeChecked(doc);
  const key = documentKey(collection.id, id);
  if (storage.has(key)) throw duplicate(collection, collection.indexes[0] as Index, doc);
  const idBytes = key.subarray(4);
  const all = secondary(collection).map((index) => ({ index, found: entriesOf(index, doc, idBytes) }));
  for (const { index, found } of all) checkUnique(storage, collection, index, found.entries, idBytes, doc);
  storage.put(key, sealBytes(bytes));
  for (const { found } of all) for (const entry of found.entries) storage.put(entry.key, entry.value);
  learn(catalog, collection, all);
  return id;
}

/** Replaces a stored document by its changed form; false when nothing differs. Throws 66 for a changed `_id`, 11000. */
export function replaceDoc(storage: Storage, catalog: Catalog, collection: Collection, idBytes: Buffer, oldBytes: Buffer, oldDoc: Doc, changed: Doc): boolean {
  if (!changed.has('_id')) throw immutableId();
  const doc = withIdFirst(changed);
  const bytes = encodeChecked(doc);
  if (bytes.equals(oldBytes)) return false;
  const key = documentKey(collection.id, doc.get('_id') as Value);
  if (!key.subarray(4).equals(idBytes)) throw immutableId();
  const all = secondary(collection).map((index) => ({ index, before: entriesOf(index, oldDoc, idBytes), found: entriesOf(index, doc, idBytes) }));
  for (const { index, found } of all) checkUnique(storage, collection, index, found.entries, idBytes, doc);
  storage.put(key, sealBytes(bytes));
  for (const { before, found } of all) {
    const kept = new Map(found.entries.map((entry) => [entry.key.toString('latin1'), entry]));
    for (const entry of before.entries) {
      const text = entry.key.toString('latin1');
      const same = kept.get(text);
      if (!same) storage.remove(entry.key);
      else if (same.value.equals(entry.value)) kept.delete(text);
    }
    for (const entry of kept.values()) storage.put(entry.key, entry.value);
  }
  learn(catalog, collection, all);
  return true;
}

/** Removes a document and its entries. */
export function deleteDoc(storage: Storage, collection: Collection, idBytes: Buffer, doc: Doc): void {
  const all = secondary(collection).flatMap((index) => entriesOf(index, doc, idBytes).entries);
  for (const entry of all) storage.remove(entry.key);
  storage.remove(documentKey(collection.id, doc.get('_id') as Value));
}

/** Writes one document's entries into a new index. Throws 11000. */
export function addToIndex(storage: Storage, catalog: Catalog, collection: Collection, index: Index, doc: Doc, idBytes: Buffer): void {
  const found = entriesOf(index, doc, idBytes);
  checkUnique(storage, collection, index, found.entries, idBytes, doc);
  for (const entry of found.entries) storage.put(entry.key, entry.value);
  learn(catalog, collection, [{ index, found }]);
}

/** A new ObjectId: seconds, five random bytes of this process, a counter. */
export function makeObjectId(seconds: number): ObjectIdValue {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(seconds >>> 0, 0);
  processBytes.copy(bytes, 4);
  counter = (counter + 1) & 0xffffff;
  bytes.writeUIntBE(counter, 9, 3);
  return new ObjectIdValue(bytes);
}

const processBytes = randomBytes(5);
let counter = randomBytes(3).readUIntBE(0, 3);

function secondary(collection: Collection): Index[] {
  return collection.indexes.filter((index) => !index.clustered);
}

function withIdFirst(doc: Doc): Doc {
  if (doc.keys().next().value === '_id') return doc;
  const id = doc.get('_id');
  if (id === undefined) throw new CommandFailure(2, 'a document reached the engine without an _id');
  const ordered: Doc = new Map([['_id', id]]);
  for (const [name, value] of doc) ordered.set(name, value);
  return ordered;
}

function checkId(id: Value): Value {
  if (Array.isArray(id) || id instanceof RegexValue || id === UNDEFINED) throw new CommandFailure(53, `The '_id' value cannot be of type ${typeNameOf(id)}`);
  if (isDoc(id)) for (const name of id.keys()) if (name.startsWith('$')) throw new CommandFailure(52, `_id fields may not contain '$'-prefixed fields: ${name} is not valid for storage.`);
  return id;
}

function encodeChecked(doc: Doc): Buffer {
  const bytes = encodeDoc(doc);
  if (bytes.length > MAX_DOCUMENT_BYTES) throw new CommandFailure(10334, `BSONObj size: ${bytes.length} is invalid. Size must be between 0 and ${MAX_DOCUMENT_BYTES}(16MB)`);
  return bytes;
}

function checkUnique(storage: Storage, collection: Collection, index: Index, entries: IndexEntry[], idBytes: Buffer, doc: Doc): void {
  if (!index.unique) return;
  for (const entry of entries) {
    const taken = storage.get(entry.key);
    if (taken && !idInUniqueValue(taken).equals(idBytes)) throw duplicate(collection, index, doc, entry, idBytes);
  }
}

function duplicate(collection: Collection, index: Index, doc: Doc, entry?: IndexEntry, idBytes?: Buffer): DuplicateKeyFailure {
  const rows = combinationsOf(index.fields, doc, []);
  // Of an array's several keys the message names the one that was taken.
  let row = rows[0] as (Value | undefined)[];
  if (entry && idBytes && rows.length > 1) {
    for (const each of rows) {
      const single: Doc = new Map([['_id', null]]);
      index.fields.forEach((field, i) => single.set(`${i}:${field.path}`, each[i] ?? null));
      const flat: Index = { ...index, partial: undefined, sparse: false, fields: index.fields.map((field, i) => ({ ...field, fields: [`${i}:${field.path}`] })) };
      if (entriesOf(flat, single, idBytes).entries.some((made) => made.key.equals(entry.key))) row = each;
    }
  }
  const keyValue: Doc = new Map(index.fields.map((field, i): [string, Value] => [field.path, row[i] ?? null]));
  const shown = [...keyValue].map(([name, value]) => `${name}: ${describeValue(value)}`).join(', ');
  return new DuplicateKeyFailure(
    `E11000 duplicate key error collection: ${collection.database}.${collection.name} index: ${index.name} dup key: { ${shown} }`,
    index.spec.get('key') as Doc,
    keyValue,
  );
}

/** Keeps in the catalog what the entries showed: arrays and kinds of values, which decide how an index may be used. */
function learn(catalog: Catalog, collection: Collection, all: { index: Index; found: Entries }[]): void {
  let changed = false;
  for (const { index, found } of all) {
    found.multikey.forEach((seen, i) => {
      if (seen && !index.multikey[i]) {
        index.multikey[i] = true;
        changed = true;
      }
    });
    found.kinds.forEach((seen, i) => {
      const known = index.kinds[i] as number;
      if ((known | seen) !== known) {
        index.kinds[i] = known | seen;
        changed = true;
      }
    });
  }
  if (changed) catalog.save(collection);
}
