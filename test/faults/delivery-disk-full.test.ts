import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { noLimits, startStrictBotApi, type StrictBotApi } from '../../src/bench/strict-bot-api.ts';
import { openEmbedded } from '../../src/embedded/server.ts';
import type { Store } from '../../src/ports.ts';
import { openStore } from '../../src/store/store.ts';
import { auditRows, chatOf, fillOutbox, untilSettled } from '../support/proof-of-delivery.ts';
import { startProcess, type ServiceProcess } from '../support/service-process.ts';

/** Rows to deliver; `FAULT_ROWS=2000` is the whole proof. */
const rowCount = Number(process.env.FAULT_ROWS ?? 300);
/** What the data file may still grow by when delivery begins, and how many messages have left before people fill it up: the disk is full in the middle of delivery. */
const roomLeft = 128 * 1024;
const leftFirst = Math.min(40, rowCount / 2);
/** How long the service is watched with its disk full. */
const watchMs = 4000;
const secret = 'a-secret-of-the-webhook';

let api: StrictBotApi;
let folder: string;
let environment: Record<string, string>;
let service: ServiceProcess | null = null;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dondoc-full-'));
  api = await startStrictBotApi({ latencyMs: 40, limits: noLimits });
  environment = { TELEGRAM_BOT_TOKEN: '1:full', TELEGRAM_API_ROOT: api.root, TELEGRAM_WEBHOOK_SECRET: secret, PUBLIC_URL: 'https://dondoc.example.org', SEND_RATE: '20', LOG_LEVEL: 'warn', DATA_DIR: folder };
  await withStore((store) => fillOutbox(store, rowCount));
});
afterEach(async () => {
  await service?.kill();
  service = null;
  await api.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The store of a service that does not run. */
async function withStore<Result>(work: (store: Store) => Promise<Result>): Promise<Result> {
  const engine = await openEmbedded({ folder: join(folder, 'db') });
  const store = await openStore({ uri: engine.uri });
  try {
    return await work(store);
  } finally {
    await store.close();
    await engine.stop();
  }
}

/** Strangers who write at length while it happens: each once, in a chat of their own, and Telegram delivers again what was not taken. */
const strangersChat = (index: number): number => 90_000 + index;
const strangersMessage = (index: number): string => `telegram:${strangersChat(index)}:1`;
const strangersText = 'Xin chào đồng chí. '.repeat(200);
const strangersAtOnce = 5;

async function write(index: number): Promise<number> {
  const chat = { id: strangersChat(index), type: 'private' };
  const message = { message_id: 1, date: Math.floor(Date.now() / 1000), chat, from: { id: chat.id, is_bot: false, first_name: 'Hoa' }, text: strangersText };
  const answer = await fetch(`${service?.address}/telegram/webhook`, {
    method: 'POST', headers: { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': secret }, body: JSON.stringify({ update_id: 1000 + index, message }),
  });
  return answer.status;
}

/** A few more strangers write; `told` takes what each of all was told. */
async function writeSome(told: number[]): Promise<void> {
  told.push(...(await Promise.all(Array.from({ length: strangersAtOnce }, (_, more) => write(told.length + more)))));
}

/**
 * Starts the service on a disk with little room and lets strangers write until they are turned away and nothing leaves any more: at first small writes still
 * find a free page here and there. Answers what each stranger was told.
 */
async function deliverUntilFull(): Promise<number[]> {
  service = await startProcess(environment, { largestFile: statSync(join(folder, 'db', 'data.mdb')).size + roomLeft });
  const told: number[] = [];
  for (const end = Date.now() + 30_000; ; ) {
    if (Date.now() > end) throw new Error(`the disk did not fill up: ${api.taken.length} left, ${told.length} wrote`);
    const before = api.taken.length;
    await sleep(300);
    if (before < leftFirst) continue;
    await writeSome(told);
    if (api.taken.length === before && told.slice(-strangersAtOnce).every((status) => status === 503)) return told;
  }
}

/** Everything that left was written down before: its row names the attempt. */
async function checkWrittenFirst(store: Store): Promise<void> {
  for (const { chat } of api.taken) {
    const row = await store.outbox.get(Number(chat) < 90_000 ? `row-${Number(chat) - Number(chatOf(0))}` : `answer/telegram:${chat}:1/0`);
    expect(row?.attempts.length).toBeGreaterThan(0);
    expect(['sending', 'sent', 'unknown', 'pending']).toContain(row?.state);
  }
}

test('the disk fills up during a broadcast: the service stays up and says so, and after a kill and with room again nothing is lost', async () => {
  const told = await deliverUntilFull();
  expect(api.taken.length).toBeLessThan(rowCount);

  await sleep(watchMs);
  await writeSome(told);
  expect(told.every((status) => status === 200 || status === 503)).toBe(true);
  expect(service?.alive()).toBe(true);
  expect((await fetch(`${service?.address}/healthz`)).status).toBe(200);
  const ready = await fetch(`${service?.address}/readyz`);
  expect([ready.status, ((await ready.json()) as { checks: { store: { ok: boolean } } }).checks.store.ok]).toEqual([503, false]);
  // Whichever write met the full disk first says so.
  expect(service?.log()).toMatch(/The disk is full|could not be made durable|webhook-not-stored/);
  await service?.kill();

  await withStore(async (store) => {
    await checkWrittenFirst(store);
    for (const [index, status] of told.entries()) expect((await store.inbox.get(strangersMessage(index))) !== null).toBe(status === 200);
  });

  service = await startProcess({ ...environment, SEND_RATE: '200' });
  for (const [index, status] of told.entries()) if (status !== 200) expect(await write(index)).toBe(200);
  await untilSettled(environment, 60_000);
  await service.stop();
  await withStore(async (store) => {
    await auditRows(store, api, rowCount, told.length);
    for (const index of told.keys()) {
      expect((await store.inbox.get(strangersMessage(index)))?.state).toBe('done');
      const answers = api.taken.filter((taken) => taken.chat === String(strangersChat(index)));
      const doubts = (await store.outbox.get(`answer/${strangersMessage(index)}/0`))?.attempts.filter((attempt) => attempt.answer === 'unknown').length ?? 0;
      if (doubts === 0) expect(answers).toHaveLength(1);
      expect(answers.every((answer) => answer.text.includes('GN BCDF-GHJK'))).toBe(true);
    }
  });
}, 150_000);
