import { addDays, lastDayOfMonth } from '../domain/calendar.ts';
import type { ChannelName } from '../domain/person.ts';
import type { Core } from '../ports.ts';
import { alertStaff } from './alerts.ts';

/** Messages a channel may carry in a calendar month, counted in the store. */
export interface MonthlyQuota {
  limit: number;
  add(count: number): Promise<number>;
  used(): Promise<number>;
  untilNextMonth(): number;
}

/** The share at which the staff is warned. */
const warnAt = 0.8;

/** Counts a channel's messages by local calendar months; at four fifths the staff hears of it. */
export function createMonthlyQuota(core: Core, channel: ChannelName, limit: number): MonthlyQuota {
  const month = (): string => core.calendar.dayOf(core.clock()).slice(0, 7);
  const warned = new Set<string>();
  const key = (): string => `quota/${channel}/${month()}`;

  /** Once a month for each of the two alarms: every message after the mark comes by here. */
  async function warn(used: number): Promise<void> {
    const code = used >= limit ? 'quota-used-up' : 'quota-nearly-used-up';
    const mark = `${key()}/${code}`;
    if (warned.has(mark)) return;
    if ((await core.store.settings.get<boolean>(mark)) === null) await alertStaff(core, code, { channel, used, limit });
    await core.store.settings.set(mark, true);
    warned.add(mark);
  }

  return {
    limit,
    async add(count) {
      const used = await core.store.settings.add(key(), count);
      if (used >= limit * warnAt) await warn(used);
      return used;
    },
    async used() {
      return (await core.store.settings.get<number>(key())) ?? 0;
    },
    untilNextMonth() {
      const next = core.calendar.instantOf(addDays(lastDayOfMonth(month()), 1));
      return next.getTime() - core.clock().getTime();
    },
  };
}
