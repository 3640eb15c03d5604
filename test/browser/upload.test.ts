import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { uploadDesk } from '../../src/house.ts';
import { serveAssets } from '../../src/http/assets.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { createServer as createHttpServer } from '../../src/http/server.ts';
import { serveUploads } from '../../src/http/upload.ts';
import { createLink, uploadLinkMs } from '../../src/services/links.ts';
import type { Person } from '../../src/domain/person.ts';
import { describeInBrowser, findBarriers, openBrowser } from '../support/browser.ts';
import { openHouse, type House } from '../support/house.ts';
import { pdfFile } from '../support/sample-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'dondoc-upload-'));
let browser: Browser;
let house: House;
let app: FastifyInstance;
let line: Line;
let chair: Person;
let report: string;

/** A line between browser and service that can be cut after so many bytes. */
interface Line {
  address: string;
  /** Cuts every connection that has carried that much towards the service; null: none. */
  cutAfter: number | null;
  close(): void;
}

async function openLine(port: number): Promise<Line> {
  const sockets = new Set<Socket>();
  const opened: Line = { address: '', cutAfter: null, close: () => {} };
  const server: Server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    let carried = 0;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on('data', (bytes) => {
      carried += bytes.length;
      if (opened.cutAfter !== null && carried > opened.cutAfter) return void near.destroy();
      if (!far.write(bytes)) near.pause();
    });
    far.on('drain', () => near.resume());
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.address = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  opened.close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return opened;
}

function file(name: string, bytes: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const link = (): string => createLink({ ...house.core, publicUrl: line.address }, { purpose: 'upload', person: chair.id, subject: report, expiresAt: new Date(house.now().getTime() + uploadLinkMs) });
async function open(url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const page = await (await browser.newContext({ viewport: { width: 390, height: 844 }, ...options })).newPage();
  await page.goto(url);
  return page;
}
const versions = async (): Promise<number> => (await house.store.submissions.ofAssignment(report)).length;
const choose = (page: Page, path: string): Promise<void> => page.locator('input[type=file]').setInputFiles(path);
const send = (page: Page): Promise<void> => page.locator('button[type=submit]').click();

describeInBrowser('the upload page', () => {
  beforeAll(async () => {
    [browser, house] = await Promise.all([openBrowser(), openHouse({ plan: 'seed' })]);
    house.goTo('2024-04-08T09:00');
    const desk = uploadDesk({ core: house.core, text: house.text, log: house.core.log });
    app = await createHttpServer({ log: house.core.log, checks: {}, metrics: createMetrics([]), routes: [serveAssets, (scope) => serveUploads(scope, desk)] });
    await app.listen({ host: '127.0.0.1', port: 0 });
    line = await openLine((app.server.address() as { port: number }).port);
    const actor = await house.pair('Nguyễn Thị Lan', 'chair', 'LDLD-PT');
    chair = (await actor.person()) as Person;
    report = (await house.store.assignments.ofUnit('LDLD-PT', null)).find((duty) => duty.obligation === 'bao-cao-6-thang')?.id ?? '';
  }, 60_000);
  beforeEach(() => {
    line.cutAfter = null;
  });
  afterAll(async () => {
    line?.close();
    await Promise.all([browser?.close(), app?.close()]);
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);

  test.each([['with JavaScript', true], ['without JavaScript', false]] as const)('takes a file and shows the receipt %s; the used link shows it again', async (_name, javaScriptEnabled) => {
    const url = link();
    const page = await open(url, { javaScriptEnabled });
    await choose(page, file(`bao-cao-${javaScriptEnabled}.pdf`, pdfFile(`bản ${javaScriptEnabled}`)));
    await send(page);
    await page.locator('#receipt').waitFor();
    const number = /BN-2024-\d{6}/.exec(await page.locator('#receipt').innerText())?.[0];
    expect(number).toBeDefined();
    await page.goto(url);
    expect(await page.locator('#receipt').innerText()).toContain(number);
    await page.context().close();
  }, 30_000);

  test('a file of 20 MB goes through while the bar moves', async () => {
    const page = await open(link());
    const client = await page.context().newCDPSession(page);
    await client.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 12_000_000 });
    const pdf = pdfFile('20 MB');
    await choose(page, file('lon.pdf', Buffer.concat([pdf, Buffer.alloc(20 * 1024 * 1024 - pdf.length, '%')])));
    await page.evaluate('globalThis.seen = []; setInterval(() => seen.push(document.querySelector("progress")?.value ?? 100), 30)');
    await send(page);
    await page.locator('#receipt').waitFor({ timeout: 25_000 });
    const seen = await page.evaluate<number[]>('seen');
    expect(new Set(seen.filter((value) => value > 0 && value < 100)).size).toBeGreaterThan(1);
    await page.context().close();
  }, 40_000);

  test.each([['with JavaScript', true], ['without JavaScript', false]] as const)('a wrong file is refused with a sentence and the way to choose another, %s', async (_name, javaScriptEnabled) => {
    const before = await versions();
    const page = await open(link(), { javaScriptEnabled });
    await choose(page, file('bao-cao.pdf', Buffer.concat([Buffer.from('MZ'), Buffer.alloc(600)])));
    await send(page);
    await page.locator('.trouble:visible').waitFor();
    expect(await page.locator('.trouble').innerText()).toMatch(/không nhận|chương trình/i);
    if (!javaScriptEnabled) await page.locator('.back').click();
    expect(await versions()).toBe(before);
    await choose(page, file('dung.pdf', pdfFile(`đúng ${javaScriptEnabled}`)));
    await send(page);
    await page.locator('#receipt').waitFor();
    await page.context().close();
  }, 30_000);

  test('a file over 20 MB is told so before a byte is sent', async () => {
    const page = await open(link());
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.method()));
    await choose(page, file('qua-lon.pdf', Buffer.alloc(21 * 1024 * 1024)));
    await send(page);
    expect(await page.locator('.trouble').innerText()).toMatch(/20 MB/);
    expect(asked).not.toContain('POST');
    await page.context().close();
  }, 30_000);

  test('a connection lost in the middle is said, and choosing the file again hands it in once', async () => {
    const before = await versions();
    const page = await open(link());
    const path = file('dut.pdf', Buffer.concat([pdfFile('đứt'), Buffer.alloc(6_000_000, '%')]));
    await choose(page, path);
    line.cutAfter = 1_000_000;
    await send(page);
    await page.locator('.trouble:visible').waitFor();
    expect(await page.locator('.trouble').innerText()).toMatch(/bị gián đoạn/);
    expect(await versions()).toBe(before);
    line.cutAfter = null;
    await choose(page, path);
    await send(page);
    await page.locator('#receipt').waitFor();
    expect(await versions()).toBe(before + 1);
    await page.context().close();
  }, 30_000);

  test.each(['light', 'dark'] as const)('axe finds no barrier in %s colours, and all fits a telephone: form, receipt, refusal', async (colorScheme) => {
    const page = await open(link(), { colorScheme, bypassCSP: true });
    expect(await findBarriers(page)).toEqual([]);
    // On the narrowest telephone nothing stands beyond the edge.
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    await choose(page, file('ax.pdf', pdfFile(`axe ${colorScheme}`)));
    await send(page);
    await page.locator('#receipt').waitFor();
    expect(await findBarriers(page)).toEqual([]);
    await page.goto(`${line.address}/nop/khong-co`);
    expect(await findBarriers(page)).toEqual([]);
    await page.context().close();
  }, 30_000);

  test('an expired link says so, and a page left open until then too', async () => {
    const url = link();
    const page = await open(url);
    house.wait(uploadLinkMs + 1_000);
    await choose(page, file('tre.pdf', pdfFile('trễ')));
    await send(page);
    await page.getByText(/hết hạn/).first().waitFor({ timeout: 5_000 });
    await page.setExtraHTTPHeaders({ 'accept-language': 'vi' });
    await page.goto(url);
    await page.getByText(/hết hạn/).first().waitFor({ timeout: 5_000 });
    house.goTo('2024-04-08T09:00');
    await page.context().close();
  }, 30_000);
});
