import type { LocalDate } from '../domain/calendar.ts';
import type { Due, DueRule } from '../domain/deadline.ts';

type Say = (key: string, params?: Record<string, unknown>) => string;

/**
 * The rule as the plan's sentence says it. `day` names the one day an assignment of an `on` rule stands for.
 * @example writtenRule(say, { before: '2024-05-03' }) → 'trước ngày 03/5/2024'
 */
export function writtenRule(say: Say, rule: DueRule, day: LocalDate | null = null): string {
  if ('none' in rule) return say('due.none');
  if ('in' in rule) {
    const [year, month] = rule.in.split('-') as [string, string];
    return say('due.in', { month: `${Number(month) <= 2 ? month : Number(month)}/${year}` });
  }
  if ('on' in rule) return (day ? [day] : [...rule.on].sort()).map((one) => say('due.on', { day: one })).join(', ');
  const [date, time] = ('before' in rule ? rule.before : rule.by).split('T') as [LocalDate, string | undefined];
  const [hour, minute] = time?.split(':') ?? [];
  if ('before' in rule) return time ? say('due.before-hour', { hour, minute, day: date }) : say('due.before', { day: date });
  return time ? say('due.by-hour', { hour, minute, day: date }) : say('due.by', { day: date });
}

/**
 * The written rule and the last valid day, always together; the rule alone where nothing can be late. `due` is the one in force.
 * @example ruleAndLastDay(say, { before: '2024-05-03' }, due) → 'trước ngày 03/5/2024 — hạn cuối: hết ngày 02/5/2024'
 */
export function ruleAndLastDay(say: Say, rule: DueRule, due: Due | null, day: LocalDate | null = null): string {
  const written = writtenRule(say, rule, day);
  if (!due) return written;
  const hourOn = 'before' in rule ? rule.before : 'by' in rule ? rule.by : '';
  // On the day the hour is written for, that day does not count to its end.
  return say(hourOn.startsWith(`${due.lastDay}T`) ? 'due.with-last-hour' : 'due.with-last-day', { written, lastDay: due.lastDay });
}
