import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { accept, openAssignment, returnForCorrection, takeSubmission, voidWithUnit, waive, withdraw, extend, type Assignment } from '../../src/domain/assignment.ts';
import { dueOf } from '../../src/domain/deadline.ts';
import type { AssignmentCount } from '../../src/ports.ts';
import { assignmentFigures, planFigures, pledgeFigures, sumFigures, type Figures } from '../../src/services/stats.ts';
import { at, buildPlan, buildPledge, buildUnit, calendar } from '../support/builders.ts';
import { openHouse, type House } from '../support/house.ts';

function expectIdentity(figures: Figures): void {
  expect(figures.expected).toBe(figures.onTime + figures.late + figures.missing + figures.pending + figures.waived);
  expect(figures.received).toBe(figures.onTime + figures.late);
  expect(figures.accepted + figures.returned).toBeLessThanOrEqual(figures.received);
  for (const value of Object.values(sumFigures([figures]))) expect(value).toBeGreaterThanOrEqual(0);
}

const steps = ['submit', 'accept', 'return', 'withdraw', 'waive', 'void', 'extend'] as const;
type Step = (typeof steps)[number];

/** Plays a life of an assignment; what the domain refuses does not happen. */
function play(unit: string, level: string, life: readonly { step: Step; day: number }[]): Assignment {
  const due = dueOf({ by: '2024-05-06' }, calendar);
  let assignment = openAssignment({ plan: '2024', obligation: 'bao-cao-6-thang', unit, level, path: ['T', unit], day: null, due }, { by: 'system', at: at('2024-03-01') });
  for (const [index, { step, day }] of life.entries()) {
    const act = { by: 'x', at: at(`2024-05-${String(day).padStart(2, '0')}`, '09:00') };
    try {
      if (step === 'submit') assignment = takeSubmission(assignment, { version: index + 1, countedAt: act.at, sentAt: act.at, receipt: `BN-2024-00000${index}` }, act);
      if (step === 'accept') assignment = accept(assignment, act);
      if (step === 'return') assignment = returnForCorrection(assignment, 'x', null, calendar, act);
      if (step === 'withdraw') assignment = withdraw(assignment, calendar, act);
      if (step === 'waive') assignment = waive(assignment, 'x', act);
      if (step === 'void') assignment = voidWithUnit(assignment, '2024-05-01', act);
      if (step === 'extend') assignment = extend(assignment, `2024-05-${String(Math.min(31, day + 3)).padStart(2, '0')}`, 'x', calendar, act);
    } catch {
      // A step that is not allowed in this state.
    }
  }
  return assignment;
}

function count(assignments: readonly Assignment[]): AssignmentCount[] {
  return assignments.map((assignment) => ({ obligation: assignment.obligation, level: assignment.level, state: assignment.state, verdict: assignment.verdict, deadline: assignment.due?.deadline ?? null, count: 1 }));
}

describe('figures', () => {
  test('expected = on time + late + missing + pending + waived, whatever happened, at every level and every moment', () => {
    const life = fc.array(fc.record({ step: fc.constantFrom(...steps), day: fc.integer({ min: 1, max: 28 }) }), { maxLength: 7 });
    const unit = fc.record({ level: fc.constantFrom('cap-tren', 'co-so'), life });
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 12 }), fc.integer({ min: 1, max: 31 }), (units, day) => {
        const assignments = units.map(({ level, life: lived }, index) => play(`U${index}`, level, lived));
        const rows = assignmentFigures(count(assignments), at(`2024-05-${String(day).padStart(2, '0')}`));
        for (const row of rows) expectIdentity(row);
        expectIdentity(sumFigures(rows));
        expect(sumFigures(rows).expected).toBe(assignments.filter((assignment) => assignment.state !== 'void').length);
      }),
    );
  });

  test('pledges never exceed what is expected, however many people a unit has beyond its number', () => {
    const states = fc.constantFrom('open' as const, 'draft' as const, 'confirmed' as const);
    const counted = fc.record({ level: fc.constantFrom('cap-tren', 'co-so'), state: states, late: fc.boolean(), paper: fc.boolean(), count: fc.nat(500) });
    const members = fc.uniqueArray(fc.record({ level: fc.constantFrom('tinh', 'cap-tren', 'co-so'), members: fc.nat(800) }), { selector: (row) => row.level });
    fc.assert(
      fc.property(fc.array(counted, { maxLength: 10 }), members, fc.boolean(), (counts, people, passed) => {
        const rows = pledgeFigures({ calendar }, buildPlan(), counts.map(({ late, ...row }) => ({ ...row, verdict: row.state === 'confirmed' ? (late ? 'late' : 'on-time') : null })), people, at(passed ? '2024-04-10' : '2024-04-09'));
        for (const row of rows) {
          expectIdentity(row);
          expect(row.received).toBeLessThanOrEqual(row.expected);
          expect(passed ? row.pending : row.missing).toBe(0);
          expect(row.expected).toBeGreaterThanOrEqual(people.find((level) => level.level === row.level)?.members ?? 0);
        }
      }),
    );
  });

  describe('of a stored tree', () => {
    let house: House;
    beforeAll(async () => {
      house = await openHouse({ at: '2024-04-15T09:00' });
    });
    afterAll(() => house.close());

    test('of a subtree are those of its own units, and the subtrees add up to the whole', async () => {
      const { core, store } = house;
      for (const [unit, change] of [['CS-01', 'submit'], ['CS-03', 'waive']] as const) {
        const [duty] = await store.assignments.ofUnit(unit, '2024');
        await store.assignments.change(duty?.id ?? '', (stored) => (change === 'waive' ? waive(stored, 'x', { by: 'x', at: core.clock() }) : takeSubmission(stored, { version: 1, countedAt: at('2024-03-20'), receipt: 'BN-2024-000001' }, { by: 'x', at: core.clock() })));
      }
      await store.pledges.insertMissing([buildPledge('p1', 'CS-01', { parents: ['LDLD-BT', 'LDLD-PT'], state: 'confirmed', verdict: 'on-time', countedAt: at('2024-04-01'), confirmedAt: at('2024-04-01') })]);
      const whole = await planFigures(core, null);
      const parts = await Promise.all(['LDLD-PT', 'LDLD-HT'].map((unit) => planFigures(core, null, '2024', unit)));
      expect(sumFigures(parts.flat())).toEqual(sumFigures(whole));
      for (const row of whole) expectIdentity(row);
      expect(whole.find((row) => row.obligation === 'hoc-tap' && row.level === 'co-so')).toMatchObject({ expected: 4, received: 1, onTime: 1, late: 0, missing: 2, pending: 0, waived: 1 });
      expect(whole.find((row) => row.obligation === 'ban-dang-ky' && row.level === 'co-so')).toMatchObject({ expected: 460, received: 1, onTime: 1, missing: 459 });
      expect(whole.map((row) => row.obligation)).toEqual(['bao-cao-6-thang', 'hoc-tap', 'hoc-tap', 'ban-dang-ky', 'ban-dang-ky']);
    });

    test('a unit that is closed is expected no more, and no rate exceeds 100 %', async () => {
      await house.store.units.put([buildUnit('CS-04', { parents: ['LDLD-BT', 'LDLD-HT'], members: 20, closed: '2024-04-01' })]);
      const [row] = (await planFigures(house.core, null)).filter((figures) => figures.obligation === 'ban-dang-ky' && figures.level === 'co-so');
      expect(row?.expected).toBe(440);
    });

    test('are refused to whoever may not read the unit', async () => {
      const chair = { id: 'c', roles: [{ role: 'chair' as const, unit: 'LDLD-PT', since: at('2024-03-01') }] };
      await expect(planFigures(house.core, chair, '2024', 'LDLD-HT')).rejects.toMatchObject({ code: 'not-allowed' });
      await expect(planFigures(house.core, chair, '2024', null)).rejects.toMatchObject({ code: 'not-allowed' });
      await expect(planFigures(house.core, chair, '2024', 'NO-SUCH')).rejects.toMatchObject({ code: 'unit-unknown' });
      expect((await planFigures(house.core, chair, '2024', 'CS-01')).length).toBeGreaterThan(0);
    });
  });
});
