import { expect, test } from '@jest/globals';
import { benchTick, type TickBenchLine } from '../../src/bench/tick.ts';
import { calendar } from '../support/builders.ts';

test('the tick benchmark shows a look with nothing due and one where everybody is due, and asks nothing of assignments that are not', async () => {
  const lines: TickBenchLine[] = [];
  await benchTick({ calendar, server: process.env.TEST_MONGODB_URI ?? null, units: 60, print: (line) => lines.push(line) });
  expect(lines).toEqual([
    { bench: 'tick-fill', assignments: 600, people: 60, seconds: expect.any(Number), rowsPerSecond: expect.any(Number) },
    expect.objectContaining({ bench: 'tick-nothing-due', assignments: 600, docsExamined: 0, asked: { settings: expect.any(Number), waves: 1 } }),
    expect.objectContaining({ bench: 'tick-due', assignments: 600, rows: 60, limit: 0.5, kept: expect.any(Boolean) }),
  ]);
}, 60_000);
