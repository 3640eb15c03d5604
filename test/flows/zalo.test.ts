import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { startFakeZaloBot } from '../support/fake-zalo-bot.ts';
import { startFakeZaloOa } from '../support/fake-zalo-oa.ts';
import { freePort, runCommand, startProcess, type ServiceProcess } from '../support/service-process.ts';

const pdf = Buffer.from('%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n');
const report = 'Báo cáo kết quả học tập chuyên đề';
const chair = '2512523625412515';
const undo: (() => Promise<unknown> | void)[] = [];

afterEach(async () => {
  for (const each of undo.splice(0).toReversed()) await each();
});

interface World {
  environment: Record<string, string>;
  service: ServiceProcess;
  chairCode: string;
}

/** The real program on a fresh folder, with the sample units, on the morning of 8 April 2024. */
async function start(settings: (address: string) => Record<string, string>): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'dondoc-zalo-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const port = String(await freePort());
  const environment = { DATA_DIR: folder, PORT: port, DONDOC_NOW: '2024-04-08T08:30:00+07:00', ...settings(`http://127.0.0.1:${port}`) };
  const service = await startProcess(environment);
  undo.push(() => service.kill());
  const [issued] = (await runCommand(environment, 'codes', 'issue', '--unit', 'LDLD-PT', '--role', 'chair')) as { code: string }[];
  return { environment, service, chairCode: issued?.code ?? '' };
}

/** The first thing said that matches, once it is said. */
async function hears(said: () => string[], matching: RegExp): Promise<string> {
  for (let waited = 0; waited < 15_000; waited += 25) {
    const found = said().findLast((text) => matching.test(text));
    if (found !== undefined) return found;
    await sleep(25);
  }
  throw new Error(`never said: ${matching}\n${said().join('\n---\n')}`);
}

/** `dondoc zalo login`, with the token of the environment or a pasted one; the exit code. */
function login(environment: Record<string, string>, pasted?: string): Promise<number> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['dist/cli.js', 'zalo', 'login', ...(pasted === undefined ? [] : ['--paste'])], { env: { PATH: process.env.PATH, ...environment } }, (error) => resolve(typeof error?.code === 'number' ? error.code : 0));
    child.stdin?.end(pasted === undefined ? '' : `${pasted}\n`);
  });
}

const numberOf = (text: string, label: string): string => new RegExp(`^(\\d+)\\. ${label}`, 'm').exec(text)?.[1] ?? '';

describe.each(['polling', 'webhook'] as const)('a chair on the Zalo Bot by %s', (mode) => {
  test('pairs by a typed code, hands in by the page behind a link, and reads the receipt', async () => {
    const fake = await startFakeZaloBot();
    undo.push(() => fake.close());
    const { service, environment, chairCode } = await start((address) => ({
      ZALO_BOT_TOKEN: fake.token, ZALO_BOT_API_ROOT: fake.root, ...(mode === 'webhook' ? { PUBLIC_URL: address, ZALO_BOT_WEBHOOK_SECRET: 'bi-mat-zalo' } : {}),
    }));
    const said = () => fake.said(chair);
    await fake.says(chair, `gn ${chairCode}`);
    await hears(said, /Luật Bảo vệ dữ liệu cá nhân/);
    await fake.says(chair, 'dong y');
    await hears(said, /Đã ghép nối/);
    await fake.says(chair, 'NOP');
    const offered = await hears(said, new RegExp(`^\\d+\\. ${report}`, 'm'));
    await fake.says(chair, numberOf(offered, report));
    const url = /http:\/\/127\.0\.0\.1:\d+\/nop\/\S+/.exec(await hears(said, /\/nop\//))?.[0] ?? '';
    const form = new FormData();
    form.append('file', new Blob([pdf]), 'Báo cáo chuyên đề 2024.pdf');
    expect(await fetch(url, { method: 'POST', body: form }).then((answer) => answer.text())).toContain('BN-2024-000001');
    await hears(said, /BN-2024-000001/);
    expect(await runCommand(environment, 'outbox')).toMatchObject({ pending: 0, dead: 0, quota: { channel: 'zalo-bot', limit: 3000 } });
    expect(fake.webhook() !== null).toBe(mode === 'webhook');
    expect(service.log()).not.toContain(fake.token);
    expect(await service.stop()).toBe(0);
  }, 90_000);
});

describe('a chair on the Official Account', () => {
  test('follows, pairs, presses, sends the file, reads the receipt; after a power cut what was typed meanwhile is answered', async () => {
    const fake = await startFakeZaloOa();
    undo.push(() => fake.close());
    const { service, environment, chairCode } = await start((address) => ({
      ZALO_OA_APP_ID: fake.appId, ZALO_OA_APP_SECRET: fake.appSecret, ZALO_OA_SECRET_KEY: fake.secretKey, ZALO_OA_REFRESH_TOKEN: fake.firstRefreshToken,
      ZALO_OA_API_ROOT: fake.root, ZALO_OAUTH_ROOT: fake.root, ZALO_TEMPLATE_ROOT: fake.root, ZALO_OA_FILE_HOSTS: fake.host, PUBLIC_URL: address,
    }));
    fake.hook(`${service.address}/zalo/oa/webhook`);
    expect(await fake.post('{}', null)).toBe(200);
    const said = () => fake.seen(chair).map((message) => message.text);
    expect(await fake.event('follow', chair)).toBe(200);
    // Who follows has not written yet: the stand-in takes nothing for them before that.
    expect(await fake.says(chair, `GN ${chairCode}`)).toBe(200);
    await hears(said, /Luật Bảo vệ dữ liệu cá nhân/);
    await fake.press(chair, 'Đồng ý');
    await hears(said, /Đã ghép nối/);
    expect(await fake.sendsFile(chair, { name: 'Báo cáo chuyên đề 2024.pdf', bytes: pdf })).toBe(200);
    await hears(said, /Tệp này nộp cho việc nào/);
    await fake.press(chair, fake.seen(chair).flatMap((message) => message.buttons).findLast((button) => button.title.startsWith(report.slice(0, 20)))?.title ?? '');
    await hears(said, /BN-2024-000001/);

    const status = (await runCommand(environment, 'zalo', 'status')) as Record<string, unknown>;
    expect(status).toMatchObject({ reachable: true, verified: true, package: 'Growth', refused: null, buttons: true, spentToday: 0 });
    // The first token was used long ago: a login with it is refused, and nothing that works is lost.
    expect(await login(environment)).toBe(65);
    expect(await login(environment, fake.goodRefreshToken())).toBe(0);
    // The running service goes on with the new pair.
    await fake.says(chair, 'tro giup');
    await hears(said, /không cần dấu/);

    await service.kill();
    expect(await fake.says(chair, 'TRANG THAI')).toBe(0);
    const again = await startProcess(environment);
    undo.push(() => again.kill());
    await hears(said, /Việc của/);
    expect(fake.exchanges).toHaveLength(3);
    for (const secret of [fake.appSecret, fake.secretKey, fake.firstRefreshToken, 'access-']) expect(service.log() + again.log()).not.toContain(secret);
    expect(await again.stop()).toBe(0);
  }, 90_000);
});
