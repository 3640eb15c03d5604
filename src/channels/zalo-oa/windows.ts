import type { Calendar } from '../../domain/calendar.ts';
import { keepsQuietHours, type NoticeKind } from '../../domain/notice.ts';
import type { Address } from '../../domain/person.ts';
import type { Reach } from '../../ports.ts';
import type { Budget } from './budget.ts';

/** How long after a person's last word a message is free, and how long it is taken at all, in milliseconds. */
export const freeWindowMs = 48 * 3_600_000;
/** See {@link freeWindowMs}. */
export const openWindowMs = 7 * 24 * 3_600_000;
/** Price of a message between the two windows, in đồng. */
export const paidMessageCost = 55;
/** Price of a template, in đồng. It is not published for every kind: the dearest known reading. */
export const templateCost = 300;
/** How long a kind's template rests after Zalo refused it for everybody. */
const templateRestMs = 3_600_000;

/** Who may be written to when, in which way and at what price. */
export interface Windows {
  /** See `Channel.reach`. */
  reach(to: Address, at: Date, kind?: NoticeKind): Reach;
  /** The same for somebody whose window is closed: only an approved template of that kind is left. */
  byTemplate(at: Date, kind: NoticeKind | undefined): Exclude<Reach, { kind: 'free' | 'paid' }>;
  /** Zalo refused the kind's template for everybody (not approved, disabled, no money): it rests for an hour. */
  restTemplate(kind: NoticeKind, reason: string, now: Date): void;
}

/**
 * The rules of the Official Account: free for 48 hours after a person's last word, paid until seven days after it, then only by template.
 * @example reach(address of somebody who wrote three days ago, now, 'reminder') → { kind: 'paid', class: 'message', cost: 55 }
 */
export function createWindows(given: { budget: Pick<Budget, 'allows'>; templates: Readonly<Partial<Record<NoticeKind, string>>>; calendar: Calendar }): Windows {
  const { budget, templates, calendar } = given;
  const resting = new Map<NoticeKind, { until: number; reason: string }>();

  function isNight(at: Date): boolean {
    const time = calendar.timeOf(at);
    return time >= '22:00' || time < '06:00';
  }

  function byTemplate(at: Date, kind: NoticeKind | undefined): Exclude<Reach, { kind: 'free' | 'paid' }> {
    if (kind === undefined || templates[kind] === undefined) return { kind: 'closed', reason: 'no word within 7 days' };
    const refused = resting.get(kind);
    if (refused && at.getTime() < refused.until) return { kind: 'closed', reason: `template refused: ${refused.reason}` };
    // A template's notification makes no sound at night: a reminder would be lost in the morning's heap.
    if (keepsQuietHours[kind] && isNight(at)) return { kind: 'closed', reason: 'night' };
    return budget.allows(templateCost, at) ? { kind: 'template', class: 'template', cost: templateCost } : { kind: 'closed', reason: 'daily spend limit' };
  }

  return {
    reach(to, at, kind) {
      const since = at.getTime() - to.lastAt.getTime();
      if (since <= freeWindowMs) return { kind: 'free' };
      if (since > openWindowMs) return byTemplate(at, kind);
      return budget.allows(paidMessageCost, at) ? { kind: 'paid', class: 'message', cost: paidMessageCost } : { kind: 'closed', reason: 'daily spend limit' };
    },
    byTemplate,
    restTemplate(kind, reason, now) {
      resting.set(kind, { until: now.getTime() + templateRestMs, reason });
    },
  };
}
