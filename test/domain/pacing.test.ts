import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { budgetOf, callsNeeded, draw, fullBucket, levelAt, pauseAfter, putBack, waitFor, waitForSecond, type Rate } from '../../src/domain/pacing.ts';

const chat: Rate = { capacity: 3, perSecond: 1 };

describe('pacing', () => {
  test('a rested chat takes a burst of three, then one a second', () => {
    let bucket = fullBucket(chat, 0);
    const sentAt: number[] = [];
    for (let now = 0; sentAt.length < 6; now += 1) {
      if (waitFor(bucket, chat, now) > 0) continue;
      bucket = draw(bucket, chat, now);
      sentAt.push(now);
    }
    expect(sentAt).toEqual([0, 1, 2, 1000, 2000, 3000]);
  });

  test('a wait that is over lets exactly one pass', () => {
    const bucket = draw(draw(draw(fullBucket(chat, 0), chat, 0), chat, 0), chat, 0);
    expect(waitFor(bucket, chat, 0)).toBeCloseTo(1000, 5);
    expect(waitFor(bucket, chat, 1000)).toBe(0);
    expect(waitFor(draw(bucket, chat, 1000), chat, 1000)).toBeCloseTo(1000, 5);
  });

  test('more than a bucket can hold never comes', () => {
    expect(waitFor(fullBucket(chat, 0), chat, 0, 4)).toBe(Number.POSITIVE_INFINITY);
  });

  test('a token put back is there again, and a bucket never overflows', () => {
    const drawn = draw(fullBucket(chat, 0), chat, 0);
    expect(levelAt(putBack(drawn, chat, 0), chat, 0)).toBe(3);
    expect(levelAt(putBack(fullBucket(chat, 0), chat, 0), chat, 5)).toBe(3);
  });

  test('a clock that stands still or is read late never makes tokens', () => {
    const bucket = draw(fullBucket(chat, 1000), chat, 1000);
    expect(levelAt(bucket, chat, 500)).toBe(2);
    expect(draw(bucket, chat, 500)).toEqual({ level: 1, at: 1000 });
  });

  test('in no window do more pass than the burst and the rate allow', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 5, maxLength: 200 }), (gaps) => {
        let bucket = fullBucket(chat, 0);
        let now = 0;
        const sentAt: number[] = [];
        for (const gap of gaps) {
          now += gap;
          if (waitFor(bucket, chat, now) > 0) continue;
          bucket = draw(bucket, chat, now);
          sentAt.push(now);
        }
        for (let from = 0; from < sentAt.length; from += 1) {
          for (let to = from; to < sentAt.length; to += 1) {
            const seconds = ((sentAt[to] as number) - (sentAt[from] as number)) / 1000;
            expect(to - from + 1).toBeLessThanOrEqual(chat.capacity + seconds * chat.perSecond + 1e-6);
          }
        }
      }),
    );
  });

  test('ordinary messages make up for half a second, urgent ones find as much again ready', () => {
    const budget = budgetOf(28);
    let bucket = fullBucket(budget, 0);
    let ordinary = 0;
    while (waitFor(bucket, budget, 0, budget.reserve + 1) === 0) {
      bucket = draw(bucket, budget, 0);
      ordinary += 1;
    }
    expect(ordinary).toBe(14);
    expect(levelAt(bucket, budget, 0)).toBeGreaterThanOrEqual(14);
    expect(budgetOf(1)).toEqual({ perSecond: 1, capacity: 1, reserve: 0, inSecond: 1, urgentInSecond: 3 });
  });

  test('no second holds more than the rate and one, whatever was saved up', () => {
    const times = Array.from({ length: 29 }, (_, index) => index);
    expect(waitForSecond(times, 29, 28)).toBe(972);
    expect(waitForSecond(times, 29, 1000)).toBe(0);
    expect(waitForSecond(times.slice(1), 29, 28)).toBe(0);
  });

  test('the pause doubles with each failure up to the longest, of which at least half is waited', () => {
    expect([1, 2, 3, 4].map((failures) => pauseAfter(failures, 0.999999, 60_000).toFixed(0))).toEqual(['1000', '2000', '4000', '8000']);
    expect(pauseAfter(30, 0, 60_000)).toBe(30_000);
    expect(pauseAfter(30, 1, 60_000)).toBe(60_000);
  });

  test('as many calls are under way as the rate needs at the latency, and no more', () => {
    expect(callsNeeded(28, 0)).toBe(4);
    expect(callsNeeded(28, 400)).toBeGreaterThanOrEqual(12);
    expect(callsNeeded(28, 400)).toBeLessThanOrEqual(24);
    expect(callsNeeded(1000, 10_000)).toBe(256);
  });
});
