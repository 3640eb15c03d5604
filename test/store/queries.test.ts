import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { askExtension, takeSubmission } from '../../src/domain/assignment.ts';
import type { Attempt } from '../../src/domain/notice.ts';
import type { Store } from '../../src/ports.ts';
import { at, buildAssignment, buildOutboxRow, buildPerson, buildPlan, buildPledge, buildSubmission, buildUnit, dueOn } from '../support/builders.ts';
import { canExplain, openTestStore, type Explained, type TestStore } from '../support/store.ts';

const plan = '2024';
const size = 400;
const now = at('2024-05-20', '09:00');
const act = { by: 'p1', at: at('2024-05-02') };

/** Skipped, visibly, on a server that does not tell what a query cost. */
const told = (await canExplain()) ? test : test.skip;

let opened: TestStore;
let store: Store;

const codes = Array.from({ length: size }, (_, index) => `C-${String(index).padStart(4, '0')}`);
const unitOf = (code: string, index: number) => buildUnit(code, { parents: ['T', `H-${index % 10}`], name: `CĐCS Trường Tiểu học số ${code}${index === 7 ? ' Hàm Thuận' : ''}`, closed: index === 9 ? '2024-04-01' : null });
const obligations = [
  { obligation: 'a', due: dueOn('2024-03-31') }, { obligation: 'b', due: dueOn('2024-05-06') }, { obligation: 'c', due: dueOn('2024-11-11') }, { obligation: 'd', due: null },
];
const assignmentsOf = (code: string, index: number) => obligations.map((what) => buildAssignment(code, { plan, level: 'co-so', path: ['T', `H-${index % 10}`, code], ...what }));

beforeAll(async () => {
  opened = await openTestStore();
  store = opened.store;
  await store.units.put([buildUnit('T'), ...Array.from({ length: 10 }, (_, index) => buildUnit(`H-${index}`, { parents: ['T'] })), ...codes.map(unitOf)]);
  // Most of what is past is handed in: the late ones are few among many, as in life.
  const all = codes.flatMap((code, index) =>
    assignmentsOf(code, index).map((one) => {
      if (one.obligation === 'a' && index % 20 !== 0) return takeSubmission(one, { version: 1, countedAt: act.at, receipt: 'BN-2024-000001', awaitsReview: index % 2 === 0 }, act);
      if (one.obligation === 'b' && index % 3 !== 0) return takeSubmission(one, { version: 1, countedAt: act.at, receipt: 'BN-2024-000002', awaitsReview: false }, act);
      return one.obligation === 'c' && index % 50 === 0 ? askExtension(one, '2024-12-01', 'bận', act) : one;
    }));
  await store.assignments.insertMissing(all);
  await store.pledges.insertMissing(codes.flatMap((code, index) => [1, 2].map((count) => buildPledge(`p-${code}-${count}`, code, { parents: ['T', `H-${index % 10}`] }))));
  for (const [index, code] of codes.slice(0, 60).entries()) {
    const { id: _id, ...person } = buildPerson(`c${index}`, { role: index % 2 === 0 ? 'chair' : 'member', unit: index % 2 === 0 ? code : 'C-0001' });
    await store.people.create(person);
  }
  await store.outbox.put(Array.from({ length: 600 }, (_, index) => buildOutboxRow(`k-${index}`, { about: `a-${index % 100}`, priority: index % 5, state: index % 3 === 0 ? 'pending' : 'sent', person: `p-${index}` })));
  for (let index = 0; index < 40; index += 1) {
    await store.inbox.put({ channel: 'telegram', chat: '1', group: false, messageId: `m-${index}`, edits: null, at: now, senderName: '', content: { kind: 'text', text: 'x' } });
    if (index % 2 === 0) await store.inbox.done(`telegram:m-${index}`, now);
  }
  await store.waves.ensure(Array.from({ length: 40 }, (_, index) => ({ id: `w-${index}`, kind: 'deadline', plan, obligation: 'a', lastDay: '2024-05-06', deadline: now, offsets: [0], nextAt: index < 3 ? now : index < 20 ? at('2024-12-01') : null })));
  for (let version = 1; version <= 30; version += 1) await store.submissions.insert(buildSubmission({ id: `s-${version % 10}`, plan, unit: 'C-0001' }, { version, source: `src-${version}` }));
  await store.plans.put(buildPlan(), act.at);
}, 60_000);
afterAll(() => opened.close());

function expectServed(found: readonly Explained[], spare: number): void {
  expect(found.length).toBeGreaterThan(0);
  for (const one of found) {
    const cost = { ...one.examined, returned: one.returned, stages: one.stages, command: JSON.stringify(one.command) };
    const served = !one.stages.includes('COLLSCAN') && !one.stages.includes('SORT') && one.examined.documents <= one.returned + spare;
    expect({ served, ...cost }).toEqual({ served: true, ...cost });
  }
}

const page = { after: null, limit: 10 };
const late = { plan, root: 'T', obligation: null, now };
const attempt: Attempt = { id: 't', at: now, answeredAt: null, answer: null, channel: 'telegram', reason: null };
const ask = { priorities: [0, 1, 2, 3, 4], limit: 20, except: { keys: ['k-0'], people: [], chats: [] } } as const;
const drain = async (stream: AsyncIterable<unknown>): Promise<void> => { for await (const _ of stream); };
const second = async <T>(read: (after: string | null) => Promise<{ next: string | null } & T>): Promise<void> => { await read((await read(null)).next); };

told.each<[name: string, run: (store: Store) => Promise<unknown>, spare?: number]>([
  ['the overdue list', ({ assignments }) => second((after) => assignments.overdue(late, { after, limit: 10 }))],
  ['the overdue list of one unit and obligation', ({ assignments }) => second((after) => assignments.overdue({ ...late, root: 'H-0', obligation: 'b' }, { after, limit: 3 }))],
  ['the number of overdue ones', ({ assignments }) => assignments.countOverdue(late, 1000)],
  ['the number of overdue ones, cut short', ({ assignments }) => assignments.countOverdue(late, 5)],
  ['the figures of the plan', ({ assignments }) => assignments.count(plan, null)],
  ['the figures of a subtree', ({ assignments }) => assignments.count(plan, 'H-3')],
  ['what a unit owes', ({ assignments }) => assignments.ofUnit('C-0100', plan)],
  ['whom a wave reminds of', ({ assignments }) => second((after) => assignments.ofWave(buildAssignment('C-0000', { plan, obligation: 'c', due: dueOn('2024-11-11') }).wave as string, { after, limit: 10 }))],
  ['the review queue', ({ assignments }) => second((after) => assignments.awaitingReview(plan, { after, limit: 10 }))],
  ['the wishes for more time', ({ assignments }) => second((after) => assignments.askedExtension(plan, { after, limit: 3 }))],
  ['a stream of an obligation', ({ assignments }) => drain(assignments.stream(plan, 'b'))],
  ['a stream of a plan', ({ assignments }) => drain(assignments.stream(plan, null))],
  ['a change of an assignment', ({ assignments }) => assignments.change(buildAssignment('C-0000', { plan, obligation: 'c' }).id, (found) => askExtension(found, '2024-12-02', 'bận', act))],
  ['a unit by code, reference and children', async ({ units }) => { await units.get('C-0001'); await units.root(); await second((after) => units.children('H-1', { after, limit: 10 })); }],
  ['a search for a word few units hold', ({ units }) => units.search('ham thuan', null, page)],
  ['a search for a word all units hold', ({ units }) => second((after) => units.search('trường tiểu học', null, { after, limit: 10 }))],
  ['a subtree of units', ({ units }) => drain(units.stream('H-2'))],
  ['the units that close', ({ units }) => drain(units.closing('2024-03-01', '2024-05-01'))],
  ['the members by level', ({ units }) => units.membersByLevel('2024-05-01', null)],
  ['a person by address', ({ people }) => people.byAddress('telegram', 'chat-c1')],
  ['the chairs of units', ({ people }) => people.chairsOf(['C-0000', 'C-0002', 'C-0333'])],
  ['the members of a unit', async ({ people }) => { await second((after) => people.members('C-0001', { after, limit: 4 })); await people.countMembers('C-0001'); }],
  ['the staff', ({ people }) => people.staff()],
  ['a message from a person', ({ people }) => people.markGone('telegram', 'chat-c3', 'blocked')],
  ['the versions of an assignment', async ({ submissions }) => { await submissions.ofAssignment('s-3'); await submissions.bySource('src-4'); }],
  ['the pledges of a unit', ({ pledges }) => second((after) => pledges.ofUnit(plan, 'C-0004', { after, limit: 1 }))],
  ['the figures of pledges', async ({ pledges }) => { await pledges.count(plan, null); await pledges.count(plan, 'H-1'); }],
  ['whom a pledge wave reminds', ({ pledges }) => second((after) => pledges.ofWave(buildPledge('x', 'C').wave as string, { after, limit: 10 }))],
  ['what a tick looks at', async ({ waves }) => { await waves.due(now); await waves.nextAt(); }],
  ['what the outbox may send', ({ outbox }) => outbox.peek('telegram', now, ask)],
  // Explained afterwards, when the rows are no longer pending: found by key, and passed over.
  ['a sending begun and settled', async ({ outbox }) => { await outbox.begin(['k-3', 'k-6'], { owner: 'a', until: now }, attempt); await outbox.stale('telegram', 'b', 10); await outbox.settle([{ key: 'k-3', owner: 'a', attempt: 't', change: { state: 'sent' } }]); }, 2],
  ['the evidence', ({ outbox }) => outbox.evidence('a-7', { after: null, limit: 10 })],
  ['the numbers of the outbox', async ({ outbox }) => { await outbox.counts(); await outbox.countsAbout('a-7'); }],
  // Everything about one thing is a handful of rows; the person is looked for among them.
  ['an acknowledgement', ({ outbox }) => outbox.acknowledge('a-7', 'p-7', now), 6],
  ['what waits in the inbox', async ({ inbox }) => { await inbox.pending(10, null); await inbox.pending(10, 'telegram:m-11'); }],
  ['the list of plans', ({ plans }) => plans.list()],
])('%s is served by an index and reads no document it does not need', async (_, run, spare = 1) => {
  expectServed(await opened.explain(() => run(store)), spare);
});

told('figures and counts are answered from the index alone', async () => {
  const found = await opened.explain(async () => {
    await store.assignments.count(plan, null);
    await store.assignments.count(plan, 'H-3');
    await store.assignments.countOverdue(late, 1000);
    await store.pledges.count(plan, 'H-1');
    await store.units.membersByLevel('2024-05-01', 'T');
    await store.outbox.counts();
    await store.outbox.countsAbout('a-7');
  });
  const sums = found.filter((one) => 'aggregate' in one.command);
  expect(sums.map((one) => one.examined.documents)).toEqual(sums.map(() => 0));
  expect(sums).toHaveLength(8);
});

told('a page of overdue ones reads as many keys as it shows for each obligation, however many are owed', async () => {
  const found = await opened.explain(() => store.assignments.overdue(late, { after: null, limit: 5 }));
  const keys = found.reduce((sum, one) => sum + one.examined.keys, 0);
  // The two dues that have passed, six keys of each of them, five documents of the page: far from the 400 × 3 owed.
  expect(keys).toBeLessThan(40);
});
