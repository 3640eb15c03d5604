import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mongo } from 'mongoose';
import { openEmbedded } from '../../src/embedded/server.ts';
import type { Embedded } from '../../src/embedded/server.ts';

/*
 * The same random operations on the embedded engine and on a MongoDB-compatible server that nobody here wrote
 * (`TEST_MONGODB_URI`): answers and documents must agree. Where they do not, MongoDB's documentation decides; what the
 * other server is known to do differently is left out of what is generated, each with its reason.
 */
const server = process.env.TEST_MONGODB_URI ?? '';
const runs = Number(process.env.DIFFERENTIAL_RUNS ?? 60);

type Fields = mongo.Document;
interface Operation {
  name: string;
  run: (collection: mongo.Collection<Fields>) => Promise<unknown>;
}

const scalar = fc.oneof(fc.integer({ min: -3, max: 6 }), fc.constantFrom<unknown>(null, 'a', 'b', 'đ', true, false, new Date(5), 1.5));
const comparable = fc.oneof(fc.integer({ min: -3, max: 6 }), fc.constantFrom<unknown>('a', 'b', 1.5, new Date(5)));
const value = fc.oneof({ weight: 4, arbitrary: scalar }, { weight: 1, arbitrary: fc.array(comparable, { maxLength: 3 }) }, { weight: 1, arbitrary: fc.record({ x: scalar, y: scalar }, { requiredKeys: [] }) });
const path = fc.constantFrom('a', 'b', 'c');
/** Holds arrays, or what is none but not null either: the other server takes null for an empty array in `$push` and `$addToSet`, MongoDB refuses it. */
const listed = fc.oneof({ weight: 3, arbitrary: fc.array(comparable, { maxLength: 3 }) }, { weight: 1, arbitrary: comparable });
const document = fc.record({ a: value, b: value, c: value, list: listed, n: fc.integer({ min: 0, max: 5 }) }, { requiredKeys: ['n'] });
const test_ = fc.oneof(
  scalar,
  scalar.map((each) => ({ $eq: each })),
  scalar.map((each) => ({ $ne: each })),
  // Order tests with null or booleans: the other server compares across types there, the manual (type bracketing) does not.
  fc.tuple(fc.constantFrom('$gt', '$gte', '$lt', '$lte'), fc.integer({ min: -3, max: 6 })).map(([name, each]) => ({ [name]: each })),
  fc.array(scalar, { minLength: 1, maxLength: 3 }).map((all) => ({ $in: all })),
  fc.array(scalar, { minLength: 1, maxLength: 2 }).map((all) => ({ $nin: all })),
  fc.boolean().map((is) => ({ $exists: is })),
  fc.constantFrom('string', 'int', 'array', 'object', 'date', 'bool').map((type) => ({ $type: type })),
  fc.integer({ min: 0, max: 3 }).map((size) => ({ $size: size })),
);
const simple = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'n'), test_, { maxKeys: 2, noNullPrototype: true });
const filter = fc.oneof({ weight: 4, arbitrary: simple }, { weight: 1, arbitrary: fc.tuple(simple, simple).map((both) => ({ $or: both })) }, { weight: 1, arbitrary: fc.tuple(simple, simple).map((both) => ({ $and: both })) });
/** Changes that no document can refuse: where one of many does, those before it stay changed, and which those are is not said. */
const harmless = fc.oneof(
  fc.tuple(path, value).map(([name, each]) => ({ $set: { [name]: each } })),
  path.map((name) => ({ $unset: { [name]: '' } })),
  fc.tuple(fc.constantFrom('n', 'm'), fc.integer({ min: -2, max: 3 })).map(([name, by]) => ({ $inc: { [name]: by } })),
  fc.tuple(fc.constantFrom('$min', '$max'), fc.integer({ min: 0, max: 9 })).map(([name, each]) => ({ [name]: { n: each } })),
  fc.tuple(path, value).map(([name, each]) => ({ $setOnInsert: { [`new-${name}`]: each }, $set: { 'deep.er': 1 } })),
);
const update = fc.oneof(
  harmless,
  scalar.map((each) => ({ $push: { list: each } })),
  fc.tuple(fc.array(scalar, { maxLength: 2 }), fc.integer({ min: -3, max: 3 })).map(([each, slice]) => ({ $push: { list: { $each: each, $slice: slice } } })),
  // An empty $each on a field that is no array: the other server lets it pass, MongoDB refuses it (code 2).
  fc.array(comparable, { minLength: 1, maxLength: 2 }).map((each) => ({ $addToSet: { list: { $each: each } } })),
  fc.integer({ min: -3, max: 6 }).map((each) => ({ $pull: { list: each } })),
);
const sort = fc.constantFrom<Record<string, 1 | -1>>({ _id: 1 }, { n: 1, _id: 1 }, { n: -1, _id: -1 });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.array(document, { minLength: 1, maxLength: 4 }).map((docs) => ({ name: `insert ${JSON.stringify(docs)}`, run: async (collection: mongo.Collection<Fields>) => (await collection.insertMany(docs.map((doc) => ({ ...doc, _id: nextId(collection) }) as never))).insertedCount })) },
  { weight: 3, arbitrary: fc.tuple(filter, sort, fc.nat({ max: 3 }), fc.nat({ max: 4 })).map(([query, order, skip, limit]) => ({ name: `find ${JSON.stringify({ query, order, skip, limit })}`, run: (collection: mongo.Collection<Fields>) => collection.find(query).sort(order).skip(skip).limit(limit).toArray() })) },
  { weight: 1, arbitrary: filter.map((query) => ({ name: `count ${JSON.stringify(query)}`, run: (collection: mongo.Collection<Fields>) => collection.countDocuments(query) })) },
  { weight: 2, arbitrary: fc.tuple(filter, harmless).map(([query, change]) => ({ name: `updateMany ${JSON.stringify([query, change])}`, run: async (collection: mongo.Collection<Fields>) => pick(await collection.updateMany(query, change as never), ['matchedCount', 'modifiedCount']) })) },
  { weight: 2, arbitrary: fc.tuple(fc.integer({ min: 1, max: 9 }), update).map(([_id, change]) => ({ name: `upsert ${JSON.stringify([_id, change])}`, run: async (collection: mongo.Collection<Fields>) => pick(await collection.updateOne({ _id } as never, change as never, { upsert: true }), ['matchedCount', 'modifiedCount', 'upsertedCount']) })) },
  { weight: 2, arbitrary: fc.tuple(filter, update, sort, fc.constantFrom<'before' | 'after'>('before', 'after')).map(([query, change, order, returnDocument]) => ({ name: `findOneAndUpdate ${JSON.stringify([query, change, order, returnDocument])}`, run: (collection: mongo.Collection<Fields>) => collection.findOneAndUpdate(query, change as never, { sort: order, returnDocument }) })) },
  { weight: 1, arbitrary: fc.tuple(filter, sort).map(([query, order]) => ({ name: `findOneAndDelete ${JSON.stringify([query, order])}`, run: (collection: mongo.Collection<Fields>) => collection.findOneAndDelete(query, { sort: order }) })) },
  { weight: 1, arbitrary: filter.map((query) => ({ name: `deleteOne ${JSON.stringify(query)}`, run: async (collection: mongo.Collection<Fields>) => (await collection.deleteMany({ $and: [query, { n: 0 }] })).deletedCount })) },
  { weight: 1, arbitrary: filter.map((query) => ({ name: `group ${JSON.stringify(query)}`, run: (collection: mongo.Collection<Fields>) => collection.aggregate([{ $match: query }, { $group: { _id: '$n', count: { $sum: 1 }, most: { $max: '$_id' }, sum: { $sum: '$n' } } }, { $sort: { _id: 1 } }]).toArray() })) },
);

const ids = new WeakMap<object, number>();
function nextId(collection: object): number {
  const id = (ids.get(collection) ?? 0) + 1;
  ids.set(collection, id);
  return id * 10;
}

function pick(from: object, names: string[]): Fields {
  return Object.fromEntries(names.map((name) => [name, (from as Fields)[name]]));
}

/** An answer, or the fact that it was refused; the codes of the other server are its own. */
async function answerOf(operation_: Operation, collection: mongo.Collection<Fields>): Promise<unknown> {
  try {
    return await operation_.run(collection);
  } catch (error) {
    if (!(error instanceof mongo.MongoServerError)) throw error;
    return 'refused';
  }
}

(server === '' ? describe.skip : describe)('the same operations on both engines', () => {
  let folder: string;
  let engine: Embedded;
  let ours: mongo.MongoClient;
  let theirs: mongo.MongoClient;
  const database = `differential_${process.pid}`;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dondoc-differential-'));
    engine = await openEmbedded({ folder });
    [ours, theirs] = await Promise.all([mongo.MongoClient.connect(engine.uri), mongo.MongoClient.connect(server)]);
  });
  afterAll(async () => {
    await theirs.db(database).dropDatabase();
    await Promise.all([ours.close(), theirs.close()]);
    await engine.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  let number = 0;
  test('give the same answers and leave the same documents', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(document, { minLength: 2, maxLength: 6 }), fc.array(operation, { minLength: 1, maxLength: 8 }), fc.boolean(), async (docs, operations, indexed) => {
        const name = `c${++number}`;
        const pair = [ours.db(database).collection<Fields>(name), theirs.db(database).collection<Fields>(name)] as const;
        for (const collection of pair) {
          if (indexed) await collection.createIndex({ n: 1, _id: 1 });
          await collection.insertMany(docs.map((doc) => ({ ...doc, _id: nextId(collection) }) as never));
        }
        for (const each of operations) {
          const [mine, other] = await Promise.all([answerOf(each, pair[0]), answerOf(each, pair[1])]);
          expect({ operation: each.name, answer: mine }).toEqual({ operation: each.name, answer: other });
          const [left, right] = await Promise.all(pair.map((collection) => collection.find().sort({ _id: 1 }).toArray()));
          expect({ operation: each.name, documents: left }).toEqual({ operation: each.name, documents: right });
        }
      }),
      { numRuns: runs },
    );
  }, 240_000);
});
