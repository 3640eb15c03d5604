import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from './client.ts';
import { Decimal128, Double, errorOf, Int32, Long, openClient } from './client.ts';

let client: Client;
beforeAll(async () => {
  client = await openClient();
});
afterAll(() => client.close());

type Fields = Record<string, unknown>;
let number = 0;

/** The document after an update, without its `_id`. */
async function updated(doc: Fields, update: Fields | Fields[], options: { filter?: Fields; arrayFilters?: Fields[] } = {}): Promise<Fields> {
  const collection = client.db.collection<{ _id: number }>(`c${++number}`);
  await collection.insertOne({ _id: 1, ...doc });
  await collection.createIndex({ a: 1 });
  await collection.updateOne({ _id: 1, ...options.filter }, update as never, options.arrayFilters ? { arrayFilters: options.arrayFilters } : {});
  const { _id, ...rest } = (await collection.findOne({ _id: 1 })) as Fields;
  expect(_id).toBe(1);
  expect((await client.db.command({ validate: collection.collectionName })).valid).toBe(true);
  return rest;
}

describe('operators', () => {
  test.each<[string, Fields, Fields, Fields]>([
    ['$set makes documents on the way', { a: 1 }, { $set: { 'b.c.d': 1 } }, { a: 1, b: { c: { d: 1 } } }],
    ['$set in an array fills up with null', { a: [1] }, { $set: { 'a.3': 4 } }, { a: [1, null, null, 4] }],
    ['new fields come in the order of their names', {}, { $set: { c: 1, a: 2 }, $inc: { b: 3 } }, { a: 2, b: 3, c: 1 }],
    ['$unset takes a field away, an element becomes null', { a: 1, b: [1, 2], c: 3 }, { $unset: { a: '', 'b.0': '', x: '' } }, { b: [null, 2], c: 3 }],
    ['$rename moves a field', { a: 1, b: 2 }, { $rename: { a: 'c.d' } }, { b: 2, c: { d: 1 } }],
    ['$rename over another field', { b: 1, a: 2 }, { $rename: { b: 'a' } }, { a: 1 }],
    ['$rename of nothing changes nothing', { a: 1 }, { $rename: { x: 'a' } }, { a: 1 }],
    ['$inc and $mul make what is missing', { a: 1 }, { $inc: { a: 2, b: 5 }, $mul: { c: 3 } }, { a: 3, b: 5, c: 0 }],
    ['$min and $max compare across types', { a: 5, b: 'x' }, { $min: { a: 3, b: 9 }, $max: { c: 1 } }, { a: 3, b: 9, c: 1 }],
    ['$push adds one', { a: [1] }, { $push: { a: 2, b: 3 } }, { a: [1, 2], b: [3] }],
    ['$push of an array adds it as one', { a: [1] }, { $push: { a: [2] } }, { a: [1, [2]] }],
    ['$push each, position, sort, slice', { a: [5, 1] }, { $push: { a: { $each: [3, 4], $sort: -1, $slice: 3 } } }, { a: [5, 4, 3] }],
    ['$push at a place', { a: [1, 4] }, { $push: { a: { $each: [2, 3], $position: 1 } } }, { a: [1, 2, 3, 4] }],
    ['$push at a place from the end', { a: [1, 4] }, { $push: { a: { $each: [2, 3], $position: -1 } } }, { a: [1, 2, 3, 4] }],
    ['$push keeps the last', { a: [1, 2] }, { $push: { a: { $each: [3], $slice: -2 } } }, { a: [2, 3] }],
    ['$push sorts documents by a field', { a: [{ s: 2 }, { s: 9 }] }, { $push: { a: { $each: [{ s: 5 }], $sort: { s: 1 } } } }, { a: [{ s: 2 }, { s: 5 }, { s: 9 }] }],
    ['$addToSet knows equal numbers and documents', { a: [1, { x: 1 }] }, { $addToSet: { a: { $each: [1, 2, { x: 1 }, 2] } } }, { a: [1, { x: 1 }, 2] }],
    ['$pop takes first or last', { a: [1, 2, 3], b: [1, 2] }, { $pop: { a: 1, b: -1 } }, { a: [1, 2], b: [2] }],
    ['$pull by value', { a: [1, 2, 1] }, { $pull: { a: 1 } }, { a: [2] }],
    ['$pull by condition', { a: [1, 5, 9] }, { $pull: { a: { $gte: 5 } } }, { a: [1] }],
    ['$pull by the fields of documents', { a: [{ x: 1, y: 2 }, { x: 2 }] }, { $pull: { a: { x: 1 } } }, { a: [{ x: 2 }] }],
    ['$pullAll takes whole values', { a: [1, 2, [1]] }, { $pullAll: { a: [1, [1]] } }, { a: [2] }],
    ['$bit', { a: 13 }, { $bit: { a: { and: 10 } } }, { a: 8 }],
    ['$setOnInsert does nothing on an update', { a: 1 }, { $setOnInsert: { b: 1 }, $set: { c: 1 } }, { a: 1, c: 1 }],
    ['a field named like a number keeps its place', { a: 1 }, { $set: { '10': 1, '9': 2 } }, { a: 1, '9': 2, '10': 1 }],
  ])('%s', async (_name, doc, update, wanted) => {
    const after = await updated(doc, update);
    expect(after).toEqual(wanted);
    if (!Object.keys(wanted).some((name) => /^\d/.test(name))) expect(Object.keys(after)).toEqual(Object.keys(wanted));
  });

  test.each<[Fields, { filter?: Fields; arrayFilters?: Fields[] }, Fields]>([
    [{ $set: { 'a.$.n': 9 } }, { filter: { 'a.k': 2 } }, { a: [{ k: 1, n: 1 }, { k: 2, n: 9 }, { k: 3, n: 3 }], b: [1, 5, 8] }],
    [{ $set: { 'a.$.n': 9 } }, { filter: { a: { $elemMatch: { k: 3, n: 3 } } } }, { a: [{ k: 1, n: 1 }, { k: 2, n: 2 }, { k: 3, n: 9 }], b: [1, 5, 8] }],
    [{ $inc: { 'b.$': 1 } }, { filter: { b: { $gt: 4 } } }, { a: [{ k: 1, n: 1 }, { k: 2, n: 2 }, { k: 3, n: 3 }], b: [1, 6, 8] }],
    [{ $inc: { 'b.$[]': 1, 'a.$[].n': 1 } }, {}, { a: [{ k: 1, n: 2 }, { k: 2, n: 3 }, { k: 3, n: 4 }], b: [2, 6, 9] }],
    [{ $set: { 'b.$[big]': 0, 'a.$[e].n': 0 } }, { arrayFilters: [{ big: { $gte: 5 } }, { 'e.k': { $ne: 2 } }] }, { a: [{ k: 1, n: 0 }, { k: 2, n: 2 }, { k: 3, n: 0 }], b: [1, 0, 0] }],
    [{ $unset: { 'a.$[e].n': '' } }, { arrayFilters: [{ $or: [{ 'e.k': 1 }, { 'e.k': 3 }] }] }, { a: [{ k: 1 }, { k: 2, n: 2 }, { k: 3 }], b: [1, 5, 8] }],
  ])('%j with %j reaches the elements meant', async (update, options, wanted) => {
    expect(await updated({ a: [{ k: 1, n: 1 }, { k: 2, n: 2 }, { k: 3, n: 3 }], b: [1, 5, 8] }, update, options)).toEqual(wanted);
  });

  test('number types grow as MongoDB lets them: int32, int64, double, decimal', async () => {
    const typed = await openClient(true);
    try {
      const collection = typed.db.collection<{ _id: number }>('numbers');
      await collection.insertOne({ _id: 1, i: new Int32(2147483647), l: Long.fromString('9007199254740993'), d: new Double(1), m: Decimal128.fromString('1.10') } as never);
      await collection.updateOne({ _id: 1 }, { $inc: { i: 1, l: 1, d: 1, m: new Double(0.1) } as never });
      const doc = (await collection.findOne({ _id: 1 })) as Fields;
      expect(doc.i).toEqual(Long.fromString('2147483648'));
      expect(String(doc.l)).toBe('9007199254740994');
      expect(doc.d).toEqual(new Double(2));
      expect(String(doc.m)).toBe('1.200000000000000');
      expect((await errorOf(collection.updateOne({ _id: 1 }, { $inc: { l: Long.MAX_VALUE } as never }))).code).toBe(2);
    } finally {
      await typed.close();
    }
  });

  test('an update by pipeline sees the document as it was', async () => {
    expect(await updated({ a: 1, b: 2 }, [{ $set: { a: '$b', b: '$a', c: { $add: ['$a', '$b'] } } }, { $unset: 'b' }])).toEqual({ a: 2, c: 3 });
  });

  test.each<[Fields, number]>([
    [{ $set: { a: 1, 'a.b': 2 } }, 40],
    [{ $set: { a: 1 }, $inc: { a: 1 } }, 40],
    [{ $set: { _id: 2 } }, 66],
    [{ $unset: { _id: '' } }, 66],
    [{ $inc: { t: 1 } }, 14],
    [{ $inc: { n: 'x' } }, 14],
    [{ $push: { n: 1 } }, 2],
    [{ $set: { 'n.x': 1 } }, 28],
    [{ $set: { 'list.x': 1 } }, 28],
    [{ $set: { 'list.$': 1 } }, 2],
    [{ $set: { 'list.$[e]': 1 } }, 2],
    [{ $foo: { a: 1 } }, 9],
    [{ $pop: { n: 1 } }, 14],
    [{ $rename: { n: 'n' } }, 2],
    [{ $set: { $x: 1 } }, 52],
    [{ $set: { 'a..b': 1 } }, 56],
  ])('%j is refused with code %i and changes nothing', async (update, code) => {
    const collection = client.db.collection<{ _id: number }>(`c${++number}`);
    await collection.insertOne({ _id: 1, n: 1, t: 'x', list: [1] } as never);
    expect((await errorOf(collection.updateOne({ _id: 1 }, update))).code).toBe(code);
    expect(await collection.findOne({ _id: 1 })).toEqual({ _id: 1, n: 1, t: 'x', list: [1] });
  });
});

describe('upserts', () => {
  test.each<[Fields, Fields, Fields]>([
    [{ a: 1, b: { $eq: 2 } }, { $set: { c: 3 } }, { a: 1, b: 2, c: 3 }],
    [{ a: { $gt: 5 }, $and: [{ b: 1 }] }, { $inc: { n: 1 } }, { b: 1, n: 1 }],
    [{ 'x.y': 1, $or: [{ z: 2 }] }, { $setOnInsert: { s: 1 } }, { x: { y: 1 }, z: 2, s: 1 }],
    [{ a: { $in: [7] }, t: { $all: [8] } }, { $set: { c: 1 } }, { a: 7, t: 8, c: 1 }],
    [{ a: { b: 1 } }, { $set: { c: 1 } }, { a: { b: 1 }, c: 1 }],
  ])('filter %j with %j inserts %j', async (filter, update, wanted) => {
    const collection = client.db.collection(`c${++number}`);
    const result = await collection.updateOne(filter, update, { upsert: true });
    expect(result).toMatchObject({ matchedCount: 0, modifiedCount: 0, upsertedCount: 1 });
    const { _id, ...rest } = (await collection.findOne({})) as Fields;
    expect(_id).toEqual(result.upsertedId);
    expect(rest).toEqual(wanted);
  });

  test('a replacement takes only the _id of the filter', async () => {
    const collection = client.db.collection<{ _id: string }>(`c${++number}`);
    await collection.replaceOne({ _id: 'x', a: 1 } as never, { b: 2 } as never, { upsert: true });
    expect(await collection.findOne({})).toEqual({ _id: 'x', b: 2 });
    expect((await errorOf(collection.replaceOne({ _id: 'x' }, { _id: 'y' } as never))).code).toBe(66);
  });

  test('two equalities on one path are refused with code 54', async () => {
    expect((await errorOf(client.db.collection('c').updateOne({ $and: [{ a: 1 }, { a: 2 }] }, { $set: { b: 1 } }, { upsert: true }))).code).toBe(54);
  });

  test('many upserts of one key at once make one document', async () => {
    const collection = client.db.collection(`c${++number}`);
    await collection.createIndex({ k: 1 }, { unique: true });
    await Promise.all(Array.from({ length: 50 }, () => collection.updateOne({ k: 1 }, { $inc: { n: 1 } }, { upsert: true })));
    expect(await collection.find({}, { projection: { _id: 0 } }).toArray()).toEqual([{ k: 1, n: 50 }]);
  });
});

describe('counts', () => {
  test('matched and modified are told apart', async () => {
    const collection = client.db.collection(`c${++number}`);
    await collection.insertMany([{ a: 1 }, { a: 1 }, { a: 2 }]);
    expect(await collection.updateMany({ a: 1 }, { $set: { a: 1 } })).toMatchObject({ matchedCount: 2, modifiedCount: 0 });
    expect(await collection.updateMany({}, { $set: { a: 2 } })).toMatchObject({ matchedCount: 3, modifiedCount: 2 });
    expect(await collection.deleteMany({ a: 2 })).toMatchObject({ deletedCount: 3 });
  });

  test('an update that moves a document in the index it is found by meets it once', async () => {
    const collection = client.db.collection<{ _id: number; a: number }>(`c${++number}`);
    await collection.createIndex({ a: 1 });
    await collection.insertMany(Array.from({ length: 3000 }, (_none, i) => ({ _id: i, a: i })));
    expect(await collection.updateMany({ a: { $gte: 0 } }, { $inc: { a: 1500 } })).toMatchObject({ matchedCount: 3000, modifiedCount: 3000 });
    expect(await collection.find().sort({ _id: 1 }).map((doc) => doc.a - doc._id).toArray()).toEqual(Array.from({ length: 3000 }, () => 1500));
  });

  test('write errors carry the index of their operation; ordered stops, unordered goes on', async () => {
    const collection = client.db.collection<{ _id: number }>(`c${++number}`);
    await collection.insertOne({ _id: 2 });
    const docs = [1, 2, 3, 2, 4].map((_id) => ({ _id }));
    const ordered = (await collection.insertMany(docs, { ordered: true }).catch((error: unknown) => error)) as { writeErrors: { index: number; code: number }[] };
    expect(ordered.writeErrors.map((error) => [error.index, error.code])).toEqual([[1, 11000]]);
    expect(await collection.countDocuments()).toBe(2);
    const unordered = (await collection.insertMany(docs, { ordered: false }).catch((error: unknown) => error)) as { writeErrors: { index: number; code: number }[] };
    expect(unordered.writeErrors.map((error) => [error.index, error.code])).toEqual([
      [0, 11000],
      [1, 11000],
      [3, 11000],
    ]);
    expect(await collection.countDocuments()).toBe(4);
  });
});

describe('findAndModify', () => {
  test('gives the old or the new document, sorted, projected, removed, inserted', async () => {
    const collection = client.db.collection<{ _id: number }>(`c${++number}`);
    await collection.insertMany([
      { _id: 1, n: 3 },
      { _id: 2, n: 1 },
      { _id: 3, n: 2 },
    ] as never);
    expect(await collection.findOneAndUpdate({}, { $set: { taken: true } }, { sort: { n: 1 } })).toEqual({ _id: 2, n: 1 });
    expect(await collection.findOneAndUpdate({}, { $inc: { n: 10 } }, { sort: { n: -1 }, returnDocument: 'after', projection: { n: 1, _id: 0 } })).toEqual({ n: 13 });
    expect(await collection.findOneAndReplace({ _id: 3 }, { x: 1 } as never, { returnDocument: 'after' })).toEqual({ _id: 3, x: 1 });
    expect(await collection.findOneAndDelete({ _id: 3 })).toEqual({ _id: 3, x: 1 });
    expect(await collection.findOneAndDelete({ _id: 3 })).toBeNull();
    expect(await collection.findOneAndUpdate({ _id: 9 }, { $set: { a: 1 } })).toBeNull();
    expect(await collection.findOneAndUpdate({ _id: 9 }, { $set: { a: 1 } }, { upsert: true })).toBeNull();
    expect(await collection.findOneAndUpdate({ _id: 10 }, { $set: { a: 1 } }, { upsert: true, returnDocument: 'after', includeResultMetadata: true })).toMatchObject({
      lastErrorObject: { n: 1, updatedExisting: false, upserted: 10 },
      value: { _id: 10, a: 1 },
    });
  });

  test('of many who take at once each takes another one', async () => {
    const collection = client.db.collection<{ _id: number; state: string }>(`c${++number}`);
    await collection.createIndex({ state: 1, _id: 1 });
    await collection.insertMany(Array.from({ length: 40 }, (_none, i) => ({ _id: i, state: 'open' })));
    const taken = await Promise.all(Array.from({ length: 60 }, () => collection.findOneAndUpdate({ state: 'open' }, { $set: { state: 'taken' } }, { sort: { _id: 1 } })));
    const ids = taken.flatMap((doc) => (doc ? [doc._id] : []));
    expect(new Set(ids).size).toBe(40);
    expect(ids).toHaveLength(40);
  });
});
