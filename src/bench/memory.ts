import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Calendar } from '../domain/calendar.ts';
import { dueOf } from '../domain/deadline.ts';
import { personSchema } from '../domain/person.ts';
import { pledgeObligation, type Plan } from '../domain/plan.ts';
import { openPledge } from '../domain/pledge.ts';
import { openEmbedded } from '../embedded/server.ts';
import { sampleUnits } from '../files/sample-tree.ts';
import { openStore } from '../store/store.ts';
import { median, rounded } from './ground.ts';

/** What the memory benchmark runs on, and where its lines go. */
export interface MemoryBenchOptions {
  plan: Plan;
  calendar: Calendar;
  /** The program: the compiled `cli.js`. */
  program: string;
  /** Members with a pledge each; 100,000 unless said otherwise. */
  members?: number;
  /** How long the service is left alone before it is looked at, in milliseconds; 10,000 unless said otherwise. */
  restMs?: number;
  print(line: MemoryBenchLine): void;
}

/** The memory of an idle service, and how long its commands take to begin. Megabytes are of 2^20 bytes. */
export type MemoryBenchLine =
  /** `rssMb` is what the system counts; `anonymousMb` of it is the process's own, `fileMb` pages of files it has mapped (program, libraries, the database), which the system takes back when it needs them. Null where the system does not tell. */
  | { bench: 'memory-idle'; members: number; rssMb: number | null; anonymousMb: number | null; fileMb: number | null; databaseMb: number; limitMb: number; kept: boolean | null }
  /** Milliseconds until the service answers `/healthz`, or the command has ended: the median of three. */
  | { bench: 'start-up'; command: string; ms: number };

const limitMb = 250;
const batchSize = 2_000;
const startLimitMs = 60_000;

/**
 * Measures the real service as a process of its own, on Telegram with a server that never answers, with a hundred thousand members and their
 * pledges stored; and the start of the service and of a small command. Prints a line each; answers whether the promise is kept.
 */
export async function benchMemory(options: MemoryBenchOptions): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'dondoc-memory-'));
  try {
    const members = options.members ?? 100_000;
    const databaseMb = await fill(options, join(folder, 'db'), members);
    const starts: number[] = [];
    let memory: Memory = { rssMb: null, anonymousMb: null, fileMb: null };
    for (let round = 0; round < 3; round += 1) {
      await withService(options.program, folder, async ({ pid, startedMs }) => {
        starts.push(startedMs);
        if (round < 2) return;
        await sleep(options.restMs ?? 10_000);
        memory = await memoryOf(pid);
      });
    }
    const kept = memory.rssMb === null ? null : memory.rssMb < limitMb;
    options.print({ bench: 'memory-idle', members, ...memory, databaseMb, limitMb, kept });
    options.print({ bench: 'start-up', command: 'start', ms: rounded(median(starts)) });
    for (const command of [['--version'], ['plan', 'check', join(import.meta.dirname, '..', '..', 'seeds', 'plans', '2024.yaml')]]) {
      const times = [await timeCommand(options.program, command, folder), await timeCommand(options.program, command, folder), await timeCommand(options.program, command, folder)];
      options.print({ bench: 'start-up', command: command.slice(0, 2).join(' '), ms: rounded(median(times)) });
    }
    return kept !== false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Puts units, members and their pledges into the folder's database; answers its size. */
async function fill({ plan, calendar }: MemoryBenchOptions, folder: string, members: number): Promise<number> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const engine = await openEmbedded({ folder });
  const store = await openStore({ uri: engine.uri });
  const joined = calendar.instantOf(`${plan.year}-03-01`);
  const obligation = pledgeObligation(plan);
  if (!obligation) throw new Error('the plan asks for no pledge');
  const due = dueOf(obligation.due, calendar);
  const units = [...sampleUnits(Math.max(12, Math.ceil(members / 80)))];
  await store.units.put(units);
  await store.plans.put(plan, joined);
  const places = units.filter((unit) => unit.level === 'co-so');
  const newPerson = personSchema.omit({ id: true });
  for (let from = 0; from < members; from += batchSize) {
    const people = await Promise.all(Array.from({ length: Math.min(batchSize, members - from) }, async (_, index) => {
      const place = places[(from + index) % places.length] as (typeof places)[number];
      const person = await store.people.create(newPerson.parse({
        name: `Nguyễn Thị Hoa ${from + index}`, language: 'vi', roles: [{ role: 'member', unit: place.code, since: joined }],
        addresses: [{ channel: 'telegram', id: String(1_000_000 + from + index), lastAt: joined, state: 'active', reason: null }], consent: { version: '2026-11', at: joined },
      }));
      return { person: person.id, place };
    }));
    await store.pledges.insertMissing(people.map(({ person, place }) => openPledge({ plan: plan.plan, obligation: obligation.key, unit: place.code, level: place.level, path: place.path, person, due })));
  }
  await store.close();
  await engine.stop();
  return rounded((await stat(join(folder, 'data.mdb'))).size / 2 ** 20);
}

/** Runs the service until it is ready, hands it over, and stops it. */
async function withService(program: string, folder: string, run: (service: { pid: number; startedMs: number }) => Promise<void>): Promise<void> {
  const deaf = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(deaf, 'listening');
  const port = await freePort();
  const begun = performance.now();
  const child = spawn(process.execPath, [program, 'start'], {
    env: { DATA_DIR: folder, PORT: String(port), TELEGRAM_BOT_TOKEN: '1:bench', TELEGRAM_API_ROOT: `http://127.0.0.1:${portOf(deaf)}` }, stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString()));
  try {
    // Alive is enough: `/readyz` would say that Telegram does not answer, which is true here.
    while (!(await fetch(`http://127.0.0.1:${port}/healthz`).then((answer) => answer.ok, () => false))) {
      if (child.exitCode !== null || performance.now() - begun > startLimitMs) throw new Error(`the service did not start\n${words}`);
      await sleep(20);
    }
    await run({ pid: child.pid as number, startedMs: performance.now() - begun });
  } finally {
    child.kill('SIGTERM');
    await ended;
    deaf.close();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

function portOf(server: ReturnType<typeof createServer>): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

interface Memory {
  rssMb: number | null;
  anonymousMb: number | null;
  fileMb: number | null;
}

/** What Linux counts for a process; nulls elsewhere. */
async function memoryOf(pid: number): Promise<Memory> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const mb = (name: string): number | null => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
    return kib === undefined ? null : rounded(Number(kib) / 1024);
  };
  return { rssMb: mb('VmRSS'), anonymousMb: mb('RssAnon'), fileMb: mb('RssFile') };
}

async function timeCommand(program: string, args: readonly string[], folder: string): Promise<number> {
  const begun = performance.now();
  const child = spawn(process.execPath, [program, ...args], { env: { DATA_DIR: folder }, stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`dondoc ${args.join(' ')} ended with ${code}`);
  return performance.now() - begun;
}
