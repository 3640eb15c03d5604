import { can, requireAccess, visibleRoots, type Viewer } from '../domain/access.ts';
import { isOverdue, type Assignment } from '../domain/assignment.ts';
import type { OutboxRow } from '../domain/notice.ts';
import type { Person, UnitReach } from '../domain/person.ts';
import type { Plan } from '../domain/plan.ts';
import { Refusal } from '../domain/refusal.ts';
import { foldText } from '../domain/spelling.ts';
import type { Unit } from '../domain/unit.ts';
import type { Core, Page, PageRequest } from '../ports.ts';
import { reachOfChairs } from './routing.ts';

/** What is shown of a unit. */
export interface UnitCard {
  unit: Unit;
  parent: Unit | null;
  /** The chairs, with their names: the office and those above may know whom to call. */
  chairs: Person[];
  reach: UnitReach;
  /** Members who joined here, of the number the unit reported. */
  joined: number;
  handedIn: number;
  /** Open or returned, and not overdue. */
  owed: number;
  overdue: number;
  waived: number;
}

/** The unit of that code, if the viewer may read it. Throws Refusal `unit-unknown` or `not-allowed`. */
export async function readUnit(core: Core, viewer: Viewer, code: string): Promise<Unit> {
  const unit = await core.store.units.get(code);
  if (!unit) throw new Refusal('unit-unknown', { unit: code });
  requireAccess(viewer, 'unit.read', unit);
  return unit;
}

/**
 * The unit behind a reference from a button, if the viewer may read it: a forged or foreign reference reads nothing.
 * Throws Refusal `choice-old` or `not-allowed`.
 */
export async function unitByRef(core: Core, viewer: Viewer, ref: string): Promise<Unit> {
  const unit = await core.store.units.byRef(ref);
  if (!unit) throw new Refusal('choice-old');
  requireAccess(viewer, 'unit.read', unit);
  return unit;
}

/** The unit above, if there is one and the viewer may read it; null otherwise: the way up ends at one's own place. */
export async function unitAbove(core: Core, viewer: Viewer, unit: Unit): Promise<Unit | null> {
  const above = unit.parent === null ? null : await core.store.units.get(unit.parent);
  return above && can(viewer, 'unit.read', above) ? above : null;
}

/** Units whose name or code holds the fragment, typed with or without diacritics, among those the viewer may read. */
export async function findUnits(core: Core, viewer: Viewer, fragment: string, page: PageRequest): Promise<Page<Unit>> {
  requireAccess(viewer, 'unit.read');
  return core.store.units.search(foldText(fragment), visibleRoots(viewer, 'unit.read'), page);
}

/** The card of a unit. Throws Refusal `unit-unknown` or `not-allowed`. */
export async function readUnitCard(core: Core, viewer: Viewer, plan: Plan, code: string): Promise<UnitCard> {
  const unit = await readUnit(core, viewer, code);
  const now = core.clock();
  const [parent, chairs, joined, assignments] = await Promise.all([
    unit.parent === null ? null : core.store.units.get(unit.parent),
    core.store.people.chairsOf([unit.code]),
    core.store.people.countMembers(unit.code),
    core.store.assignments.ofUnit(unit.code, plan.plan),
  ]);
  const overdue = assignments.filter((assignment) => isOverdue(assignment, now)).length;
  const owing = assignments.filter((assignment) => assignment.state === 'open' || assignment.state === 'returned').length;
  return {
    unit, parent, chairs, reach: reachOfChairs(core, chairs, now), joined, overdue, owed: owing - overdue,
    handedIn: assignments.filter((assignment) => assignment.state === 'submitted' || assignment.state === 'accepted').length,
    waived: assignments.filter((assignment) => assignment.state === 'waived').length,
  };
}

/** What a unit owes and has handed in, the most urgent first: overdue, then by the last valid day, then what is done. Throws like {@link readUnitCard}. */
export async function listDuties(core: Core, viewer: Viewer, plan: Plan, code: string): Promise<Assignment[]> {
  const unit = await readUnit(core, viewer, code);
  const owes = (assignment: Assignment) => assignment.state === 'open' || assignment.state === 'returned';
  const assignments = (await core.store.assignments.ofUnit(unit.code, plan.plan)).filter((assignment) => assignment.state !== 'void');
  const dayOf = (assignment: Assignment) => assignment.correction?.due.lastDay ?? assignment.due?.lastDay ?? assignment.day ?? '9999';
  return assignments.sort((a, b) => Number(owes(b)) - Number(owes(a)) || dayOf(a).localeCompare(dayOf(b)) || a.id.localeCompare(b.id));
}

/** The evidence of one assignment: everything that was sent about it, oldest first, with what became of it. */
export interface Evidence {
  assignment: Assignment;
  unit: Unit;
  reach: UnitReach;
  rows: Page<OutboxRow>;
  /** Names of the people the rows are for, by id; somebody who had their data deleted is missing. */
  names: Map<string, string>;
}

/** Reads a page of the evidence. Throws Refusal `assignment-unknown` or `not-allowed`. */
export async function readEvidence(core: Core, viewer: Viewer, id: string, page: PageRequest): Promise<Evidence> {
  const found = await readDelivered(core, id);
  if (!found) throw new Refusal('assignment-unknown');
  const { assignment, unit } = found;
  requireAccess(viewer, 'unit.read', unit);
  const [rows, chairs] = await Promise.all([core.store.outbox.evidence(assignment.id, page), core.store.people.chairsOf([unit.code])]);
  const people = await core.store.people.many([...new Set(rows.items.flatMap((row) => row.person ?? []))]);
  return { assignment, unit, reach: reachOfChairs(core, chairs, core.clock()), rows, names: new Map(people.map((person) => [person.id, person.name])) };
}

/** An assignment with its unit at the moment a notice about it is delivered; null when either is gone. For notices only: the reader was chosen when it was made. */
export async function readDelivered(core: Core, id: string): Promise<{ assignment: Assignment; unit: Unit } | null> {
  const assignment = await core.store.assignments.get(id);
  const unit = assignment && (await core.store.units.get(assignment.unit));
  return assignment && unit ? { assignment, unit } : null;
}
