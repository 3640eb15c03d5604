import { openAssignment, type Act, type Assignment } from './assignment.ts';
import type { Calendar, LocalDate } from './calendar.ts';
import { dueOf, type Due } from './deadline.ts';
import { asksLevel, stageOffsets, type Obligation } from './obligation.ts';
import type { Plan } from './plan.ts';
import { createWave, stageBase, type StageBase, type Wave } from './reminder.ts';
import { isOpenOn, type Unit } from './unit.ts';

/** One thing to hand in: an obligation, or one of its days to act on. */
interface Demand {
  obligation: Obligation;
  day: LocalDate | null;
  due: Due | null;
}

function demandsOf(plan: Plan, calendar: Calendar): Demand[] {
  return plan.obligations.flatMap((obligation): Demand[] =>
    'on' in obligation.due ? [...obligation.due.on].sort().map((day) => ({ obligation, day, due: null })) : [{ obligation, day: null, due: dueOf(obligation.due, calendar) }],
  );
}

/** A unit opened while a plan runs owes what is still ahead at 00:00 of its opening day, and what has no date only of that year's plan (or a later one). */
function isAhead(unit: Pick<Unit, 'opened'>, demand: Demand, plan: Plan, calendar: Calendar): boolean {
  if (unit.opened === null) return true;
  if (demand.day !== null) return demand.day >= unit.opened;
  if (demand.due !== null) return demand.due.deadline > calendar.instantOf(unit.opened);
  return Number(unit.opened.slice(0, 4)) <= plan.year;
}

/**
 * The assignments a plan makes for one unit: what its level is asked, each day to act on by itself. None for a closed unit; notices and pledges make none.
 * Made again they are the same, so that inserting the missing ones repeats harmlessly.
 */
export function assignmentsFor(plan: Plan, unit: Unit, calendar: Calendar, act: Act): Assignment[] {
  if (!isOpenOn(unit, calendar.dayOf(act.at))) return [];
  return demandsOf(plan, calendar)
    .filter((demand) => asksLevel(demand.obligation, unit.level) && isAhead(unit, demand, plan, calendar))
    .map(({ obligation, day, due }) => openAssignment({ plan: plan.plan, obligation: obligation.key, unit: unit.code, level: unit.level, path: unit.path, day, due }, act));
}

/** The waves that remind of a plan's obligations as the plan dates them. Ensure them before the assignments are stored. */
export function wavesFor(plan: Plan, calendar: Calendar, now: Date): Wave[] {
  return demandsOf(plan, calendar).flatMap(({ obligation, day, due }) => {
    const base: StageBase | null = due ? stageBase(due) : day ? { lastDay: day, deadline: null } : null;
    if (!base || obligation.deliverable === 'notice') return [];
    const kind = obligation.deliverable === 'pledge' ? 'pledge' : due ? 'deadline' : 'day';
    return [createWave({ kind, plan: plan.plan, obligation: obligation.key, offsets: stageOffsets(obligation, base.lastDay) }, base, calendar, now)];
  });
}

/** What of an obligation may not change once it is loaded, because what was handed in rests on it. */
export type FixedPart = 'audience' | 'deliverable' | 'due';

/**
 * The part of an obligation that an amended plan changes although it must not: members for units or a level taken out, another deliverable, days to act on
 * for a deadline or a day taken out. Null when the amendment can be applied.
 */
export function brokenPart(before: Obligation, after: Obligation): FixedPart | null {
  if (before.deliverable !== after.deliverable) return 'deliverable';
  const levels = 'levels' in after.audience ? after.audience.levels : null;
  if ('levels' in before.audience ? !levels || before.audience.levels.some((level) => !levels.includes(level)) : levels !== null) return 'audience';
  const days = 'on' in after.due ? after.due.on : null;
  return ('on' in before.due ? !days || before.due.on.some((day) => !days.includes(day)) : days !== null) ? 'due' : null;
}
