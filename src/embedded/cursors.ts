import { randomBytes } from 'node:crypto';
import { CommandFailure } from './failure.ts';

/** An open cursor: documents that come in groups, with what was read too far kept back. */
export interface Cursor {
  id: bigint;
  namespace: string;
  /** The next batch: at most `size` documents and 16 MB (one larger document still comes alone). */
  take(size: number): Promise<Buffer[]>;
  /** True when everything was taken. */
  readonly done: boolean;
  close(): Promise<void>;
}

/** The cursors clients have open. */
export interface Cursors {
  add(cursor: Cursor): void;
  /** The cursor, or code 43; also 13 when it belongs to another collection. */
  get(id: bigint, namespace: string): Cursor;
  touch(cursor: Cursor): void;
  /** True when there was one. */
  kill(id: bigint): boolean;
  /** Closes what nobody has read for ten minutes. */
  closeIdle(): void;
  readonly size: number;
}

const MOST_CURSORS = 10_000;
const IDLE_MS = 10 * 60 * 1000;
const BATCH_BYTES = 16 * 1024 * 1024;

/** Makes the register of cursors; `now` in milliseconds. */
export function createCursors(now: () => number): Cursors {
  const open = new Map<bigint, { cursor: Cursor; used: number }>();
  return {
    add: (cursor) => {
      if (open.size >= MOST_CURSORS) throw new CommandFailure(8, `too many open cursors: ${MOST_CURSORS} at most`);
      open.set(cursor.id, { cursor, used: now() });
    },
    get: (id, namespace) => {
      const found = open.get(id);
      if (!found) throw new CommandFailure(43, `cursor id ${id} not found`);
      if (found.cursor.namespace !== namespace) throw new CommandFailure(13, `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace ${found.cursor.namespace}`);
      found.used = now();
      return found.cursor;
    },
    touch: (cursor) => {
      const found = open.get(cursor.id);
      if (found) found.used = now();
    },
    kill: (id) => {
      const found = open.get(id);
      open.delete(id);
      void found?.cursor.close();
      return found !== undefined;
    },
    closeIdle: () => {
      for (const [id, { cursor, used }] of open) {
        if (now() - used > IDLE_MS) {
          open.delete(id);
          void cursor.close();
        }
      }
    },
    get size() {
      return open.size;
    },
  };
}

/** A cursor over a stream of encoded documents. */
export function createCursor(namespace: string, stream: AsyncGenerator<Buffer[]>): Cursor {
  let waiting: Buffer[] = [];
  let at = 0;
  let ended = false;
  const fill = async (): Promise<void> => {
    while (at >= waiting.length && !ended) {
      const step = await stream.next();
      if (step.done) ended = true;
      else {
        waiting = step.value;
        at = 0;
      }
    }
  };
  return {
    id: randomBytes(8).readBigInt64BE() & 0x7fffffffffffffffn,
    namespace,
    take: async (size) => {
      const batch: Buffer[] = [];
      let bytes = 0;
      while (batch.length < size) {
        await fill();
        const next = waiting[at];
        if (next === undefined) break;
        if (batch.length > 0 && bytes + next.length > BATCH_BYTES) break;
        bytes += next.length;
        batch.push(next);
        at++;
      }
      // Look one further, so that a client is not sent back for an empty batch.
      if (batch.length > 0 || size > 0) await fill();
      return batch;
    },
    get done() {
      return ended && at >= waiting.length;
    },
    close: async () => {
      ended = true;
      waiting = [];
      await stream.return(undefined);
    },
  };
}
