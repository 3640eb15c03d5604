import { parentPort, workerData } from 'node:worker_threads';
import type { Opening, Order, Saying } from './orders.ts';
import { OPENING, packError } from './orders.ts';
import type { Embedded } from './server.ts';
import { openEmbedded } from './server.ts';

// The file a thread is started with: it opens the engine, then does what it is told until it is stopped.
if (parentPort !== null) {
  const port = parentPort;
  const say = (saying: Saying): void => port.postMessage(saying);
  const answer = (order: number, work: Promise<unknown>): Promise<void> => work.then((result) => say({ say: 'done', order, result }), (error: unknown) => say({ say: 'failed', order, ...packError(error) }));
  const obey = (engine: Embedded, order: Order): Promise<unknown> => (order.what === 'backup' ? engine.backup(order.folder) : order.what === 'tick' ? engine.tick() : engine.stop());

  const open = async (): Promise<{ uri: string; folder: string }> => {
    const engine = await openEmbedded({ ...(workerData as Opening), log: (line) => say({ say: 'line', line }) });
    port.on('message', (order: Order) => void answer(order.order, obey(engine, order)));
    return { uri: engine.uri, folder: engine.folder };
  };
  await answer(OPENING, open());
}
