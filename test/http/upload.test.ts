import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import type { Person } from '../../src/domain/person.ts';
import { uploadDesk } from '../../src/house.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { createServer } from '../../src/http/server.ts';
import { serveUploads } from '../../src/http/upload.ts';
import { createLink, uploadLinkMs } from '../../src/services/links.ts';
import { acceptSubmission } from '../../src/services/reviews.ts';
import { openHouse, type House } from '../support/house.ts';

const pdf = Buffer.from('%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n');
let house: House;
let app: FastifyInstance;
let address: string;
let chair: Person;
let report: string;

beforeAll(async () => {
  house = await openHouse({ plan: 'seed' });
  app = await createServer({ log: house.core.log, checks: {}, metrics: createMetrics([]), routes: [(scope) => serveUploads(scope, uploadDesk({ core: house.core, text: house.text, log: house.core.log }), { perAddressMinute: 150, stalledMs: 400 })], requestsPerMinute: 100_000 });
  address = await app.listen({ host: '127.0.0.1', port: 0 });
  const actor = await house.pair('Nguyễn Thị Lan', 'chair', 'LDLD-PT');
  chair = (await actor.person()) as Person;
});
afterAll(async () => {
  // The house's own store is closed by the file that opened it.
  await app.close();
});
beforeEach(async () => {
  house.goTo('2024-04-08T09:00');
  const duties = await house.store.assignments.ofUnit('LDLD-PT', null);
  report = duties.find((duty) => duty.obligation === 'bao-cao-6-thang')?.id ?? '';
});

const link = (change: { person?: string; subject?: string; purpose?: 'upload' | 'download' } = {}): string =>
  createLink({ ...house.core, publicUrl: address }, { purpose: change.purpose ?? 'upload', person: change.person ?? chair.id, subject: change.subject ?? report, expiresAt: new Date(house.now().getTime() + uploadLinkMs) });

async function upload(url: string, bytes: Uint8Array, name = 'Báo cáo 6 tháng.pdf'): Promise<{ status: number; page: string }> {
  const form = new FormData();
  form.append('file', new Blob([Buffer.from(bytes)]), name);
  const answer = await fetch(url, { method: 'POST', body: form });
  return { status: answer.status, page: await answer.text() };
}

const versions = async (): Promise<number> => (await house.store.submissions.ofAssignment(report)).filter((submission) => submission.withdrawnAt === null).length;

describe('a link to hand in', () => {
  test('the page says what is asked for, until when, and works without a script', async () => {
    const answer = await fetch(link());
    const page = await answer.text();
    expect(answer.status).toBe(200);
    expect(page).toMatch(/Báo cáo kết quả thực hiện 06 tháng/);
    expect(page).toMatch(/chậm nhất ngày 06\/5\/2024/);
    expect(page).toMatch(/<form method="post" enctype="multipart\/form-data"/);
    expect(answer.headers.get('content-security-policy')).toMatch(/default-src 'self'/);
    expect(page).not.toMatch(/https?:\/\/(?!127\.0\.0\.1)/);
  });

  test('a file is taken once: the receipt, the verdict by the arrival, and the same receipt when the link is used again', async () => {
    const url = link();
    const first = await upload(url, pdf);
    expect(first.status).toBe(200);
    const number = /BN-2024-\d{6}/.exec(first.page)?.[0];
    expect(number).toBeDefined();
    expect(first.page).toMatch(/đúng hạn/);
    const again = await upload(url, Buffer.concat([pdf, Buffer.from('\n')]));
    expect(again.page).toContain(number as string);
    expect(await versions()).toBe(1);
    await house.deliver();
    expect(house.as('Nguyễn Thị Lan').news().join('\n')).toContain(number as string);
  });

  test('a hundred uploads at once by one link make one version, and no file is left over', async () => {
    const before = await versions();
    const url = link();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => upload(url, Buffer.concat([pdf, Buffer.from(`%${index}`)]))));
    // Beyond the rate a sentence says so; nothing else happens.
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200, 429]));
    expect(new Set(answers.filter((answer) => answer.status === 200).map((answer) => /BN-2024-\d{6}/.exec(answer.page)?.[0])).size).toBe(1);
    expect(await versions()).toBe(before + 1);
  });

  test.each([
    ['empty', Buffer.alloc(0), 'trong.pdf', /trống|không có nội dung/i],
    ['a program named .pdf', Buffer.concat([Buffer.from('MZ'), Buffer.alloc(600)]), 'bao-cao.pdf', /chương trình|không nhận/i],
    ['an unknown kind', Buffer.from('<html><script>alert(1)</script></html>'), 'x.html', /không nhận|PDF/i],
  ])('%s is refused with a sentence', async (_name, bytes, name, words) => {
    const before = await versions();
    const answer = await upload(link(), bytes, name);
    expect(answer.status).toBe(422);
    expect(answer.page).toMatch(words);
    expect(await versions()).toBe(before);
  });

  test('more than 20 MB is refused and leaves nothing behind', async () => {
    const answer = await upload(link(), Buffer.concat([pdf, Buffer.alloc(21 * 1024 * 1024)]));
    expect(answer.status).toBe(413);
    expect(answer.page).toMatch(/20 MB/);
  });

  test('a connection lost in the middle changes nothing, and the same link takes the file afterwards', async () => {
    const before = await versions();
    const url = link();
    await new Promise<void>((resolve) => {
      const request = httpRequest(url, { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': 1_000_000 } });
      request.on('error', () => resolve());
      request.on('close', () => resolve());
      request.write('--x\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\ncontent-type: application/pdf\r\n\r\n');
      request.write(pdf);
      setTimeout(() => request.destroy(), 100);
    });
    expect(await versions()).toBe(before);
    const answer = await upload(url, Buffer.concat([pdf, Buffer.from('%later')]));
    expect(answer.page).toMatch(/BN-2024-\d{6}/);
    expect(await versions()).toBe(before + 1);
  });

  test('an upload that stands still is ended and told so, and nothing stays', async () => {
    const before = await versions();
    const url = link();
    const answer = await new Promise<string>((resolve, reject) => {
      const request = httpRequest(url, { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': 1_000_000 } }, (response) => {
        response.setEncoding('utf8');
        let page = '';
        response.on('data', (piece: string) => (page += piece));
        response.on('end', () => resolve(`${response.statusCode} ${page}`));
        response.on('error', reject);
      });
      request.on('error', reject);
      request.write('--x\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\ncontent-type: application/pdf\r\n\r\n');
      request.write(pdf);
    });
    expect(answer).toMatch(/^408 [^]*kết nối bị gián đoạn/);
    expect(await versions()).toBe(before);
    expect(house.logged.some((line) => JSON.stringify(line).includes('upload-failed'))).toBe(false);
  });

  test('a person who reads English gets the page, the refusal and the receipt in English', async () => {
    await house.store.people.setLanguage(chair.id, 'en');
    const url = link();
    expect(await (await fetch(url)).text()).toMatch(/<html lang="en">[^]*06\/5\/2024/);
    expect((await upload(url, Buffer.alloc(0))).page).toMatch(/<html lang="en">/);
    expect((await upload(url, Buffer.concat([pdf, Buffer.from('%english')]))).page).toMatch(/<html lang="en">[^]*BN-2024-\d{6}/);
    await house.store.people.setLanguage(chair.id, 'vi');
  });

  test('one address with many links is held back like one link with many uploads', async () => {
    const strict = await createServer({ log: house.core.log, checks: {}, metrics: createMetrics([]), routes: [(scope) => serveUploads(scope, uploadDesk({ core: house.core, text: house.text, log: house.core.log }), { perAddressMinute: 2 })] });
    const tries = async (remoteAddress: string): Promise<number[]> => {
      const statuses: number[] = [];
      for (const token of ['a.1', 'b.2', 'c.3']) statuses.push((await strict.inject({ method: 'POST', url: `/nop/${token}`, remoteAddress })).statusCode);
      return statuses;
    };
    expect(await tries('203.0.113.7')).toEqual([404, 404, 429]);
    expect(await tries('203.0.113.8')).toEqual([404, 404, 429]);
    await strict.close();
  });

  test('names with paths and markup are shown as text and never used as a path', async () => {
    const answer = await upload(link(), Buffer.concat([pdf, Buffer.from('%name')]), '../../<img src=x onerror=alert(1)>.pdf');
    expect(answer.status).toBe(200);
    expect(answer.page).not.toMatch(/<img/);
    expect(answer.page).toMatch(/&lt;img/);
  });

  test('forged, changed, expired, of another purpose or person: no page and no trace of the token in the log', async () => {
    const good = link();
    expect((await fetch(`${good}x`)).status).toBe(404);
    expect((await fetch(good.replace(/\/nop\/./, '/nop/A'))).status).toBe(404);
    expect((await fetch(`${address}/nop/a.b`)).status).toBe(404);
    expect((await fetch(link({ purpose: 'download' }).replace('/tai/', '/nop/'))).status).toBe(404);
    expect((await fetch(link({ person: 'nobody-at-all' }))).status).toBe(404);
    house.wait(uploadLinkMs + 1000);
    const expired = await fetch(good);
    expect(expired.status).toBe(410);
    expect(await expired.text()).toMatch(/hết hạn/);
    expect(JSON.stringify(house.logged)).not.toContain(good.split('/nop/')[1]);
  });

  test('a page left open while the staff accepts says so and takes nothing', async () => {
    const url = link();
    await fetch(url);
    await house.pair('Lê Hồng Phúc', 'staff', 'LDLD-BT');
    const staff = (await house.as('Lê Hồng Phúc').person()) as Person;
    const before = await versions();
    await acceptSubmission(house.core, staff, report, house.now());
    const answer = await upload(url, Buffer.concat([pdf, Buffer.from('%too late')]));
    expect(answer.page).toMatch(/đã được (chấp nhận|duyệt)|đã duyệt/i);
    expect(await versions()).toBe(before);
  });
});

describe('a link to fetch', () => {
  test('gives the bytes under the name, as a download only', async () => {
    const [submission] = await house.store.submissions.ofAssignment(report);
    const file = submission?.content.kind === 'files' ? submission.content.files[0] : undefined;
    const answer = await fetch(link({ purpose: 'download', subject: file?.fileId ?? '' }));
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).subarray(0, 5).toString()).toBe('%PDF-');
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename\*=UTF-8''B%C3%A1o/);
    expect(answer.headers.get('content-security-policy')).toMatch(/sandbox/);
  });

  test('of a file that is gone says so', async () => {
    expect((await fetch(link({ purpose: 'download', subject: 'never-was' }))).status).toBe(404);
  });
});
