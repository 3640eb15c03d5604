import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from '@jest/globals';
import { freePort, runCommand, startProcess } from '../support/service-process.ts';

const program = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const folder = mkdtempSync(join(tmpdir(), 'dondoc-demo-flow-'));
const dataDir = join(folder, 'demo');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command that is expected to end by itself; its exit code and what it said. */
async function run(environment: Record<string, string>, ...args: string[]): Promise<{ code: number | null; words: string }> {
  const child = spawn(process.execPath, [program, ...args], { env: { PATH: process.env.PATH, LOG_LEVEL: 'silent', ...environment }, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
  });
  return { words: (await text(child.stderr)).trim(), code: await ended };
}

test('without a token the demo runs, says where and how to stop, keeps apart from real data, and ends at once', async () => {
  const port = String(await freePort());
  const demo = await startProcess({ DATA_DIR: dataDir, PORT: port, LOG_LEVEL: 'silent' });
  try {
    for (let waited = 0; !/Ctrl\+C/.test(demo.log()) && waited < 10_000; waited += 50) await sleep(50);
    expect(demo.log().split('\n').slice(0, 3).join('\n')).toMatch(new RegExp(`http://127\\.0\\.0\\.1:${port}[^]*Ctrl\\+C`));

    // The same message twice, at once and later, is one.
    const id = randomUUID();
    const say = (): Promise<Response> => fetch(`${demo.address}/demo/chats/staff/text`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-dondoc-demo': '1' }, body: JSON.stringify({ id, text: '/thongke' }) });
    await Promise.all([say(), say()]);
    expect((await say()).status).toBe(200);
    const history = async (): Promise<{ id: string; from: string; text: string }[]> => (await fetch(`${demo.address}/demo/chats/staff/messages`)).json() as never;
    for (let waited = 0; (await history()).at(-1)?.from !== 'bot' && waited < 5_000; waited += 50) await sleep(50);
    await sleep(200);
    expect((await history()).filter((entry) => entry.text === '/thongke')).toHaveLength(1);
    expect((await history()).slice(-2).map((entry) => entry.from)).toEqual(['person', 'bot']);

    // Commands beside it see its data at its time.
    expect(await runCommand({ DATA_DIR: dataDir }, 'overdue', '--unit', 'LDLD-LG')).toEqual(expect.arrayContaining([expect.objectContaining({ unit: 'LDLD-LG', daysLate: 8, reach: 'reachable' })]));
    expect(await runCommand({ DATA_DIR: dataDir }, 'codes', 'issue', '--unit', 'LDLD-PT')).toEqual([expect.objectContaining({ unit: 'LDLD-PT', expiresAt: expect.stringMatching(/^2024-05-08/) })]);

    const second = await run({ DATA_DIR: join(folder, 'second'), PORT: port }, 'demo');
    expect([second.code, second.words.split('\n').length]).toEqual([69, 1]);
    expect(second.words).toContain(port);

    const real = await run({ DATA_DIR: dataDir, PORT: '0', TELEGRAM_BOT_TOKEN: '123456:abcdefghijklmnopqrstuvwxyzABCDEFGHI', TELEGRAM_API_ROOT: 'http://127.0.0.1:9' }, 'start');
    expect([real.code, real.words.split('\n').length]).toEqual([78, 1]);
    expect(real.words).toContain(dataDir);
    // A page that listens does not hold it up.
    await fetch(`${demo.address}/demo/events`);
  } finally {
    const asked = Date.now();
    expect(await demo.stop()).toBe(0);
    expect(Date.now() - asked).toBeLessThan(3_000);
  }
}, 60_000);

test('the demo refuses a folder with real data', async () => {
  const real = join(folder, 'real');
  expect((await run({ DATA_DIR: real }, 'units', 'import', join(import.meta.dirname, '..', '..', 'seeds', 'units.csv'))).code).toBe(0);
  const refused = await run({ DATA_DIR: real, PORT: '0' }, 'demo');
  expect([refused.code, refused.words.split('\n').length]).toEqual([78, 1]);
  expect(await runCommand({ DATA_DIR: real }, 'outbox')).toMatchObject({ pending: 0 });
}, 60_000);
