import type { Catalog, Collection } from '../catalog.ts';
import { rangesOf, requireCollection } from '../catalog.ts';
import { decodeDoc } from '../codec.ts';
import { describeValue } from '../describe.ts';
import { addToIndex } from '../documents.ts';
import { CommandFailure } from '../failure.ts';
import { parseFilter, compileFilter } from '../filter.ts';
import type { Index } from '../index-entries.ts';
import { entriesOf, rangeOf } from '../index-entries.ts';
import { normalizeSpec, sameIndex } from '../index-spec.ts';
import { createPacer } from '../pace.ts';
import { openEntries } from '../scan.ts';
import { sameDoc } from '../sort.ts';
import { unsealBytes } from '../storage.ts';
import type { Doc, Value } from '../value.ts';
import { docOf, Double, isDoc, RawDoc, wholeNumber } from '../value.ts';
import { encodeDoc } from '../codec.ts';
import type { Command, Engine, Request } from './command.ts';
import { checkDatabase, checkName, collectionName, docField } from './command.ts';
import { ensureCollection } from './write.ts';
import { isTrue } from '../expression.ts';

/** Marks the keys of a dropped collection or index for removal; only inside a write. */
function discard(engine: Engine, ids: number[]): void {
  for (const id of ids) engine.storage.putMeta(`t/${id}`, Buffer.from([0]));
}

function idsOf(collection: Collection): number[] {
  return collection.indexes.map((index) => index.id);
}

async function create(engine: Engine, { database, body }: Request): Promise<Doc> {
  const name = collectionName(body, database);
  for (const refused of ['capped', 'timeseries', 'viewOn', 'validator', 'clusteredIndex', 'encryptedFields']) {
    const value = body.get(refused);
    if (value === true || isDoc(value) || typeof value === 'string') throw new CommandFailure(238, `${refused} collections are not served by this engine`);
  }
  await engine.storage.write(() => {
    // MongoDB answers "ok" when the same collection is created again with the same (no) options.
    if (!engine.catalog.find(database, name)) engine.catalog.create(database, name, new Map());
  });
  return new Map();
}

async function drop(engine: Engine, { database, body }: Request): Promise<Doc> {
  const name = collectionName(body, database);
  const dropped = await engine.storage.write(() => {
    const collection = engine.catalog.find(database, name);
    if (!collection) return undefined;
    engine.catalog.drop(collection);
    discard(engine, idsOf(collection));
    return collection;
  });
  if (!dropped) return docOf({ ns: `${database}.${name}` });
  engine.sweep();
  return docOf({ ns: `${database}.${name}`, nIndexesWas: dropped.indexes.length });
}

async function dropDatabase(engine: Engine, { database }: Request): Promise<Doc> {
  checkDatabase(database);
  const count = await engine.storage.write(() => {
    const collections = engine.catalog.list(database);
    for (const collection of collections) {
      engine.catalog.drop(collection);
      discard(engine, idsOf(collection));
    }
    return collections.length;
  });
  engine.sweep();
  return count > 0 ? docOf({ dropped: database }) : new Map();
}

async function renameCollection(engine: Engine, { body }: Request): Promise<Doc> {
  const [from, to] = [body.get('renameCollection'), body.get('to')].map((name) => {
    if (typeof name !== 'string' || !name.includes('.')) throw new CommandFailure(73, `Invalid namespace specified '${describeValue(name ?? null)}'`);
    const dot = name.indexOf('.');
    return { database: name.slice(0, dot), name: name.slice(dot + 1) };
  }) as [{ database: string; name: string }, { database: string; name: string }];
  checkName(to.database, to.name);
  await engine.storage.write(() => {
    const collection = engine.catalog.find(from.database, from.name);
    if (!collection) throw new CommandFailure(26, `Source collection ${from.database}.${from.name} does not exist`);
    const taken = engine.catalog.find(to.database, to.name);
    if (taken === collection) throw new CommandFailure(20, 'cannot rename a collection to itself');
    if (taken && !isTrue(body.get('dropTarget'))) throw new CommandFailure(48, 'target namespace exists');
    if (taken) {
      engine.catalog.drop(taken);
      discard(engine, idsOf(taken));
    }
    engine.catalog.rename(collection, to.database, to.name);
  });
  engine.sweep();
  return new Map();
}

function listDatabases(engine: Engine, { body }: Request): Doc {
  const matches = compileFilter(parseFilter(docField(body, 'filter')));
  const nameOnly = isTrue(body.get('nameOnly'));
  let total = 0;
  const databases: Doc[] = [];
  for (const name of engine.catalog.databases()) {
    const entries = engine.catalog.list(name).reduce((sum, collection) => sum + rangesOf(collection).reduce((n, range) => n + engine.storage.count(range), 0), 0);
    // LMDB keeps one file for all; the share of a database is told by its entries.
    const all = Math.max(engine.storage.usage().entries, 1);
    const size = Math.round((engine.storage.usage().fileBytes * entries) / all);
    const doc = nameOnly ? docOf({ name }) : docOf({ name, sizeOnDisk: BigInt(size), empty: false });
    if (matches(doc)) {
      databases.push(doc);
      total += size;
    }
  }
  return nameOnly ? docOf({ databases }) : docOf({ databases, totalSize: BigInt(total), totalSizeMb: BigInt(Math.floor(total / 1048576)) });
}

function cursorReply(namespace: string, docs: Doc[]): Doc {
  return docOf({ cursor: docOf({ id: 0n, ns: namespace, firstBatch: docs.map((doc) => new RawDoc(encodeDoc(doc))) }) });
}

function listCollections(engine: Engine, { database, body }: Request): Doc {
  checkDatabase(database);
  const matches = compileFilter(parseFilter(docField(body, 'filter')));
  const nameOnly = isTrue(body.get('nameOnly'));
  const docs = engine.catalog
    .list(database)
    .map((collection): Doc =>
      nameOnly
        ? docOf({ name: collection.name, type: 'collection' })
        : docOf({
            name: collection.name,
            type: 'collection',
            options: collection.options,
            info: docOf({ readOnly: false, uuid: collection.uuid }),
            idIndex: (collection.indexes[0] as Index).spec,
          }),
    )
    .filter(matches);
  return cursorReply(`${database}.$cmd.listCollections`, docs);
}

function listIndexes(engine: Engine, { database, body }: Request): Doc {
  const name = collectionName(body, database);
  const collection = requireCollection(engine.catalog, database, name);
  return cursorReply(`${database}.${name}`, collection.indexes.map((index) => index.spec));
}

/** Makes indexes, all or none. An equal one that exists is left alone; one of the same name but different is refused. */
async function createIndexes(engine: Engine, { database, body }: Request): Promise<Doc> {
  const name = collectionName(body, database);
  const given = body.get('indexes');
  if (!Array.isArray(given) || given.length === 0) throw new CommandFailure(2, 'Must specify at least one index to create');
  const specs = given.map(normalizeSpec);
  const made: Index[] = [];
  const reply = await engine.storage.writeAlone(() => {
    const existed = engine.catalog.find(database, name);
    const collection = existed ?? ensureCollection(engine, database, name);
    const before = collection.indexes.length;
    const missing = specs.filter((spec) => !alreadyThere(collection, spec));
    if (before + missing.length > 64) throw new CommandFailure(67, `add index fails, too many indexes for ${database}.${name}`);
    for (const spec of missing) {
      const index = engine.catalog.addIndex(collection, spec);
      made.push(index);
      buildIndex(engine, collection, index);
    }
    return docOf({
      numIndexesBefore: before,
      numIndexesAfter: collection.indexes.length,
      createdCollectionAutomatically: existed === undefined,
      note: missing.length === 0 ? 'all indexes already exist' : undefined,
    });
  });
  for (const index of made) index.building = false;
  return reply;
}

function alreadyThere(collection: Collection, spec: Doc): boolean {
  const key = spec.get('key') as Doc;
  if (key.size === 1 && key.has('_id')) return true;
  for (const index of collection.indexes) {
    const sameName = index.name === spec.get('name');
    const same = sameIndex(index.spec, spec);
    if (same && sameName) return true;
    if (same) throw new CommandFailure(85, `Index already exists with a different name: ${index.name}`);
    if (sameName) {
      throw new CommandFailure(86, `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Requested index: ${index.name}`);
    }
    const partial = (doc: Doc): string => (isDoc(doc.get('partialFilterExpression')) ? encodeDoc(doc.get('partialFilterExpression') as Doc).toString('latin1') : '');
    if (sameDoc(index.spec.get('key') as Doc, key) && partial(index.spec) === partial(spec)) {
      throw new CommandFailure(85, `An equivalent index already exists with the same name but different options. Existing index: ${index.name}`);
    }
  }
  return false;
}

function buildIndex(engine: Engine, collection: Collection, index: Index): void {
  const next = openEntries(engine.storage, rangeOf(collection.id), false);
  for (let entry = next(); entry; entry = next()) {
    addToIndex(engine.storage, engine.catalog, collection, index, decodeDoc(unsealBytes(entry.value)), entry.key.subarray(4));
  }
}

async function dropIndexes(engine: Engine, { database, body }: Request): Promise<Doc> {
  const name = collectionName(body, database);
  const which = body.get('index');
  const before = await engine.storage.write(() => {
    const collection = requireCollection(engine.catalog, database, name);
    const count = collection.indexes.length;
    const wanted = (Array.isArray(which) ? which : [which]).flatMap((each) => findIndexes(collection, each));
    for (const index of wanted) engine.catalog.dropIndex(collection, index);
    discard(engine, wanted.map((index) => index.id));
    return count;
  });
  engine.sweep();
  return docOf({ nIndexesWas: before });
}

function findIndexes(collection: Collection, which: Value | undefined): Index[] {
  if (which === '*') return collection.indexes.filter((index) => !index.clustered);
  const found = collection.indexes.find((index) => (isDoc(which) ? sameDoc(index.spec.get('key') as Doc, which) : index.name === which));
  if (!found) throw new CommandFailure(27, isDoc(which) ? "can't find index with key" : `index not found with name [${describeValue(which ?? null)}]`);
  if (found.clustered) throw new CommandFailure(72, 'cannot drop _id index');
  return [found];
}

/** Reads every document and every index entry: each document decodes and has exactly its entries. */
async function validate(engine: Engine, { database, body }: Request): Promise<Doc> {
  const name = collectionName(body, database);
  const collection = requireCollection(engine.catalog, database, name);
  const errors: string[] = [];
  const keysPerIndex: Doc = new Map();
  const expected = new Map<Index, number>(collection.indexes.map((index) => [index, 0]));
  let records = 0;
  const pace = createPacer();
  const next = openEntries(engine.storage, rangeOf(collection.id), false);
  for (let entry = next(); entry; entry = next()) {
    records++;
    try {
      const doc = decodeDoc(unsealBytes(entry.value));
      for (const index of collection.indexes) {
        if (index.clustered) continue;
        const { entries } = entriesOf(index, doc, entry.key.subarray(4));
        expected.set(index, (expected.get(index) as number) + entries.length);
        for (const each of entries) {
          const stored = engine.storage.get(each.key);
          if (!stored?.equals(each.value)) errors.push(`index ${index.name} lacks an entry of document ${entry.key.subarray(4).toString('hex')}`);
        }
      }
    } catch (error) {
      errors.push(`document ${entry.key.subarray(4).toString('hex')}: ${(error as Error).message}`);
    }
    if (records % 50 === 0) await pace();
  }
  for (const index of collection.indexes) {
    const count = engine.storage.count(rangeOf(index.id));
    keysPerIndex.set(index.name, wholeNumber(count));
    if (!index.clustered && count !== expected.get(index)) errors.push(`index ${index.name} has ${count} entries instead of ${expected.get(index) ?? 0}`);
  }
  return docOf({
    ns: `${database}.${name}`,
    nInvalidDocuments: errors.length,
    nrecords: wholeNumber(records),
    nIndexes: collection.indexes.length,
    keysPerIndex,
    valid: errors.length === 0,
    warnings: [],
    errors: errors.slice(0, 100),
  });
}

function bytesOf(engine: Engine, collection: Collection): { count: number; size: number } {
  let size = 0;
  let count = 0;
  const next = openEntries(engine.storage, rangeOf(collection.id), false);
  for (let entry = next(); entry; entry = next()) {
    count++;
    size += entry.value.length - 4;
  }
  return { count, size };
}

function collStats(engine: Engine, { database, body }: Request): Doc {
  const name = collectionName(body, database);
  const collection = engine.catalog.find(database, name);
  const { count, size } = collection ? bytesOf(engine, collection) : { count: 0, size: 0 };
  return docOf({
    ns: `${database}.${name}`,
    size: wholeNumber(size),
    count: wholeNumber(count),
    avgObjSize: count === 0 ? undefined : wholeNumber(Math.floor(size / count)),
    storageSize: wholeNumber(size),
    capped: false,
    nindexes: collection?.indexes.length ?? 0,
    totalIndexSize: 0,
    scaleFactor: 1,
  });
}

function dbStats(engine: Engine, { database }: Request): Doc {
  const collections = engine.catalog.list(database);
  const all = collections.map((collection) => bytesOf(engine, collection));
  const objects = all.reduce((sum, each) => sum + each.count, 0);
  const size = all.reduce((sum, each) => sum + each.size, 0);
  return docOf({
    db: database,
    collections: collections.length,
    views: 0,
    objects: wholeNumber(objects),
    avgObjSize: new Double(objects === 0 ? 0 : size / objects),
    dataSize: new Double(size),
    storageSize: new Double(engine.storage.usage().fileBytes),
    indexes: collections.reduce((sum, collection) => sum + collection.indexes.length, 0),
    indexSize: new Double(0),
    totalSize: new Double(engine.storage.usage().fileBytes),
    scaleFactor: new Double(1),
  });
}

/** Removes what a drop left behind, a slice at a time, until nothing is marked. Called at start too: a kill only delays it. */
export async function sweepDropped(engine: Pick<Engine, 'storage'>): Promise<void> {
  for (const mark of engine.storage.metaNames('t/')) {
    const range = rangeOf(Number(mark.slice(2)));
    for (let more = true; more; ) {
      more = await engine.storage.write(() => {
        const keys = engine.storage.readKeys(range, 2000, false, undefined);
        for (const key of keys) engine.storage.remove(key);
        if (keys.length < 2000) engine.storage.removeMeta(mark);
        return keys.length === 2000;
      });
    }
  }
}

/** Deletes what TTL indexes say is over; `remove` takes the documents whose date lies before a moment. */
export async function expireDocuments(engine: Engine, remove: (collection: Collection, index: Index, before: number) => Promise<number>): Promise<void> {
  const catalog: Catalog = engine.catalog;
  for (const database of catalog.databases()) {
    for (const collection of catalog.list(database)) {
      for (const index of collection.indexes) {
        if (index.expireAfterSeconds !== undefined) await remove(collection, index, engine.now() - index.expireAfterSeconds * 1000);
      }
    }
  }
}

/** The commands about collections and indexes. */
export const ADMIN_COMMANDS: [string, Command][] = [
  ['create', { fields: ['*'], run: create }],
  ['drop', { fields: [], run: drop }],
  ['dropDatabase', { fields: [], run: dropDatabase }],
  ['renameCollection', { fields: ['to', 'dropTarget'], run: renameCollection }],
  ['listDatabases', { fields: ['filter', 'nameOnly', 'authorizedDatabases'], run: listDatabases }],
  ['listCollections', { fields: ['filter', 'nameOnly', 'authorizedCollections', 'cursor'], run: listCollections }],
  ['listIndexes', { fields: ['cursor'], run: listIndexes }],
  ['createIndexes', { fields: ['indexes', 'commitQuorum', 'ignoreUnknownIndexOptions'], run: createIndexes }],
  ['dropIndexes', { fields: ['index'], run: dropIndexes }],
  ['validate', { fields: ['full', 'background', 'checkBSONConformance', 'metadata'], run: validate }],
  ['collStats', { fields: ['scale'], run: collStats }],
  ['dbStats', { fields: ['scale', 'freeStorage'], run: dbStats }],
];
