import { afterEach, describe, expect, test } from '@jest/globals';
import { planSchema, type Plan } from '../../src/domain/plan.ts';
import type { Store } from '../../src/ports.ts';
import { buildPlan } from '../support/builders.ts';
import { openHouse, type Actor, type House } from '../support/house.ts';
import { pdfFile, pictureFile } from '../support/sample-files.ts';
import { seat } from '../support/seats.ts';

const words = (vi: string) => ({ vi, en: `${vi} (en)` });
const levels = { levels: ['cap-tren', 'co-so'] };
const plan: Plan = planSchema.parse({
  ...buildPlan(),
  obligations: [
    { key: 'bao-cao', title: words('Báo cáo học tập'), clause: 'II.2', quote: 'q', audience: levels, deliverable: 'report', due: { before: '2024-05-03' } },
    { key: 'sau-thang', title: words('Báo cáo 6 tháng'), clause: 'III.2', quote: 'q', audience: { levels: ['cap-tren'] }, deliverable: 'report', due: { by: '2024-05-06' } },
    { key: 'hoc-tap', title: words('Học tập'), clause: 'II.1', quote: 'q', audience: levels, deliverable: 'confirmation', due: { in: '2024-03' } },
    { key: 'ban-dang-ky', title: words('Bản đăng ký'), clause: 'II.3', quote: 'q', audience: { members: true }, deliverable: 'pledge', due: { before: '2024-04-10' } },
  ],
});

let house: House;
afterEach(() => house.close());

/** Functions of the store that only look, and the one the telephones of the house settle what they read with. */
const reading = /^(get|by|many|root|children|search|stream|members|count|chairsOf|staff|find|locked|list|of|overdue|awaiting|asked|with|head|describe|open|due|next|pending|numbered|latest|evidence|peek|settle|ping|close)/;

/** Lets the process die at its n-th write (n from 1): that one and every later one fails until it is started again. Answers how many writes were tried. */
function dieAt(store: Store, nth: number): { writes: () => number; revive: () => void } {
  let writes = 0;
  const originals: [Record<string, unknown>, string, unknown][] = [];
  for (const group of Object.values(store)) {
    if (typeof group !== 'object' || group === null) continue;
    const functions = group as Record<string, unknown>;
    for (const [name, original] of Object.entries(functions)) {
      if (typeof original !== 'function' || reading.test(name)) continue;
      originals.push([functions, name, original]);
      functions[name] = async (...args: unknown[]): Promise<unknown> => {
        writes += 1;
        if (writes >= nth) throw new Error('killed');
        return (original as (...given: unknown[]) => Promise<unknown>).apply(functions, args);
      };
    }
  }
  return { writes: () => writes, revive: () => originals.forEach(([functions, name, original]) => (functions[name] = original)) };
}

interface Scenario {
  /** Everything before the message that is cut off. */
  before: () => Promise<Actor>;
  message: (actor: Actor) => Promise<unknown>;
}

/** What is left in the store, and what the person is told, without what may differ between two runs. */
async function endState(actor: Actor): Promise<unknown> {
  const assignments = (await Promise.all(['CS-01', 'LDLD-PT'].map((unit) => house.store.assignments.ofUnit(unit, null)))).flat().map(({ rev: _rev, ...rest }) => rest);
  const submissions = (await Promise.all(assignments.map(({ id }) => house.store.submissions.ofAssignment(id)))).flat();
  const person = await actor.person();
  const pledge = person ? await house.store.pledges.get(`2024/${person.id}`) : null;
  const rows = await Promise.all(assignments.map(({ id }) => house.store.outbox.evidence(id, { after: null, limit: 50 })));
  const text = JSON.stringify({ assignments, submissions, pledge: pledge && { ...pledge, rev: 0 }, notices: rows.flatMap(({ items }) => items.map(({ key }) => key)) });
  const answers = await Promise.all([0, 1].map(async (index) => (await house.store.outbox.get(`answer/${actor.channel}:${actor.lastMessageId()}/${index}`))?.notice));
  // Ids of people are drawn anew in every house.
  const people = [...(await house.store.people.chairsOf(['CS-01', 'LDLD-PT'])), ...(person ? [person] : [])];
  return people.reduce((all, { id, name }) => all.replaceAll(id, name), `${text}${JSON.stringify(answers)}`);
}

const pairTwo = async (): Promise<Actor> => {
  const chair = await seat(house, 'Hoa', 'chair', 'CS-01');
  await seat(house, 'Lan', 'chair', 'CS-01');
  return chair;
};

const scenarios: Record<string, Scenario> = {
  'a file goes to the one report, the other chair is told': {
    before: pairTwo,
    message: (chair) => chair.sends({ name: 'a.pdf', bytes: pdfFile() }),
  },
  'a further file joins its album': {
    async before() {
      const chair = await pairTwo();
      await chair.sends({ name: '1.jpg', bytes: pictureFile('jpg'), album: 'x' });
      return chair;
    },
    message: (chair) => chair.sends({ name: '2.png', bytes: pictureFile('png'), album: 'x' }),
  },
  'a file that could be for several is kept': {
    before: () => seat(house, 'Hoa', 'chair', 'LDLD-PT'),
    message: (chair) => chair.sends({ name: 'a.pdf', bytes: pdfFile() }),
  },
  'a kept file is given to its report': {
    async before() {
      const chair = await seat(house, 'Hoa', 'chair', 'LDLD-PT');
      await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
      return chair;
    },
    message: (chair) => chair.presses('Báo cáo 6 tháng'),
  },
  'a report is taken back': {
    async before() {
      const chair = await seat(house, 'Hoa', 'chair', 'CS-01');
      await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
      await chair.presses('Rút lại');
      return chair;
    },
    message: (chair) => chair.presses('Rút lại'),
  },
  'the number of participants is answered': {
    async before() {
      const chair = await seat(house, 'Hoa', 'chair', 'CS-01');
      await chair.says('/xacnhan');
      await chair.says('28/3');
      return chair;
    },
    message: (chair) => chair.says('42'),
  },
  'a deed is recorded': {
    async before() {
      const chair = await seat(house, 'Hoa', 'chair', 'CS-01');
      for (const said of ['/xacnhan', '28/3', '42']) await chair.says(said);
      return chair;
    },
    message: (chair) => chair.presses('Đúng, ghi nhận'),
  },
  'a pledge is written': {
    async before() {
      const member = await seat(house, 'Minh', 'member', 'CS-01');
      await member.says('/camket');
      return member;
    },
    message: (member) => member.says('Tôi sẽ tiết kiệm điện'),
  },
  'a pledge is confirmed': {
    async before() {
      const member = await seat(house, 'Minh', 'member', 'CS-01');
      await member.says('/camket Tôi sẽ tiết kiệm điện');
      return member;
    },
    message: (member) => member.presses('Xác nhận'),
  },
};

describe('killed at any write and started again, the end is the same and the answer is one', () => {
  test.each(Object.keys(scenarios))('%s', async (name) => {
    const { before, message } = scenarios[name] as Scenario;
    const open = async (): Promise<Actor> => {
      house = await openHouse({ plan, at: '2024-04-08T09:00' });
      return before();
    };
    const actor = await open();
    const { writes, revive } = dieAt(house.store, Infinity);
    await message(actor);
    revive();
    const expected = await endState(actor);
    const total = writes();
    expect(total).toBeGreaterThan(3);
    // The first write is the inbox: what is not stored is not acknowledged, and comes again.
    for (let nth = 2; nth <= total; nth += 1) {
      await house.close();
      const again = await open();
      const fault = dieAt(house.store, nth);
      await message(again);
      expect(fault.writes()).toBeGreaterThanOrEqual(nth);
      fault.revive();
      house.restart();
      await house.handle.resume();
      await house.handle.idle();
      expect({ nth, end: await endState(again) }).toEqual({ nth, end: expected });
    }
  }, 120_000);
});
