import { addDays } from '../domain/calendar.ts';
import { currentAddress, type Person } from '../domain/person.ts';
import { outsideQuietHours } from '../domain/reminder.ts';
import type { Core } from '../ports.ts';
import { doOncePerDay } from './daily.ts';
import { notify } from './notify.ts';

const dayMs = 86_400_000;
const askTime = '08:00';

/**
 * Asks for the one tap that keeps a channel open: where a channel may be written to only for some time after a person's last word, and that time
 * ends within a day, and the person stands for a unit that will be reminded of something after it. Once a day, once for each last word; nobody is asked whom another
 * channel or a template reaches anyway. Answers how many were asked.
 */
export async function keepWindows(core: Core, now: Date): Promise<number> {
  const today = core.calendar.dayOf(now);
  const closing = [...core.channels.values()].filter((channel) => channel.windowMs !== undefined);
  if (closing.length === 0 || now < core.calendar.instantOf(today, askTime) || outsideQuietHours(now, core.calendar) > now) return 0;
  let asked = 0;
  await doOncePerDay(core, 'windows', today, async () => {
    for await (const person of core.store.people.stream('chair', null)) {
      const closesAt = closesWithinADay(core, person, now);
      if (closesAt === null || !(await isRemindedAfter(core, person, closesAt))) continue;
      asked += await notify(core, [{ key: `keep-window/${person.id}/${closesAt.toISOString()}`, notice: { kind: 'keep-window', closesAt }, person, expiresAt: closesAt }]);
    }
  });
  return asked;
}

/** When the window of the address in use closes, if that is within a day and nothing else reaches the person afterwards; null otherwise. */
function closesWithinADay(core: Core, person: Person, now: Date): Date | null {
  const address = currentAddress(person);
  const channel = address && core.channels.get(address.channel);
  if (!address || channel?.windowMs === undefined) return null;
  const closesAt = new Date(address.lastAt.getTime() + channel.windowMs);
  if (closesAt <= now || closesAt.getTime() - now.getTime() > dayMs) return null;
  // Reminders come in the morning; a template does not go at night.
  const next = core.calendar.instantOf(core.calendar.dayOf(closesAt), askTime);
  const after = next > closesAt ? next : core.calendar.instantOf(addDays(core.calendar.dayOf(closesAt), 1), askTime);
  const reachable = person.addresses.some((other) => other.state === 'active' && (core.channels.get(other.channel)?.reach(other, after, 'reminder').kind ?? 'closed') !== 'closed');
  return reachable ? null : closesAt;
}

async function isRemindedAfter(core: Core, person: Person, closesAt: Date): Promise<boolean> {
  for (const role of person.roles.filter((held) => held.role === 'chair')) {
    for (const assignment of await core.store.assignments.ofUnit(role.unit, null)) {
      const wave = assignment.wave === null ? null : await core.store.waves.get(assignment.wave);
      if (wave?.nextAt && wave.nextAt >= closesAt) return true;
    }
  }
  return false;
}
