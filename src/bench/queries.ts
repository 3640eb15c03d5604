import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { mongo } from 'mongoose';
import { openAssignment, takeSubmission, type Assignment } from '../domain/assignment.ts';
import type { Calendar } from '../domain/calendar.ts';
import { dueOf } from '../domain/deadline.ts';
import { asksLevel } from '../domain/obligation.ts';
import type { Plan } from '../domain/plan.ts';
import type { Unit } from '../domain/unit.ts';
import { openEmbedded } from '../embedded/server.ts';
import { sampleUnits } from '../files/sample-tree.ts';
import type { Store } from '../ports.ts';
import { openStore } from '../store/store.ts';

/** What the query benchmark runs on, and where its lines go. */
export interface QueryBenchOptions {
  plan: Plan;
  calendar: Calendar;
  /** A MongoDB server; null: an embedded engine of its own in a temporary folder. A database of its own is made and dropped. */
  server: string | null;
  /** Units of the small and of the large tree; 1,200 and 120,000 unless said otherwise. */
  sizes?: readonly [small: number, large: number];
  print(line: QueryBenchLine): void;
}

/** One line: milliseconds (medians), what they are measured against, and whether the promise is kept. */
export interface QueryBenchLine {
  bench: 'overdue-first-page' | 'figures' | 'overdue-growth';
  units: number;
  assignments: number;
  ms: number;
  againstMs: number;
  ratio: number;
  limit: number;
  kept: boolean;
}

const pageSize = 10;
/** As `/quahan` counts. */
const mostCounted = 1_000;
const rounds = 15;
/** The price of the product over the same indexed query written by hand on the driver. */
const handLimit = 3;
/** The price of the first page in the large tree over the small one. */
const growthLimit = 2;
const unitBatch = 1_000;
/** Every fifth unit is late with what is due: more than any office ever saw. */
const lateEvery = 5;

/**
 * Measures the two screens the staff looks at most, `/quahan` and `/thongke`, in a small and a large tree: against the same indexed
 * queries written by hand on the driver, and the large tree against the small one. Prints a line each; answers whether all is kept.
 */
export async function benchQueries(options: QueryBenchOptions): Promise<boolean> {
  const [smallSize, largeSize] = options.sizes ?? [1_200, 120_000];
  return withServer(options, async (server) => withTree(options, server, smallSize, async (small) => withTree(options, server, largeSize, async (large) => {
    const lines: QueryBenchLine[] = [];
    const print = (bench: QueryBenchLine['bench'], tree: Tree, [ms, againstMs]: readonly [number, number], limit: number): void => {
      const line = { bench, units: tree.units, assignments: tree.assignments, ...judged(ms, againstMs, limit) };
      lines.push(line);
      options.print(line);
    };
    for (const tree of [small, large]) {
      print('overdue-first-page', tree, await measurePair(() => pageByProduct(options, tree), () => pageByHand(options, tree)), handLimit);
      print('figures', tree, await measurePair(() => tree.store.assignments.count(options.plan.plan, null), () => figuresByHand(tree.database, options.plan.plan)), handLimit);
    }
    print('overdue-growth', large, await measurePair(() => pageByProduct(options, large), () => pageByProduct(options, small)), growthLimit);
    return lines.every((line) => line.kept);
  })));
}

interface Tree {
  store: Store;
  database: mongo.Db;
  units: number;
  root: string;
  assignments: number;
}

function judged(ms: number, againstMs: number, limit: number): Pick<QueryBenchLine, 'ms' | 'againstMs' | 'ratio' | 'limit' | 'kept'> {
  const ratio = ms / againstMs;
  const round = (value: number): number => Math.round(value * 100) / 100;
  return { ms: round(ms), againstMs: round(againstMs), ratio: round(ratio), limit, kept: ratio <= limit };
}

async function withServer<T>({ server }: QueryBenchOptions, run: (uri: string) => Promise<T>): Promise<T> {
  if (server !== null) return run(server);
  const folder = await mkdtemp(join(tmpdir(), 'dondoc-queries-'));
  const engine = await openEmbedded({ folder });
  try {
    return await run(engine.uri);
  } finally {
    await engine.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function withTree<T>(options: QueryBenchOptions, server: string, units: number, run: (tree: Tree) => Promise<T>): Promise<T> {
  const uri = withDatabase(server, `bench-${process.pid}-${units}`);
  const client = new mongo.MongoClient(uri);
  const store = await openStore({ uri });
  try {
    return await run({ store, database: client.db(), units, ...(await fillTree(options, store, units)) });
  } finally {
    await store.close();
    if (options.server !== null) await client.db().dropDatabase(); // An engine of our own goes with its folder.
    await client.close();
  }
}

/** @example withDatabase('mongodb://localhost:27017/dondoc?w=1', 'bench') → 'mongodb://localhost:27017/bench?w=1' */
function withDatabase(uri: string, name: string): string {
  return uri.replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?/, (_, base: string) => `${base}/${name}`);
}

async function fillTree(options: QueryBenchOptions, store: Store, size: number): Promise<{ root: string; assignments: number }> {
  let [root, assignments] = ['', 0];
  let batch: Unit[] = [];
  const flush = async (): Promise<void> => {
    await store.units.put(batch);
    assignments += await store.assignments.insertMissing(batch.flatMap((unit, index) => assignmentsOf(options, unit, index)));
    batch = [];
  };
  for (const unit of sampleUnits(size)) {
    if (unit.parent === null) root = unit.code;
    batch.push(unit);
    if (batch.length === unitBatch) await flush();
  }
  await flush();
  return { root, assignments };
}

function assignmentsOf({ plan, calendar }: QueryBenchOptions, unit: Unit, index: number): Assignment[] {
  const opened = { by: 'system', at: calendar.instantOf(`${plan.year}-03-01`) };
  return plan.obligations.filter((obligation) => asksLevel(obligation, unit.level)).map((obligation, nth) => {
    const assignment = openAssignment({ plan: plan.plan, obligation: obligation.key, unit: unit.code, level: unit.level, path: unit.path, day: null, due: dueOf(obligation.due, calendar) }, opened);
    if ((index + nth) % lateEvery === 0) return assignment;
    const countedAt = assignment.due ? new Date(assignment.due.deadline.getTime() - 1) : opened.at;
    return takeSubmission(assignment, { version: 1, countedAt, receipt: 'BN-2024-000001' }, { by: 'chair', at: countedAt });
  });
}

/** Medians of both, taken in turns, so that whatever else the machine does falls on both alike. */
async function measurePair(one: () => Promise<unknown>, other: () => Promise<unknown>): Promise<[number, number]> {
  const [ones, others]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds + 3; round += 1) {
    const [first, second] = [await timed(one), await timed(other)];
    if (round < 3) continue; // The first ones open connections and warm caches.
    ones.push(first);
    others.push(second);
  }
  return [median(ones), median(others)];
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await run();
  return performance.now() - begun;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

/** The moment that is looked at: with two deadlines passed and more to come. */
function lookedAt({ plan, calendar }: QueryBenchOptions): Date {
  return calendar.instantOf(`${plan.year}-06-01`);
}

function pageByProduct(options: QueryBenchOptions, { store, root }: Tree): Promise<unknown> {
  const query = { plan: options.plan.plan, root, obligation: null, now: lookedAt(options) };
  return Promise.all([store.assignments.overdue(query, { after: null, limit: pageSize }), store.assignments.countOverdue(query, mostCounted)]);
}

/** What somebody writes who knows the plan's deadlines by heart: one range of the index for each, their merge, the page's documents, the counts. */
async function pageByHand(options: QueryBenchOptions, { database, root }: Tree): Promise<unknown> {
  const { plan, calendar } = options;
  const now = lookedAt(options);
  const assignments = database.collection<{ _id: string; unit: string; obligation: string }>('assignments');
  const runs = plan.obligations.flatMap((obligation) => {
    const overdueAt = dueOf(obligation.due, calendar)?.deadline;
    return overdueAt && overdueAt <= now && !('members' in obligation.audience) ? [{ plan: plan.plan, path: root, obligation: obligation.key, overdueAt }] : [];
  });
  const [found, counts] = await Promise.all([
    Promise.all(runs.map((run) => assignments.find(run, { projection: { unit: 1, obligation: 1 } }).sort({ unit: 1, _id: 1 }).limit(pageSize + 1).toArray())),
    Promise.all(runs.map((run) => assignments.countDocuments(run, { limit: mostCounted }))),
  ]);
  const first = found.flat().sort((a, b) => (`${a.unit}/${a.obligation}` < `${b.unit}/${b.obligation}` ? -1 : 1)).slice(0, pageSize);
  return { counts, page: await assignments.find({ _id: { $in: first.map((row) => row._id) } }).toArray() };
}

async function figuresByHand(database: mongo.Db, plan: string): Promise<unknown> {
  const by = { obligation: '$obligation', level: '$level', state: '$state', verdict: '$verdict', deadline: '$deadline' };
  const hint = { plan: 1, obligation: 1, level: 1, state: 1, verdict: 1, deadline: 1 };
  return database.collection('assignments').aggregate([{ $match: { plan } }, { $group: { _id: by, count: { $sum: 1 } } }], { hint }).toArray();
}
