import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { noLimits, startStrictBotApi, type StrictBotApi } from '../../src/bench/strict-bot-api.ts';
import { openEmbedded, type Embedded } from '../../src/embedded/server.ts';
import { openStore } from '../../src/store/store.ts';
import { auditRows, fillOutbox, untilSettled } from '../support/proof-of-delivery.ts';
import { startProcess, type ServiceProcess } from '../support/service-process.ts';

/** Kills in one run and rows to deliver: few by default, so that the suite stays fast; `FAULT_KILLS=100 FAULT_ROWS=2000` is the whole proof. */
const kills = Number(process.env.FAULT_KILLS ?? 2);
const rowCount = Number(process.env.FAULT_ROWS ?? 80);
/** Rows a second, so that the last kill still meets work. */
const rate = Math.max(10, Math.ceil(rowCount / (kills * 2)));
/** Until all of them have left at that rate, and a minute for what is doubtful. */
const settledMs = 60_000 + (rowCount / rate) * 1000;

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

async function start(environment: Record<string, string>): Promise<ServiceProcess> {
  const service = await startProcess(environment);
  running.push(service);
  return service;
}

async function kill(service: ServiceProcess): Promise<void> {
  await service.kill();
  running.splice(running.indexOf(service), 1);
}

/** Kills at moments drawn from one number, so that a failure can be repeated. */
function drawMoments(): number[] {
  let seed = 20_240_502;
  return Array.from({ length: kills }, () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return 50 + (seed % 1500);
  });
}

describe('kill -9 during a broadcast', () => {
  test('with its own database: nothing is lost, doubles only by the rule', async () => {
    const environment = { ...(await prepare()), DATA_DIR: folder };
    engine = await openEmbedded({ folder: join(folder, 'db') });
    const before = await openStore({ uri: engine.uri });
    await fillOutbox(before, rowCount);
    await before.close();
    await engine.stop();
    engine = null;
    for (const moment of drawMoments()) {
      const service = await start(environment);
      await sleep(moment);
      await kill(service);
    }
    await start(environment);
    await untilSettled(environment, settledMs);
    await Promise.all(running.splice(0).map((service) => service.stop()));
    engine = await openEmbedded({ folder: join(folder, 'db') });
    const store = await openStore({ uri: engine.uri });
    const { unknown, doubled } = await auditRows(store, api, rowCount);
    await store.close();
    expect(unknown + doubled).toBeLessThanOrEqual(kills * 20);
  }, settledMs + 60_000 + kills * 8000);

  test('two processes on one database, one killed or put to sleep at a time', async () => {
    const given = await prepare();
    engine = await openEmbedded({ folder: join(folder, 'db'), port: 0 });
    const store = await openStore({ uri: engine.uri });
    await fillOutbox(store, rowCount);
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
    await untilSettled(environment('one'), settledMs);
    await auditRows(store, api, rowCount);
    await store.close();
  }, settledMs + 90_000 + kills * 12_000);
});
