import { createHash } from 'node:crypto';
import { mongo } from 'mongoose';
import { isUnreachable, StoreUnreachable } from './failure.ts';

/** What was carried over. */
export interface Transfer {
  documents: number;
  collections: { name: string; documents: number; indexes: number; sha256: string }[];
}

/** Why nothing, or not everything, was carried over: one readable line, and the exit code it ends with. */
export class TransferFailure extends Error {
  readonly exitCode: 65 | 75;

  constructor(message: string, exitCode: 65 | 75) {
    super(message);
    this.name = 'TransferFailure';
    this.exitCode = exitCode;
  }
}

const batchDocuments = 500;
const batchBytes = 8 * 1024 * 1024;
const patienceMs = 5_000;
const defaultDatabase = 'dondoc';
/** Types stay what they are: no number becomes a JavaScript number on the way. */
const asStored = { promoteValues: false, promoteBuffers: false, promoteLongs: false, bsonRegExp: true } as const;

/**
 * Copies everything from one database into another that is empty: every collection (files too), every document as it is stored, every index. Then both sides
 * are counted and hashed. Throws {@link TransferFailure} (65: the target holds data, or they differ afterwards; 75: the source changed meanwhile) and {@link StoreUnreachable}.
 * @example await transferDatabase('mongodb://%2Fdata%2Fdb%2Fengine.sock/dondoc', 'mongodb://server/dondoc') → { documents: 5120, collections: […] }
 */
export async function transferDatabase(from: string, to: string): Promise<Transfer> {
  const source = await open(from);
  const target = await open(to).catch(async (error: unknown) => {
    await source.client.close();
    throw error;
  });
  try {
    await refuseData(target.database);
    const collections: Transfer['collections'] = [];
    for (const name of await namesOf(source.database)) collections.push(await copyCollection(source.database, target.database, name));
    return { documents: collections.reduce((sum, collection) => sum + collection.documents, 0), collections };
  } catch (error) {
    throw isUnreachable(error) ? new StoreUnreachable(error) : error;
  } finally {
    await Promise.all([source.client.close(), target.client.close()]);
  }
}

interface Opened {
  client: mongo.MongoClient;
  database: mongo.Db;
}

async function open(uri: string): Promise<Opened> {
  let client: mongo.MongoClient;
  try {
    client = new mongo.MongoClient(uri, { serverSelectionTimeoutMS: patienceMs, connectTimeoutMS: patienceMs, writeConcern: { w: 'majority', journal: true } });
  } catch (error) {
    throw new TransferFailure(error instanceof Error ? error.message : String(error), 65);
  }
  try {
    await client.connect();
    return { client, database: client.db(/^[^?]*\/\/[^/]+\/[^?]/.test(uri) ? undefined : defaultDatabase) };
  } catch (error) {
    await client.close();
    throw new StoreUnreachable(error);
  }
}

async function namesOf(database: mongo.Db): Promise<string[]> {
  const found = await database.listCollections({}, { nameOnly: true }).toArray();
  return found.map(({ name }) => name).filter((name) => !name.startsWith('system.')).sort((a, b) => (a < b ? -1 : 1));
}

async function refuseData(database: mongo.Db): Promise<void> {
  for (const name of await namesOf(database)) {
    if ((await database.collection(name).findOne({}, { projection: { _id: 1 } })) !== null) throw new TransferFailure(`the target database already holds data (${name}): name an empty one`, 65);
  }
}

async function copyCollection(source: mongo.Db, target: mongo.Db, name: string): Promise<Transfer['collections'][number]> {
  const [from, to] = [source.collection(name), target.collection(name)];
  let batch: mongo.Document[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    if (batch.length > 0) await to.insertMany(batch, { ordered: true, ...asStored });
    batch = [];
    bytes = 0;
  };
  for await (const document of from.find({}, { sort: { _id: 1 }, ...asStored })) {
    batch.push(document);
    bytes += mongo.BSON.calculateObjectSize(document);
    if (batch.length >= batchDocuments || bytes >= batchBytes) await flush();
  }
  await flush();
  // After the documents: unique keys are then checked once more, on the other side.
  const indexes = await copyIndexes(from, to, target);
  const [ours, theirs] = [await digestOf(from), await digestOf(to)];
  if (ours.documents !== theirs.documents) throw new TransferFailure(`${name} was written to meanwhile: stop the service and begin again with an empty target`, 75);
  if (ours.sha256 !== theirs.sha256) throw new TransferFailure(`${name} differs on the other side (${ours.documents} documents): do not use the copy`, 65);
  return { name, documents: ours.documents, indexes, sha256: ours.sha256 };
}

async function copyIndexes(from: mongo.Collection, to: mongo.Collection, target: mongo.Db): Promise<number> {
  const found = await from.indexes().catch(() => []);
  const wanted = found.filter((index) => index.name !== '_id_').map(({ v: _version, ...index }) => index as mongo.IndexDescription);
  if (wanted.length > 0) await to.createIndexes(wanted);
  else if (found.length > 0) await target.createCollection(to.collectionName).catch(() => undefined);
  return wanted.length;
}

/** The number of documents and a hash over their bytes in the order of their ids: the same where and only where both sides hold the same. */
async function digestOf(collection: mongo.Collection): Promise<{ documents: number; sha256: string }> {
  const hash = createHash('sha256');
  let documents = 0;
  for await (const document of collection.find({}, { sort: { _id: 1 }, ...asStored })) {
    hash.update(mongo.BSON.serialize(document));
    documents += 1;
  }
  return { documents, sha256: hash.digest('hex') };
}
