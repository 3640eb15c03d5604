import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { parseUpdate } from '../channels/telegram/update.ts';
import { readConfig } from '../config.ts';
import type { Person } from '../domain/person.ts';
import { pledgeObligation, type Plan } from '../domain/plan.ts';
import { openPledge, writePledge } from '../domain/pledge.ts';
import { dueOf } from '../domain/deadline.ts';
import type { Unit } from '../domain/unit.ts';
import { openHouse, startHouse, type House } from '../house.ts';
import { loadPlan } from '../services/plans.ts';
import { rounded, withGround } from './ground.ts';
import { chatOf, connections, loadSayingSchema, pressUpdate, secret } from './inbound-load.ts';

/** How many confirmations, of which plan. */
export interface InboundBenchOptions {
  confirmations: number;
  plan: Plan;
  print(line: object): void;
}

const unit: Unit = { code: 'CS-1', name: 'Bench', level: 'tinh', parent: null, path: ['CS-1'], members: 0, opened: null, closed: null };

/**
 * Pledge confirmations that arrive at once over the webhook of the whole service: until all are acknowledged, and until each has its answer in the
 * outbox; against the bare loop "parse the same update, one insert" on the same engine, one after the other and as many side by side as there are
 * deliveries. Telegram (who delivers, and its Bot API) is another process.
 */
export async function benchInbound(options: InboundBenchOptions): Promise<void> {
  const { confirmations, plan } = options;
  const folder = await mkdtemp(join(tmpdir(), 'dondoc-bench-'));
  const telegram = fork(fileURLToPath(new URL(`./inbound-load${extname(import.meta.url)}`, import.meta.url)), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  try {
    const { root } = await hear(telegram, 'ready');
    const house = await openHouse(readConfig({
      TELEGRAM_BOT_TOKEN: '1:bench', TELEGRAM_API_ROOT: root, TELEGRAM_WEBHOOK_SECRET: secret, PUBLIC_URL: 'http://127.0.0.1:1', PORT: '0', DATA_DIR: folder, LOG_LEVEL: 'fatal', DONDOC_NOW: '2024-04-08T02:00:00.000Z',
    }));
    await prepare(house, options);
    const service = await startHouse(house);
    const begun = performance.now();
    telegram.send({ address: service.address, presses: confirmations });
    const { acknowledged, atOnce } = await hear(telegram, 'done');
    const acknowledgedMs = performance.now() - begun;
    await service.handle.idle();
    const answeredMs = performance.now() - begun;
    const confirmed = (await house.core.store.pledges.count(plan.plan, null)).filter((each) => each.state === 'confirmed').reduce((sum, each) => sum + each.count, 0);
    const counts = await house.core.store.outbox.counts();
    await service.stop();
    const loopMs = await measureBare(confirmations, 1);
    const sideBySideMs = await measureBare(confirmations, connections);
    const rate = (ms: number): number => Math.round(confirmations / (ms / 1000));
    options.print({
      bench: 'inbound', confirmations, acknowledged, atOnce, confirmed, answers: counts.pending + counts.sending + counts.sent + counts.unknown + counts.dead, lost: confirmations - confirmed,
      acknowledgedPerSecond: rate(acknowledgedMs), answeredPerSecond: rate(answeredMs), loopPerSecond: rate(loopMs), ofLoop: rounded(loopMs / answeredMs), sideBySidePerSecond: rate(sideBySideMs), ofSideBySide: rounded(sideBySideMs / answeredMs),
    });
  } finally {
    telegram.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

type Said<What extends string> = Extract<z.infer<typeof loadSayingSchema>, { say: What }>;

/** Waits until the other process says that. */
function hear<What extends 'ready' | 'done'>(telegram: ChildProcess, what: What): Promise<Said<What>> {
  return new Promise((resolve, reject) => {
    telegram.once('message', (message) => {
      const said = loadSayingSchema.parse(message);
      if (said.say === what) resolve(said as Said<What>);
    });
    telegram.once('exit', (code) => reject(new Error(`the process that plays Telegram ended with ${code}`)));
  });
}

/** Members who have written their pledge and only have to confirm it. */
async function prepare(house: House, options: InboundBenchOptions): Promise<void> {
  const { store } = house.core;
  const now = house.core.clock();
  await store.units.put([unit]);
  await loadPlan(house.core, options.plan);
  const obligation = pledgeObligation(options.plan);
  if (!obligation) throw new Error('the plan asks for no pledge');
  const due = dueOf(obligation.due, house.core.calendar);
  const add = async (index: number): Promise<void> => {
    const person: Omit<Person, 'id'> = {
      name: 'Bench', language: 'vi', roles: [{ role: 'member', unit: unit.code, since: now }], addresses: [{ channel: 'telegram', id: String(chatOf(index)), lastAt: now, state: 'active', reason: null }], consent: { version: 'bench', at: now },
    };
    const { id } = await store.people.create(person);
    const pledge = openPledge({ plan: options.plan.plan, obligation: obligation.key, unit: unit.code, level: unit.level, path: unit.path, person: id, due });
    await store.pledges.insertMissing([writePledge(pledge, 'I shall do my part.', now)]);
  };
  for (let from = 0; from < options.confirmations; from += 100) await Promise.all(Array.from({ length: Math.min(100, options.confirmations - from) }, (_, index) => add(from + index)));
}

/** The bare loop, that many side by side. */
async function measureBare(count: number, sideBySide: number): Promise<number> {
  const updates = Array.from({ length: count }, (_, index) => JSON.stringify(pressUpdate(index)));
  return withGround(null, 'bench_inbound', async ({ database }) => {
    const collection = database.collection('bare');
    const now = new Date();
    let next = 0;
    const begun = performance.now();
    const work = async (): Promise<void> => {
      for (let body = updates[next++]; body !== undefined; body = updates[next++]) {
        const parsed = parseUpdate(JSON.parse(body), { username: null, now });
        if (parsed.kind === 'incoming') await collection.insertOne({ ...parsed.incoming });
      }
    };
    await Promise.all(Array.from({ length: sideBySide }, work));
    return performance.now() - begun;
  });
}
