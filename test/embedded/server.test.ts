import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeDoc } from '../../src/embedded/codec.ts';
import { checkFolder, compactFolder, restoreFrom } from '../../src/embedded/backup.ts';
import { FORMAT } from '../../src/embedded/catalog.ts';
import { EmbeddedFailure } from '../../src/embedded/failure.ts';
import { findRunning } from '../../src/embedded/running.ts';
import { openEmbedded } from '../../src/embedded/server.ts';
import type { Embedded } from '../../src/embedded/server.ts';
import { openStorage } from '../../src/embedded/storage.ts';
import { docOf } from '../../src/embedded/value.ts';
import { crc32c } from '../../src/embedded/wire.ts';
import { compileSources } from '../support/compiled.ts';
import { errorOf, GridFSBucket, MongoClient } from './client.ts';

const made: string[] = [];
const running: Embedded[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((engine) => engine.stop()));
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dondoc-server-'));
  made.push(folder);
  return folder;
}

async function start(options: Partial<Parameters<typeof openEmbedded>[0]> = {}): Promise<Embedded> {
  const engine = await openEmbedded({ folder: newFolder(), ...options });
  running.push(engine);
  return engine;
}

async function fill(engine: Embedded, count: number): Promise<void> {
  const client = await MongoClient.connect(engine.uri);
  await client.db().collection('units').createIndex({ n: 1 }, { unique: true });
  await client.db().collection('units').insertMany(Array.from({ length: count }, (_none, n) => ({ n, text: 'x'.repeat(200) })));
  await client.close();
}

async function failureOf(promise: Promise<unknown>): Promise<EmbeddedFailure> {
  const failure: unknown = await promise.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(EmbeddedFailure);
  expect((failure as Error).message).not.toMatch(/\n/);
  return failure as EmbeddedFailure;
}

describe('the door', () => {
  test('is a socket only its owner can open, and is gone after the stop', async () => {
    const engine = await start();
    const path = decodeURIComponent(/^mongodb:\/\/([^/]+)/.exec(engine.uri)?.[1] as string);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await engine.stop();
    expect(existsSync(path)).toBe(false);
    expect(existsSync(join(engine.folder, 'engine.json'))).toBe(false);
  });

  test('moves to a short path when the folder has a long one', async () => {
    const folder = join(newFolder(), 'a'.repeat(60), 'b'.repeat(60));
    const engine = await start({ folder });
    const client = await MongoClient.connect(engine.uri);
    expect(await client.db().command({ ping: 1 })).toMatchObject({ ok: 1 });
    await client.close();
  });

  test('a port is a loopback port', async () => {
    const engine = await start({ port: 0 });
    expect(engine.uri).toMatch(/^mongodb:\/\/127\.0\.0\.1:\d+\/dondoc/);
    const client = await MongoClient.connect(engine.uri);
    expect(await client.db().admin().ping()).toMatchObject({ ok: 1 });
    await client.close();
  });

  test('a folder is served once; others are told where', async () => {
    const engine = await start();
    expect(await findRunning(engine.folder)).toBe(engine.uri);
    const failure = await failureOf(openEmbedded({ folder: engine.folder }));
    expect(failure.exitCode).toBe(69);
    await engine.stop();
    expect(await findRunning(engine.folder)).toBeNull();
    await start({ folder: engine.folder });
  });

  test('what a killed process left behind does not lock the folder', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'engine.json'), JSON.stringify({ pid: process.pid, token: 'x', startedAt: 0, uri: 'mongodb://x', path: join(folder, 'gone.sock') }));
    expect(await findRunning(folder)).toBeNull();
    await start({ folder });
  });
});

describe('the protocol', () => {
  const message = (opCode: number, body: Buffer, requestId = 7): Buffer => {
    const head = Buffer.alloc(16);
    head.writeInt32LE(16 + body.length, 0);
    head.writeInt32LE(requestId, 4);
    head.writeInt32LE(opCode, 12);
    return Buffer.concat([head, body]);
  };
  const ping = (): Buffer => encodeDoc(docOf({ ping: 1, $db: 'admin' }));
  const flagged = (flags: number, rest: Buffer): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt32LE(flags, 0);
    return Buffer.concat([head, rest]);
  };
  /** What comes back for these bytes until the peer is silent or closes. */
  const talk = (engine: Embedded, bytes: Buffer, wait = 60): Promise<{ answer: Buffer; closed: boolean }> =>
    new Promise((done) => {
      const socket = connect(decodeURIComponent(/^mongodb:\/\/([^/]+)/.exec(engine.uri)?.[1] as string));
      const parts: Buffer[] = [];
      let closed = false;
      socket.on('data', (chunk) => parts.push(chunk));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        closed = true;
        done({ answer: Buffer.concat(parts), closed });
      });
      socket.write(bytes);
      setTimeout(() => {
        if (!closed) done({ answer: Buffer.concat(parts), closed });
        socket.destroy();
      }, wait);
    });

  test('checksums are checked, moreToCome is silent, the old hello is answered', async () => {
    const engine = await start();
    const whole = message(2013, Buffer.concat([flagged(1, ping()), Buffer.alloc(4)]));
    whole.writeUInt32LE(crc32c(whole.subarray(0, -4), 0), whole.length - 4);
    expect((await talk(engine, whole)).answer.length).toBeGreaterThan(20);
    whole[whole.length - 1] = (whole[whole.length - 1] as number) ^ 1;
    expect(await talk(engine, whole)).toEqual({ answer: Buffer.alloc(0), closed: true });
    const both = Buffer.concat([message(2013, flagged(2, ping()), 1), message(2013, flagged(0, ping()), 2)]);
    const { answer } = await talk(engine, both);
    expect(answer.readInt32LE(8)).toBe(2);
    expect(answer.readInt32LE(0)).toBe(answer.length);
    const query = Buffer.concat([Buffer.alloc(4), Buffer.from('admin.$cmd\0'), Buffer.from([0, 0, 0, 0, 255, 255, 255, 255]), encodeDoc(docOf({ isMaster: 1 }))]);
    const hello = (await talk(engine, message(2004, query))).answer;
    expect([hello.readInt32LE(12), hello.includes('maxWireVersion')]).toEqual([1, true]);
  });

  test('crc32c is the one of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'), 0)).toBe(0xe3069283);
  });

  test('whatever bytes come, the engine stays up', async () => {
    const engine = await start();
    const good = message(2013, flagged(0, ping()));
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => message(2013, Buffer.from(bytes))),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => message(2004, Buffer.from(bytes))),
      fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(([at, byte]) => {
        const bytes = Buffer.from(good);
        bytes[at % bytes.length] = byte;
        return bytes;
      }),
      fc.tuple(fc.constantFrom('find', 'insert', 'update', 'aggregate', 'createIndexes', 'getMore', 'explain', 'findAndModify', 'delete', 'count', 'distinct', 'killCursors', 'create', 'renameCollection'), fc.constantFrom<unknown>(1, 'c', null, [], true), fc.constantFrom('documents', 'updates', 'pipeline', 'filter', 'indexes', 'cursor', 'query', 'deletes'), fc.constantFrom<unknown>(1, 'x', null, [1], [null], true)).map(
        ([name, target, field, value]) => message(2013, flagged(0, encodeDoc(docOf({ [name]: target as never, [field]: value as never, $db: 'test' })))),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(noise, { minLength: 1, maxLength: 8 }), async (all) => {
        await Promise.all(all.map((bytes) => talk(engine, bytes, 8)));
      }),
      { numRuns: 40 },
    );
    const client = await MongoClient.connect(engine.uri);
    expect(await client.db().command({ ping: 1 })).toMatchObject({ ok: 1 });
    await client.close();
  });

  test('what would run code or needs a replica set is refused with MongoDB codes', async () => {
    const engine = await start();
    const client = await MongoClient.connect(engine.uri);
    const code = async (command: Record<string, unknown>): Promise<number> => (await errorOf(client.db().command(command))).code;
    expect(await code({ mapReduce: 'c', map: 'x', reduce: 'y', out: { inline: 1 } })).toBe(115);
    expect(await code({ nonsense: 1 })).toBe(59);
    expect(await code({ find: 'c', nonsense: 1 })).toBe(40415);
    expect(await code({ insert: 'c', documents: [{}], txnNumber: 1 })).toBe(20);
    expect(await code({ insert: 'c', documents: [{}], writeConcern: { w: 3 } })).toBe(2);
    expect(await code({ getMore: 5n, collection: 'c' })).toBe(43);
    await client.close();
  });

  test('a document over 16 MB is refused, one of 15 MB is kept', async () => {
    const engine = await start();
    const client = await MongoClient.connect(engine.uri);
    await client.db().collection('big').insertOne({ b: Buffer.alloc(15 * 1024 * 1024, 1) });
    expect((await errorOf(client.db().collection('big').updateOne({}, { $set: { c: Buffer.alloc(1.2 * 1024 * 1024) } }))).code).toBe(10334);
    const kept = (await client.db().collection('big').findOne({})) as unknown as { b: { length(): number } };
    expect(kept.b.length()).toBe(15 * 1024 * 1024);
    await client.close();
  });

  test('a cursor nobody reads for ten minutes is closed, an older TTL document is removed', async () => {
    let now = 1_000_000;
    const engine = await start({ now: () => now });
    const client = await MongoClient.connect(engine.uri);
    await client.db().collection('c').insertMany(Array.from({ length: 300 }, (_none, _id) => ({ _id }) as never));
    const cursor = client.db().collection('c').find().batchSize(10);
    await cursor.next();
    now += 11 * 60 * 1000;
    await engine.tick();
    expect((await errorOf(cursor.toArray())).code).toBe(43);
    await client.db().collection('t').createIndex({ at: 1 }, { expireAfterSeconds: 60 });
    await client.db().collection('t').insertMany([{ at: new Date(now - 61_000) }, { at: new Date(now - 59_000) }, { at: 'no date' }, {}]);
    await engine.tick();
    expect(await client.db().collection('t').countDocuments()).toBe(3);
    await client.close();
  });
});

describe('a folder that cannot be used ends in one readable line', () => {
  const asRoot = process.getuid?.() === 0;

  test('a file in its place', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'file'), '');
    expect((await failureOf(openEmbedded({ folder: join(folder, 'file') }))).exitCode).toBe(78);
  });

  (asRoot ? test.skip : test)('a folder that is read-only', async () => {
    const folder = newFolder();
    chmodSync(folder, 0o500);
    expect((await failureOf(openEmbedded({ folder }))).exitCode).toBe(78);
  });

  (asRoot ? test : test.skip)('a folder that belongs to somebody else', async () => {
    const folder = newFolder();
    const { chownSync } = await import('node:fs');
    chownSync(folder, 12345, 12345);
    const failure = await failureOf(openEmbedded({ folder }));
    expect([failure.exitCode, failure.message]).toEqual([78, expect.stringContaining('another user')]);
  });

  test('a database of a newer version', async () => {
    const engine = await start();
    await fill(engine, 10);
    await engine.stop();
    const storage = openStorage(engine.folder);
    await storage.write(() => storage.putMeta('format', encodeDoc(docOf({ version: FORMAT + 1 }))));
    await storage.close();
    const failure = await failureOf(openEmbedded({ folder: engine.folder }));
    expect([failure.exitCode, failure.message]).toEqual([78, expect.stringContaining('newer version')]);
  });

  test('a data file that was cut off', async () => {
    const engine = await start();
    await fill(engine, 2000);
    await engine.stop();
    const file = join(engine.folder, 'data.mdb');
    const whole = readFileSync(file);
    for (const share of [0.001, 0.1, 0.5, 0.9]) {
      truncateSync(file, Math.floor(whole.length * share));
      expect((await failureOf(openEmbedded({ folder: engine.folder }))).exitCode).toBe(78);
      writeFileSync(file, whole);
    }
    await start({ folder: engine.folder });
  });

  test('flipped bits are noticed at the start or when the document is read, never answered and never repaired away', async () => {
    const engine = await start();
    await fill(engine, 300);
    await engine.stop();
    const file = join(engine.folder, 'data.mdb');
    const whole = readFileSync(file);
    const compiled = compileSources('embedded');
    made.push(compiled);
    writeFileSync(join(compiled, 'check.js'), "import { checkFolder } from './embedded/backup.js';\nfor (const folder of process.argv.slice(2)) await checkFolder(folder).then((all) => console.log(all.documents), (error) => console.log(error.exitCode));\n");
    let seed = 42;
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff;
      return seed % below;
    };
    const folders = Array.from({ length: Number(process.env.FLIPS ?? 40) }, () => {
      const folder = newFolder();
      const bytes = Buffer.from(whole);
      const at = random(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random(8));
      writeFileSync(join(folder, 'data.mdb'), bytes);
      return folder;
    });
    const told = await new Promise<string>((done, fail) => {
      const child = spawn(process.execPath, [join(compiled, 'check.js'), ...folders], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.on('close', (code, signal) => (code === 0 ? done(text) : fail(new Error(`the process ended with ${code ?? signal}`))));
    });
    const answers = told.trim().split('\n').map(Number);
    expect(answers).toHaveLength(folders.length);
    // Whole (the bit lay in a free page or an index entry, which `validate` reads) or refused: nothing in between.
    for (const answer of answers) expect([78, 300]).toContain(answer);
    expect(answers).toContain(78);
  });

  test('a full disk keeps nothing of the write, says so, and the database goes on', async () => {
    const compiled = compileSources('embedded');
    made.push(compiled);
    const folder = newFolder();
    writeFileSync(
      join(compiled, 'fill.js'),
      `import { openEmbedded } from './embedded/server.js';
import mongoose from 'mongoose';
const engine = await openEmbedded({ folder: process.argv[2] });
const client = await mongoose.mongo.MongoClient.connect(engine.uri);
const docs = client.db().collection('docs');
let kept = 0, code = 0;
try { for (;;) { await docs.insertOne({ _id: kept, b: Buffer.alloc(20000, 7) }); kept++; } } catch (error) { code = error.code ?? error.message; }
const found = await docs.countDocuments();
await client.close();
await engine.stop();
console.log(JSON.stringify({ kept, code, found }));
`,
    );
    const told = await new Promise<string>((done) => {
      // A limit on the size of files stands in for the full disk: the kernel refuses the write in the same place.
      const child = spawn('bash', ['-c', `trap '' XFSZ; ulimit -f 4000; exec "$@"`, 'bash', process.execPath, join(compiled, 'fill.js'), folder], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.on('close', () => done(text));
    });
    const { kept, code, found } = JSON.parse(told) as { kept: number; code: number; found: number };
    expect([code, found]).toEqual([14031, kept]);
    expect(kept).toBeGreaterThan(20);
    expect(await checkFolder(folder)).toMatchObject({ documents: kept });
  });
});

describe('backups', () => {
  test('a copy made while others write is whole, and restores into an empty folder only', async () => {
    const engine = await start();
    await fill(engine, 500);
    const client = await MongoClient.connect(engine.uri);
    let writing = true;
    const writer = (async () => {
      for (let n = 1000; writing; n++) await client.db().collection('units').insertOne({ n, text: 'later' });
    })();
    const bucket = new GridFSBucket(client.db());
    await new Promise<void>((done, fail) => bucket.openUploadStream('paper.pdf').on('finish', () => done()).on('error', fail).end(Buffer.alloc(600_000, 5)));
    const target = join(newFolder(), 'backup');
    const copied = await engine.backup(target);
    writing = false;
    await writer;
    await client.close();
    expect(copied.documents).toBeGreaterThanOrEqual(504);
    expect((await failureOf(engine.backup(target))).exitCode).toBe(78);
    const restored = join(newFolder(), 'data');
    expect(await restoreFrom(target, restored)).toMatchObject({ documents: copied.documents });
    expect((await failureOf(restoreFrom(target, restored))).exitCode).toBe(78);
    const again = await start({ folder: restored });
    const reader = await MongoClient.connect(again.uri);
    expect((await reader.db().command({ validate: 'units' })).valid).toBe(true);
    const chunks: Buffer[] = [];
    for await (const chunk of new GridFSBucket(reader.db()).openDownloadStreamByName('paper.pdf')) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(Buffer.alloc(600_000, 5))).toBe(true);
    await reader.close();
  });

  test('compacting makes the file smaller and keeps every document; a served folder is left alone', async () => {
    const engine = await start();
    await fill(engine, 5000);
    const client = await MongoClient.connect(engine.uri);
    await client.db().collection('units').deleteMany({ n: { $gte: 100 } });
    await client.close();
    expect((await failureOf(compactFolder(engine.folder))).exitCode).toBe(69);
    await engine.stop();
    const { before, after } = await compactFolder(engine.folder);
    expect(after).toBeLessThan(before / 5);
    expect(await checkFolder(engine.folder)).toMatchObject({ documents: 100 });
    await start({ folder: engine.folder });
  });

  test('what is no backup, or a damaged one, is not restored', async () => {
    expect((await failureOf(restoreFrom(newFolder(), join(newFolder(), 'x')))).exitCode).toBe(78);
    const engine = await start();
    await fill(engine, 200);
    const target = join(newFolder(), 'backup');
    await engine.backup(target);
    truncateSync(join(target, 'data.mdb'), 30_000);
    const wanted = join(newFolder(), 'x');
    expect((await failureOf(restoreFrom(target, wanted))).exitCode).toBe(78);
    mkdirSync(wanted, { recursive: true });
    copyFileSync(join(target, 'data.mdb'), join(wanted, 'data.mdb'));
    expect((await failureOf(openEmbedded({ folder: wanted }))).exitCode).toBe(78);
  });
});
