import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import mongoose from 'mongoose';
import { openAssignment, type Assignment } from '../domain/assignment.ts';
import { addDays, type Calendar } from '../domain/calendar.ts';
import { dueOnLastDay } from '../domain/deadline.ts';
import type { OutboxRow } from '../domain/notice.ts';
import type { Person } from '../domain/person.ts';
import { createWave, defaultStages, stageBase } from '../domain/reminder.ts';
import { openEmbedded } from '../embedded/server.ts';
import type { Core, Store } from '../ports.ts';
import { tick } from '../services/reminders.ts';
import { openStore } from '../store/store.ts';

/** How large, and where. */
export interface TickBenchOptions {
  /** Assignments with nothing due. */
  open: number;
  /** Assignments that are due at once, each of a unit with a chair. */
  due: number;
  calendar: Calendar;
  /** A MongoDB server; null: the embedded engine in a temporary folder. */
  server: string | null;
  print(line: object): void;
}

const lastDay = '2024-05-06';
const units = 1000;

/** Measures one look at the clock: with nothing due among very many, and with very many due, against a bare insert of the same rows. */
export async function benchTick(options: TickBenchOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'dondoc-bench-'));
  const engine = options.server === null ? await openEmbedded({ folder }) : null;
  const uri = databaseIn(options.server ?? (engine?.uri as string), `bench_tick_${randomBytes(4).toString('hex')}`);
  const store = await openStore({ uri });
  const connection = await mongoose.createConnection(uri).asPromise();
  try {
    await fill(options, store);
    await measureIdle(options, store);
    await measureDue(options, store, connection);
  } finally {
    await connection.dropDatabase();
    await connection.close();
    await store.close();
    await engine?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function databaseIn(uri: string, name: string): string {
  const [place = '', query] = uri.split('?');
  const [scheme, rest = ''] = place.split('://') as [string, string?];
  return `${scheme}://${rest.split('/')[0]}/${name}${query === undefined ? '' : `?${query}`}`;
}

function buildAssignment(options: TickBenchOptions, number: number, obligation: string, day: string): Assignment {
  const unit = `U${String(number).padStart(7, '0')}`;
  const due = dueOnLastDay(day, options.calendar);
  return openAssignment({ plan: 'bench', obligation, unit, level: 'co-so', path: ['T', `H${number % units}`, unit], day: null, due }, { by: 'system', at: options.calendar.instantOf('2024-01-02') });
}

async function fill(options: TickBenchOptions, store: Store): Promise<void> {
  const { calendar } = options;
  const loaded = calendar.instantOf('2024-01-02');
  for (const [obligation, count, day] of [['quiet', options.open, '2024-12-30'], ['due', options.due, lastDay]] as const) {
    await store.waves.ensure([createWave({ kind: 'deadline', plan: 'bench', obligation, offsets: defaultStages }, stageBase(dueOnLastDay(day, calendar)), calendar, loaded)]);
    for (let from = 0; from < count; from += 2000) {
      await store.assignments.insertMissing(Array.from({ length: Math.min(2000, count - from) }, (_, index) => buildAssignment(options, from + index, obligation, day)));
    }
  }
  const chair = async (number: number): Promise<void> => {
    const unit = `U${String(number).padStart(7, '0')}`;
    const person: Omit<Person, 'id'> = {
      name: 'Bench', language: 'vi', roles: [{ role: 'chair', unit, since: loaded }], addresses: [{ channel: 'telegram', id: String(number), lastAt: loaded, state: 'active', reason: null }], consent: { version: 'bench', at: loaded },
    };
    await store.people.create(person);
  };
  for (let from = 0; from < options.due; from += 200) await Promise.all(Array.from({ length: Math.min(200, options.due - from) }, (_, index) => chair(from + index)));
}

function coreAt(options: TickBenchOptions, store: Store, now: Date): Core {
  const nothing = (): never => {
    throw new Error('not needed here');
  };
  return {
    store, calendar: options.calendar, clock: () => now, log: { info() {}, warn() {}, error() {} }, levels: [], secret: 'bench', channels: new Map(), publicUrl: 'http://127.0.0.1',
    random: (bytes) => randomBytes(bytes), wakeOutbox: () => {}, recognise: nothing, drawCode: nothing, drawChart: nothing, writeSheet: nothing,
  };
}

async function measureIdle(options: TickBenchOptions, store: Store): Promise<void> {
  const core = coreAt(options, store, options.calendar.instantOf('2024-01-02', '07:00'));
  await tick(core); // The first one of a day marks the daily work; those of the other 1,439 minutes find it done.
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (let look = 0; look < 50; look += 1) {
    const begun = performance.now();
    await tick(core);
    times.push(performance.now() - begun);
  }
  const used = process.cpuUsage(cpu);
  times.sort((a, b) => a - b);
  options.print({ bench: 'tick', part: 'nothing due', open: options.open + options.due, medianMs: round(times[25] as number), worstMs: round(times[49] as number), cpuMs: round((used.user + used.system) / 1000 / 50) });
}

async function measureDue(options: TickBenchOptions, store: Store, connection: mongoose.Connection): Promise<void> {
  const now = options.calendar.instantOf(addDays(lastDay, -3), '08:00');
  const begun = performance.now();
  const { reminders } = await tick(coreAt(options, store, now));
  const seconds = (performance.now() - begun) / 1000;
  const rows = await connection.collection('outbox').find({}).toArray();
  const bare = async (name: string, indexed: boolean): Promise<number> => {
    const collection = connection.collection(name);
    await connection.createCollection(name);
    if (indexed) {
      for (const index of await connection.collection('outbox').indexes()) {
        const { key, name: indexName, partialFilterExpression } = index;
        if (indexName !== '_id_') await collection.createIndex(key, { name: indexName as string, ...(partialFilterExpression ? { partialFilterExpression } : {}) });
      }
    }
    const start = performance.now();
    for (let from = 0; from < rows.length; from += 2000) await collection.insertMany(rows.slice(from, from + 2000) as unknown as (OutboxRow & mongoose.mongo.Document)[], { ordered: false });
    return rows.length / ((performance.now() - start) / 1000);
  };
  const withIndexes = await bare('bare_indexed', true);
  const without = await bare('bare', false);
  const rate = reminders / seconds;
  options.print({
    bench: 'tick', part: 'due at once', due: options.due, reminders, seconds: round(seconds), rowsPerSecond: Math.round(rate), bareInsertMany: Math.round(withIndexes), ofBare: round(rate / withIndexes), bareWithoutIndexes: Math.round(without),
  });
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
