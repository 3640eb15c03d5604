import { addDays, daysBetween, localDateSchema, type LocalDate } from './calendar.ts';
import { foldText } from './spelling.ts';

const named: Readonly<Record<string, number>> = { 'hom nay': 0, 'nay': 0, 'today': 0, 'hom qua': -1, 'qua': -1, 'yesterday': -1, 'hom kia': -2, 'ngay mai': 1, 'mai': 1, 'tomorrow': 1 };

/**
 * Reads a day as people type it: "28/3", "28-3-2024", "28.3.24", "ngày 28 tháng 3", "2024-03-28", "hôm qua". Without a year it is the one nearest to
 * today. Null when it is no day that exists.
 * @example readDay('28/12', '2024-01-05') → '2023-12-28'
 */
export function readDay(typed: string, today: LocalDate): LocalDate | null {
  const words = foldText(typed);
  const shift = named[words];
  if (shift !== undefined) return addDays(today, shift);
  const iso = /^(\d{4}) (\d{1,2}) (\d{1,2})$/.exec(words);
  if (iso) return realDay(iso[1] as string, iso[2] as string, iso[3] as string);
  const usual = /^(?:ngay )?(\d{1,2})(?: thang)? (\d{1,2})(?:(?: nam)? (\d{4}|\d{2}))?$/.exec(words);
  if (!usual) return null;
  const [, day = '', month = '', year] = usual;
  if (year !== undefined) return realDay(year.length === 2 ? `20${year}` : year, month, day);
  const thisYear = Number(today.slice(0, 4));
  const near = [thisYear - 1, thisYear, thisYear + 1].flatMap((candidate) => realDay(String(candidate), month, day) ?? []);
  const distance = (one: LocalDate) => Math.abs(daysBetween(today, one));
  return near.reduce<LocalDate | null>((best, one) => (best === null || distance(one) < distance(best) ? one : best), null);
}

/**
 * Reads a whole number as people type it, with a word behind it and points between thousands. Null when it is none.
 * @example readCount('1.200 người') → 1200
 */
export function readCount(typed: string): number | null {
  const digits = /^\s*(\d{1,3}(?:[.,]\d{3})+|\d{1,9})\s*\p{L}*(?:\s\p{L}+){0,2}\s*$/u.exec(typed.normalize('NFC'))?.[1];
  return digits === undefined ? null : Number(digits.replace(/[.,]/g, ''));
}

/** A day with what was typed around it. */
export interface DayAmongWords {
  /** What stands before the day (and is no count), trimmed. */
  words: string;
  day: LocalDate;
  /** A whole number before or behind the day; null when nothing more was said. */
  count: number | null;
}

const dayPattern = /(?<![\d/.-])(?:(?:ng[aà]y\s+)?\d{1,2}\s+th[aá]ng\s+\d{1,2}(?:\s+n[aă]m\s+\d{4})?|\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.-]\d{1,2}(?:[/.-](?:\d{4}|\d{2}))?|h[oô]m\s+(?:nay|qua|kia)|today|yesterday)(?![\p{L}\d/-])/iu;

/**
 * Reads a day, and how many took part, out of one message: "28/3 42 người", "hôm qua, 42", "42 người ngày 28/3", "hoc tap 28/3 42 người".
 * Null when there is no day in it, or when what follows the day is no count.
 * @example readDayAmongWords('28/3 42 người', '2024-04-08') → { words: '', day: '2024-03-28', count: 42 }
 */
export function readDayAmongWords(typed: string, today: LocalDate): DayAmongWords | null {
  const text = typed.normalize('NFC').trim();
  const found = dayPattern.exec(text);
  const day = found && readDay(found[0], today);
  if (!found || !day) return null;
  const before = text.slice(0, found.index).replace(/[\s,;:.–-]*(?:(?<=^|\s)(?:v[aà]o|ng[aà]y|on)\s*)*[\s,;:.–-]*$/iu, '');
  const behind = text.slice(found.index + found[0].length).replace(/^[\s,;:.–-]+/u, '').replace(/^(?:c[oó]|v[oớ]i|with)\s+/iu, '').replace(/[.;,]+$/u, '');
  if (behind !== '') {
    const count = readCount(behind);
    return count === null ? null : { words: before, day, count };
  }
  const first = readCount(before.replace(/^(?:c[oó]|with)\s+/iu, ''));
  return first === null ? { words: before, day, count: null } : { words: '', day, count: first };
}

function realDay(year: string, month: string, day: string): LocalDate | null {
  const written = `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
  return localDateSchema.safeParse(written).success ? written : null;
}
