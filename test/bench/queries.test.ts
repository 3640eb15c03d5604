import { expect, test } from '@jest/globals';
import { benchQueries, type QueryBenchLine } from '../../src/bench/queries.ts';
import { buildPlan, calendar } from '../support/builders.ts';

test('the query benchmark measures both screens in both trees, says what it is measured against and whether the promise is kept', async () => {
  const lines: QueryBenchLine[] = [];
  const kept = await benchQueries({ plan: buildPlan(), calendar, server: process.env.TEST_MONGODB_URI ?? null, sizes: [40, 120], print: (line) => lines.push(line) });
  expect(lines.map((line) => [line.bench, line.units])).toEqual([
    ['overdue-first-page', 40], ['figures', 40], ['overdue-first-page', 120], ['figures', 120], ['overdue-growth', 120],
  ]);
  for (const line of lines) {
    expect(line.ms).toBeGreaterThan(0);
    expect(line.assignments).toBeGreaterThan(line.units - 2);
    expect(line.kept).toBe(line.ratio <= line.limit);
  }
  expect(kept).toBe(lines.every((line) => line.kept));
}, 60_000);
