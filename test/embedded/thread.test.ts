import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { openEmbedded } from '../../src/embedded/server.ts';
import { openEmbeddedThread } from '../../src/embedded/thread.ts';
import { compileSources } from '../support/compiled.ts';
import { MongoClient } from './client.ts';

// A thread loads compiled files only: every test runs a small program on the compiled engine, as the service does.

let compiled: string;
/** The same with a thread that breaks when it is told to by `STRIKE`. */
let fragile: string;
beforeAll(() => {
  compiled = compileSources('embedded');
  fragile = compileSources('embedded');
  appendFileSync(
    join(fragile, 'embedded', 'worker.js'),
    `
if (process.env.STRIKE === 'error') setTimeout(() => { throw new Error('struck'); }, 300);
if (process.env.STRIKE === 'memory') setTimeout(() => { for (const kept = []; ;) kept.push(new Array(100000).fill(0).map(() => ({}))); }, 300);
if (process.env.STRIKE === 'end') setTimeout(() => process.exit(3), 300);
`,
  );
});
const made: string[] = [];
afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});
afterAll(() => {
  for (const folder of [compiled, fragile]) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dondoc-thread-'));
  made.push(folder);
  return folder;
}

interface Ended {
  code: number | null;
  signal: string | null;
  out: string;
  words: string;
}

/** Runs a program beside the compiled engine; `folder` is its last argument. `onOut` sees what it has written so far. */
function run(program: string, options: { root?: string; folder: string; env?: Record<string, string>; flags?: string[]; onOut?: (out: string, kill: () => void) => void }): Promise<Ended> {
  const root = options.root ?? compiled;
  const file = join(root, `program-${made.length}-${Math.random().toString(36).slice(2)}.js`);
  writeFileSync(file, `import { openEmbeddedThread } from './embedded/thread.js';\nimport { EmbeddedFailure } from './embedded/failure.js';\nimport mongoose from 'mongoose';\nconst { MongoClient } = mongoose.mongo;\nconst folder = process.argv[2];\n${program}`);
  return new Promise((done) => {
    const child = spawn(process.execPath, [...(options.flags ?? []), file, options.folder], { env: { PATH: process.env.PATH, TMPDIR: tmpdir(), ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, words] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      options.onOut?.(out, () => child.kill('SIGKILL'));
    });
    child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString()));
    child.on('close', (code, signal) => done({ code, signal, out, words }));
  });
}

const fine = { code: 0, signal: null, words: '' };

describe('an engine in a thread of its own', () => {
  test('answers a driver while the thread that opened it works, and its socket is its owner\'s alone', async () => {
    const folder = newFolder();
    const ended = await run(
      `
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
const engine = await openEmbeddedThread({ folder });
const path = decodeURIComponent(/^mongodb:\\/\\/([^/]+)/.exec(engine.uri)[1]);
const { mode } = statSync(path);
const client = await MongoClient.connect(engine.uri);
const docs = client.db().collection('docs');
await docs.createIndex({ n: 1 }, { unique: true });
await docs.insertMany(Array.from({ length: 3000 }, (_, n) => ({ n, group: n % 7, text: 'x'.repeat(100) })));
const groups = await docs.aggregate([{ $sort: { text: 1, n: -1 } }, { $group: { _id: '$group', all: { $push: '$n' } } }, { $sort: { _id: 1 } }]).toArray();
const code = await docs.insertOne({ n: 5 }).catch((error) => error.code);
// Another thread asks while this one is blocked: it gets its answer all the same.
const flag = new Int32Array(new SharedArrayBuffer(4));
const asker = new Worker(\`const { workerData } = require('node:worker_threads'); const { MongoClient } = require(workerData.mongodb); (async () => { const client = await MongoClient.connect(workerData.uri); const count = await client.db().collection('docs').countDocuments(); Atomics.store(workerData.flag, 0, count); Atomics.notify(workerData.flag, 0); await client.close(); })();\`, { eval: true, workerData: { uri: engine.uri, flag, mongodb: process.env.MONGODB_MODULE } });
asker.unref();
await new Promise((online) => asker.once('online', online));
const waited = Atomics.wait(flag, 0, 0, 10_000);
await engine.tick();
const copied = await engine.backup(folder + '/copy');
await client.close();
await engine.stop();
await engine.stop();
console.log(JSON.stringify({ mode: mode & 0o777, groups: groups.map((group) => [group._id, group.all.length, group.all[0]]), code, waited, seen: flag[0], copied: copied.documents }));
`,
      { folder, env: { MONGODB_MODULE: join(process.cwd(), 'node_modules', 'mongodb') } },
    );
    expect(ended).toEqual({ ...fine, out: expect.any(String) });
    expect(JSON.parse(ended.out)).toEqual({
      mode: 0o600,
      groups: Array.from({ length: 7 }, (_none, group) => [group, group < 4 ? 429 : 428, [2996, 2997, 2998, 2999, 2993, 2994, 2995][group]]),
      code: 11000,
      waited: expect.stringMatching(/^(ok|not-equal)$/),
      seen: 3000,
      copied: 3000,
    });
    expect(existsSync(join(folder, 'engine.sock')) || existsSync(join(folder, 'engine.sock.new')) || existsSync(join(folder, 'engine.json'))).toBe(false);
  });

  test('a folder that cannot be used is refused with its one line and its exit code', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'file'), '');
    const owner = await openEmbedded({ folder: join(folder, 'served') });
    const ended = await run(
      `
const failures = [];
for (const name of ['file', 'served']) {
  await openEmbeddedThread({ folder: folder + '/' + name }).catch((error) => failures.push([error instanceof EmbeddedFailure, error.exitCode, error.message]));
}
const engine = await openEmbeddedThread({ folder: folder + '/good' });
await engine.backup(folder + '/served').catch((error) => failures.push([error instanceof EmbeddedFailure, error.exitCode, error.message]));
await engine.stop();
await engine.tick().catch((error) => failures.push(error.message));
console.log(JSON.stringify(failures));
`,
      { folder },
    );
    await owner.stop();
    expect(ended).toEqual({ ...fine, out: expect.any(String) });
    expect(JSON.parse(ended.out)).toEqual([
      [true, 78, expect.stringContaining('is not a folder')],
      [true, 69, expect.stringContaining('is in use by process')],
      [true, 78, expect.stringContaining('has files in it')],
      'The database is stopped',
    ]);
  });

  test('a stop finishes the requests in hand, again and again, and the process ends by itself', async () => {
    const folder = newFolder();
    const ended = await run(
      `
let acknowledged = 0;
for (let round = 0; round < 10; round++) {
  const engine = await openEmbeddedThread({ folder });
  const client = await MongoClient.connect(engine.uri, { serverSelectionTimeoutMS: 100, heartbeatFrequencyMS: 500, retryWrites: false, maxPoolSize: 20, minPoolSize: 20 });
  const docs = client.db().collection('docs');
  await docs.insertOne({ round }).then(() => acknowledged++);
  const writes = Array.from({ length: 100 }, () => docs.insertOne({ round }).then(() => acknowledged++, () => undefined));
  await Promise.race(writes);
  await engine.stop();
  await Promise.all(writes);
  await client.close();
}
console.log(acknowledged);
`,
      { folder },
    );
    expect(ended).toEqual({ ...fine, out: expect.any(String) });
    const acknowledged = Number(ended.out);
    expect(acknowledged).toBeGreaterThanOrEqual(20);
    // What was not answered may have been kept; what was answered is there.
    expect(await countDocs(folder)).toBeGreaterThanOrEqual(acknowledged);
  }, 30_000);

  const writer = `
const engine = await openEmbeddedThread({ folder, ...(process.env.SAY ? { died: (error) => { console.error('died: ' + error.message); process.exit(70); } } : {}) });
const client = await MongoClient.connect(engine.uri, { serverSelectionTimeoutMS: 500 });
for (let n = 0; ; n++) {
  await Promise.all(Array.from({ length: 5 }, (_, k) => client.db().collection('docs').insertOne({ n, k }).then(() => process.stdout.write('x'), () => undefined)));
}
`;

  for (const [strike, line] of [['error', 'struck'], ['memory', 'memory limit'], ['end', 'ended with 3']] as const) {
    test(`when its thread breaks (${strike}) the process says so and ends, and what was acknowledged is there`, async () => {
      const folder = newFolder();
      const ended = await run(writer, { root: fragile, folder, env: { STRIKE: strike, SAY: '1' }, flags: ['--max-old-space-size=100'] });
      expect(ended).toEqual({ code: 70, signal: null, out: expect.stringMatching(/^x+$/), words: expect.stringMatching(new RegExp(`^died: .*${line}.*\n$`)) });
      expect(await countDocs(folder)).toBeGreaterThanOrEqual(ended.out.length);
    }, 30_000);
  }

  test('a caller that has not said what to do then ends as well', async () => {
    const ended = await run(writer, { root: fragile, folder: newFolder(), env: { STRIKE: 'error' } });
    expect([ended.code, ended.words]).toEqual([1, expect.stringContaining('Error: struck')]);
  });

  test('a kill loses nothing that was acknowledged, and the folder opens again', async () => {
    const folder = newFolder();
    const ended = await run(writer, { folder, onOut: (out, kill) => void (out.length > 200 && kill()) });
    expect(ended.signal).toBe('SIGKILL');
    expect(await countDocs(folder)).toBeGreaterThanOrEqual(ended.out.length);
  });
});

test('run from TypeScript the same call keeps the engine in its caller\'s thread', async () => {
  const lines: string[] = [];
  const engine = await openEmbeddedThread({ folder: newFolder(), log: (line) => lines.push(line) });
  expect(statSync(decodeURIComponent(/^mongodb:\/\/([^/]+)/.exec(engine.uri)?.[1] as string)).mode & 0o777).toBe(0o600);
  await engine.stop();
  expect(lines).toEqual([]);
});

async function countDocs(folder: string): Promise<number> {
  const engine = await openEmbedded({ folder });
  const client = await MongoClient.connect(engine.uri);
  try {
    expect((await client.db().command({ validate: 'docs' })).valid).toBe(true);
    return await client.db().collection('docs').countDocuments();
  } finally {
    await client.close();
    await engine.stop();
  }
}
