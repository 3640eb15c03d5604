import { expect, test } from '@jest/globals';
import { benchQueries, type FillLine, type QueryBenchLine } from '../../src/bench/queries.ts';
import { buildPlan, calendar } from '../support/builders.ts';

test('the query benchmark measures both screens in both trees and the loading of a plan, says what it is measured against and whether the promise is kept', async () => {
  const lines: (QueryBenchLine | FillLine)[] = [];
  const kept = await benchQueries({ plan: buildPlan(), calendar, server: process.env.TEST_MONGODB_URI ?? null, sizes: [40, 120], loadSize: 60, print: (line) => lines.push(line) });
  expect(lines.map((line) => [line.bench, line.units])).toEqual([
    ['plan-load', 60], ['fill', 40], ['fill', 120],
    ['overdue-first-page', 40], ['overdue-list', 40], ['figures', 40], ['overdue-first-page', 120], ['overdue-list', 120], ['figures', 120], ['overdue-growth', 120],
  ]);
  // The units and one more report each of the ten unions above the base.
  expect(lines.map((line) => line.assignments)).toEqual([69, 49, 129, 49, 49, 49, 129, 129, 129, 129]);
  const promises = lines.filter((line) => line.bench !== 'fill');
  for (const line of promises) {
    expect(line.ms).toBeGreaterThan(0);
    expect(line.kept).toBe(line.ratio <= line.limit);
  }
  expect(kept).toBe(promises.every((line) => line.kept));
}, 60_000);
