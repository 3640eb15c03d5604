import { addDays, daysBetween, lastDayOfMonth, type Calendar, type LocalDate } from '../domain/calendar.ts';
import type { Due, DueRule } from '../domain/deadline.ts';
import type { Obligation } from '../domain/obligation.ts';

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

/**
 * The rule as the plan's sentence says it. `day` names the one day an assignment of an `on` rule stands for.
 * @example writtenRule(say, { before: '2024-05-03' }) → 'trước ngày 03/5/2024'
 */
export function writtenRule(say: Say, rule: DueRule, day: LocalDate | null = null): string {
  if ('none' in rule) return say('deadline.none');
  if ('in' in rule) {
    const [year, month] = rule.in.split('-') as [string, string];
    return say('deadline.in', { month: `${Number(month) <= 2 ? month : Number(month)}/${year}` });
  }
  if ('on' in rule) return (day ? [day] : [...rule.on].sort()).map((one) => say('deadline.on', { day: one })).join(', ');
  const [date, time] = ('before' in rule ? rule.before : rule.by).split('T') as [LocalDate, string | undefined];
  const [hour, minute] = time?.split(':') ?? [];
  if ('before' in rule) return time ? say('deadline.before-hour', { hour, minute, day: date }) : say('deadline.before', { day: date });
  return time ? say('deadline.by-hour', { hour, minute, day: date }) : say('deadline.by', { day: date });
}

/**
 * The written rule and the last valid day, always together; the rule alone where nothing can be late. `due` is the one in force.
 * @example ruleAndLastDay(say, { before: '2024-05-03' }, due) → 'trước ngày 03/5/2024 — hạn cuối: hết ngày 02/5/2024'
 */
function ruleAndLastDay(say: Say, rule: DueRule, due: Due | null, day: LocalDate | null = null): string {
  const written = writtenRule(say, rule, day);
  if (!due) return written;
  const hourOn = 'before' in rule ? rule.before : 'by' in rule ? rule.by : '';
  // On the day the hour is written for, that day does not count to its end.
  return say(hourOn.startsWith(`${due.lastDay}T`) ? 'deadline.with-last-hour' : 'deadline.with-last-day', { written, lastDay: due.lastDay });
}

function writtenLastDay(rule: DueRule): LocalDate | null {
  if ('in' in rule) return lastDayOfMonth(rule.in);
  if (!('before' in rule) && !('by' in rule)) return null;
  const [day, time] = ('before' in rule ? rule.before : rule.by).split('T') as [LocalDate, string | undefined];
  return 'before' in rule && (time === undefined || time === '00:00') ? addDays(day, -1) : day;
}
