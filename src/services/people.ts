import { Readable } from 'node:stream';
import type { OutgoingDocument } from '../domain/message.ts';
import { addressKey, type ChannelName, type Language, type Person } from '../domain/person.ts';
import { pledgeId, type Pledge } from '../domain/pledge.ts';
import type { Unit } from '../domain/unit.ts';
import type { Core } from '../ports.ts';

const exportLimit = 5 * 1024 * 1024;

/** Everything kept about one person. */
export interface PersonalData {
  person: Person;
  /** The units behind the roles. */
  units: Unit[];
  pledges: Pledge[];
}

/** What is kept about a person; it is their own, so nobody else may ask. */
export async function readPersonalData(core: Core, person: Person): Promise<PersonalData> {
  const units = await core.store.units.many([...new Set(person.roles.map((held) => held.unit))]);
  return { person, units, pledges: await pledgesOf(core, person.id) };
}

/** The same as a JSON file, ready to be sent. An earlier export of the person is replaced; deleting the data deletes it too. */
export async function exportPersonalData(core: Core, person: Person): Promise<OutgoingDocument> {
  const data = await readPersonalData(core, person);
  const bytes = Buffer.from(JSON.stringify(
    {
      exportedAt: core.clock(), name: person.name, language: person.language, consent: person.consent,
      roles: person.roles.map((held) => ({ ...held, unitName: data.units.find((unit) => unit.code === held.unit)?.name ?? '' })),
      addresses: person.addresses,
      pledges: data.pledges.map(({ plan, unit, text, state, confirmedAt, receipt, versions }) => ({ plan, unit, text, state, confirmedAt, receipt, versions })),
    },
    null,
    2,
  ));
  const fileId = exportId(person.id);
  const about = { name: 'du-lieu-ca-nhan.json', mime: 'application/json' };
  await core.store.files.remove(fileId);
  const { size } = await core.store.files.save(fileId, Readable.from([bytes]), about, exportLimit);
  return { fileId, ...about, size };
}

/**
 * Deletes a person: name, addresses, roles, consent, drafts, offered numbers, exports and pledges that were not confirmed. What a unit handed in stays with the unit;
 * a confirmed pledge stays in the figures without name and text. Every step can be repeated; the person goes last.
 */
export async function deletePerson(core: Core, person: Pick<Person, 'id' | 'addresses'>): Promise<void> {
  for (const pledge of await pledgesOf(core, person.id)) await forgetPledge(core, pledge);
  await core.store.files.remove(exportId(person.id));
  for (const owner of [person.id, ...person.addresses.map((address) => addressKey(address.channel, address.id))]) await core.store.drafts.forget(owner);
  await core.store.people.remove(person.id);
}

async function forgetPledge(core: Core, pledge: Pledge): Promise<void> {
  if (pledge.state !== 'confirmed') {
    await core.store.pledges.remove(pledge.id);
    return;
  }
  await core.store.pledges.change(pledge.id, (kept) => ({ ...kept, text: '', versions: [] }));
}

async function pledgesOf(core: Core, person: string): Promise<Pledge[]> {
  const plans = await core.store.plans.list();
  const pledges = await Promise.all(plans.map((plan) => core.store.pledges.get(pledgeId(plan.plan, person))));
  return pledges.filter((pledge) => pledge !== null);
}

/** The person wants to be spoken to in that language. */
export async function chooseLanguage(core: Core, person: Person, language: Language): Promise<void> {
  await core.store.people.setLanguage(person.id, language);
}

/** A channel says that somebody can no longer be written to there, or asks for them to be forgotten. */
export async function leavePerson(core: Core, left: { channel: ChannelName; chat: string; reason: string; forget: boolean }): Promise<void> {
  await core.store.people.markGone(left.channel, left.chat, left.reason);
  const person = left.forget ? await core.store.people.byAddress(left.channel, left.chat) : null;
  if (person) await deletePerson(core, person);
}

function exportId(person: string): string {
  return `personal-data-${person}`;
}
