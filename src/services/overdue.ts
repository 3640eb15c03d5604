import { can, requireAccess, visibleRoots, type Viewer } from '../domain/access.ts';
import { isOverdue, overdueFrom, type Assignment } from '../domain/assignment.ts';
import { daysBetween } from '../domain/calendar.ts';
import type { Due } from '../domain/deadline.ts';
import { unitsOf, type UnitReach } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Unit } from '../domain/unit.ts';
import type { Core, Page, PageRequest } from '../ports.ts';
import { reachOfChairs } from './routing.ts';

/** Counts on a screen stop here ("hơn 500"): a first page costs the same over 1,200 and over 120,000 units. */
export const overdueCountLimit = 500;

/** What is asked: a plan, one obligation or all, and the unit whose subtree is looked at. */
export interface OverdueQuery {
  plan: string;
  obligation: string | null;
  unit: string;
}

/** One thing that is overdue, with the two answers that are never mixed: how late it is, and whether the unit can be reached at all. */
export interface OverdueRow {
  assignment: Assignment;
  unit: Unit;
  /** The due it is overdue by: the one in force, or the correction's. */
  since: Due;
  /** Calendar days since the last valid day. */
  daysLate: number;
  reach: UnitReach;
  /** Reminders that were really sent. */
  reminders: number;
}

/** A unit with the number of overdue things in its subtree, counted to {@link overdueCountLimit}. */
export interface OverdueGroup {
  unit: Unit;
  count: number;
  /** There are more than `count`. */
  more: boolean;
}

/** One screen of `/quahan`: the unit's own overdue things, and a page of what lies below it. */
export interface OverdueGroups {
  unit: Unit;
  total: { count: number; more: boolean };
  /** What the unit itself owes. */
  own: number;
  groups: Page<OverdueGroup>;
  /** No unit on this page has units of its own: a plain list says more than groups of one. */
  leaves: boolean;
}

/** The unit of that code, if the viewer may read what is overdue there. Throws Refusal `unit-unknown` or `not-allowed`. */
export async function readOverdueUnit(core: Core, viewer: Viewer, code: string): Promise<Unit> {
  const unit = await core.store.units.get(code);
  if (!unit) throw new Refusal('unit-unknown', { unit: code });
  requireAccess(viewer, 'overdue.read', unit);
  return unit;
}

/** The units a viewer starts from: the root for the staff, the own units for a chair (one that lies under another of them is left out). */
export async function startingUnits(core: Core, viewer: Viewer): Promise<Unit[]> {
  requireAccess(viewer, 'overdue.read');
  if (visibleRoots(viewer, 'overdue.read') === null) {
    const root = await core.store.units.root();
    return root ? [root] : [];
  }
  const own = await core.store.units.many(unitsOf(viewer, 'chair'));
  return own.filter((unit) => !own.some((other) => other.code !== unit.code && unit.path.includes(other.code)));
}

/** A page of what is overdue in the unit's subtree, by unit code. Throws Refusal `unit-unknown` or `not-allowed`. */
export async function listOverdue(core: Core, viewer: Viewer, query: OverdueQuery, page: PageRequest): Promise<Page<OverdueRow>> {
  const unit = await readOverdueUnit(core, viewer, query.unit);
  const now = core.clock();
  const found = await core.store.assignments.overdue({ plan: query.plan, root: unit.code, obligation: query.obligation, now }, page);
  return { items: await describeOverdue(core, found.items, now), next: found.next };
}

/**
 * The first question of `/quahan`: who, directly below this unit, has how much overdue. The cost does not grow with the tree: a page of
 * children, each counted to a limit by an index. Throws Refusal `unit-unknown` or `not-allowed`.
 */
export async function overdueGroups(core: Core, viewer: Viewer, query: OverdueQuery, page: PageRequest): Promise<OverdueGroups> {
  const unit = await readOverdueUnit(core, viewer, query.unit);
  const now = core.clock();
  const [children, own, total] = await Promise.all([
    core.store.units.children(unit.code, page),
    core.store.assignments.ofUnit(unit.code, query.plan),
    countBelow(core, query, unit.code, now),
  ]);
  const [groups, leaves] = await Promise.all([
    Promise.all(children.items.map(async (child) => ({ unit: child, ...(await countBelow(core, query, child.code, now)) }))),
    areLeaves(core, children.items),
  ]);
  return {
    unit, total, groups: { items: groups, next: children.next },
    own: own.filter((assignment) => (query.obligation === null || assignment.obligation === query.obligation) && isOverdue(assignment, now)).length,
    leaves,
  };
}

/** How much is overdue in a unit's subtree, counted to {@link overdueCountLimit}. Throws Refusal `unit-unknown` or `not-allowed`. */
export async function countOverdue(core: Core, viewer: Viewer, query: OverdueQuery): Promise<{ count: number; more: boolean }> {
  const unit = await readOverdueUnit(core, viewer, query.unit);
  return countBelow(core, query, unit.code, core.clock());
}

/**
 * Everything overdue, streamed in pages, for the command line and the sheet. A null viewer is the operator at the machine; anybody else
 * needs access to the unit. Throws Refusal `unit-unknown` or `not-allowed`.
 */
export async function* streamOverdue(core: Core, viewer: Viewer | null, query: { plan: string; obligation: string | null; unit: string | null }): AsyncGenerator<OverdueRow> {
  const start = query.unit === null ? await core.store.units.root() : await core.store.units.get(query.unit);
  if (!start) {
    if (query.unit === null) return;
    throw new Refusal('unit-unknown', { unit: query.unit });
  }
  if (viewer && !can(viewer, 'overdue.read', start)) throw new Refusal('not-allowed');
  const now = core.clock();
  let after: string | null = null;
  do {
    const page: Page<Assignment> = await core.store.assignments.overdue({ plan: query.plan, root: start.code, obligation: query.obligation, now }, { after, limit: 500 });
    yield* await describeOverdue(core, page.items, now);
    after = page.next;
  } while (after !== null);
}

/** A row as `dondoc overdue --json` prints it; see operator.md. */
export function overdueJson(row: OverdueRow): Record<string, string | number> {
  return {
    unit: row.unit.code, unitName: row.unit.name, obligation: row.assignment.obligation, deadline: row.since.deadline.toISOString(),
    state: row.assignment.state, daysLate: row.daysLate, reach: row.reach === 'window-closed' ? 'unreachable' : row.reach, reminders: row.reminders,
  };
}

/** Adds unit, reach and sent reminders to overdue assignments: three questions for the whole batch, however long it is. */
export async function describeOverdue(core: Core, assignments: readonly Assignment[], now: Date): Promise<OverdueRow[]> {
  const codes = [...new Set(assignments.map((assignment) => assignment.unit))];
  const [units, chairs, reminders] = await Promise.all([
    core.store.units.many(codes),
    core.store.people.chairsOf(codes),
    core.store.outbox.countReminders(assignments.map((assignment) => assignment.id)),
  ]);
  const unitByCode = new Map(units.map((unit) => [unit.code, unit]));
  const today = core.calendar.dayOf(now);
  return assignments.flatMap((assignment) => {
    const since = overdueFrom(assignment);
    const unit = unitByCode.get(assignment.unit);
    if (!since || !unit) return [];
    const reach = reachOfChairs(core, chairs.filter((chair) => unitsOf(chair, 'chair').includes(unit.code)), now);
    return [{ assignment, unit, since, daysLate: daysBetween(since.lastDay, today), reach, reminders: reminders.get(assignment.id) ?? 0 }];
  });
}

/** Whether none of the units has units of its own; the first that has one ends the search, and in a tree that is mostly the first. */
async function areLeaves(core: Core, units: readonly Unit[]): Promise<boolean> {
  for (const unit of units) if ((await core.store.units.children(unit.code, { after: null, limit: 1 })).items.length > 0) return false;
  return true;
}

async function countBelow(core: Core, query: OverdueQuery, root: string, now: Date): Promise<{ count: number; more: boolean }> {
  const count = await core.store.assignments.countOverdue({ plan: query.plan, root, obligation: query.obligation, now }, overdueCountLimit + 1);
  return { count: Math.min(count, overdueCountLimit), more: count > overdueCountLimit };
}
