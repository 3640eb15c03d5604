import { Readable } from 'node:stream';
import { requireAccess, type Viewer } from '../domain/access.ts';
import type { OutgoingDocument } from '../domain/message.ts';
import { addressKey, type ChannelName, type Language, type Person } from '../domain/person.ts';
import { pledgeId, type Pledge } from '../domain/pledge.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Unit } from '../domain/unit.ts';
import type { Core, Page, PageRequest } from '../ports.ts';
import { endPledges } from './pledges.ts';

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

/** The members of a unit. Throws Refusal `unit-unknown` or `not-allowed`. */
export async function listMembers(core: Core, viewer: Viewer, unitCode: string, page: PageRequest): Promise<Page<Person>> {
  await memberUnit(core, viewer, unitCode);
  return core.store.people.members(unitCode, page);
}

/**
 * Takes somebody off a unit's members; a pledge not confirmed there goes with it, a confirmed one stays. The person's own data stays theirs.
 * Throws Refusal `unit-unknown`, `not-allowed` or `member-unknown`.
 */
export async function removeMember(core: Core, viewer: Viewer, unitCode: string, memberId: string): Promise<Person> {
  await memberUnit(core, viewer, unitCode);
  const member = await core.store.people.get(memberId);
  if (!member?.roles.some((held) => held.role === 'member' && held.unit === unitCode)) throw new Refusal('member-unknown');
  await endPledges(core, memberId, unitCode);
  await core.store.people.removeRole(memberId, 'member', unitCode);
  return member;
}

async function memberUnit(core: Core, viewer: Viewer, unitCode: string): Promise<Unit> {
  const unit = await core.store.units.get(unitCode);
  requireAccess(viewer, 'members.manage', unit ?? undefined);
  if (!unit) throw new Refusal('unit-unknown', { unit: unitCode });
  return unit;
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
