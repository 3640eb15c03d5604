import { afterEach, describe, expect, test } from '@jest/globals';
import { payloadMark, zaloOaCapabilities } from '../../src/channels/zalo-oa/adapter.ts';
import { readWords } from '../../src/channels/zalo-oa/update.ts';
import { zaloBotCapabilities } from '../../src/channels/zalo-bot/adapter.ts';
import { dialogParts } from '../../src/dialog/parts.ts';
import { createRender } from '../../src/dialog/render.ts';
import type { ChannelName } from '../../src/domain/person.ts';
import type { Channel } from '../../src/ports.ts';
import { offerNumbers } from '../../src/services/offers.ts';
import { tick } from '../../src/services/reminders.ts';
import { openHouse, type Actor, type House, type HouseOptions } from '../support/house.ts';
import { seat } from '../support/seats.ts';

let house: House;

afterEach(() => house.close());

function change(name: ChannelName, how: Partial<Channel>): void {
  Object.assign(house.core.channels.get(name) as Channel, how);
}

/** A house where the channels can really do only what the Zalo ones can. */
async function open(channels: HouseOptions['channels'], at?: string): Promise<House> {
  house = await openHouse({ ...(channels ? { channels } : {}), ...(at ? { at } : {}) });
  if (channels?.['zalo-bot']) change('zalo-bot', { capabilities: zaloBotCapabilities });
  if (channels?.['zalo-oa']) change('zalo-oa', { capabilities: { ...zaloOaCapabilities, buttons: channels['zalo-oa'].buttons } });
  return house;
}

/** What is said in answer to each sentence, the replies of one joined. */
async function talk(who: Actor, ...sentences: string[]): Promise<string[]> {
  const answers: string[] = [];
  for (const sentence of sentences) answers.push((await who.says(sentence)).join('\n'));
  return answers;
}

/** Types the number under which that choice was last offered. */
async function choose(who: Actor, label: string): Promise<string> {
  const lines = who.read().flatMap((text) => text.split('\n'));
  const number = lines.findLast((line) => new RegExp(`^\\d+\\. .*${label}`).test(line))?.split('.')[0];
  if (number === undefined) throw new Error(`never offered: ${label}`);
  return (await who.says(number)).join('\n');
}

describe('on the Zalo Bot, without slashes, buttons, files or diacritics', () => {
  test('a chair pairs by a typed code, sees what is owed, gets a page to hand in on, and asks for time', async () => {
    await open({ 'zalo-bot': { buttons: 0 } });
    const chair = house.as('lan');
    const code = await house.issue('chair', 'LDLD-PT');
    const [hello, consent, paired, status] = await talk(chair, 'XIN CHAO', `GN ${code.toLowerCase()}`, 'dong y', 'TRANG THAI');
    expect(hello).toContain('GN BCDF-GHJK');
    expect(consent).toMatch(/1\. Đồng ý\n2\. Không\n3\. English$/);
    expect(paired).toMatch(/✅ Đã ghép nối[^]*\n4\. /);
    expect(status).toMatch(/còn 2 việc[^]*\d+\. Báo cáo 6 tháng/);
    await chair.says('Nop');
    expect(await choose(chair, 'Báo cáo 6 tháng')).toMatch(/http:\/\/127\.0\.0\.1:8080\/nop\/\S+/);
    expect(await talk(chair, 'xac nhan', 'huy')).toEqual([expect.stringContaining('vào ngày nào'), expect.stringContaining('Đã bỏ dở')]);
    await chair.says('gia han');
    expect(await choose(chair, 'Báo cáo 6 tháng')).toMatch(/ngày/);
    expect((await talk(chair, 'huy', 'cam ket', 'DOAN VIEN', 'Tai lieu', 'du lieu', 'ngon ngu', 'tro giup')).join('\n')).toMatch(/Dự kiến: 12[^]*mời đoàn viên[^]*https:\/\/example\.org[^]*Zalo Bot[^]*English[^]*không cần dấu “\/”/);
  });

  test('numbers run on: an old one stays what it was, one never offered is told so and changes nothing', async () => {
    await open({ 'zalo-bot': { buttons: 0 } });
    const chair = await seat(house, 'lan', 'chair', 'LDLD-PT');
    const [first = '', second = ''] = await talk(chair, 'trang thai', 'trang thai');
    const numbers = (text: string) => [...text.matchAll(/^(\d+)\. /gm)].map((match) => Number(match[1]));
    expect(Math.min(...numbers(second))).toBe(Math.max(...numbers(first)) + 1);
    expect(await chair.says(`Số ${numbers(first)[0]}`)).toEqual([expect.stringContaining('Học tập chuyên đề')]);
    for (const odd of ['999', '0', '1.5', '4000000000', 'so 999']) expect([odd, (await chair.says(odd)).join('')]).toEqual([odd, expect.stringContaining('chưa hiểu')]);
    expect((await house.store.assignments.ofUnit('LDLD-PT', null)).map((one) => one.state)).toEqual(['open', 'open']);
  });

  test('a member writes, reads and confirms the pledge', async () => {
    await open({ 'zalo-bot': { buttons: 0 } });
    const member = house.as('minh');
    await talk(member, await house.issue('member', 'CS-01', 'join'), '1', 'CAMKET');
    await choose(member, 'Viết');
    expect(await member.says('Tôi đăng ký tiết kiệm điện, nước tại nơi làm việc.')).toEqual([expect.stringContaining('Chưa xác nhận')]);
    expect(await choose(member, 'Xác nhận')).toMatch(/BN-2024-\d{6}/);
  });

  test('the office asks who is late, drills down, reviews, nudges, exports and issues codes', async () => {
    await open({ 'zalo-bot': { buttons: 0 } });
    const staff = await seat(house, 'dung', 'staff', 'LDLD-BT');
    await talk(staff, 'QUA HAN');
    expect(await choose(staff, 'huyện Hàm Tân: 3')).toContain('Công đoàn Bệnh viện Hàm Tân');
    await talk(staff, 'don vi tan thang');
    expect(await choose(staff, 'Việc và bằng chứng')).toContain('Học tập chuyên đề');
    const [stats, queue, sheet] = await talk(staff, 'thong ke', 'duyet', 'xuat');
    expect(stats).toContain('0/6 đã nộp');
    expect(queue).toContain('Không có gì chờ duyệt');
    expect(sheet).toMatch(/📎 qua-han-\S+\.xlsx: http/);
    await talk(staff, 'nhac');
    expect(await choose(staff, 'Gửi lời nhắc')).toMatch(/\b6\b/);
    expect(await talk(staff, 'ma LDLD-HT chu tich')).toEqual([expect.stringMatching(/[A-Z]{4}-[A-Z]{4}/)]);
  });
});

describe('on the Official Account', () => {
  test('a payload typed by hand by somebody without the right changes nothing, nor does one that was never made', async () => {
    await open({ 'zalo-oa': { buttons: 5 } });
    const [assignment] = await house.store.assignments.ofUnit('LDLD-PT', null);
    const id = assignment?.id ?? '';
    const member = await seat(house, 'minh', 'member', 'CS-01');
    const other = await seat(house, 'hoa', 'chair', 'LDLD-HT');
    const before = await house.store.assignments.get(id);
    for (const who of [member, other, house.as('ai do')]) {
      for (const typed of [`nhac:${id}`, `nop:${id}`, `xn:${id}`, `xin:${id}`, `dy:${id}`, `bc:${id}:0`, 'nhac-gui:x:y', 'do:quahan', 'khong-co', '', ':', 'x'.repeat(500), 'nop:../../etc']) {
        const answers = await who.gives(readWords(`${payloadMark}${typed}`, payloadMark));
        expect([typed, answers.join('\n')]).not.toEqual([typed, expect.stringMatching(/Phan Thiết|http/)]);
        expect(answers.length).toBeGreaterThan(0);
      }
    }
    expect(await house.store.assignments.get(id)).toEqual(before);
    expect((await house.store.outbox.evidence(id, { after: null, limit: 10 })).items).toEqual([]);
  });

  test('what found no room among five buttons, and everything once buttons are refused, is chosen by its number', async () => {
    await open({ 'zalo-oa': { buttons: 5 } });
    const chair = await seat(house, 'lan', 'chair', 'LDLD-PT');
    const [offered] = await offerNumbers(house.core, 'zalo-oa', chair.chat, [{ id: 'do:nop', label: 'Nộp báo cáo' }]);
    expect(await chair.says(String(offered?.number))).toEqual([expect.stringContaining('nộp cho việc nào')]);
    // Refused: the channel says from then on that it has none; also a question that waits for a sentence gives way to a number.
    change('zalo-oa', { capabilities: { ...zaloOaCapabilities, buttons: 0 } });
    await chair.says('trang thai');
    await chair.says('gia han');
    await choose(chair, 'Báo cáo 6 tháng');
    expect(await choose(chair, 'Ai quá hạn')).toContain('Quá hạn');
  });

  test('a reminder carries the facts its template asks for; what has none names the person, and no fact is empty', async () => {
    await open({ 'zalo-oa': { buttons: 5 } });
    const chair = await seat(house, 'lan', 'chair', 'LDLD-PT');
    const person = await chair.person();
    const render = createRender(house.core, house.text, dialogParts);
    house.goTo('2024-04-22T08:00');
    await tick(house.core);
    const rows = await house.store.outbox.peek('zalo-oa', house.now(), { priorities: [2], limit: 10, except: { keys: [], people: [], chats: [] } });
    const said = await Promise.all(rows.map((row) => render(row.notice, row, person, false)));
    expect(said.map((reply) => reply?.facts)).toContainEqual({ name: 'lan', unit: 'Liên đoàn Lao động thành phố Phan Thiết', duty: 'Báo cáo 6 tháng', due: '06/5/2024', left: 'còn 14 ngày' });
    const [row] = rows;
    const alarm = row && (await render({ kind: 'alert', code: 'zalo-oa-refused', params: { reason: 'x' } }, row, person, false));
    expect(alarm?.facts).toEqual({ name: 'lan', unit: '–', duty: '–', due: '–', left: '–' });
  });

  test('following greets; unfollowing ends quietly and marks the person; withdrawing deletes what is theirs', async () => {
    await open({ 'zalo-oa': { buttons: 5 } });
    const chair = await seat(house, 'lan', 'chair', 'LDLD-PT');
    expect(await house.as('nguoi moi').says('/start')).toEqual([expect.stringContaining('mã ghép nối')]);
    expect(await chair.gives({ kind: 'left', reason: 'unfollowed', forget: false })).toEqual([]);
    expect((await chair.person())?.addresses).toMatchObject([{ state: 'gone', reason: 'unfollowed' }]);
    await chair.says('trang thai');
    expect((await chair.person())?.addresses).toMatchObject([{ state: 'active' }]);
    expect(await chair.gives({ kind: 'left', reason: 'withdrew consent at Zalo', forget: true })).toEqual([]);
    expect(await chair.person()).toBeNull();
  });
});

describe('one person on two channels', () => {
  const both = { 'telegram': { buttons: 100 }, 'zalo-bot': { buttons: 0 } } as const;

  /** A chair who paired on Telegram and linked Zalo a minute later. */
  async function linked(channels: NonNullable<HouseOptions['channels']> = both): Promise<{ first: Actor; second: Actor }> {
    await open(channels, '2024-04-10T09:00');
    const [one, two] = Object.keys(channels) as [ChannelName, ChannelName];
    const first = await seat(house, 'lan', 'chair', 'LDLD-PT');
    const second = house.as('lan tren zalo', two);
    expect(first.channel).toBe(one);
    const code = /[A-Z]{4}-[A-Z]{4}/.exec((await first.says('lien ket')).join('\n'))?.[0] ?? '';
    house.wait(60_000);
    expect(await second.says(code.toLowerCase())).toEqual([expect.stringContaining('✅ Đã liên kết')]);
    await house.deliver();
    expect(first.news()).toEqual([expect.stringContaining('vừa được liên kết')]);
    return { first, second };
  }

  const reminders = (who: Actor): number => who.news().filter((text) => text.includes('Nhắc việc: Báo cáo 6 tháng')).length;

  test('is one identity; a notice comes once, where they wrote last', async () => {
    const { first, second } = await linked();
    expect((await first.person())?.id).toBe((await second.person())?.id);
    house.goTo('2024-04-22T08:00');
    await house.tick();
    await house.tick();
    expect([reminders(first), reminders(second)]).toEqual([0, 1]);
    await first.says('trang thai');
    house.goTo('2024-05-03T08:00');
    await house.tick();
    expect([reminders(first), reminders(second)]).toEqual([1, 0]);
  });

  test('a draft begun on one channel goes on in the other; numbers belong to the chat they were shown in', async () => {
    const { first, second } = await linked();
    await first.says('xac nhan');
    expect(await second.says('28/3')).toEqual([expect.not.stringContaining('chưa hiểu')]);
    expect((await second.says('42')).join('\n')).not.toContain('chưa hiểu');
    const [text = ''] = await second.says('trang thai');
    const number = /^(\d+)\. /m.exec(text)?.[1] ?? '';
    expect(await house.core.store.drafts.numbered(`telegram:${first.chat}`, Number(number))).toBeNull();
  });

  test('goes over to the other channel when the one used last is gone, and comes back with the next word there', async () => {
    const { first, second } = await linked();
    await house.store.people.markGone('zalo-bot', second.chat, '403 blocked');
    house.goTo('2024-04-22T08:00');
    await house.tick();
    expect([reminders(first), reminders(second)]).toEqual([1, 0]);
    await second.says('trang thai');
    house.goTo('2024-05-03T08:00');
    await house.tick();
    expect([reminders(first), reminders(second)]).toEqual([0, 1]);
  });

  test('goes over when the window of the one used last is closed, and back to a free one from one that costs', async () => {
    const { first, second } = await linked({ 'telegram': { buttons: 100 }, 'zalo-oa': { buttons: 5 } });
    change('zalo-oa', { reach: () => ({ kind: 'closed', reason: 'no word within 7 days' }) });
    house.goTo('2024-04-22T08:00');
    await house.tick();
    expect([reminders(first), reminders(second)]).toEqual([1, 0]);
    change('zalo-oa', { reach: () => ({ kind: 'paid', class: 'message', cost: 55 }) });
    house.goTo('2024-05-03T08:00');
    await house.tick();
    expect([reminders(first), reminders(second)]).toEqual([1, 0]);
    await house.store.people.markGone('telegram', first.chat, 'blocked');
    house.goTo('2024-05-05T08:00');
    await house.tick();
    expect([reminders(first), reminders(second)]).toEqual([0, 1]);
  });

  test('goes over when the answer of one was lost twice, marked as perhaps there already', async () => {
    const { first, second } = await linked();
    house.goTo('2024-04-22T08:00');
    await tick(house.core);
    const [row] = (await house.store.outbox.peek('zalo-bot', house.now(), { priorities: [2], limit: 10, except: { keys: [], people: [], chats: [] } }));
    const lost = (id: string) => ({ id, at: house.now(), answeredAt: house.now(), answer: 'unknown' as const, channel: 'zalo-bot' as const, reason: 'TimeoutError' });
    await house.store.outbox.settle([{ key: row?.key ?? '', owner: 'house', attempt: null, change: { state: 'pending', attempts: [lost('p/1'), lost('p/2')] } }]);
    await house.deliver();
    expect([first.news().filter((text) => text.includes('Gửi lại') && text.includes('Báo cáo 6 tháng')).length, reminders(second)]).toEqual([1, 0]);
  });

  test('an address that belongs to somebody else is never taken over', async () => {
    const { first } = await linked();
    const code = /[A-Z]{4}-[A-Z]{4}/.exec((await first.says('lien ket')).join('\n'))?.[0] ?? '';
    const stranger = await house.pair('hoa', 'chair', 'LDLD-HT', 'zalo-bot');
    const before = (await stranger.person())?.id;
    await stranger.says(code);
    expect((await stranger.person())?.id).toBe(before);
    expect((await first.person())?.addresses).toHaveLength(2);
  });
});
