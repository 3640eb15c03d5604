import { requireAccess, type Viewer } from '../domain/access.ts';
import { isOverdue, type Assignment } from '../domain/assignment.ts';
import type { Obligation } from '../domain/obligation.ts';
import { obligationOf } from '../domain/plan.ts';
import type { Unit } from '../domain/unit.ts';
import type { Core } from '../ports.ts';

/** Something a unit still owes. */
export interface Owed {
  assignment: Assignment;
  obligation: Obligation;
  overdue: boolean;
}

/** What the unit still owes, the earliest deadline first, what has none last. Throws Refusal `not-allowed`. */
export async function readOwed(core: Core, viewer: Viewer, unit: Unit): Promise<Owed[]> {
  requireAccess(viewer, 'unit.read', unit);
  const plans = await core.store.plans.list();
  const now = core.clock();
  const owed = (await core.store.assignments.ofUnit(unit.code, null)).flatMap((assignment) => {
    if (assignment.state !== 'open' && assignment.state !== 'returned') return [];
    const plan = plans.find((candidate) => candidate.plan === assignment.plan);
    const obligation = plan && obligationOf(plan, assignment.obligation);
    return obligation ? [{ assignment, obligation, overdue: isOverdue(assignment, now) }] : [];
  });
  const end = ({ assignment }: Owed): string => assignment.correction?.due.lastDay ?? assignment.due?.lastDay ?? assignment.day ?? '9999-12-31';
  return owed.sort((a, b) => end(a).localeCompare(end(b)));
}
