import { addDays, daysBetween, lastDayOfMonth, type Calendar, type LocalDate } from '../domain/calendar.ts';
import type { Due, DueRule } from '../domain/deadline.ts';
import type { Obligation } from '../domain/obligation.ts';

/** Words in the reader's language: `say` of a turn or of a delivery. */
export type Say = (key: string, params?: Record<string, unknown>) => string;

/**
 * The rule as the plan writes it. `day` names one day of `on`; without it all of them are listed.
 * @example sayRule(say, { before: '2024-05-03' }) → 'trước ngày 03/5/2024'
 */
export function sayRule(say: Say, rule: DueRule, day: LocalDate | null = null): string {
  if ('none' in rule) return say('deadline.none');
  if ('on' in rule) return (day === null ? rule.on : [day]).map((one) => say('deadline.on', { day: one })).join(', ');
  if ('in' in rule) return say('deadline.in', { month: monthText(rule.in) });
  const kind = 'before' in rule ? 'before' : 'by';
  const [written, time] = splitHour('before' in rule ? rule.before : rule.by);
  if (time === undefined) return say(`deadline.${kind}`, { day: written });
  const [hour, minute] = time.split(':');
  return say(`deadline.${kind}-hour`, { day: written, hour, minute });
}

/**
 * The one sentence every deadline is told by: the written rule and the last valid day together, with the extension where one is in force.
 * `due` is what is in force (null where nothing can be late), `day` the day of a day to act on.
 * @example sayDue(say, obligation, due) → 'trước ngày 03/5/2024 — hạn cuối: hết ngày 02/5/2024'
 */
export function sayDue(say: Say, obligation: Pick<Obligation, 'due'>, due: Due | null, day: LocalDate | null = null): string {
  const rule = sayRule(say, obligation.due, day);
  if (!due) return rule;
  const written = writtenEnd(obligation.due);
  if (!written || written.lastDay !== due.lastDay) return say('deadline.extended', { rule, day: due.lastDay });
  return written.wholeDay ? say('deadline.whole', { rule, day: due.lastDay }) : say('deadline.hour', { rule, day: due.lastDay });
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

/** Where the written rule ends: its last valid day, and whether the whole of that day is good. */
function writtenEnd(rule: DueRule): { lastDay: LocalDate; wholeDay: boolean } | null {
  if ('in' in rule) return { lastDay: lastDayOfMonth(rule.in), wholeDay: true };
  if (!('before' in rule) && !('by' in rule)) return null;
  const [day, time] = splitHour('before' in rule ? rule.before : rule.by);
  if ('before' in rule) return time === undefined || time === '00:00' ? { lastDay: addDays(day, -1), wholeDay: true } : { lastDay: day, wholeDay: false };
  return { lastDay: day, wholeDay: time === undefined || time === '23:59' };
}

function splitHour(written: string): [LocalDate, string | undefined] {
  const [day, time] = written.split('T');
  return [day as LocalDate, time];
}

/** Months 1 and 2 carry a leading zero, as in the heads of documents. @example monthText('2024-03') → '3/2024' */
function monthText(month: string): string {
  const [year, number] = month.split('-');
  return `${Number(number) <= 2 ? number : Number(number)}/${year}`;
}
