import { roleSchema } from '../domain/person.ts';
import { issueCodes } from '../services/pairing.ts';
import { openDesk, putOut, putRows, tableLine, withCore } from './desk.ts';
import { CliFailure, exitCodes } from './exit.ts';

/** `dondoc codes issue`: pairing codes, each shown this once. */
export async function issueCodesFor(options: { unit?: string; all?: boolean; role: string; days: string; json?: boolean }): Promise<void> {
  const desk = await openDesk();
  const role = roleSchema.safeParse(options.role);
  const days = Number(options.days);
  const whose = options.all ? { all: true as const } : (options.unit?.normalize('NFC') ?? null);
  if (whose === null || (options.all && options.unit !== undefined)) throw new CliFailure(exitCodes.wrongUse, ['codes issue: name one unit (--unit CODE), or --all']);
  if (!role.success) throw new CliFailure(exitCodes.wrongUse, [`codes issue: --role is one of ${roleSchema.options.join(', ')}`]);
  if (!/^\d+$/.test(options.days) || days < 1 || days > 400) throw new CliFailure(exitCodes.wrongUse, ['codes issue: --days is a whole number from 1 to 400']);
  await withCore(desk, async (core) => {
    const issued = issueCodes(core, { unit: whose, role: role.data, use: 'once', days, by: null });
    async function* rows(): AsyncGenerator<{ unit: string; role: string; code: string; link: string; expiresAt: string }> {
      for await (const one of issued) yield { unit: one.unit.code, role: one.role, code: one.code, link: one.links[0]?.url ?? '', expiresAt: one.expiresAt.toISOString() };
    }
    if (options.json) return putRows(rows());
    for await (const row of rows()) await putOut(tableLine([row.unit, row.role, row.code, row.link, row.expiresAt]));
    return undefined;
  });
}
