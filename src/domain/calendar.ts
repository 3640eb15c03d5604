import { z } from 'zod';

const dayPattern = /^\d{4}-\d{2}-\d{2}$/;

function isRealDay(text: string): boolean {
  // Beyond these years a day plus a few leaves the four digits everything here compares by.
  if (!dayPattern.test(text) || text < '1900' || text >= '3000') return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

/** A calendar day that exists, `YYYY-MM-DD`, from 1900 to 2999. Such strings compare in the order of the days. */
export const localDateSchema = z.string().refine(isRealDay, { error: 'expected a day that exists, as YYYY-MM-DD' });
/** A day as `YYYY-MM-DD`, without a time zone. */
export type LocalDate = string;

/** A time of day as `HH:MM`, 00:00 to 23:59. */
export const localTimeSchema = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: 'expected a time as HH:MM' });
/** A time of day as `HH:MM`. */
export type LocalTime = string;

/** `seeds/holidays.json`: for each year the rest days on weekdays and the Saturdays or Sundays that are worked instead. */
export const holidayTableSchema = z.record(
  z.string().regex(/^\d{4}$/),
  z.strictObject({ rest: z.array(localDateSchema), work: z.array(localDateSchema) }),
);
/** See {@link holidayTableSchema}. */
export type HolidayTable = z.infer<typeof holidayTableSchema>;

/**
 * The day `count` days later (earlier when negative).
 * @example addDays('2024-02-28', 2) → '2024-03-01'
 */
export function addDays(day: LocalDate, count: number): LocalDate {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + count);
  return date.toISOString().slice(0, 10);
}

/**
 * Whole calendar days from one day to another; negative when `to` lies before `from`.
 * @example daysBetween('2024-04-08', '2024-05-02') → 24
 */
export function daysBetween(from: LocalDate, to: LocalDate): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / 86_400_000);
}

/** The last day of a month given as `YYYY-MM`. @example lastDayOfMonth('2024-02') → '2024-02-29' */
export function lastDayOfMonth(month: string): LocalDate {
  const [year, number] = month.split('-').map(Number) as [number, number];
  return new Date(Date.UTC(year, number, 0)).toISOString().slice(0, 10);
}

/** Local days and hours of one time zone, with its working days. All deadlines and stages are computed through it. */
export interface Calendar {
  readonly timeZone: string;
  /** The instant of a local day and time. @example instantOf('2024-05-03', '00:00') → 2024-05-02T17:00:00.000Z */
  instantOf(day: LocalDate, time?: LocalTime): Date;
  /** The local day an instant falls on. @example dayOf(2024-05-02T17:00:00Z) → '2024-05-03' */
  dayOf(instant: Date): LocalDate;
  /** The local time of an instant, `HH:MM`. */
  timeOf(instant: Date): LocalTime;
  /** Saturday, Sunday or a holiday, unless it is a make-up working day. */
  isRestDay(day: LocalDate): boolean;
  /** Whether the holiday table knows that year; without it only weekends rest. */
  knowsYear(year: number): boolean;
  /** The day itself when it is worked, else the nearest working day before it. */
  workingDayOnOrBefore(day: LocalDate): LocalDate;
  /** The day itself when it is worked, else the nearest working day after it. */
  workingDayOnOrAfter(day: LocalDate): LocalDate;
  /** The `count`-th working day after `day`, `day` itself not counted. @example addWorkingDays('2024-05-03', 1) → '2024-05-04' (a make-up Saturday) */
  addWorkingDays(day: LocalDate, count: number): LocalDate;
}

interface LocalMoment {
  day: LocalDate;
  time: LocalTime;
  shiftMs: number;
}

const mostSeen = 1_000;

/** Builds a {@link Calendar}. An unknown time zone throws a RangeError (from Intl). */
export function createCalendar(options: { timeZone: string; holidays: HolidayTable }): Calendar {
  const rest = new Set(Object.values(options.holidays).flatMap((year) => year.rest));
  const work = new Set(Object.values(options.holidays).flatMap((year) => year.work));
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: options.timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  });

  /** What was asked for lately: loading a plan or a tick asks for the same few moments a hundred thousand times, and Intl is slow. */
  const seen = new Map<number, LocalMoment>();

  function local(instant: Date): LocalMoment {
    const known = seen.get(instant.getTime());
    if (known) return known;
    if (seen.size >= mostSeen) seen.clear();
    const moment = format(instant);
    seen.set(instant.getTime(), moment);
    return moment;
  }

  function format(instant: Date): LocalMoment {
    const found = Object.fromEntries(parts.formatToParts(instant).map((part) => [part.type, part.value]));
    const day = `${found.year?.padStart(4, '0')}-${found.month}-${found.day}`;
    const shown = Date.parse(`${day}T${found.hour}:${found.minute}:${found.second}Z`);
    return { day, time: `${found.hour}:${found.minute}`, shiftMs: shown - Math.floor(instant.getTime() / 1000) * 1000 };
  }

  function isRestDay(day: LocalDate): boolean {
    if (work.has(day)) return false;
    if (rest.has(day)) return true;
    const weekday = new Date(`${day}T00:00:00Z`).getUTCDay();
    return weekday === 0 || weekday === 6;
  }

  function walk(day: LocalDate, step: 1 | -1): LocalDate {
    let found = day;
    while (isRestDay(found)) found = addDays(found, step);
    return found;
  }

  return {
    timeZone: options.timeZone,
    instantOf(day, time = '00:00') {
      const wall = Date.parse(`${day}T${time}:00Z`);
      // Two passes: the offset at the guess may differ from the offset at the answer where a zone changes its clocks.
      const guess = new Date(wall - local(new Date(wall)).shiftMs);
      const instant = new Date(wall - local(guess).shiftMs);
      // A midnight that the clocks jump over: the day begins at the jump, never on the day before.
      return local(instant).day < day ? guess : instant;
    },
    dayOf: (instant) => local(instant).day,
    timeOf: (instant) => local(instant).time,
    isRestDay,
    knowsYear: (year) => Object.hasOwn(options.holidays, String(year)),
    workingDayOnOrBefore: (day) => walk(day, -1),
    workingDayOnOrAfter: (day) => walk(day, 1),
    addWorkingDays(day, count) {
      let found = day;
      for (let left = count; left > 0; left -= 1) found = walk(addDays(found, 1), 1);
      return found;
    },
  };
}
