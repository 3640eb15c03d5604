import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openCatalog } from './catalog.ts';
import { decodeDoc } from './codec.ts';
import { EmbeddedFailure } from './failure.ts';
import { folderFailure, prepareFolder } from './folder.ts';
import { rangeOf } from './index-entries.ts';
import { createPacer } from './pace.ts';
import { checkDataFile } from './page-check.ts';
import { claimFolder, isClaimed } from './running.ts';
import { openEntries } from './scan.ts';
import type { Storage } from './storage.ts';
import { openStorage, unsealBytes } from './storage.ts';

/** What a copy holds. */
export interface Copied {
  bytes: number;
  collections: number;
  documents: number;
}

/**
 * Copies an open database into an empty folder, consistent as of one moment while writes go on, and opens the copy and
 * reads every document of it before it says so. Throws `EmbeddedFailure`.
 */
export async function backupTo(storage: Storage, target: string): Promise<Copied> {
  const folder = resolve(target);
  refuseFilled(folder, 'The backup needs an empty folder');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await storage.copyTo(folder, true);
  } catch (error) {
    throw folderFailure(folder, error);
  }
  return checkFolder(folder);
}

/** Copies the database in a folder, whether an engine of this or another process serves it or none does. */
export async function backupFolder(folder: string, target: string): Promise<Copied> {
  // A file that is written to meanwhile looks broken to a plain reader; the engine that serves it has looked at its start.
  if (!isClaimed(folder)) checkDataFile(join(folder, 'data.mdb'));
  const storage = openStorage(folder);
  return backupTo(storage, target).finally(() => storage.close());
}

/** Copies a backup into a data folder that must be empty, and checks it. */
export async function restoreFrom(backup: string, folder: string): Promise<Copied> {
  const source = resolve(backup);
  if (!existsSync(join(source, 'data.mdb'))) throw new EmbeddedFailure(`${source} is not a backup: there is no data.mdb in it`, 78);
  refuseFilled(resolve(folder), 'A backup is restored into an empty folder only');
  await checkFolder(source);
  const storage = openStorage(source);
  try {
    prepareFolder(resolve(folder));
    await storage.copyTo(resolve(folder), true);
  } catch (error) {
    throw folderFailure(folder, error);
  } finally {
    await storage.close();
  }
  return checkFolder(resolve(folder));
}

/**
 * Writes the data file anew without its free pages. The new file is whole, checked and on disk before it takes the old
 * one's name, so a kill leaves one or the other. Throws `EmbeddedFailure` (69) while an engine serves the folder.
 */
export async function compactFolder(given: string, now: () => number = () => Date.now()): Promise<{ before: number; after: number }> {
  const folder = resolve(given);
  const file = join(folder, 'data.mdb');
  if (!existsSync(file)) throw new EmbeddedFailure(`There is no database in ${folder}`, 78);
  const claim = await claimFolder(folder, now, true);
  const beside = join(folder, 'compact');
  try {
    checkDataFile(file);
    const before = statSync(file).size;
    rmSync(beside, { recursive: true, force: true });
    mkdirSync(beside, { mode: 0o700 });
    const storage = openStorage(folder);
    await storage.copyTo(beside, true).finally(() => storage.close());
    const { bytes } = await checkFolder(beside);
    syncPath(join(beside, 'data.mdb'));
    renameSync(join(beside, 'data.mdb'), file);
    syncPath(folder);
    return { before, after: bytes };
  } catch (error) {
    throw folderFailure(folder, error);
  } finally {
    rmSync(beside, { recursive: true, force: true });
    claim.release();
  }
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** Opens a database folder, reads every document and compares it with its checksum. */
export async function checkFolder(folder: string): Promise<Copied> {
  checkDataFile(join(folder, 'data.mdb'));
  const storage = openStorage(folder);
  try {
    const catalog = openCatalog(storage);
    const pace = createPacer();
    let collections = 0;
    let documents = 0;
    for (const database of catalog.databases()) {
      for (const collection of catalog.list(database)) {
        collections++;
        const next = openEntries(storage, rangeOf(collection.id), false);
        for (let entry = next(); entry; entry = next()) {
          decodeDoc(unsealBytes(entry.value));
          if (++documents % 64 === 0) await pace();
        }
      }
    }
    return { bytes: statSync(join(folder, 'data.mdb')).size, collections, documents };
  } catch (error) {
    if (error instanceof EmbeddedFailure) throw error;
    throw new EmbeddedFailure(`The database in ${folder} is damaged: ${(error as Error).message}`, 78);
  } finally {
    await storage.close();
  }
}

function refuseFilled(folder: string, sentence: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new EmbeddedFailure(`${sentence}: ${folder} has files in it`, 78);
}
