import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import mongoose, { mongo, type Connection } from 'mongoose';
import { Readable } from 'node:stream';
import { openStore } from '../../src/store/store.ts';
import { transferDatabase } from '../../src/store/transfer.ts';
import { openTestDatabase, type TestDatabase } from '../support/mongo.ts';

let from: TestDatabase;
let to: TestDatabase;
let source: Connection;
let target: Connection;

beforeEach(async () => {
  [from, to] = [await openTestDatabase(), await openTestDatabase()];
  [source, target] = await Promise.all([from, to].map(({ uri }) => mongoose.createConnection(uri).asPromise())) as [Connection, Connection];
});
afterEach(async () => {
  await Promise.all([source.close(), target.close()]);
  await from.stop();
  await to.stop();
});

describe('moving to another database', () => {
  test('every document arrives as it was stored, types and field order too, with its indexes', async () => {
    const odd = { _id: 'x', z: mongo.Long.fromString('9007199254740993'), a: new mongo.Double(1), i: new mongo.Int32(1), d: mongo.Decimal128.fromString('1.10'), n: null, b: new mongo.Binary(Buffer.from('đ')), t: new Date(0), r: [1, { y: 2, x: 1 }] };
    await source.collection<{ _id: string }>('odd').insertOne(odd);
    await source.collection('odd').createIndex({ z: 1, a: -1 }, { unique: true, name: 'both', partialFilterExpression: { z: { $gt: 0 } } });
    const done = await transferDatabase(from.uri, to.uri);
    expect(done).toMatchObject({ documents: 1, collections: [{ name: 'odd', documents: 1, indexes: 1 }] });
    const raw = (connection: Connection) => connection.collection('odd').findOne({}, { promoteValues: false, promoteBuffers: false });
    expect(mongo.BSON.serialize((await raw(target)) as mongo.Document)).toEqual(mongo.BSON.serialize((await raw(source)) as mongo.Document));
    expect((await target.collection('odd').indexes()).find((index) => index.name === 'both')).toMatchObject({ key: { z: 1, a: -1 }, unique: true, partialFilterExpression: { z: { $gt: 0 } } });
  });

  test('the whole store moves, files included, and works on the other side', async () => {
    const store = await openStore({ uri: from.uri });
    await store.files.save('f1', Readable.from([Buffer.alloc(700_000, 7)]), { name: 'báo cáo.pdf', mime: 'application/pdf' }, 1_000_000);
    expect(await store.receipts.issue(2024, 'telegram:1')).toBe('BN-2024-000001');
    await transferDatabase(from.uri, to.uri);
    const moved = await openStore({ uri: to.uri });
    expect(await moved.files.describe('f1')).toEqual(await store.files.describe('f1'));
    expect(await moved.receipts.issue(2024, 'telegram:1')).toBe('BN-2024-000001');
    expect(await moved.receipts.issue(2024, 'telegram:2')).toBe('BN-2024-000002');
    await store.close();
    await moved.close();
  });

  test('a target that holds anything is refused and left alone', async () => {
    await source.collection('a').insertOne({ x: 1 });
    await target.collection('b').insertOne({ x: 2 });
    await expect(transferDatabase(from.uri, to.uri)).rejects.toMatchObject({ name: 'TransferFailure', exitCode: 65 });
    expect(await target.collection('a').countDocuments()).toBe(0);
  });

  test('nobody there is said as such', async () => {
    await expect(transferDatabase(from.uri, 'mongodb://127.0.0.1:9/dondoc')).rejects.toMatchObject({ name: 'StoreUnreachable' });
  }, 30_000);
});
