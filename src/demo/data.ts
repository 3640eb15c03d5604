import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BadConfig } from '../config.ts';
import { readPlanFile } from '../files/plan-file.ts';
import { readUnitSheet } from '../files/unit-sheet.ts';
import type { House } from '../house.ts';
import { loadPlan } from '../services/plans.ts';
import { importUnits } from '../services/units.ts';

const seedsFolder = join(import.meta.dirname, '..', '..', 'seeds');
const markKey = 'demo';
const birthKey = 'demo/birth';
const clockKey = 'demo/clock';

/** Marks a database as the demo's own. Throws BadConfig when it holds real data: the demo may delete what it made, never anything else. */
export async function claimData(house: House): Promise<void> {
  const { core, config } = house;
  if (!(await isDemoData(house)) && (await core.store.units.root()) !== null) throw new BadConfig([`${config.dataDir} holds real data, and the demo may delete what it finds: set DATA_DIR to another folder`]);
  await core.store.settings.set(markKey, true);
  await core.store.settings.setOnce(birthKey, randomUUID());
}

/** Whether a database was made by the demo: the real service must not run on it. */
export async function isDemoData({ core }: Pick<House, 'core'>): Promise<boolean> {
  return (await core.store.settings.get<boolean>(markKey)) === true;
}

/** Which beginning the data is of: another one after "start again", the same after a restart. */
export async function readBirth({ core }: Pick<House, 'core'>): Promise<string> {
  return (await core.store.settings.get<string>(birthKey)) ?? '';
}

/** Sets the clock to where the demo's stands: after a restart, and for a command beside a running demo. In real data nothing happens. */
export async function followDemoClock({ core, clock }: Pick<House, 'core' | 'clock'>): Promise<void> {
  const kept = (await isDemoData({ core })) ? await core.store.settings.get<string>(clockKey) : null;
  if (kept !== null) clock.set(new Date(kept));
}

/** Keeps where the demo's clock stands. */
export async function keepDemoClock({ core }: Pick<House, 'core'>): Promise<void> {
  await core.store.settings.set(clockKey, core.clock().toISOString());
}

/** Loads the seeds; what is there already stays as it is. */
export async function plant({ core }: Pick<House, 'core'>): Promise<void> {
  if ((await core.store.units.root()) === null) {
    const sheet = await readUnitSheet(await readFile(join(seedsFolder, 'units.csv')));
    const { errors } = await importUnits(core, sheet.rows, { dryRun: false });
    if (sheet.mistakes.length > 0 || errors.length > 0) throw new Error('the seeds do not fit together');
  }
  const { plan } = readPlanFile(await readFile(join(seedsFolder, 'plans', '2024.yaml')), core.levels);
  if (!plan) throw new Error('the seeds do not fit together');
  if ((await core.store.plans.get(plan.plan)) === null) await loadPlan(core, plan);
}
