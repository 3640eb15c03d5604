import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseUpdate } from '../channels/telegram/update.ts';
import { readConfig } from '../config.ts';
import type { Person } from '../domain/person.ts';
import { pledgeObligation, type Plan } from '../domain/plan.ts';
import { openPledge, writePledge } from '../domain/pledge.ts';
import { dueOf } from '../domain/deadline.ts';
import type { Unit } from '../domain/unit.ts';
import { telegramWebhookPath } from '../http/telegram-webhook.ts';
import { openHouse, startHouse, type House } from '../house.ts';
import { loadPlan } from '../services/plans.ts';
import { withGround } from './ground.ts';
import { noLimits, startStrictBotApi } from './strict-bot-api.ts';

/** How many confirmations, of which plan. */
export interface InboundBenchOptions {
  confirmations: number;
  plan: Plan;
  print(line: object): void;
}

/** As many deliveries at once as we let Telegram make. */
const connections = 40;
const secret = 'bench';
const unit: Unit = { code: 'CS-1', name: 'Bench', level: 'tinh', parent: null, path: ['CS-1'], members: 0, opened: null, closed: null };

/**
 * Pledge confirmations that arrive at once over the webhook of the whole service: until all are acknowledged, and until each has its answer in the
 * outbox; against the bare loop "parse the same update, one insert" on the same engine.
 */
export async function benchInbound(options: InboundBenchOptions): Promise<void> {
  const updates = Array.from({ length: options.confirmations }, (_, index) => JSON.stringify(press(index)));
  const folder = await mkdtemp(join(tmpdir(), 'dondoc-bench-'));
  const api = await startStrictBotApi({ latencyMs: 1, limits: noLimits });
  try {
    const house = await openHouse(readConfig({
      TELEGRAM_BOT_TOKEN: '1:bench', TELEGRAM_API_ROOT: api.root, TELEGRAM_WEBHOOK_SECRET: secret, PUBLIC_URL: 'http://127.0.0.1:1', PORT: '0', DATA_DIR: folder, LOG_LEVEL: 'fatal', DONDOC_NOW: '2024-04-08T02:00:00.000Z',
    }));
    await prepare(house, options);
    const service = await startHouse(house);
    const begun = performance.now();
    const acknowledged = await postAll(`${service.address}${telegramWebhookPath}`, updates);
    const acknowledgedMs = performance.now() - begun;
    await service.handle.idle();
    const answeredMs = performance.now() - begun;
    const confirmed = (await house.core.store.pledges.count(options.plan.plan, null)).filter((each) => each.state === 'confirmed').reduce((sum, each) => sum + each.count, 0);
    const counts = await house.core.store.outbox.counts();
    await service.stop();
    const bareMs = await measureBare(updates);
    const rate = (ms: number): number => Math.round(options.confirmations / (ms / 1000));
    options.print({
      bench: 'inbound', confirmations: options.confirmations, acknowledged, confirmed, answers: counts.pending + counts.sending + counts.sent + counts.unknown + counts.dead, lost: options.confirmations - confirmed,
      acknowledgedPerSecond: rate(acknowledgedMs), answeredPerSecond: rate(answeredMs), barePerSecond: rate(bareMs), ofBare: Math.round((bareMs / answeredMs) * 100) / 100,
    });
  } finally {
    await api.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function press(index: number): object {
  const from = { id: 1000 + index, is_bot: false, first_name: 'Bench' };
  return { update_id: index + 1, callback_query: { id: String(index), from, chat_instance: '1', data: 'ck-xn', message: { message_id: 1, date: 1_712_541_600, chat: { id: from.id, type: 'private', first_name: 'Bench' } } } };
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
      name: 'Bench', language: 'vi', roles: [{ role: 'member', unit: unit.code, since: now }], addresses: [{ channel: 'telegram', id: String(1000 + index), lastAt: now, state: 'active', reason: null }], consent: { version: 'bench', at: now },
    };
    const { id } = await store.people.create(person);
    const pledge = openPledge({ plan: options.plan.plan, obligation: obligation.key, unit: unit.code, level: unit.level, path: unit.path, person: id, due });
    await store.pledges.insertMissing([writePledge(pledge, 'I shall do my part.', now)]);
  };
  for (let from = 0; from < options.confirmations; from += 100) await Promise.all(Array.from({ length: Math.min(100, options.confirmations - from) }, (_, index) => add(from + index)));
}

/** Delivers all, so many at a time, each until it is acknowledged as Telegram does; answers how many were. */
async function postAll(address: string, bodies: readonly string[]): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let next = 0;
  let acknowledged = 0;
  const post = (body: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const call = request(address, { method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'x-telegram-bot-api-secret-token': secret } }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      });
      call.on('error', reject).end(body);
    });
  const work = async (): Promise<void> => {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
      while ((await post(body)) !== 200);
      acknowledged += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  agent.destroy();
  return acknowledged;
}

async function measureBare(updates: readonly string[]): Promise<number> {
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
    await Promise.all(Array.from({ length: connections }, work));
    return performance.now() - begun;
  });
}
