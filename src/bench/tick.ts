import { openAssignment, type Assignment } from '../domain/assignment.ts';
import { addDays, type Calendar } from '../domain/calendar.ts';
import { dueOf } from '../domain/deadline.ts';
import { wavesFor } from '../domain/opening.ts';
import { planSchema, type Plan } from '../domain/plan.ts';
import { personSchema, type Person } from '../domain/person.ts';
import { reminderTime } from '../domain/reminder.ts';
import { tick } from '../services/reminders.ts';
import { benchCore, copyIndexes, measure, median, rounded, withGround, type Cost, type Ground } from './ground.ts';

/** What the tick benchmark runs on, and where its lines go. */
export interface TickBenchOptions {
  calendar: Calendar;
  /** A MongoDB server; null: an embedded engine of its own in a temporary folder. A database of its own is made and dropped. */
  server: string | null;
  /** Units, each with a chair who is paired; 100,000 unless said otherwise. Each owes ten things, so that ten times as many assignments are open. */
  units?: number;
  print(line: TickBenchLine): void;
}

/** How the store was filled, a tick with nothing due, and one with everything of one obligation due. */
export type TickBenchLine =
  | { bench: 'tick-fill'; assignments: number; people: number; seconds: number; rowsPerSecond: number }
  /** Medians of one tick; documents and keys the database looked at for the waves; how often each group of the store was asked. */
  | { bench: 'tick-nothing-due'; assignments: number; ms: number; cpuMs: number; limitMs: number; docsExamined: number; keysExamined: number; asked: Record<string, number>; kept: boolean }
  /** Rows a second of the tick and of one `insertMany` of the same rows into the same indexes, medians taken in turns; `cpuRatio` compares the work instead of the time. */
  | { bench: 'tick-due'; assignments: number; rows: number; rowsPerSecond: number; againstPerSecond: number; ratio: number; cpuRatio: number; limit: number; kept: boolean };

const dues = ['2024-05-06', '2024-05-20', '2024-06-05', '2024-06-20', '2024-07-05', '2024-07-22', '2024-08-05', '2024-08-20', '2024-09-05', '2024-09-20'];
const rounds = 15;
const dueRounds = 5;
const idleLimitMs = 50;
/** The tick inserts at least half as many rows a second as the bare call. */
const rateLimit = 0.5;
const batchSize = 2_000;

/**
 * Measures what a tick costs over a million open assignments: with nothing due, and with a hundred thousand due at one moment against a bare
 * `insertMany` of the rows it made. Prints a line each; answers whether all is kept.
 */
export async function benchTick(options: TickBenchOptions): Promise<boolean> {
  const { calendar } = options;
  const units = options.units ?? 100_000;
  return withGround(options.server, 'tick', async (ground) => {
    const plan = planOfTen();
    const opened = calendar.instantOf('2024-04-01');
    const filled = await measure(() => fill(ground, plan, calendar, units, opened));
    const assignments = units * dues.length;
    options.print({ bench: 'tick-fill', assignments, people: units, seconds: rounded(filled.ms / 1000), rowsPerSecond: Math.round((assignments / filled.ms) * 1000) });

    const idle = await tickIdle(ground, calendar, calendar.instantOf('2024-04-10', '10:00'));
    const idleKept = idle.cpuMs < idleLimitMs && idle.docsExamined === 0 && !('assignments' in idle.asked);
    options.print({ bench: 'tick-nothing-due', assignments, ...idle, limitMs: idleLimitMs, kept: idleKept });

    // The first reminder of the first deadline, a fortnight before it; with the holidays that may lie a day or two earlier.
    const first = calendar.instantOf(calendar.workingDayOnOrBefore(addDays(dues[0] as string, -14)), reminderTime);
    const due = await tickDue(ground, calendar, first);
    const dueKept = due.ratio >= rateLimit;
    options.print({ bench: 'tick-due', assignments, ...due, limit: rateLimit, kept: dueKept });
    return idleKept && dueKept;
  });
}

/** Ten reports by ten days. */
function planOfTen(): Plan {
  const words = (text: string): { vi: string; en: string } => ({ vi: text, en: text });
  return planSchema.parse({
    plan: '2024', year: 2024, number: '01', title: words('Kế hoạch'), issuer: words('Liên đoàn'), materials: [],
    obligations: dues.map((by, index) => ({ key: `bao-cao-${index}`, title: words('Báo cáo'), clause: String(index), quote: by, audience: { levels: ['co-so'] }, deliverable: 'report', due: { by }, review: false })),
  });
}

async function fill({ store }: Ground, plan: Plan, calendar: Calendar, units: number, opened: Date): Promise<void> {
  await store.plans.put(plan, opened);
  await store.waves.ensure(wavesFor(plan, calendar, opened));
  for (let from = 0; from < units; from += batchSize) {
    const codes = Array.from({ length: Math.min(batchSize, units - from) }, (_, index) => `CS-${String(from + index).padStart(6, '0')}`);
    await store.assignments.insertMissing(codes.flatMap((code) => assignmentsOf(plan, calendar, code, opened)));
    await Promise.all(codes.map((code) => store.people.create(chairOf(code, opened))));
  }
}

function assignmentsOf(plan: Plan, calendar: Calendar, unit: string, opened: Date): Assignment[] {
  return plan.obligations.map((obligation) =>
    openAssignment({ plan: plan.plan, obligation: obligation.key, unit, level: 'co-so', path: ['LDLD-TINH', `CT-${unit.slice(-6, -2)}`, unit], day: null, due: dueOf(obligation.due, calendar) }, { by: 'system', at: opened }),
  );
}

const newPersonSchema = personSchema.omit({ id: true });

function chairOf(unit: string, since: Date): Omit<Person, 'id'> {
  return newPersonSchema.parse({
    name: 'Nguyễn Thị Hoa', language: 'vi', roles: [{ role: 'chair', unit, since }], addresses: [{ channel: 'telegram', id: `chat-${unit}`, lastAt: since, state: 'active', reason: null }], consent: { version: '2026-11', at: since },
  });
}

async function tickIdle({ store, database }: Ground, calendar: Calendar, now: Date): Promise<Cost & { docsExamined: number; keysExamined: number; asked: Record<string, number> }> {
  const costs: Cost[] = [];
  await tick(benchCore(store, calendar, now)); // The first of a day does the work of the day.
  for (let round = 0; round < rounds; round += 1) {
    const { ms, cpuMs } = await measure(() => tick(benchCore(store, calendar, now)));
    costs.push({ ms, cpuMs });
  }
  const asked: Record<string, number> = {};
  await tick(benchCore(countCalls(store, asked), calendar, now));
  const { executionStats } = (await database.collection('waves').find({ nextAt: { $lte: now } }).sort({ nextAt: 1, _id: 1 }).explain('executionStats')) as { executionStats: { totalDocsExamined: number; totalKeysExamined: number } };
  return {
    ms: rounded(median(costs.map((cost) => cost.ms))), cpuMs: rounded(median(costs.map((cost) => cost.cpuMs))),
    docsExamined: executionStats.totalDocsExamined, keysExamined: executionStats.totalKeysExamined, asked,
  };
}

/** The same store, noting how often each of its groups is asked something. */
function countCalls(store: Ground['store'], asked: Record<string, number>): Ground['store'] {
  const counted = Object.entries(store).map(([group, calls]: [string, unknown]) => {
    if (typeof calls !== 'object' || calls === null) return [group, calls];
    const noting = Object.entries(calls).map(([name, call]: [string, (...args: unknown[]) => unknown]) => [
      name,
      (...args: unknown[]) => {
        asked[group] = (asked[group] ?? 0) + 1;
        return call(...args);
      },
    ]);
    return [group, Object.fromEntries(noting)];
  });
  return Object.fromEntries(counted) as Ground['store'];
}

/** A tick with everything due, and the bare call with the same rows after it, a few times over; medians. */
async function tickDue({ store, database }: Ground, calendar: Calendar, now: Date): Promise<{ rows: number; rowsPerSecond: number; againstPerSecond: number; ratio: number; cpuRatio: number }> {
  const waves = await database.collection('waves').find().toArray();
  const outbox = database.collection('outbox');
  const pairs: { due: Cost; bare: Cost }[] = [];
  let rows = 0;
  for (let round = 0; round < dueRounds; round += 1) {
    await outbox.deleteMany({});
    for (const { _id, ...wave } of waves) await database.collection('waves').replaceOne({ _id }, wave);
    const due = await measure(() => tick(benchCore(store, calendar, now)));
    const made = await outbox.find({ 'notice.kind': 'reminder' }).toArray();
    rows = due.result.reminders;
    if (made.length !== rows) throw new Error(`${rows} reminders were reported, ${made.length} are stored`);
    pairs.push({ due, bare: await insertBare(database, made) });
  }
  const rate = (costs: readonly Cost[]): number => Math.round((rows / median(costs.map((cost) => cost.ms))) * 1000);
  return {
    rows, rowsPerSecond: rate(pairs.map((pair) => pair.due)), againstPerSecond: rate(pairs.map((pair) => pair.bare)),
    ratio: rounded(median(pairs.map(({ due, bare }) => bare.ms / due.ms))), cpuRatio: rounded(median(pairs.map(({ due, bare }) => bare.cpuMs / due.cpuMs))),
  };
}

/** What somebody would write who only had to store the rows: one call of the driver, into an empty collection with the same indexes. */
async function insertBare(database: Ground['database'], rows: readonly object[]): Promise<Cost> {
  const bare = await copyIndexes(database, 'outbox', 'outbox-bare');
  const cost = await measure(() => bare.insertMany([...rows], { ordered: false }));
  await bare.drop();
  return cost;
}
