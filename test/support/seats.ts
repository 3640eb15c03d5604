import { consentVersion } from '../../src/domain/pairing.ts';
import type { Role } from '../../src/domain/person.ts';
import { openPledges } from '../../src/services/pledges.ts';
import type { Actor, House } from './house.ts';

/**
 * Somebody in a role without the dialog of pairing, for tests that are about what comes after it: much quicker than `house.pair`, the same in the store.
 * The same name again gives one more role.
 */
export async function seat(house: House, name: string, role: Role, unit: string): Promise<Actor> {
  const actor = house.as(name);
  const at = house.now();
  const { id } = await house.store.people.create({
    name, language: 'vi', roles: [], addresses: [{ channel: actor.channel, id: actor.chat, lastAt: at, state: 'active', reason: null }], consent: { version: consentVersion, at },
  });
  await house.store.people.addRole(id, { role, unit, since: at });
  if (role === 'member') await openPledges(house.core, { id }, unit);
  return actor;
}
