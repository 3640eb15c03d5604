import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createZaloOaChannel, payloadMark, type ZaloOaChannel, type ZaloOaSettings } from '../../src/channels/zalo-oa/adapter.ts';
import { createBudget } from '../../src/channels/zalo-oa/budget.ts';
import { createTokenKeeper, type TokenKeeper, type TokenKeeperSettings } from '../../src/channels/zalo-oa/tokens.ts';
import { isConsoleCheck, isSigned, parseOaEvent } from '../../src/channels/zalo-oa/update.ts';
import { freeWindowMs, openWindowMs } from '../../src/channels/zalo-oa/windows.ts';
import { mayFetch } from '../../src/channels/remote-file.ts';
import type { Incoming } from '../../src/domain/message.ts';
import type { Notice } from '../../src/domain/notice.ts';
import type { Address } from '../../src/domain/person.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { createServer } from '../../src/http/server.ts';
import { serveZaloOaWebhook, zaloOaWebhookPath } from '../../src/http/zalo-webhooks.ts';
import type { Channel, Log, Outgoing, Store } from '../../src/ports.ts';
import { at, buildOutboxRow, buildPerson, calendar } from '../support/builders.ts';
import { startFakeZaloOa, type FakeZaloOa, type ZaloOaFailure } from '../support/fake-zalo-oa.ts';
import { openHouseStore } from '../support/house-store.ts';
import { freePacing, openPost } from '../support/post.ts';
import { testChannel } from './contract.ts';

const user = '2512523625412515';
const hour = 3_600_000;
const day = 24 * hour;
const plain = (text: string, rest: Partial<Outgoing> = {}): Outgoing => ({ text, notice: null, to: null, ...rest });
const reminder: Notice = { kind: 'reminder', assignment: 'a', wave: 'w', offset: -7 };
const twoChoices = [[{ id: 'nop:1', label: 'Nộp' }], [{ id: 'xem:1', label: 'Xem' }]];

interface Stand {
  fake: FakeZaloOa;
  store: Store;
  channel: ZaloOaChannel;
  tokens: TokenKeeper;
  log: string[];
  received: Incoming[];
  contacts: string[];
  refusedTemplates: string[];
  /** How often storing fails from now on. */
  failing: { times: number };
  now(): Date;
  /** Moves everybody's clock. */
  wait(ms: number): void;
  /** One more keeper of the same tokens, as another process has it. */
  keeper(change?: Partial<TokenKeeperSettings>): TokenKeeper;
  /** A channel of its own on the same store, as after a restart. */
  again(change?: Partial<ZaloOaSettings>): ZaloOaChannel;
  address: string;
  to(change?: Partial<Address>): Address;
  close(): Promise<void>;
}

let stands: Stand[] = [];

async function build(options: { limit?: number; templates?: ZaloOaSettings['templates']; trial?: boolean; ratePerMinute?: number; keeper?: Partial<TokenKeeperSettings>; from?: Date } = {}): Promise<Stand> {
  const fake = await startFakeZaloOa(options);
  const rooms = await openHouseStore();
  const { store } = rooms;
  const lines: string[] = [];
  const write = (event: string, facts?: unknown): void => void lines.push(`${event} ${JSON.stringify(facts)}`);
  const log: Log = { info: write, warn: write, error: write };
  // Noon, unless a test is about the night: no test may depend on the hour it runs at.
  let shift = (options.from ?? new Date(at(calendar.dayOf(new Date()), '12:00'))).getTime() - Date.now();
  fake.wait(shift);
  const clock = (): Date => new Date(Date.now() + shift);
  const received: Incoming[] = [];
  const contacts: string[] = [];
  const refusedTemplates: string[] = [];
  const failing = { times: 0 };
  let owners = 0;
  const keeper = (change: Partial<TokenKeeperSettings> = {}): TokenKeeper =>
    createTokenKeeper({ appId: fake.appId, appSecret: fake.appSecret, firstRefreshToken: fake.firstRefreshToken, oauthRoot: fake.root, settings: store.settings, leases: store.leases, owner: `process-${(owners += 1)}`, clock, log, waitMs: 10, ...change });
  const tokens = keeper(options.keeper);
  let number = 0;
  const again = (change: Partial<ZaloOaSettings> = {}): ZaloOaChannel => createZaloOaChannel({
    apiRoot: fake.root, tokens, budget: createBudget({ limit: options.limit ?? 0, settings: store.settings, calendar, clock }), templates: options.templates ?? {}, fileHosts: [fake.host], buttonType: null,
    settings: store.settings, calendar, clock, log, catchUpPauseMs: 20,
    offer: async (_chat, choices) => choices.map((choice) => ({ number: (number += 1), choice })),
    linkFor: async (_chat, document) => `https://dondoc.example/tai/${document.fileId}`,
    onContact: async (who) => void contacts.push(who), onTemplateRefused: (kind, reason) => void refusedTemplates.push(`${kind} ${reason}`),
    ...change,
  });
  const channel = again();
  const app = await createServer({
    log, checks: {}, metrics: createMetrics([]),
    routes: [(scope) => serveZaloOaWebhook(scope, {
      isConsoleCheck, isSigned: (raw, header) => isSigned(raw, header, fake.appId, fake.secretKey), onSignature: (right) => channel.noteSignature(right),
      receive: (event) => channel.receive(event), log,
    })],
  });
  const address = `${await app.listen({ host: '127.0.0.1', port: 0 })}${zaloOaWebhookPath}`;
  fake.hook(address);
  const stand: Stand = {
    fake, store, channel, tokens, log: lines, received, contacts, refusedTemplates, failing, keeper, again, address,
    now: clock,
    wait(ms) {
      shift += ms;
      fake.wait(ms);
    },
    to: (change) => ({ channel: 'zalo-oa', id: user, lastAt: clock(), state: 'active', reason: null, ...change }),
    async close() {
      await channel.stop();
      await app.close();
      await fake.close();
      await rooms.leave();
    },
  };
  stands.push(stand);
  return stand;
}

/** Starts the channel; what is received goes into `received`. */
async function begin(stand: Stand, channel: ZaloOaChannel = stand.channel): Promise<Stand> {
  await channel.start(async (incoming) => {
    if (stand.failing.times > 0) {
      stand.failing.times -= 1;
      throw new Error('the store is down');
    }
    if (!stand.received.some((known) => known.messageId === incoming.messageId)) stand.received.push(incoming);
  });
  return stand;
}

/** An account a person has just written to. */
async function open(options: Parameters<typeof build>[0] = {}): Promise<Stand> {
  const stand = await begin(await build(options));
  await stand.fake.says(user, 'xin chào');
  stand.received.length = 0;
  return stand;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await condition()); waited += 10) {
    if (waited > 5000) throw new Error('never came true');
    await sleep(10);
  }
}

afterEach(async () => {
  for (const stand of stands) await stand.close();
  stands = [];
});

const cs = '/v3.0/oa/message/cs';
const failures: Record<'refused' | 'retry' | 'unknown', ZaloOaFailure> = {
  refused: { kind: 'error', code: -248, message: 'policy' }, retry: { kind: 'error', code: -32, message: 'Your OA reached limit' }, unknown: { kind: 'lost' },
};

testChannel('zalo official account', async () => {
  const stand = await build({ from: new Date() });
  stands = [];
  const { fake, channel, log } = stand;
  const start = channel.start.bind(channel);
  channel.start = async (handle) => {
    await start(async (incoming) => {
      if (incoming.content.kind === 'text' && incoming.content.text === 'xin chào lần đầu') return;
      await handle(incoming);
    });
    await fake.says(user, 'xin chào lần đầu');
  };
  // Zalo brings again what was not taken; here as often as the person's next word needs it.
  const deliver = async (send: () => Promise<number>): Promise<void> => {
    let status = await send();
    for (let tries = 0; status === 500 && tries < 5; tries += 1) status = await fake.retry();
  };
  return {
    channel, chat: user, secrets: [fake.appSecret, fake.secretKey, fake.firstRefreshToken, 'access-1'],
    logged: () => log.join('\n'),
    says: (text) => deliver(() => fake.says(user, text)),
    redelivers: async () => void (await fake.retry()),
    sendsFile: (name, bytes, claimed) => deliver(() => fake.sendsFile(user, { name, bytes, ...(claimed === undefined ? {} : { size: claimed }) })),
    losesFile: () => fake.losesFiles(),
    press: (label) => deliver(() => fake.press(user, label)),
    seen: () => fake.seen(user).map(({ text, buttons, file }) => ({ text, buttons: buttons.map(({ title, payload, url }) => ({ label: title, ...(payload ? { id: payload } : {}), ...(url ? { url } : {}) })), document: file })),
    breakNext: (how) => (how === 'gone' ? fake.leaves(user) : fake.fail(cs, failures[how])),
    close: stand.close,
  };
});

describe('tokens', () => {
  test('two refreshes at once, in one process and in two, trade one token', async () => {
    const stand = await build();
    const [one, two] = [stand.keeper(), stand.keeper()];
    const got = await Promise.all([one.token(), one.token(), two.token(), two.renew('something old'), stand.tokens.token()]);
    expect(new Set(got).size).toBe(1);
    expect(stand.fake.exchanges).toEqual(['refresh-0']);
  });

  test('the new pair is in the store before anybody gets to use it, even when the store is away for a moment', async () => {
    const stand = await build();
    const set = stand.store.settings.set.bind(stand.store.settings);
    let failed = 0;
    stand.store.settings.set = async (key, value) => {
      if (key === 'zalo-oa/tokens' && failed < 3) {
        failed += 1;
        throw new Error('the store is away');
      }
      await set(key, value);
    };
    const token = await stand.tokens.token();
    expect(failed).toBe(3);
    expect(await stand.store.settings.get('zalo-oa/tokens')).toMatchObject({ accessToken: token });
    expect(stand.fake.exchanges).toHaveLength(1);
  });

  test('it is renewed before it ends, and each refresh token is used once', async () => {
    const stand = await build();
    const first = await stand.tokens.token();
    stand.wait(24 * hour);
    expect(await stand.tokens.token()).toBe(first);
    stand.wait(40 * 60_000);
    const second = await stand.tokens.token();
    expect(second).not.toBe(first);
    expect(new Set(stand.fake.exchanges).size).toBe(2);
  });

  test('a refusal, which comes with status 200, is final: the pair is kept, a person is told, nothing is tried again', async () => {
    const told: string[] = [];
    const stand = await begin(await build({ keeper: { onRefused: (reason) => told.push(reason) } }));
    const before = await stand.tokens.status();
    await stand.keeper().login('a token of somebody else');
    expect((await stand.tokens.status()).pair).toEqual(before.pair);
    // Somebody used the refresh token elsewhere: it is burnt.
    await stand.keeper({ settings: { ...stand.store.settings, get: async () => null, set: async () => {} }, firstRefreshToken: before.pair?.refreshToken ?? '' }).token();
    stand.wait(26 * hour);
    expect(await stand.tokens.token()).toBeNull();
    const tries = stand.fake.exchanges.length;
    expect(await stand.tokens.token()).toBeNull();
    stand.wait(day);
    expect(await stand.channel.send(user, plain('tin'))).toMatchObject({ kind: 'retry', scope: 'channel' });
    expect(stand.fake.exchanges).toHaveLength(tries);
    expect(told).toEqual([expect.stringContaining('-14014')]);
    expect((await stand.tokens.status()).pair).toMatchObject({ accessToken: before.pair?.accessToken, refreshToken: before.pair?.refreshToken, refused: expect.stringContaining('-14014') });
    expect(stand.channel.health()).toEqual({ ok: false, detail: expect.stringMatching(/^login needed: -14014/) });
  });

  test('after a new login the running channel works again without a restart', async () => {
    const stand = await open();
    const { pair } = await stand.tokens.status();
    await stand.store.settings.set('zalo-oa/tokens', { ...pair, expiresAt: 0, refreshToken: 'burnt' });
    expect((await stand.channel.send(user, plain('một'))).kind).toBe('retry');
    expect(stand.channel.health().ok).toBe(false);
    const done = await stand.keeper().login(pair?.refreshToken ?? '');
    expect(done).toMatchObject({ pair: { refused: null } });
    expect((await stand.channel.send(user, plain('hai'))).kind).toBe('ok');
    expect(stand.channel.health().ok).toBe(true);
  });

  test('a refresh whose answer is lost: the old token is tried once a minute later, and its refusal tells a person', async () => {
    const told: string[] = [];
    const stand = await build({ keeper: { onRefused: (reason) => told.push(reason) } });
    await stand.tokens.token();
    stand.wait(24.6 * hour);
    stand.fake.fail('/v4/oa/access_token', { kind: 'lost' });
    // The old access token is still good for half an hour: as far as we know.
    expect(await stand.tokens.token()).toMatch(/^access-/);
    await stand.tokens.token();
    expect(stand.fake.exchanges).toHaveLength(2);
    expect(told).toEqual([]);
    stand.wait(61_000);
    await stand.tokens.token();
    expect(stand.fake.exchanges).toHaveLength(3);
    expect(told).toHaveLength(1);
  });

  test.each<[string, ZaloOaFailure]>([
    ['a gateway\'s page', { kind: 'html', status: 502 }], ['a broken connection', { kind: 'reset' }],
  ])('%s instead of an answer is no refusal', async (_name, failure) => {
    const stand = await build();
    stand.fake.fail('/v4/oa/access_token', failure);
    expect(await stand.tokens.token()).toBeNull();
    expect((await stand.tokens.status()).refused).toBeNull();
    stand.wait(61_000);
    expect(await stand.tokens.token()).toMatch(/^access-/);
  });

  test('killed between the exchange and the store: the next start says that a login is needed, and keeps what it had', async () => {
    const stand = await build();
    const dead = stand.keeper({ settings: { ...stand.store.settings, get: (key) => stand.store.settings.get(key), set: () => new Promise(() => undefined) } });
    void dead.token();
    await until(() => stand.fake.exchanges.length === 1);
    // The dead process's lease runs out.
    stand.wait(2 * 60_000);
    expect(await stand.tokens.token()).toBeNull();
    expect((await stand.tokens.status())).toMatchObject({ refused: expect.stringContaining('-14014'), pair: { refreshToken: 'refresh-0' } });
  });

  test('a process that slept past its lease does not write over a newer login', async () => {
    const stand = await build();
    let wake = (): void => {};
    const asleep = new Promise<void>((resolve) => (wake = resolve));
    const slow = stand.keeper({ settings: { ...stand.store.settings, async get<T>(key: string) {
      if (stand.fake.exchanges.length > 0) await asleep;
      return stand.store.settings.get<T>(key);
    } } });
    const sleeping = slow.token();
    await until(() => stand.fake.exchanges.length === 1);
    const newer = { accessToken: 'newer', refreshToken: 'newer', expiresAt: stand.now().getTime() + day, since: stand.now().getTime(), refused: null };
    await stand.store.settings.set('zalo-oa/tokens', newer);
    wake();
    await sleeping;
    expect(await stand.store.settings.get('zalo-oa/tokens')).toEqual(newer);
  });

  test('an account on trial gets no refresh token: that is a refusal, and nothing undefined is stored', async () => {
    const stand = await build({ trial: true });
    expect(await stand.tokens.token()).toBeNull();
    expect(JSON.stringify(await stand.store.settings.get('zalo-oa/tokens'))).toMatch(/verified/);
  });

  test('an access token refused too early is renewed once and the call repeated; one refused at once is not traded on and on', async () => {
    const stand = await open();
    stand.wait(hour);
    stand.fake.fail(cs, { kind: 'error', code: -216, message: 'Access token is invalid' });
    expect(await stand.channel.send(user, plain('tin'))).toMatchObject({ kind: 'ok' });
    expect(stand.fake.exchanges).toHaveLength(2);
    stand.fake.fail(cs, { kind: 'error', code: 401, message: 'no' });
    expect(await stand.channel.send(user, plain('tin'))).toMatchObject({ kind: 'retry', scope: 'channel' });
    expect(stand.fake.exchanges).toHaveLength(2);
  });
});

describe('windows and money', () => {
  test.each([
    ['just now', 0, 0, undefined, { kind: 'free' }],
    ['48 hours', freeWindowMs, 0, undefined, { kind: 'free' }],
    ['after them, with nothing to spend', freeWindowMs + 1, 0, undefined, { kind: 'closed', reason: 'daily spend limit' }],
    ['after them, with money', freeWindowMs + 1, 55, undefined, { kind: 'paid', class: 'message', cost: 55 }],
    ['7 days', openWindowMs, 1000, undefined, { kind: 'paid', class: 'message', cost: 55 }],
    ['after 7 days', openWindowMs + 1, 1000, undefined, { kind: 'closed', reason: 'no word within 7 days' }],
    ['after 7 days, with a template for that kind', openWindowMs + 1, 1000, '7895', { kind: 'template', class: 'template', cost: 300 }],
    ['after 7 days, with a template and too little money', openWindowMs + 1, 299, '7895', { kind: 'closed', reason: 'daily spend limit' }],
  ] as const)('%s', async (_name, ago, limit, template, expected) => {
    const stand = await build({ limit, templates: template ? { reminder: template } : {} });
    const now = stand.now();
    expect(stand.channel.reach(stand.to({ lastAt: new Date(now.getTime() - ago) }), now, 'reminder')).toEqual(expected);
    expect(stand.channel.windowMs).toBe(limit === 0 ? freeWindowMs : openWindowMs);
  });

  test('no reminder as a template at night', async () => {
    const stand = await build({ limit: 1000, templates: { reminder: '7895', alert: '7896' } });
    const long = stand.to({ lastAt: at('2024-01-01') });
    for (const [time, kind] of [['21:59', 'template'], ['22:00', 'closed'], ['05:59', 'closed'], ['06:00', 'template']] as const) expect([time, stand.channel.reach(long, at('2024-05-06', time), 'reminder').kind]).toEqual([time, kind]);
    expect(stand.channel.reach(long, at('2024-05-06', '23:00'), 'alert').kind).toBe('template');
  });

  test('outside the window the kind\'s template goes, with facts of 30 characters, paid and counted', async () => {
    const stand = await open({ limit: 1000, templates: { reminder: '7895' } });
    stand.fake.templates.add('7895');
    stand.wait(8 * day);
    const sent = await stand.channel.send(user, plain('dài', { notice: reminder, to: stand.to({ lastAt: new Date(stand.now().getTime() - 8 * day) }), facts: { unit: 'Ủy ban nhân dân xã Tân Thắng huyện Hàm Tân'.normalize('NFD'), due: '06/5/2024' } }));
    expect(sent.kind).toBe('ok');
    expect(stand.fake.seen(user)).toMatchObject([{ template: { id: '7895', data: { unit: 'Ủy ban nhân dân xã Tân Thắng h', due: '06/5/2024' } } }]);
    expect(await stand.channel.describe()).toMatchObject({ spentToday: 300, spentTodayOnTemplates: 300, spentTodayOnMessages: 0, dailySpendLimit: 1000 });
  });

  test('what Zalo itself no longer takes as a text goes as a template; without one the person is marked with the reason', async () => {
    const stand = await open({ limit: 1000, templates: { reminder: '7895' } });
    stand.fake.templates.add('7895');
    stand.wait(8 * day);
    // Our own stamp is too young: Zalo counts differently.
    expect(await stand.channel.send(user, plain('nhắc', { notice: reminder, to: stand.to() }))).toMatchObject({ kind: 'ok' });
    expect(stand.fake.seen(user).at(-1)?.template?.id).toBe('7895');
    expect(await stand.channel.send(user, plain('tin', { notice: { kind: 'broadcast', broadcast: 'b' }, to: stand.to() }))).toEqual({ kind: 'gone', reason: expect.stringMatching(/^-230 /) });
  });

  test('the spend limit, reached in the middle of a round, is never passed; the rest find the window closed', async () => {
    const stand = await open({ limit: 3 * 55 });
    stand.wait(3 * day);
    const to = stand.to({ lastAt: new Date(stand.now().getTime() - 3 * day) });
    const round = await Promise.all(Array.from({ length: 6 }, (_, index) => stand.channel.send(user, plain(`tin ${index}`, { notice: reminder, to }))));
    expect(round.filter((sent) => sent.kind === 'ok')).toHaveLength(3);
    expect(round.filter((sent) => sent.kind !== 'ok')).toEqual(Array.from({ length: 3 }, () => ({ kind: 'retry', afterMs: 1000, scope: 'chat', reason: 'daily spend limit' })));
    expect(stand.fake.seen(user)).toHaveLength(3);
    expect(stand.channel.reach(to, stand.now(), 'reminder')).toEqual({ kind: 'closed', reason: 'daily spend limit' });
    expect(await stand.channel.describe()).toMatchObject({ spentToday: 165 });
    // The next day there is money again.
    stand.wait(day);
    expect(stand.channel.reach(to, stand.now(), 'reminder').kind).toBe('paid');
  });

  test('through the sender too: who the money does not reach ends as "window closed", nobody is written to twice', async () => {
    const stand = await open({ limit: 2 * 55, from: new Date() });
    const post = await openPost({ channels: { 'zalo-oa': freePacing } });
    try {
      (post.core.channels as Map<string, Channel>).set('zalo-oa', stand.channel);
      const chats = ['2001', '2002', '2003', '2004', '2005'];
      for (const chat of chats) await stand.fake.says(chat, 'chào');
      stand.wait(3 * day);
      post.now.add(3 * day);
      const lastAt = new Date(stand.now().getTime() - 3 * day);
      for (const chat of chats) {
        const { id: _id, ...person } = buildPerson(chat);
        const { id } = await post.store.people.create({ ...person, addresses: [{ channel: 'zalo-oa', id: chat, lastAt, state: 'active', reason: null }] });
        await post.store.outbox.put([buildOutboxRow(`reminder/${chat}`, { person: id, channel: 'zalo-oa', notice: reminder })]);
      }
      post.sender('zalo-oa');
      await post.idle(20_000);
      const rows = await Promise.all(chats.map((chat) => post.store.outbox.get(`reminder/${chat}`)));
      expect(rows.filter((row) => row?.state === 'sent')).toHaveLength(2);
      expect(rows.filter((row) => row?.state === 'dead').map((row) => row?.reason)).toEqual(Array.from({ length: 3 }, () => 'window closed: daily spend limit'));
      expect(chats.map((chat) => stand.fake.seen(chat).length).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([0, 0, 0, 1, 1]);
    } finally {
      await post.close();
    }
  }, 30_000);

  test('what surely did not leave costs nothing, what may have arrived does, a long text costs each of its pieces', async () => {
    const stand = await open({ limit: 1000 });
    stand.wait(3 * day);
    const to = stand.to({ lastAt: new Date(stand.now().getTime() - 3 * day) });
    const spent = async (): Promise<unknown> => (await stand.channel.describe())['spentToday'];
    stand.fake.fail(cs, failures.refused);
    await stand.channel.send(user, plain('tin', { notice: reminder, to }));
    expect(await spent()).toBe(0);
    stand.fake.fail(cs, failures.unknown);
    await stand.channel.send(user, plain('tin', { notice: reminder, to }));
    expect(await spent()).toBe(55);
    await stand.channel.send(user, plain(Array.from({ length: 60 }, () => 'x'.repeat(99)).join('\n'), { notice: reminder, to }));
    expect(await spent()).toBe(55 + 3 * 55);
  });

  test('a template refused for everybody rests, staff is told, the channel goes on', async () => {
    const stand = await open({ limit: 1000, templates: { reminder: 'not-approved' } });
    const to = stand.to({ lastAt: new Date(stand.now().getTime() - 8 * day) });
    expect(await stand.channel.send(user, plain('nhắc', { notice: reminder, to }))).toMatchObject({ kind: 'retry', scope: 'chat' });
    expect(stand.channel.reach(to, stand.now(), 'reminder')).toEqual({ kind: 'closed', reason: 'template refused: -131 template is not approved' });
    expect(stand.refusedTemplates).toEqual(['reminder -131 template is not approved']);
    expect(await stand.channel.describe()).toMatchObject({ spentToday: 0 });
    expect(await stand.channel.send(user, plain('trả lời'))).toMatchObject({ kind: 'ok' });
    stand.wait(hour);
    expect(stand.channel.reach(to, stand.now(), 'reminder').kind).toBe('template');
  });

  test.each([
    [-213, 'not followed', { kind: 'gone' }], [-227, 'off', { kind: 'gone' }], [-244, 'restricted', { kind: 'gone' }], [-232, 'no', { kind: 'gone' }],
    [-201, 'user_id is invalid!', { kind: 'gone' }], [-218, 'quota of the receiver', { kind: 'retry', scope: 'chat' }], [-224, 'package', { kind: 'retry', scope: 'channel' }],
    [-32, 'rate', { kind: 'retry', scope: 'channel', afterMs: 60_000 }], [-210, 'too long', { kind: 'refused' }],
  ])('error %d (%s)', async (code, message, expected) => {
    const stand = await open();
    stand.fake.fail(cs, { kind: 'error', code, message });
    expect(await stand.channel.send(user, plain('tin', { choices: twoChoices }))).toMatchObject(expected);
    expect(await stand.store.settings.get('zalo-oa/buttons-refused/plain')).toBeNull();
  });

  test('over the rate nothing is executed, and the channel rests', async () => {
    const stand = await open({ ratePerMinute: 3 });
    const kinds = [];
    for (let index = 0; index < 5; index += 1) kinds.push((await stand.channel.send(user, plain(`tin ${index}`))).kind);
    expect(kinds.slice(-2)).toEqual(['retry', 'retry']);
    expect(stand.fake.seen(user).length).toBe(kinds.filter((kind) => kind === 'ok').length);
  });

  test('a gateway\'s page may hide a delivery', async () => {
    const stand = await open();
    stand.fake.fail(cs, { kind: 'html', status: 502 });
    expect((await stand.channel.send(user, plain('tin'))).kind).toBe('unknown');
  });
});

describe('buttons and files', () => {
  test('five buttons, the rest numbered; a press comes back as the choice', async () => {
    const stand = await open();
    const choices = Array.from({ length: 7 }, (_, index) => [{ id: `v:${index}`, label: `Việc ${index}` }]);
    await stand.channel.send(user, plain('Chọn', { choices: [...choices, [{ id: 'u', label: 'Trang', url: 'https://example.org/a' }]] }));
    const [message] = stand.fake.seen(user);
    expect(message?.buttons.map((button) => button.title)).toEqual(['Việc 0', 'Việc 1', 'Việc 2', 'Việc 3', 'Việc 4']);
    expect(message?.text).toBe('Chọn\nTrang: https://example.org/a\n1. Việc 5\n2. Việc 6');
    await stand.fake.press(user, 'Việc 3');
    expect(stand.received[0]?.content).toEqual({ kind: 'choice', id: 'v:3' });
  });

  test('refused once, buttons become numbered lines, then and from then on, over a restart too', async () => {
    const stand = await open();
    stand.fake.buttons('refused');
    expect((await stand.channel.send(user, plain('Chọn', { choices: twoChoices }))).kind).toBe('ok');
    const tries = () => stand.fake.calls.filter((call) => call.path === cs).length;
    expect(tries()).toBe(2);
    await stand.channel.send(user, plain('Chọn', { choices: twoChoices }));
    expect(tries()).toBe(3);
    const restarted = stand.again();
    await begin(stand, restarted);
    await restarted.send(user, plain('Chọn', { choices: twoChoices }));
    expect(tries()).toBe(4);
    expect(stand.fake.seen(user).map(({ text, buttons }) => [text.replace(/\d+/g, 'n'), buttons.length])).toEqual(Array.from({ length: 3 }, () => ['Chọn\nn. Nộp\nn. Xem', 0]));
    await restarted.stop();
  });

  test('an account that wants a template_type gets the one that is set', async () => {
    const stand = await open();
    stand.fake.buttons('typed');
    const channel = stand.again({ buttonType: 'button' });
    await begin(stand, channel);
    // Without it they were refused, and that is remembered of the other shape only.
    await stand.channel.send(user, plain('Chọn', { choices: twoChoices }));
    await channel.send(user, plain('Chọn', { choices: twoChoices }));
    expect(stand.fake.seen(user).map((message) => message.buttons.length)).toEqual([0, 2]);
    expect([stand.channel.capabilities.buttons, channel.capabilities.buttons]).toEqual([0, 5]);
    await channel.stop();
  });

  test('a text at the limit whose buttons are refused still shows every choice', async () => {
    const stand = await open();
    stand.fake.buttons('refused');
    expect((await stand.channel.send(user, plain('x'.repeat(1999), { choices: twoChoices }))).kind).toBe('ok');
    expect(stand.fake.seen(user).map((message) => message.text).join('\n')).toMatch(/x{1999}\s+1\. Nộp\n2\. Xem$/);
  });

  const fileOf = (name: string, bytes: Buffer): NonNullable<Outgoing['document']> => ({ fileId: 'f1', name, mime: 'application/octet-stream', size: bytes.length, open: async () => Readable.from([bytes]) });

  test.each([['báo cáo.pdf', true], ['ds.csv', true], ['đơn.docx', true], ['bảng.xlsx', false], ['nén.zip', false], ['ảnh.png', false]])('%s: carried %s', async (name, carried) => {
    const stand = await open();
    await stand.channel.send(user, plain('Tệp', { document: fileOf(name, Buffer.from('x')) }));
    const seen = stand.fake.seen(user);
    expect(seen.some((message) => message.file?.name === name)).toBe(carried);
    expect(seen.map((message) => message.text).join('\n').includes(`📎 ${name}: https://dondoc.example/tai/f1`)).toBe(!carried);
  });

  test('5 MB is carried, a byte more is a link; an upload that fails becomes a link', async () => {
    const stand = await open();
    const limit = 5 * 1024 * 1024;
    for (const size of [limit, limit + 1]) await stand.channel.send(user, plain('', { document: fileOf(`${size}.pdf`, Buffer.alloc(size)) }));
    stand.fake.fail('/v2.0/oa/upload/file', { kind: 'error', code: -211, message: 'uploads of this month are used up' });
    expect((await stand.channel.send(user, plain('Có tệp', { document: fileOf('c.pdf', Buffer.from('c')) }))).kind).toBe('ok');
    expect(stand.fake.seen(user).map((message) => message.file?.name ?? message.text)).toEqual([`${limit}.pdf`, `📎 ${limit + 1}.pdf: https://dondoc.example/tai/f1`, 'Có tệp', '📎 c.pdf: https://dondoc.example/tai/f1']);
  });
});

describe('events', () => {
  test('the signature is over the raw bytes, as mac=… or bare; anything else is refused', async () => {
    const stand = await open();
    const timestamp = String(Date.now());
    // Spaces and escapes that no second serialisation would give back.
    const body = `{ "app_id":"${stand.fake.appId}",  "sender":{"id":"${user}"},"event_name":"user_send_text","message":{"msg_id":"m1","text":"\\u0110\\u00f4n"},"timestamp":"${timestamp}" }`;
    const mac = stand.fake.sign(body, timestamp);
    expect(await stand.fake.post(body, mac)).toBe(200);
    expect(await stand.fake.post(body, `mac=${mac}`)).toBe(200);
    expect(await stand.fake.post(body, `mac=${mac.toUpperCase()}`)).toBe(200);
    for (const wrong of [null, '', 'mac=', `mac=${createHash('sha256').update(body).digest('hex')}`, mac.slice(0, -1), `${mac}0`]) expect([wrong, await stand.fake.post(body, wrong)]).toEqual([wrong, 403]);
    expect(await stand.fake.post(body.replace('m1', 'm2'), mac)).toBe(403);
    expect(stand.received.map((incoming) => incoming.content)).toEqual([{ kind: 'text', text: 'Đôn' }]);
    expect(stand.channel.health()).toEqual({ ok: true, detail: expect.stringContaining('wrong signature') });
    expect((await stand.channel.describe())['wrongSignatureAt']).not.toBeNull();
  });

  test('the console\'s unsigned {} is answered; null, nonsense and 10 MB change nothing', async () => {
    const stand = await open();
    expect(await stand.fake.post('{}', null)).toBe(200);
    expect(await stand.fake.post(' { } ', null)).toBe(200);
    for (const odd of ['null', '[]', '"x"', '{"a":', '', '{"timestamp":"1"}']) expect([odd, await stand.fake.post(odd, null)]).toEqual([odd, 403]);
    expect([413, 0]).toContain(await stand.fake.post(JSON.stringify({ timestamp: '1', pad: 'x'.repeat(10_000_000) })));
    for (const odd of ['{"timestamp":"1","event_name":5}', '{"timestamp":"soon"}', '{"timestamp":"1","event_name":"user_send_text","message":null}']) expect([odd, await stand.fake.post(odd)]).toEqual([odd, 200]);
    expect(stand.received).toEqual([]);
  });

  test('what could not be stored is answered with 500 and caught up; 200 only after storing', async () => {
    const stand = await open();
    stand.failing.times = 2;
    expect(await stand.fake.says(user, 'đừng mất')).toBe(500);
    // Zalo does not bring it again: it is read from the conversation.
    await until(() => stand.received.length === 1);
    expect(stand.received[0]?.content).toEqual({ kind: 'text', text: 'đừng mất' });
  });

  test('a redelivery an hour later, and messages out of order, keep their own id and stamp', async () => {
    const stand = await open();
    const stamp = stand.now();
    await stand.fake.says(user, 'một');
    stand.wait(hour);
    expect(await stand.fake.retry()).toBe(200);
    expect(stand.received).toHaveLength(1);
    expect(Math.abs((stand.received[0]?.at.getTime() ?? 0) - stamp.getTime())).toBeLessThan(2000);
  });

  test.each(['oa_send_text', 'oa_send_file', 'user_received_message', 'user_seen_message', 'user_reacted_message', 'change_template_status', 'user_asking_product'])('%s is nobody\'s word', async (name) => {
    const stand = await open();
    expect(await stand.fake.event(name, user, { message: { msg_id: 'x', text: 'tiếng vọng' } })).toBe(200);
    expect([stand.received, stand.contacts]).toEqual([[], []]);
  });

  test('the chat button of the profile reopens the window without asking for an answer', async () => {
    const stand = await open();
    await stand.fake.event('user_click_chatnow', user);
    expect([stand.received, stand.contacts]).toEqual([[], [user]]);
  });

  test.each([
    ['follow', {}, { kind: 'text', text: '/start' }], ['unfollow', {}, { kind: 'left', reason: 'unfollowed', forget: false }], ['user_withdraw', {}, { kind: 'left', reason: 'withdrew consent at Zalo', forget: true }],
    ['user_submit_info', { info: { name: 'Lan', phone: '84987654321' } }, { kind: 'contact', phone: '84987654321' }], ['user_send_sticker', { message: { msg_id: 's' } }, { kind: 'unsupported', what: 'sticker' }],
    ['user_send_audio', { message: { msg_id: 's' } }, { kind: 'unsupported', what: 'voice' }], ['user_send_file', { message: { msg_id: 'f', attachments: [] } }, { kind: 'unsupported', what: 'document' }],
  ])('%s', async (name, more, content) => {
    const stand = await open();
    await stand.fake.event(name, user, more);
    expect(stand.received).toMatchObject([{ chat: user, content }]);
  });

  test('ids past 2^53 stay texts; one given as a number has lost its digits and is refused', () => {
    const event = { event_name: 'user_send_text', timestamp: '1540363714987', sender: { id: '9007199254740993123' }, message: { msg_id: '1', text: 'a' } };
    expect(parseOaEvent(event, payloadMark)).toMatchObject({ incoming: { chat: '9007199254740993123', at: new Date(1_540_363_714_987) } });
    expect(parseOaEvent({ ...event, sender: { id: 2 ** 60 } }, payloadMark).kind).toBe('malformed');
    for (const odd of [null, 1, [], {}, { ...event, timestamp: '99999999999999999' }]) expect(parseOaEvent(odd, payloadMark).kind).toBe('malformed');
  });

  test('words typed during an outage are read again, in order, once; older ones and our own are not', async () => {
    const stand = await open();
    await stand.fake.says(user, 'trước sự cố');
    await stand.channel.send(user, plain('trả lời'));
    await stand.channel.stop();
    stand.fake.hook(null);
    for (let index = 0; index < 12; index += 1) {
      stand.wait(50_000);
      await stand.fake.says(user, `câu ${index}`);
    }
    await stand.fake.says('khac', `${payloadMark}nop:1`);
    stand.received.length = 0;
    const restarted = stand.again();
    stand.fake.fail('/v2.0/oa/listrecentchat', { kind: 'html', status: 502 });
    await begin(stand, restarted);
    await until(() => stand.received.length === 13);
    const texts = stand.received.filter((incoming) => incoming.chat === user).map((incoming) => (incoming.content.kind === 'text' ? incoming.content.text : ''));
    expect(texts).toEqual(Array.from({ length: 12 }, (_, index) => `câu ${index}`));
    expect(stand.received.find((incoming) => incoming.chat === 'khac')?.content).toEqual({ kind: 'choice', id: 'nop:1' });
    await restarted.stop();
  });
});

describe('files people send', () => {
  const codeOf = async (stand: Stand): Promise<string> => {
    const content = stand.received.at(-1)?.content;
    if (content?.kind !== 'document' && content?.kind !== 'image') throw new Error('no file');
    try {
      const stream = await stand.channel.open(content.file);
      return `${(await buffer(stream)).length} bytes`;
    } catch (error) {
      return error instanceof Refusal ? error.code : 'failed';
    }
  };

  test.each<[string, Partial<Parameters<FakeZaloOa['sendsFile']>[1]>, string]>([
    ['as promised', {}, '5 bytes'], ['a checksum that lies', { checksum: 'd41d8cd98f00b204e9800998ecf8427e' }, 'file-gone'], ['a checksum of no known kind', { checksum: 'abc' }, '5 bytes'],
    ['a size that lies', { size: 4 }, 'file-gone'], ['a size of 21 MB', { size: 21 * 1024 * 1024 }, 'file-too-big'], ['another host', { url: 'https://example.org/a.pdf' }, 'file-gone'],
    ['a host that only ends alike', { url: 'https://evilzdn.vn/a.pdf' }, 'file-gone'], ['a private address', { url: 'http://169.254.169.254/latest/meta-data' }, 'file-gone'], ['our own port', { url: 'http://127.0.0.1:8080/metrics' }, 'file-gone'],
    ['a file of the machine', { url: 'file:///etc/passwd' }, 'file-gone'], ['a name and password in it', { url: 'http://zdn.vn@127.0.0.1/a' }, 'file-gone'],
  ])('%s', async (_name, change, expected) => {
    const stand = await open();
    await stand.fake.sendsFile(user, { name: 'Báo cáo.pdf', bytes: Buffer.from('12345'), ...change });
    expect(await codeOf(stand)).toBe(expected);
  });

  test('a redirect is followed on the allowed hosts only; a stream longer than 20 MB is cut; a picture has a name', async () => {
    const stand = await open();
    await stand.fake.sendsFile(user, { name: 'a.pdf', bytes: Buffer.from('x'), url: `${stand.fake.root}/redirect?to=${encodeURIComponent('http://10.0.0.1/')}` });
    expect(await codeOf(stand)).toBe('file-gone');
    await stand.fake.sendsFile(user, { name: 'a.jpg', bytes: Buffer.from('12345') }, 'image');
    expect(stand.received.at(-1)?.content).toMatchObject({ kind: 'image', file: { name: 'anh.jpg', size: null } });
    expect(await codeOf(stand)).toBe('5 bytes');
    await stand.fake.sendsFile(user, { name: 'b.zip', bytes: Buffer.alloc(20 * 1024 * 1024 + 1), size: 0 });
    expect(await codeOf(stand)).toBe('file-too-big');
  });

  test('hosts are compared whole', () => {
    expect(mayFetch('https://f9.zdn.vn/a', ['zdn.vn'])).toBe(true);
    expect(mayFetch('https://f9.zdn.vn/a', ['*.zdn.vn'])).toBe(true);
    for (const other of ['https://zdn.vn.example.org/', 'https://xzdn.vn/', 'ftp://zdn.vn/', 'http://zdn.vn:22/', 'http://[::1]/', 'nonsense']) expect([other, mayFetch(other, ['zdn.vn'])]).toEqual([other, false]);
  });
});
