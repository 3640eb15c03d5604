import { requireAccess, type Viewer } from '../domain/access.ts';
import type { Assignment } from '../domain/assignment.ts';
import { currentAddress, unitsOf, type Person } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Core, Page } from '../ports.ts';
import { notify, type NoticeRequest } from './notify.ts';
import { reachOfChairs } from './routing.ts';
import { readOverdueUnit, type OverdueQuery } from './overdue.ts';

const batchSize = 500;

/** What a nudge did. */
export interface Nudged {
  /** Reminders put into the outbox: one for each duty and chair. */
  queued: number;
  /** Sent by hand already today: nobody is written to twice a day about the same thing. */
  already: number;
  /** Duties of units without any chair we can write to: a telephone is needed. */
  unreached: number;
}

/** Reminds the chairs of one assignment now. Throws Refusal `not-allowed`, `assignment-unknown` or `nothing-open` (nothing is owed). */
export async function nudgeAssignment(core: Core, viewer: Viewer, id: string): Promise<Nudged> {
  requireAccess(viewer, 'office');
  const assignment = await core.store.assignments.get(id);
  if (!assignment) throw new Refusal('assignment-unknown');
  if (assignment.state !== 'open' && assignment.state !== 'returned') throw new Refusal('nothing-open');
  return nudgeBatch(core, [assignment]);
}

/**
 * Reminds everybody who is overdue in a unit's subtree, in batches. Keys hold the day: killed in the middle and begun again, it goes on
 * where it stopped. Throws Refusal `not-allowed` or `unit-unknown`.
 */
export async function nudgeOverdue(core: Core, viewer: Viewer, query: OverdueQuery): Promise<Nudged> {
  requireAccess(viewer, 'office');
  const unit = await readOverdueUnit(core, viewer, query.unit);
  const now = core.clock();
  const sum: Nudged = { queued: 0, already: 0, unreached: 0 };
  let after: string | null = null;
  do {
    const page: Page<Assignment> = await core.store.assignments.overdue({ plan: query.plan, root: unit.code, obligation: query.obligation, now }, { after, limit: batchSize });
    const done = await nudgeBatch(core, page.items);
    sum.queued += done.queued;
    sum.already += done.already;
    sum.unreached += done.unreached;
    after = page.next;
  } while (after !== null);
  return sum;
}

async function nudgeBatch(core: Core, assignments: readonly Assignment[]): Promise<Nudged> {
  const day = core.calendar.dayOf(core.clock());
  const chairs = await core.store.people.chairsOf([...new Set(assignments.map((assignment) => assignment.unit))]);
  const byUnit = new Map<string, Person[]>();
  for (const chair of chairs) for (const unit of unitsOf(chair, 'chair')) byUnit.set(unit, [...(byUnit.get(unit) ?? []), chair]);
  const chairsOf = (assignment: Assignment) => byUnit.get(assignment.unit) ?? [];
  const requests = assignments.flatMap((assignment) => chairsOf(assignment).filter((person) => currentAddress(person)).map((person): NoticeRequest => ({
    key: `nudge/${assignment.id}/${day}/${person.id}`, notice: { kind: 'nudge', assignment: assignment.id }, person, about: assignment.id,
  })));
  const queued = await notify(core, requests);
  return { queued, already: requests.length - queued, unreached: assignments.filter((assignment) => reachOfChairs(core, chairsOf(assignment), core.clock()) !== 'reachable').length };
}
