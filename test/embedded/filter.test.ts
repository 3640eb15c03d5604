import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from './client.ts';
import { Decimal128, Double, errorOf, Long, MaxKey, MinKey, openClient } from './client.ts';

let client: Client;
beforeAll(async () => {
  client = await openClient();
});
afterAll(() => client.close());

let number = 0;
/** The `_id`s that a filter finds among these documents, with and without an index on `a`. */
async function found(docs: Record<string, unknown>[], filter: Record<string, unknown>): Promise<unknown[]> {
  const plain = client.db.collection<{ _id: number }>(`c${++number}`);
  await plain.insertMany(docs.map((doc, i) => ({ _id: i, ...doc })));
  const scanned = (await plain.find(filter).sort({ _id: 1 }).toArray()).map((doc) => doc._id);
  for (const path of ['a', 'a.b']) {
    await plain.createIndex({ [path]: 1 });
    await plain.createIndex({ [path]: -1, x: 1 });
    const indexed = (await plain.find(filter).toArray()).map((doc) => doc._id).toSorted((x, y) => x - y);
    expect(indexed).toEqual(scanned);
    for (const hint of [{ [path]: 1 }, { [path]: -1, x: 1 }]) {
      expect((await plain.find(filter).hint(hint as never).toArray()).map((doc) => doc._id).toSorted((x, y) => x - y)).toEqual(scanned);
    }
    expect(await plain.countDocuments(filter)).toBe(scanned.length);
    await plain.dropIndexes();
  }
  return scanned;
}

describe('null and missing', () => {
  const docs = [{ a: null }, {}, { a: 1 }, { a: [] }, { a: [null] }, { a: [1] }, { a: { b: null } }, { a: { b: 1 } }, { a: [{ b: 1 }, {}] }, { a: [{ b: 1 }] }, { a: 5 }];
  test.each([
    [{ a: null }, [0, 1, 4]],
    [{ a: { $ne: null } }, [2, 3, 5, 6, 7, 8, 9, 10]],
    [{ a: { $exists: false } }, [1]],
    [{ a: { $exists: true } }, [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{ a: { $in: [null, 5] } }, [0, 1, 4, 10]],
    [{ a: { $gte: null } }, [0, 1, 4]],
    [{ a: { $gt: null } }, []],
    [{ a: { $type: 'null' } }, [0, 4]],
    [{ 'a.b': null }, [0, 1, 2, 6, 8, 10]],
    [{ 'a.b': { $exists: false } }, [0, 1, 2, 3, 4, 5, 10]],
    [{ a: { $not: { $gt: 0 } } }, [0, 1, 3, 4, 6, 7, 8, 9]],
  ])('%j finds %j', async (filter, ids) => {
    expect(await found(docs, filter)).toEqual(ids);
  });
});

describe('arrays', () => {
  const docs = [{ a: [1, 2, 3] }, { a: [[1, 2], 3] }, { a: 2 }, { a: [] }, { a: [2] }, { a: [{ b: 1, c: 2 }, { b: 3, c: 4 }] }, { a: { b: [1, 5] } }, { a: ['x', 'y'] }];
  test.each([
    [{ a: 2 }, [0, 2, 4]],
    [{ a: [1, 2] }, [1]],
    [{ a: [2] }, [4]],
    [{ a: [] }, [3]],
    [{ a: { $all: [1, 3] } }, [0]],
    [{ a: { $all: [2] } }, [0, 2, 4]],
    [{ a: { $all: [[1, 2]] } }, [1]],
    [{ a: { $all: [] } }, []],
    [{ a: { $size: 2 } }, [1, 5, 7]],
    [{ a: { $size: 0 } }, [3]],
    [{ a: { $gt: 2, $lt: 2 } }, [0]],
    [{ a: { $gt: 1, $lt: 3 } }, [0, 2, 4]],
    [{ a: { $elemMatch: { $gt: 2, $lt: 2 } } }, []],
    [{ a: { $elemMatch: { $gte: 2, $lt: 3 } } }, [0, 4]],
    [{ a: { $elemMatch: { b: 1, c: 4 } } }, []],
    [{ a: { $elemMatch: { b: 3, c: 4 } } }, [5]],
    [{ 'a.b': 1, 'a.c': 4 }, [5]],
    [{ 'a.b': { $gt: 1, $lt: 3 } }, [5, 6]],
    [{ 'a.b': { $gt: 4 } }, [6]],
    [{ 'a.1': 2 }, [0]],
    [{ 'a.0.b': 1 }, [5]],
    [{ a: { $in: [[2], 'x'] } }, [4, 7]],
    [{ a: { $nin: [2, 3] } }, [3, 5, 6, 7]],
    [{ a: { $ne: 2 } }, [1, 3, 5, 6, 7]],
    [{ a: { $type: 'array' } }, [0, 1, 3, 4, 5, 7]],
    [{ a: { $regex: '^x' } }, [7]],
    [{ a: /Y/i }, [7]],
    [{ a: { $not: { $elemMatch: { $eq: 2 } } } }, [1, 2, 3, 5, 6, 7]],
  ])('%j finds %j', async (filter, ids) => {
    expect(await found(docs, filter)).toEqual(ids);
  });
});

describe('numbers and types', () => {
  const docs = [
    { a: 1 },
    { a: new Double(1) },
    { a: Long.fromNumber(1) },
    { a: Decimal128.fromString('1.0') },
    { a: NaN },
    { a: '1' },
    { a: true },
    { a: new Date(1) },
    { a: Long.fromString('9007199254740993') },
    { a: new Double(9007199254740992) },
    { a: -0.5 },
    { a: Infinity },
    { a: new MinKey() },
    { a: new MaxKey() },
  ];
  test.each([
    [{ a: 1 }, [0, 1, 2, 3]],
    [{ a: Decimal128.fromString('1') }, [0, 1, 2, 3]],
    [{ a: NaN }, [4]],
    [{ a: { $lt: 1 } }, [10]],
    [{ a: { $gt: 1 } }, [8, 9, 11]],
    [{ a: { $lte: NaN } }, [4]],
    [{ a: { $gt: NaN } }, []],
    [{ a: Long.fromString('9007199254740993') }, [8]],
    [{ a: new Double(9007199254740992) }, [9]],
    [{ a: { $gte: '' } }, [5]],
    [{ a: { $lt: new Date(5) } }, [7]],
    [{ a: { $gte: false } }, [6]],
    [{ a: { $type: 'number' } }, [0, 1, 2, 3, 4, 8, 9, 10, 11]],
    [{ a: { $type: ['int', 'string'] } }, [0, 5]],
    [{ a: { $mod: [2, 1] } }, [0, 1, 2, 3, 8]],
    [{ a: new MinKey() }, [12]],
    [{ a: { $gt: 0, $lt: Infinity } }, [0, 1, 2, 3, 8, 9]],
    [{ $expr: { $eq: ['$a', 1] } }, [0, 1, 2, 3]],
    [{ $or: [{ a: 1 }, { a: '1' }] }, [0, 1, 2, 3, 5]],
    [{ $nor: [{ a: { $type: 'number' } }, { a: { $type: 'minKey' } }] }, [5, 6, 7, 13]],
    [{ $and: [{ a: { $gte: 1 } }, { a: { $lte: 1 } }] }, [0, 1, 2, 3]],
  ])('%j finds %j', async (filter, ids) => {
    expect(await found(docs, filter)).toEqual(ids);
  });
});

describe('texts', () => {
  const docs = [{ a: 'báo cáo' }, { a: 'Báo cáo' }, { a: 'báo' }, { a: 'line\nbáo' }, { a: 'a.b' }, { a: 'axb' }, { a: 'tail\n' }];
  test.each([
    [{ a: /^báo/ }, [0, 2]],
    [{ a: /^BÁO/i }, [0, 1, 2]],
    [{ a: /^báo/m }, [0, 2, 3]],
    [{ a: { $regex: '^a\\.b' } }, [4]],
    [{ a: { $regex: '^a.b$' } }, [4, 5]],
    [{ a: { $regex: 'tail$' } }, [6]],
    [{ a: { $regex: '^(báo|a)' } }, [0, 2, 4, 5]],
    [{ a: { $regex: '^báo|^a' } }, [0, 2, 4, 5]],
    [{ a: { $regex: '^bá?o?', $options: '' } }, [0, 2]],
    [{ a: { $in: [/^a/, 'báo'] } }, [2, 4, 5]],
    [{ a: { $not: /b/ } }, [1, 6]],
    [{ a: { $gte: 'b', $lt: 'c' } }, [0, 2]],
  ])('%j finds %j', async (filter, ids) => {
    expect(await found(docs, filter)).toEqual(ids);
  });
});

describe('refusals', () => {
  test.each([
    [{ $where: 'true' }, 2],
    [{ $expr: { $function: { body: 'x', args: [], lang: 'js' } } }, 168],
    [{ a: { $foo: 1 } }, 2],
    [{ $foo: 1 }, 2],
    [{ a: { $in: 1 } }, 2],
    [{ $or: [] }, 2],
    [{ a: { $size: -1 } }, 2],
    [{ a: { $regex: '(' } }, 51091],
    [{ a: { $mod: [0, 1] } }, 2],
    [{ a: { $type: 'nonsense' } }, 2],
    [{ $text: { $search: 'x' } }, 27],
    [{ $jsonSchema: {} }, 238],
  ])('%j is refused with code %i', async (filter, code) => {
    expect((await errorOf(client.db.collection('refused').find(filter).toArray())).code).toBe(code);
  });
});
