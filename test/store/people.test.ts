import { afterAll, beforeEach, expect, test } from '@jest/globals';
import type { Person } from '../../src/domain/person.ts';
import type { PersonStore } from '../../src/ports.ts';
import { at, buildPerson, buildUnit } from '../support/builders.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

let opened: TestStore | undefined;
let people: PersonStore;

beforeEach(async () => {
  await opened?.close();
  opened = await openTestStore();
  people = opened.store.people;
});
afterAll(() => opened?.close());

async function create(address: string, change: Parameters<typeof buildPerson>[1] = {}): Promise<Person> {
  const { id: _id, ...rest } = buildPerson(address, change);
  return people.create(rest);
}

const idsOf = (found: readonly Person[]): string[] => found.map((person) => person.id).sort();

async function collect(stream: AsyncIterable<Person>): Promise<string[]> {
  const ids: string[] = [];
  for await (const person of stream) ids.push(person.id);
  return ids.sort();
}

test('an address makes one person, however often and at the same moment it pairs', async () => {
  const made = await Promise.all(Array.from({ length: 6 }, () => create('42')));
  expect(new Set(idsOf(made)).size).toBe(1);
  expect(await people.byAddress('telegram', 'chat-42')).toEqual(made[0]);
  expect(await people.byAddress('web', 'chat-42')).toBeNull();
  expect(await people.get(made[0]?.id as string)).toEqual(made[0]);
});

test('roles are added once and removed alone; chairs are found by unit, each once', async () => {
  const hoa = await create('1', { unit: 'A' });
  const lan = await create('2', { unit: 'B' });
  await Promise.all([1, 2, 3].map(() => people.addRole(hoa.id, { role: 'chair', unit: 'B', since: at('2024-04-01') })));
  expect((await people.get(hoa.id))?.roles).toHaveLength(2);
  expect(idsOf(await people.chairsOf(['A', 'B']))).toEqual([hoa.id, lan.id].sort());
  await people.removeRole(hoa.id, 'chair', 'A');
  expect(await people.chairsOf(['A'])).toEqual([]);
  expect((await people.get(hoa.id))?.roles).toEqual([{ role: 'chair', unit: 'B', since: at('2024-04-01') }]);
});

test('members are listed in the order of their given names, over pages, equal names too', async () => {
  const names = ['Trần Văn Bình', 'Nguyễn Thị Ánh', 'Lê Văn Đông', 'Nguyễn Thị Ánh', 'Phạm Thị Ánh', 'Võ Thị Yến'];
  for (const [index, name] of names.entries()) await create(`m${index}`, { role: 'member', unit: 'A', name });
  await create('other', { role: 'member', unit: 'B' });
  const seen: Person[] = [];
  for (let after: string | null = null; ; ) {
    const page = await people.members('A', { after, limit: 1 });
    seen.push(...page.items);
    if (page.next === null) break;
    after = page.next;
  }
  expect(seen.map((person) => person.name)).toEqual(['Nguyễn Thị Ánh', 'Nguyễn Thị Ánh', 'Phạm Thị Ánh', 'Trần Văn Bình', 'Lê Văn Đông', 'Võ Thị Yến']);
  expect(new Set(idsOf(seen)).size).toBe(6);
  expect(await people.countMembers('A')).toBe(6);
});

test('an address that is gone is not used again until the person writes there', async () => {
  const hoa = await create('1');
  await people.addAddress(hoa.id, { channel: 'web', id: 'w1', lastAt: at('2024-03-02'), state: 'active', reason: null });
  await people.markGone('telegram', 'chat-1', 'blocked');
  expect((await people.get(hoa.id))?.addresses).toMatchObject([{ channel: 'telegram', state: 'gone', reason: 'blocked' }, { channel: 'web', state: 'active' }]);
  await people.touch(hoa.id, 'telegram', 'chat-1', at('2024-04-01'));
  await people.touch(hoa.id, 'telegram', 'chat-1', at('2024-03-20'));
  expect((await people.get(hoa.id))?.addresses[0]).toEqual({ channel: 'telegram', id: 'chat-1', lastAt: at('2024-04-01'), state: 'active', reason: null });
});

test('an address belongs to one person; adding it again to the same one changes nothing', async () => {
  const hoa = await create('1');
  const lan = await create('2');
  const address = { channel: 'web' as const, id: 'w1', lastAt: at('2024-03-02'), state: 'active' as const, reason: null };
  await people.addAddress(hoa.id, address);
  await people.addAddress(hoa.id, address);
  expect((await people.get(hoa.id))?.addresses).toHaveLength(2);
  await expect(people.addAddress(lan.id, address)).rejects.toMatchObject({ code: 'address-taken' });
});

test('a chat that moved keeps its person; where the new one is known already the old one only ends', async () => {
  const hoa = await create('1');
  const lan = await create('2');
  await people.moveAddress('telegram', 'chat-1', 'chat-9');
  expect((await people.byAddress('telegram', 'chat-9'))?.id).toBe(hoa.id);
  await people.moveAddress('telegram', 'chat-2', 'chat-9');
  expect((await people.byAddress('telegram', 'chat-9'))?.id).toBe(hoa.id);
  expect((await people.get(lan.id))?.addresses[0]?.state).toBe('gone');
});

test('a stream finds everybody of a role in subtrees, each once', async () => {
  await opened?.store.units.put([buildUnit('T'), buildUnit('H1', { parents: ['T'] }), buildUnit('H2', { parents: ['T'] }), buildUnit('C1', { parents: ['T', 'H1'] })]);
  const staff = await create('s', { role: 'staff', unit: 'T' });
  const both = await create('b', { roles: [{ role: 'chair', unit: 'H1', since: at('2024-03-01') }, { role: 'chair', unit: 'C1', since: at('2024-03-01') }] });
  const other = await create('o', { unit: 'H2' });
  const member = await create('m', { role: 'member', unit: 'C1' });
  expect(await collect(people.stream('chair', null))).toEqual([both.id, other.id].sort());
  expect(await collect(people.stream('chair', ['H1']))).toEqual([both.id]);
  expect(await collect(people.stream(null, ['H1', 'C1']))).toEqual([both.id, member.id].sort());
  expect(await collect(people.stream(null, null))).toEqual([staff.id, both.id, other.id, member.id].sort());
  expect(idsOf(await people.staff())).toEqual([staff.id]);
  expect(idsOf(await people.many([other.id, staff.id, 'unknown']))).toEqual([staff.id, other.id].sort());
});

test('language is kept, and a deleted person is gone with the address free again', async () => {
  const hoa = await create('1');
  await people.setLanguage(hoa.id, 'en');
  expect((await people.get(hoa.id))?.language).toBe('en');
  await people.remove(hoa.id);
  expect(await people.get(hoa.id)).toBeNull();
  expect((await create('1')).id).not.toBe(hoa.id);
});
