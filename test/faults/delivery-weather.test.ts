import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { noLimits, startStrictBotApi, type StrictBotApi, type Weather } from '../../src/bench/strict-bot-api.ts';
import { createTelegramChannel, type TelegramChannel } from '../../src/channels/telegram/adapter.ts';
import type { OutboxRow } from '../../src/domain/notice.ts';
import { resentWhenUnknown } from '../../src/domain/notice.ts';
import type { Core, OutboxCounts, Store } from '../../src/ports.ts';
import { createSender, type Sender } from '../../src/services/outbox.ts';
import { buildOutboxRow, calendar } from '../support/builders.ts';
import { openHouseStore } from '../support/house-store.ts';
import { addPeople, fastTiming } from '../support/post.ts';

const count = 60;

let api: StrictBotApi;
let store: Store;
let leave: () => Promise<void>;
let channel: TelegramChannel;
let core: Core;
let sender: Sender;
let people: string[];

beforeEach(async () => {
  ({ store, leave } = await openHouseStore());
  api = await startStrictBotApi({ latencyMs: 5, limits: noLimits, penalty: 1 });
  people = await addPeople(store, count, 'telegram', (index) => String(1000 + index));
  const log = { info() {}, warn() {}, error() {} };
  channel = createTelegramChannel({ token: '1:t', apiRoot: api.root, webhook: null, commands: [], offer: async () => [], linkFor: async () => '', sendRate: 40, log, clock: () => new Date(), waits: { callMs: 1500 } });
  const refuse = (): never => {
    throw new Error('not here');
  };
  core = {
    store, log, channels: new Map([['telegram', channel]]), calendar, levels: [], secret: 'secret', publicUrl: 'http://127.0.0.1', clock: () => new Date(), random: (bytes) => randomBytes(bytes),
    wakeOutbox: () => {}, recognise: refuse, drawCode: refuse, drawChart: refuse, writeSheet: refuse,
  };
  sender = buildSender();
});
afterEach(async () => {
  await sender.stop();
  await channel.stop();
  await api.close();
  await leave();
});

function buildSender(rate?: number): Sender {
  return createSender({ core, channel, timing: fastTiming(5), instance: 'weather', render: async (_notice, row, _person, again) => ({ text: `${row.key}${again ? ' again' : ''}` }), ...(rate === undefined ? {} : { rate }) });
}

/** Half of them may come twice when an answer is lost, half may not. */
function rows(): OutboxRow[] {
  return people.map((person, index) => buildOutboxRow(`r${index}`, { person, notice: index % 2 === 0 ? { kind: 'nudge', assignment: 'a' } : { kind: 'broadcast', broadcast: 'b' }, priority: index % 2 === 0 ? 2 : 4, about: 'weather' }));
}

async function deliverAll(limitMs = 18_000): Promise<OutboxCounts> {
  await store.outbox.put(rows());
  sender.start();
  for (const end = Date.now() + limitMs; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const counts = await store.outbox.counts();
    if (counts.pending + counts.sending === 0) return counts;
    if (Date.now() > end) throw new Error(`still ${JSON.stringify(counts)}`);
  }
}

/** What arrived against what the outbox says: nothing missing, nothing said to be sent that was not, doubles only by the rule. */
async function audit(counts: OutboxCounts): Promise<{ doubled: number }> {
  expect(counts.sent + counts.unknown + counts.dead).toBe(count);
  let doubled = 0;
  for (const row of rows()) {
    const stored = await store.outbox.get(row.key);
    const arrived = api.taken.filter((taken) => taken.text.split(' ')[0] === row.key);
    if (stored?.state === 'sent') expect(arrived.length).toBeGreaterThanOrEqual(1);
    const lost = stored?.attempts.filter((attempt) => attempt.answer === 'unknown').length ?? 0;
    if (stored?.state === 'dead' && lost === 0) expect(arrived).toHaveLength(0);
    if (arrived.length > 1) {
      doubled += 1;
      expect(resentWhenUnknown[row.notice.kind]).toBe(true);
      expect(arrived.slice(1).every((taken) => taken.text.endsWith('again'))).toBe(true);
    }
    expect(arrived.length).toBeLessThanOrEqual(resentWhenUnknown[row.notice.kind] ? 2 : 1);
  }
  return { doubled };
}

/** A weather for each call, from a list that repeats. */
function changing(...weathers: Weather[]): () => Weather {
  let call = 0;
  return () => weathers[call++ % weathers.length] as Weather;
}

describe('delivery in bad weather', () => {
  test('answers lost on the way: each row is sent, or shown as unknown; doubles only where the kind allows, marked', async () => {
    api.settings.weather = changing('fine', 'fine', 'lose-answer', 'fine', 'fine');
    const counts = await deliverAll();
    const { doubled } = await audit(counts);
    expect(counts.unknown).toBeGreaterThan(0);
    expect(doubled).toBeGreaterThan(0);
  });

  test('a gateway that answers 502 with HTML now and then', async () => {
    api.settings.weather = changing('fine', 'bad-gateway', 'fine', 'fine');
    const counts = await deliverAll();
    expect((await audit(counts)).doubled).toBe(0);
    expect(counts.sent).toBeGreaterThan(count / 2);
  });

  test('calls that hang or are cut', async () => {
    api.settings.weather = changing('fine', 'fine', 'hang', 'fine', 'reset', 'fine');
    expect((await audit(await deliverAll())).doubled).toBe(0);
  });

  test('an outage in the middle puts few rows in doubt, and ends by itself', async () => {
    // At a slow rate few calls are under way when it begins, however busy the machine: what is in doubt then is what the sender goes on trying.
    sender = buildSender(8);
    let calls = 0;
    const began = Date.now();
    api.settings.weather = () => {
      calls += 1;
      return calls > 15 && Date.now() - began < 2500 ? 'bad-gateway' : 'fine';
    };
    const counts = await deliverAll();
    await audit(counts);
    expect(counts.unknown).toBeLessThan(count / 3);
    expect(counts.sent).toBeGreaterThan(count / 2);
  });

  test('bursts of 429 lose nothing and double nothing', async () => {
    let call = 0;
    api.settings.weather = () => (call++ % 20 < 6 ? 'too-many' : 'fine');
    const counts = await deliverAll();
    expect(counts.sent).toBe(count);
    expect((await audit(counts)).doubled).toBe(0);
    expect(api.refused).toBeGreaterThan(0);
  });

  test('a token refused for a while: everything waits and then goes out once', async () => {
    let refused = 0;
    api.settings.weather = () => (refused++ < 2 ? 'unauthorized' : 'fine');
    await store.outbox.put(rows());
    const counts = await deliverAll(60_000);
    expect(counts.sent).toBe(count);
    expect((await audit(counts)).doubled).toBe(0);
  }, 70_000);

  test('a conflict is no reason to send again', async () => {
    api.settings.weather = changing('fine', 'fine', 'fine', 'conflict');
    const counts = await deliverAll();
    expect((await audit(counts)).doubled).toBe(0);
    expect(counts.sent).toBeGreaterThan(0);
  });

  test('people who blocked the bot end quietly and are marked', async () => {
    api.settings.weather = (chat) => (chat.endsWith('7') ? 'blocked' : 'fine');
    const counts = await deliverAll();
    await audit(counts);
    expect(counts.dead).toBe(6);
    expect((await store.people.byAddress('telegram', '1007'))?.addresses[0]?.state).toBe('gone');
  });
});
