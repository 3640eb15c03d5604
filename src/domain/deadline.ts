import { z } from 'zod';
import { addDays, lastDayOfMonth, localDateSchema, localTimeSchema, type Calendar, type LocalDate, type LocalTime } from './calendar.ts';

const dayOrMinute = z.string().refine(
  (text) => {
    const [day, time, ...more] = text.split('T');
    return localDateSchema.safeParse(day).success && (time === undefined || localTimeSchema.safeParse(time).success) && more.length === 0;
  },
  { error: 'expected a day (2024-05-03) or a day and time (2024-05-03T15:00)' },
);

/**
 * When an obligation is due, exactly as the plan's sentence says it: `before` ("trước ngày") is exclusive, `by` ("chậm nhất ngày") inclusive,
 * `in` a whole month, `on` days to act on (never late), `none` no date at all. `before` and `by` may carry an hour.
 */
export const dueRuleSchema = z.union([
  z.strictObject({ before: dayOrMinute }),
  z.strictObject({ by: dayOrMinute }),
  z.strictObject({ in: z.string().regex(/^(19|2\d)\d{2}-(0[1-9]|1[0-2])$/, { error: 'expected a month as YYYY-MM' }) }),
  z.strictObject({ on: z.array(localDateSchema).min(1).refine((days) => new Set(days).size === days.length, { error: 'a day is listed twice' }) }),
  z.strictObject({ none: z.literal(true) }),
]);
/** See {@link dueRuleSchema}. */
export type DueRule = z.infer<typeof dueRuleSchema>;

/** The name of a rule: what stands left of the colon in the plan file. */
export type DueKind = 'before' | 'by' | 'in' | 'on' | 'none';

/** The kind of a rule. @example dueKindOf({ by: '2024-05-06' }) → 'by' */
export function dueKindOf(rule: DueRule): DueKind {
  return Object.keys(rule)[0] as DueKind;
}

/** The one exclusive instant and the last day that is still good. */
export interface Due {
  /** What is sent before this instant is on time. */
  deadline: Date;
  /** The last valid day, shown to people beside the written rule. */
  lastDay: LocalDate;
}

/**
 * The due of a rule; null where nothing can be late (`on`, `none`). Rest days never move it.
 * @example dueOf({ before: '2024-05-03' }, calendar) → { lastDay: '2024-05-02', deadline: 2024-05-02T17:00:00.000Z }
 */
export function dueOf(rule: DueRule, calendar: Calendar): Due | null {
  if ('in' in rule) return dueOnLastDay(lastDayOfMonth(rule.in), calendar);
  if (!('before' in rule) && !('by' in rule)) return null;
  const [day, time] = ('before' in rule ? rule.before : rule.by).split('T') as [LocalDate, LocalTime | undefined];
  if (time === undefined) return dueOnLastDay('before' in rule ? addDays(day, -1) : day, calendar);
  const written = calendar.instantOf(day, time);
  // "Chậm nhất 17 giờ": the whole minute 17:00 is still good. "Trước 15 giờ": 15:00:00 is too late.
  const deadline = 'by' in rule ? new Date(written.getTime() + 60_000) : written;
  return { deadline, lastDay: calendar.dayOf(new Date(deadline.getTime() - 1)) };
}

/**
 * The due of an inclusive last day: the midnight that ends it. Extensions and corrections are given this way.
 * @example dueOnLastDay('2024-05-02', calendar) → { lastDay: '2024-05-02', deadline: 2024-05-02T17:00:00.000Z }
 */
export function dueOnLastDay(lastDay: LocalDate, calendar: Calendar): Due {
  return { lastDay, deadline: calendar.instantOf(addDays(lastDay, 1)) };
}

/** On time or late; there is no third. */
export type Verdict = 'on-time' | 'late';

/** The verdict on a stamp against the instant in force; without a deadline nothing is ever late. */
export function judge(countedAt: Date, deadline: Date | null): Verdict {
  return deadline === null || countedAt < deadline ? 'on-time' : 'late';
}
