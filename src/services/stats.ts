import { requireAccess, type Viewer } from '../domain/access.ts';
import { bucketOf } from '../domain/assignment.ts';
import { dueOf } from '../domain/deadline.ts';
import { pledgeObligation, type Plan } from '../domain/plan.ts';
import { Refusal } from '../domain/refusal.ts';
import type { AssignmentCount, Core, PledgeStore, UnitStore } from '../ports.ts';
import { currentPlan } from './current-plan.ts';

/** What is counted; always expected = onTime + late + missing + pending + waived. */
export interface Figures {
  expected: number;
  /** Handed in: on time or late. */
  received: number;
  onTime: number;
  late: number;
  /** Not handed in and the instant has passed. */
  missing: number;
  /** Not handed in, still time. */
  pending: number;
  waived: number;
  /** Of those received: accepted. */
  accepted: number;
  /** Of those received: returned for a correction. */
  returned: number;
}

/** The figures of one obligation at one level of the tree. */
export interface FiguresRow extends Figures {
  obligation: string;
  level: string;
}

type PledgeCounts = Awaited<ReturnType<PledgeStore['count']>>;
type MembersByLevel = Awaited<ReturnType<UnitStore['membersByLevel']>>;

/** Nothing counted yet. */
export const noFigures: Figures = { expected: 0, received: 0, onTime: 0, late: 0, missing: 0, pending: 0, waived: 0, accepted: 0, returned: 0 };

/** The sum of two figures. */
export function addFigures(a: Figures, b: Figures): Figures {
  return {
    expected: a.expected + b.expected, received: a.received + b.received, onTime: a.onTime + b.onTime, late: a.late + b.late, missing: a.missing + b.missing,
    pending: a.pending + b.pending, waived: a.waived + b.waived, accepted: a.accepted + b.accepted, returned: a.returned + b.returned,
  };
}

/** The sum of several figures. */
export function sumFigures(rows: readonly Figures[]): Figures {
  return rows.reduce(addFigures, noFigures);
}

/**
 * The figures of a plan by obligation (in the plan's order) and level (from the top), of the whole tree or one unit's subtree. A null viewer is
 * the operator at the machine; anybody else needs access to the unit, and only the staff may leave it out. Pledges are figures like any other:
 * expected are the units' members. Throws Refusal `plan-none`, `unit-unknown` or `not-allowed`.
 */
export async function planFigures(core: Core, viewer: Viewer | null, plan: string | null = null, unit: string | null = null): Promise<FiguresRow[]> {
  const [found, root] = await Promise.all([currentPlan(core, plan), readRoot(core, viewer, unit)]);
  const now = core.clock();
  const [assignments, pledges, members] = await Promise.all([
    core.store.assignments.count(found.plan, root),
    core.store.pledges.count(found.plan, root),
    core.store.units.membersByLevel(core.calendar.dayOf(now), root),
  ]);
  const rows = [...assignmentFigures(assignments, now), ...pledgeFigures(core, found, pledges, members, now)];
  const rank = new Map(core.levels.map((level) => [level.key, level.rank]));
  const place = new Map(found.obligations.map((obligation, index) => [obligation.key, index]));
  return rows.sort((a, b) => (place.get(a.obligation) ?? 999) - (place.get(b.obligation) ?? 999) || (rank.get(a.level) ?? 999) - (rank.get(b.level) ?? 999));
}

async function readRoot(core: Core, viewer: Viewer | null, code: string | null): Promise<string | null> {
  if (code === null) {
    if (viewer) requireAccess(viewer, 'office');
    return null;
  }
  const unit = await core.store.units.get(code);
  if (!unit) throw new Refusal('unit-unknown', { unit: code });
  if (viewer) {
    requireAccess(viewer, 'unit.read', unit);
    requireAccess(viewer, 'pledges.count', unit);
  }
  return unit.code;
}

/** Adds up what the store counted. `void` is not expected; a voluntary one stands under `waived`. */
export function assignmentFigures(counts: readonly AssignmentCount[], now: Date): FiguresRow[] {
  const rows = new Map<string, FiguresRow>();
  for (const counted of counts) {
    const bucket = bucketOf(counted, now);
    if (bucket === 'void') continue;
    const key = `${counted.obligation}/${counted.level}`;
    const row = rows.get(key) ?? { obligation: counted.obligation, level: counted.level, ...noFigures };
    const received = bucket === 'onTime' || bucket === 'late';
    rows.set(key, {
      ...row, expected: row.expected + counted.count, [bucket]: row[bucket] + counted.count,
      received: row.received + (received ? counted.count : 0),
      accepted: row.accepted + (counted.state === 'accepted' ? counted.count : 0),
      returned: row.returned + (counted.state === 'returned' ? counted.count : 0),
    });
  }
  return [...rows.values()];
}

/**
 * The figures of the members' pledges: expected are the members of the units, or the pledges we know where a unit has more people than it
 * reported, so that no rate ever exceeds 100 %. Who has not confirmed is pending until the instant and missing after it.
 */
export function pledgeFigures(core: Pick<Core, 'calendar'>, plan: Plan, counts: PledgeCounts, members: MembersByLevel, now: Date): FiguresRow[] {
  const obligation = pledgeObligation(plan);
  if (!obligation) return [];
  const deadline = dueOf(obligation.due, core.calendar)?.deadline ?? null;
  const levels = [...new Set([...counts, ...members].map((counted) => counted.level))];
  return levels.flatMap((level) => {
    const here = counts.filter((counted) => counted.level === level);
    const sum = (rows: PledgeCounts) => rows.reduce((total, row) => total + row.count, 0);
    const confirmed = here.filter((row) => row.state === 'confirmed');
    const expected = Math.max(sum(here), members.filter((row) => row.level === level).reduce((total, row) => total + row.members, 0));
    if (expected === 0) return [];
    const received = sum(confirmed);
    const late = sum(confirmed.filter((row) => row.verdict === 'late'));
    const open = expected - received;
    const passed = deadline !== null && now >= deadline;
    return [{ ...noFigures, obligation: obligation.key, level, expected, received, onTime: received - late, late, missing: passed ? open : 0, pending: passed ? 0 : open }];
  });
}
