import { can, requireAccess } from '../domain/access.ts';
import { askExtension, isOverdue, withdraw, type Assignment } from '../domain/assignment.ts';
import type { LocalDate } from '../domain/calendar.ts';
import type { Obligation } from '../domain/obligation.ts';
import { unitsOf, type Person } from '../domain/person.ts';
import { obligationOf, type Plan } from '../domain/plan.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Submission } from '../domain/submission.ts';
import type { Unit } from '../domain/unit.ts';
import type { Core } from '../ports.ts';
import { notify } from './notify.ts';
import { ensureWaveOf } from './waves.ts';

/** The longest reason for more time, in characters. */
export const reasonLimit = 500;

/** An assignment with everything that is needed to speak of it. */
export interface AssignmentView {
  assignment: Assignment;
  obligation: Obligation;
  plan: Plan;
  unit: Unit;
  overdue: boolean;
}

/** One assignment, if the viewer may read its unit. Throws Refusal `assignment-unknown`, `not-allowed`. */
export async function readAssignment(core: Core, viewer: Person, id: string): Promise<AssignmentView> {
  const assignment = await core.store.assignments.get(id);
  const view = assignment && (await viewAssignment(core, assignment));
  if (!view) throw new Refusal('assignment-unknown');
  requireAccess(viewer, 'unit.read', view.unit);
  return view;
}

/** One assignment of a unit the viewer stands for: to hand in, take back or ask for more time. Throws like {@link readAssignment}. */
export async function readOwnAssignment(core: Core, viewer: Person, id: string): Promise<AssignmentView> {
  const view = await readAssignment(core, viewer, id);
  requireAccess(viewer, 'unit.submit', view.unit);
  return view;
}

/** The plan, obligation and unit of an assignment; null when one of them is gone (an obligation taken out of the plan): then there is nothing to speak of. */
export async function viewAssignment(core: Core, assignment: Assignment): Promise<AssignmentView | null> {
  const [plan, unit] = await Promise.all([core.store.plans.get(assignment.plan), core.store.units.get(assignment.unit)]);
  const obligation = plan && obligationOf(plan, assignment.obligation);
  return plan && obligation && unit ? { assignment, obligation, plan, unit, overdue: isOverdue(assignment, core.clock()) } : null;
}

/** The versions of an assignment, oldest first. Throws like {@link readAssignment}. */
export async function readVersions(core: Core, viewer: Person, id: string): Promise<Submission[]> {
  await readAssignment(core, viewer, id);
  return (await core.store.submissions.ofAssignment(id)).sort((a, b) => a.version - b.version);
}

/**
 * Everything the person's own units have to do, by urgency: overdue first (the oldest before), then by the nearest day, then what has no date, then what was
 * handed in, accepted, waived. Of earlier plans only what is still owed. `unit` limits it to one of them.
 */
export async function listDuties(core: Core, viewer: Person, unit: string | null = null): Promise<AssignmentView[]> {
  const codes = unitsOf(viewer, 'chair').filter((code) => unit === null || code === unit);
  const plans = await core.store.plans.list();
  const today = core.calendar.dayOf(core.clock());
  const year = Number(today.slice(0, 4));
  const current = plans.find((plan) => plan.year <= year) ?? plans.at(-1);
  const units = await core.store.units.many(codes);
  const duties: AssignmentView[] = [];
  for (const place of units) {
    for (const assignment of await core.store.assignments.ofUnit(place.code, null)) {
      const plan = plans.find((candidate) => candidate.plan === assignment.plan);
      const obligation = plan && obligationOf(plan, assignment.obligation);
      const owed = assignment.state === 'open' || assignment.state === 'returned';
      if (plan && obligation && assignment.state !== 'void' && (owed || plan === current)) duties.push({ assignment, obligation, plan, unit: place, overdue: isOverdue(assignment, core.clock()) });
    }
  }
  return duties.sort((a, b) => compareUrgency(urgencyOf(a, today), urgencyOf(b, today)));
}

function urgencyOf({ assignment, overdue }: AssignmentView, today: LocalDate): [number, string] {
  const day = assignment.correction?.due.lastDay ?? assignment.due?.lastDay ?? assignment.day;
  if (assignment.state === 'open' || assignment.state === 'returned') {
    if (overdue) return [0, day ?? ''];
    return day === null || day < today ? [2, day ?? '9'] : [1, day];
  }
  return [{ submitted: 3, accepted: 4, waived: 5, void: 6 }[assignment.state], day ?? '9'];
}

function compareUrgency(a: [number, string], b: [number, string]): number {
  return a[0] - b[0] || (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0);
}

/** Counts of a chair's subtree, for one who stands above others: how many below are overdue, counted to `most` at the most; null where nobody is below. */
export async function countBelow(core: Core, viewer: Person, unit: Unit, plan: string, most: number): Promise<number | null> {
  if (!can(viewer, 'overdue.read', unit)) return null;
  const below = await core.store.units.children(unit.code, { after: null, limit: 1 });
  if (below.items.length === 0) return null;
  return core.store.assignments.countOverdue({ plan, root: unit.code, obligation: null, now: core.clock() }, most);
}

/**
 * Takes back all versions of an assignment until it is accepted; the receipt is cancelled, the trail kept. `version` is the one the person saw: a press on an old
 * message takes nothing back. Repeating it changes nothing. Throws Refusal `not-withdrawable`, `choice-old`, `not-allowed`.
 */
export async function withdrawVersions(core: Core, viewer: Person, id: string, version: number, at: Date): Promise<AssignmentView> {
  const view = await readOwnAssignment(core, viewer, id);
  const act = { by: viewer.id, at };
  const again = (assignment: Assignment) => assignment.trail.some((entry) => entry.did === 'withdrawn' && entry.by === act.by && entry.at.getTime() === at.getTime());
  if (!again(view.assignment)) await ensureWaveOf(core, view.plan, withdraw(view.assignment, core.calendar, act));
  const assignment = await core.store.assignments.change(id, (stored) => {
    if (again(stored)) return stored;
    if (stored.version !== version) throw new Refusal('choice-old');
    return withdraw(stored, core.calendar, act);
  });
  // Somebody else handed in again between a crash and its repeat: that version stands.
  if (assignment.state === 'open') await core.store.submissions.withdraw(id, at);
  return { ...view, assignment, overdue: isOverdue(assignment, core.clock()) };
}

/** Asks the staff for a later last day. Repeating it changes nothing. Throws Refusal `extension-not-later`, `extension-none`, `text-empty`, `text-too-long`, `not-allowed`, … */
export async function requestExtension(core: Core, viewer: Person, id: string, lastDay: LocalDate, why: string, at: Date): Promise<AssignmentView> {
  const view = await readOwnAssignment(core, viewer, id);
  const reason = why.normalize('NFC').trim();
  if (reason === '') throw new Refusal('text-empty');
  if (reason.length > reasonLimit) throw new Refusal('text-too-long', { limit: reasonLimit, length: reason.length });
  const act = { by: viewer.id, at };
  const assignment = await core.store.assignments.change(id, (stored) => {
    const again = stored.trail.some((entry) => entry.did === 'asked-extension' && entry.by === act.by && entry.at.getTime() === at.getTime());
    return again ? stored : askExtension(stored, lastDay, reason, act);
  });
  const staff = await core.store.people.staff();
  await notify(core, staff.map((person) => ({ key: `extension-asked/${id}/${at.toISOString()}/${person.id}`, notice: { kind: 'extension-asked' as const, assignment: id, lastDay, why: reason }, person, about: id })));
  return { ...view, assignment };
}
