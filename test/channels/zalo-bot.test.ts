import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createZaloBotChannel, type ZaloBotChannel, type ZaloBotSettings } from '../../src/channels/zalo-bot/adapter.ts';
import { parseZaloBotUpdate } from '../../src/channels/zalo-bot/update.ts';
import type { Incoming } from '../../src/domain/message.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { createServer } from '../../src/http/server.ts';
import { serveZaloBotWebhook, zaloBotWebhookPath } from '../../src/http/zalo-webhooks.ts';
import type { Outgoing } from '../../src/ports.ts';
import { startFakeZaloBot, type FakeZaloBot, type ZaloBotFailure } from '../support/fake-zalo-bot.ts';
import { testChannel } from './contract.ts';

const chat = '6ede9afa66b88fe6d6a9';
const secret = 'bi-mat-zalo';
const waits: ZaloBotSettings['waits'] = { callMs: 1000, pollSeconds: 1, pollMarginMs: 500, pauseMs: 10, longestPauseMs: 50, partGapMs: 1 };
const plain = (text: string, rest: Partial<Outgoing> = {}): Outgoing => ({ text, notice: null, to: null, ...rest });

interface Stand {
  fake: FakeZaloBot;
  channel: ZaloBotChannel;
  log: string[];
  used: { count: number };
  close(): Promise<void>;
}

let stands: Stand[] = [];

async function build(mode: 'polling' | 'webhook', used = 0): Promise<Stand> {
  const fake = await startFakeZaloBot();
  const log: string[] = [];
  const write = (event: string, facts?: unknown): void => void log.push(`${event} ${JSON.stringify(facts)}`);
  const sum = { count: used };
  let number = 0;
  let channel: ZaloBotChannel | null = null;
  const app = mode === 'polling' ? null : await createServer({
    log: { info: write, warn: write, error: write }, checks: {}, metrics: createMetrics([]),
    routes: [(scope) => serveZaloBotWebhook(scope, { secret, receive: (update) => (channel as ZaloBotChannel).receive(update), log: { info: write, warn: write, error: write } })],
  });
  const address = await app?.listen({ host: '127.0.0.1', port: 0 });
  channel = createZaloBotChannel({
    token: fake.token, apiRoot: fake.root, waits, webhook: address ? { url: `${address}${zaloBotWebhookPath}`, secret } : null,
    quota: { add: async (more) => (sum.count += more), used: async () => sum.count, untilNextMonth: () => 86_400_000 },
    offer: async (_chat, choices) => choices.map((choice) => ({ number: (number += 1), choice })),
    linkFor: async (_chat, document) => `https://dondoc.example/tai/${document.fileId}`,
    log: { info: write, warn: write, error: write },
  });
  const stand: Stand = {
    fake, channel, log, used: sum,
    async close() {
      await app?.close();
      await fake.close();
    },
  };
  stands.push(stand);
  return stand;
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > 5000) throw new Error('never came true');
    await sleep(10);
  }
}

afterEach(async () => {
  for (const stand of stands) {
    await stand.channel.stop();
    await stand.close();
  }
  stands = [];
});

const failures: Record<'refused' | 'retry' | 'unknown', ZaloBotFailure> = {
  refused: { kind: 'error', code: 400, description: 'Bad Request: text is empty' },
  retry: { kind: 'error', code: 429, description: 'Too Many Requests' },
  unknown: { kind: 'lost' },
};

for (const mode of ['polling', 'webhook'] as const) {
  testChannel(`zalo bot by ${mode}`, async () => {
    const stand = await build(mode);
    stands = [];
    const { fake, channel, log } = stand;
    // The person has written before: only then may the bot write.
    let greeted = false;
    const start = channel.start.bind(channel);
    channel.start = async (handle) => {
      await start(async (incoming) => {
        if (incoming.content.kind === 'text' && incoming.content.text === 'xin chào lần đầu') return;
        await handle(incoming);
      });
      await until(() => channel.health().ok);
      if (!greeted) await fake.says(chat, 'xin chào lần đầu');
      greeted = true;
    };
    return {
      channel, chat, secrets: [fake.token, encodeURIComponent(fake.token), secret],
      logged: () => log.join('\n'),
      says: (text) => fake.says(chat, text),
      redelivers: () => fake.repeat(),
      sendsFile: null, losesFile: null, press: null,
      seen: () => fake.said(chat).map((text) => ({ text, buttons: [], document: null })),
      breakNext: (how) => (how === 'gone' ? fake.blocks(chat) : fake.fail('sendMessage', failures[how])),
      close: stand.close,
    };
  });
}

describe('the Zalo Bot', () => {
  test('a choice is a numbered line, a document a link, a text leaves in pieces under 1,900 characters', async () => {
    const { fake, channel } = await build('polling');
    await channel.start(async () => {});
    await fake.says(chat, 'chào');
    await channel.send(chat, plain('Chọn:', { choices: [[{ id: 'nop:1', label: 'Nộp báo cáo' }, { id: 'xem:1', label: 'Xem' }]] }));
    expect(fake.said(chat)).toEqual(['Chọn:\n1. Nộp báo cáo\n2. Xem']);
  });

  test('never two polls at once, and "nothing new" is no failure', async () => {
    const { fake, channel, log } = await build('polling');
    await channel.start(async () => {});
    await sleep(1300);
    expect(fake.mostPolls()).toBe(1);
    expect(channel.health()).toEqual({ ok: true, detail: 'polling' });
    expect(log.join('\n')).not.toMatch(/call-failed/);
  });

  test('what a poll has read exists nowhere else: it is tried until it is stored, before the next poll', async () => {
    const { fake, channel } = await build('polling');
    const stored: Incoming[] = [];
    let fail = 3;
    await channel.start(async (incoming) => {
      if (fail > 0) {
        fail -= 1;
        throw new Error('the store is down');
      }
      stored.push(incoming);
    });
    await fake.says(chat, 'một');
    await fake.says(chat, 'hai');
    await until(() => stored.length === 2);
    expect(stored.map((incoming) => incoming.content)).toEqual([{ kind: 'text', text: 'một' }, { kind: 'text', text: 'hai' }]);
  });

  test('the month\'s messages are counted both ways; when they are used up, messages wait and say so', async () => {
    const { fake, channel, used } = await build('polling', 2998);
    await channel.start(async () => {});
    await fake.says(chat, 'chào');
    await until(() => used.count === 2999);
    expect(await channel.send(chat, plain('còn một'))).toMatchObject({ kind: 'ok' });
    expect(await channel.send(chat, plain('hết'))).toEqual({ kind: 'retry', afterMs: 86_400_000, scope: 'channel', reason: 'monthly quota used up' });
    expect(fake.said(chat)).toEqual(['còn một']);
  });

  test.each<[string, ZaloBotFailure, object]>([
    ['the token is refused', { kind: 'error', code: 401, description: 'Unauthorized' }, { kind: 'retry', scope: 'channel' }],
    ['the quota is exceeded', { kind: 'error', code: 429, description: 'Quota exceeded' }, { kind: 'retry', scope: 'channel', reason: 'monthly quota used up' }],
    ['the bot as a whole is forbidden: nobody is marked as gone', { kind: 'error', code: 403, description: 'Forbidden' }, { kind: 'retry', scope: 'channel' }],
    ['the person is not found', { kind: 'error', code: 404, description: 'chat not found' }, { kind: 'gone' }],
    ['an outage inside their envelope', { kind: 'error', code: 502, description: 'Bad Gateway' }, { kind: 'unknown' }],
    ['a gateway\'s page', { kind: 'html', status: 502 }, { kind: 'unknown' }],
    ['a page with status 200', { kind: 'html', status: 200 }, { kind: 'unknown' }],
    ['a connection broken off', { kind: 'reset' }, { kind: 'unknown' }],
  ])('%s', async (_name, failure, answer) => {
    const { fake, channel, log } = await build('polling');
    await channel.start(async () => {});
    await fake.says(chat, 'chào');
    fake.fail('sendMessage', failure);
    expect(await channel.send(chat, plain('tin'))).toMatchObject(answer);
    expect(log.join('\n')).not.toContain(fake.token);
  });

  test('nobody there at all: surely not sent', async () => {
    const { fake, channel } = await build('polling');
    await fake.close();
    expect(await channel.send(chat, plain('tin'))).toMatchObject({ kind: 'retry', scope: 'channel' });
  });

  test('an outage in the middle ends by itself', async () => {
    const { fake, channel } = await build('polling');
    for (let times = 0; times < 4; times += 1) fake.fail('getUpdates', { kind: 'html', status: 502 });
    const stored: Incoming[] = [];
    await channel.start(async (incoming) => void stored.push(incoming));
    await fake.says(chat, 'sau sự cố');
    await until(() => stored.length === 1);
  });
});

describe('its webhook', () => {
  test('one that Zalo saved but could not reach is told', async () => {
    const { fake, channel, log } = await build('webhook');
    fake.unreachable();
    await channel.start(async () => {});
    await until(() => channel.health().ok);
    expect(channel.health().detail).toContain('could not reach');
    expect(log.join('\n')).toContain('webhook-not-verified');
  });

  test('a wrong or missing secret is refused before the body is read; odd bodies are skipped', async () => {
    const { fake, channel } = await build('webhook');
    const stored: Incoming[] = [];
    await channel.start(async (incoming) => void stored.push(incoming));
    await until(() => fake.webhook() !== null);
    const url = fake.webhook()?.url ?? '';
    const post = (body: string, headers: Record<string, string> = {}): Promise<number> => fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body }).then((answer) => answer.status);
    const right = { 'x-bot-api-secret-token': secret };
    expect(await post('{}')).toBe(403);
    expect(await post('{}', { 'x-bot-api-secret-token': 'wrong' })).toBe(403);
    expect(await post('x'.repeat(10_000_000), { 'x-bot-api-secret-token': 'wrong' }).catch(() => 403)).toBe(403);
    for (const body of ['{}', 'null', '[]', '{"event_name":"message.new.kind","message":{}}', '{"ok":true,"result":null}']) expect([body, await post(body, right)]).toEqual([body, 200]);
    expect(await post('{"a":', right)).toBe(400);
    expect(await post(JSON.stringify({ pad: 'x'.repeat(2_000_000) }), right)).toBe(413);
    expect(stored).toEqual([]);
    await fake.says(chat, 'đến nơi');
    await until(() => stored.length === 1);
  });
});

describe('updates', () => {
  const message = { from: { id: 'u1', display_name: 'Ted', is_bot: false }, chat: { id: 'u1', chat_type: 'PRIVATE' }, message_id: 'x1', date: 1_750_316_131_602 };

  test.each([
    ['bare', { event_name: 'message.text.received', message: { ...message, text: 'Xin chao' } }],
    ['wrapped', { ok: true, result: { event_name: 'message.text.received', message: { ...message, text: 'Xin chao' } } }],
  ])('%s: the stamp is in milliseconds, the id a string', (_name, update) => {
    expect(parseZaloBotUpdate(update)).toMatchObject({ kind: 'message', incoming: { chat: 'u1', messageId: 'x1', at: new Date(1_750_316_131_602), content: { kind: 'text', text: 'Xin chao' } } });
  });

  test.each(['photo', 'photo_url'])('a picture under %s', (field) => {
    const parsed = parseZaloBotUpdate({ event_name: 'message.image.received', message: { ...message, [field]: 'https://f9.zdn.vn/a.jpg' } });
    expect(parsed).toMatchObject({ kind: 'message', incoming: { content: { kind: 'image', file: { ref: 'https://f9.zdn.vn/a.jpg' } } } });
  });

  test.each([['sticker', 'sticker'], ['voice', 'voice'], ['unsupported', 'other']])('%s is named for the answer', (kind, what) => {
    expect(parseZaloBotUpdate({ event_name: `message.${kind}.received`, message })).toMatchObject({ incoming: { content: { kind: 'unsupported', what } } });
  });

  test('anything else is skipped or malformed, never an error', () => {
    for (const odd of [null, undefined, 1, 'x', [], {}, { event_name: 'a' }, { event_name: 'message.text.received', message: { ...message, date: 'soon' } }]) expect(parseZaloBotUpdate(odd).kind).toBe('malformed');
    expect(parseZaloBotUpdate({ event_name: 'message.text.received', message: { ...message, from: { ...message.from, is_bot: true } } }).kind).toBe('skipped');
  });
});
