import { afterEach, describe, expect, test } from '@jest/globals';
import { planSchema, type Plan } from '../../src/domain/plan.ts';
import type { Role } from '../../src/domain/person.ts';
import type { Store } from '../../src/ports.ts';
import { buildPlan, buildUnit } from '../support/builders.ts';
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

/** More kills than any scenario has writes: each has a unit and people of its own, so that one house serves them all. */
const attempts = 16;
const units = [
  buildUnit('TINH'),
  ...Array.from({ length: attempts }, (_, index) => buildUnit(`TREN-${index}`, { parents: ['TINH'] })),
  ...Array.from({ length: attempts }, (_, index) => buildUnit(`CS-${index}`, { parents: ['TINH'], level: 'co-so' })),
];

let house: House;
let attempt = 0;
afterEach(() => house.close());

/** A unit with one report to hand in, and one with two; of the attempt in hand. */
const oneReport = () => `CS-${attempt}`;
const twoReports = () => `TREN-${attempt}`;
const seatNow = (name: string, role: Role, unit: string): Promise<Actor> => seat(house, `${name} ${attempt}`, role, unit);

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

/** What is left in the store, and what the person is told, with everything that two attempts differ in (units, people, ids, numbers) named by its order. */
async function endState(actor: Actor): Promise<string> {
  const assignments = (await Promise.all([oneReport(), twoReports()].map((unit) => house.store.assignments.ofUnit(unit, null)))).flat()
    .toSorted((one, other) => (`${one.unit}${one.obligation}` < `${other.unit}${other.obligation}` ? -1 : 1)).map(({ rev: _rev, ...rest }) => rest);
  const submissions = (await Promise.all(assignments.map(({ id }) => house.store.submissions.ofAssignment(id)))).flat();
  const pledge = await house.store.pledges.get(`2024/${(await actor.person())?.id}`);
  const notices = (await Promise.all(assignments.map(({ id }) => house.store.outbox.evidence(id, { after: null, limit: 50 })))).flatMap(({ items }) => items.map(({ key }) => key));
  const answers = await Promise.all([0, 1].map(async (index) => (await house.store.outbox.get(`answer/${actor.channel}:${actor.lastMessageId()}/${index}`))?.notice));
  const names = new Map<string, string>();
  return JSON.stringify({ assignments, submissions, pledge: pledge && { ...pledge, rev: 0 }, notices, answers }).replace(
    /BN-\d{4}-\d{6}|\b(?:in-)?[0-9a-v]{16,20}\b|(?:CS|TREN)-\d+|telegram:\d+(?::\d+)?/g,
    (found) => names.get(found) ?? (names.set(found, `<${names.size}>`), `<${names.size - 1}>`),
  );
}

const pairTwo = async (): Promise<Actor> => {
  const chair = await seatNow('Hoa', 'chair', oneReport());
  await seatNow('Lan', 'chair', oneReport());
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
    before: () => seatNow('Hoa', 'chair', twoReports()),
    message: (chair) => chair.sends({ name: 'a.pdf', bytes: pdfFile() }),
  },
  'a kept file is given to its report': {
    async before() {
      const chair = await seatNow('Hoa', 'chair', twoReports());
      await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
      return chair;
    },
    message: (chair) => chair.presses('Báo cáo 6 tháng'),
  },
  'a report is taken back': {
    async before() {
      const chair = await seatNow('Hoa', 'chair', oneReport());
      await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
      await chair.presses('Rút lại');
      return chair;
    },
    message: (chair) => chair.presses('Rút lại'),
  },
  'the number of participants is answered': {
    async before() {
      const chair = await seatNow('Hoa', 'chair', oneReport());
      await chair.says('/xacnhan');
      await chair.says('28/3');
      return chair;
    },
    message: (chair) => chair.says('42'),
  },
  'a deed is recorded': {
    async before() {
      const chair = await seatNow('Hoa', 'chair', oneReport());
      for (const said of ['/xacnhan', '28/3', '42']) await chair.says(said);
      return chair;
    },
    message: (chair) => chair.presses('Đúng, ghi nhận'),
  },
  'a pledge is written': {
    async before() {
      const member = await seatNow('Minh', 'member', oneReport());
      await member.says('/camket');
      return member;
    },
    message: (member) => member.says('Tôi sẽ tiết kiệm điện'),
  },
  'a pledge is confirmed': {
    async before() {
      const member = await seatNow('Minh', 'member', oneReport());
      await member.says('/camket Tôi sẽ tiết kiệm điện');
      return member;
    },
    message: (member) => member.presses('Xác nhận'),
  },
};

describe('killed at any write and started again, the end is the same and the answer is one', () => {
  test.each(Object.keys(scenarios))('%s', async (name) => {
    const { before, message } = scenarios[name] as Scenario;
    house = await openHouse({ plan, units, at: '2024-04-08T09:00' });
    attempt = 0;
    const actor = await before();
    const { writes, revive } = dieAt(house.store, Infinity);
    await message(actor);
    revive();
    const expected = await endState(actor);
    const total = writes();
    expect(total).toBeGreaterThan(3);
    expect(total).toBeLessThan(attempts);
    // The first write is the inbox: what is not stored is not acknowledged, and comes again.
    for (let nth = 2; nth <= total; nth += 1) {
      attempt = nth;
      const again = await before();
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
