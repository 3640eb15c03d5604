import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { takeSubmission } from '../../src/domain/assignment.ts';
import type { Unit, UnitRow } from '../../src/domain/unit.ts';
import { setClosing } from '../../src/services/closures.ts';
import { importUnits } from '../../src/services/units.ts';
import { at, buildPlan } from '../support/builders.ts';
import { Killed, killAt } from '../support/crash.ts';
import { openHouse, type House } from '../support/house.ts';

const houses: House[] = [];
afterEach(async () => {
  for (const house of houses.splice(0)) await house.close();
});
async function open(lines: string[] = [], plan = false): Promise<House> {
  const house = await openHouse({ units: [], plan: plan ? buildPlan() : null, at: '2024-04-08T08:00' });
  houses.push(house);
  if (lines.length > 0) expect((await importUnits(house.core, rows(lines), { dryRun: false })).errors).toEqual([]);
  return house;
}
/** 'CS-1 co-so H1 5': code, level, parent (– for none), members. */
function rows(lines: string[]): UnitRow[] {
  return lines.map((line, index) => {
    const [code = '', level = 'co-so', parent = '–', members = '0'] = line.split(' ');
    return { row: index + 2, code, name: `Đơn vị ${code}`, level, parent: parent === '–' ? null : parent, members: Number(members) };
  });
}
async function tree({ store }: House): Promise<string[]> {
  const units: Unit[] = [];
  for await (const unit of store.units.stream(null)) units.push(unit);
  return units.map((unit) => `${unit.path.join('/')} ${unit.level} ${unit.members}`).sort();
}
const small = ['T tinh', 'H1 cap-tren T', 'H2 cap-tren T', 'A co-so H1 5', 'B co-so H1 6', 'C co-so B 7'];
const told = async (house: House, lines: string[]): Promise<string[]> =>
  (await importUnits(house.core, rows(lines), { dryRun: false })).errors.map((error) => `${error.row} ${error.key.replace('unit-sheet.', '')}`);

describe('importing units', () => {
  test('creates the tree, whatever the order of the rows; again nothing changes', async () => {
    const house = await open();
    expect(await importUnits(house.core, rows(small.toReversed()), { dryRun: false })).toEqual({ created: 6, updated: 0, unchanged: 0, errors: [] });
    expect(await tree(house)).toEqual(['T tinh 0', 'T/H1 cap-tren 0', 'T/H1/A co-so 5', 'T/H1/B co-so 6', 'T/H1/B/C co-so 7', 'T/H2 cap-tren 0']);
    expect(await importUnits(house.core, rows(small), { dryRun: false })).toEqual({ created: 0, updated: 0, unchanged: 6, errors: [] });
    expect((await house.store.units.get('A'))?.opened).toBeNull();
  });

  test('a dry run says the same and writes nothing', async () => {
    const house = await open();
    expect(await importUnits(house.core, rows(small), { dryRun: true })).toMatchObject({ created: 6, errors: [] });
    expect(await tree(house)).toEqual([]);
  });

  test('a sheet of some units leaves the others as they are', async () => {
    const house = await open(small);
    expect(await importUnits(house.core, rows(['A co-so H1 50', 'D co-so H2 1', 'B co-so H1 6']), { dryRun: false })).toEqual({ created: 1, updated: 1, unchanged: 1, errors: [] });
    expect(await tree(house)).toEqual(['T tinh 0', 'T/H1 cap-tren 0', 'T/H1/A co-so 50', 'T/H1/B co-so 6', 'T/H1/B/C co-so 7', 'T/H2 cap-tren 0', 'T/H2/D co-so 1']);
  });

  test('a moved unit takes its subtree with it', async () => {
    const house = await open(small);
    expect(await importUnits(house.core, rows(['B co-so H2 6']), { dryRun: false })).toMatchObject({ updated: 1 });
    expect(await tree(house)).toEqual(['T tinh 0', 'T/H1 cap-tren 0', 'T/H1/A co-so 5', 'T/H2 cap-tren 0', 'T/H2/B co-so 6', 'T/H2/B/C co-so 7']);
  });

  test('several moves at once, under each other and under new units, also upside down', async () => {
    const house = await open(small);
    // C rises above B: what was child becomes parent.
    expect((await importUnits(house.core, rows(['C co-so H2 7', 'B co-so C 6', 'N cap-tren T', 'H1 cap-tren N', 'A co-so B 5']), { dryRun: false })).errors).toEqual([]);
    expect(await tree(house)).toEqual(['T tinh 0', 'T/H2 cap-tren 0', 'T/H2/C co-so 7', 'T/H2/C/B co-so 6', 'T/H2/C/B/A co-so 5', 'T/N cap-tren 0', 'T/N/H1 cap-tren 0']);
  });

  test('another root takes its place only by a sheet that puts the old one under it', async () => {
    const house = await open(small);
    expect(await told(house, ['R tinh'])).toEqual(['2 second-root']);
    expect(await told(house, ['R tinh', 'T tinh'])).toEqual(['3 second-root']);
    expect(await told(house, ['R tinh', 'T tinh R'])).toEqual([]);
    expect(await tree(house)).toEqual(['R tinh 0', 'R/T tinh 0', 'R/T/H1 cap-tren 0', 'R/T/H1/A co-so 5', 'R/T/H1/B co-so 6', 'R/T/H1/B/C co-so 7', 'R/T/H2 cap-tren 0']);
    expect((await house.store.units.root())?.code).toBe('R');
  });

  test('what is still owed moves with its unit, what was handed in stays where it was earned', async () => {
    const house = await open(small, true);
    const [report, study] = (await house.store.assignments.ofUnit('H2', null)).toSorted((a, b) => (a.obligation < b.obligation ? -1 : 1));
    await house.store.assignments.change(report?.id as string, (one) => takeSubmission(one, { version: 1, countedAt: at('2024-04-08'), receipt: 'r' }, { by: 'p', at: at('2024-04-08') }));
    await importUnits(house.core, rows(['N cap-tren T', 'H2 cap-tren N']), { dryRun: false });
    expect((await house.store.assignments.get(report?.id as string))?.path).toEqual(['T', 'H2']);
    expect((await house.store.assignments.get(study?.id as string))?.path).toEqual(['T', 'N', 'H2']);
  });
});

describe('a sheet with mistakes changes nothing', () => {
  test.each<[string, string[], string[]]>([
    ['a missing parent', ['T tinh', 'A co-so X'], ['3 parent-missing']],
    ['a code twice', ['T tinh', 'A co-so T', 'A co-so T'], ['4 code-twice']],
    ['an unknown level', ['T tinh', 'A huyen T'], ['3 unknown-level']],
    ['a unit under itself', ['T tinh', 'A co-so A'], ['3 parent-self']],
    ['a circle', ['T tinh', 'A co-so C', 'B co-so A', 'C co-so B', 'D co-so A'], ['3 cycle']],
    ['two circles', ['T tinh', 'A co-so B', 'B co-so A', 'C co-so D', 'D co-so C'], ['3 cycle', '5 cycle']],
    ['two roots', ['T tinh', 'U tinh'], ['3 second-root']],
    ['no root', ['A co-so B', 'B co-so A'], ['1 no-root', '2 cycle']],
    ['several at once, in the order of the rows', ['T tinh', 'A huyen X', 'B co-so B', 'T tinh'], ['3 unknown-level', '3 parent-missing', '4 parent-self', '5 code-twice']],
  ])('%s', async (_words, lines, expected) => {
    const house = await open();
    const result = await importUnits(house.core, rows(lines), { dryRun: false });
    expect(result.errors.map((error) => `${error.row} ${error.key.replace('unit-sheet.', '')}`)).toEqual(expected);
    expect([result.created, result.updated, result.unchanged, await tree(house)]).toEqual([0, 0, 0, []]);
    for (const error of result.errors) for (const language of ['vi', 'en'] as const) expect(house.text.say(language, error.key, error.params)).not.toMatch(/\{\{|undefined/);
  });

  test('a circle through stored units', async () => {
    const house = await open(small);
    const before = await tree(house);
    expect(await told(house, ['H1 cap-tren C'])).toEqual(['2 cycle']);
    expect(await told(house, ['T tinh C'])).toEqual(['2 cycle']);
    expect(await tree(house)).toEqual(before);
  });

  test('a closed unit takes nothing in and is not changed; its own row may stay in the sheet', async () => {
    const house = await open(small);
    const closed = (await house.store.units.get('B')) as Unit;
    await house.store.units.put([{ ...closed, closed: '2024-04-01' }]);
    expect(await told(house, small)).toEqual([]);
    expect(await told(house, ['B co-so H2 6'])).toEqual(['2 closed']);
    expect(await told(house, ['N co-so B'])).toEqual(['2 closed']);
  });
});

describe('killed between any two writes', () => {
  test('a first import is finished by the next one: no unit opens late, nothing it owes is missing', async () => {
    for (let nth = 1; ; nth += 1) {
      const house = await open([], true);
      const crash = killAt(house.store, nth);
      const died = await importUnits(house.core, rows(small), { dryRun: false }).then(() => false, (error: unknown) => error instanceof Killed);
      crash.revive();
      if (!died) {
        expect(nth).toBeGreaterThan(4);
        break;
      }
      house.goTo('2024-04-09T08:00');
      await importUnits(house.core, rows(small), { dryRun: false });
      expect(await tree(house)).toHaveLength(6);
      for (const code of ['A', 'B', 'C']) {
        expect((await house.store.units.get(code))?.opened).toBeNull();
        expect((await house.store.assignments.ofUnit(code, null)).map((one) => one.obligation)).toEqual(['hoc-tap']);
      }
    }
  });

  test('a move is finished by the next import', async () => {
    const wanted = ['T tinh 0', 'T/H1 cap-tren 0', 'T/H1/A co-so 5', 'T/H2 cap-tren 0', 'T/H2/N co-so 1', 'T/H2/N/B co-so 6', 'T/H2/N/B/C co-so 7'];
    for (let nth = 1; ; nth += 1) {
      const house = await open(small, true);
      const crash = killAt(house.store, nth);
      const died = await importUnits(house.core, rows(['N co-so H2 1', 'B co-so N 6']), { dryRun: false }).then(() => false, (error: unknown) => error instanceof Killed);
      crash.revive();
      if (!died) {
        expect(nth).toBeGreaterThan(4);
        break;
      }
      await importUnits(house.core, rows(['N co-so H2 1', 'B co-so N 6']), { dryRun: false });
      expect(await tree(house)).toEqual(wanted);
      for (const code of ['B', 'C']) for (const one of await house.store.assignments.ofUnit(code, null)) expect(one.path.join('/')).toBe(code === 'B' ? 'T/H2/N/B' : 'T/H2/N/B/C');
    }
  });
});

describe('a unit is closed', () => {
  let house: House;
  beforeEach(async () => {
    house = await openHouse({ plan: 'seed' });
    houses.push(house);
  });
  const statesOf = async (unit: string) => (await house.store.assignments.ofUnit(unit, null)).map((assignment) => assignment.state).sort();

  test('from today on: what it still owes is void, what it handed in stays, again nothing changes', async () => {
    const [first] = await house.store.assignments.ofUnit('CS-03', null);
    await house.store.assignments.change(first?.id ?? '', (stored) => takeSubmission(stored, { version: 1, countedAt: house.now(), receipt: 'BN-2024-000001' }, { by: 'x', at: house.now() }));
    const open = (await statesOf('CS-03')).filter((state) => state === 'open').length;
    expect(open).toBeGreaterThan(0);
    expect(await setClosing(house.core, 'CS-03', '2024-04-08')).toMatchObject({ unit: { closed: '2024-04-08' }, voided: open });
    expect(await statesOf('CS-03')).toEqual(['submitted', ...Array.from({ length: open }, () => 'void')]);
    expect(await setClosing(house.core, 'CS-03', '2024-04-08')).toMatchObject({ voided: 0 });
    expect(await statesOf('CS-04')).not.toContain('void');
  });

  test('from a later day on: nothing before it, void on its morning without anybody doing more', async () => {
    expect(await setClosing(house.core, 'CS-03', '2024-04-10')).toMatchObject({ voided: 0 });
    house.goTo('2024-04-09T23:59');
    await house.tick();
    expect(await statesOf('CS-03')).not.toContain('void');
    house.goTo('2024-04-10T00:00');
    await house.tick();
    expect(new Set(await statesOf('CS-03'))).toEqual(new Set(['void']));
  });

  test('never in the past, never above what is still open, never twice', async () => {
    await expect(setClosing(house.core, 'CS-03', '2024-04-07')).rejects.toMatchObject({ code: 'day-past' });
    await expect(setClosing(house.core, 'LDLD-HT', '2024-05-01')).rejects.toMatchObject({ code: 'unit-has-below' });
    await expect(setClosing(house.core, 'NOPE', '2024-05-01')).rejects.toMatchObject({ code: 'unit-unknown' });
    await setClosing(house.core, 'CS-03', '2024-04-08');
    house.goTo('2024-04-09T08:00');
    await expect(setClosing(house.core, 'CS-03', '2024-05-01')).rejects.toMatchObject({ code: 'unit-closed' });
    await setClosing(house.core, 'CS-04', '2024-05-01');
    expect(await setClosing(house.core, 'LDLD-HT', '2024-05-01')).toMatchObject({ unit: { code: 'LDLD-HT', closed: '2024-05-01' } });
  });
});
