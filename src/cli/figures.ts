import { obligationOf } from '../domain/plan.ts';
import { Refusal } from '../domain/refusal.ts';
import { currentPlan } from '../services/current-plan.ts';
import { overdueJson, streamOverdue } from '../services/overdue.ts';
import { planFigures } from '../services/stats.ts';
import { openDesk, putOut, putRows, tableLine, withCore, withHouse } from './desk.ts';

/** `dondoc overdue`: who is late, and whether we really reached them. */
export async function printOverdue(options: { plan?: string; unit?: string; obligation?: string; json?: boolean }): Promise<void> {
  const desk = await openDesk();
  await withCore(desk, async (core) => {
    const plan = await currentPlan(core, options.plan ?? null);
    if (options.obligation !== undefined && !obligationOf(plan, options.obligation)) throw new Refusal('obligation-unknown', { obligation: options.obligation });
    const rows = streamOverdue(core, null, { plan: plan.plan, obligation: options.obligation ?? null, unit: options.unit?.normalize('NFC') ?? null });
    async function* printed(): AsyncGenerator<Record<string, string | number>> {
      for await (const row of rows) yield overdueJson(row);
    }
    if (options.json) return putRows(printed());
    for await (const row of printed()) await putOut(tableLine(Object.values(row)));
    return undefined;
  });
}

/** `dondoc stats`: expected, received, on time, late, missing by obligation and level. */
export async function printStats(options: { plan?: string; json?: boolean }): Promise<void> {
  const desk = await openDesk();
  const rows = await withCore(desk, (core) => planFigures(core, null, options.plan ?? null));
  if (options.json) {
    await putOut(JSON.stringify(rows));
    return;
  }
  for (const row of rows) {
    await putOut(tableLine([row.obligation, row.level, row.expected, row.received, row.onTime, row.late, row.missing, row.pending, row.waived, row.accepted, row.returned]));
  }
}

/** `dondoc outbox`: how many messages stand where. */
export async function printOutbox(options: { json?: boolean }): Promise<void> {
  const desk = await openDesk();
  await withHouse(desk, async ({ core, switchboard }) => {
    const { pending, sending, sent, unknown, dead } = await core.store.outbox.counts();
    const quota = switchboard.zaloBotQuota;
    const used = quota ? { quota: { channel: 'zalo-bot', used: await quota.used(), limit: quota.limit } } : {};
    const counts = { pending, sending, sent, unknown, dead };
    if (options.json) await putOut(JSON.stringify({ ...counts, ...used }));
    else for (const [state, count] of Object.entries(counts)) await putOut(tableLine([state, count]));
    if (!options.json && used.quota) await putOut(tableLine([used.quota.channel, `${used.quota.used}/${used.quota.limit}`]));
  });
}
