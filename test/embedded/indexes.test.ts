import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from './client.ts';
import { errorOf, openClient } from './client.ts';

type Fields = Record<string, unknown>;
let client: Client;
beforeAll(async () => {
  client = await openClient();
});
afterAll(() => client.close());
let number = 0;
const fresh = () => client.db.collection<{ _id: number }>(`c${++number}`);
const insert = (collection: ReturnType<typeof fresh>, ...docs: Fields[]) => collection.insertMany(docs as never);

describe('unique indexes', () => {
  test('null and missing are one key; a sparse or partial index leaves documents out of it', async () => {
    const collection = fresh();
    await collection.createIndex({ a: 1 }, { unique: true });
    await insert(collection, { _id: 1 });
    expect((await errorOf(insert(collection, { _id: 2, a: null }))).code).toBe(11000);
    await collection.dropIndex('a_1');
    await collection.createIndex({ a: 1 }, { unique: true, sparse: true });
    await insert(collection, { _id: 3 }, { _id: 4, a: 5 });
    expect((await errorOf(insert(collection, { _id: 5, a: 5 }))).code).toBe(11000);
    await collection.dropIndex('a_1');
    await collection.createIndex({ a: 1 }, { unique: true, partialFilterExpression: { open: true } });
    await insert(collection, { _id: 6, a: 5 }, { _id: 7, a: 5, open: true });
    const refused = await errorOf(insert(collection, { _id: 8, a: 5, open: true }));
    expect(refused.code).toBe(11000);
    // A document that enters the partial index by an update meets the same rule.
    expect((await errorOf(collection.updateOne({ _id: 6 }, { $set: { open: true } } as never))).code).toBe(11000);
    expect(await collection.countDocuments({ a: 5, open: true })).toBe(1);
  });

  test('each element of an array is a key of its own, the same one twice in a document is none too many', async () => {
    const collection = fresh();
    await collection.createIndex({ tags: 1 }, { unique: true });
    await insert(collection, { _id: 1, tags: ['a', 'a', 'b'] });
    const refused = (await insert(collection, { _id: 2, tags: ['c', 'b'] }).catch((error: unknown) => error)) as { writeErrors: { err: { errmsg: string } }[]; keyPattern?: Fields; errorResponse: Fields };
    expect(refused.writeErrors[0]?.err.errmsg).toBe(`E11000 duplicate key error collection: ${client.db.databaseName}.${collection.collectionName} index: tags_1 dup key: { tags: "b" }`);
    await collection.updateOne({ _id: 1 }, { $pull: { tags: 'b' } } as never);
    await insert(collection, { _id: 2, tags: ['c', 'b'] });
  });

  test('the refusal names key pattern and value', async () => {
    const collection = fresh();
    await collection.createIndex({ a: 1, b: -1 }, { unique: true });
    await collection.insertOne({ _id: 1, a: 'x', b: 2 } as never);
    const error = (await collection.insertOne({ _id: 2, a: 'x', b: 2 } as never).catch((each: unknown) => each)) as { code: number; keyPattern: Fields; keyValue: Fields };
    expect([error.code, error.keyPattern, error.keyValue]).toEqual([11000, { a: 1, b: -1 }, { a: 'x', b: 2 }]);
  });

  test('making one over documents that break it is refused and leaves nothing behind', async () => {
    const collection = fresh();
    await insert(collection, { _id: 1, a: 1 }, { _id: 2, a: 1 });
    expect((await errorOf(collection.createIndex({ a: 1 }, { unique: true }))).code).toBe(11000);
    expect((await collection.indexes()).map((index) => index.name)).toEqual(['_id_']);
    await insert(collection, { _id: 3, a: 1 });
    expect(await collection.countDocuments({ a: 1 })).toBe(3);
    expect((await client.db.command({ validate: collection.collectionName })).valid).toBe(true);
  });

  test('_id takes no array, no regular expression; equal numbers are one _id', async () => {
    const collection = client.db.collection(`c${++number}`);
    expect((await errorOf(collection.insertOne({ _id: [1] as never }))).code).toBe(53);
    expect((await errorOf(collection.insertOne({ _id: /a/ as never }))).code).toBe(53);
    await collection.insertOne({ _id: 1 as never });
    expect((await errorOf(collection.insertOne({ _id: 1n as never }))).code).toBe(11000);
    await collection.insertMany([{ _id: null as never }, { _id: { a: 1, b: 2 } as never }, { _id: { b: 2, a: 1 } as never }]);
    expect(await collection.countDocuments({ _id: { a: 1, b: 2 } as never })).toBe(1);
  });
});

describe('making and dropping', () => {
  test('the same index again is nothing new; a like one is refused as MongoDB does', async () => {
    const name = fresh().collectionName;
    const make = (...indexes: Fields[]) => client.db.command({ createIndexes: name, indexes });
    expect(await make({ key: { a: 1 }, name: 'a' })).toMatchObject({ numIndexesBefore: 1, numIndexesAfter: 2, createdCollectionAutomatically: true });
    expect(await make({ key: { a: 1 }, name: 'a' })).toMatchObject({ numIndexesBefore: 2, numIndexesAfter: 2, note: 'all indexes already exist' });
    const code = async (index: Fields): Promise<number> => (await errorOf(make(index))).code;
    expect(await code({ key: { a: 1 }, name: 'other' })).toBe(85);
    expect(await code({ key: { b: 1 }, name: 'a' })).toBe(86);
    expect(await code({ key: { a: 'text' }, name: 't' })).toBe(67);
    expect(await code({ key: { a: 'hashed' }, name: 't' })).toBe(67);
    expect(await code({ key: { a: 0 }, name: 't' })).toBe(67);
    expect(await code({ key: {}, name: 't' })).toBe(67);
    expect(await code({ key: { a: 1 }, name: 't', nonsense: 1 })).toBe(197);
    expect(await code({ key: { a: 1, b: 1 }, name: 't', expireAfterSeconds: 5 })).toBe(67);
    expect(await code({ key: { a: 1 }, name: 't', partialFilterExpression: { a: { $ne: 1 } } })).toBe(67);
    expect(await code({ key: { a: 1 }, name: 't', collation: { locale: 'vi' } })).toBe(67);
    const drop = (index: unknown) => client.db.command({ dropIndexes: name, index });
    expect((await errorOf(drop('none'))).code).toBe(27);
    expect((await errorOf(drop('_id_'))).code).toBe(72);
    expect(await drop({ a: 1 })).toMatchObject({ nIndexesWas: 2 });
  });

  test('a query beside the making of an index finds all documents, before and after', async () => {
    const collection = fresh();
    await insert(collection, ...Array.from({ length: 2000 }, (_none, _id) => ({ _id, a: _id % 4 })));
    for (let round = 0; round < 8; round++) {
      let making = true;
      const made = collection.createIndex({ a: 1 }).finally(() => (making = false));
      while (making) expect(await collection.countDocuments({ a: 1 })).toBe(500);
      await made;
      expect(await collection.countDocuments({ a: 1 })).toBe(500);
      await collection.dropIndex('a_1');
    }
  });

  test('two arrays side by side and keys that are too long are refused, the document with them', async () => {
    const collection = fresh();
    await collection.createIndex({ a: 1, b: 1 });
    expect((await errorOf(insert(collection, { _id: 1, a: [1, 2], b: [3] }))).code).toBe(171);
    expect((await errorOf(insert(collection, { _id: 1, a: 'x'.repeat(3000) }))).code).toBe(17280);
    expect(await collection.countDocuments()).toBe(0);
    await insert(collection, { _id: 1, a: [{ x: 1 }, { x: 2 }], b: 1 });
    await collection.createIndex({ 'a.x': 1, 'a.y': 1 });
    expect(await collection.countDocuments({ 'a.x': 2 })).toBe(1);
  });

  test('collections are listed, renamed, dropped; so are databases', async () => {
    const own = await openClient();
    try {
      const { db } = own;
      await db.createCollection('one');
      await db.collection('two').insertMany([{ n: 1 }, { n: 2 }]);
      await db.collection('two').createIndex({ n: 1 });
      const names = async (): Promise<string[]> => (await db.listCollections().toArray()).map((collection) => collection.name);
      expect(await names()).toEqual(['one', 'two']);
      expect(await db.listCollections({ name: 'two' }, { nameOnly: true }).toArray()).toEqual([{ name: 'two', type: 'collection' }]);
      expect((await errorOf(db.collection('two').rename('one'))).code).toBe(48);
      await db.collection('two').rename('one', { dropTarget: true });
      expect(await names()).toEqual(['one']);
      expect(await db.collection('one').countDocuments({ n: 2 })).toBe(1);
      expect((await errorOf(db.collection('none').rename('x'))).code).toBe(26);
      expect((await db.admin().listDatabases({ nameOnly: true })).databases.map((each) => each.name)).toContain(db.databaseName);
      expect(await db.stats()).toMatchObject({ collections: 1, objects: 2, indexes: 2 });
      expect(await db.command({ collStats: 'one' })).toMatchObject({ count: 2, nindexes: 2 });
      expect(await db.collection('one').drop()).toBe(true);
      await db.collection('again').insertOne({});
      await db.dropDatabase();
      expect(await names()).toEqual([]);
      expect((await errorOf(db.collection('a..b').insertOne({}))).code).toBe(73);
    } finally {
      await own.close();
    }
  });

  test('what was dropped is gone from the file too, and its place is used again', async () => {
    const collection = fresh();
    const fill = () => insert(collection, ...Array.from({ length: 3000 }, (_none, _id) => ({ _id, text: 'x'.repeat(100) })));
    await fill();
    await collection.drop();
    await fill();
    expect(await collection.countDocuments()).toBe(3000);
    await collection.deleteMany({});
    expect(await client.db.command({ validate: collection.collectionName })).toMatchObject({ valid: true, nrecords: 0 });
  });
});

describe('cursors', () => {
  test('batches come as asked, kill ends, another collection may not read on', async () => {
    const collection = fresh();
    await insert(collection, ...Array.from({ length: 250 }, (_none, _id) => ({ _id })));
    const first = await client.db.command({ find: collection.collectionName, batchSize: 10 });
    const { id, firstBatch } = first.cursor as { id: bigint; firstBatch: unknown[] };
    expect(firstBatch).toHaveLength(10);
    expect((await errorOf(client.db.command({ getMore: id, collection: 'other' }))).code).toBe(13);
    const more = await client.db.command({ getMore: id, collection: collection.collectionName, batchSize: 200 });
    expect((more.cursor as { nextBatch: unknown[] }).nextBatch).toHaveLength(200);
    expect(await client.db.command({ killCursors: collection.collectionName, cursors: [id] })).toMatchObject({ cursorsKilled: [id], cursorsNotFound: [] });
    expect((await errorOf(client.db.command({ getMore: id, collection: collection.collectionName }))).code).toBe(43);
    expect(((await client.db.command({ find: collection.collectionName, batchSize: 0 })).cursor as { firstBatch: unknown[] }).firstBatch).toEqual([]);
    expect(((await client.db.command({ find: collection.collectionName, limit: 7, singleBatch: true })).cursor as Fields).id?.toString()).toBe('0');
  });

  test('a cursor goes on while documents come and go', async () => {
    const collection = fresh();
    await insert(collection, ...Array.from({ length: 500 }, (_none, _id) => ({ _id })));
    const seen: number[] = [];
    for await (const doc of collection.find().batchSize(20)) {
      seen.push(doc._id);
      if (doc._id === 100) {
        await collection.deleteMany({ _id: { $gte: 400 } });
        await insert(collection, { _id: 399.5 });
      }
    }
    expect(seen.filter((id) => Number.isInteger(id) && id < 400)).toEqual(Array.from({ length: 400 }, (_none, id) => id));
  });

  test('a sort past 100 MB is refused with code 292, with a limit it is served', async () => {
    const collection = fresh();
    for (let i = 0; i < 12; i++) await insert(collection, ...Array.from({ length: 10 }, (_none, n) => ({ _id: i * 10 + n, k: -i, b: 'x'.repeat(1_000_000) })));
    expect((await errorOf(collection.find().sort({ k: 1 } as never).toArray())).code).toBe(292);
    expect((await collection.find().sort({ k: 1 } as never).limit(2).project({ k: 1 }).toArray()).map((doc) => (doc as Fields).k)).toEqual([-11, -11]);
  });
});
