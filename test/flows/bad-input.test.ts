import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startFakeTelegram, type FakeTelegram } from '../support/fake-telegram.ts';
import type { FakeUser } from '../support/fake-telegram-user.ts';
import { docxFile, pdfFile, programFile } from '../support/sample-files.ts';
import { runCommand, startProcess, type ServiceProcess } from '../support/service-process.ts';

/** One real service for all of it: what was refused before must not disturb what comes after. */
let fake: FakeTelegram;
let service: ServiceProcess;
let environment: Record<string, string>;
let folder: string;
let chair: FakeUser;
let nextUser = 200;

const run = (...args: string[]) => runCommand({ ...environment, DONDOC_NOW: '2024-05-03T09:00:00+07:00' }, ...args);
const issue = async (unit: string, role = 'chair') => ((await run('codes', 'issue', '--unit', unit, '--role', role)) as { code: string }[])[0]?.code ?? '';
const newcomer = (name: string) => fake.user(nextUser++, { name });

async function pair(user: FakeUser, code: string): Promise<void> {
  user.sends(`/start ${code}`);
  await user.hears(/Luật Bảo vệ dữ liệu cá nhân/);
  user.press('Đồng ý');
  await user.hears(/Đã ghép nối/);
}

async function settle(): Promise<void> {
  await sleep(300);
  for (let waited = 0; waited < 10_000; waited += 50) {
    const rows = (await run('outbox')) as { pending: number; sending: number };
    if (rows.sending === 0 && rows.pending === 0) return;
    await sleep(50);
  }
  throw new Error('the outbox did not settle');
}

const received = async () => ((await run('stats')) as { received: number }[]).reduce((sum, row) => sum + row.received, 0);

beforeAll(async () => {
  fake = await startFakeTelegram();
  folder = mkdtempSync(join(tmpdir(), 'dondoc-bad-'));
  environment = { TELEGRAM_BOT_TOKEN: fake.token, TELEGRAM_API_ROOT: fake.root, DATA_DIR: folder };
  service = await startProcess({ ...environment, DONDOC_NOW: '2024-05-03T09:00:00+07:00' });
  chair = newcomer('Nguyễn Thị Lan');
  await pair(chair, await issue('LDLD-PT'));
}, 60_000);

afterAll(async () => {
  await service.stop();
  await fake.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('bad input at the real service: a sentence that says what to do, nothing lost or changed', () => {
  test('codes: wrong, used, somebody else\'s, and the fifth wrong one locks', async () => {
    const used = await issue('LDLD-LG');
    await pair(newcomer('Trần Văn Minh'), used);
    const stranger = newcomer('Phạm Quốc Dũng');
    stranger.sends(`/start ${used}`);
    await stranger.hears(/đã được dùng/);
    for (const left of [3, 2, 1]) {
      stranger.sends('GN BCDF-GHJ' + 'KLM'.charAt(left - 1));
      await stranger.hears(/không đúng|Còn \d lần thử/);
    }
    stranger.sends('BCDF-GHJP');
    stranger.sends('BCDF-GHJQ');
    await stranger.hears(/tạm khóa việc ghép nối/);
    stranger.sends(`/start ${await issue('LDLD-BB')}`);
    await stranger.hears(/tạm khóa việc ghép nối/);
  }, 60_000);

  test('files: empty, 21 MB, a program named .pdf, from somebody unpaired; stickers, voices, places', async () => {
    const before = await received();
    chair.sends({ name: 'a.pdf', bytes: Buffer.alloc(0) });
    await chair.hears(/Tệp này trống/);
    chair.sends({ name: 'b.pdf', bytes: Buffer.from(pdfFile()), size: 21 * 1024 * 1024 });
    await chair.hears(/lớn hơn 20 MB/);
    chair.sends({ name: 'c.pdf', bytes: Buffer.from(programFile()) });
    await chair.hears(/tệp chương trình/);
    const stranger = newcomer('Lê Hồng Phúc');
    stranger.sends({ name: 'd.pdf', bytes: Buffer.from(pdfFile()) });
    await stranger.hears(/ghép nối/);
    chair.sends({ fields: { sticker: { file_id: 's', file_unique_id: 's', type: 'regular', width: 9, height: 9, is_animated: false, is_video: false } } });
    await chair.hears(/chưa đọc được nhãn dán/);
    chair.sends({ fields: { voice: { file_id: 'v', file_unique_id: 'v', duration: 3 } } });
    await chair.hears(/chưa đọc được tin nhắn thoại/);
    chair.sends({ fields: { location: { latitude: 10.9, longitude: 108.1 } } });
    await chair.hears(/chưa đọc được vị trí/);
    expect(await received()).toBe(before);
  }, 60_000);

  test('words: 5,000 characters, capitals, no diacritics, signs, an unknown command, an edited message', async () => {
    chair.sends('a'.repeat(5000));
    await chair.hears(/\/trogiup/);
    chair.sends('TRANG THAI');
    await chair.hears(/^Việc của Liên đoàn Lao động thành phố Phan Thiết/);
    chair.sends('Tro giup ✅');
    await chair.hears(/Chủ tịch công đoàn:/);
    chair.sends('/khongco');
    await chair.hears(/Không có lệnh này[^]*\/trogiup/);
    const said = chair.sends('xin chào');
    await chair.hears(/./);
    chair.edits(said, 'xin chào lần nữa');
    await settle();
    expect(fake.problems).toEqual([]);
  }, 60_000);

  test('a report after its deadline is taken as late; the same bytes again show the first receipt; two chairs at once make two versions', async () => {
    const second = newcomer('Đỗ Minh Tâm');
    await sleep(10);
    second.sends(`/start ${await issue('LDLD-PT')}`);
    await second.hears(/Luật Bảo vệ/);
    second.press('Đồng ý');
    await second.hears(/đang có người khác phụ trách/);
    second.press('Cùng phụ trách');
    await second.hears(/Đã ghép nối/);
    const bytes = Buffer.from(pdfFile('một'));
    chair.sends({ name: 'e.pdf', bytes, caption: 'Báo cáo kết quả học tập chuyên đề' });
    await chair.hears(/BN-2024-000001[^]*chậm hạn/);
    chair.sends({ name: 'again.pdf', bytes, caption: 'Báo cáo kết quả học tập chuyên đề' });
    await chair.hears(/đã nhận rồi[^]*BN-2024-000001/);
    chair.sends({ name: 'f.docx', bytes: Buffer.from(docxFile('hai')), caption: 'bao cao 6 thang' });
    second.sends({ name: 'g.pdf', bytes: Buffer.from(pdfFile('ba')), caption: 'bao cao 6 thang' });
    await Promise.all([chair.hears(/f\.docx/), second.hears(/g\.pdf/)]);
    await settle();
    const receipts = [chair, second].flatMap((user) => fake.chat(user.id).messages.flatMap((message) => message.text.match(/BN-2024-\d{6}/g) ?? []));
    expect(new Set(receipts)).toEqual(new Set(['BN-2024-000001', 'BN-2024-000002', 'BN-2024-000003']));
    const figures = (await run('stats')) as { obligation: string; level: string; received: number; late: number }[];
    expect(figures.find((row) => row.obligation === 'bao-cao-hoc-tap' && row.level === 'cap-tren')).toMatchObject({ received: 1, late: 1 });
    expect(figures.find((row) => row.obligation === 'bao-cao-6-thang')).toMatchObject({ received: 1, late: 0 });
  }, 60_000);

  test('buttons: long gone, pressed twice, forged, somebody else\'s', async () => {
    const before = await received();
    for (const data of ['khong-co:1', 'rut-chac:xxxx:1', 'nop-cho:a:b', ':::', 'x'.repeat(64)]) chair.pressData(data, 1);
    await chair.hears(/Nút này đã cũ|không còn dùng được|Không tìm thấy/);
    await settle();
    const mine = fake.chat(chair.id).messages.flatMap((message) => message.buttons.flat()).find((button) => button.data?.startsWith('rut:'))?.data;
    if (!mine) throw new Error('no button to take back');
    const thief = newcomer('Người lạ');
    thief.sends('/start');
    await thief.hears(/Kính chào/);
    thief.pressData(mine.replace('rut:', 'rut-chac:'), 1);
    await thief.hears(/chưa ghép nối/);
    chair.pressData(mine, 1);
    chair.pressData(mine, 1);
    await settle();
    expect(await received()).toBe(before);
    expect(fake.problems).toEqual([]);
  }, 60_000);

  test('the service is still ready, its log holds no code and no text, and SIGTERM ends it with 0', async () => {
    expect(await fetch(`${service.address}/readyz`).then((answer) => answer.status)).toBe(200);
    expect(service.log()).not.toMatch(/BCDF-GHJ|xin chào|aaaaaaaaaa|again\.pdf/);
    expect(await service.stop()).toBe(0);
  });
});
