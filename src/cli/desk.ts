import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { readConfig, type Config } from '../config.ts';
import { createCalendar, type Calendar } from '../domain/calendar.ts';
import type { Mistake } from '../domain/mistake.ts';
import { readHolidays } from '../files/holidays.ts';
import { readLevels } from '../files/levels.ts';
import type { Level } from '../domain/unit.ts';
import type { House } from '../house.ts';
import type { Core, Text } from '../ports.ts';
import { createText } from '../text.ts';
import { CliFailure, exitCodes } from './exit.ts';

/** What every command has at hand: the settings, the words, and where to write. */
export interface Desk {
  config: Config;
  calendar: Calendar;
  levels: readonly Level[];
  text: Text;
  /** Words in the operator's language. */
  say(key: string, params?: Record<string, unknown>): string;
  sayMistake(mistake: Mistake): string;
}

/** Reads the environment and the settings files. Throws BadConfig or BadSettingsFile. */
export async function openDesk(): Promise<Desk> {
  const config = readConfig();
  const calendar = createCalendar({ timeZone: config.timeZone, holidays: await readHolidays() });
  const text = await createText(calendar);
  const say = (key: string, params: Record<string, unknown> = {}): string => text.say(config.locale, key, params);
  return { config, calendar, levels: await readLevels(config.levelsFile ?? undefined), text, say, sayMistake: (mistake) => say(mistake.key, mistake.params) };
}

/** Opens the house for one command and closes it again, whatever happens in between. Nothing in it runs. */
export async function withHouse<T>(desk: Desk, run: (house: House) => Promise<T>): Promise<T> {
  const { openHouse } = await import('../house.ts');
  const { followDemoClock } = await import('../demo/data.ts');
  const house = await openHouse(desk.config, undefined, true);
  try {
    // Beside a demo it is as late as there: its overdue and its codes are of that day.
    if (desk.config.now === null) await followDemoClock(house);
    return await run(house);
  } finally {
    await house.close();
  }
}

/** The same for a command that needs the core only. */
export async function withCore<T>(desk: Desk, run: (core: Core) => Promise<T>): Promise<T> {
  return withHouse(desk, ({ core }) => run(core));
}

/** The bytes of a file an operator named. A file that is not there is wrong use. */
export async function readGiven(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new CliFailure(exitCodes.wrongUse, [`${file}: ${(error as NodeJS.ErrnoException).code ?? 'unreadable'}`]);
  }
}

/** Data: one line (or more) on stdout. Waits while the reader is slow. */
export async function putOut(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
}

/** Words: on stderr. */
export function putWords(words: string): void {
  if (words !== '') process.stderr.write(`${words}\n`);
}

/** A JSON array written row by row, so that a hundred thousand rows never stand in memory. */
export async function putRows(rows: AsyncIterable<unknown>): Promise<void> {
  let first = true;
  for await (const row of rows) {
    await putOut(`${first ? '[' : ','}${JSON.stringify(row)}`);
    first = false;
  }
  await putOut(first ? '[]' : ']');
}

/** A row of a plain table: cells with a tab between them, so that `cut` and `awk` can read it. */
export function tableLine(cells: readonly (string | number | null)[]): string {
  return cells.map((cell) => String(cell ?? '').replace(/[\t\r\n]+/g, ' ')).join('\t');
}
