import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createTelegramChannel, safeFileName, type TelegramChannel, type TelegramSettings } from '../../src/channels/telegram/adapter.ts';
import type { FastifyInstance } from 'fastify';
import type { Incoming } from '../../src/domain/message.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { createServer } from '../../src/http/server.ts';
import { serveTelegramWebhook } from '../../src/http/telegram-webhook.ts';
import type { Outgoing } from '../../src/ports.ts';
import { startFakeTelegram, type FakeFailure, type FakeOptions, type FakeTelegram } from '../support/fake-telegram.ts';
import { testChannel } from './contract.ts';

const waits: TelegramSettings['waits'] = { callMs: 400, uploadMs: 1_500, pollSeconds: 1, pollMarginMs: 500, pauseMs: 20, longestPauseMs: 100, partGapMs: 5, downloadIdleMs: 300 };
const person = 4_242_424_242;
const commands = [{ name: 'trangthai', description: { vi: 'Việc của đơn vị', en: 'What my unit owes' } }];

interface Stand {
  fake: FakeTelegram;
  channel: TelegramChannel;
  received: Incoming[];
  log: string[];
  http?: FastifyInstance;
}

const open: Stand[] = [];

function build(fake: FakeTelegram, settings: Partial<TelegramSettings> = {}): Stand {
  const log: string[] = [];
  const write = (event: string, facts: unknown) => void log.push(`${event} ${JSON.stringify(facts)}`);
  const channel = createTelegramChannel({
    token: fake.token, apiRoot: fake.root, webhook: null, commands, sendRate: 28, clock: () => new Date(), waits,
    log: { info: write, warn: write, error: write },
    offer: async (_chat, choices) => choices.map((choice, index) => ({ number: index + 1, choice })),
    linkFor: async (_chat, document) => `https://dondoc.example/t/${document.fileId}`,
    ...settings,
  });
  const stand: Stand = { fake, channel, received: [], log };
  open.push(stand);
  return stand;
}

async function start(settings: Partial<TelegramSettings> = {}, options: FakeOptions = {}): Promise<Stand> {
  const stand = build(await startFakeTelegram({ secondMs: 100, ...options }), settings);
  await stand.channel.start(async (incoming) => void stand.received.push(incoming));
  return stand;
}

async function until(condition: () => boolean, withinMs = 5_000): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > withinMs) throw new Error('never came true');
    await sleep(10);
  }
}

const plain = (text: string, rest: Partial<Outgoing> = {}): Outgoing => ({ text, notice: null, to: null, ...rest });

afterEach(async () => {
  for (const { channel, fake } of open.splice(0)) {
    await channel.stop();
    await fake.close();
  }
});

for (const mode of ['polling', 'webhook'] as const) {
  testChannel(`telegram by ${mode}`, async () => {
    const fake = await startFakeTelegram();
    const user = fake.user(person, { started: true });
    const secret = 'geheim_1';
    const { channel, log } = mode === 'polling' ? build(fake) : await buildWebhook(fake, secret);
    const stand = open.pop();
    return {
      channel, chat: String(person), secrets: [fake.token, fake.token.split(':')[1] as string, secret],
      logged: () => log.join('\n'),
      says: async (text) => void user.sends(text),
      // By webhook an update counts as delivered only once its answer was read, a moment after we have it.
      redelivers: () => until(() => {
        try {
          fake.repeat(fake.lastUpdate());
          return true;
        } catch {
          return false;
        }
      }),
      sendsFile: async (name, bytes, size) => void user.sends({ name, bytes, ...(size === undefined ? {} : { size }) }),
      losesFile: () => fake.loseFiles(),
      press: async (label) => void user.press(label),
      seen: () => fake.chat(person).messages.filter((message) => message.from === 'bot').map((message) => ({
        text: message.text, document: message.document, buttons: message.buttons.flat().map(({ label, data, url }) => ({ label, ...(data === undefined ? {} : { id: data }), ...(url === undefined ? {} : { url }) })),
      })),
      breakNext: (how) => {
        if (how === 'gone') user.blocks();
        else fake.fail('sendMessage', failures[how]);
      },
      close: async () => {
        await stand?.http?.close();
        await fake.close();
        expect(fake.problems).toEqual([]);
      },
    };
  });
}

const failures: Record<'refused' | 'retry' | 'unknown', FakeFailure> = {
  refused: { kind: 'error', code: 400, description: 'Bad Request: BUTTON_DATA_INVALID' },
  retry: { kind: 'error', code: 429, description: 'Too Many Requests: retry after 7', parameters: { retry_after: 7 } },
  unknown: { kind: 'lost' },
};

describe('sending by Telegram', () => {
  test.each<[string, FakeFailure, object]>([
    ['blocked', { kind: 'error', code: 403, description: 'Forbidden: bot was blocked by the user' }, { kind: 'gone', reason: 'Forbidden: bot was blocked by the user' }],
    ['deactivated', { kind: 'error', code: 403, description: 'Forbidden: user is deactivated' }, { kind: 'gone' }],
    ['never started', { kind: 'error', code: 403, description: "Forbidden: bot can't initiate conversation with a user" }, { kind: 'gone' }],
    ['chat not found', { kind: 'error', code: 400, description: 'Bad Request: chat not found' }, { kind: 'gone' }],
    ['group upgraded', { kind: 'error', code: 400, description: 'Bad Request: group chat was upgraded to a supergroup chat', parameters: { migrate_to_chat_id: -1_001_234 } }, { kind: 'gone', movedTo: '-1001234' }],
    ['too many requests', { kind: 'error', code: 429, description: 'Too Many Requests: retry after 3', parameters: { retry_after: 3 } }, { kind: 'retry', afterMs: 3_000, scope: 'chat' }],
    ['too many requests without a time', { kind: 'error', code: 429, description: 'Too Many Requests' }, { kind: 'retry', afterMs: 5_000, scope: 'chat' }],
    ['token refused', { kind: 'error', code: 401, description: 'Unauthorized' }, { kind: 'retry', afterMs: 60_000, scope: 'channel' }],
    ['our fault', { kind: 'error', code: 400, description: "Bad Request: can't parse entities" }, { kind: 'refused' }],
    ['too large', { kind: 'error', code: 413, description: 'Request Entity Too Large' }, { kind: 'refused' }],
    ['internal error', { kind: 'error', code: 500, description: 'Internal Server Error' }, { kind: 'unknown' }],
    ['bad gateway in HTML', { kind: 'html', status: 502 }, { kind: 'unknown' }],
    ['a page of somebody else', { kind: 'html', status: 200 }, { kind: 'unknown' }],
    ['connection reset', { kind: 'reset' }, { kind: 'unknown' }],
    ['answer lost', { kind: 'lost' }, { kind: 'unknown' }],
    ['no answer at all', { kind: 'hang' }, { kind: 'unknown', reason: 'no answer in time' }],
  ])('%s', async (_name, failure, expected) => {
    const { fake, channel } = build(await startFakeTelegram());
    fake.user(person, { started: true });
    fake.fail('sendMessage', failure);
    expect(await channel.send(String(person), plain('x'))).toMatchObject(expected);
    expect(fake.calls.filter((call) => call.method === 'sendMessage')).toHaveLength(1);
  });

  test('nobody listening there means surely not sent: later, over the whole channel', async () => {
    const fake = await startFakeTelegram();
    const { channel } = build(fake, { apiRoot: 'http://127.0.0.1:9' });
    expect(await channel.send(String(person), plain('x'))).toEqual({ kind: 'retry', afterMs: 5_000, scope: 'channel', reason: 'ECONNREFUSED' });
  });

  test('connections to a local Bot API server are kept open', async () => {
    const { fake, channel } = build(await startFakeTelegram());
    fake.user(person, { started: true });
    for (let index = 0; index < 5; index += 1) await channel.send(String(person), plain(`số ${index}`));
    expect(fake.connections()).toBe(1);
  });

  test('links show no preview, buttons keep their rows, a page opens by its address, a local one is written out', async () => {
    const { fake, channel } = build(await startFakeTelegram());
    fake.user(person, { started: true });
    const many = Array.from({ length: 10 }, (_, index) => ({ id: `c:${index}`, label: `N${index}` }));
    await channel.send(String(person), plain('Xem https://dondoc.example', {
      choices: [many, [{ id: 'u', label: 'Mở', url: 'https://dondoc.example/u' }], [{ id: 'v', label: 'Trang', url: 'http://127.0.0.1:8080/v' }]],
    }));
    const [message] = fake.chat(person).messages;
    expect(message?.text).toBe('Xem https://dondoc.example\nTrang: http://127.0.0.1:8080/v');
    expect(message?.buttons.map((row) => row.length)).toEqual([8, 2, 1]);
    expect(message?.buttons[2]?.[0]).toEqual({ label: 'Mở', url: 'https://dondoc.example/u' });
    expect(fake.calls.at(-1)?.payload.link_preview_options).toEqual({ is_disabled: true });
    expect(fake.problems).toEqual([]);
  });

  test('words of up to 1,024 characters stand under the document, longer ones before it', async () => {
    const { fake, channel } = build(await startFakeTelegram());
    fake.user(person, { started: true });
    const document = { fileId: 'f', name: 'a.pdf', mime: 'application/pdf', size: 3, open: async () => Readable.from([Buffer.from('abc')]) };
    await channel.send(String(person), plain('ngắn', { document, choices: [[{ id: 'a', label: 'A' }]] }));
    await channel.send(String(person), plain('d'.repeat(1_025), { document }));
    expect(fake.chat(person).messages.map((message) => [message.text.length, message.document?.bytes.toString() ?? null, message.buttons.length])).toEqual([[4, 'abc', 1], [1_025, null, 0], [0, 'abc', 0]]);
    expect(fake.problems).toEqual([]);
  });

  test('a file that breaks off while it is read was not sent: later', async () => {
    const { fake, channel } = build(await startFakeTelegram());
    fake.user(person, { started: true });
    async function* broken() {
      yield Buffer.alloc(70_000);
      await sleep(20);
      throw new Error('store down');
    }
    const document = { fileId: 'f', name: 'a.pdf', mime: 'application/pdf', size: 100_000, open: async () => Readable.from(broken()) };
    expect(await channel.send(String(person), plain('x', { document }))).toMatchObject({ kind: 'retry', scope: 'chat' });
    expect(await channel.send(String(person), plain('x', { document: { ...document, open: () => Promise.reject(new Error('no')) } }))).toMatchObject({ kind: 'retry', scope: 'chat' });
    expect(fake.chat(person).messages).toEqual([]);
  });

  test('once the beginning of a long text is there, the rest is tried again here and the whole is never repeated', async () => {
    const { fake, channel } = build(await startFakeTelegram());
    fake.user(person, { started: true });
    const text = `${'a'.repeat(4_000)}\n${'b'.repeat(4_000)}`;
    const failSecond = (failure: FakeFailure, times: number) => {
      fake.fail('sendMessage', { kind: 'pass' }, 1);
      fake.fail('sendMessage', failure, times);
    };
    failSecond({ kind: 'error', code: 429, description: 'Too Many Requests', parameters: { retry_after: 0.01 } }, 1);
    expect(await channel.send(String(person), plain(text))).toMatchObject({ kind: 'ok' });
    expect(fake.chat(person).said).toHaveLength(2);
    failSecond({ kind: 'error', code: 429, description: 'Too Many Requests', parameters: { retry_after: 0.01 } }, 3);
    expect(await channel.send(String(person), plain(text))).toMatchObject({ kind: 'unknown' });
    expect(fake.chat(person).said).toHaveLength(3);
  });

  test('an edit whose answer was lost can simply be tried again', async () => {
    const { fake, channel } = build(await startFakeTelegram());
    fake.user(person, { started: true });
    const sent = await channel.send(String(person), plain('một'));
    const edits = sent.kind === 'ok' ? sent.messageId : '';
    fake.fail('editMessageText', { kind: 'lost' });
    expect(await channel.send(String(person), plain('hai', { edits }))).toMatchObject({ kind: 'retry', scope: 'chat' });
    expect(await channel.send(String(person), plain('hai', { edits }))).toEqual({ kind: 'ok', messageId: edits });
    expect(fake.chat(person).said).toEqual(['hai']);
  });

  test('nothing to send and no chat to send it to are our fault', async () => {
    const { channel } = build(await startFakeTelegram());
    expect(await channel.send(String(person), plain('  '))).toMatchObject({ kind: 'refused' });
    expect(await channel.send('abc', plain('x'))).toMatchObject({ kind: 'refused' });
  });

  test.each([['../../"x\r\nContent-Type: y".pdf', '_x_Content-Type_ y_.pdf'], ['Báo cáo.pdf'.normalize('NFD'), 'Báo cáo.pdf'], ['', 'document'], ['.htaccess', 'htaccess'], [`${'dài'.repeat(200)}.xlsx`, `${'dài'.repeat(200).slice(0, 100)}.xlsx`], ['a\u202efdp.exe', 'a_fdp.exe']])('file name %j leaves as %j', (name, safe) => {
    expect(safeFileName(name)).toBe(safe);
  });
});

describe('receiving by Telegram', () => {
  test('an update is confirmed only once it is stored; other people do not wait for it', async () => {
    const stand = build(await startFakeTelegram());
    const { fake, channel, received } = stand;
    let broken = true;
    await channel.start(async (incoming) => {
      if (broken && incoming.chat === '1') throw new Error('store down');
      received.push(incoming);
    });
    fake.user(1).sends('kẹt');
    fake.user(2).sends('qua');
    await until(() => received.some((incoming) => incoming.chat === '2'));
    await sleep(100);
    expect(fake.unconfirmed()).toBe(2);
    expect(channel.health().ok).toBe(false);
    broken = false;
    await until(() => received.some((incoming) => incoming.chat === '1') && fake.unconfirmed() === 0);
    await until(() => channel.health().ok);
  });

  test.each<[string, FakeFailure]>([
    ['400', { kind: 'error', code: 400, description: 'Bad Request' }],
    ['401', { kind: 'error', code: 401, description: 'Unauthorized' }],
    ['404', { kind: 'error', code: 404, description: 'Not Found' }],
    ['409', { kind: 'error', code: 409, description: 'Conflict: terminated by other getUpdates request' }],
    ['429', { kind: 'error', code: 429, description: 'Too Many Requests', parameters: { retry_after: 0.05 } }],
    ['502', { kind: 'html', status: 502 }],
    ['a reset', { kind: 'reset' }],
    ['silence', { kind: 'hang' }],
    ['a lost answer', { kind: 'lost' }],
  ])('%s does not end polling, and is told meanwhile', async (_name, failure) => {
    const { fake, channel, received } = await start({ waits: { ...waits, pollMarginMs: 100 } });
    await until(() => channel.health().ok);
    const told: boolean[] = [];
    fake.fail('getUpdates', failure, 3);
    fake.user(1).sends('một');
    fake.user(1).sends('hai');
    await until(() => {
      told.push(channel.health().ok);
      return received.length >= 2 && told.includes(false) && channel.health().ok;
    }, 8_000);
    expect(new Set(received.map((incoming) => incoming.messageId)).size).toBe(2);
  });

  test('a start without a network, or with a webhook still set, waits and then works', async () => {
    const fake = await startFakeTelegram();
    fake.webhook = { url: 'https://old.example', secret: '' };
    const stand = build(fake);
    fake.fail('getMe', { kind: 'reset' }, 3);
    await stand.channel.start(async (incoming) => void stand.received.push(incoming));
    expect(stand.channel.health().ok).toBe(false);
    fake.user(1).sends('chào');
    await until(() => stand.received.length === 1);
    expect(fake.webhook).toBeNull();
  });

  test('a malformed update is passed over, told without its content, and blocks nobody', async () => {
    const { fake, channel, received, log } = await start();
    fake.push({ message: { message_id: 1, date: 'hôm nay', text: 'bí mật', chat: { id: 1 } } });
    fake.push({ message: null });
    fake.user(1).sends('sau đó');
    await until(() => received.length === 1 && fake.unconfirmed() === 0);
    expect(log.filter((line) => line.startsWith('telegram.malformed-update'))).toHaveLength(2);
    expect(log.join()).not.toContain('bí mật');
    expect(channel.health().ok).toBe(true);
  });

  test('two pollers do not end each other', async () => {
    const one = await start();
    await until(() => one.channel.health().ok);
    const two = build(one.fake);
    await two.channel.start(async (incoming) => void two.received.push(incoming));
    await sleep(300);
    await one.channel.stop();
    one.fake.user(1).sends('còn ai');
    await until(() => two.received.length === 1 || one.received.length === 1);
    open.splice(open.indexOf(one), 1);
  });

  test('a press is answered at once, even when storing it takes long', async () => {
    const stand = build(await startFakeTelegram());
    let store = () => undefined as void;
    await stand.channel.start(() => new Promise((resolve) => (store = resolve)));
    stand.fake.user(person, { started: true });
    await stand.channel.send(String(person), plain('Chọn', { choices: [[{ id: 'a:1', label: 'A' }]] }));
    const query = stand.fake.user(person).press('A');
    await until(() => stand.fake.answered.has(query));
    store();
  });

  test('stopping waits for what is being stored and confirms it', async () => {
    const stand = build(await startFakeTelegram());
    let stored = 0;
    await stand.channel.start(async () => {
      await sleep(150);
      stored += 1;
    });
    stand.fake.user(1).sends('một');
    await until(() => stand.fake.calls.some((call) => call.method === 'getUpdates') && stand.fake.unconfirmed() === 1);
    await sleep(50);
    await stand.channel.stop();
    expect(stored).toBe(1);
    expect(stand.fake.unconfirmed()).toBe(0);
  });

  test('the slash menu is set in both languages and its absence stops nothing', async () => {
    const { fake, channel } = await start();
    await until(() => channel.health().ok);
    expect(fake.commands.get('')).toEqual([{ command: 'trangthai', description: 'Việc của đơn vị' }]);
    expect(fake.commands.get('en')).toEqual([{ command: 'trangthai', description: 'What my unit owes' }]);
    const other = build(await startFakeTelegram());
    other.fake.fail('setMyCommands', { kind: 'error', code: 400, description: 'Bad Request' }, 2);
    await other.channel.start(async () => undefined);
    await until(() => other.channel.health().ok);
    expect(fake.problems).toEqual([]);
  });

  test('a deep link is known from the start on, or from before', async () => {
    const names: string[] = [];
    const { channel } = build(await startFakeTelegram(), { onUsername: (name) => void names.push(name) });
    expect(channel.deepLink('BCDF-GHJK')).toBeNull();
    await channel.start(async () => undefined);
    await until(() => channel.deepLink('x') !== null);
    expect(channel.deepLink('BCDF-GHJK')).toBe('https://t.me/dondoc_test_bot?start=BCDF-GHJK');
    expect(channel.deepLink('không hợp lệ')).toBeNull();
    expect(channel.deepLink('x'.repeat(65))).toBeNull();
    expect(names).toEqual(['dondoc_test_bot']);
    expect(build(await startFakeTelegram(), { username: 'truoc_bot' }).channel.deepLink('a')).toBe('https://t.me/truoc_bot?start=a');
  });

  test('a webhook is set with its secret and nothing dropped', async () => {
    const { fake, channel } = await start({ webhook: { url: 'http://127.0.0.1:9/telegram/webhook', secret: 'geheim_1' } });
    await until(() => channel.health().ok);
    expect(fake.calls.find((call) => call.method === 'setWebhook')?.payload).toEqual({
      url: 'http://127.0.0.1:9/telegram/webhook', secret_token: 'geheim_1', allowed_updates: ['message', 'edited_message', 'callback_query', 'my_chat_member'], max_connections: 40,
    });
    expect(fake.calls.some((call) => call.method === 'getUpdates')).toBe(false);
  });

  test('a download that breaks off or stands still ends with an error, not with half a file', async () => {
    const { fake, channel, received } = await start();
    fake.user(1).sends({ name: 'a.pdf', bytes: Buffer.alloc(100_000) });
    await until(() => received.length === 1);
    const content = received[0]?.content;
    if (content?.kind !== 'document') throw new Error('no document');
    for (const kind of ['reset', 'hang'] as const) {
      fake.fail('file', { kind });
      await expect(channel.open(content.file).then(buffer)).rejects.toThrow(/broken off|stands still|aborted|terminated/);
    }
    expect((await buffer(await channel.open(content.file))).length).toBe(100_000);
  });

  test('a file whose size nobody told is cut off at 20 MB', async () => {
    const { fake, channel } = await start();
    fake.user(1).sends({ name: 'a.zip', bytes: Buffer.alloc(20 * 1024 * 1024 + 1), size: 1 });
    await until(() => fake.unconfirmed() === 0);
    const ref = fake.lastFile();
    await expect(channel.open({ ref, name: 'a.zip', size: null, checksum: null }).then(buffer)).rejects.toMatchObject({ code: 'file-too-big' });
  });
});

async function buildWebhook(fake: FakeTelegram, secret: string): Promise<Stand> {
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  let stand: Stand | null = null;
  const http = await createServer({ log, checks: {}, metrics: createMetrics([]), routes: [(app) => serveTelegramWebhook(app, { secret, log, receive: async (update) => stand?.channel.receive(update) })] });
  const address = await http.listen({ port: 0, host: '127.0.0.1' });
  stand = build(fake, { webhook: { url: `${address}/telegram/webhook`, secret } });
  stand.http = http;
  return stand;
}
