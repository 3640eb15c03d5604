import { crc32 } from 'node:zlib';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CommandFailure, EmbeddedFailure } from './failure.ts';

/** One entry of a range: the full key and its value. */
export interface Entry {
  key: Buffer;
  value: Buffer;
}

/** Where a range begins and ends; `end` is exclusive. */
export interface Range {
  start: Buffer;
  end: Buffer;
}

/**
 * Keys and values in LMDB. A write is acknowledged when its promise resolves, which is after the commit was synced to
 * disk; writes that wait at the same time share one commit.
 */
export interface Storage {
  get(key: Buffer): Buffer | undefined;
  has(key: Buffer): boolean;
  /** Up to `limit` entries of the range in order, or from its end backwards; `after` is the last key already read. */
  read(range: Range, limit: number, reverse: boolean, after: Buffer | undefined): Entry[];
  /** Like `read`, keys only. */
  readKeys(range: Range, limit: number, reverse: boolean, after: Buffer | undefined): Buffer[];
  /** How many keys lie in the range, counted inside LMDB; stops at `most`. */
  count(range: Range, most?: number): number;
  /** Only inside `write`. */
  put(key: Buffer, value: Buffer): void;
  /** Only inside `write`. */
  remove(key: Buffer): void;
  /**
   * Runs the action inside the next transaction; reads in it see earlier writes. The action must check before its first
   * `put`: what was put before a throw is kept.
   */
  write<T>(action: () => T): Promise<T>;
  /** Runs the action in a transaction of its own, which a throw takes back whole. */
  writeAlone<T>(action: () => T): Promise<T>;
  /** Why writes fail at present: the latest commit that failed, for as long as it says something about the next one. */
  trouble(): CommandFailure | undefined;
  /** Settings and the catalog live beside the data. */
  getMeta(name: string): Buffer | undefined;
  putMeta(name: string, value: Buffer): void;
  removeMeta(name: string): void;
  metaNames(prefix: string): string[];
  /** Bytes of the data file in use, and free inside it. */
  usage(): { fileBytes: number; entries: number };
  /** A consistent copy made while writes go on; `compact` leaves the free pages out. */
  copyTo(folder: string, compact: boolean): Promise<void>;
  close(): Promise<void>;
}

/** How long one commit gathers work that waits, in milliseconds. */
const BATCH_MS = 20;
/** How long a failed commit counts: on a full disk small writes still find room now and then, which is no sign of health. */
const TROUBLE_MS = 10_000;

/**
 * Opens (or makes) the data file, in a folder that exists. The file must be known to be whole
 * (`checkDataFile`) or in use by an engine that looked. Throws `EmbeddedFailure`. `onLost` is called
 * when a commit failed: what memory holds of its changes has to be read again.
 */
export function openStorage(folder: string, onLost: () => void = () => undefined): Storage {
  let env: RootDatabase<Buffer, Buffer>;
  let data: Database<Buffer, Buffer>;
  let meta: Database<Buffer, string>;
  try {
    env = open<Buffer, Buffer>({ path: folder, encoding: 'binary', keyEncoding: 'binary', overlappingSync: false, eventTurnBatching: false, maxDbs: 4, maxReaders: 512, noSubdir: false });
    data = env.openDB<Buffer, Buffer>('data', { encoding: 'binary', keyEncoding: 'binary' });
    meta = env.openDB<Buffer, string>('meta', { encoding: 'binary' });
  } catch (error) {
    throw openFailure(folder, error as Error);
  }
  let failed: { failure: CommandFailure; at: number } | undefined;
  const inTransaction = async <T>(commit: () => Promise<T>): Promise<T> => {
    try {
      return await commit();
    } catch (error) {
      onLost();
      const failure = await commitFailure(error as Error);
      if (failure) failed = { failure, at: performance.now() };
      throw failure ?? error;
    }
  };
  let waiting: Waiting[] = [];
  let committing: Promise<void> | undefined;
  /** Commits what waits, a batch at a time: while one is synced to disk the next one gathers. */
  const commitWaiting = async (): Promise<void> => {
    // What comes in during this turn of the event loop still goes into the first batch.
    await nextTurn();
    while (waiting.length > 0) {
      const taken: Waiting[] = [];
      const answers: (() => void)[] = [];
      try {
        await inTransaction(() =>
          data.transaction(() => {
            const started = performance.now();
            for (let one = waiting.shift(); one; one = waiting.shift()) {
              taken.push(one);
              answers.push(perform(one));
              if (performance.now() - started > BATCH_MS) break;
            }
          }),
        );
        for (const answer of answers) answer();
      } catch (error) {
        for (const { reject } of taken) reject(error as Error);
      }
    }
    committing = undefined;
  };
  const span = (range: Range, limit: number | undefined, reverse: boolean, after: Buffer | undefined): Record<string, unknown> =>
    reverse
      ? { start: after ?? range.end, end: range.start, reverse: true, exclusiveStart: true, inclusiveEnd: true, limit, snapshot: false }
      : { start: after ?? range.start, end: range.end, exclusiveStart: after !== undefined, limit, snapshot: false };
  return {
    get: (key) => data.get(key),
    has: (key) => data.doesExist(key),
    read: (range, limit, reverse, after) => [...data.getRange(span(range, limit, reverse, after))],
    readKeys: (range, limit, reverse, after) => [...data.getKeys(span(range, limit, reverse, after))],
    count: (range, most) => {
      if (most !== undefined) {
        if (most <= 0) return 0;
        // LMDB's count knows no limit and would walk a range of millions: one jump tells whether there are that many.
        for (const _ of data.getKeys({ ...span(range, 1, false, undefined), offset: most - 1 })) return most;
      }
      return data.getKeysCount(span(range, undefined, false, undefined));
    },
    put: (key, value) => data.putSync(key, value),
    remove: (key) => {
      data.removeSync(key);
    },
    write: (action) =>
      new Promise((resolve, reject) => {
        waiting.push({ action, resolve: resolve as (result: unknown) => void, reject });
        committing ??= commitWaiting();
      }),
    writeAlone: (action) => inTransaction(() => data.childTransaction(action) as Promise<never>),
    trouble: () => (failed && performance.now() - failed.at < TROUBLE_MS ? failed.failure : undefined),
    getMeta: (name) => {
      const sealed = meta.get(name);
      return sealed && unsealBytes(sealed);
    },
    putMeta: (name, value) => meta.putSync(name, sealBytes(value)),
    removeMeta: (name) => {
      meta.removeSync(name);
    },
    metaNames: (prefix) => [...meta.getKeys({ start: prefix, end: `${prefix}\uffff` })],
    usage: () => {
      const stats = env.getStats() as { pageSize: number; lastPageNumber: number };
      return { fileBytes: stats.pageSize * (stats.lastPageNumber + 1), entries: (data.getStats() as { entryCount: number }).entryCount };
    },
    copyTo: (target, compact) => env.backup(target, compact),
    close: async () => {
      // What was promised before the close is committed first.
      await committing;
      await env.close();
    },
  };
}

/** A document's bytes with their checksum in front, as they are kept on disk. */
export function sealBytes(bytes: Buffer): Buffer {
  const sealed = Buffer.allocUnsafe(bytes.length + 4);
  sealed.writeUInt32LE(crc32(bytes), 0);
  bytes.copy(sealed, 4);
  return sealed;
}

/** The document's bytes; refuses with code 345 what the disk gave back differently from what was written. */
export function unsealBytes(sealed: Buffer): Buffer {
  const bytes = sealed.subarray(4);
  if (sealed.length < 4 || crc32(bytes) !== sealed.readUInt32LE(0)) {
    throw new CommandFailure(345, 'a stored document does not match its checksum: the data file is damaged, restore a backup');
  }
  return bytes;
}

function openFailure(folder: string, error: Error): EmbeddedFailure {
  const reason = error.message.replace(/\s+/g, ' ');
  if (/ENOSPC|No space/i.test(reason)) return new EmbeddedFailure(`The disk of ${folder} is full: ${reason}`, 69);
  return new EmbeddedFailure(`The database in ${folder} cannot be opened: ${reason}`, 78);
}

/** Runs one piece of work inside the transaction of all; its answer is given when that is durable. */
function perform({ action, resolve, reject }: Waiting): () => void {
  try {
    const result = action();
    return () => resolve(result);
  } catch (error) {
    return () => reject(error as Error);
  }
}

/** Why a commit failed, or nothing when the error came from the action itself. LMDB hands the reason over as a promise that rejects. */
async function commitFailure(error: Error): Promise<CommandFailure | undefined> {
  if (!('commitError' in error)) return undefined;
  const reason = await Promise.resolve(error.commitError).then(
    () => error.message,
    (inner: unknown) => (inner instanceof Error ? inner.message : 'no reason given'),
  );
  // LMDB calls a write that was cut short an input/output error, and that is how a full disk or a quota shows itself.
  if (/ENOSPC|No space|MDB_MAP_FULL|EDQUOT|quota|EFBIG|File too large|Input\/output/i.test(reason)) {
    return new CommandFailure(14031, `The disk is full or fails; nothing of this write was kept: ${reason}`);
  }
  return new CommandFailure(8, `The write could not be made durable: ${reason}`);
}

interface Waiting {
  action: () => unknown;
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}
