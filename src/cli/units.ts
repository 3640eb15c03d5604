import { localDateSchema } from '../domain/calendar.ts';
import { readUnitSheet } from '../files/unit-sheet.ts';
import { setClosing } from '../services/closures.ts';
import { importUnits, type UnitImport } from '../services/units.ts';
import { openDesk, putOut, putWords, readGiven, withCore } from './desk.ts';
import { CliFailure, exitCodes } from './exit.ts';

/** `dondoc units import`: all rows are checked before any is written. */
export async function importUnitSheet(file: string, options: { dryRun?: boolean; json?: boolean }): Promise<void> {
  const desk = await openDesk();
  const sheet = await readUnitSheet(await readGiven(file));
  const nothing: UnitImport = { created: 0, updated: 0, unchanged: 0, errors: sheet.mistakes };
  // A row that could not be read would look like a missing parent to the rows below it: the tree is looked at once every row reads.
  const result = sheet.mistakes.length > 0 ? nothing : await withCore(desk, (core) => importUnits(core, sheet.rows, { dryRun: options.dryRun ?? false }));
  const errors = result.errors.map((mistake) => ({ row: mistake.row, message: desk.sayMistake(mistake) }));
  if (options.json) await putOut(JSON.stringify({ created: result.created, updated: result.updated, unchanged: result.unchanged, errors }));
  for (const error of errors) putWords(`${file}:${error.row}: ${error.message}`);
  if (errors.length > 0) throw new CliFailure(exitCodes.badData);
  putWords(desk.say('unit-sheet.imported', { created: result.created, updated: result.updated, unchanged: result.unchanged }));
  if (options.dryRun) putWords(desk.say('unit-sheet.dry-run'));
}

/** `dondoc units close`: the day from which on a unit is no more; what it handed in stays, what it still owed is void. */
export async function closeUnitOn(code: string, options: { on: string; json?: boolean }): Promise<void> {
  const desk = await openDesk();
  if (!localDateSchema.safeParse(options.on).success) throw new CliFailure(exitCodes.wrongUse, ['units close: --on is a day that exists, as YYYY-MM-DD']);
  const { unit, voided } = await withCore(desk, (core) => setClosing(core, code.normalize('NFC'), options.on));
  if (options.json) await putOut(JSON.stringify({ unit: unit.code, closed: unit.closed, voided }));
  putWords(desk.say('cli.unit-closes', { unit: unit.name, day: options.on, voided }));
}
