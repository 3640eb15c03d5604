import { join } from 'node:path';
import { holidayTableSchema, type HolidayTable } from '../domain/calendar.ts';
import { decodeText } from './bytes.ts';
import { BadSettingsFile, readSettings } from './levels.ts';
import { fieldName } from './yaml-lines.ts';

/** The rest days and make-up days of each year as they lie in the project. */
export const defaultHolidaysFile = join(import.meta.dirname, '..', '..', 'seeds', 'holidays.json');

/** The holiday table. Throws {@link BadSettingsFile}. */
export async function readHolidays(file: string = defaultHolidaysFile): Promise<HolidayTable> {
  const decoded = decodeText(await readSettings(file));
  if ('badLine' in decoded) throw new BadSettingsFile(file, [`line ${decoded.badLine}: not UTF-8`]);
  let value: unknown;
  try {
    value = JSON.parse(decoded.text);
  } catch (error) {
    throw new BadSettingsFile(file, [`not readable as JSON: ${(error as Error).message}`]);
  }
  const parsed = holidayTableSchema.safeParse(value);
  if (!parsed.success) throw new BadSettingsFile(file, parsed.error.issues.map((issue) => `${fieldName(issue.path as string[])}: ${issue.message}`));
  const strays = Object.entries(parsed.data).flatMap(([year, days]) => [...days.rest, ...days.work].filter((day) => !day.startsWith(year)).map((day) => `${year}: ${day} lies in another year`));
  if (strays.length > 0) throw new BadSettingsFile(file, strays);
  return parsed.data;
}
