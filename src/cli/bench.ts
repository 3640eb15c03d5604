import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Plan } from '../domain/plan.ts';
import { readPlanFile } from '../files/plan-file.ts';
import { openDesk, putOut, type Desk } from './desk.ts';
import { CliFailure, exitCodes } from './exit.ts';

const planFile = join(import.meta.dirname, '..', '..', 'seeds', 'plans', '2024.yaml');

/** What one benchmark is told. */
interface BenchRun {
  desk: Desk;
  /** 1: full size. */
  scale: number;
  /** Only the parts whose name holds this; null: all. */
  only: string | null;
  print: (line: object) => void;
}

/** Every benchmark by its name; each prints one JSON line per figure. */
const benches: Record<string, (run: BenchRun) => Promise<void>> = {
  async queries({ desk, scale, print }) {
    const { benchQueries } = await import('../bench/queries.ts');
    await benchQueries({ plan: await readSeed(desk), calendar: desk.calendar, server: desk.config.mongodbUri, sizes: [Math.max(200, Math.round(1_200 * scale)), Math.max(400, Math.round(120_000 * scale))], loadSize: Math.max(200, Math.round(12_000 * scale)), print });
  },
  async engine({ desk, scale, print }) {
    const { benchEngine } = await import('../bench/engine.ts');
    await benchEngine({ scale, server: desk.config.mongodbUri, print });
  },
  async tick({ desk, scale, print }) {
    const { benchTick } = await import('../bench/tick.ts');
    await benchTick({ units: Math.max(50, Math.round(100_000 * scale)), calendar: desk.calendar, server: desk.config.mongodbUri, print });
  },
  async inbound({ desk, scale, print }) {
    const { benchInbound } = await import('../bench/inbound.ts');
    const { plan } = readPlanFile(await readFile(planFile), desk.levels);
    if (!plan) throw new Error(`${planFile} has mistakes`);
    await benchInbound({ confirmations: Math.max(100, Math.round(10_000 * scale)), plan, print });
  },
  async memory({ desk, scale, print }) {
    const { benchMemory } = await import('../bench/memory.ts');
    // The compiled program: the service is a process of its own.
    const program = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
    await benchMemory({ plan: await readSeed(desk), calendar: desk.calendar, program, members: Math.max(100, Math.round(100_000 * scale)), restMs: Math.max(1_000, Math.min(10_000, 10_000 * scale)), print });
  },
  async delivery({ scale, only, print }) {
    const { benchDelivery } = await import('../bench/delivery.ts');
    await benchDelivery({ scale, only, alone: false }, print);
  },
};

async function readSeed(desk: Desk): Promise<Plan> {
  const { plan } = readPlanFile(await readFile(planFile), desk.levels);
  if (!plan) throw new Error(`${planFile} has mistakes`);
  return plan;
}

/** The names of the benchmarks. */
export const benchNames: readonly string[] = Object.keys(benches);

/** `dondoc bench`: one JSON line for each figure, of all benchmarks or the named ones. */
export async function runBenches(names: readonly string[], options: { scale: string; only?: string }): Promise<void> {
  const desk = await openDesk();
  const scale = Number(options.scale);
  const unknown = names.filter((name) => !benchNames.includes(name));
  if (unknown.length > 0) throw new CliFailure(exitCodes.wrongUse, [`bench: there is no ${unknown.join(', ')}; there are ${benchNames.join(', ')}`]);
  if (!(scale > 0 && scale <= 10)) throw new CliFailure(exitCodes.wrongUse, ['bench: --scale is a number above 0, 10 at most']);
  const lines: Promise<void>[] = [];
  for (const name of names.length > 0 ? names : benchNames) {
    await benches[name]?.({ desk, scale, only: options.only ?? null, print: (line) => void lines.push(putOut(JSON.stringify(line))) });
  }
  await Promise.all(lines);
}
