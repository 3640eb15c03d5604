import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { serialize } from 'bson';
import { decodeDoc } from '../../src/embedded/codec.ts';
import { parseSort, sortKeyOf } from '../../src/embedded/sort.ts';
import type { Client } from './client.ts';
import { errorOf, openClient } from './client.ts';

type Fields = Record<string, unknown>;
let client: Client;
beforeAll(async () => {
  client = await openClient();
});
afterAll(() => client.close());
let number = 0;

async function stats(collection: string, filter: Fields, options: Fields = {}): Promise<{ keys: number; docs: number; stages: string }> {
  const told = await client.db.command({ explain: { find: collection, filter, ...options }, verbosity: 'executionStats' });
  const { totalKeysExamined: keys, totalDocsExamined: docs } = told.executionStats as { totalKeysExamined: number; totalDocsExamined: number };
  return { keys, docs, stages: JSON.stringify(told.queryPlanner) };
}

describe('what an index saves', () => {
  const name = 'planned';
  beforeAll(async () => {
    const collection = client.db.collection(name);
    await collection.insertMany(Array.from({ length: 1000 }, (_none, i) => ({ unit: `u${i % 50}`, n: i, state: i % 10 === 0 ? 'open' : 'done', tags: [`t${i % 5}`, `t${(i % 5) + 1}`], text: `x${i}` })));
    await collection.createIndex({ unit: 1, n: -1 });
    await collection.createIndex({ tags: 1, n: 1 });
    await collection.createIndex({ n: 1 }, { partialFilterExpression: { state: 'open' }, name: 'open' });
    await collection.createIndex({ text: 1 }, { unique: true });
  });

  test.each<[string, Fields, Fields, { keys: number; docs: number }]>([
    ['an equality', { unit: 'u3' }, {}, { keys: 20, docs: 20 }],
    ['an equality and a range', { unit: 'u3', n: { $gte: 100, $lt: 300 } }, {}, { keys: 4, docs: 4 }],
    ['the order and the limit', { unit: 'u3' }, { sort: { n: -1 }, limit: 3 }, { keys: 3, docs: 3 }],
    ['the order turned round', { unit: 'u3' }, { sort: { n: 1 }, limit: 3 }, { keys: 3, docs: 3 }],
    ['several values as several ranges', { unit: { $in: ['u3', 'u4'] }, n: { $lt: 100 } }, {}, { keys: 4, docs: 4 }],
    ['several values, merged in order', { unit: { $in: ['u3', 'u4', 'u9'] } }, { sort: { n: -1 }, limit: 4 }, { keys: 4, docs: 4 }],
    ['an element of an array, in order', { tags: 't2' }, { sort: { n: 1 }, limit: 5 }, { keys: 5, docs: 5 }],
    ['a partial index', { state: 'open', n: { $gte: 900 } }, {}, { keys: 10, docs: 10 }],
    ['the beginning of a text', { text: /^x99/ }, {}, { keys: 11, docs: 11 }],
    ['an or of two indexes', { $or: [{ text: 'x1' }, { unit: 'u3', n: 3 }] }, {}, { keys: 2, docs: 2 }],
    ['skip and limit', { unit: 'u3' }, { sort: { n: 1 }, skip: 2, limit: 3 }, { keys: 5, docs: 5 }],
    ['nothing at all', { text: 'none' }, {}, { keys: 0, docs: 0 }],
  ])('%s', async (_name, filter, options, wanted) => {
    const told = await stats(name, filter, options);
    expect({ keys: told.keys, docs: told.docs }).toEqual(wanted);
    expect(told.stages).not.toMatch(/COLLSCAN|"SORT"/);
  });

  test('a partial index is left alone where it could leave something out', async () => {
    expect((await stats(name, { n: { $gte: 900 } })).stages).toMatch(/COLLSCAN/);
  });

  test('a hint that names no index is refused', async () => {
    expect((await errorOf(client.db.collection(name).find({}).hint({ nothing: 1 }).toArray())).code).toBe(2);
  });
});

describe('with and without indexes', () => {
  const scalar = fc.oneof(fc.integer({ min: -2, max: 3 }), fc.constantFrom<unknown>(null, 'a', 'b', 1.5, true, new Date(1)));
  const field = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.record({ c: fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })) }, { requiredKeys: [] }), fc.array(fc.record({ c: scalar }, { requiredKeys: [] }), { maxLength: 2 }));
  const document = fc.record({ a: field, b: field }, { requiredKeys: [] });
  const operator = fc.oneof(
    scalar.map((value) => ({ $eq: value })),
    fc.tuple(fc.constantFrom('$gt', '$gte', '$lt', '$lte', '$ne'), scalar).map(([name, value]) => ({ [name]: value })),
    fc.array(scalar, { maxLength: 3 }).map((all) => ({ $in: all })),
    fc.array(scalar, { maxLength: 2 }).map((all) => ({ $nin: all })),
    fc.boolean().map((is) => ({ $exists: is })),
    fc.tuple(scalar, scalar).map(([low, high]) => ({ $gte: low, $lte: high })),
    fc.tuple(scalar, scalar).map(([low, high]) => ({ $elemMatch: { $gte: low, $lte: high } })),
    scalar.map((value) => ({ $elemMatch: { c: value } })),
    scalar.map((value) => ({ $not: { $gt: value } })),
  );
  const simple = fc.dictionary(fc.constantFrom('a', 'b', 'a.c', 'b.c'), operator, { maxKeys: 3, noNullPrototype: true });
  const filter = fc.oneof(simple, fc.tuple(simple, simple).map((both) => ({ $or: both })), fc.tuple(simple, simple).map((both) => ({ $and: both })));
  const sort = fc.constantFrom<Fields>({}, { a: 1 }, { a: -1 }, { b: 1, a: 1 }, { a: 1, b: -1 }, { 'a.c': 1 }, { a: -1, b: 1 }, { b: 1 }, { b: -1 }, { b: -1, a: -1 });

  test('every query finds the same documents in an equal order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(document, { maxLength: 12 }), fc.array(fc.tuple(filter, sort), { minLength: 6, maxLength: 6 }), async (docs, queries) => {
        const plain = client.db.collection<{ _id: number }>(`p${++number}`);
        const indexed = client.db.collection<{ _id: number }>(`i${number}`);
        // Two arrays side by side cannot share a compound index: each collection has single ones, and b only as a scalar beside a.
        const single = docs.map((doc, i) => ({ _id: i, ...doc }));
        if (single.length > 0) {
          await plain.insertMany(single as never);
          await indexed.insertMany(single as never);
        }
        await indexed.createIndexes([{ key: { a: 1 } }, { key: { b: -1 } }, { key: { 'a.c': 1 } }, { key: { b: 1 }, sparse: true, name: 'sparse' }, { key: { a: 1 }, partialFilterExpression: { b: { $gte: 1 } }, name: 'partial' }]);
        const compound = docs.every((doc) => !hasArray(doc.a) || !hasArray(doc.b));
        if (compound) await indexed.createIndexes([{ key: { a: 1, b: 1 } }, { key: { b: 1, a: -1 } }, { key: { 'b.c': 1, a: 1 } }]);
        for (const [query, order] of queries) {
          const sides = await Promise.all([plain, indexed].map(async (collection) => collection.find(query as never).sort(order as never).toArray().catch((error: { code: number }) => error.code)));
          const [one, two] = sides as [Fields[] | number, Fields[] | number];
          if (typeof one === 'number' || typeof two === 'number') {
            // Parallel arrays in a sort are refused; an index that gives the order never meets them.
            expect([one, two].filter((side) => typeof side === 'number')).toContain(2);
            continue;
          }
          const ids = (all: Fields[]): number[] => all.map((doc) => doc._id as number).toSorted((x, y) => x - y);
          expect({ query, order, ids: ids(two) }).toEqual({ query, order, ids: ids(one) });
          const keys = (all: Fields[]): string[] => all.map((doc) => sortKeyOf(parseSort(new Map(Object.entries(order as Record<string, number>))), decodeDoc(Buffer.from(serialize(doc)))).toString('hex'));
          if (Object.keys(order).length > 0) {
            expect({ query, order, keys: keys(two) }).toEqual({ query, order, keys: keys(one) });
            // A page from the middle is the same page, as far as the order tells documents apart.
            const page = (await indexed.find(query as never).sort(order as never).skip(1).limit(3).toArray()) as Fields[];
            expect({ query, order, page: keys(page) }).toEqual({ query, order, page: keys(one).slice(1, 4) });
          }
          expect(await indexed.countDocuments(query as never)).toBe(one.length);
          // Fields that an index holds may be answered from its keys: with their types, and missing ones left out.
          for (const projection of [{ a: 1, _id: 0 }, { b: 1, _id: 0 }, { a: 1, b: 1, _id: 0 }]) {
            const told = await Promise.all([plain, indexed].map(async (collection) => (await collection.find(query as never).project(projection).toArray()).map((doc) => JSON.stringify([doc.a, doc.b, 'a' in doc, 'b' in doc])).toSorted()));
            expect({ query, projection, told: told[1] }).toEqual({ query, projection, told: told[0] });
          }
        }
        await plain.drop();
        await indexed.drop();
      }),
      { numRuns: Number(process.env.PLAN_RUNS ?? 25) },
    );
  }, 60_000);

  function hasArray(value: unknown): boolean {
    return Array.isArray(value) || (typeof value === 'object' && value !== null && Array.isArray((value as Fields).c));
  }
});
