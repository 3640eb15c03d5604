import { Worker } from 'node:worker_threads';
import type { Opening, Order, Question, Saying } from './orders.ts';
import { OPENING, unpackError } from './orders.ts';
import type { Embedded } from './server.ts';

/** How an engine in a thread of its own is opened. */
export interface ThreadOptions extends Opening {
  /** Receives a line for what went wrong inside; never contents of documents. */
  log?: (line: string) => void;
  /**
   * Told when the engine ended without being stopped (a bug, no memory left). Whatever was answered is on disk, but nothing is answered any more:
   * the process should say so and end. Default: the error is thrown, which ends it.
   */
  died?: (error: Error) => void;
}

/** Only a compiled program has a file that a thread can load; run from TypeScript the engine stays in the thread of its caller. */
const isCompiled = import.meta.filename.endsWith('.js');

/**
 * Like `openEmbedded`, with the engine in a thread of its own, so that nobody waits for an answer because the database works. An engine that ends
 * with its command stays in the caller's thread: starting another would take longer than it saves. Throws `EmbeddedFailure`.
 */
export async function openEmbeddedThread({ log, died, ...opening }: ThreadOptions): Promise<Embedded> {
  if (opening.brief || !isCompiled) {
    // Loaded only where it runs: in the other case this thread needs none of the engine.
    const { openEmbedded } = await import('./server.ts');
    return openEmbedded({ ...opening, log });
  }
  const thread = startThread(opening, log ?? (() => undefined), died ?? throwError);
  const { uri, folder } = (await thread.opened) as { uri: string; folder: string };
  let stopped: Promise<void> | undefined;
  return {
    uri,
    folder,
    backup: (target) => thread.ask({ what: 'backup', folder: target }) as ReturnType<Embedded['backup']>,
    tick: () => thread.ask({ what: 'tick' }) as Promise<void>,
    stop: () => (stopped ??= thread.stop()),
  };
}

/** The caller's side of a thread. */
interface Thread {
  /** Resolves with the answer to the opening. */
  opened: Promise<unknown>;
  ask(question: Question): Promise<unknown>;
  stop(): Promise<void>;
}

function startThread(opening: Opening, log: (line: string) => void, died: (error: Error) => void): Thread {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: opening, name: 'engine' });
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  let asked = 0;
  let state: 'opening' | 'open' | 'stopping' | 'ended' = 'opening';

  const answerTo = (order: number): Promise<unknown> => new Promise((resolve, reject) => waiting.set(order, { resolve, reject }));
  const ask = (question: Question): Promise<unknown> => {
    if (state === 'ended') return Promise.reject(new Error('The database is stopped'));
    asked += 1;
    const answer = answerTo(asked);
    worker.postMessage({ ...question, order: asked } satisfies Order);
    return answer;
  };
  const end = (error: Error): void => {
    const before = state;
    state = 'ended';
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    if (before === 'open') died(error);
  };
  worker.on('message', (saying: Saying) => {
    if (saying.say === 'line') {
      log(saying.line);
      return;
    }
    const asker = waiting.get(saying.order);
    waiting.delete(saying.order);
    if (saying.say === 'done') asker?.resolve(saying.result);
    else asker?.reject(unpackError(saying));
  });
  worker.on('error', (error: unknown) => end(error instanceof Error ? error : new Error(String(error))));
  worker.on('exit', (code) => end(new Error(`the thread of the database ended with ${code}`)));

  const open = async (): Promise<unknown> => {
    try {
      const result = await answerTo(OPENING);
      state = 'open';
      return result;
    } catch (error) {
      state = 'ended';
      await worker.terminate();
      throw error;
    }
  };
  const stop = async (): Promise<void> => {
    if (state === 'ended') return;
    const answer = ask({ what: 'stop' });
    state = 'stopping';
    await answer;
    // The data file is closed: what is left of the thread holds nothing.
    await worker.terminate();
  };
  return { opened: open(), ask, stop };
}

function throwError(error: Error): never {
  throw error;
}
