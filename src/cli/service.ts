import { readConfig, type Config } from '../config.ts';
import { openDesk, putWords, type Desk } from './desk.ts';

/** How long a stop may take before the process ends all the same, in milliseconds: a little more than what is in hand is given. */
const stopLimitMs = 12_000;

/** `dondoc start`: the service, until it is told to stop; without any channel the demo. */
export async function runService(): Promise<void> {
  const config = readConfig();
  if (!config.telegram && !config.zaloBot && !config.zaloOa) return serveDemo(config);
  const desk = await openDesk();
  const { startService } = await import('../main.ts');
  const service = await startService(config);
  putWords(desk.say('cli.started', { address: service.address, channels: [...service.house.channels.keys()].join(', ') }));
  if (service.isEmpty) putWords(desk.say('cli.no-units'));
  await runUntilTold(desk, service);
}

/** `dondoc demo`: the demo, whatever the environment says. */
export async function runDemo(): Promise<void> {
  return serveDemo(readConfig());
}

async function serveDemo(config: Config): Promise<void> {
  const desk = await openDesk();
  const { startDemo } = await import('../demo.ts');
  const demo = await startDemo(config);
  putWords(desk.say('cli.demo-started', { address: demo.address }));
  await runUntilTold(desk, demo);
}

/** Waits for SIGTERM or SIGINT, then stops. A second signal ends the process at once. */
async function runUntilTold(desk: Desk, running: { stop(): Promise<void> }): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  putWords(desk.say('cli.stopping'));
  // What hangs (a dead network, a database that is away) must not keep the process: everything unfinished is in the store.
  setTimeout(() => process.exit(0), stopLimitMs).unref();
  process.once('SIGINT', () => process.exit(0));
  await running.stop();
}
