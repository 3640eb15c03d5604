import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { takeSubmission, type Assignment } from '../../src/domain/assignment.ts';
import type { Core } from '../../src/ports.ts';
import { acceptSubmission, grantExtension, listReviews, restoreAssignment, returnSubmission, waiveAssignment } from '../../src/services/reviews.ts';
import { at, buildPerson, buildSubmission } from '../support/builders.ts';
import { openHouse, type House } from '../support/house.ts';

const staff = { id: 's', roles: [{ role: 'staff' as const, unit: 'LDLD-BT', since: at('2024-03-01') }] };
const asked = at('2024-05-08', '09:30');

describe('a decision', () => {
  let house: House;
  let id: string;
  beforeEach(async () => {
    house = await openHouse({ at: '2024-05-08T09:30' });
    const { id: _id, ...chair } = buildPerson('c', { unit: 'LDLD-PT' });
    await house.store.people.create(chair);
    const duty = (await house.store.assignments.ofUnit('LDLD-PT', '2024')).find((assignment) => assignment.obligation === 'bao-cao-6-thang');
    id = duty?.id ?? '';
    await handIn('2024-05-07');
  });
  afterEach(() => house.close());

  const stored = async (): Promise<Assignment> => (await house.store.assignments.get(id)) as Assignment;
  const told = async () => (await house.store.outbox.evidence(id, { after: null, limit: 50 })).items.map((row) => row.notice.kind === 'decision' && row.notice.did);

  async function handIn(day: string): Promise<void> {
    await house.store.assignments.change(id, (assignment) => takeSubmission(assignment, { version: 1, countedAt: at(day), sentAt: at(day), receipt: 'BN-2024-000001', awaitsReview: true }, { by: 'c', at: at(day) }));
  }

  /** The same core, killed at the named step; the step before it is done. */
  function killedAt(step: 'change' | 'put'): Core {
    const { core } = house;
    const die = () => Promise.reject(new Error('killed'));
    const { store } = core;
    return { ...core, store: { ...store, ...(step === 'change' ? { assignments: { ...store.assignments, change: die } } : { outbox: { ...store.outbox, put: die } }) } };
  }

  test.each([
    ['accepted', (core: Core) => acceptSubmission(core, staff, id, asked)],
    ['returned', (core: Core) => returnSubmission(core, staff, id, 'Thiếu số liệu', null, asked)],
    ['waived', (core: Core) => waiveAssignment(core, staff, id, 'Sáp nhập', asked)],
    ['extended', (core: Core) => grantExtension(core, staff, id, '2024-05-10', 'Có lý do', asked)],
  ] as const)('%s: killed at any step and asked again it is taken once and told once', async (did, decide) => {
    for (const step of ['change', 'put'] as const) await expect(decide(killedAt(step))).rejects.toThrow('killed');
    await decide(house.core);
    await decide(house.core);
    expect((await stored()).trail.filter((entry) => entry.did === did)).toHaveLength(1);
    expect(await told()).toEqual([did]);
  });

  test('the wave of a return exists before the return does: nobody owes a correction without being reminded', async () => {
    await expect(returnSubmission(killedAt('change'), staff, id, 'Thiếu', '2024-05-15', asked)).rejects.toThrow('killed');
    expect((await stored()).state).toBe('submitted');
    await returnSubmission(house.core, staff, id, 'Thiếu', '2024-05-15', asked);
    const wave = await house.store.waves.get((await stored()).wave ?? '');
    expect(wave).toMatchObject({ kind: 'correction', lastDay: '2024-05-15', nextAt: at('2024-05-14', '08:00') });
  });

  test('an extension after a late sending makes it on time (extended), the receipt keeps its number', async () => {
    expect((await stored()).verdict).toBe('late');
    const extended = await grantExtension(house.core, staff, id, '2024-05-10', 'Có lý do', asked);
    expect(extended).toMatchObject({ verdict: 'on-time', extended: true, receipt: 'BN-2024-000001' });
    await expect(grantExtension(house.core, staff, id, '2024-05-09', 'Sớm hơn', at('2024-05-08', '10:00'))).rejects.toMatchObject({ code: 'extension-not-later' });
  });

  test('a waiver taken back restores what was before, and what was sent meanwhile counts with its own stamp', async () => {
    const duty = (await house.store.assignments.ofUnit('LDLD-HT', '2024')).find((assignment) => assignment.obligation === 'bao-cao-6-thang') as Assignment;
    await waiveAssignment(house.core, staff, duty.id, 'Sáp nhập', at('2024-05-02', '09:00'));
    await house.store.submissions.insert(buildSubmission(duty, { sentAt: at('2024-05-05', '09:00'), voluntary: true, receipt: 'BN-2024-000007' }));
    const restored = await restoreAssignment(house.core, staff, duty.id, asked);
    expect(restored).toMatchObject({ state: 'submitted', verdict: 'on-time', receipt: 'BN-2024-000007', waiver: null });
  });

  test('the queue holds only what waits for a look, oldest first, and is for the office alone', async () => {
    const study = (await house.store.assignments.ofUnit('CS-01', '2024'))[0] as Assignment;
    await house.store.assignments.change(study.id, (assignment) => takeSubmission(assignment, { version: 1, countedAt: at('2024-03-20'), receipt: 'BN-2024-000002', awaitsReview: false }, { by: 'c', at: at('2024-03-20') }));
    expect((await listReviews(house.core, staff, '2024', { after: null, limit: 5 })).items.map((entry) => entry.assignment.id)).toEqual([id]);
    const chair = { id: 'c', roles: [{ role: 'chair' as const, unit: 'LDLD-BT', since: at('2024-03-01') }] };
    await expect(listReviews(house.core, chair, '2024', { after: null, limit: 5 })).rejects.toMatchObject({ code: 'not-allowed' });
    await expect(acceptSubmission(house.core, chair, id, asked)).rejects.toMatchObject({ code: 'not-allowed' });
  });
});
