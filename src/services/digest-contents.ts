import { isOverdue } from '../domain/assignment.ts';
import { addDays, type LocalDate } from '../domain/calendar.ts';
import { digestFromOffset } from '../domain/reminder.ts';
import type { Plan } from '../domain/plan.ts';
import type { Unit } from '../domain/unit.ts';
import type { Core, Page } from '../ports.ts';
import { currentPlan } from './current-plan.ts';
import { describeOverdue, overdueCountLimit, type OverdueRow } from './overdue.ts';

/** Queues are counted so far on a screen. */
const queueLimit = 50;
/** When the staff's digest goes out. */
const digestTime = '08:00';

/** What a chair above is told once a day: who below is late since three days or more. */
export interface DigestContents {
  unit: Unit;
  plan: Plan;
  total: { count: number; more: boolean };
  /** The first of them, by unit code. */
  rows: OverdueRow[];
}

/** Reads a unit's digest as it is true now; one entry for each plan that has somebody late below, none when nothing is to be said. */
export async function readDigest(core: Core, code: string, day: LocalDate, limit: number): Promise<DigestContents[]> {
  const unit = await core.store.units.get(code);
  if (!unit) return [];
  // Late since three days means: overdue already when the day two days ago began.
  const since = core.calendar.instantOf(addDays(day, 1 - digestFromOffset));
  const contents: DigestContents[] = [];
  for (const plan of await core.store.plans.list()) {
    const query = { plan: plan.plan, root: unit.code, obligation: null, now: since };
    const found = await core.store.assignments.overdue(query, { after: null, limit: limit + ownLimit(plan) });
    const below = found.items.filter((assignment) => assignment.unit !== unit.code);
    if (below.length === 0) continue;
    // The own ones are in the count but are told by the unit's own reminders.
    const own = (await core.store.assignments.ofUnit(unit.code, plan.plan)).filter((assignment) => isOverdue(assignment, since)).length;
    const count = (await core.store.assignments.countOverdue(query, overdueCountLimit + own + 1)) - own;
    contents.push({ unit, plan, total: { count: Math.min(count, overdueCountLimit), more: count > overdueCountLimit }, rows: await describeOverdue(core, below.slice(0, limit), core.clock()) });
  }
  return contents;
}

/** What the staff are told each working morning. */
export interface StaffDigestContents {
  plan: Plan;
  root: Unit;
  overdue: { count: number; more: boolean };
  /** Overdue since the morning of the working day before. */
  fresh: { count: number; more: boolean; since: LocalDate };
  reviews: { count: number; more: boolean };
  extensions: { count: number; more: boolean };
}

/** Reads the staff's digest as it is true now; null when there is no tree or nothing to be said. */
export async function readStaffDigest(core: Core, day: LocalDate): Promise<StaffDigestContents | null> {
  const [plan, root] = await Promise.all([currentPlan(core), core.store.units.root()]);
  if (!root) return null;
  const query = { plan: plan.plan, root: root.code, obligation: null };
  const since = core.calendar.workingDayOnOrBefore(addDays(day, -1));
  const [now, before, reviews, extensions] = await Promise.all([
    core.store.assignments.countOverdue({ ...query, now: core.clock() }, overdueCountLimit + 1),
    core.store.assignments.countOverdue({ ...query, now: core.calendar.instantOf(since, digestTime) }, overdueCountLimit + 1),
    core.store.assignments.awaitingReview(plan.plan, { after: null, limit: queueLimit }),
    core.store.assignments.askedExtension(plan.plan, { after: null, limit: queueLimit }),
  ]);
  if (now === 0 && reviews.items.length === 0 && extensions.items.length === 0) return null;
  const limited = (count: number) => ({ count: Math.min(count, overdueCountLimit), more: count > overdueCountLimit });
  // Beyond the limit the difference would be wrong: then only the sum is told.
  const fresh = now > overdueCountLimit ? 0 : Math.max(0, now - before);
  return { plan, root, overdue: limited(now), fresh: { ...limited(fresh), since }, reviews: queued(reviews), extensions: queued(extensions) };
}

function queued(page: Page<unknown>): { count: number; more: boolean } {
  return { count: page.items.length, more: page.next !== null };
}

/** The most assignments a unit itself can have in a plan: one for each obligation, for days to act on one for each day. */
function ownLimit(plan: Plan): number {
  return plan.obligations.reduce((sum, obligation) => sum + ('on' in obligation.due ? obligation.due.on.length : 1), 0);
}
