import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { benchMemory, type MemoryBenchLine } from '../../src/bench/memory.ts';
import { planSchema } from '../../src/domain/plan.ts';
import { buildPlan, calendar } from '../support/builders.ts';

const program = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');

test('the memory benchmark starts the real service on stored members and shows what it takes', async () => {
  if (!existsSync(program)) throw new Error('dist/ is missing: run `npm run build` first');
  const lines: MemoryBenchLine[] = [];
  await benchMemory({ plan: planSchema.parse(buildPlan()), calendar, program, members: 40, restMs: 10, print: (line) => lines.push(line) });
  expect(lines.map((line) => (line.bench === 'start-up' ? line.command : line.members))).toEqual([40, 'start', '--version', 'plan check']);
  const [idle] = lines;
  // Other systems than Linux do not tell.
  if (process.platform === 'linux') expect(idle).toMatchObject({ rssMb: expect.any(Number), kept: expect.any(Boolean) });
}, 90_000);
