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

function realDay(year: string, month: string, day: string): LocalDate | null {
  const written = `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
  return localDateSchema.safeParse(written).success ? written : null;
}
