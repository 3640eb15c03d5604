import type { Assignment } from '../domain/assignment.ts';
import { obligationOf, type Plan } from '../domain/plan.ts';
import { stageOffsets } from '../domain/obligation.ts';
import { allStages, correctionStages, nextStage, stageBase, type StageBase, type Wave } from '../domain/reminder.ts';
import type { Core } from '../ports.ts';

/**
 * Sees to it that the wave an assignment names exists, so that a tick finds it. Call it before the assignment is stored: a wave nobody
 * belongs to does no harm, an assignment whose wave is missing would never be reminded of. A new wave begins with the first stage ahead.
 */
export async function ensureWaveOf(core: Core, plan: Plan, assignment: Assignment): Promise<void> {
  const wave = waveFor(core, plan, assignment);
  if (wave) await core.store.waves.ensure([wave]);
}

function waveFor(core: Core, plan: Plan, assignment: Assignment): Wave | null {
  const obligation = obligationOf(plan, assignment.obligation);
  if (!obligation || assignment.wave === null) return null;
  const corrected = assignment.state === 'returned' ? assignment.correction : null;
  const due = corrected?.due ?? assignment.due;
  if (!due && !assignment.day) return null;
  const kind = corrected ? 'correction' : due ? 'deadline' : 'day';
  const base: StageBase = due ? stageBase(due) : { lastDay: assignment.day as string, deadline: null };
  const offsets = corrected ? correctionStages : stageOffsets(obligation, base.lastDay);
  const next = nextStage(allStages(offsets, base, core.calendar), core.clock());
  return { id: assignment.wave, kind, plan: plan.plan, obligation: obligation.key, lastDay: base.lastDay, deadline: base.deadline, offsets, nextAt: next?.at ?? null };
}
