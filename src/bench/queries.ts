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
const mostCounted = 10_000;
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
  const lines: QueryBenchLine[] = [];
  const print = (line: QueryBenchLine): void => {
    lines.push(line);
    options.print(line);
  };
  const pages: number[] = [];
  for (const size of options.sizes ?? [1_200, 120_000]) {
    const measured = await withTree(options, size, (tree) => measureTree(options, tree));
    pages.push(measured.page.ms);
    print({ bench: 'overdue-first-page', units: size, assignments: measured.assignments, ...judged(measured.page.ms, measured.page.handMs, handLimit) });
    print({ bench: 'figures', units: size, assignments: measured.assignments, ...judged(measured.figures.ms, measured.figures.handMs, handLimit) });
    if (pages.length === 2) print({ bench: 'overdue-growth', units: size, assignments: measured.assignments, ...judged(pages[1] as number, pages[0] as number, growthLimit) });
  }
  return lines.every((line) => line.kept);
}

interface Tree {
  store: Store;
  database: mongo.Db;
  root: string;
  assignments: number;
}

function judged(ms: number, againstMs: number, limit: number): Pick<QueryBenchLine, 'ms' | 'againstMs' | 'ratio' | 'limit' | 'kept'> {
  const ratio = ms / againstMs;
  const round = (value: number): number => Math.round(value * 100) / 100;
  return { ms: round(ms), againstMs: round(againstMs), ratio: round(ratio), limit, kept: ratio <= limit };
}

async function withTree<T>(options: QueryBenchOptions, size: number, run: (tree: Tree) => Promise<T>): Promise<T> {
  const folder = options.server === null ? await mkdtemp(join(tmpdir(), 'dondoc-bench-')) : null;
  const engine = folder === null ? null : await openEmbedded({ folder });
  const uri = withDatabase(engine?.uri ?? (options.server as string), `bench-${process.pid}-${size}`);
  const client = new mongo.MongoClient(uri);
  try {
    const store = await openStore({ uri });
    try {
      const { root, assignments } = await fillTree(options, store, size);
      return await run({ store, database: client.db(), root, assignments });
    } finally {
      await store.close();
    }
  } finally {
    await client.db().dropDatabase();
    await client.close();
    await engine?.stop();
    if (folder !== null) await rm(folder, { recursive: true, force: true });
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

interface Measured {
  assignments: number;
  page: { ms: number; handMs: number };
  figures: { ms: number; handMs: number };
}

async function measureTree({ plan, calendar }: QueryBenchOptions, tree: Tree): Promise<Measured> {
  const now = calendar.instantOf(`${plan.year}-06-01`);
  const query = { plan: plan.plan, root: tree.root, obligation: null, now };
  const { store } = tree;
  const page = await measurePair(
    () => Promise.all([store.assignments.overdue(query, { after: null, limit: pageSize }), store.assignments.countOverdue(query, mostCounted)]),
    () => pageByHand(tree, plan, calendar, now),
  );
  const figures = await measurePair(() => store.assignments.count(plan.plan, null), () => figuresByHand(tree.database, plan.plan));
  return { assignments: tree.assignments, page, figures };
}

/** Medians of both, taken in turns, so that whatever else the machine does falls on both alike. */
async function measurePair(product: () => Promise<unknown>, hand: () => Promise<unknown>): Promise<{ ms: number; handMs: number }> {
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds + 3; round += 1) {
    const [mine, his] = [await timed(product), await timed(hand)];
    if (round < 3) continue; // The first ones open connections and warm caches.
    ours.push(mine);
    theirs.push(his);
  }
  return { ms: median(ours), handMs: median(theirs) };
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await run();
  return performance.now() - begun;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

/** What somebody writes who knows the plan's deadlines by heart: one range of the index for each, their merge, the page's documents, the counts. */
async function pageByHand({ database, root }: Tree, plan: Plan, calendar: Calendar, now: Date): Promise<unknown> {
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
