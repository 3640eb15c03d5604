import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fastify, { type FastifyInstance } from 'fastify';
import rateLimit from '@fastify/rate-limit';
import { createCalendar } from '../../src/domain/calendar.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import { readHolidays } from '../../src/files/holidays.ts';
import { serveDemo, type Demo } from '../../src/http/demo.ts';
import { createText } from '../../src/text.ts';

let app: FastifyInstance;
let done: string[] = [];
const own = { host: '127.0.0.1:8080', 'x-dondoc-demo': '1', 'content-type': 'application/json' };
const state = { birth: 'b', now: '2024-04-08T00:55:00.000Z', nowText: 'x', nextText: null, story: [], outbox: {}, inside: { units: [], rows: [] } };

beforeAll(async () => {
  const text = await createText(createCalendar({ timeZone: 'Asia/Ho_Chi_Minh', holidays: await readHolidays() }));
  const demo: Demo = {
    text, timeZone: 'Asia/Ho_Chi_Minh',
    files: { describe: async (id) => (id === 'f' ? { name: 'Báo cáo \'quý\' (1).pdf', mime: 'application/pdf', size: 3, sha256: '' } : null), open: async () => Readable.from(['abc']) },
    phones: async () => [{ chat: 'chair', place: '<script>alert(1)</script> & "Lan"' }],
    state: async (language) => ({ ...state, nowText: language }),
    moveClock: async (move) => void done.push(`clock ${move}`),
    play: async (step) => void done.push(`play ${step}`),
    reset: async () => false,
    say: async (chat, _id, words) => void done.push(`${chat}: ${words}`),
    press: async (chat, _id, choice) => void done.push(`${chat}! ${choice}`),
    async upload(chat, _id, name, stream) {
      if ((await buffer(stream)).length === 0) throw new Refusal('file-empty');
      done.push(`${chat} file ${name}`);
    },
    history: async () => [],
    watch: () => () => {},
    watchState: () => () => {},
  };
  app = fastify();
  await app.register(rateLimit, { max: 5 });
  await serveDemo(app, demo);
});
beforeEach(() => {
  done = [];
});
afterAll(() => app.close());

const post = (headers: Record<string, string>, url = '/demo/chats/chair/text', body: unknown = { id: 'message-1', text: 'xin chào' }) => app.inject({ method: 'POST', url, headers: { ...own, ...headers }, payload: JSON.stringify(body) });

describe('the demo listens to its own page only', () => {
  test.each<[string, Record<string, string>]>([
    ['a page of another origin', { origin: 'https://evil.example' }],
    ['a page on another port of this machine', { origin: 'http://127.0.0.1:9999' }],
    ['a page without an origin of its own', { origin: 'null' }],
    ['a name bent to this address', { host: 'evil.example:8080', origin: 'http://evil.example:8080' }],
    ['a name that looks like this machine', { host: '127.0.0.1.evil.example:8080' }],
    ['another site, by what the browser says', { 'sec-fetch-site': 'cross-site' }],
    ['a form of another site', { 'x-dondoc-demo': '' }],
  ])('%s is refused and changes nothing', async (_who, headers) => {
    for (const [url, body] of [['/demo/chats/chair/text', { id: 'message-1', text: 'x' }], ['/demo/clock', { move: 'day' }], ['/demo/play', { step: 'pair' }], ['/demo/reset', {}]] as const) {
      expect((await post(headers, url, body)).statusCode).toBe(403);
    }
    expect(done).toEqual([]);
  });

  test.each(['/', '/demo/state', '/demo/chats/chair/messages', '/demo/files/f'])('%s is not read through a bent name', async (url) => {
    expect((await app.inject({ url, headers: { host: 'evil.example' } })).statusCode).toBe(403);
  });

  test('what it shows is not read by another site, but its page may be linked to', async () => {
    expect((await app.inject({ url: '/demo/state', headers: { host: 'localhost:8080', 'sec-fetch-site': 'cross-site' } })).statusCode).toBe(403);
    expect((await app.inject({ url: '/', headers: { host: 'localhost:8080', 'sec-fetch-site': 'cross-site' } })).statusCode).toBe(200);
  });

  test('its own page is served as often as it asks', async () => {
    for (let round = 0; round < 10; round += 1) expect((await post({ origin: 'http://127.0.0.1:8080', 'sec-fetch-site': 'same-origin' })).statusCode).toBe(200);
    expect(done).toHaveLength(10);
  });
});

describe('the demo page', () => {
  test('shows names as text, in the language asked for', async () => {
    const page = (await app.inject({ url: '/', headers: { host: '[::1]:8080' } })).body;
    expect(page).toContain('<html lang="vi">');
    expect(page).not.toContain('<script>alert');
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;Lan&quot;');
    expect(page).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect((await app.inject({ url: '/?lang=en', headers: { host: 'localhost' } })).body).toContain('<html lang="en">');
    expect((await app.inject({ url: '/?lang=%3Cx', headers: { host: 'localhost' } })).body).toContain('<html lang="vi">');
  });

  test('a file comes as a download under its own name', async () => {
    const answer = await app.inject({ url: '/demo/files/f', headers: { host: 'localhost' } });
    expect(answer.headers['content-disposition']).toBe("attachment; filename*=UTF-8''B%C3%A1o%20c%C3%A1o%20%27qu%C3%BD%27%20%281%29.pdf");
    expect((await app.inject({ url: '/demo/files/none', headers: { host: 'localhost' } })).statusCode).toBe(404);
  });
});

describe('nonsense', () => {
  test.each<[string, string, unknown]>([
    ['a chat that is not shown', '/demo/chats/silent/text', { id: 'message-1', text: 'x' }],
    ['an id with markup', '/demo/chats/chair/text', { id: '<b>', text: 'x' }],
    ['no words', '/demo/chats/chair/text', { id: 'message-1', text: '' }],
    ['far too many words', '/demo/chats/chair/text', { id: 'message-1', text: 'x'.repeat(20_001) }],
    ['a step that is none', '/demo/play', { step: 'rm' }],
    ['a clock that goes back', '/demo/clock', { move: 'back' }],
  ])('%s is refused with a sentence', async (_what, url, body) => {
    const answer = await post({}, url, body);
    expect([answer.statusCode, (answer.json() as { message: string }).message]).toEqual([400, 'Chưa gửi được. Xin thử lại.']);
    expect(done).toEqual([]);
  });

  test('an empty file says why, in the language of the page', async () => {
    const form = ['--x', 'content-disposition: form-data; name="file"; filename="a.pdf"', 'content-type: application/pdf', '', '', '--x--', ''].join('\r\n');
    const answer = await app.inject({ method: 'POST', url: '/demo/chats/chair/files?id=message-1&lang=en', headers: { ...own, 'content-type': 'multipart/form-data; boundary=x' }, payload: form });
    expect(answer.statusCode).toBe(422);
    expect((answer.json() as { message: string }).message).toMatch(/empty/i);
  });

  test('to begin again on data that another process uses is refused with a sentence', async () => {
    const answer = await post({}, '/demo/reset', {});
    expect([answer.statusCode, (answer.json() as { message: string }).message]).toEqual([409, expect.stringMatching(/tiến trình khác/)]);
  });
});
