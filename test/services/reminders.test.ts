import { afterEach, describe, expect, test } from '@jest/globals';
import { assignmentId, extend, returnForCorrection, takeSubmission, withdraw, type Act } from '../../src/domain/assignment.ts';
import { addDays } from '../../src/domain/calendar.ts';
import { stageOffsets } from '../../src/domain/obligation.ts';
import { obligationOf, type Plan } from '../../src/domain/plan.ts';
import { pledgeId } from '../../src/domain/pledge.ts';
import { allStages, waveId } from '../../src/domain/reminder.ts';
import type { OutboxRow } from '../../src/domain/notice.ts';
import { tick } from '../../src/services/reminders.ts';
import { ensureWaveOf } from '../../src/services/waves.ts';
import { buildPerson, buildPlan, buildPledge, buildSubmission, calendar, dueOn } from '../support/builders.ts';
import { openHouse, type House, type HouseOptions } from '../support/house.ts';

const act = (house: House): Act => ({ by: 'test', at: house.now() });
const report = assignmentId('2024', 'bao-cao-6-thang', 'LDLD-PT', null);

/** Only the report of the units above the base by 6/5, so that nothing else speaks. */
const reportOnly: Plan = buildPlan({ obligations: buildPlan().obligations.filter(({ key }) => key === 'bao-cao-6-thang') });
const { deadline } = dueOn('2024-05-06');
const reportStages = allStages(stageOffsets(reportOnly.obligations[0] as Plan['obligations'][number]), { lastDay: '2024-05-06', deadline }, calendar);

let house: House;
afterEach(() => house.close());

async function open(options: HouseOptions = {}): Promise<House> {
  house = await openHouse({ plan: reportOnly, ...options });
  return house;
}

/** A chair paired on 1/3 with a telephone `chat-<id>`. */
async function addChair(id: string, unit: string, since?: Date): Promise<string> {
  const { id: _id, ...person } = buildPerson(id, { unit });
  return (await house.store.people.create(since ? { ...person, roles: person.roles.map((role) => ({ ...role, since })) } : person)).id;
}

async function rowsAbout(about: string): Promise<OutboxRow[]> {
  return (await house.store.outbox.evidence(about, { after: null, limit: 100 })).items;
}

async function offsetsOf(about: string): Promise<number[]> {
  return (await rowsAbout(about)).map((row) => ('offset' in row.notice ? row.notice.offset : Number.NaN));
}

/** The clock goes on minute by minute would take long: it looks at 07:59, at 08:00, once more, and late in the evening, on every day. */
async function live(from: string, days: number): Promise<void> {
  for (let index = 0; index < days; index += 1) {
    const day = addDays(from, index);
    for (const time of ['07:59', '08:00', '08:01', '19:00']) {
      house.goTo(`${day}T${time}`);
      await tick(house.core);
    }
  }
}

describe('reminders', () => {
  test('every stage is said once, on its morning at 08:00, however often it is looked', async () => {
    await open();
    await addChair('c', 'LDLD-PT');
    await live('2024-04-15', 40);
    const rows = await rowsAbout(report);
    const expected = reportStages.filter((stage) => stage.at < calendar.instantOf('2024-05-25'));
    expect(rows.map((row) => ({ offset: 'offset' in row.notice ? row.notice.offset : null, at: row.createdAt }))).toEqual(expected);
    expect(rows.every((row, index) => row.expiresAt?.getTime() === reportStages[index + 1]?.at.getTime())).toBe(true);
  });

  test('after days of downtime only the latest stage goes out, once, and then the next one on its day', async () => {
    await open({ at: '2024-04-20T09:00' });
    await addChair('c', 'LDLD-PT');
    house.goTo('2024-05-06T10:30');
    await tick(house.core);
    await tick(house.core);
    expect(await offsetsOf(report)).toEqual([0]);
    house.goTo('2024-05-07T08:00');
    await tick(house.core);
    await tick(house.core);
    expect(await offsetsOf(report)).toEqual([0, 1]);
  });

  test('eight weekly reminders follow the last stage, then only the digest speaks', async () => {
    await open();
    await addChair('c', 'LDLD-PT');
    for (let day = '2024-05-13'; day < '2024-08-30'; day = addDays(day, 1)) {
      house.goTo(`${day}T08:00`);
      await tick(house.core);
      await tick(house.core);
    }
    expect(await offsetsOf(report)).toEqual([7, 14, 21, 28, 35, 42, 49, 56, 63]);
    expect((await house.store.waves.get(waveId('2024', 'bao-cao-6-thang', 'deadline', dueOn('2024-05-06'))))?.nextAt).toBeNull();
  });

  test('only those who still owe are reminded: it stops with the submission and begins again with a withdrawal', async () => {
    await open();
    await addChair('c', 'LDLD-PT');
    const other = assignmentId('2024', 'bao-cao-6-thang', 'LDLD-HT', null);
    await addChair('d', 'LDLD-HT');
    house.goTo('2024-04-22T08:00');
    await tick(house.core);
    const { assignments } = house.store;
    const submission = buildSubmission({ id: report, plan: '2024', unit: 'LDLD-PT' });
    await assignments.change(report, (current) => takeSubmission(current, submission, act(house)));
    house.goTo('2024-05-03T08:00');
    await tick(house.core);
    await tick(house.core);
    expect([await offsetsOf(report), await offsetsOf(other)]).toEqual([[-14], [-14, -3]]);
    await assignments.change(report, (current) => withdraw(current, calendar, act(house)));
    house.goTo('2024-05-06T08:00');
    await tick(house.core);
    await tick(house.core);
    expect([await offsetsOf(report), await offsetsOf(other)]).toEqual([[-14, 0], [-14, -3, 0]]);
  });

  test('an extension has stages of its own; those of the first deadline fall silent', async () => {
    await open();
    await addChair('c', 'LDLD-PT');
    await live('2024-05-02', 2);
    const plan = reportOnly;
    const extended = await house.store.assignments.change(report, (current) => extend(current, '2024-05-17', 'storm', calendar, act(house)));
    await ensureWaveOf(house.core, plan, extended);
    await live('2024-05-04', 12);
    const rows = await rowsAbout(report);
    expect(rows.map((row) => [('offset' in row.notice ? row.notice.offset : null), calendar.dayOf(row.createdAt)])).toEqual([[-7, '2024-05-02'], [-3, '2024-05-03'], [-7, '2024-05-10'], [-3, '2024-05-14']]);
  });

  test('a correction is reminded of by its own day', async () => {
    await open();
    await addChair('c', 'LDLD-PT');
    const submission = buildSubmission({ id: report, plan: '2024', unit: 'LDLD-PT' });
    await house.store.assignments.change(report, (current) => takeSubmission(current, submission, act(house)));
    house.goTo('2024-04-10T09:00');
    const returned = await house.store.assignments.change(report, (current) => returnForCorrection(current, 'unsigned', '2024-04-12', calendar, act(house)));
    await ensureWaveOf(house.core, reportOnly, returned);
    await live('2024-04-10', 4);
    house.goTo('2024-04-15T12:00');
    await tick(house.core);
    // +1 and +3 fall on the same Monday: the later one is said.
    expect(await offsetsOf(report)).toEqual([-1, 0, 3]);
  });

  test('a chair paired later does not receive old stages', async () => {
    await open();
    await addChair('c', 'LDLD-PT');
    house.goTo('2024-04-29T15:00');
    await addChair('late', 'LDLD-PT', house.now());
    await tick(house.core);
    await tick(house.core);
    expect((await rowsAbout(report)).map((row) => row.key.split('/').at(-1))).toHaveLength(1);
    house.goTo('2024-05-03T08:00');
    await tick(house.core);
    expect(await rowsAbout(report)).toHaveLength(3);
  });

  test('a plan loaded late begins with the stage ahead', async () => {
    await open({ loadedAt: '2024-05-05T09:00', at: '2024-05-05T09:01' });
    await addChair('c', 'LDLD-PT', calendar.instantOf('2024-01-01'));
    await tick(house.core);
    await tick(house.core);
    expect(await offsetsOf(report)).toEqual([]);
    house.goTo('2024-05-06T08:00');
    await tick(house.core);
    expect(await offsetsOf(report)).toEqual([0]);
  });

  test('a unit that never paired gets nothing and holds nobody up; one we cannot reach shows as such', async () => {
    await open();
    const person = await addChair('c', 'LDLD-PT');
    await house.store.people.markGone('telegram', 'chat-c', 'blocked');
    house.goTo('2024-05-06T08:00');
    await tick(house.core);
    await tick(house.core);
    expect(await rowsAbout(report)).toMatchObject([{ state: 'dead', reason: 'no address', person }]);
    expect(await rowsAbout(assignmentId('2024', 'bao-cao-6-thang', 'LDLD-HT', null))).toEqual([]);
    expect((await house.store.waves.get(waveId('2024', 'bao-cao-6-thang', 'deadline', dueOn('2024-05-06'))))?.nextAt).toEqual(calendar.instantOf('2024-05-07', '08:00'));
  });

  test('in quiet hours a reminder waits for the morning', async () => {
    await open({ at: '2024-05-06T07:00' });
    await addChair('c', 'LDLD-PT');
    house.goTo('2024-05-06T21:15');
    await tick(house.core);
    await tick(house.core);
    expect((await rowsAbout(report)).map((row) => row.notBefore)).toEqual([calendar.instantOf('2024-05-07', '07:30')]);
  });

  test('a crash before the wave moved on is made up for without a second reminder', async () => {
    await open();
    await addChair('c', 'LDLD-PT');
    house.goTo('2024-05-06T08:00');
    const { waves } = house.store;
    const broken = { ...house.core, store: { ...house.store, waves: { ...waves, advance: () => Promise.reject(new Error('killed')) } } };
    await expect(tick(broken)).rejects.toThrow('killed');
    await tick(house.core);
    house.goTo('2024-05-06T18:00');
    await tick(house.core);
    expect(await offsetsOf(report)).toEqual([0]);
  });

  test('several processes looking at once say it once', async () => {
    await open();
    await addChair('c', 'LDLD-PT');
    house.goTo('2024-05-06T08:00');
    await Promise.all([tick(house.core), tick(house.core), tick(house.core)]);
    expect(await offsetsOf(report)).toEqual([0]);
  });

  test('a day to act on is reminded of three days before and on the day, never after', async () => {
    const days = buildPlan({ obligations: [{ ...(reportOnly.obligations[0] as Plan['obligations'][number]), key: 'guong-dien-hinh', due: { on: ['2024-05-19', '2024-07-28'] } }] });
    await open({ plan: days, at: '2024-05-10T08:00' });
    await addChair('c', 'LDLD-PT');
    const first = assignmentId('2024', 'guong-dien-hinh', 'LDLD-PT', '2024-05-19');
    const second = assignmentId('2024', 'guong-dien-hinh', 'LDLD-PT', '2024-07-28');
    await live('2024-05-15', 20);
    expect((await rowsAbout(first)).map((row) => calendar.dayOf(row.createdAt))).toEqual(['2024-05-16', '2024-05-19']);
    expect((await rowsAbout(first)).at(-1)?.expiresAt).toEqual(calendar.instantOf('2024-05-20'));
    house.goTo('2024-08-05T09:00');
    await tick(house.core);
    await tick(house.core);
    expect(await rowsAbout(second)).toEqual([]);
  });

  test('members who have not pledged are reminded, those who confirmed are not', async () => {
    const pledgeOnly = buildPlan({ obligations: buildPlan().obligations.filter(({ key }) => key === 'ban-dang-ky') });
    expect(obligationOf(pledgeOnly, 'ban-dang-ky')).toBeDefined();
    await open({ plan: pledgeOnly });
    const ids: string[] = [];
    for (const name of ['m1', 'm2']) {
      const { id: _id, ...person } = buildPerson(name, { role: 'member', unit: 'CS-01' });
      ids.push((await house.store.people.create(person)).id);
    }
    const [owes, done] = ids as [string, string];
    await house.store.pledges.insertMissing([buildPledge(owes, 'CS-01'), buildPledge(done, 'CS-01', { state: 'confirmed', wave: null })]);
    for (const day of ['2024-04-08', '2024-04-09', '2024-04-20']) {
      house.goTo(`${day}T08:00`);
      await tick(house.core);
      await tick(house.core);
    }
    expect(await offsetsOf(pledgeId('2024', owes))).toEqual([-1, 0, 7]);
    expect(await offsetsOf(pledgeId('2024', done))).toEqual([]);
  });

  test('with nothing due a look reads a handful of documents, whatever is open', async () => {
    await open({ at: '2024-04-08T07:00' });
    await tick(house.core);
    const report1 = await tick(house.core);
    expect(report1).toEqual({ waves: 0, reminders: 0, digests: 0, voided: 0 });
    house.goTo('2024-04-11T07:30');
    expect(await tick(house.core)).toEqual({ waves: 0, reminders: 0, digests: 0, voided: 0 });
  });
});

describe('closing days', () => {
  test('what a closed unit had open is void from its closing day on, what it handed in stays', async () => {
    await open();
    const unit = await house.store.units.get('LDLD-PT');
    const other = await house.store.units.get('LDLD-HT');
    if (!unit || !other) throw new Error('no units');
    const otherReport = assignmentId('2024', 'bao-cao-6-thang', 'LDLD-HT', null);
    await house.store.assignments.change(otherReport, (current) => takeSubmission(current, buildSubmission({ id: otherReport, plan: '2024', unit: 'LDLD-HT' }), act(house)));
    await tick(house.core);
    await house.store.units.put([{ ...unit, closed: '2024-04-10' }, { ...other, closed: '2024-04-10' }]);
    house.goTo('2024-04-09T23:59');
    expect((await tick(house.core)).voided).toBe(0);
    house.goTo('2024-04-12T00:01');
    expect((await tick(house.core)).voided).toBe(1);
    expect((await tick(house.core)).voided).toBe(0);
    expect((await house.store.assignments.get(report))?.state).toBe('void');
    expect((await house.store.assignments.get(otherReport))?.state).toBe('submitted');
  });
});

describe('digests', () => {
  async function digests(): Promise<string[]> {
    const rows = await house.store.outbox.peek('telegram', calendar.instantOf('2025-01-01'), { priorities: [3], limit: 100, except: { keys: [], people: [], chats: [] } });
    return rows.map((row) => `${row.notice.kind} ${'day' in row.notice ? row.notice.day : ''}`);
  }

  test('from the third day on the unit above learns of who is late, in one digest a working morning', async () => {
    await open({ at: '2024-05-07T07:00' });
    await addChair('root', 'LDLD-BT');
    await addChair('own', 'LDLD-PT');
    await live('2024-05-07', 7);
    house.goTo('2024-05-20T09:00');
    await tick(house.core);
    await tick(house.core);
    // The last valid day was Monday 6/5; the third day is Thursday; the weekend rests; the days without a look are not made up for.
    expect(await digests()).toEqual(['digest 2024-05-09', 'digest 2024-05-10', 'digest 2024-05-13', 'digest 2024-05-20']);
  });

  test('a unit hears nothing in its digest of what it owes itself', async () => {
    await open({ at: '2024-05-07T07:00' });
    await addChair('own', 'LDLD-PT');
    house.goTo('2024-05-13T08:00');
    await tick(house.core);
    await tick(house.core);
    expect(await digests()).toEqual([]);
  });

  test('every staff person gets one digest each working morning', async () => {
    await open({ at: '2024-04-12T07:00' });
    const { id: _id, ...person } = buildPerson('s', { role: 'staff', unit: 'LDLD-BT' });
    await house.store.people.create(person);
    await live('2024-04-12', 4);
    house.goTo('2024-04-17T21:00');
    await tick(house.core);
    expect(await digests()).toEqual(['staff-digest 2024-04-12', 'staff-digest 2024-04-15']);
  });
});
