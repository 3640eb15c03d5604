import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mongo } from 'mongoose';
import type { FileStore } from '../../src/ports.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

let opened: TestStore;
let files: FileStore;
let client: mongo.MongoClient;

beforeAll(async () => {
  opened = await openTestStore();
  files = opened.store.files;
  client = new mongo.MongoClient(opened.uri);
});
afterAll(async () => {
  await client.close();
  await opened.close();
});

const about = { name: 'Báo cáo 6 tháng – công đoàn.pdf', mime: 'application/pdf' };
const limit = 20 * 1024 * 1024;
const inPieces = (bytes: Buffer, size = 64 * 1024): Readable => Readable.from(Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size)));
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

async function chunksLeft(id: string): Promise<number> {
  return client.db().collection('files.chunks').countDocuments({ files_id: id as never });
}

test.each([0, 1, 255 * 1024, 255 * 1024 + 1, 1_500_000])('%i bytes come back unchanged, with their size and SHA-256', async (length) => {
  const bytes = randomBytes(length);
  const id = `size-${length}`;
  expect(await files.save(id, inPieces(bytes), about, limit)).toEqual({ size: length, sha256: sha256(bytes) });
  expect(await files.describe(id)).toEqual({ ...about, size: length, sha256: sha256(bytes) });
  expect((await buffer(await files.open(id))).equals(bytes)).toBe(true);
  expect((await files.head(id, 4_100)).equals(bytes.subarray(0, 4_100))).toBe(true);
  expect((await files.head(id, 600_000)).equals(bytes.subarray(0, 600_000))).toBe(true);
});

test('a file past the limit is refused and leaves nothing behind', async () => {
  await expect(files.save('big', inPieces(randomBytes(1_000_001)), about, 1_000_000)).rejects.toMatchObject({ code: 'file-too-big' });
  expect(await files.describe('big')).toBeNull();
  expect(await chunksLeft('big')).toBe(0);
});

test('a file of exactly the limit is taken', async () => {
  expect((await files.save('full', inPieces(randomBytes(1_000_000)), about, 1_000_000)).size).toBe(1_000_000);
});

test('a stream that breaks off leaves nothing behind', async () => {
  async function* breaking(): AsyncIterable<Buffer> {
    yield randomBytes(600_000);
    throw new Error('the connection was lost');
  }
  await expect(files.save('broken', Readable.from(breaking()), about, limit)).rejects.toThrow('the connection was lost');
  expect(await files.describe('broken')).toBeNull();
  expect(await chunksLeft('broken')).toBe(0);
});

test('saving the same id again replaces it, also what a crash left half written', async () => {
  const old = randomBytes(700_000);
  await files.save('again', inPieces(old), about, limit);
  await client.db().collection('files.files').deleteOne({ _id: 'again' as never }); // As if the process had died before the last write.
  expect(await files.describe('again')).toBeNull();
  const bytes = randomBytes(300_000);
  await files.save('again', inPieces(bytes), about, limit);
  await files.save('again', inPieces(bytes), about, limit);
  expect((await buffer(await files.open('again'))).equals(bytes)).toBe(true);
  expect(await chunksLeft('again')).toBe(2);
});

test('a removed or unknown file is gone', async () => {
  await files.save('removed', inPieces(randomBytes(10)), about, limit);
  await files.remove('removed');
  await expect(files.open('removed')).rejects.toMatchObject({ code: 'file-gone' });
  expect(await files.describe('unknown')).toBeNull();
  expect(await files.head('unknown', 10)).toHaveLength(0);
});
