import { requireAccess } from '../domain/access.ts';
import { shortRef } from '../domain/choice.ts';
import { unitsOf, type Person } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Unit } from '../domain/unit.ts';
import type { Core, Page, PageRequest } from '../ports.ts';
import { endPledges } from './pledges.ts';

/** The units the person stands for, in the order of their codes. Throws Refusal `not-allowed` when there is none. */
export async function listOwnUnits(core: Core, viewer: Person): Promise<Unit[]> {
  const units = await core.store.units.many(unitsOf(viewer, 'chair'));
  if (units.length === 0) throw new Refusal('not-allowed');
  return units.sort((a, b) => (a.code < b.code ? -1 : 1));
}

/** The own unit behind a reference from a button. Throws Refusal `choice-old` for one that is not the person's (any more). */
export async function ownUnitByRef(core: Core, viewer: Person, ref: string): Promise<Unit> {
  const unit = (await listOwnUnits(core, viewer)).find((candidate) => shortRef(candidate.code) === ref);
  if (!unit) throw new Refusal('choice-old');
  return unit;
}

/** Members of a unit by the last word of their names, a page at a time. Throws Refusal `not-allowed`. */
export async function listMembers(core: Core, viewer: Person, unit: Unit, page: PageRequest): Promise<Page<Person> & { total: number }> {
  requireAccess(viewer, 'members.manage', unit);
  const [found, total] = await Promise.all([core.store.people.members(unit.code, page), core.store.people.countMembers(unit.code)]);
  return { ...found, total };
}

/** A member of the unit. Throws Refusal `not-allowed`, `member-unknown`. */
export async function readMember(core: Core, viewer: Person, unit: Unit, id: string): Promise<Person> {
  requireAccess(viewer, 'members.manage', unit);
  const person = await core.store.people.get(id);
  if (!person || !unitsOf(person, 'member').includes(unit.code)) throw new Refusal('member-unknown');
  return person;
}

/** Removes a member from the unit: the role ends, an unconfirmed pledge with it, a confirmed one stays with the unit. Throws Refusal `not-allowed`, `member-unknown`. */
export async function removeMember(core: Core, viewer: Person, unit: Unit, id: string): Promise<Person> {
  const person = await readMember(core, viewer, unit, id);
  // The pledge first: once the role is gone a repeated step would not find the member any more.
  await endPledges(core, person.id, unit.code);
  await core.store.people.removeRole(person.id, 'member', unit.code);
  return person;
}
