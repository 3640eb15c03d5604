import { text as readText } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from '@jest/globals';
import { dialogParts } from '../../src/dialog/parts.ts';
import { addressKey } from '../../src/domain/person.ts';
import { openHouse, type House, type HouseOptions } from '../support/house.ts';

let house: House;
const open = async (options: HouseOptions = {}): Promise<House> => (house = await openHouse(options));
afterEach(() => house.close());
const twoChannels: HouseOptions = { channels: { 'telegram': { buttons: 100 }, 'zalo-bot': { buttons: 0 } } };
const codeIn = (answer: string | undefined): string => /[B-Z]{4}-[B-Z]{4}/.exec(answer ?? '')?.[0] ?? '';

describe("a person's own data", () => {
  test('is shown: name, roles, chats and when the notice was agreed to', async () => {
    await open();
    const chair = await house.pair('Nguyễn Thị Hoa', 'chair', 'CS-01');
    expect(await chair.says('/dulieu')).toEqual([
      ['Dữ liệu cá nhân của đồng chí:', '• Tên: Nguyễn Thị Hoa', '• Chủ tịch công đoàn — Công đoàn Trường Trung học cơ sở Trần Phú', '• Kênh trò chuyện: Telegram', '• Bản đăng ký: 0', '• Đã đồng ý lúc 07:55 ngày 08/4/2024 (thông báo bản 2026-11)'].join('\n'),
    ]);
  });

  test('is exported as a file that holds everything, and of nobody else', async () => {
    await open();
    await house.pair('Bình', 'chair', 'CS-02');
    const member = await house.pair('Lan', 'member', 'CS-01');
    await member.says('/dulieu');
    await member.presses('Nhận bản sao');
    const [reply] = member.replies();
    expect(reply?.document).toMatchObject({ name: 'du-lieu-ca-nhan.json', mime: 'application/json' });
    const kept = JSON.parse(await readText(await house.store.files.open(reply?.document?.fileId ?? ''))) as Record<string, unknown>;
    expect(kept).toMatchObject({ name: 'Lan', roles: [{ role: 'member', unit: 'CS-01' }], addresses: [{ channel: 'telegram', id: member.chat }], consent: { version: '2026-11' }, pledges: [{ plan: '2024', state: 'open' }] });
    expect(JSON.stringify(kept)).not.toContain('Bình');
  });

  test('is deleted after a second question: person, drafts, export and an unconfirmed pledge; nothing of the unit', async () => {
    await open();
    const member = await house.pair('Lan', 'member', 'CS-01');
    const person = await member.person();
    const assignments = await house.store.assignments.ofUnit('CS-01', null);
    await member.says('/dulieu');
    await member.presses('Nhận bản sao');
    const file = member.replies()[0]?.document?.fileId ?? '';
    await member.presses('Xóa dữ liệu của tôi');
    expect(await member.person()).not.toBeNull();
    expect(await member.presses('Xóa')).toEqual([expect.stringContaining('Đã xóa dữ liệu cá nhân')]);
    expect(await member.person()).toBeNull();
    expect(await house.store.pledges.get(`2024/${person?.id}`)).toBeNull();
    expect(await house.store.files.describe(file)).toBeNull();
    expect(await house.store.assignments.ofUnit('CS-01', null)).toEqual(assignments);
    expect(await member.presses('#data:delete-yes')).toEqual([expect.stringContaining('Đã xóa dữ liệu cá nhân')]);
  });

  test('is deleted with the numbered choices that were read on a channel without buttons', async () => {
    await open(twoChannels);
    const member = await house.pair('Lan', 'member', 'CS-01', 'zalo-bot');
    await member.says('/dulieu');
    await member.presses('Xóa dữ liệu của tôi');
    expect(await house.store.drafts.numbered(addressKey('zalo-bot', member.chat), 1)).not.toBeNull();
    await member.presses('Xóa');
    expect(await house.store.drafts.numbered(addressKey('zalo-bot', member.chat), 1)).toBeNull();
  });

  test('a confirmed pledge stays in the figures without text and without a person behind it', async () => {
    await open();
    const member = await house.pair('Lan', 'member', 'CS-01');
    const id = `2024/${(await member.person())?.id}`;
    await house.store.pledges.change(id, (pledge) => ({ ...pledge, text: 'Tôi cam kết', state: 'confirmed', verdict: 'on-time', countedAt: house.now(), confirmedAt: house.now(), versions: [{ text: 'Tôi cam kết', at: house.now() }], wave: null }));
    await member.says('/dulieu');
    await member.presses('Xóa dữ liệu của tôi');
    await member.presses('Xóa');
    expect(await house.store.pledges.get(id)).toMatchObject({ state: 'confirmed', verdict: 'on-time', text: '', versions: [], unit: 'CS-01' });
  });

  test('kept: pressing "Giữ lại" deletes nothing', async () => {
    await open();
    const chair = await house.pair('Hoa', 'chair', 'CS-01');
    await chair.says('/dulieu');
    await chair.presses('Xóa dữ liệu của tôi');
    await chair.presses('Giữ lại');
    expect((await chair.person())?.roles).toHaveLength(1);
  });

  test('of somebody unpaired there is none, and that is said', async () => {
    await open();
    expect(await house.as('Lạ').says('du lieu')).toEqual([expect.stringContaining('không lưu dữ liệu cá nhân nào')]);
  });
});

describe('language', () => {
  test('is chosen by a button and kept', async () => {
    await open();
    const chair = await house.pair('Hoa', 'chair', 'CS-01');
    await chair.says('NGÔN NGỮ');
    expect(await chair.presses('English')).toEqual(['From now on this chat speaks English.']);
    expect((await chair.says('help'))[0]).toContain('Union chair:');
  });
});

describe('help', () => {
  test('lists what each role can do, and fits a phone', async () => {
    await open();
    const person = await house.pair('Hoa', 'chair', 'CS-01');
    const [help] = await person.says('/trogiup');
    expect(help).toContain('/giahan');
    expect(help).not.toContain('/thongbao');
    await person.says(await house.issue('staff', 'LDLD-BT'));
    const [both] = await person.says('/help');
    expect(both).toContain('/thongbao');
    expect(both?.length).toBeLessThan(1900);
  });

  test('/tailieu gives the addresses of the plan; without a plan it says so', async () => {
    await open();
    expect((await house.as('Lạ').says('Tài liệu'))[0]).toContain('https://example.org/tai-lieu');
    await house.close();
    await open({ plan: null });
    expect(await house.as('Lạ').says('/tailieu')).toEqual([expect.stringContaining('Chưa có kế hoạch')]);
  });

  test('/huy drops what was begun, and says when there was nothing', async () => {
    await open();
    const chair = await house.pair('Hoa', 'chair', 'CS-01');
    const id = (await chair.person())?.id ?? '';
    expect(await chair.says('hủy')).toEqual([expect.stringContaining('Hiện không có việc nào đang làm dở')]);
    await house.store.drafts.set(id, { flow: 'thu', data: {}, at: house.now() });
    expect(await chair.says('HỦY')).toEqual([expect.stringContaining('Đã bỏ dở')]);
    expect(await house.store.drafts.get(id)).toBeNull();
  });
});

describe('a second channel', () => {
  test('a code from the first links the second: one person, told on both, notices once', async () => {
    await open(twoChannels);
    const telegram = await house.pair('Hoa', 'chair', 'CS-01');
    const [answer] = await telegram.says('/lienket');
    expect(answer).toContain('15 phút');
    house.wait(60_000);
    const zalo = house.as('Hoa trên Zalo', 'zalo-bot');
    expect((await zalo.says(codeIn(answer)))[0]).toContain('✅ Đã liên kết kênh này với đồng chí Hoa');
    expect((await zalo.person())?.id).toBe((await telegram.person())?.id);
    await house.deliver();
    expect(telegram.news()).toEqual([expect.stringContaining('Một kênh trò chuyện khác vừa được liên kết')]);
    expect(zalo.news()).toEqual([]);
  });

  test('the code works once, for fifteen minutes', async () => {
    await open(twoChannels);
    const telegram = await house.pair('Hoa', 'chair', 'CS-01');
    const [first] = await telegram.says('/lienket');
    await house.as('Hoa trên Zalo', 'zalo-bot').says(codeIn(first));
    expect(await house.as('Kẻ khác', 'zalo-bot').says(codeIn(first))).toEqual([expect.stringContaining('Mã này đã được dùng')]);
    const [second] = await telegram.says('/lienket');
    house.wait(15 * 60_000);
    expect(await house.as('Kẻ khác', 'zalo-bot').says(codeIn(second))).toEqual([expect.stringContaining('đã hết hạn')]);
    expect(await house.as('Kẻ khác', 'zalo-bot').person()).toBeNull();
  });

  test('an address that belongs to somebody else is refused, and how to go on is said', async () => {
    await open(twoChannels);
    const telegram = await house.pair('Hoa', 'chair', 'CS-01');
    const zalo = await house.pair('Bình', 'chair', 'CS-02', 'zalo-bot');
    const [answer] = await telegram.says('/lienket');
    expect(await zalo.says(codeIn(answer))).toEqual([expect.stringContaining('đã gắn với một người khác')]);
    expect((await zalo.person())?.name).toBe('Bình');
    await zalo.says('/dulieu');
    await zalo.presses('#data:delete-yes');
    expect((await zalo.says(codeIn(answer)))[0]).toContain('✅ Đã liên kết');
  });

  test('typed on the channel it came from it is harmless', async () => {
    await open(twoChannels);
    const telegram = await house.pair('Hoa', 'chair', 'CS-01');
    const [answer] = await telegram.says('/lienket');
    expect(await telegram.says(codeIn(answer))).toEqual([expect.stringContaining('đã liên kết với đồng chí từ trước')]);
    expect((await telegram.person())?.addresses).toHaveLength(1);
  });

  test('a draft begun on one channel continues on the other', async () => {
    await open({ ...twoChannels, parts: [...dialogParts, { drafts: { thu: async (turn) => ({ text: `chờ trên ${turn.incoming.channel}` }) } }] });
    const telegram = await house.pair('Hoa', 'chair', 'CS-01');
    const zalo = house.as('Hoa trên Zalo', 'zalo-bot');
    await zalo.says(codeIn((await telegram.says('/lienket'))[0]));
    await house.store.drafts.set((await telegram.person())?.id ?? '', { flow: 'thu', data: {}, at: house.now() });
    expect(await zalo.says('một câu')).toEqual(['chờ trên zalo-bot']);
  });
});
