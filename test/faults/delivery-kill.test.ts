import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { noLimits, startStrictBotApi, type StrictBotApi } from '../../src/bench/strict-bot-api.ts';
import { resentWhenUnknown, type Notice, type OutboxRow } from '../../src/domain/notice.ts';
import { openEmbedded, type Embedded } from '../../src/embedded/server.ts';
import type { Store } from '../../src/ports.ts';
import { openStore } from '../../src/store/store.ts';
import { buildOutboxRow } from '../support/builders.ts';
import { addPeople } from '../support/post.ts';
import { runCommand, startProcess, type ServiceProcess } from '../support/service-process.ts';

/** Kills in one run and rows to deliver: few by default, so that the suite stays fast; `FAULT_KILLS=100 FAULT_ROWS=2000` is the whole proof. */
const kills = Number(process.env.FAULT_KILLS ?? 2);
const rowCount = Number(process.env.FAULT_ROWS ?? 80);
/** Rows a second, so that the last kill still meets work. */
const rate = Math.max(10, Math.ceil(rowCount / (kills * 2)));

let api: StrictBotApi;
let folder: string;
const running: ServiceProcess[] = [];
let engine: Embedded | null = null;

afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.kill()));
  await engine?.stop();
  engine = null;
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

async function prepare(): Promise<Record<string, string>> {
  folder = mkdtempSync(join(tmpdir(), 'dondoc-kill-'));
  api = await startStrictBotApi({ latencyMs: 40, limits: noLimits });
  return { TELEGRAM_BOT_TOKEN: '1:kill', TELEGRAM_API_ROOT: api.root, SEND_RATE: String(rate), LOG_LEVEL: 'warn' };
}

/** Half alarms (sent once more when in doubt), half answers (never): each says its own key. */
function buildRows(people: readonly string[]): OutboxRow[] {
  return people.map((person, index) => {
    const key = `row-${index}`;
    const notice: Notice = index % 2 === 0 ? { kind: 'alert', code: key, params: {} } : { kind: 'answer', reply: { text: key } };
    return buildOutboxRow(key, { notice, about: null, ...(notice.kind === 'answer' ? { chat: chatOf(index), person: null, priority: 0 } : { person, priority: 1 }) });
  });
}

const chatOf = (index: number): string => String(70_000 + index);

async function fill(store: Store): Promise<void> {
  const people = await addPeople(store, rowCount, 'telegram', chatOf);
  await store.outbox.put(buildRows(people));
}

async function start(environment: Record<string, string>): Promise<ServiceProcess> {
  const service = await startProcess(environment);
  running.push(service);
  return service;
}

async function kill(service: ServiceProcess): Promise<void> {
  await service.kill();
  running.splice(running.indexOf(service), 1);
}

/** Everything delivered is known, everything known as sent was delivered, doubles only by the rule of the kind and with the doubt in the evidence. */
async function audit(store: Store): Promise<{ unknown: number; doubled: number }> {
  const counts = await store.outbox.counts();
  expect(counts).toMatchObject({ pending: 0, sending: 0, dead: 0 });
  expect(counts.sent + counts.unknown).toBe(rowCount);
  let doubled = 0;
  for (let index = 0; index < rowCount; index += 1) {
    const row = await store.outbox.get(`row-${index}`);
    const arrived = api.taken.filter((taken) => taken.chat === chatOf(index));
    const doubts = row?.attempts.filter((attempt) => attempt.answer === 'unknown').length ?? 0;
    expect(arrived.every((taken) => taken.text.includes(`row-${index}`))).toBe(true);
    if (row?.state === 'sent') expect(arrived.length).toBeGreaterThanOrEqual(1);
    else expect(doubts).toBeGreaterThan(0);
    if (arrived.length > 1) {
      doubled += 1;
      expect(row && resentWhenUnknown[row.notice.kind]).toBe(true);
    }
    expect(arrived.length).toBeLessThanOrEqual(doubts + 1);
  }
  return { unknown: counts.unknown, doubled };
}

/** Kills at moments drawn from one number, so that a failure can be repeated. */
function drawMoments(): number[] {
  let seed = 20_240_502;
  return Array.from({ length: kills }, () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return 50 + (seed % 1500);
  });
}

async function untilSettled(environment: Record<string, string>, limitMs: number): Promise<void> {
  for (const end = Date.now() + limitMs; ; await sleep(200)) {
    const counts = (await runCommand(environment, 'outbox')) as Record<string, number>;
    if (counts.pending === 0 && counts.sending === 0) return;
    if (Date.now() > end) throw new Error(`not settled: ${JSON.stringify(counts)}`);
  }
}

describe('kill -9 during a broadcast', () => {
  test('with its own database: nothing is lost, doubles only by the rule', async () => {
    const environment = { ...(await prepare()), DATA_DIR: folder };
    engine = await openEmbedded({ folder: join(folder, 'db') });
    const before = await openStore({ uri: engine.uri });
    await fill(before);
    await before.close();
    await engine.stop();
    engine = null;
    for (const moment of drawMoments()) {
      const service = await start(environment);
      await sleep(moment);
      await kill(service);
    }
    await start(environment);
    await untilSettled(environment, 60_000);
    await Promise.all(running.splice(0).map((service) => service.stop()));
    engine = await openEmbedded({ folder: join(folder, 'db') });
    const store = await openStore({ uri: engine.uri });
    const { unknown, doubled } = await audit(store);
    await store.close();
    expect(unknown + doubled).toBeLessThanOrEqual(kills * 20);
  }, 60_000 + kills * 8000);

  test('two processes on one database, one killed or put to sleep at a time', async () => {
    const given = await prepare();
    engine = await openEmbedded({ folder: join(folder, 'db'), port: 0 });
    const store = await openStore({ uri: engine.uri });
    await fill(store);
    const environment = (name: string): Record<string, string> => ({ ...given, MONGODB_URI: engine?.uri ?? '', SECRET: 'a secret of thirty-two characters!!', DATA_DIR: join(folder, name) });
    let [one, two] = await Promise.all([start(environment('one')), start(environment('two'))]);
    for (const [index, moment] of drawMoments().entries()) {
      await sleep(moment);
      if (index % 2 === 0) {
        await kill(one);
        one = await start(environment('one'));
      } else {
        // Asleep for longer than its lease: the other one takes over, and what it had begun must not leave when it wakes.
        one.pause(true);
        await sleep(7000);
        one.pause(false);
      }
      [one, two] = [two, one];
    }
    await untilSettled(environment('one'), 60_000);
    await audit(store);
    await store.close();
  }, 90_000 + kills * 12_000);
});
