import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { backupTo } from './backup.ts';
import type { Catalog } from './catalog.ts';
import { openCatalog } from './catalog.ts';
import { expireDocuments, sweepDropped } from './commands/admin.ts';
import type { Engine } from './commands/command.ts';
import { expireIndex } from './commands/write.ts';
import { serveConnection } from './connection.ts';
import { createCursors } from './cursors.ts';
import { EmbeddedFailure } from './failure.ts';
import { folderFailure, prepareFolder } from './folder.ts';
import { checkDataFile } from './page-check.ts';
import { claimFolder } from './running.ts';
import type { Storage } from './storage.ts';
import { openStorage } from './storage.ts';

export { findRunning } from './running.ts';
export { backupFolder, compactFolder, restoreFrom } from './backup.ts';
export { EmbeddedFailure } from './failure.ts';

/** How an engine is opened. */
export interface EmbeddedOptions {
  /** Where the data file lies; made when missing. */
  folder: string;
  /** Path of the unix socket; default `engine.sock` in the folder, or a short one in the system's temporary folder. */
  socket?: string;
  /** Serve a loopback port instead (0: any free one); the default on Windows. */
  port?: number;
  /** It ends with the command that opens it: `findRunning` does not offer it to others. */
  brief?: boolean;
  /** Receives a line for what went wrong inside; never contents of documents. */
  log?: (line: string) => void;
  /** Milliseconds since 1970, for idle cursors, TTL indexes and `$currentDate`; default the system's clock. */
  now?: () => number;
}

/** A running engine. */
export interface Embedded {
  /** For any MongoDB driver; database `dondoc`. */
  uri: string;
  folder: string;
  /** Makes a consistent copy in a folder while the engine runs; `bytes` is its size. */
  backup(folder: string): Promise<{ bytes: number; collections: number; documents: number }>;
  /** Closes idle cursors and removes what TTL indexes say is over; it happens every minute by itself. */
  tick(): Promise<void>;
  /** Finishes the requests in hand, closes every connection and the data file. */
  stop(): Promise<void>;
}

/** Longest path of a unix socket that every system takes, in bytes. */
const MOST_SOCKET_PATH = 100;
/** What the folder in which a socket is made is called after it. */
const PORCH = '.new';
const MOST_CONNECTIONS = 2000;
const TICK_EVERY_MS = 60_000;

/**
 * Opens the database in a folder and serves it. Throws `EmbeddedFailure` (one readable line and an exit code) when the
 * folder cannot be used, the file is damaged or newer, or another process serves it already.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const folder = resolve(options.folder);
  const now = options.now ?? (() => Date.now());
  const log = options.log ?? (() => undefined);
  prepareFolder(folder);
  const claim = await claimFolder(folder, now, options.brief ?? false).catch((error: unknown) => {
    throw folderFailure(folder, error);
  });
  try {
    return await start(folder, options, now, log, claim);
  } catch (error) {
    claim.release();
    throw error;
  }
}

async function start(folder: string, options: EmbeddedOptions, now: () => number, log: (line: string) => void, claim: Awaited<ReturnType<typeof claimFolder>>): Promise<Embedded> {
  let lost = (): void => undefined;
  checkDataFile(join(folder, 'data.mdb'));
  const storage = openStorage(folder, () => lost());
  const sockets = new Set<Socket>();
  const serving = new Map<Socket, { finished(): Promise<void> }>();
  let stopping = false;
  let sweeping: Promise<void> = Promise.resolve();
  const catalog = await readCatalog(storage, folder);
  lost = () => catalog.reload();
  const engine: Engine = {
    storage,
    catalog,
    cursors: createCursors(now),
    now,
    startedAt: now(),
    connections: () => sockets.size,
    sweep: () => {
      sweeping = sweeping.then(() => (stopping ? undefined : sweepDropped(engine))).catch((error: unknown) => log(`removing dropped data failed: ${String(error)}`));
    },
  };
  let lastConnection = 0;
  const server = createServer((socket) => {
    if (sockets.size >= MOST_CONNECTIONS || stopping) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    serving.set(socket, serveConnection(engine, socket, ++lastConnection, log));
    socket.once('close', () => {
      sockets.delete(socket);
      serving.delete(socket);
    });
  });
  const place = await listen(server, folder, options).catch(async (error: unknown) => {
    await storage.close();
    throw error;
  });
  claim.announce(place);
  engine.sweep();
  let expiring: Promise<void> = Promise.resolve();
  const tick = (): Promise<void> => {
    engine.cursors.closeIdle();
    expiring = expireDocuments(engine, (collection, index, before) => expireIndex(engine, collection, index, before)).catch((error: unknown) => log(`removing expired documents failed: ${String(error)}`));
    return expiring;
  };
  const timer = setInterval(() => void tick(), TICK_EVERY_MS);
  timer.unref();

  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    stopping = true;
    clearInterval(timer);
    const closed = new Promise<void>((done) => server.close(() => done()));
    await Promise.all([...serving.values()].map((each) => each.finished()));
    for (const socket of sockets) socket.destroy();
    await closed;
    await Promise.all([sweeping, expiring]);
    await storage.close();
    place.remove();
    claim.release();
  };
  return {
    uri: place.uri,
    folder,
    backup: (target) => backupTo(storage, target),
    tick,
    stop: () => (stopped ??= stop()),
  };
}

async function readCatalog(storage: Storage, folder: string): Promise<Catalog> {
  try {
    return openCatalog(storage);
  } catch (error) {
    await storage.close();
    if (error instanceof EmbeddedFailure) throw error;
    throw new EmbeddedFailure(`The database in ${folder} is damaged: ${(error as Error).message}`, 78);
  }
}

interface Place {
  uri: string;
  path: string | undefined;
  port: number | undefined;
  remove: () => void;
}

async function listen(server: Server, folder: string, options: EmbeddedOptions): Promise<Place> {
  const bound = (where: { host: string; port: number } | { path: string }): Promise<void> =>
    new Promise((done, fail) => {
      server.once('error', fail);
      server.listen(where, () => {
        server.off('error', fail);
        server.on('error', () => undefined);
        done();
      });
    });
  if (options.port !== undefined || process.platform === 'win32') {
    await bound({ host: '127.0.0.1', port: options.port ?? 0 }).catch((error: NodeJS.ErrnoException) => {
      throw new EmbeddedFailure(`Port ${options.port ?? 0} cannot be used: ${error.message}`, error.code === 'EADDRINUSE' ? 69 : 78);
    });
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    return { uri: `mongodb://127.0.0.1:${port}/dondoc?directConnection=true`, path: undefined, port, remove: () => undefined };
  }
  let path = options.socket ?? join(folder, 'engine.sock');
  let short: string | undefined;
  if (Buffer.byteLength(`${path}${PORCH}/s`) > MOST_SOCKET_PATH) {
    short = mkdtempSync(join(tmpdir(), 'dondoc-'));
    path = join(short, 'e.sock');
  }
  // A socket can be opened by whoever the umask lets, from the moment it is made, and a thread has no umask of its own: it is
  // made in a folder nobody else can enter and gets its name when its rights are set. The folder is claimed: what lies under
  // these names was left by a process that was killed.
  const porch = `${path}${PORCH}`;
  try {
    rmSync(porch, { recursive: true, force: true });
    mkdirSync(porch, { mode: 0o700 });
    await bound({ path: join(porch, 's') });
    chmodSync(join(porch, 's'), 0o600);
    renameSync(join(porch, 's'), path);
  } catch (error) {
    server.close();
    throw new EmbeddedFailure(`The socket ${path} cannot be made: ${(error as Error).message}`, 78);
  } finally {
    rmSync(porch, { recursive: true, force: true });
  }
  return {
    uri: `mongodb://${encodeURIComponent(path)}/dondoc?directConnection=true`,
    path,
    port: undefined,
    remove: () => {
      rmSync(path, { force: true });
      if (short !== undefined) rmSync(short, { recursive: true, force: true });
    },
  };
}
