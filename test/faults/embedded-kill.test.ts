import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import mongoose from 'mongoose';
import { openEmbedded } from '../../src/embedded/server.ts';
import { compileSources } from '../support/compiled.ts';

/** How often the engine is killed; a night's run sets 10000. */
const KILLS = Number(process.env.KILLS ?? 12);

let compiled: string;
let folder: string;
beforeAll(() => {
  compiled = compileSources('embedded');
  folder = mkdtempSync(join(tmpdir(), 'dondoc-kill-'));
  writeFileSync(
    join(compiled, 'serve.js'),
    "import { openEmbedded } from './embedded/server.js';\nconst engine = await openEmbedded({ folder: process.argv[2] });\nprocess.stdout.write(engine.uri + '\\n');\n",
  );
});
afterAll(() => {
  rmSync(compiled, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
});

interface Expected {
  /** Values of `n` the engine acknowledged: `'there'`, or how far a counter had come. */
  inserted: Set<number>;
  removed: Set<number>;
  counter: number;
}

/** Serves the folder in a process of its own and writes to it from several connections until it is killed in the middle. */
async function writeUntilKilled(round: number, expected: Expected): Promise<void> {
  const child = spawn(process.execPath, [join(compiled, 'serve.js'), folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  const uri = await new Promise<string>((done, fail) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith('\n')) done(text.trim());
    });
    child.once('exit', (code) => fail(new Error(`the engine ended with ${code} before it served`)));
  });
  const client = await mongoose.mongo.MongoClient.connect(uri, { serverSelectionTimeoutMS: 500, heartbeatFrequencyMS: 500 });
  const docs = client.db().collection<{ n: number; tags: string[]; copy: number }>('docs');
  const counters = client.db().collection<{ _id: string; v: number }>('counters');
  await docs.createIndex({ n: 1 }, { unique: true });
  await docs.createIndex({ tags: 1, copy: -1 });
  await docs.createIndex({ copy: 1 }, { partialFilterExpression: { copy: { $gte: 0 } } });
  let next = round * 1_000_000;
  let stopped = false;
  const untilStopped = async (work: () => Promise<void>): Promise<void> => {
    while (!stopped) await work();
  };
  const work = [
    ...Array.from({ length: 4 }, () =>
      untilStopped(async () => {
        const n = next++;
        await docs.insertOne({ n, tags: [`t${n % 7}`, 'all'], copy: n });
        expected.inserted.add(n);
        if (n % 5 === 0) {
          await docs.updateOne({ n }, { $set: { copy: -n, tags: ['moved', `m${n % 3}`] } });
        } else if (n % 7 === 0) {
          // From here on the answer may be lost: only once it came is the document known to be gone.
          expected.inserted.delete(n);
          await docs.deleteOne({ n });
          expected.removed.add(n);
        }
      }),
    ),
    untilStopped(async () => {
      const after = await counters.findOneAndUpdate({ _id: 'c' }, { $inc: { v: 1 } }, { upsert: true, returnDocument: 'after' });
      expected.counter = after?.v ?? expected.counter;
    }),
  ].map((each) => each.catch(() => undefined));
  await new Promise((done) => setTimeout(done, 5 + ((round * 37) % 120)));
  child.kill('SIGKILL');
  await ended;
  stopped = true;
  await client.close(true);
  await Promise.all(work);
}

test(`after each of ${KILLS} kills every acknowledged write is there, none is half there, and the indexes agree`, async () => {
  const expected: Expected = { inserted: new Set(), removed: new Set(), counter: 0 };
  for (let round = 1; round <= KILLS; round++) {
    await writeUntilKilled(round, expected);
    const engine = await openEmbedded({ folder });
    const client = await mongoose.mongo.MongoClient.connect(engine.uri);
    try {
      const db = client.db();
      const found = new Set<number>();
      for await (const doc of db.collection('docs').find()) {
        const { n, copy, tags } = doc as unknown as { n: number; copy: number; tags: string[] };
        found.add(n);
        // Both fields of an update are there, or neither.
        expect([`${n} t${n % 7},all`, `${-n} moved,m${n % 3}`]).toContain(`${copy} ${tags.join()}`);
      }
      expect([...expected.inserted].filter((n) => !found.has(n))).toEqual([]);
      expect([...expected.removed].filter((n) => found.has(n))).toEqual([]);
      const counter = (await db.collection('counters').findOne({}))?.v as number | undefined;
      // One answer may have been lost on its way; no more than that one.
      expect([expected.counter, expected.counter + 1]).toContain(counter ?? 0);
      expected.counter = counter ?? 0;
      for (const name of ['docs', 'counters']) {
        const told = await db.command({ validate: name }).catch(() => ({ valid: true, errors: [] }));
        expect({ valid: told.valid as boolean, errors: told.errors as string[] }).toEqual({ valid: true, errors: [] });
      }
    } finally {
      await client.close();
      await engine.stop();
    }
  }
  expect(expected.inserted.size).toBeGreaterThan(KILLS);
}, 60_000 + KILLS * 5000);
