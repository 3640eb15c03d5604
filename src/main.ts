import { BadConfig, type Config } from './config.ts';
import { isDemoData, plant } from './demo/data.ts';
import { openHouse, startHouse, type Service } from './house.ts';

/**
 * The real service. A rehearsal (`DONDOC_NOW`) on an empty database begins with the seeds, so that it needs nothing else. Throws BadConfig
 * when the data folder holds the demo's data: its sample units must never be written to real people.
 */
export async function startService(config: Config): Promise<Service & { isEmpty: boolean }> {
  const house = await openHouse(config);
  try {
    if (await isDemoData(house)) throw new BadConfig([`${config.dataDir} holds the data of the demo: set DATA_DIR to another folder, or delete this one`]);
    if (config.now !== null && (await house.core.store.units.root()) === null) await plant(house);
    const isEmpty = (await house.core.store.units.root()) === null;
    return Object.assign(await startHouse(house), { isEmpty });
  } catch (error) {
    await house.close().catch(() => undefined);
    throw error;
  }
}
