import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { shortRef } from '../../src/domain/choice.ts';
import type { Unit } from '../../src/domain/unit.ts';
import type { UnitStore } from '../../src/ports.ts';
import { gramToLookBy } from '../../src/store/units.ts';
import { buildUnit } from '../support/builders.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

let opened: TestStore;
let units: UnitStore;

const tree = [
  buildUnit('T', { name: 'Liên đoàn Lao động tỉnh Bình Thuận', members: 0 }),
  buildUnit('H1', { parents: ['T'], name: 'LĐLĐ huyện Phú Quý' }),
  buildUnit('H2', { parents: ['T'], name: 'LĐLĐ thành phố Phan Thiết', closed: '2024-06-01' }),
  buildUnit('C-01', { parents: ['T', 'H1'], name: 'CĐCS Trường THCS Tam Thanh', members: 21 }),
  buildUnit('C-02', { parents: ['T', 'H1'], name: 'CĐCS Trường Mầm non Phú Quý', members: 12, opened: '2024-04-01' }),
  buildUnit('C-03', { parents: ['T', 'H2'], name: 'CĐCS Bệnh viện Phan Thiết', members: 30, closed: '2024-05-01' }),
  buildUnit('c-03', { parents: ['T', 'H2'], name: 'CĐCS Cảng cá', members: 5 }),
];

beforeAll(async () => {
  opened = await openTestStore();
  units = opened.store.units;
  await units.put(tree);
});
afterAll(() => opened.close());

async function find(fragment: string, roots: string[] | null = null): Promise<string[]> {
  const codes: string[] = [];
  for (let after: string | null = null; ; ) {
    const page = await units.search(fragment, roots, { after, limit: 1 });
    codes.push(...page.items.map((unit) => unit.code));
    if (page.next === null) return codes;
    after = page.next;
  }
}

async function collect(stream: AsyncIterable<Unit>): Promise<string[]> {
  const codes: string[] = [];
  for await (const unit of stream) codes.push(unit.code);
  return codes;
}

test('what is stored comes back as the same plain unit, by code (case matters) and by its short reference', async () => {
  expect(await units.get('C-03')).toEqual(tree[5]);
  expect(await units.get('c-03')).toEqual(tree[6]);
  expect(await units.byRef(shortRef('H1'))).toEqual(tree[1]);
  expect(await units.byRef('unknown')).toBeNull();
  expect(await units.root()).toEqual(tree[0]);
  expect((await units.many(['H2', 'H1', 'H1', 'none'])).map((unit) => unit.code)).toEqual(['H1', 'H2']);
});

test('putting a unit again replaces it and leaves one', async () => {
  const renamed = buildUnit('X-1', { parents: ['T'], name: 'Cũ' });
  await units.put([renamed]);
  await units.put([{ ...renamed, name: 'Công đoàn Viên chức', path: ['X-1'], parent: 'H1' }]);
  expect(await find('vien chuc')).toEqual(['X-1']);
  expect(await find('cu')).toEqual([]);
  await units.put([{ ...renamed, parent: 'gone', path: ['gone', 'X-1'], name: 'Zz' }]);
});

test.each([
  ['phu quy', ['C-02', 'H1']],
  ['PHÚ QUÝ', ['C-02', 'H1']],
  ['u qu', ['C-02', 'H1']],
  ['quy', ['C-02', 'H1']],
  ['trường', ['C-01', 'C-02']],
  ['thanh', ['C-01', 'H2']],
  ['am non phu', ['C-02']],
  ['c 03', ['C-03', 'c-03']],
  ['C-03', ['C-03', 'c-03']],
  ['é', ['C-03', 'H2', 'T']],
  ['quy phu', []],
  ['non cdcs', []],
  ['... ', []],
])('a fragment without diacritics finds every unit that holds it, in code order: %s', async (fragment, codes) => {
  if (fragment === 'é') expect((await find(fragment)).filter((code) => codes.includes(code))).toEqual(codes);
  else expect(await find(fragment)).toEqual(codes);
});

test('a search keeps to the subtrees it is given', async () => {
  expect(await find('phu quy', ['C-02'])).toEqual(['C-02']);
  expect(await find('cdcs', ['H2'])).toEqual(['C-03', 'c-03']);
  expect(await find('cdcs', [])).toEqual([]);
});

test('a search goes by a word that tells units apart', () => {
  expect(gramToLookBy('truong mam non')).toBe('mam');
  expect(gramToLookBy('cong doan')).toBe('cong');
  expect(gramToLookBy('cdcs benhvien')).toBe('benhv');
});

test('children and subtrees come in code order, page by page', async () => {
  const first = await units.children('T', { after: null, limit: 1 });
  expect(first.items.map((unit) => unit.code)).toEqual(['H1']);
  expect((await units.children('T', { after: first.next, limit: 5 })).items.map((unit) => unit.code)).toEqual(['H2']);
  expect(await collect(units.stream('H2'))).toEqual(['C-03', 'H2', 'c-03']);
  expect(await collect(units.stream(null))).toEqual(['C-01', 'C-02', 'C-03', 'H1', 'H2', 'T', 'X-1', 'c-03']);
});

test('members are summed by level over the units open on that day', async () => {
  expect(await units.membersByLevel('2024-03-31', null)).toEqual([{ level: 'cap-tren', members: 20 }, { level: 'co-so', members: 56 }, { level: 'tinh', members: 0 }]);
  expect(await units.membersByLevel('2024-05-01', 'H1')).toEqual([{ level: 'cap-tren', members: 10 }, { level: 'co-so', members: 33 }]);
  expect(await units.membersByLevel('2024-06-01', 'H2')).toEqual([{ level: 'co-so', members: 5 }]);
});

test('units that close in a span of days are found, the first day not counted, the last one counted', async () => {
  expect(await collect(units.closing(null, '2024-05-01'))).toEqual(['C-03']);
  expect(await collect(units.closing('2024-05-01', '2024-06-01'))).toEqual(['H2']);
  expect(await collect(units.closing('2024-06-01', '2024-12-31'))).toEqual([]);
});
