import { rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import { createWebChannel } from './channels/web/adapter.ts';
import type { Config } from './config.ts';
import { cast } from './demo/cast.ts';
import { claimData, followDemoClock, keepDemoClock, plant } from './demo/data.ts';
import { createStage, introduceCast } from './demo/stage.ts';
import { findRunning } from './embedded/running.ts';
import { serveDemo } from './http/demo.ts';
import { databaseFolder, openHouse, startHouse, type Service } from './house.ts';
import { linkForDocument } from './services/links.ts';
import { offerNumbers } from './services/offers.ts';

/** Where the demo's clock starts: five minutes before the first reminders of that morning, the day before the pledges are due. */
const demoStart = new Date('2024-04-08T07:55:00+07:00');
/** How often the clock is kept, in milliseconds: as much is lost at most when the power fails. */
const keepClockMs = 10_000;
/** An answer on its way to the page (that it will begin again) leaves before the server does, in milliseconds. */
const resetDelayMs = 100;

/** A running demo. */
export interface RunningDemo {
  address: string;
  stop(): Promise<void>;
}

/**
 * Starts the demo: the real service on the embedded database with the seeds, the web chat and a clock that can be moved, whatever channels the
 * environment names. It listens on this machine only. Throws BadConfig for a data folder that holds real data.
 */
export async function startDemo(given: Config): Promise<RunningDemo> {
  const config: Config = { ...given, telegram: null, zaloBot: null, zaloOa: null, mongodbUri: null, publicUrl: null, host: isLoopback(given.host) ? given.host : '127.0.0.1', now: given.now ?? demoStart };
  // Data that another process works on is never deleted under it.
  const isShared = (await findRunning(databaseFolder(config))) !== null;
  let beginning: Promise<void> | null = null;
  let running = await startOnce(config, reset);
  // The port that was found free stays the same when the demo begins again.
  config.port = Number(new URL(running.address).port);

  async function reset(): Promise<boolean> {
    if (isShared) return false;
    beginning ??= beginAgain().finally(() => {
      beginning = null;
    });
    return true;
  }

  async function beginAgain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, resetDelayMs));
    await running.stop();
    await rm(databaseFolder(config), { recursive: true, force: true });
    running = await startOnce(config, reset);
  }

  return {
    address: running.address,
    async stop() {
      await beginning;
      await running.stop();
    },
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

async function startOnce(config: Config, reset: () => Promise<boolean>): Promise<RunningDemo> {
  const house = await openHouse(config);
  const { core } = house;
  let service: Service | null = null;
  try {
    await claimData(house);
    await followDemoClock(house);
    await keepDemoClock(house);
    const web = createWebChannel({
      transcripts: core.store.transcripts, files: core.store.files, clock: core.clock,
      nameOf: (chat) => cast.find((person) => person.chat === chat)?.name ?? '',
      offer: (chat, choices) => offerNumbers(core, 'web', chat, choices),
      linkFor: (chat, document) => linkForDocument(core, 'web', chat, document),
    });
    house.channels.set('web', web);
    await plant(house);
    const started = await startHouse(house, { routes: (begun) => [(app) => serveDemo(app, createStage(begun, web, reset))] });
    service = started;
    await introduceCast(started, web);
    const keepClock = (): Promise<void> => keepDemoClock(house).catch(() => undefined);
    const timer = setInterval(() => void keepClock(), keepClockMs);
    return {
      address: started.address,
      async stop() {
        clearInterval(timer);
        await keepClock();
        await started.stop();
      },
    };
  } catch (error) {
    await (service ?? { stop: () => house.close() }).stop().catch(() => undefined);
    throw error;
  }
}
