import { addDays, type LocalDate } from '../domain/calendar.ts';
import { digestFromOffset, outsideQuietHours } from '../domain/reminder.ts';
import type { Core } from '../ports.ts';
import { doOncePerDay } from './daily.ts';
import { notify, type NoticeRequest } from './notify.ts';

const digestTime = '08:00';

/**
 * The digests of a working morning, from 08:00 on: one to each staff person, and one to the chairs of every unit that has somebody below
 * who is late since three days or more. A morning missed until the quiet hours is not made up for: the next digest says it all again.
 * Answers how many were new.
 */
export async function sendDigests(core: Core, now: Date): Promise<number> {
  const today = core.calendar.dayOf(now);
  if (core.calendar.isRestDay(today) || now < core.calendar.instantOf(today, digestTime) || outsideQuietHours(now, core.calendar) > now) return 0;
  let added = 0;
  await doOncePerDay(core, 'digests', today, async () => {
    added += await tellStaff(core, today);
    added += await tellUnitsAbove(core, today);
  });
  return added;
}

async function tellStaff(core: Core, day: LocalDate): Promise<number> {
  const staff = await core.store.people.staff();
  return notify(core, staff.map((person): NoticeRequest => ({ key: `staff-digest/${day}/${person.id}`, notice: { kind: 'staff-digest', day }, person, expiresAt: endOf(core, day) })));
}

async function tellUnitsAbove(core: Core, day: LocalDate): Promise<number> {
  let added = 0;
  for (const unit of await unitsAbove(core)) {
    if (!(await hasLateBelow(core, unit, day))) continue;
    const chairs = await core.store.people.chairsOf([unit]);
    added += await notify(core, chairs.map((person): NoticeRequest => ({ key: `digest/${unit}/${day}/${person.id}`, notice: { kind: 'digest', unit, day }, person, about: unit, expiresAt: endOf(core, day) })));
  }
  return added;
}

/** Codes of the units that have others under them: few, however many there are. */
async function unitsAbove(core: Core): Promise<Set<string>> {
  const above = new Set<string>();
  for await (const unit of core.store.units.stream(null)) if (unit.parent !== null) above.add(unit.parent);
  return above;
}

/** Whether anybody strictly below is late since the third day: on a working day that is a last valid day of three days ago or before. */
async function hasLateBelow(core: Core, unit: string, day: LocalDate): Promise<boolean> {
  const now = core.calendar.instantOf(addDays(day, 1 - digestFromOffset));
  for (const plan of await core.store.plans.list()) {
    // What the unit itself owes is no news of those below: one more than it can owe is asked for, and the first that is below decides.
    const own = plan.obligations.length + 1;
    const { items } = await core.store.assignments.overdue({ plan: plan.plan, root: unit, obligation: null, now }, { after: null, limit: own });
    if (items.some((assignment) => assignment.unit !== unit)) return true;
  }
  return false;
}

function endOf(core: Core, day: LocalDate): Date {
  return core.calendar.instantOf(addDays(day, 1));
}
