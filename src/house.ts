import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { FastifyInstance } from 'fastify';
import { keepSecret, secretsOf, type Config } from './config.ts';
import { startTimetable, type Timetable } from './cron.ts';
import { createHandle, type Handle } from './dialog/handle.ts';
import { dialogParts } from './dialog/parts.ts';
import { createRender } from './dialog/render.ts';
import { describeUpload } from './dialog/upload.ts';
import { createCalendar } from './domain/calendar.ts';
import type { Incoming } from './domain/message.ts';
import type { ChannelName } from './domain/person.ts';
import { EmbeddedFailure } from './embedded/failure.ts';
import { findRunning } from './embedded/running.ts';
import { openEmbeddedThread } from './embedded/thread.ts';
import { readHolidays } from './files/holidays.ts';
import { readLevels } from './files/levels.ts';
import { createRecogniser } from './files/recognise.ts';
import { writeSheet } from './files/sheet.ts';
import { createMetrics } from './http/metrics.ts';
import { createServer, type Readiness } from './http/server.ts';
import { serveAssets } from './http/assets.ts';
import { serveUploads, type UploadDesk } from './http/upload.ts';
import { createLog } from './log.ts';
import { drawChart, drawCode } from './pictures.ts';
import type { Channel, Core, Log, Store, Text, Timing } from './ports.ts';
import { resumeBroadcasts } from './services/broadcasts.ts';
import { createSender, type Sender } from './services/outbox.ts';
import { tick } from './services/reminders.ts';
import { openDownload, openUpload, takeUpload } from './services/uploads.ts';
import { openStore } from './store/store.ts';
import { buildSwitchboard, type Switchboard } from './switchboard.ts';
import { createText } from './text.ts';

/** A clock that runs on from wherever it is set; a rehearsal's distance to the real time is the same for stamps that channels give. */
export interface MovableClock {
  now(): Date;
  /** Moves a stamp of the outside world to this clock's time. */
  moved(at: Date): Date;
  /** Sets the clock; it runs on from there. */
  set(now: Date): void;
}

/** A {@link MovableClock} that starts at that moment, or shows the real time. */
export function createClock(start: Date | null): MovableClock {
  let shift = start === null ? 0 : start.getTime() - Date.now();
  return {
    now: () => new Date(Date.now() + shift),
    moved: (at) => new Date(at.getTime() + shift),
    set(now) {
      shift = now.getTime() - Date.now();
    },
  };
}

/** The machine's own timers: they do not jump with the clock. */
export const machineTiming: Timing = {
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Everything that is built and connected, but not yet running. */
export interface House {
  config: Config;
  core: Core;
  text: Text;
  log: Log;
  clock: MovableClock;
  channels: Map<ChannelName, Channel>;
  switchboard: Switchboard;
  /** Closes the store and, where it is ours, the embedded engine. */
  close(): Promise<void>;
}

/** Opens the database: the server of `MONGODB_URI`, the embedded engine of a service that runs on the same folder, or our own. */
async function openDatabase(config: Config, log: Log, brief: boolean): Promise<{ store: Store; close(): Promise<void> }> {
  const onUnreachable = (): void => log.error('the database is away');
  if (config.mongodbUri !== null) {
    const store = await openStore({ uri: config.mongodbUri, onUnreachable });
    return { store, close: () => store.close() };
  }
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  const folder = databaseFolder(config);
  const engine = await reachEngine(folder, brief, log);
  try {
    const store = await openStore({ uri: engine.uri, onUnreachable });
    return {
      store,
      async close() {
        await store.close();
        await engine.stop();
      },
    };
  } catch (error) {
    // An engine whose store does not open would hold the process for ever.
    await engine.stop();
    throw error;
  }
}

/** The engine of a service that runs on the folder already (stopping it is not ours), or one of our own. One that is just starting, or another command's, is waited for. */
async function reachEngine(folder: string, brief: boolean, log: Log): Promise<{ uri: string; stop(): Promise<void> }> {
  for (let tries = 1; ; tries += 1) {
    const running = await findRunning(folder);
    if (running !== null) return { uri: running, stop: async () => {} };
    try {
      return await openEmbeddedThread({
        folder, brief,
        log: (line) => log.error('the embedded database could not do something', { line }),
        died(error) {
          log.error('the embedded database died, the process ends', { error });
          // A service without its store must not look alive; what was acknowledged is on disk, and whoever watches the process starts it again. 70: a bug.
          process.exit(70);
        },
      });
    } catch (error) {
      if (!(error instanceof EmbeddedFailure) || error.exitCode !== 69 || tries >= startTries) throw error;
      await new Promise((resolve) => setTimeout(resolve, startPauseMs));
    }
  }
}

/** A service takes a moment from marking the folder to answering, a command ends in a moment: asked again this often, with this pause between. */
const startTries = 120;
const startPauseMs = 250;

/** Where the embedded engine keeps its files. */
export function databaseFolder(config: Pick<Config, 'dataDir'>): string {
  return join(config.dataDir, 'db');
}

/**
 * Builds the house from the environment: store, calendar, words, channels. Nothing runs yet. Throws what names an operator's mistake
 * (BadConfig, BadSettingsFile, StoreUnreachable, EmbeddedFailure). `brief`: a command that ends soon; nobody builds on its embedded engine.
 */
export async function openHouse(config: Config, log: Log = createLog({ level: config.logLevel, secrets: secretsOf(config) }), brief = false): Promise<House> {
  const calendar = createCalendar({ timeZone: config.timeZone, holidays: await readHolidays() });
  const levels = await readLevels(config.levelsFile ?? undefined);
  const text = await createText(calendar);
  const clock = createClock(config.now);
  const channels = new Map<ChannelName, Channel>();
  const secret = await keepSecret(config);
  const { store, close } = await openDatabase(config, log, brief);
  const core: Core = {
    store, clock: clock.now, calendar, log, levels, secret, channels, drawCode, drawChart, writeSheet,
    publicUrl: config.publicUrl ?? `http://${config.host}:${config.port}`,
    recognise: createRecogniser(),
    random: (bytes) => randomBytes(bytes),
    wakeOutbox: () => {},
  };
  const switchboard = await buildSwitchboard({ config, core, text, moved: clock.moved });
  for (const channel of switchboard.channels) channels.set(channel.name, channel);
  return { config, core, text, log, clock, channels, switchboard, close };
}

/** A running service. */
export interface Service {
  house: House;
  handle: Handle;
  /** Where it listens. */
  address: string;
  /** Looks what is due at once; the demo calls it when its clock was moved. */
  look(): Promise<void>;
  /** Stops taking work, finishes what is in hand (ten seconds at most), closes everything. */
  stop(): Promise<void>;
}

/** What runs besides the channels of the configuration. */
export interface ServiceExtras {
  /** More routes (the demo's page). */
  routes?: (service: Service) => readonly ((app: FastifyInstance) => Promise<void>)[];
}

/**
 * Starts a house: senders first, so that what a crash left is cleared up, then what was received and not finished, then the channels, the timetable
 * and the HTTP server.
 */
export async function startHouse(house: House, extras: ServiceExtras = {}): Promise<Service> {
  const { core, text, log, clock, config } = house;
  const senders: Sender[] = [];
  core.wakeOutbox = () => senders.forEach((sender) => sender.wake());
  const handle = createHandle({ core, text, parts: dialogParts, language: config.locale });
  const render = createRender(core, text, dialogParts);
  const instance = randomUUID();
  for (const channel of house.channels.values()) {
    senders.push(createSender({ core, channel, render, timing: machineTiming, instance, wakeOthers: core.wakeOutbox }));
  }
  const look = async (): Promise<void> => {
    await tick(core);
    await handle.resume();
  };
  const receive = (incoming: Incoming) => handle.receive(incoming.channel === 'web' ? incoming : { ...incoming, at: clock.moved(incoming.at) });

  let timetable: Timetable | null = null;
  let app: FastifyInstance | null = null;
  let stopping: Promise<void> | null = null;
  const service: Service = { house, handle, look, address: '', stop: () => (stopping ??= stopAll()) };

  async function stopAll(): Promise<void> {
    await Promise.allSettled([...house.channels.values()].map((channel) => channel.stop()));
    const answered = handle.stop();
    await timetable?.stop();
    await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, 5000).unref())]);
    await Promise.allSettled(senders.map((sender) => sender.stop()));
    await app?.close();
    await house.close();
  }

  try {
    app = await createServer({
      log,
      checks: { store: async () => (await core.store.ping(), { ok: true, detail: 'ok' }), ...Object.fromEntries([...house.channels.values()].map((channel) => [channel.name, () => readinessOf(channel, senders)])) },
      metrics: createMetrics(measuresOf(house, senders)),
      routes: [
        serveAssets,
        (app) => serveUploads(app, uploadDesk(house)),
        ...house.switchboard.routes,
        ...(extras.routes?.(service) ?? []),
      ],
    });
    service.address = await app.listen({ host: config.host, port: config.port }).catch((error: unknown) => {
      throw (error as { code?: string }).code === 'EADDRINUSE' ? Object.assign(new Error(`${config.host}:${config.port} is taken: stop what listens there, or set PORT to another number`), { exitCode: 69 }) : error;
    });
    if (config.publicUrl === null) core.publicUrl = service.address;
    for (const sender of senders) sender.start();
    await resumeBroadcasts(core);
    for (const channel of house.channels.values()) await channel.start(receive);
    timetable = startTimetable(look, log);
    return service;
  } catch (error) {
    await service.stop();
    throw error;
  }
}

/** The pages behind signed links, joined from services and words. */
export function uploadDesk({ core, text, log }: Pick<House, 'core' | 'text' | 'log'>): UploadDesk {
  return {
    text, log, clock: core.clock,
    open: async (token) => describeUpload(core, text, await openUpload(core, token)),
    take: async (token, file) => describeUpload(core, text, await takeUpload(core, token, file)),
    download: (token) => openDownload(core, token),
  };
}

function readinessOf(channel: Channel, senders: readonly Sender[]): Readiness {
  const health = channel.health();
  const sender = senders.map((each) => each.state()).find((state) => state.channel === channel.name);
  return { ok: health.ok && sender?.circuit !== 'open', detail: `${health.detail}; sending: ${sender?.circuit ?? 'off'}${sender?.active === false ? ' (another process)' : ''}` };
}

function measuresOf({ core, switchboard }: House, senders: readonly Sender[]): Parameters<typeof createMetrics>[0] {
  const quota = switchboard.zaloBotQuota;
  const budget = switchboard.zaloOa?.budget;
  return [
    ...(quota ? [{ name: 'dondoc_quota_used', help: 'Messages of this month, and how many there are', labels: ['channel', 'figure'], read: async () => [{ labels: { channel: 'zalo-bot', figure: 'used' }, value: await quota.used() }, { labels: { channel: 'zalo-bot', figure: 'limit' }, value: quota.limit }] }] : []),
    ...(budget ? [{ name: 'dondoc_zalo_oa_spent', help: 'Đồng spent today on messages and templates of the Official Account', labels: ['class'], read: async () => Object.entries(await budget.spent()).map(([name, value]) => ({ labels: { class: name }, value })) }] : []),
    { name: 'dondoc_outbox_rows', help: 'Rows of the outbox by state', labels: ['state'], read: async () => Object.entries(await core.store.outbox.counts()).map(([state, value]) => ({ labels: { state }, value })) },
    { name: 'dondoc_sent_answers', help: 'Answers of channels since the start', labels: ['channel', 'answer'], read: async () => senders.flatMap((sender) => Object.entries(sender.state().answers).map(([answer, value]) => ({ labels: { channel: sender.state().channel, answer }, value }))) },
    { name: 'dondoc_sender_failures', help: 'Failures of a channel in a row', labels: ['channel'], read: async () => senders.map((sender) => ({ labels: { channel: sender.state().channel }, value: sender.state().failures })) },
  ];
}
