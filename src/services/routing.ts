import type { Attempt, OutboxRow } from '../domain/notice.ts';
import { reachOf, type Address, type ChannelName, type Person, type UnitReach } from '../domain/person.ts';
import { outsideQuietHours } from '../domain/reminder.ts';
import type { Core } from '../ports.ts';

/** Where a row goes at this moment, or why it can go nowhere. */
export type Route = { channel: ChannelName; chat: string } | { nowhere: string };

/** How often an answer may be lost on one channel before the next one is tried. */
const lostPerChannel = 2;

/** How many attempts of the row on that channel may or may not have arrived. */
export function countLost(attempts: readonly Attempt[], channel: ChannelName): number {
  return attempts.filter((attempt) => attempt.channel === channel && attempt.answer === 'unknown').length;
}

/**
 * The chat a row goes to now: its own where it is bound to one (answers); else the person's address last used that can be written to freely,
 * else one that costs. Passed over: addresses that are gone, channels that are off, windows that are closed, channels where the answer was
 * lost twice. A person who is no longer there is `no address` too.
 */
export function chooseRoute(core: Pick<Core, 'channels'>, row: OutboxRow, person: Person | null, now: Date): Route {
  if (row.chat !== null) return { channel: row.channel, chat: row.chat };
  const active = (person?.addresses ?? []).filter((address) => address.state === 'active' && core.channels.has(address.channel));
  if (active.length === 0) return { nowhere: 'no address' };
  const trusted = active.filter((address) => countLost(row.attempts, address.channel) < lostPerChannel);
  if (trusted.length === 0) return { nowhere: 'lost' };
  let closed = '';
  const open: { address: Address; free: boolean }[] = [];
  for (const address of trusted) {
    const reach = core.channels.get(address.channel)?.reach(address, now, row.notice.kind);
    if (!reach || reach.kind === 'closed') closed = reach?.reason ?? closed;
    else open.push({ address, free: reach.kind === 'free' });
  }
  open.sort((a, b) => Number(b.free) - Number(a.free) || b.address.lastAt.getTime() - a.address.lastAt.getTime());
  const best = open[0]?.address;
  return best ? { channel: best.channel, chat: best.id } : { nowhere: `window closed: ${closed}` };
}

/**
 * Whether a reminder would reach these chairs of a unit now (in the morning, during the quiet hours). A channel that is not switched on in this process
 * (a command of the operator's) is taken for open: nothing is known of it.
 */
export function reachOfChairs(core: Pick<Core, 'channels' | 'calendar'>, chairs: readonly Pick<Person, 'addresses'>[], now: Date): UnitReach {
  const at = outsideQuietHours(now, core.calendar);
  return reachOf(chairs, (address) => (core.channels.get(address.channel)?.reach(address, at, 'reminder').kind ?? 'free') !== 'closed');
}
