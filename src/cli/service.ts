import { readConfig, type Config } from '../config.ts';
import { openDesk, putWords, type Desk } from './desk.ts';

/** How long a stop may take before the process ends all the same, in milliseconds: a little more than what is in hand is given. */
const stopLimitMs = 12_000;

/** `dondoc start`: the service, until it is told to stop; without any channel the demo. */
export async function runService(): Promise<void> {
  const config = readConfig();
  if (!config.telegram && !config.zaloBot && !config.zaloOa) return serveDemo(config);
  const told = hearStop();
  const desk = await openDesk();
  const { startService } = await import('../main.ts');
  const service = await startService(config);
  putWords(desk.say('cli.started', { address: service.address, channels: [...service.house.channels.keys()].join(', ') }));
  if (service.isEmpty) putWords(desk.say('cli.no-units'));
  await stopWhenTold(told, desk, service);
}

/** `dondoc demo`: the demo, whatever the environment says. */
export async function runDemo(): Promise<void> {
  return serveDemo(readConfig());
}

async function serveDemo(config: Config): Promise<void> {
  const told = hearStop();
  const desk = await openDesk();
  const { startDemo } = await import('../demo.ts');
  const demo = await startDemo(config);
  putWords(desk.say('cli.demo-started', { address: demo.address }));
  await stopWhenTold(told, desk, demo);
}

/**
 * Listens for SIGTERM and SIGINT from here on, so that one that comes while the service is still starting is not lost. A second SIGINT ends the process at
 * once, and so does what hangs (a dead network, a database that is away): everything unfinished is in the store.
 */
function hearStop(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      setTimeout(() => process.exit(0), stopLimitMs).unref();
      process.once('SIGINT', () => process.exit(0));
      resolve();
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
  });
}

async function stopWhenTold(told: Promise<void>, desk: Desk, running: { stop(): Promise<void> }): Promise<void> {
  await told;
  putWords(desk.say('cli.stopping'));
  await running.stop();
}
