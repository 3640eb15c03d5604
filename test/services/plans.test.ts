import { afterEach, describe, expect, test } from '@jest/globals';
import { takeSubmission, type Assignment } from '../../src/domain/assignment.ts';
import type { Plan } from '../../src/domain/plan.ts';
import { loadPlan } from '../../src/services/plans.ts';
import { importUnits } from '../../src/services/units.ts';
import { at, buildPerson, buildPlan } from '../support/builders.ts';
import { Killed, killAt } from '../support/crash.ts';
import { houseUnits, openHouse, type House } from '../support/house.ts';

const houses: House[] = [];
afterEach(async () => {
  for (const house of houses.splice(0)) await house.close();
});
async function open(plan: Plan | null = null, day = '2024-03-01T08:00'): Promise<House> {
  const house = await openHouse({ plan, at: day, loadedAt: day });
  houses.push(house);
  return house;
}
async function all({ store }: House, plan = '2024'): Promise<Assignment[]> {
  const found: Assignment[] = [];
  for await (const assignment of store.assignments.stream(plan, null)) found.push(assignment);
  return found.toSorted((a, b) => (`${a.unit}/${a.obligation}` < `${b.unit}/${b.obligation}` ? -1 : 1));
}
const show = (assignments: Assignment[]): string[] => assignments.map((one) => `${one.unit} ${one.obligation} ${one.due?.lastDay ?? '–'}`);
const amended = (change: (obligations: Plan['obligations']) => Plan['obligations']): Plan => ({ ...buildPlan(), obligations: change(buildPlan().obligations) });
const dated = (by: string): Plan => amended(([first, ...rest]) => [{ ...(first as Plan['obligations'][number]), due: { by } }, ...rest]);

describe('loading a plan', () => {
  test('gives every open unit of the levels asked its assignments, each with its wave', async () => {
    const house = await open();
    expect(await loadPlan(house.core, buildPlan())).toEqual({ created: 8, amended: 0, pledges: 0, mistakes: [] });
    const made = await all(house);
    expect(show(made)).toEqual([
      'CS-01 hoc-tap 2024-03-31', 'CS-02 hoc-tap 2024-03-31', 'CS-03 hoc-tap 2024-03-31', 'CS-04 hoc-tap 2024-03-31',
      'LDLD-HT bao-cao-6-thang 2024-05-06', 'LDLD-HT hoc-tap 2024-03-31', 'LDLD-PT bao-cao-6-thang 2024-05-06', 'LDLD-PT hoc-tap 2024-03-31',
    ]);
    for (const one of made) expect((await house.store.waves.get(one.wave as string))?.nextAt?.getTime()).toBeGreaterThan(house.now().getTime());
  });

  test('again changes nothing', async () => {
    const house = await open(buildPlan());
    const before = await all(house);
    expect(await loadPlan(house.core, buildPlan())).toEqual({ created: 0, amended: 0, pledges: 0, mistakes: [] });
    expect(await all(house)).toEqual(before);
  });

  test('gives every member a pledge, once, in the unit they are a member of', async () => {
    const house = await open();
    const { id: _id, ...member } = buildPerson('m', { role: 'member', unit: 'CS-01' });
    const created = await house.store.people.create(member);
    expect((await loadPlan(house.core, buildPlan())).pledges).toBe(1);
    expect((await loadPlan(house.core, buildPlan())).pledges).toBe(0);
    const pledge = await house.store.pledges.get(`2024/${created.id}`);
    expect(pledge).toMatchObject({ unit: 'CS-01', state: 'open', deadline: at('2024-04-10'), path: ['LDLD-BT', 'LDLD-PT', 'CS-01'] });
    expect(await house.store.waves.get(pledge?.wave as string)).not.toBeNull();
  });

  test('after some of its dates it makes those too, marked', async () => {
    const house = await open(null, '2024-04-08T08:00');
    await loadPlan(house.core, buildPlan());
    expect((await all(house)).map((one) => one.loadedLate)).toEqual([true, true, true, true, false, true, false, true]);
  });
});

describe('amending a plan', () => {
  test('an earlier date applies to what is open, what was sent keeps the better verdict', async () => {
    const house = await open(buildPlan());
    const sent = (await all(house)).find((one) => one.unit === 'LDLD-PT' && one.obligation === 'bao-cao-6-thang') as Assignment;
    await house.store.assignments.change(sent.id, (one) => takeSubmission(one, { version: 1, countedAt: at('2024-05-02'), sentAt: at('2024-05-02'), receipt: 'r' }, { by: 'p', at: at('2024-05-02') }));
    expect(await loadPlan(house.core, dated('2024-04-26'))).toMatchObject({ created: 0, amended: 2 });
    const [owed, submitted] = (await all(house)).filter((one) => one.obligation === 'bao-cao-6-thang');
    expect([owed?.due?.lastDay, submitted?.due?.lastDay, submitted?.verdict]).toEqual(['2024-04-26', '2024-05-06', 'on-time']);
    expect((await house.store.waves.get(owed?.wave as string))?.nextAt?.getTime()).toBeGreaterThan(house.now().getTime());
  });

  test('there and back again is applied each time', async () => {
    const house = await open(buildPlan());
    await loadPlan(house.core, dated('2024-04-26'));
    expect((await loadPlan(house.core, buildPlan())).amended).toBe(2);
    expect(show(await all(house)).filter((line) => line.includes('bao-cao'))).toEqual(['LDLD-HT bao-cao-6-thang 2024-05-06', 'LDLD-PT bao-cao-6-thang 2024-05-06']);
  });

  test('other stages change the wave of the same date', async () => {
    const house = await open(buildPlan());
    const [one] = (await all(house)).filter((found) => found.obligation === 'bao-cao-6-thang');
    await loadPlan(house.core, amended(([first, ...rest]) => [{ ...(first as Plan['obligations'][number]), stages: [-2, 0] }, ...rest]));
    expect(await house.store.waves.get(one?.wave as string)).toMatchObject({ offsets: [-2, 0], nextAt: at('2024-05-04', '08:00') });
  });

  test('one more level gets its assignments', async () => {
    const house = await open(buildPlan());
    const more = amended(([first, ...rest]) => [{ ...(first as Plan['obligations'][number]), audience: { levels: ['cap-tren', 'co-so'] } }, ...rest]);
    expect((await loadPlan(house.core, more)).created).toBe(4);
  });

  test.each<[string, Plan, string]>([
    ['disappeared', amended((obligations) => obligations.slice(1)), 'plan-file.obligation-gone'],
    ['asks another thing', amended(([first, ...rest]) => [{ ...(first as Plan['obligations'][number]), deliverable: 'text' }, ...rest]), 'plan-file.obligation-changed'],
    ['lost a level', amended(([first, second, ...rest]) => [first as Plan['obligations'][number], { ...(second as Plan['obligations'][number]), audience: { levels: ['co-so'] } }, ...rest]), 'plan-file.obligation-changed'],
  ])('an obligation that %s is a mistake, and nothing changes', async (_words, plan, key) => {
    const house = await open(buildPlan());
    const before = [await all(house), await house.store.plans.get('2024')];
    const loaded = await loadPlan(house.core, plan);
    expect(loaded).toMatchObject({ created: 0, amended: 0, mistakes: [{ key }] });
    for (const mistake of loaded.mistakes) for (const language of ['vi', 'en'] as const) expect(house.text.say(language, mistake.key, mistake.params)).not.toMatch(/\{\{|undefined/);
    expect([await all(house), await house.store.plans.get('2024')]).toEqual(before);
  });
});

describe('killed between any two writes', () => {
  test('a first load is finished by the next one', async () => {
    const clean = await open();
    await loadPlan(clean.core, buildPlan());
    const wanted = show(await all(clean));
    for (let nth = 1; ; nth += 1) {
      const house = await open();
      const crash = killAt(house.store, nth);
      const died = await loadPlan(house.core, buildPlan()).then(() => false, (error: unknown) => error instanceof Killed);
      crash.revive();
      if (!died) {
        expect(nth).toBeGreaterThan(5);
        break;
      }
      for (const one of await all(house)) expect(await house.store.waves.get(one.wave as string)).not.toBeNull();
      await loadPlan(house.core, buildPlan());
      expect(show(await all(house))).toEqual(wanted);
    }
  });

  test('an amendment is finished by the next load, or undone by loading the old plan', async () => {
    for (let nth = 1; ; nth += 1) {
      const house = await open(buildPlan());
      const crash = killAt(house.store, nth);
      const died = await loadPlan(house.core, dated('2024-04-26')).then(() => false, (error: unknown) => error instanceof Killed);
      crash.revive();
      if (!died) {
        expect(nth).toBeGreaterThan(4);
        break;
      }
      const again = nth % 2 === 0 ? dated('2024-04-26') : buildPlan();
      await loadPlan(house.core, again);
      const due = nth % 2 === 0 ? '2024-04-26' : '2024-05-06';
      expect(show(await all(house)).filter((line) => line.includes('bao-cao'))).toEqual([`LDLD-HT bao-cao-6-thang ${due}`, `LDLD-PT bao-cao-6-thang ${due}`]);
    }
  });
});

describe('a unit that opens while the plan runs', () => {
  test('gets what is still ahead on its opening day', async () => {
    const house = await open(buildPlan());
    const sheet = houseUnits.map((unit, index) => ({ row: index + 2, code: unit.code, name: unit.name, level: unit.level, parent: unit.parent, members: unit.members }));
    await importUnits(house.core, sheet, { dryRun: false });
    house.goTo('2024-04-08T09:00');
    await importUnits(house.core, [{ row: 2, code: 'MOI', name: 'Công đoàn mới', level: 'cap-tren', parent: 'LDLD-BT', members: 3 }], { dryRun: false });
    expect((await house.store.units.get('MOI'))?.opened).toBe('2024-04-08');
    expect(show((await all(house)).filter((one) => one.unit === 'MOI'))).toEqual(['MOI bao-cao-6-thang 2024-05-06']);
  });
});
