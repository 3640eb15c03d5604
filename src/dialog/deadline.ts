import { addDays, daysBetween, lastDayOfMonth, type Calendar, type LocalDate } from '../domain/calendar.ts';
import type { Due, DueRule } from '../domain/deadline.ts';
import type { Obligation } from '../domain/obligation.ts';
import { ruleAndLastDay, writtenRule } from './due.ts';

/** Words in the reader's language: `say` of a turn or of a delivery. */
export type Say = (key: string, params?: Record<string, unknown>) => string;

/**
 * The one sentence a unit's deadline is told by: the written rule and the last valid day together, with the unit's own last day where an extension
 * (or an amendment after a sending) is in force. `due` is what is in force (null where nothing can be late), `day` the day of a day to act on.
 * @example sayDue(say, obligation, due) → 'trước ngày 03/5/2024 — hạn cuối: hết ngày 02/5/2024'
 */
export function sayDue(say: Say, obligation: Pick<Obligation, 'due'>, due: Due | null, day: LocalDate | null = null): string {
  if (!due || due.lastDay === writtenLastDay(obligation.due)) return ruleAndLastDay(say, obligation.due, due, day);
  return say('deadline.extended', { rule: writtenRule(say, obligation.due, day), day: due.lastDay });
}

/**
 * How far away it is, in calendar days to the last valid day; what is past is told as days late.
 * @example on 8/4/2024 for a last day of 02/5/2024 → 'còn 24 ngày'
 */
export function sayDaysLeft(say: Say, due: Due, now: Date, calendar: Calendar): string {
  const left = daysBetween(calendar.dayOf(now), due.lastDay);
  if (now >= due.deadline) return left < 0 ? say('deadline.days-late', { count: -left }) : say('deadline.hour-passed');
  return left === 0 ? say('deadline.last-day') : say('deadline.days-left', { count: left });
}

function writtenLastDay(rule: DueRule): LocalDate | null {
  if ('in' in rule) return lastDayOfMonth(rule.in);
  if (!('before' in rule) && !('by' in rule)) return null;
  const [day, time] = ('before' in rule ? rule.before : rule.by).split('T') as [LocalDate, string | undefined];
  return 'before' in rule && (time === undefined || time === '00:00') ? addDays(day, -1) : day;
}
