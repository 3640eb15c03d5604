import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { returnForCorrection, takeSubmission, waive } from '../../src/domain/assignment.ts';
import { listOverdue, overdueGroups, overdueJson, streamOverdue, startingUnits, type OverdueRow } from '../../src/services/overdue.ts';
import { at, buildOutboxRow, buildPerson, calendar } from '../support/builders.ts';
import { openHouse, type House } from '../support/house.ts';

const chairOf = (...units: string[]) => ({ id: 'c', roles: units.map((unit) => ({ role: 'chair' as const, unit, since: at('2024-03-01') })) });
const staff = { id: 's', roles: [{ role: 'staff' as const, unit: 'LDLD-BT', since: at('2024-03-01') }] };
const everything = { plan: '2024', obligation: null };

async function collect(rows: AsyncIterable<OverdueRow>): Promise<OverdueRow[]> {
  const all: OverdueRow[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

describe('what is overdue', () => {
  let house: House;
  beforeAll(async () => {
    house = await openHouse({ at: '2024-05-20T09:00' });
  });
  afterAll(() => house.close());

  test('the operator\'s JSON has the public keys, in unit order', async () => {
    const rows = (await collect(streamOverdue(house.core, null, { ...everything, unit: null }))).map(overdueJson);
    expect(rows.map((row) => [row.unit, row.obligation])).toEqual([
      ['CS-01', 'hoc-tap'], ['CS-02', 'hoc-tap'], ['CS-03', 'hoc-tap'], ['CS-04', 'hoc-tap'], ['LDLD-HT', 'bao-cao-6-thang'], ['LDLD-HT', 'hoc-tap'], ['LDLD-PT', 'bao-cao-6-thang'], ['LDLD-PT', 'hoc-tap'],
    ]);
    expect(rows[5]).toEqual({ unit: 'LDLD-HT', unitName: 'Liên đoàn Lao động huyện Hàm Tân', obligation: 'hoc-tap', deadline: '2024-03-31T17:00:00.000Z', state: 'open', daysLate: 50, reach: 'never-paired', reminders: 0 });
  });

  test('a list turned page by page is the whole list, each row once', async () => {
    const whole = (await collect(streamOverdue(house.core, staff, { ...everything, unit: 'LDLD-BT' }))).map((row) => row.assignment.id);
    const paged: string[] = [];
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof listOverdue>> = await listOverdue(house.core, staff, { ...everything, unit: 'LDLD-BT' }, { after, limit: 3 });
      paged.push(...page.items.map((row) => row.assignment.id));
      after = page.next;
    } while (after !== null);
    expect(paged).toEqual(whole);
    expect(new Set(paged).size).toBe(8);
  });

  test('groups count what is below, and the unit\'s own apart', async () => {
    const found = await overdueGroups(house.core, staff, { ...everything, unit: 'LDLD-PT' }, { after: null, limit: 8 });
    expect(found).toMatchObject({ total: { count: 4, more: false }, own: 2, leaves: true });
    expect(found.groups.items.map((group) => [group.unit.code, group.count])).toEqual([['CS-01', 1], ['CS-02', 1]]);
  });

  test('a chair asks about the own subtree only', async () => {
    const { core } = house;
    for (const unit of ['LDLD-HT', 'LDLD-BT', 'CS-03']) {
      await expect(listOverdue(core, chairOf('LDLD-PT'), { ...everything, unit }, { after: null, limit: 5 })).rejects.toMatchObject({ code: 'not-allowed' });
      await expect(overdueGroups(core, chairOf('LDLD-PT'), { ...everything, unit }, { after: null, limit: 5 })).rejects.toMatchObject({ code: 'not-allowed' });
      await expect(collect(streamOverdue(core, chairOf('LDLD-PT'), { ...everything, unit }))).rejects.toMatchObject({ code: 'not-allowed' });
    }
    await expect(collect(streamOverdue(core, chairOf('LDLD-PT'), { ...everything, unit: null }))).rejects.toMatchObject({ code: 'not-allowed' });
    expect((await startingUnits(core, chairOf('LDLD-PT', 'CS-01', 'CS-03'))).map((unit) => unit.code)).toEqual(['CS-03', 'LDLD-PT']);
    await expect(startingUnits(core, { id: 'm', roles: [{ role: 'member', unit: 'CS-01', since: at('2024-03-01') }] })).rejects.toMatchObject({ code: 'not-allowed' });
  });

  test('a correction makes a unit overdue again only after its own day, and a waiver ends it', async () => {
    const { store, core } = house;
    const duty = (await store.assignments.ofUnit('LDLD-HT', '2024')).find((assignment) => assignment.obligation === 'bao-cao-6-thang');
    const act = { by: 'x', at: at('2024-05-02', '09:00') };
    await store.assignments.change(duty?.id ?? '', (stored) => returnForCorrection(takeSubmission(stored, { version: 1, countedAt: act.at, receipt: 'BN-2024-000001' }, act), 'x', '2024-05-18', calendar, act));
    const stateOf = async () => (await collect(streamOverdue(core, null, { plan: '2024', obligation: 'bao-cao-6-thang', unit: 'LDLD-HT' }))).map((row) => [row.assignment.state, row.daysLate]);
    expect(await stateOf()).toEqual([['returned', 2]]);
    house.goTo('2024-05-18T23:59');
    expect(await stateOf()).toEqual([]);
    house.goTo('2024-05-20T09:00');
    await store.assignments.change(duty?.id ?? '', (stored) => waive(stored, 'x', act));
    expect(await stateOf()).toEqual([]);
  });

  test('only reminders that were really sent are counted as reminders', async () => {
    const { store, core } = house;
    const duty = (await store.assignments.ofUnit('CS-02', '2024'))[0];
    const { id: _id, ...person } = buildPerson('c2', { unit: 'CS-02' });
    await store.people.create(person);
    const reminder = { kind: 'reminder' as const, assignment: duty?.id ?? '', wave: 'w', offset: 1 };
    await store.outbox.put([
      buildOutboxRow('r/1', { about: duty?.id ?? '', notice: reminder, state: 'sent', sentAt: at('2024-04-01', '08:00') }),
      buildOutboxRow('r/2', { about: duty?.id ?? '', notice: { ...reminder, offset: 3 }, state: 'dead', reason: 'gone' }),
      buildOutboxRow('r/3', { about: duty?.id ?? '', notice: { kind: 'receipt', submission: 's' }, state: 'sent', sentAt: at('2024-04-02', '08:00') }),
    ]);
    const [row] = await collect(streamOverdue(core, null, { plan: '2024', obligation: null, unit: 'CS-02' }));
    expect(row).toMatchObject({ reminders: 1, reach: 'reachable' });
  });
});
