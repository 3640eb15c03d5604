import type { Viewer } from '../domain/access.ts';
import { takeSubmission, type Assignment } from '../domain/assignment.ts';
import type { Calendar } from '../domain/calendar.ts';
import { dueOf } from '../domain/deadline.ts';
import { assignmentsFor } from '../domain/opening.ts';
import { pledgeObligation, type Plan } from '../domain/plan.ts';
import { openPledge, type Pledge } from '../domain/pledge.ts';
import type { Unit } from '../domain/unit.ts';
import { longListSize, shortListSize } from '../dialog/screen.ts';
import { sampleUnits } from '../files/sample-tree.ts';
import type { Core } from '../ports.ts';
import { listOverdue, overdueCountLimit, overdueGroups } from '../services/overdue.ts';
import { loadPlan } from '../services/plans.ts';
import { planFigures } from '../services/stats.ts';
import { benchCore, copyIndexes, measure, measurePair, rounded, withGround, type Ground } from './ground.ts';

/** What the query benchmark runs on, and where its lines go. */
export interface QueryBenchOptions {
  plan: Plan;
  calendar: Calendar;
  /** A MongoDB server; null: an embedded engine of its own in a temporary folder. A database of its own is made and dropped. */
  server: string | null;
  /** Units of the small and of the large tree; 1,200 and 120,000 unless said otherwise. */
  sizes?: readonly [small: number, large: number];
  /** Units of the tree a plan is loaded on; 12,000 unless said otherwise. */
  loadSize?: number;
  print(line: QueryBenchLine | FillLine): void;
}

/** One line: what it costs, what that is measured against (medians), and whether the promise is kept. */
export interface QueryBenchLine {
  bench: 'overdue-first-page' | 'overdue-list' | 'figures' | 'overdue-growth' | 'plan-load';
  units: number;
  assignments: number;
  /** Milliseconds; of `plan-load` for 1,000 assignments. */
  ms: number;
  againstMs: number;
  ratio: number;
  limit: number;
  kept: boolean;
}

/** How a tree was filled: no promise, but it says how long the benchmark takes. */
export interface FillLine {
  bench: 'fill';
  units: number;
  assignments: number;
  seconds: number;
  rowsPerSecond: number;
}

const rounds = 15;
/** The price of the product over the same indexed query written by hand on the driver. */
const handLimit = 3;
/** The price of the first page in the large tree over the small one. */
const growthLimit = 2;
/** The price of loading a plan over putting the same rows into the same indexes with the driver. */
const loadLimit = 2;
const unitBatch = 1_000;
/** Every fifth unit is late with what is due: more than any office ever saw. */
const lateEvery = 5;
/** One member of every tenth unit has pledged something. */
const pledgeEvery = 10;

/**
 * Measures the two screens the staff looks at most, `/quahan` and `/thongke`, as their services answer them, in a small and a large tree: against
 * the same indexed queries written by hand on the driver, and the large tree against the small one; and the loading of a plan. Prints a line
 * each; answers whether all is kept.
 */
export async function benchQueries(options: QueryBenchOptions): Promise<boolean> {
  const [smallSize, largeSize] = options.sizes ?? [1_200, 120_000];
  const lines: QueryBenchLine[] = [];
  const print = (bench: QueryBenchLine['bench'], tree: Pick<Tree, 'units' | 'assignments'>, [ms, againstMs]: readonly [number, number], limit: number): void => {
    const ratio = ms / againstMs;
    const line = { bench, units: tree.units, assignments: tree.assignments, ms: rounded(ms), againstMs: rounded(againstMs), ratio: rounded(ratio), limit, kept: ratio <= limit };
    lines.push(line);
    options.print(line);
  };
  const loaded = await measureLoad(options, options.loadSize ?? 12_000);
  print('plan-load', loaded, loaded.perThousand, loadLimit);
  await withTree(options, smallSize, async (small) => withTree(options, largeSize, async (large) => {
    for (const tree of [small, large]) {
      print('overdue-first-page', tree, await measurePair(rounds, () => groupsByProduct(options, tree), () => groupsByHand(options, tree)), handLimit);
      print('overdue-list', tree, await measurePair(rounds, () => listByProduct(options, tree), () => listByHand(options, tree)), handLimit);
      print('figures', tree, await measurePair(rounds, () => planFigures(tree.core, staff, options.plan.plan), () => figuresByHand(options, tree)), handLimit);
    }
    print('overdue-growth', large, await measurePair(rounds, () => groupsByProduct(options, large), () => groupsByProduct(options, small)), growthLimit);
  }));
  return lines.every((line) => line.kept);
}

const staff: Viewer = { id: 'staff', roles: [{ role: 'staff', unit: 'LDLD-TINH', since: new Date(0) }] };

interface Tree extends Ground {
  core: Core;
  units: number;
  root: string;
  assignments: number;
}

async function withTree(options: QueryBenchOptions, units: number, run: (tree: Tree) => Promise<void>): Promise<void> {
  await withGround(options.server, String(units), async (ground) => {
    const { ms, result } = await measure(() => fillTree(options, ground, units));
    options.print({ bench: 'fill', units, assignments: result.assignments, seconds: rounded(ms / 1000), rowsPerSecond: Math.round((result.assignments / ms) * 1000) });
    await run({ ...ground, ...result, units, core: benchCore(ground.store, options.calendar, lookedAt(options)) });
  });
}

async function fillTree(options: QueryBenchOptions, { store }: Ground, size: number): Promise<{ root: string; assignments: number }> {
  let [root, assignments] = ['', 0];
  let batch: Unit[] = [];
  const flush = async (): Promise<void> => {
    await store.units.put(batch);
    assignments += await store.assignments.insertMissing(batch.flatMap((unit, index) => assignmentsOf(options, unit, index)));
    await store.pledges.insertMissing(batch.flatMap((unit, index) => pledgesOf(options, unit, index)));
    batch = [];
  };
  await store.plans.put(options.plan, options.calendar.instantOf(`${options.plan.year}-03-01`));
  for (const unit of sampleUnits(size)) {
    if (unit.parent === null) root = unit.code;
    batch.push(unit);
    if (batch.length === unitBatch) await flush();
  }
  await flush();
  return { root, assignments };
}

/** What the plan asks of the unit, every fifth of it still open. */
function assignmentsOf({ plan, calendar }: QueryBenchOptions, unit: Unit, index: number): Assignment[] {
  const opened = { by: 'system', at: calendar.instantOf(`${plan.year}-03-01`) };
  return assignmentsFor(plan, unit, calendar, opened).map((assignment, nth) => {
    if ((index + nth) % lateEvery === 0) return assignment;
    const countedAt = assignment.due ? new Date(assignment.due.deadline.getTime() - 1) : opened.at;
    return takeSubmission(assignment, { version: 1, countedAt, receipt: 'BN-2024-000001' }, { by: 'chair', at: countedAt });
  });
}

function pledgesOf({ plan, calendar }: QueryBenchOptions, unit: Unit, index: number): Pledge[] {
  const obligation = pledgeObligation(plan);
  if (!obligation || index % pledgeEvery !== 0) return [];
  return [openPledge({ plan: plan.plan, obligation: obligation.key, unit: unit.code, level: unit.level, path: unit.path, person: `member-${unit.code}`, due: dueOf(obligation.due, calendar) })];
}

/** Loads the plan as the operator does, then puts the same rows into a collection with the same indexes: milliseconds for 1,000 assignments. */
async function measureLoad(options: QueryBenchOptions, size: number): Promise<{ units: number; assignments: number; perThousand: [number, number] }> {
  return withGround(options.server, `load-${size}`, async ({ store, database }) => {
    await store.units.put([...sampleUnits(size)]);
    const core = benchCore(store, options.calendar, options.calendar.instantOf(`${options.plan.year}-03-01`));
    const { ms, result } = await measure(() => loadPlan(core, options.plan));
    const against = await insertCopies(database, 'assignments');
    return { units: size, assignments: result.created, perThousand: [(ms / result.created) * 1000, (against / result.created) * 1000] };
  });
}

/** Puts every document of a collection into another one with the same indexes, in one call of the driver; answers the milliseconds. */
async function insertCopies(database: Ground['database'], from: string): Promise<number> {
  const rows = await database.collection(from).find().toArray();
  const copy = await copyIndexes(database, from, `${from}-copy`);
  return (await measure(() => copy.insertMany(rows, { ordered: false }))).ms;
}

/** The moment that is looked at: with two deadlines passed and more to come. */
function lookedAt({ plan, calendar }: QueryBenchOptions): Date {
  return calendar.instantOf(`${plan.year}-06-01`);
}

function groupsByProduct({ plan }: QueryBenchOptions, { core, root }: Tree): Promise<unknown> {
  return overdueGroups(core, staff, { plan: plan.plan, obligation: null, unit: root }, { after: null, limit: shortListSize });
}

/** The obligations that have somebody late, as somebody writes them who knows the plan's deadlines by heart. */
function lateObligations(options: QueryBenchOptions): { obligation: string; overdueAt: Date }[] {
  return options.plan.obligations.flatMap((obligation) => {
    const overdueAt = dueOf(obligation.due, options.calendar)?.deadline;
    return overdueAt && overdueAt <= lookedAt(options) && !('members' in obligation.audience) ? [{ obligation: obligation.key, overdueAt }] : [];
  });
}

/** The same screen by hand: the unit, a page of its children, the count of each and of the whole, what it owes itself, whether the children have units. */
async function groupsByHand(options: QueryBenchOptions, { database, root }: Tree): Promise<unknown> {
  const [units, assignments] = [database.collection<{ _id: string; parent: string }>('units'), database.collection('assignments')];
  const plan = options.plan.plan;
  const count = (path: string): Promise<unknown> =>
    Promise.all(lateObligations(options).map(({ obligation, overdueAt }) => assignments.countDocuments({ plan, path, obligation, overdueAt }, { limit: overdueCountLimit + 1 })));
  const unit = await units.findOne({ _id: root });
  const [children, own, total] = await Promise.all([
    units.find({ parent: root }).sort({ _id: 1 }).limit(shortListSize + 1).toArray(),
    assignments.find({ unit: root, plan }).toArray(),
    count(root),
  ]);
  const shown = children.slice(0, shortListSize);
  const [counts, below] = await Promise.all([Promise.all(shown.map((child) => count(child._id))), Promise.all(shown.map((child) => units.findOne({ parent: child._id }, { sort: { _id: 1 } })))]);
  return { unit, own, total, counts, below };
}

function listByProduct({ plan }: QueryBenchOptions, { core, root }: Tree): Promise<unknown> {
  return listOverdue(core, staff, { plan: plan.plan, obligation: null, unit: root }, { after: null, limit: longListSize });
}

/** The same list by hand: one range of the index for each deadline that passed, their merge, then the page's documents with units, chairs and reminders. */
async function listByHand(options: QueryBenchOptions, { database, root }: Tree): Promise<unknown> {
  const assignments = database.collection<{ _id: string; unit: string; obligation: string }>('assignments');
  const found = await Promise.all(
    lateObligations(options).map((late) => assignments.find({ plan: options.plan.plan, path: root, ...late }, { projection: { unit: 1, obligation: 1 } }).sort({ unit: 1, _id: 1 }).limit(longListSize + 1).toArray()),
  );
  const first = found.flat().sort((a, b) => (`${a.unit}/${a.obligation}` < `${b.unit}/${b.obligation}` ? -1 : 1)).slice(0, longListSize);
  const [ids, codes] = [first.map((row) => row._id), [...new Set(first.map((row) => row.unit))]];
  return Promise.all([
    database.collection<{ _id: string }>('units').findOne({ _id: root }),
    assignments.find({ _id: { $in: ids } }).toArray(),
    database.collection<{ _id: string }>('units').find({ _id: { $in: codes } }).toArray(),
    database.collection('people').find({ roleKeys: { $in: codes.map((code) => `chair:${code}`) } }).toArray(),
    database.collection('outbox').aggregate([{ $match: { about: { $in: ids }, state: 'sent' } }, { $group: { _id: '$about', count: { $sum: 1 } } }]).toArray(),
  ]);
}

/** The same figures by hand: assignments, pledges and members, each grouped over the index made for it. */
async function figuresByHand({ plan }: QueryBenchOptions, { database, root }: Tree): Promise<unknown> {
  const grouped = (collection: string, match: object, fields: readonly string[], sum: unknown, index: readonly string[]): Promise<unknown> =>
    database.collection(collection)
      .aggregate([{ $match: match }, { $group: { _id: Object.fromEntries(fields.map((field) => [field, `$${field}`])), count: { $sum: sum } } }], { hint: Object.fromEntries(index.map((field) => [field, 1])) })
      .toArray();
  const ofAssignments = ['obligation', 'level', 'state', 'verdict', 'deadline'];
  const ofPledges = ['level', 'state', 'verdict', 'paper'];
  return Promise.all([
    grouped('assignments', { plan: plan.plan }, ofAssignments, 1, ['plan', ...ofAssignments]),
    grouped('pledges', { plan: plan.plan }, ofPledges, 1, ['plan', ...ofPledges]),
    grouped('units', { path: root }, ['level', 'opened', 'closed'], '$members', ['path', 'level', 'opened', 'closed', 'members']),
  ]);
}
