import { copyFileSync, closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { mongo } from 'mongoose';
import { openEmbedded } from '../embedded/server.ts';

/** What the engine benchmark runs on. */
export interface EngineBenchOptions {
  /** 1: full size (1,000,000 documents through a cursor, 20 MB files). */
  scale: number;
  /** A second MongoDB-compatible server to compare one find with; null: none. */
  server: string | null;
  print(line: EngineBenchLine): void;
}

/** One line: a figure, the baseline measured in the same run, their ratio, the limit it is held to (null: only told) and whether it is kept. */
export interface EngineBenchLine {
  bench: 'engine-durable-inserts' | 'engine-durable-inserts-grouped' | 'engine-find' | 'engine-find-second' | 'engine-gridfs-in' | 'engine-gridfs-out' | 'engine-group' | 'engine-cursor-memory';
  /** What `value` and `against` are: per second, milliseconds or megabytes. */
  unit: 'per second' | 'ms' | 'MB';
  value: number;
  against: number;
  ratio: number;
  limit: number | null;
  kept: boolean;
}

const connections = 16;

/** Measures the embedded engine against LMDB itself, plain files and (where given) a second server; every ratio within this one run. */
export async function benchEngine({ scale, server, print }: EngineBenchOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dondoc-bench-'));
  // In this thread, not in its own as in a service: the memory of a cursor is read from this thread's heap.
  const engine = await openEmbedded({ folder: join(folder, 'engine') });
  const client = await mongo.MongoClient.connect(engine.uri, { maxPoolSize: connections, minPoolSize: connections });
  const tell = (bench: EngineBenchLine['bench'], unit: EngineBenchLine['unit'], value: number, against: number, limit: number | null, better: 'higher' | 'lower'): void => {
    const ratio = value / against;
    print({ bench, unit, value: round(value), against: round(against), ratio: round(ratio), limit, kept: limit === null || (better === 'higher' ? ratio >= limit : ratio <= limit) });
  };
  try {
    const inserts = Math.max(500, Math.round(20_000 * scale));
    // Alternating halves, so that a machine that grows slower or faster meanwhile favours neither.
    const ours = [0, 0];
    const theirs = [0, 0];
    const grouped = [0, 0];
    for (const half of [0, 1]) {
      theirs[half] = await durablePuts(join(folder, `lmdb-${half}`), inserts / 2, 1);
      grouped[half] = await durablePuts(join(folder, `grouped-${half}`), inserts / 2, connections);
      ours[half] = await durableInserts(client.db(), inserts / 2, half);
    }
    tell('engine-durable-inserts', 'per second', inserts / sum(ours), inserts / sum(theirs), 0.5, 'higher');
    // Told only: without a protocol, a driver and an index in between, sixteen puts share a commit for next to nothing.
    tell('engine-durable-inserts-grouped', 'per second', inserts / sum(ours), inserts / sum(grouped), null, 'higher');

    const finds = Math.max(300, Math.round(10_000 * scale));
    const found = await measureFinds(client.db(), finds);
    tell('engine-find', 'per second', 1000 / found, 1000 / (await measureGets(join(folder, 'lmdb-0'), finds)), null, 'higher');
    if (server !== null) {
      const other = await mongo.MongoClient.connect(server);
      const database = other.db(`bench_${process.pid}`);
      await durableInserts(database, Math.min(inserts, 2000), 0);
      tell('engine-find-second', 'per second', 1000 / found, 1000 / (await measureFinds(database, Math.min(finds, 2000))), 1, 'higher');
      await database.dropDatabase();
      await other.close();
    }
    await benchFiles(client.db(), folder, Math.max(1, Math.round(20 * scale)), tell);
    await benchReading(client.db(), Math.max(5000, Math.round(1_000_000 * scale)), tell);
  } finally {
    await client.close();
    await engine.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** LMDB's own puts, each awaited until it is synced; `side` of them at a time (1: a commit for each, more: they share commits). */
function durablePuts(path: string, count: number, side: number): Promise<number> {
  const environment = open<Buffer, number>({ path, encoding: 'binary', overlappingSync: false });
  const value = Buffer.alloc(150, 7);
  return inParallel(count, side, async (n) => {
    await environment.put(n, value);
    await environment.flushed;
  }).finally(() => environment.close());
}

function durableInserts(database: mongo.Db, count: number, half: number): Promise<number> {
  const collection = database.collection<{ _id: number; text: string }>('inserts');
  const text = 'x'.repeat(110);
  return inParallel(count, connections, async (n) => {
    await collection.insertOne({ _id: half * count + n, text });
  });
}

/** Runs `count` pieces of work, `side` at a time; how long all took, in seconds. */
async function inParallel(count: number, side: number, work: (n: number) => Promise<void>): Promise<number> {
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: side }, async () => {
      while (next < count) await work(next++);
    }),
  );
  return (performance.now() - started) / 1000;
}

/** Milliseconds of one find by `_id`, one after the other. */
async function measureFinds(database: mongo.Db, count: number): Promise<number> {
  const collection = database.collection<{ _id: number }>('inserts');
  const stored = await collection.countDocuments();
  for (let n = 0; n < 200; n++) await collection.findOne({ _id: n });
  const started = performance.now();
  for (let n = 0; n < count; n++) await collection.findOne({ _id: (n * 7) % stored });
  return (performance.now() - started) / count;
}

async function measureGets(path: string, count: number): Promise<number> {
  const environment = open<Buffer, number>({ path, encoding: 'binary', overlappingSync: false });
  const stored = environment.getCount();
  const started = performance.now();
  for (let n = 0; n < count; n++) environment.get((n * 7) % stored);
  const each = (performance.now() - started) / count;
  await environment.close();
  return each;
}

type Tell = (bench: EngineBenchLine['bench'], unit: EngineBenchLine['unit'], value: number, against: number, limit: number | null, better: 'higher' | 'lower') => void;

async function benchFiles(database: mongo.Db, folder: string, megabytes: number, tell: Tell): Promise<void> {
  const bytes = Buffer.alloc(megabytes * 1024 * 1024, 5);
  const file = join(folder, 'file');
  const copy = join(folder, 'copy');
  writeFileSync(file, bytes);
  const bucket = new mongo.GridFSBucket(database);
  const times = { in: [] as number[], out: [] as number[], copy: [] as number[] };
  for (let n = 0; n < 5; n++) {
    times.copy.push(await timed(() => {
      copyFileSync(file, copy);
      const descriptor = openSync(copy, 'r+');
      fsyncSync(descriptor);
      closeSync(descriptor);
    }));
    times.in.push(await timed(() => new Promise<void>((done, fail) => bucket.openUploadStream(`f${n}`).on('finish', () => done()).on('error', fail).end(bytes))));
    times.out.push(await timed(async () => {
      for await (const chunk of bucket.openDownloadStreamByName(`f${n}`)) void chunk;
    }));
  }
  tell('engine-gridfs-in', 'ms', median(times.in), median(times.copy), null, 'lower');
  tell('engine-gridfs-out', 'ms', median(times.out), median(times.copy), null, 'lower');
}

/** A million small documents: the figures of `/thongke` from an index alone against reading them, and memory while a cursor reads all. */
async function benchReading(database: mongo.Db, count: number, tell: Tell): Promise<void> {
  const collection = database.collection('many');
  await collection.createIndex({ plan: 1, obligation: 1, level: 1, state: 1, deadline: 1 });
  for (let at = 0; at < count; at += 5000) {
    await collection.insertMany(
      Array.from({ length: Math.min(5000, count - at) }, (_none, i) => ({
        plan: '2024',
        obligation: `o${(at + i) % 24}`,
        level: `l${(at + i) % 3}`,
        state: (at + i) % 5 === 0 ? 'open' : 'received',
        deadline: new Date(((at + i) % 24) * 86_400_000),
        unit: at + i,
      })),
    );
  }
  const byState = [{ $match: { plan: '2024' } }, { $group: { _id: { obligation: '$obligation', level: '$level', state: '$state', deadline: '$deadline' }, n: { $sum: 1 } } }];
  const byHand = [{ $match: { plan: '2024' } }, { $group: { _id: { obligation: '$obligation', level: '$level', state: '$state', deadline: '$deadline' }, n: { $sum: 1 }, last: { $last: '$unit' } } }];
  const index = await timed(() => collection.aggregate(byState).toArray());
  const scan = await timed(() => collection.aggregate(byHand).toArray());
  tell('engine-group', 'ms', index, scan, 0.2, 'lower');

  const memory = (): number => {
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 1_048_576;
  };
  let read = 0;
  const early: number[] = [];
  const late: number[] = [];
  for await (const doc of collection.find().batchSize(1000)) {
    void doc;
    read++;
    if (read % Math.max(1, Math.floor(count / 50)) === 0) (read < count / 2 ? early : late).push(memory());
  }
  if (read !== count) throw new Error(`the cursor gave ${read} documents instead of ${count}`);
  // The lowest of each half is what is held on to: the rest is rubbish waiting to be collected.
  tell('engine-cursor-memory', 'MB', Math.min(...late), Math.min(...early), 1.25, 'lower');
}

async function timed(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
