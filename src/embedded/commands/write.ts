import type { Query } from '../plan.ts';
import { compileUpdatePipeline } from '../aggregate.ts';
import type { Collection } from '../catalog.ts';
import { deleteDoc, insertDoc, makeObjectId, replaceDoc } from '../documents.ts';
import { badValue, CommandFailure } from '../failure.ts';
import type { Filter } from '../filter.ts';
import { compileFilter, parseFilter } from '../filter.ts';
import { compileProjection } from '../projection.ts';
import { findFirst, openQuery } from '../query.ts';
import type { Row } from '../scan.ts';
import { docOfRow } from '../scan.ts';
import type { Index } from '../index-entries.ts';
import { splitPath } from '../path.ts';
import { parseSort } from '../sort.ts';
import { unsealBytes } from '../storage.ts';
import { cloneValue } from '../update-path.ts';
import type { Update } from '../update.ts';
import { parseUpdate, upsertBase } from '../update.ts';
import type { Doc, Value } from '../value.ts';
import { DateValue, docOf, isDoc, wholeNumber } from '../value.ts';
import { isTrue } from '../expression.ts';
import type { Command, Engine, Request } from './command.ts';
import { collectionName, docField, docsField, errorFields } from './command.ts';

/** How long one transaction of a large write works, in milliseconds; then others get in between. */
const SLICE_MS = 15;
/** The longest it works where the disk takes long to sync. */
const MOST_SLICE_MS = 100;
const MOST_WRITES = 100_000;

/** The collection, made when it is not there; only inside a write. */
export function ensureCollection(engine: Engine, database: string, name: string): Collection {
  return engine.catalog.find(database, name) ?? engine.catalog.create(database, name, new Map());
}

/**
 * Runs `step` for 0..count-1 in transactions of a few milliseconds each, all durable at the end. `step` returns false to stop.
 * The sync of a commit costs nearly the same for few changes as for many: a slow disk gets longer slices, so that a large
 * write works twice as long as it waits.
 */
async function inSlices(engine: Engine, count: number, step: (index: number) => boolean): Promise<void> {
  let at = 0;
  let slice = SLICE_MS;
  while (at < count) {
    const worked = await engine.storage.write(() => {
      const started = performance.now();
      while (at < count && performance.now() - started < slice) {
        if (!step(at++)) at = count;
      }
      return performance.now();
    });
    slice = Math.min(MOST_SLICE_MS, Math.max(SLICE_MS, 2 * (performance.now() - worked)));
  }
}

function writeError(index: number, error: unknown): Doc {
  if (!(error instanceof CommandFailure)) throw error;
  return new Map<string, Value>([['index', index], ...errorFields(error)]);
}

function checkBatch(count: number): void {
  if (count < 1 || count > MOST_WRITES) throw new CommandFailure(16, `Write batch sizes must be between 1 and ${MOST_WRITES}. Got ${count} operations.`);
}

async function insert(engine: Engine, { database, body }: Request): Promise<Doc> {
  const name = collectionName(body, database);
  const docs = docsField(body, 'documents');
  checkBatch(docs.length);
  const ordered = body.get('ordered') !== false;
  const errors: Doc[] = [];
  let n = 0;
  await inSlices(engine, docs.length, (index) => {
    const doc = docs[index] as Doc;
    try {
      insertDoc(engine.storage, engine.catalog, ensureCollection(engine, database, name), withId(engine, doc));
      n++;
      return true;
    } catch (error) {
      errors.push(writeError(index, error));
      return !ordered;
    }
  });
  return docOf({ n, writeErrors: errors.length > 0 ? errors : undefined });
}

function withId(engine: Engine, doc: Doc): Doc {
  if (doc.has('_id')) return doc;
  return new Map<string, Value>([['_id', makeObjectId(Math.floor(engine.now() / 1000))], ...doc]);
}

interface UpdateCounts {
  matched: number;
  modified: number;
  upserted: Value | undefined;
}

function readUpdate(engine: Engine, value: Value | undefined, arrayFilters: Value | undefined): Update {
  if (value === undefined) throw new CommandFailure(40414, "BSON field 'update.updates.u' is missing but a required field");
  return parseUpdate(value, arrayFilters, engine.now, compileUpdatePipeline);
}

/** Applies an update to one row; true when it changed. Only inside a write. */
function updateRow(engine: Engine, collection: Collection, row: Row, filter: Filter, update: Update): { changed: boolean; after: Doc } {
  const before = docOfRow(row);
  const after = update.apply(cloneValue(before), filter, false);
  return { changed: replaceDoc(engine.storage, engine.catalog, collection, row.idBytes, row.bytes, before, after), after };
}

/** Inserts what an upsert makes of its filter and update. Only inside a write. */
function upsert(engine: Engine, collection: Collection, filter: Filter, update: Update): Doc {
  const made = update.apply(upsertBase(filter, update), filter, true);
  const doc = withId(engine, made);
  insertDoc(engine.storage, engine.catalog, collection, doc);
  return doc;
}

/** Only inside a write. */
function updateOne(engine: Engine, database: string, name: string, query: Query, update: Update, mayInsert: boolean): UpdateCounts {
  const collection = mayInsert ? ensureCollection(engine, database, name) : engine.catalog.find(database, name);
  const row = collection && findFirst(engine.storage, collection, { ...query, limit: 1 });
  if (collection && row) return { matched: 1, modified: updateRow(engine, collection, row, query.filter, update).changed ? 1 : 0, upserted: undefined };
  if (!collection || !mayInsert) return { matched: 0, modified: 0, upserted: undefined };
  return { matched: 0, modified: 0, upserted: upsert(engine, collection, query.filter, update).get('_id') };
}

/** Finds the rows first and changes them afterwards, each looked at again: a document that moves in an index is met once. */
async function updateMany(engine: Engine, database: string, name: string, query: Query, update: Update, mayInsert: boolean): Promise<UpdateCounts> {
  if (update.replaces) throw new CommandFailure(9, 'multi update is not supported for replacement-style update');
  const collection = engine.catalog.find(database, name);
  const ids = collection ? await idsOf(engine, collection, query) : [];
  let matched = 0;
  let modified = 0;
  if (collection) {
    const matches = compileFilter(query.filter);
    await inSlices(engine, ids.length, (at) => {
      const row = rowOf(engine, collection, ids[at] as Buffer);
      if (row && matches(docOfRow(row))) {
        matched++;
        if (updateRow(engine, collection, row, query.filter, update).changed) modified++;
      }
      return true;
    });
  }
  if (matched > 0 || !mayInsert) return { matched, modified, upserted: undefined };
  return engine.storage.write(() => updateOne(engine, database, name, query, update, true));
}

async function idsOf(engine: Engine, collection: Collection, query: Query): Promise<Buffer[]> {
  const ids: Buffer[] = [];
  const running = openQuery(engine.storage, collection, query);
  for await (const rows of running.rows()) for (const row of rows) ids.push(Buffer.from(row.idBytes));
  return ids;
}

function rowOf(engine: Engine, collection: Collection, idBytes: Buffer): Row | undefined {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(collection.id);
  const sealed = engine.storage.get(Buffer.concat([prefix, idBytes]));
  return sealed && { bytes: unsealBytes(sealed), idBytes, doc: undefined };
}

async function update(engine: Engine, { database, body }: Request): Promise<Doc> {
  const name = collectionName(body, database);
  const updates = docsField(body, 'updates');
  checkBatch(updates.length);
  const errors: Doc[] = [];
  const upserted: Doc[] = [];
  let n = 0;
  let nModified = 0;
  const note = (index: number, counts: UpdateCounts): void => {
    n += counts.matched;
    nModified += counts.modified;
    if (counts.upserted === undefined) return;
    n++;
    upserted.push(new Map<string, Value>([['index', index], ['_id', counts.upserted]]));
  };
  const read = (each: Doc): [Query, Update, boolean] => {
    checkCollation(each);
    const query: Query = { filter: parseFilter(docField(each, 'q')), sort: parseSort(each.get('sort')), skip: 0, limit: 0, hint: hintOf(each) };
    return [query, readUpdate(engine, each.get('u'), each.get('arrayFilters')), isTrue(each.get('upsert'))];
  };
  await runWrites(engine, updates, body.get('ordered') !== false, errors, {
    isMany: (each) => isTrue(each.get('multi')),
    one: (each, index) => note(index, updateOne(engine, database, name, ...read(each))),
    many: async (each, index) => note(index, await updateMany(engine, database, name, ...read(each))),
  });
  return docOf({
    n: wholeNumber(n),
    nModified: wholeNumber(nModified),
    upserted: upserted.length > 0 ? upserted : undefined,
    writeErrors: errors.length > 0 ? errors : undefined,
  });
}

/** The writes of one command: what concerns one document shares transactions with its neighbours, what concerns many has its own. */
async function runWrites(
  engine: Engine,
  writes: readonly Doc[],
  ordered: boolean,
  errors: Doc[],
  run: { isMany(write: Doc): boolean; one(write: Doc, index: number): void; many(write: Doc, index: number): Promise<void> },
): Promise<void> {
  let at = 0;
  const fail = (index: number, error: unknown): boolean => {
    errors.push(writeError(index, error));
    if (ordered) at = writes.length;
    return !ordered;
  };
  while (at < writes.length) {
    const from = at;
    if (run.isMany(writes[from] as Doc)) {
      at++;
      await run.many(writes[from] as Doc, from).catch((error: unknown) => fail(from, error));
      continue;
    }
    const next = writes.findIndex((write, index) => index > from && run.isMany(write));
    at = next < 0 ? writes.length : next;
    await inSlices(engine, at - from, (step) => {
      try {
        run.one(writes[from + step] as Doc, from + step);
        return true;
      } catch (error) {
        return fail(from + step, error);
      }
    });
  }
}

function hintOf(each: Doc): Value | undefined {
  const hint = each.get('hint');
  return isDoc(hint) && hint.size === 0 ? undefined : hint;
}

function checkCollation(each: Doc): void {
  const collation = each.get('collation');
  if (isDoc(collation) && collation.size > 0 && collation.get('locale') !== 'simple') throw new CommandFailure(238, 'collations other than simple are not served by this engine');
}

async function remove(engine: Engine, { database, body }: Request): Promise<Doc> {
  const name = collectionName(body, database);
  const deletes = docsField(body, 'deletes');
  checkBatch(deletes.length);
  const errors: Doc[] = [];
  let n = 0;
  const read = (each: Doc): Query => {
    checkCollation(each);
    return { filter: parseFilter(docField(each, 'q')), sort: [], skip: 0, limit: 0, hint: hintOf(each) };
  };
  await runWrites(engine, deletes, body.get('ordered') !== false, errors, {
    isMany: (each) => Number(each.get('limit') ?? -1) === 0,
    one(each) {
      const query = read(each);
      const limit = Number(each.get('limit') ?? -1);
      if (limit !== 1) throw new CommandFailure(9, `The limit field in delete objects must be 0 or 1. Got ${limit}`);
      n += deleteOne(engine, database, name, query);
    },
    async many(each) {
      n += await deleteMany(engine, database, name, read(each));
    },
  });
  return docOf({ n: wholeNumber(n), writeErrors: errors.length > 0 ? errors : undefined });
}

/** Only inside a write. */
function deleteOne(engine: Engine, database: string, name: string, query: Query): number {
  const collection = engine.catalog.find(database, name);
  const row = collection && findFirst(engine.storage, collection, { ...query, limit: 1 });
  if (!collection || !row) return 0;
  deleteDoc(engine.storage, collection, row.idBytes, docOfRow(row));
  return 1;
}

async function deleteMany(engine: Engine, database: string, name: string, query: Query): Promise<number> {
  const collection = engine.catalog.find(database, name);
  if (!collection) return 0;
  const ids = await idsOf(engine, collection, query);
  const matches = compileFilter(query.filter);
  let n = 0;
  await inSlices(engine, ids.length, (at) => {
    const row = rowOf(engine, collection, ids[at] as Buffer);
    if (row && matches(docOfRow(row))) {
      deleteDoc(engine.storage, collection, row.idBytes, docOfRow(row));
      n++;
    }
    return true;
  });
  return n;
}

async function findAndModify(engine: Engine, { database, body }: Request): Promise<Doc> {
  const name = collectionName(body, database);
  const removes = isTrue(body.get('remove'));
  const given = body.get('update');
  const mayInsert = isTrue(body.get('upsert'));
  const wantsNew = isTrue(body.get('new'));
  if (removes && given !== undefined) throw new CommandFailure(9, "Cannot specify both an 'update' and 'remove'=true");
  if (!removes && given === undefined) throw new CommandFailure(9, "Either an update or 'remove'=true must be specified");
  if (removes && (mayInsert || wantsNew)) throw new CommandFailure(9, "Cannot specify 'upsert' or 'new' with 'remove'=true");
  const query: Query = { filter: parseFilter(docField(body, 'query')), sort: parseSort(body.get('sort')), skip: 0, limit: 1, hint: hintOf(body) };
  const fields = docField(body, 'fields');
  const project = fields.size > 0 ? compileProjection(fields, { filter: query.filter }) : (doc: Doc): Doc => doc;
  const parsed = removes ? undefined : readUpdate(engine, given, body.get('arrayFilters'));
  return engine.storage.write(() => {
    const collection = mayInsert ? ensureCollection(engine, database, name) : engine.catalog.find(database, name);
    const row = collection && findFirst(engine.storage, collection, query);
    if (collection && row) {
      const before = docOfRow(row);
      if (!parsed) {
        const value = project(before);
        deleteDoc(engine.storage, collection, row.idBytes, before);
        return docOf({ lastErrorObject: docOf({ n: 1 }), value });
      }
      const old = wantsNew ? undefined : project(cloneValue(before));
      const { after } = updateRow(engine, collection, row, query.filter, parsed);
      const value = old ?? projectStored(project, after);
      return docOf({ lastErrorObject: docOf({ n: 1, updatedExisting: true }), value });
    }
    if (!parsed) return docOf({ lastErrorObject: docOf({ n: 0 }), value: null });
    if (!collection || !mayInsert) return docOf({ lastErrorObject: docOf({ n: 0, updatedExisting: false }), value: null });
    const made = upsert(engine, collection, query.filter, parsed);
    return docOf({
      lastErrorObject: docOf({ n: 1, updatedExisting: false, upserted: made.get('_id') }),
      value: wantsNew ? projectStored(project, made) : null,
    });
  });
}

/** The document as it was stored: `_id` first. */
function projectStored(project: (doc: Doc) => Doc, doc: Doc): Doc {
  const id = doc.get('_id');
  if (id === undefined) throw badValue('a document without _id was stored');
  return project(new Map<string, Value>([['_id', id], ...doc]));
}

/** The commands that change documents. */
export const WRITE_COMMANDS: [string, Command][] = [
  ['insert', { fields: ['documents', 'ordered', 'bypassDocumentValidation'], run: insert }],
  ['update', { fields: ['updates', 'ordered', 'bypassDocumentValidation', 'let', 'collation'], run: update }],
  ['delete', { fields: ['deletes', 'ordered', 'let', 'collation'], run: remove }],
  [
    'findAndModify',
    { fields: ['findandmodify', 'query', 'sort', 'remove', 'update', 'new', 'fields', 'upsert', 'bypassDocumentValidation', 'arrayFilters', 'hint', 'collation', 'let'], run: findAndModify },
  ],
];

/** Removes the documents whose date in a TTL index (of an array the earliest) lies before a moment; how many went. */
export async function expireIndex(engine: Engine, collection: Collection, index: Index, before: number): Promise<number> {
  const path = (index.fields[0] as { path: string }).path;
  const filter: Filter = { kind: 'field', path, fields: splitPath(path), test: { op: 'lte', value: new DateValue(before) } };
  const parts = index.partial ? [filter, index.partial.filter] : [filter];
  return deleteMany(engine, collection.database, collection.name, { filter: { kind: 'and', parts }, sort: [], skip: 0, limit: 0, hint: undefined });
}
