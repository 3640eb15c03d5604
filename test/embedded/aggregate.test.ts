import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from './client.ts';
import { Decimal128, Double, errorOf, Int32, Long, openClient } from './client.ts';

type Fields = Record<string, unknown>;
let client: Client;
beforeAll(async () => {
  client = await openClient();
});
afterAll(() => client.close());

let number = 0;
async function run(docs: Fields[], pipeline: Fields[]): Promise<Fields[]> {
  const collection = client.db.collection(`c${++number}`);
  if (docs.length > 0) await collection.insertMany(docs.map((doc, i) => ({ _id: i, ...doc })) as never[]);
  return collection.aggregate(pipeline).toArray();
}

/** The value of one expression over one document. */
async function value(doc: Fields, expression: unknown): Promise<unknown> {
  const [found] = await run([doc], [{ $project: { _id: 0, v: expression } }]);
  return (found as Fields).v;
}

describe('stages', () => {
  const sales = [
    { item: 'a', qty: 2, price: 10, tags: ['x', 'y'] },
    { item: 'b', qty: 1, price: 20, tags: [] },
    { item: 'a', qty: 5, price: 10 },
    { item: 'c', qty: 0, price: 5, tags: 'z' },
  ];
  test.each<[string, Fields[], Fields[]]>([
    ['$group sums, averages, extremes', [{ $group: { _id: '$item', n: { $sum: 1 }, q: { $sum: '$qty' }, avg: { $avg: '$qty' }, min: { $min: '$qty' }, max: { $max: '$qty' } } }, { $sort: { _id: 1 } }], [{ _id: 'a', n: 2, q: 7, avg: 3.5, min: 2, max: 5 }, { _id: 'b', n: 1, q: 1, avg: 1, min: 1, max: 1 }, { _id: 'c', n: 1, q: 0, avg: 0, min: 0, max: 0 }]],
    ['$group of everything', [{ $group: { _id: null, total: { $sum: { $multiply: ['$qty', '$price'] } }, items: { $addToSet: '$item' }, first: { $first: '$item' }, last: { $last: '$item' }, all: { $push: '$qty' }, n: { $count: {} } } }], [{ _id: null, total: 90, items: ['a', 'b', 'c'], first: 'a', last: 'c', all: [2, 1, 5, 0], n: 4 }]],
    ['a compound group key leaves missing fields out', [{ $group: { _id: { i: '$item', m: '$nothing' }, n: { $sum: 1 } } }, { $match: { '_id.i': 'b' } }], [{ _id: { i: 'b' }, n: 1 }]],
    ['$unwind leaves out empty and missing, takes a scalar as one', [{ $unwind: '$tags' }, { $project: { _id: 1, tags: 1 } }], [{ _id: 0, tags: 'x' }, { _id: 0, tags: 'y' }, { _id: 3, tags: 'z' }]],
    ['$unwind keeps them when told', [{ $unwind: { path: '$tags', preserveNullAndEmptyArrays: true, includeArrayIndex: 'i' } }, { $project: { tags: 1, i: 1 } }], [{ _id: 0, tags: 'x', i: 0 }, { _id: 0, tags: 'y', i: 1 }, { _id: 1, i: null }, { _id: 2, i: null }, { _id: 3, tags: 'z', i: null }]],
    ['$sort, $skip, $limit, $count', [{ $sort: { price: -1, _id: -1 } }, { $skip: 1 }, { $limit: 2 }, { $project: { price: 1 } }], [{ _id: 2, price: 10 }, { _id: 0, price: 10 }]],
    ['$count', [{ $match: { qty: { $gt: 0 } } }, { $count: 'n' }], [{ n: 3 }]],
    ['$count of nothing gives nothing', [{ $match: { qty: 99 } }, { $count: 'n' }], []],
    ['$addFields below and beside', [{ $match: { _id: 0 } }, { $addFields: { 'm.total': { $multiply: ['$qty', '$price'] }, qty: '$price' } }], [{ _id: 0, item: 'a', qty: 10, price: 10, tags: ['x', 'y'], m: { total: 20 } }]],
    ['$project includes, computes, leaves _id out', [{ $match: { _id: 0 } }, { $project: { _id: 0, price: 1, item: 1, double: { $multiply: ['$qty', 2] } } }], [{ item: 'a', price: 10, double: 4 }]],
    ['$unset and $replaceRoot', [{ $match: { _id: 0 } }, { $unset: ['tags', 'price'] }, { $replaceRoot: { newRoot: { was: '$$ROOT' } } }], [{ was: { _id: 0, item: 'a', qty: 2 } }]],
    ['$sortByCount', [{ $sortByCount: '$item' }, { $limit: 1 }], [{ _id: 'a', count: 2 }]],
    ['$facet', [{ $facet: { n: [{ $count: 'n' }], top: [{ $sort: { price: -1 } }, { $limit: 1 }, { $project: { _id: 1 } }] } }], [{ n: [{ n: 4 }], top: [{ _id: 1 }] }]],
  ])('%s', async (_name, pipeline, wanted) => {
    expect(await run(sales, pipeline)).toEqual(wanted);
  });

  test('$lookup joins by equality, arrays by their elements', async () => {
    const left = client.db.collection(`c${++number}`);
    const right = client.db.collection(`c${++number}`);
    await left.insertMany([{ _id: 1, k: 'a' }, { _id: 2, k: ['a', 'b'] }, { _id: 3 }] as never[]);
    await right.insertMany([{ _id: 10, r: 'a' }, { _id: 11, r: 'b' }, { _id: 12 }] as never[]);
    const found = await left.aggregate([{ $lookup: { from: right.collectionName, localField: 'k', foreignField: 'r', as: 'm' } }, { $project: { 'm._id': 1 } }]).toArray();
    expect(found).toEqual([
      { _id: 1, m: [{ _id: 10 }] },
      { _id: 2, m: [{ _id: 10 }, { _id: 11 }] },
      { _id: 3, m: [{ _id: 12 }] },
    ]);
  });

  test('sums keep the widest type and never round 64-bit integers', async () => {
    const typed = await openClient(true);
    try {
      const collection = typed.db.collection('sums');
      await collection.insertMany([{ v: new Int32(1) }, { v: Long.fromString('9007199254740993') }]);
      const sum = async (): Promise<unknown> => ((await collection.aggregate([{ $group: { _id: null, s: { $sum: '$v' } } }]).toArray())[0] as Fields).s;
      expect(String(await sum())).toBe('9007199254740994');
      await collection.insertOne({ v: Decimal128.fromString('0.5') });
      expect(String(await sum())).toBe('9007199254740994.5');
      await collection.insertOne({ v: 'text counts for nothing' });
      expect(String(await sum())).toBe('9007199254740994.5');
      await collection.deleteMany({});
      await collection.insertMany(Array.from({ length: 10 }, () => ({ v: new Double(0.1) })));
      expect(await sum()).toEqual(new Double(1));
    } finally {
      await typed.close();
    }
  });

  test.each<[Fields, number]>([
    [{ $foo: 1 }, 40324],
    [{ $group: { n: { $sum: 1 } } }, 15955],
    [{ $group: { _id: 1, n: { $foo: 1 } } }, 15952],
    [{ $project: { a: 1, b: 0 } }, 31254],
    [{ $project: {} }, 51272],
    [{ $project: { v: { $foo: 1 } } }, 168],
    [{ $limit: 0 }, 15958],
    [{ $out: 'x' }, 238],
    [{ $match: { $where: 'x' } }, 2],
    [{ $project: { v: { $function: { body: '', args: [], lang: 'js' } } } }, 168],
  ])('%j is refused with code %i', async (stage, code) => {
    expect((await errorOf(run([{ a: 1 }], [stage]))).code).toBe(code);
  });
});

/** An object with a field `then`, which must not be written as one: it would look like a promise. */
function named(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, inner]) => [name.toLowerCase(), inner]));
}

describe('expressions', () => {
  const doc = { n: 7, d: 2.5, s: 'Đôn Đốc', list: [3, 1, 2], docs: [{ k: 1 }, { k: 2 }, {}], none: null, at: new Date('2024-01-31T17:30:00.000Z'), flag: false };
  test.each<[unknown, unknown]>([
    [{ $add: ['$n', 1, '$d'] }, 10.5],
    [{ $add: ['$at', 1000] }, new Date('2024-01-31T17:30:01.000Z')],
    [{ $subtract: ['$at', new Date('2024-01-31T17:29:00.000Z')] }, 60000],
    [{ $add: ['$n', '$none'] }, null],
    [{ $divide: ['$n', 2] }, 3.5],
    [{ $mod: ['$n', 4] }, 3],
    [{ $round: ['$d'] }, 2],
    [{ $floor: '$d' }, 2],
    [{ $cond: ['$flag', 'yes', 'no'] }, 'no'],
    [{ $cond: named({ if: { $gt: ['$n', 5] }, THEN: 1, else: 0 }) }, 1],
    [{ $ifNull: ['$none', '$missing', 'x'] }, 'x'],
    [{ $switch: { branches: [named({ case: { $lt: ['$n', 5] }, THEN: 'low' })], default: 'high' } }, 'high'],
    [{ $eq: ['$none', '$missing'] }, false],
    [{ $gt: ['$none', '$missing'] }, true],
    [{ $and: [true, '$n'] }, true],
    [{ $not: ['$flag'] }, true],
    [{ $concat: ['$s', '!'] }, 'Đôn Đốc!'],
    [{ $strLenCP: '$s' }, 7],
    [{ $strLenBytes: '$s' }, 12],
    [{ $toUpper: '$s' }, 'ĐôN ĐốC'],
    [{ $substrCP: ['$s', 4, 3] }, 'Đốc'],
    [{ $split: ['a,b', ','] }, ['a', 'b']],
    [{ $toString: '$n' }, '7'],
    [{ $toInt: '12' }, 12],
    [{ $type: '$missing' }, 'missing'],
    [{ $size: '$list' }, 3],
    [{ $arrayElemAt: ['$list', -1] }, 2],
    [{ $in: [1, '$list'] }, true],
    [{ $slice: ['$list', 1, 2] }, [1, 2]],
    [{ $filter: { input: '$list', as: 'x', cond: { $gte: ['$$x', 2] } } }, [3, 2]],
    [{ $map: { input: '$list', in: { $multiply: ['$$this', 2] } } }, [6, 2, 4]],
    [{ $reduce: { input: '$list', initialValue: 0, in: { $add: ['$$value', '$$this'] } } }, 6],
    [{ $sum: '$list' }, 6],
    [{ $max: ['$n', '$d', null] }, 7],
    ['$docs.k', [1, 2]],
    [{ $setUnion: ['$list', [1, 4]] }, [3, 1, 2, 4]],
    [{ $let: { vars: { x: 2 }, in: { $multiply: ['$$x', '$n'] } } }, 14],
    [{ $mergeObjects: [{ a: 1 }, { b: 2 }] }, { a: 1, b: 2 }],
    [{ $year: '$at' }, 2024],
    [{ $month: { date: '$at', timezone: 'Asia/Ho_Chi_Minh' } }, 2],
    [{ $dateToString: { date: '$at', format: '%Y-%m-%d %H:%M', timezone: 'Asia/Ho_Chi_Minh' } }, '2024-02-01 00:30'],
    [{ $dateTrunc: { date: '$at', unit: 'day', timezone: 'Asia/Ho_Chi_Minh' } }, new Date('2024-01-31T17:00:00.000Z')],
    [{ $dateAdd: { startDate: '$at', unit: 'month', amount: 1 } }, new Date('2024-02-29T17:30:00.000Z')],
    [{ $literal: '$n' }, '$n'],
    [{ $regexMatch: { input: '$s', regex: 'đốc', options: 'i' } }, true],
  ])('%j gives %j', async (expression, wanted) => {
    expect(await value(doc, expression)).toEqual(wanted);
  });

  test('a missing value leaves the field out', async () => {
    expect(await run([doc], [{ $project: { _id: 0, v: '$missing', w: { $cond: [true, '$$REMOVE', 1] } } }])).toEqual([{}]);
  });
});

describe('groups read from an index alone', () => {
  test('give what a scan gives, whatever the types and arrays', async () => {
    const collection = client.db.collection(`c${++number}`);
    const pick = <T>(all: T[], i: number): T => all[i % all.length] as T;
    const docs = Array.from({ length: 400 }, (_none, i) => ({
      plan: pick(['2024', '2025'], i),
      path: pick([['T'], ['T', 'H1'], ['T', 'H2']], i * 7),
      level: pick(['tinh', 'huyen'], i * 3),
      at: pick([new Date(1), new Date(2), null], i * 5),
      n: pick([1, 2, 3], i),
      mixed: pick<unknown>([1, new Double(1.5), null, Long.fromNumber(2)], i),
      ...(i % 4 === 0 ? {} : { may: pick<unknown>(['x', null], i) }),
    }));
    await collection.insertMany(docs);
    const pipelines = [
      [{ $match: { plan: '2024' } }, { $group: { _id: { level: '$level', at: '$at' }, n: { $sum: 1 } } }],
      [{ $match: { plan: '2024', path: 'H1' } }, { $group: { _id: { level: '$level', at: '$at' }, n: { $sum: '$n' }, max: { $max: '$n' } } }],
      [{ $match: { plan: '2024', path: 'T', level: { $in: ['tinh', 'huyen'] } } }, { $group: { _id: '$at', n: { $sum: { $cond: [{ $eq: ['$level', 'tinh'] }, 1, 0] } } } }],
      [{ $match: { plan: '2024' } }, { $group: { _id: '$mixed', n: { $sum: 1 } } }],
      [{ $match: { plan: '2024' } }, { $group: { _id: { m: '$may' }, n: { $sum: 1 } } }],
      [{ $match: { plan: '2024', path: 'H2' } }, { $count: 'n' }],
      [{ $match: { plan: { $in: ['2024', '2025'] } } }, { $group: { _id: '$path', n: { $sum: 1 } } }],
    ];
    const sorted = (found: unknown[]): string[] => found.map((doc) => JSON.stringify(doc)).toSorted();
    const scanned = await Promise.all(pipelines.map(async (pipeline) => sorted(await collection.aggregate(pipeline).toArray())));
    await collection.createIndex({ plan: 1, level: 1, at: -1, n: 1 });
    await collection.createIndex({ plan: 1, path: 1, level: 1, at: 1, n: 1 });
    await collection.createIndex({ plan: 1, mixed: 1 });
    await collection.createIndex({ plan: 1, may: -1 });
    expect(await Promise.all(pipelines.map(async (pipeline) => sorted(await collection.aggregate(pipeline).toArray())))).toEqual(scanned);
    const examined = await collection.aggregate(pipelines[1]).explain('executionStats');
    expect((examined.executionStats as Fields | undefined)?.totalDocsExamined).toBe(0);
  });
});
