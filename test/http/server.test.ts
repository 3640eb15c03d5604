import { afterEach, describe, expect, test } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { createMetrics } from '../../src/http/metrics.ts';
import { createServer, type ServerSettings } from '../../src/http/server.ts';
import { serveTelegramWebhook } from '../../src/http/telegram-webhook.ts';

const lines: { event: string; facts: unknown }[] = [];
const write = (event: string, facts?: unknown) => void lines.push({ event, facts });
const log = { info: write, warn: write, error: write };
let app: FastifyInstance;
let address = '';

interface Answer {
  status: number;
  body: string;
  headers: Record<string, string>;
}

/** One real request; light-my-request does not load under jest on Node 20. */
async function ask(path: string, options: RequestInit = {}): Promise<Answer> {
  const response = await fetch(address + path, options);
  return { status: response.status, body: await response.text(), headers: Object.fromEntries(response.headers) };
}

const parsed = (answer: Answer): unknown => JSON.parse(answer.body);

async function build(settings: Partial<ServerSettings> = {}): Promise<FastifyInstance> {
  lines.length = 0;
  app = await createServer({ log, checks: {}, metrics: createMetrics([]), routes: [], ...settings });
  address = await app.listen({ port: 0, host: '127.0.0.1' });
  return app;
}

afterEach(() => app.close());

describe('the server', () => {
  test('/healthz says the process lives even when nothing is ready', async () => {
    await build({ checks: { store: () => Promise.reject(new Error('down')) } });
    expect((await ask('/healthz')).status).toBe(200);
  });

  test('/readyz is 200 only when every part works, and names the one that does not', async () => {
    let works = true;
    await build({ checks: { store: async () => ({ ok: true, detail: 'ok' }), telegram: () => ({ ok: works, detail: works ? 'polling' : 'getUpdates: 401 Unauthorized' }) } });
    expect(parsed(await ask('/readyz'))).toEqual({ ok: true, checks: { store: { ok: true, detail: 'ok' }, telegram: { ok: true, detail: 'polling' } } });
    works = false;
    const answer = await ask('/readyz');
    expect(answer.status).toBe(503);
    expect(parsed(answer)).toMatchObject({ ok: false, checks: { telegram: { ok: false } } });
  });

  test('a check that hangs makes it not ready instead of hanging too', async () => {
    await build({ checks: { store: () => new Promise(() => undefined) } });
    expect(parsed(await ask('/readyz'))).toEqual({ ok: false, checks: { store: { ok: false, detail: 'no answer' } } });
  });

  test('/metrics shows what is measured at that moment; one that fails hides no other', async () => {
    let pending = 3;
    await build({
      metrics: createMetrics([
        { name: 'dondoc_outbox_rows', help: 'Rows by state', labels: ['state'], read: async () => [{ labels: { state: 'pending' }, value: pending }] },
        { name: 'dondoc_broken', help: 'Never there', labels: [], read: () => Promise.reject(new Error('no')) },
      ]),
    });
    expect((await ask('/metrics')).body).toContain('dondoc_outbox_rows{state="pending"} 3');
    pending = 4;
    const { body } = await ask('/metrics');
    expect(body).toContain('dondoc_outbox_rows{state="pending"} 4');
    expect(body).toContain('process_cpu_user_seconds_total');
  });

  test('an error shows nothing of itself to the caller and no message to the log', async () => {
    await build({ routes: [(scope) => void scope.get('/broken', () => { throw new Error('secret at /srv/x.ts'); })] });
    const answer = await ask('/broken');
    expect(answer.status).toBe(500);
    expect(parsed(answer)).toEqual({ error: 'internal error' });
    expect(JSON.stringify(lines)).toContain('http.failed');
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  test('an unknown address is a plain 404', async () => {
    await build();
    const answer = await ask('/wp-login.php?x=<script>');
    expect(answer.status).toBe(404);
    expect(parsed(answer)).toEqual({ error: 'not found' });
  });

  test('every answer carries the safety headers, and a route may set its own', async () => {
    await build({ routes: [(scope) => void scope.get('/own', (_request, reply) => reply.header('cache-control', 'max-age=5').send('x'))] });
    expect((await ask('/healthz')).headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' });
    expect((await ask('/nowhere')).headers).toMatchObject({ 'x-content-type-options': 'nosniff' });
    expect((await ask('/own')).headers['cache-control']).toBe('max-age=5');
  });

  test('one caller cannot ask without end, others are not held up, health always answers', async () => {
    await build({ requestsPerMinute: 3, routes: [(scope) => void scope.get('/page', () => 'x')] });
    const from = async (caller: string) => (await ask('/page', { headers: { 'x-forwarded-for': caller } })).status;
    expect([await from('203.0.113.1'), await from('203.0.113.1'), await from('203.0.113.1'), await from('203.0.113.1')]).toEqual([200, 200, 200, 429]);
    expect(await from('203.0.113.2')).toBe(200);
    expect((await ask('/healthz', { headers: { 'x-forwarded-for': '203.0.113.1' } })).status).toBe(200);
  });

  test('a caller who claims to be somebody else is still counted as the one the proxy saw', async () => {
    await build({ requestsPerMinute: 1, routes: [(scope) => void scope.get('/page', () => 'x')] });
    const from = async (forwarded: string) => (await ask('/page', { headers: { 'x-forwarded-for': forwarded } })).status;
    expect([await from('203.0.113.3, 198.51.100.9'), await from('203.0.113.4, 198.51.100.9')]).toEqual([200, 429]);
  });

  test('it stops although a page keeps listening', async () => {
    await build({ routes: [(scope) => void scope.get('/listen', (_request, reply) => { reply.hijack(); reply.raw.write('data: x\n\n'); })] });
    const response = await fetch(`${address}/listen`);
    expect(response.status).toBe(200);
    const began = Date.now();
    await Promise.all([app.close(), response.text().catch(() => '')]);
    expect(Date.now() - began).toBeLessThan(8_000);
  });
});

describe('the Telegram webhook', () => {
  const secret = 'a_secret-1';
  const headers = { 'x-telegram-bot-api-secret-token': secret };
  const received: unknown[] = [];
  let fails = false;

  async function buildWebhook(): Promise<void> {
    received.length = 0;
    fails = false;
    await build({
      routes: [(scope) => serveTelegramWebhook(scope, {
        secret, log,
        receive: async (update) => {
          if (fails) throw new Error('store down');
          received.push(update);
        },
      })],
    });
  }

  const post = async ({ headers: shown, payload }: { headers: Record<string, string>; payload: string | object }) =>
    (await ask('/telegram/webhook', {
      method: 'POST', headers: { 'content-type': 'application/json', ...shown }, body: typeof payload === 'string' ? payload : JSON.stringify(payload),
    })).status;

  test('hands the parsed update over and says 200 once it is stored', async () => {
    await buildWebhook();
    expect(await post({ headers, payload: { update_id: 1 } })).toBe(200);
    expect(received).toEqual([{ update_id: 1 }]);
  });

  test('says 503 when it could not be stored, so that it is delivered again', async () => {
    await buildWebhook();
    fails = true;
    expect(await post({ headers, payload: { update_id: 1 } })).toBe(503);
  });

  test.each([['no secret', {}], ['a wrong secret', { 'x-telegram-bot-api-secret-token': 'a_secret-2' }], ['a longer one', { 'x-telegram-bot-api-secret-token': `${secret}x` }], ['an empty one', { 'x-telegram-bot-api-secret-token': '' }]])('refuses %s before reading the body', async (_name, wrong) => {
    await buildWebhook();
    expect(await post({ headers: wrong, payload: { update_id: 1 } })).toBe(403);
    expect(await post({ headers: { ...wrong, 'content-type': 'application/json' }, payload: '{broken' })).toBe(403);
    expect(received).toEqual([]);
  });

  test('a body that is null is answered, not hung on', async () => {
    await buildWebhook();
    expect(await post({ headers: { ...headers, 'content-type': 'application/json' }, payload: 'null' })).toBe(200);
    expect(received).toEqual([null]);
  });

  test('refuses what is too large, broken or no JSON', async () => {
    await buildWebhook();
    const json = { ...headers, 'content-type': 'application/json' };
    expect(await post({ headers: json, payload: JSON.stringify({ x: 'x'.repeat(1024 * 1024) }) })).toBe(413);
    expect(await post({ headers: json, payload: '{broken' })).toBe(400);
    expect(await post({ headers: json, payload: '' })).toBe(400);
    expect(await post({ headers: { ...headers, 'content-type': 'text/xml' }, payload: '<x/>' })).toBe(415);
    expect(received).toEqual([]);
  });

  test('answers only to POST', async () => {
    await buildWebhook();
    expect((await ask('/telegram/webhook', { headers })).status).toBe(404);
  });
});
