import { voidWithUnit } from '../domain/assignment.ts';
import type { LocalDate } from '../domain/calendar.ts';
import { Refusal } from '../domain/refusal.ts';
import { isOpenOn, type Unit } from '../domain/unit.ts';
import type { Core } from '../ports.ts';
import { doOncePerDay } from './daily.ts';

/**
 * Ends what is open of units whose closing day has come: `void`, not late; what they handed in stays. Done once a day and after downtime
 * for all the days gone by; answers how many assignments were ended.
 */
export async function closeUnits(core: Core, now: Date): Promise<number> {
  const today = core.calendar.dayOf(now);
  let voided = 0;
  await doOncePerDay(core, 'closures', today, async (last) => {
    for await (const unit of core.store.units.closing(last, today)) voided += await closeUnit(core, unit, now);
  });
  return voided;
}

/**
 * Sets the day from which on a unit is closed: today or later, so that figures of past days stay as they were. What lies below has to be moved first.
 * Repeating it changes nothing, and after a crash the same call finishes the work. Answers how many assignments were ended now.
 * Throws Refusal `unit-unknown`, `unit-closed`, `unit-has-below`, `day-past`.
 */
export async function setClosing(core: Core, code: string, day: LocalDate): Promise<{ unit: Unit; voided: number }> {
  const now = core.clock();
  const today = core.calendar.dayOf(now);
  const stored = await core.store.units.get(code);
  if (!stored) throw new Refusal('unit-unknown');
  const unit: Unit = { ...stored, closed: day };
  if (stored.closed !== day) {
    if (stored.closed !== null && stored.closed <= today) throw new Refusal('unit-closed');
    if (day < today) throw new Refusal('day-past', { today });
    for await (const below of core.store.units.stream(code)) {
      if (below.code !== code && isOpenOn(below, day)) throw new Refusal('unit-has-below', { unit: below.name, code: below.code });
    }
    await core.store.units.put([unit]);
  }
  return { unit, voided: day <= today ? await closeUnit(core, unit, now) : 0 };
}

/** Ends what a unit has open. Whoever sets a closing day that is not ahead calls it: the daily look has passed that day. */
export async function closeUnit(core: Core, unit: Unit, now: Date): Promise<number> {
  let voided = 0;
  for (const assignment of await core.store.assignments.ofUnit(unit.code, null)) {
    if (assignment.state !== 'open') continue;
    const changed = await core.store.assignments.change(assignment.id, (current) => voidWithUnit(current, unit.closed ?? '', { by: 'system', at: now }));
    if (changed.state === 'void') voided += 1;
  }
  return voided;
}
