import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { OutboxRow } from '../../src/domain/notice.ts';
import { draw, fullBucket, waitFor } from '../../src/domain/pacing.ts';
import type { Pacing } from '../../src/ports.ts';
import { createLanes, type Lanes } from '../../src/services/lanes.ts';
import { at, buildOutboxRow } from '../support/builders.ts';

const pacing: Pacing = { perSecond: 28, perChatPerSecond: 1, chatBurst: 3, perGroupMinute: 20, isGroup: (chat) => chat.startsWith('-') };

function row(key: string, change: Partial<OutboxRow> = {}): OutboxRow {
  return buildOutboxRow(key, { person: key, ...change });
}

/** Sends at once whatever may go, answers after no time, and moves on by a millisecond. */
function run(lanes: Lanes, until: number): { key: string; at: number }[] {
  const sent: { key: string; at: number }[] = [];
  for (let now = 0; now <= until; now += 1) {
    for (let held = lanes.take(now, false); held; held = lanes.take(now, false)) {
      sent.push({ key: held.row.key, at: now });
      lanes.done(held, now, true);
    }
  }
  return sent;
}

describe('lanes', () => {
  test('one chat takes three at once and then one a second, in order', () => {
    const lanes = createLanes(pacing);
    for (let index = 0; index < 6; index += 1) lanes.add(row(`r${index}`, { person: 'p' }), 'c', 0);
    expect(run(lanes, 4000)).toEqual([{ key: 'r0', at: 0 }, { key: 'r1', at: 0 }, { key: 'r2', at: 0 }, { key: 'r3', at: 1000 }, { key: 'r4', at: 2000 }, { key: 'r5', at: 3000 }]);
  });

  test('the next row of a chat waits until the one before is answered', () => {
    const lanes = createLanes(pacing);
    lanes.add(row('first'), 'c', 0);
    lanes.add(row('second'), 'c', 0);
    const first = lanes.take(0, false);
    expect(first?.row.key).toBe('first');
    expect(lanes.take(0, false)).toBeNull();
    if (first) lanes.done(first, 50, true);
    expect(lanes.take(50, false)?.row.key).toBe('second');
  });

  test('a server with the same limit never refuses, whether a call reaches it early or late', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ before: fc.integer({ min: 0, max: 900 }), after: fc.integer({ min: 0, max: 900 }) }), { minLength: 8, maxLength: 8 }), (calls) => {
        const lanes = createLanes(pacing);
        const rate = { capacity: 3, perSecond: 1 };
        let server = fullBucket(rate, 0);
        for (let index = 0; index < 8; index += 1) lanes.add(row(`r${index}`, { person: 'p' }), 'c', 0);
        let now = 0;
        for (const { before, after } of calls) {
          now += Math.ceil(lanes.waitFor(now));
          const held = lanes.take(now, false);
          if (!held) throw new Error('nothing to take although the wait is over');
          expect(waitFor(server, rate, now + before)).toBe(0);
          server = draw(server, rate, now + before);
          now += before + after;
          lanes.done(held, now, true);
        }
      }),
    );
  });

  test('a group of many messages holds nobody up and keeps to twenty a minute', () => {
    const lanes = createLanes({ ...pacing, perGroupMinute: 4 });
    for (let index = 0; index < 8; index += 1) lanes.add(row(`g${index}`, { chat: '-100' }), '-100', 0);
    for (let index = 0; index < 20; index += 1) lanes.add(row(`p${index}`), `c${index}`, 0);
    const sent = run(lanes, 35_000);
    expect(sent.filter((each) => each.key.startsWith('p')).every((each) => each.at === 0)).toBe(true);
    expect(sent.filter((each) => each.key.startsWith('g')).map((each) => each.at)).toEqual([0, 0, 0, 0, 15_000, 30_000]);
  });

  test('the most urgent goes first, then the oldest', () => {
    const lanes = createLanes(pacing);
    lanes.add(row('broadcast', { priority: 4 }), 'a', 0);
    lanes.add(row('late-reminder', { priority: 2, createdAt: at('2024-04-08', '08:01') }), 'b', 0);
    lanes.add(row('reminder', { priority: 2 }), 'c', 0);
    lanes.add(row('answer', { priority: 0, createdAt: at('2024-04-08', '09:00') }), 'd', 0);
    expect(run(lanes, 1).map((each) => each.key)).toEqual(['answer', 'reminder', 'late-reminder', 'broadcast']);
  });

  test('urgent rows pass alone when ordinary ones must wait', () => {
    const lanes = createLanes(pacing);
    lanes.add(row('reminder'), 'a', 0);
    expect(lanes.take(0, true)).toBeNull();
    lanes.add(row('answer', { priority: 0 }), 'b', 0);
    expect(lanes.take(0, true)?.row.key).toBe('answer');
  });

  test('after a refusal only that chat rests, and its order stays', () => {
    const lanes = createLanes(pacing);
    lanes.add(row('a1', { person: 'p' }), 'a', 0);
    lanes.add(row('a2', { person: 'p', createdAt: at('2024-04-08', '08:01') }), 'a', 0);
    lanes.add(row('b1'), 'b', 0);
    const first = lanes.take(0, false);
    if (first) lanes.putBack(first, 10, 5000, false);
    expect(run(lanes, 5009).map((each) => each.key)).toEqual(['b1']);
    expect(lanes.waitFor(5009)).toBe(1);
    expect(run(lanes, 6000).map((each) => each.key)).toEqual(['a1', 'a2']);
  });

  test('a chat with very many rows leaves room for others, and says so', () => {
    const lanes = createLanes(pacing);
    const taken = Array.from({ length: 20 }, (_, index) => lanes.add(row(`g${index}`, { person: 'p' }), '-5', 0)).filter(Boolean);
    expect(taken).toHaveLength(8);
    const except = lanes.except(false, 0);
    expect(except.keys).toHaveLength(8);
    expect(except.people).toEqual(['p']);
    expect(lanes.except(true, 0).people).toEqual([]);
    expect(lanes.add(row('answer', { person: 'p', priority: 0 }), '-5', 0)).toBe(true);
  });

  test('chats at rest are forgotten', () => {
    const lanes = createLanes(pacing);
    for (let index = 0; index < 1000; index += 1) {
      lanes.add(row(`r${index}`), `c${index}`, index * 40);
      const held = lanes.take(index * 40, false);
      if (held) lanes.done(held, index * 40, true);
    }
    expect(lanes.size()).toBe(0);
    expect(lanes.except(false, 60_000).keys).toEqual([]);
  });
});
