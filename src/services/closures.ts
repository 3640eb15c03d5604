import { voidWithUnit } from '../domain/assignment.ts';
import type { Unit } from '../domain/unit.ts';
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
