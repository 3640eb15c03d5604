import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { mongo } from 'mongoose';
import type { Calendar } from '../domain/calendar.ts';
import { openEmbeddedThread } from '../embedded/thread.ts';
import type { Core, Store } from '../ports.ts';
import { openStore } from '../store/store.ts';

/** Where a benchmark stands: a store on a database of its own, and the driver beside it. */
export interface Ground {
  store: Store;
  database: mongo.Db;
}

/**
 * Runs on a database made for it and removed afterwards: on the named server, or (null) on an embedded engine in a temporary folder.
 */
export async function withGround<T>(server: string | null, name: string, run: (ground: Ground) => Promise<T>): Promise<T> {
  if (server !== null) return onServer(server, name, true, run);
  const folder = await mkdtemp(join(tmpdir(), 'dondoc-bench-'));
  const engine = await openEmbeddedThread({ folder });
  try {
    return await onServer(engine.uri, name, false, run);
  } finally {
    await engine.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function onServer<T>(server: string, name: string, drop: boolean, run: (ground: Ground) => Promise<T>): Promise<T> {
  const uri = withDatabase(server, `bench-${process.pid}-${name}`);
  const client = new mongo.MongoClient(uri, { writeConcern: { w: 'majority', journal: true } });
  const store = await openStore({ uri });
  try {
    return await run({ store, database: client.db() });
  } finally {
    await store.close();
    if (drop) await client.db().dropDatabase(); // An engine of our own goes with its folder.
    await client.close();
  }
}

/** @example withDatabase('mongodb://localhost:27017/dondoc?w=1', 'bench') → 'mongodb://localhost:27017/bench?w=1' */
function withDatabase(uri: string, name: string): string {
  return uri.replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?/, (_, base: string) => `${base}/${name}`);
}

/** A core on that store that stands at one moment and reaches nobody: for services that read and write the store only. */
export function benchCore(store: Store, calendar: Calendar, now: Date): Core {
  const silent = (): void => {};
  const absent = (): never => {
    throw new Error('a benchmark of the store draws, sends and reads no files');
  };
  return {
    store, calendar, clock: () => now, log: { info: silent, warn: silent, error: silent }, levels: [], secret: 'bench', channels: new Map(), publicUrl: 'http://localhost',
    drawCode: absent, drawChart: absent, random: (bytes) => new Uint8Array(bytes), recognise: absent, writeSheet: absent, wakeOutbox: silent,
  };
}

/** A collection beside another one, empty, with the same indexes: for putting the same rows into it by hand. */
export async function copyIndexes(database: mongo.Db, from: string, to: string): Promise<mongo.Collection> {
  const copy = database.collection(to);
  for (const { key, name, v: _v, ...options } of await database.collection(from).indexes()) if (name !== '_id_') await copy.createIndex(key as Record<string, 1 | -1>, options);
  return copy;
}

/** What something cost: milliseconds by the clock, and of work in this process (a busy machine makes the first longer, not the second). */
export interface Cost {
  ms: number;
  cpuMs: number;
}

/** Runs it and says what it cost. */
export async function measure<T>(run: () => Promise<T>): Promise<Cost & { result: T }> {
  const used = process.cpuUsage();
  const begun = performance.now();
  const result = await run();
  const ms = performance.now() - begun;
  const { user, system } = process.cpuUsage(used);
  return { result, ms, cpuMs: (user + system) / 1000 };
}

/** Medians of both, taken in turns, so that whatever else the machine does falls on both alike. The first three rounds only warm up. */
export async function measurePair(rounds: number, one: () => Promise<unknown>, other: () => Promise<unknown>): Promise<[number, number]> {
  const [ones, others]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds + 3; round += 1) {
    const [first, second] = [(await measure(one)).ms, (await measure(other)).ms];
    if (round < 3) continue;
    ones.push(first);
    others.push(second);
  }
  return [median(ones), median(others)];
}

/** The middle one. @example median([3, 1, 2]) → 2 */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

/** Two decimals. @example rounded(1.2345) → 1.23 */
export function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
