import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mongoose from 'mongoose';
import { openEmbedded } from '../../src/embedded/server.ts';
import type { Embedded } from '../../src/embedded/server.ts';

/** A database of one test. */
export interface TestDatabase {
  uri: string;
  /** Drops it; the last one also stops the engine. */
  stop(): Promise<void>;
}

let shared: Promise<{ engine: Embedded; folder: string }> | undefined;
let users = 0;
let count = 0;

/**
 * A fresh, empty database: on the server named by `TEST_MONGODB_URI`, else on one embedded engine that all tests of a
 * file share.
 */
export async function openTestDatabase(): Promise<TestDatabase> {
  const name = `test_${process.pid}_${Math.random().toString(36).slice(2, 8)}_${++count}`;
  const server = process.env.TEST_MONGODB_URI;
  if (server !== undefined && server !== '') {
    const uri = withDatabase(server, name);
    return {
      uri,
      stop: async () => {
        const connection = await mongoose.createConnection(uri).asPromise();
        await connection.dropDatabase();
        await connection.close();
      },
    };
  }
  users++;
  shared ??= startShared();
  const { engine } = await shared;
  return { uri: withDatabase(engine.uri, name), stop: release };
}

async function startShared(): Promise<{ engine: Embedded; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'dondoc-test-'));
  const engine = await openEmbedded({ folder, log: (line) => process.stderr.write(`${line}\n`) });
  return { engine, folder };
}

async function release(): Promise<void> {
  users--;
  if (users > 0 || !shared) return;
  const { engine, folder } = await shared;
  shared = undefined;
  await engine.stop();
  rmSync(folder, { recursive: true, force: true });
}

function withDatabase(uri: string, name: string): string {
  const [, base, query] = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(uri) ?? [];
  return `${base}/${name}${query ?? ''}`;
}
