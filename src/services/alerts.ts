import type { Core } from '../ports.ts';
import { notify } from './notify.ts';

/**
 * Tells every staff person that something needs a hand: a channel stopped, a quota is nearly used up. Once a day for each `code`, however often it is
 * noticed; on whatever channel still works. The words are `alert.<code>`.
 * @example await alertStaff(core, 'zalo-bot-quota', { used: 2400, limit: 3000 })
 */
export async function alertStaff(core: Core, code: string, params: Record<string, string | number>): Promise<void> {
  const day = core.calendar.dayOf(core.clock());
  const staff = await core.store.people.staff();
  await notify(core, staff.map((person) => ({ key: `alert/${code}/${day}/${person.id}`, notice: { kind: 'alert' as const, code, params }, person })));
}
