import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { describeInBrowser, findBarriers, openBrowser } from '../support/browser.ts';
import { freePort, startProcess, type ServiceProcess } from '../support/service-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'dondoc-demo-'));
const desktop = { viewport: { width: 1280, height: 900 } };
const telephone = { viewport: { width: 390, height: 844 }, hasTouch: true };
let browser: Browser;
let service: ServiceProcess;
let environment: Record<string, string>;
let faults: string[] = [];

async function open(options: BrowserContextOptions = desktop, query = ''): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    // A connection refused, or a 503 of a service that is just stopping, is what the page is told about in words.
    if (message.type() === 'error' && !/ERR_|EventSource|status of (4|503)/.test(message.text())) faults.push(message.text());
  });
  await page.goto(`${service.address}/${query}`);
  await page.locator('body[data-ready]').waitFor();
  return page;
}

const phone = (page: Page, chat: string): Locator => page.locator(`#phone-${chat}`);
const said = (page: Page, chat: string, words: string | RegExp): Promise<void> => phone(page, chat).getByText(words).last().waitFor();
async function write(page: Page, chat: string, words: string): Promise<void> {
  await page.locator(`#say-${chat}`).fill(words);
  await page.locator(`#say-${chat}`).press('Enter');
}
const press = (page: Page, chat: string, label: string | RegExp): Promise<void> => phone(page, chat).getByRole('button', { name: label, exact: typeof label === 'string' }).last().click();
const bubbles = (page: Page, chat: string): Promise<string[]> => phone(page, chat).locator('.bubble').allTextContents();
const moment = (page: Page): Promise<string> => page.locator('#now').innerText();
/** The number a line of the view without buttons offers that choice under. */
async function numberOf(page: Page, chat: string, label: string): Promise<string> {
  const lines = (await bubbles(page, chat)).join('\n').split('\n').filter((line) => line.endsWith(`. ${label}`) || line.includes(`. ${label}`));
  return /(\d+)\. /.exec(lines.at(-1) ?? '')?.[1] ?? '';
}

afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeInBrowser('the demo', () => {
  beforeAll(async () => {
    environment = { DATA_DIR: folder, PORT: String(await freePort()), LOG_LEVEL: 'warn' };
    [browser, service] = await Promise.all([openBrowser(), startProcess(environment)]);
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await service?.stop();
  }, 30_000);

  test('tells its story from pairing to who is late, and nothing is lost by a restart', async () => {
    const page = await open();
    for (let waited = 0; !/Ctrl\+C/.test(service.log()) && waited < 5_000; waited += 50) await sleep(50);
    expect(service.log().split('\n').slice(0, 3).join('\n')).toMatch(new RegExp(`${service.address}[^]*Ctrl\\+C`));
    expect(await moment(page)).toMatch(/^07:5\d ngày 08\/4\/2024$/);

    await page.locator('[data-play=pair]').click();
    await said(page, 'chair', /Đã ghép nối/);
    // Every word under the one it answers.
    expect((await bubbles(page, 'chair')).map((words) => words.slice(0, 8))).toEqual([expect.stringMatching(/^\w{4}-\w{3}/), 'Ghép nối', expect.stringMatching(/^Đồng ý/), '✅ Đã ghé']);

    await page.locator('[data-play=remind]').click();
    await said(page, 'chair', /Đã quá hạn/);
    await said(page, 'member', /Nhắc việc/);
    await said(page, 'staff', /Tổng hợp sáng/);
    expect(await moment(page)).toMatch(/^08:0\d ngày 08\/4\/2024$/);

    await phone(page, 'chair').locator('input[type=file]').setInputFiles({ name: '<img src=x onerror=alert(1)>.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n') });
    await said(page, 'chair', /Tệp này nộp cho việc nào/);
    await press(page, 'chair', 'Báo cáo kết quả học tập chuyên đề');
    await said(page, 'chair', /BN-2024-000001/);
    expect(await phone(page, 'chair').locator('img').count()).toBe(0);

    await page.locator('[data-play=pledge]').click();
    await said(page, 'member', /Đồng chí viết bản đăng ký/);
    await press(page, 'member', 'Viết');
    await said(page, 'member', /Xin viết nội dung/);
    await write(page, 'member', '<script>alert(1)</script> Tôi đăng ký tiết kiệm điện.');
    await said(page, 'member', /Chưa xác nhận/);
    await press(page, 'member', 'Xác nhận');
    await said(page, 'member', /BN-2024-000002/);

    await page.locator('[data-play=late]').click();
    await said(page, 'staff', /Tổng cộng: 78 việc|Tổng cộng: 79 việc/);
    await page.locator('#story-end').waitFor();
    expect(await page.locator('#rows [data-state=submitted]').count()).toBe(1);

    // Away and back: the page notices by itself, and everything stands as before.
    const before = await Promise.all(['chair', 'member', 'staff'].map((chat) => bubbles(page, chat)));
    const asked = Date.now();
    expect(await service.stop()).toBe(0);
    expect(Date.now() - asked).toBeLessThan(3_000);
    await page.locator('#away').waitFor();
    service = await startProcess(environment);
    await fetch(`${service.address}/demo/chats/staff/text`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-dondoc-demo': '1' }, body: JSON.stringify({ id: randomUUID(), text: 'gửi khi trang vắng mặt' }) });
    await page.locator('#away').waitFor({ state: 'hidden' });
    await said(page, 'staff', 'gửi khi trang vắng mặt');
    const after = await Promise.all(['chair', 'member', 'staff'].map((chat) => bubbles(page, chat)));
    expect(after.map((words, index) => words.slice(0, before[index]?.length))).toEqual(before);
    expect(await moment(page)).toMatch(/ngày 08\/4\/2024$/);

    await page.locator('[data-move=day]').click();
    await page.getByText(/ngày 09\/4\/2024$/).first().waitFor();
    await page.context().close();
  }, 60_000);

  test('as a channel without buttons: typed numbers choose, and a number that is asked for stays a number', async () => {
    const page = await open();
    await page.locator('#plain').check();
    expect(await page.locator('.rows').count()).toBe(0);
    expect(await phone(page, 'chair').locator('.attach').isVisible()).toBe(false);
    await write(page, 'staff', await numberOf(page, 'staff', 'Thống kê'));
    await said(page, 'staff', /Thống kê|Kết quả/);

    await write(page, 'chair', await numberOf(page, 'chair', 'Xác nhận đã làm'));
    await said(page, 'chair', /vào ngày nào/);
    await write(page, 'chair', '28/3');
    await said(page, 'chair', /Có bao nhiêu người tham gia/);
    // "2" was offered too ("Không"), but people are being counted.
    await write(page, 'chair', '2');
    await said(page, 'chair', /Số người tham gia: 2/);
    await write(page, 'chair', await numberOf(page, 'chair', 'Đúng, ghi nhận'));
    await said(page, 'chair', /BN-2024-000003/);

    // Files go by a page there.
    await write(page, 'chair', '/nop 06 tháng');
    await said(page, 'chair', /\/nop\//);
    const upload = await phone(page, 'chair').locator('a[href*="/nop/"]').last().getAttribute('href');
    expect((await fetch(upload ?? '')).status).toBe(200);
    await page.context().close();
  }, 40_000);

  test('fits a telephone: one chat at a time, nothing beyond the edge', async () => {
    const page = await open(telephone);
    expect(await page.locator('.phone:visible').count()).toBe(1);
    await page.locator('.tabs [data-chat=staff]').click();
    expect(await phone(page, 'staff').isVisible()).toBe(true);
    await write(page, 'staff', '/trogiup');
    await said(page, 'staff', /\/quahan/);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    await page.context().close();
  }, 30_000);

  test.each(['light', 'dark'] as const)('axe finds no barrier in %s colours, on a desk and on a telephone, in both languages', async (colorScheme) => {
    for (const [options, query] of [[desktop, ''], [telephone, '?lang=en']] as const) {
      const page = await open({ ...options, colorScheme, bypassCSP: true }, query);
      expect(await findBarriers(page)).toEqual([]);
      expect(await page.locator('html').getAttribute('lang')).toBe(query === '' ? 'vi' : 'en');
      await page.context().close();
    }
  }, 40_000);

  test('works by the keyboard alone', async () => {
    const page = await open();
    await page.keyboard.press('Tab');
    expect(await page.evaluate<string>('document.activeElement.className')).toBe('skip');
    await page.keyboard.press('Enter');
    await page.locator('#say-staff').focus();
    await page.keyboard.type('/thongke');
    await page.keyboard.press('Enter');
    await phone(page, 'staff').locator('.person').getByText('/thongke').last().waitFor();
    await page.context().close();
  }, 30_000);

  test('begins again with empty chats and the clock of that morning, in the page that is open', async () => {
    const page = await open();
    page.on('dialog', (dialog) => void dialog.accept());
    await page.locator('#reset').click();
    await phone(page, 'chair').locator('.bubble').first().waitFor({ state: 'detached', timeout: 20_000 });
    await page.locator('body[data-ready]').waitFor();
    await said(page, 'staff', /Đã ghép nối/);
    expect(await bubbles(page, 'chair')).toEqual([]);
    expect(await moment(page)).toMatch(/^07:5\d ngày 08\/4\/2024$/);
    expect(await page.locator('[data-step=pair]').getAttribute('data-done')).toBe('false');
    await page.context().close();
  }, 40_000);
});
