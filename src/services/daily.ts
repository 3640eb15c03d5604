import type { LocalDate } from '../domain/calendar.ts';
import type { Core } from '../ports.ts';

/**
 * Does a day's work once: the day it was last done is kept, so that a later look costs one read and a restart does not repeat it. The mark
 * is set after the work: what a crash interrupts is done again and must be harmless twice. `work` gets the day it was last done (null: never).
 * Answers whether it was done now.
 */
export async function doOncePerDay(core: Core, name: string, today: LocalDate, work: (last: LocalDate | null) => Promise<void>): Promise<boolean> {
  const key = `daily/${name}`;
  const last = await core.store.settings.get<LocalDate>(key);
  if (last === today) return false;
  await work(last);
  await core.store.settings.set(key, today);
  return true;
}
