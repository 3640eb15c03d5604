import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { accept, askExtension, extend, isOverdue, refuseExtension, returnForCorrection, takeSubmission, waive, withdraw, type Assignment } from '../../src/domain/assignment.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import type { AssignmentStore, Page, PageRequest } from '../../src/ports.ts';
import { at, buildAssignment, calendar, dueOn } from '../support/builders.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

let opened: TestStore;
let assignments: AssignmentStore;

beforeAll(async () => {
  opened = await openTestStore();
  assignments = opened.store.assignments;
});
afterAll(() => opened.close());

const act = { by: 'p1', at: at('2024-05-02', '09:00') };
const submitted = { version: 1, countedAt: at('2024-05-02', '09:00'), receipt: 'BN-2024-000001', awaitsReview: true };

async function allPages<T>(read: (page: PageRequest) => Promise<Page<T>>, limit: number): Promise<T[]> {
  const found: T[] = [];
  for (let after: string | null = null; ; ) {
    const page: Page<T> = await read({ after, limit });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    if (page.next === null) return found;
    after = page.next;
  }
}

test('what is stored comes back as the same plain assignment', async () => {
  const returned = returnForCorrection(takeSubmission(buildAssignment('R1', { plan: 'back' }), submitted, act), 'thiếu chữ ký', null, calendar, act);
  expect(await assignments.insertMissing([returned])).toBe(1);
  expect(await assignments.get(returned.id)).toEqual(returned);
  expect(await assignments.get('unknown')).toBeNull();
});

test('inserting the same assignments twice makes each once and overwrites nothing', async () => {
  const [first, second, third] = ['I1', 'I2', 'I3'].map((unit) => buildAssignment(unit, { plan: 'twice' })) as [Assignment, Assignment, Assignment];
  expect(await assignments.insertMissing([first, second])).toBe(2);
  await assignments.change(first.id, (found) => waive(found, 'giải thể', act));
  expect(await assignments.insertMissing([first, second, third])).toBe(1);
  expect((await assignments.get(first.id))?.state).toBe('waived');
});

test('changes that race for one assignment are all applied, each on top of the other', async () => {
  const one = buildAssignment('RACE', { plan: 'race' });
  await assignments.insertMissing([one]);
  await Promise.all(Array.from({ length: 12 }, (_, index) => assignments.change(one.id, (found) => askExtension(found, `2024-06-${10 + index}`, `lần ${index}`, act))));
  const after = await assignments.get(one.id);
  expect(after?.rev).toBe(12);
  expect(after?.trail.filter((entry) => entry.did === 'asked-extension').map((entry) => entry.facts['why']).sort()).toEqual(Array.from({ length: 12 }, (_, index) => `lần ${index}`).sort());
});

test('a change that changes nothing writes nothing, one that is refused changes nothing', async () => {
  const one = buildAssignment('SAME', { plan: 'same' });
  await assignments.insertMissing([one]);
  expect(await assignments.change(one.id, (found) => found)).toEqual(one);
  await expect(assignments.change(one.id, (found) => accept(found, act))).rejects.toThrow(Refusal);
  expect(await assignments.get(one.id)).toEqual(one);
  await expect(assignments.change('unknown', (found) => found)).rejects.toMatchObject({ code: 'assignment-unknown' });
});

test('a unit sees its own assignments, of one plan or of all', async () => {
  const mine = ['a', 'b'].map((obligation) => buildAssignment('MINE', { plan: 'p-1', obligation }));
  await assignments.insertMissing([...mine, buildAssignment('MINE', { plan: 'p-2' }), buildAssignment('MINE-2', { plan: 'p-1' })]);
  expect(await assignments.ofUnit('MINE', 'p-1')).toEqual(mine);
  expect(await assignments.ofUnit('MINE', null)).toHaveLength(3);
});

test('a stream gives every assignment once, in order, while those already read are changed', async () => {
  const all = ['x', 'y'].flatMap((obligation) => Array.from({ length: 700 }, (_, index) => buildAssignment(`S${String(index).padStart(4, '0')}`, { plan: 'stream', obligation })));
  await assignments.insertMissing(all);
  const seen: string[] = [];
  for await (const found of assignments.stream('stream', null)) {
    seen.push(found.id);
    if (seen.length % 100 === 0) await assignments.change(found.id, (one) => waive(one, 'miễn', act));
  }
  expect(seen).toEqual(all.map((one) => one.id));
  const onlyY: string[] = [];
  for await (const found of assignments.stream('stream', 'y')) onlyY.push(found.id);
  expect(onlyY).toEqual(all.slice(700).map((one) => one.id));
});

test('a wave finds those who still owe, page by page, and no one else', async () => {
  const owing = Array.from({ length: 7 }, (_, index) => buildAssignment(`W${index}`, { plan: 'wave' }));
  await assignments.insertMissing(owing);
  const wave = owing[0]?.wave as string;
  await assignments.change(owing[3]?.id as string, (found) => takeSubmission(found, submitted, act));
  const found = await allPages((page) => assignments.ofWave(wave, page), 2);
  expect(found.map((one) => one.id)).toEqual(owing.filter((_, index) => index !== 3).map((one) => one.id).sort());
});

test('the review queue is oldest first, pages on after what was decided, and loses what is accepted', async () => {
  const sent = ['2024-05-03', '2024-05-01', '2024-05-02', '2024-05-02'].map((day, index) => takeSubmission(buildAssignment(`Q${index}`, { plan: 'queue' }), { ...submitted, countedAt: at(day) }, act));
  const unreviewed = takeSubmission(buildAssignment('Q8', { plan: 'queue' }), { ...submitted, awaitsReview: false }, act);
  await assignments.insertMissing([...sent, unreviewed, buildAssignment('Q9', { plan: 'queue' })]);
  const all = await allPages((page) => assignments.awaitingReview('queue', page), 1);
  expect(all.map((one) => one.countedAt)).toEqual([at('2024-05-01'), at('2024-05-02'), at('2024-05-02'), at('2024-05-03')]);
  const first = await assignments.awaitingReview('queue', { after: null, limit: 1 });
  await assignments.change(first.items[0]?.id as string, (found) => accept(found, act));
  const rest = await assignments.awaitingReview('queue', { after: first.next, limit: 9 });
  expect(rest.items.map((one) => one.id)).toEqual(all.slice(1).map((one) => one.id));
  expect((await assignments.awaitingReview('queue', { after: null, limit: 9 })).items.map((one) => one.id)).toEqual(all.slice(1).map((one) => one.id));
});

test('wishes for more time are listed until they are decided', async () => {
  const asked = ['A', 'B'].map((unit, index) => askExtension(buildAssignment(unit, { plan: 'asked' }), '2024-05-20', 'bận', { by: 'c', at: at('2024-05-01', `0${9 - index}:00`) }));
  await assignments.insertMissing(asked);
  const [a, b] = asked as [Assignment, Assignment];
  expect((await allPages((page) => assignments.askedExtension('asked', page), 1)).map((one) => one.unit)).toEqual(['B', 'A']);
  await assignments.change(a.id, (found) => refuseExtension(found, 'không', act));
  await assignments.change(b.id, (found) => extend(found, '2024-05-20', 'được', calendar, act));
  expect((await assignments.askedExtension('asked', { after: null, limit: 5 })).items).toEqual([]);
});

test('figures count alike assignments together, of the plan and of a subtree', async () => {
  const parts = [buildAssignment('F1', { plan: 'figures', parents: ['T', 'H1'] }), buildAssignment('F2', { plan: 'figures', parents: ['T', 'H1'] }), buildAssignment('F3', { plan: 'figures', parents: ['T', 'H2'], due: null })];
  await assignments.insertMissing(parts);
  await assignments.change(parts[1]?.id as string, (found) => takeSubmission(found, submitted, act));
  const deadline = dueOn('2024-05-06').deadline;
  const common = { obligation: 'bao-cao-6-thang', level: 'cap-tren' };
  const open = { ...common, state: 'open', verdict: null, deadline, count: 1 };
  const done = { ...common, state: 'submitted', verdict: 'on-time', deadline, count: 1 };
  const undated = { ...common, state: 'open', verdict: null, deadline: null, count: 1 };
  const byPlan = await assignments.count('figures', null);
  expect(byPlan).toHaveLength(3);
  expect(byPlan).toEqual(expect.arrayContaining([open, done, undated]));
  const under = await assignments.count('figures', 'H1');
  expect(under).toHaveLength(2);
  expect(under).toEqual(expect.arrayContaining([open, done]));
  expect(await assignments.count('none', null)).toEqual([]);
});

describe('who is overdue', () => {
  const plan = 'overdue';
  const obligations = [{ key: 'a', last: '2024-03-31' }, { key: 'b', last: '2024-05-06' }, { key: 'c', last: '2024-05-06' }, { key: 'd', last: '2024-11-11' }];
  let all: Assignment[] = [];

  beforeAll(async () => {
    all = obligations.flatMap(({ key, last }) => Array.from({ length: 30 }, (_, index) => buildAssignment(`U${String(index).padStart(2, '0')}`, { plan, obligation: key, due: dueOn(last), parents: ['T', `H${index % 3}`] })));
    all = all.map((one, index) => {
      if (index % 7 === 0) return takeSubmission(one, submitted, act);
      if (index % 11 === 0) return extend(one, '2024-12-01', 'lũ', calendar, act);
      if (index % 13 === 0) return returnForCorrection(takeSubmission(one, submitted, act), 'thiếu', '2024-05-20', calendar, act);
      return one;
    });
    all.push(buildAssignment('U01', { plan, obligation: 'day', due: null, day: '2024-05-19' }));
    await assignments.insertMissing(all);
  });

  const expected = (root: string, obligation: string | null, now: Date): string[] =>
    all
      .filter((one) => one.path.includes(root) && (obligation === null || one.obligation === obligation) && isOverdue(one, now))
      .sort((a, b) => (a.unit + a.obligation + a.id < b.unit + b.obligation + b.id ? -1 : 1))
      .map((one) => one.id);

  test.each([
    ['before anything is late', 'T', null, at('2024-03-31', '23:59')],
    ['at the instant itself', 'T', null, at('2024-04-01')],
    ['with several deadlines passed', 'T', null, at('2024-05-19', '12:00')],
    ['with corrections passed', 'T', null, at('2024-06-01')],
    ['under one unit', 'H1', null, at('2024-06-01')],
    ['of one obligation', 'T', 'c', at('2024-06-01')],
    ['at the end of the year', 'T', null, at('2025-01-01')],
  ])('the pages hold exactly those who are late, by unit and obligation: %s', async (_, root, obligation, now) => {
    const wanted = expected(root, obligation, now);
    for (const limit of [3, 50]) {
      const pages = await allPages((page) => assignments.overdue({ plan, root, obligation, now }, page), limit);
      expect(pages.map((one) => one.id)).toEqual(wanted);
    }
    expect(await assignments.countOverdue({ plan, root, obligation, now }, 1000)).toBe(wanted.length);
    expect(await assignments.countOverdue({ plan, root, obligation, now }, 5)).toBe(Math.min(5, wanted.length));
  });

  test('a page goes on behind its last assignment even when that one was handed in meanwhile', async () => {
    const query = { plan, root: 'T', obligation: null, now: at('2024-06-01') };
    const first = await assignments.overdue(query, { after: null, limit: 4 });
    const before = await assignments.overdue(query, { after: first.next, limit: 4 });
    const last = first.items[3] as Assignment;
    await assignments.change(last.id, (found) => takeSubmission(found, { ...submitted, version: found.version + 1 }, act));
    expect(await assignments.overdue(query, { after: first.next, limit: 4 })).toEqual(before);
    await assignments.change(last.id, (found) => withdraw(found, calendar, act));
    expect((await assignments.overdue(query, { after: null, limit: 4 })).items.map((one) => one.id)).toContain(last.id);
  });
});
