import { afterEach, describe, expect, test } from '@jest/globals';
import { setClosing } from '../../src/services/closures.ts';
import { openPledges } from '../../src/services/pledges.ts';
import { tick } from '../../src/services/reminders.ts';
import { openHouse, type Actor, type House, type HouseOptions } from '../support/house.ts';
import { seat } from '../support/seats.ts';

let house: House;
afterEach(() => house.close());

async function memberOf(unit: string, options: HouseOptions = {}): Promise<Actor> {
  house = await openHouse(options);
  return join('Minh', unit);
}
const join = (name: string, unit: string): Promise<Actor> => seat(house, name, 'member', unit);
const ownPledge = async (member: Actor) => house.store.pledges.get(`2024/${(await member.person())?.id}`);

describe('a member\'s pledge', () => {
  test('exists from the day they joined by the unit\'s link, so that who has not pledged is a stored fact', async () => {
    house = await openHouse();
    const member = house.as('Minh');
    await member.says(`/start ${await house.issue('member', 'CS-01', 'join')}`);
    await member.says('Đồng ý');
    expect(await ownPledge(member)).toMatchObject({ state: 'open', unit: 'CS-01', obligation: 'ban-dang-ky', wave: '2024/ban-dang-ky/pledge/2024-04-09T17:00:00.000Z' });
    expect(await house.store.waves.get('2024/ban-dang-ky/pledge/2024-04-09T17:00:00.000Z')).toMatchObject({ kind: 'pledge' });
  });

  test('is written, read back, changed and confirmed; the receipt judges the confirmation', async () => {
    const member = await memberOf('CS-01');
    expect((await member.says('/camket'))[0]).toMatch(/trước ngày 10\/4\/2024 — hạn cuối: hết ngày 09\/4\/2024\ncòn 1 ngày/);
    expect((await member.says('Tôi sẽ dạy thêm miễn phí'))[0]).toMatch(/Tôi sẽ dạy thêm miễn phí[^]*Chưa xác nhận/);
    await member.presses('Viết');
    await member.says('Tôi sẽ dạy thêm miễn phí mỗi tuần');
    house.goTo('2024-04-09T23:59');
    const [receipt] = await member.presses('Xác nhận');
    expect(receipt).toMatch(/BN-2024-000001[^]*Đã xác nhận lúc 23:59 ngày 09\/4\/2024, đúng hạn[^]*mỗi tuần[^]*Còn sửa được/);
    expect(await member.presses('Xác nhận')).toEqual([receipt]);
    expect(await ownPledge(member)).toMatchObject({ state: 'confirmed', verdict: 'on-time', wave: null, receipt: 'BN-2024-000001', versions: [{ text: 'Tôi sẽ dạy thêm miễn phí' }, { text: 'Tôi sẽ dạy thêm miễn phí mỗi tuần' }] });
  });

  test('by three short questions', async () => {
    const member = await memberOf('CS-01');
    await member.says('cam ket');
    expect((await member.presses('Trả lời 3 câu hỏi'))[0]).toContain('Câu 1/3');
    await member.says('Dân chủ');
    expect((await member.says('1'))[0]).toContain('Câu 3/3');
    expect((await member.says('Trước 30/9'))[0]).toMatch(/– Dân chủ[^]*– 1[^]*– Trước 30\/9[^]*Chưa xác nhận/);
  });

  test('late is late, not locked; a confirmed one is closed after the deadline', async () => {
    const member = await memberOf('CS-01', { at: '2024-04-12T09:00' });
    await member.says('/camket Tôi sẽ tiết kiệm điện');
    expect((await member.presses('Xác nhận'))[0]).toMatch(/chậm hạn[^]*Đã hết hạn sửa/);
    expect((await member.says('/camket Tôi đổi ý'))[0]).toContain('qua hạn sửa');
    expect(await ownPledge(member)).toMatchObject({ text: 'Tôi sẽ tiết kiệm điện', verdict: 'late' });
  });

  test('changed after the confirmation and before the deadline it keeps its stamp', async () => {
    const member = await memberOf('CS-01', { at: '2024-04-01T09:00' });
    await member.says('/camket Một');
    await member.presses('Xác nhận');
    house.goTo('2024-04-05T09:00');
    expect((await member.says('/camket Hai'))[0]).toMatch(/09:00 ngày 01\/4\/2024, đúng hạn[^]*Hai/);
  });

  test('an edited message changes it', async () => {
    const member = await memberOf('CS-01');
    await member.says('/camket');
    await member.says('Tôi sẽ tiết kiệm điên');
    expect((await member.says('Tôi sẽ tiết kiệm điện', { edits: member.lastMessageId() }))[0]).toContain('Tôi sẽ tiết kiệm điện');
    expect(await ownPledge(member)).toMatchObject({ text: 'Tôi sẽ tiết kiệm điện', versions: [{}, {}] });
  });

  test('nothing written, too much, a file, no plan: each with a sentence', async () => {
    const member = await memberOf('CS-01');
    expect((await member.presses('#ck-xn'))[0]).toContain('đang trống');
    await member.says('/camket');
    expect((await member.says('a'.repeat(5000)))[0]).toContain('4.000');
    expect((await member.gives({ kind: 'image', file: { ref: 'x', name: 'a.jpg', size: 3, checksum: null }, caption: '', album: null }))[0]).toContain('đang trống');
    expect((await member.says('Ngắn'))[0]).toContain('Chưa xác nhận');
    await house.close();
    house = await openHouse({ plan: null });
    expect((await (await join('Minh', 'CS-01')).says('/camket'))[0]).toContain('không có bản đăng ký');
  });

  test('is reminded of until it is confirmed, and a waiting reminder is dropped then', async () => {
    const member = await memberOf('CS-01', { at: '2024-04-05T09:00' });
    const other = await join('Lan', 'CS-01');
    house.goTo('2024-04-08T08:00');
    await tick(house.core);
    await member.says('/camket Một việc');
    await member.presses('Xác nhận');
    await house.deliver();
    const reminded = (actor: Actor) => actor.news().filter((text) => text.includes('Nhắc việc: Bản đăng ký cá nhân'));
    expect(reminded(member)).toEqual([]);
    expect(reminded(other)).toHaveLength(1);
    expect((await other.presses('Đã nhận'))[0]).toContain('Đã ghi nhận');
  });

  test('is asked for courteously once its date is past, in either language; until the deadline it is a reminder', async () => {
    const member = await memberOf('CS-01', { at: '2024-04-05T09:00' });
    const other = await join('Lan', 'CS-01');
    await other.says('/ngonngu');
    await other.presses('English');
    house.goTo('2024-04-09T08:00');
    await house.tick();
    expect(member.news().join()).toMatch(/⏰ Nhắc việc: Bản đăng ký cá nhân[^]*hôm nay là ngày cuối/);
    expect(other.news().join()).toMatch(/⏰ Reminder: Bản đăng ký cá nhân \(en\)/);
    house.goTo('2024-04-10T08:00');
    await house.tick();
    expect(member.news().join()).toMatch(/⏰ Đã qua hạn, vẫn ghi nhận: Bản đăng ký cá nhân\n[^]*đã quá hạn 1 ngày/);
    expect(other.news().join()).toMatch(/⏰ Past its date, still welcome: Bản đăng ký cá nhân \(en\)\n[^]*1 day late/);
  });

  test('a reminder that waited past the deadline says so', async () => {
    const member = await memberOf('CS-01', { at: '2024-04-05T09:00' });
    house.goTo('2024-04-09T08:00');
    await tick(house.core);
    house.goTo('2024-04-10T00:00');
    await house.deliver();
    expect(member.news().join()).toMatch(/^⏰ Đã qua hạn, vẫn ghi nhận: Bản đăng ký cá nhân\n[^]*đã quá hạn 1 ngày/);
  });

  test('is not reminded of any more once the unit is closed', async () => {
    const member = await memberOf('CS-01', { at: '2024-04-05T09:00' });
    const other = await join('Lan', 'CS-02');
    await setClosing(house.core, 'CS-01', '2024-04-08');
    house.goTo('2024-04-08T08:00');
    await house.tick();
    expect(member.news()).toEqual([]);
    expect(other.news().join()).toContain('Bản đăng ký cá nhân');
  });

  test('an unconfirmed one follows the person to another unit, a confirmed one stays', async () => {
    const member = await memberOf('CS-01');
    const id = (await member.person())?.id ?? '';
    await house.store.people.addRole(id, { role: 'member', unit: 'CS-02', since: house.now() });
    await house.store.people.removeRole(id, 'member', 'CS-01');
    await openPledges(house.core, { id }, 'CS-02');
    expect(await ownPledge(member)).toMatchObject({ unit: 'CS-02' });
    await member.says('/camket Một');
    await member.presses('Xác nhận');
    await house.store.people.removeRole(id, 'member', 'CS-02');
    await openPledges(house.core, { id }, 'CS-03');
    expect(await ownPledge(member)).toMatchObject({ unit: 'CS-02', state: 'confirmed' });
  });
});

describe('the chair\'s overview', () => {
  async function unitWithThree(): Promise<Actor> {
    house = await openHouse({ at: '2024-04-05T09:00' });
    const chair = await seat(house, 'Hoa', 'chair', 'CS-01');
    const done = await join('Trần Văn An', 'CS-01');
    await join('Lê Thị Bình', 'CS-01');
    await join('Phạm Ánh', 'CS-02');
    await done.says('/camket Một việc');
    await done.presses('Xác nhận');
    return chair;
  }

  test('counts expected, joined, confirmed, on paper and missing, and lists who has and who has not, of the own unit only', async () => {
    const chair = await unitWithThree();
    expect((await chair.says('/camket'))[0]).toMatch(/Dự kiến: 42 đoàn viên\nĐã tham gia trên điện thoại: 2\nĐã xác nhận: 1\nBản giấy: 0\nCòn thiếu: 41/);
    expect((await chair.presses('Ai đã xong'))[0]).toMatch(/1 bản đã xong\.\n✅ Trần Văn An/);
    const [missing] = await chair.presses('Ai chưa xong');
    expect(missing).toContain('• Lê Thị Bình');
    expect(missing).not.toMatch(/An|Ánh/);
    const foreign = await seat(house, 'Lan', 'chair', 'CS-02');
    await chair.says('/camket');
    const choice = chair.replies()[0]?.choices?.flat()[0]?.id ?? '';
    expect((await foreign.presses(`#${choice}`))[0]).toContain('Nút này đã cũ');
  });

  test('records a paper pledge by name and declared day, read back, once, kept apart', async () => {
    const chair = await unitWithThree();
    await chair.says('/camket');
    await chair.presses('Ghi bản giấy');
    expect((await chair.says('  Nguyễn   Thị Cúc '))[0]).toContain('Nguyễn Thị Cúc nộp bản giấy vào ngày nào');
    expect((await chair.says('1/5'))[0]).toContain('không thể ở tương lai');
    expect((await chair.says('28/3'))[0]).toMatch(/Ngày nộp: 28\/3\/2024\nNgày khai: 05\/4\/2024/);
    const [recorded] = await chair.presses('Đúng, ghi nhận');
    expect(recorded).toMatch(/BN-2024-00000\d[^]*Nguyễn Thị Cúc, ngày 28\/3\/2024[^]*đúng hạn/);
    expect(await chair.presses('Đúng, ghi nhận')).toEqual([recorded]);
    expect((await chair.says('/camket'))[0]).toMatch(/Đã xác nhận: 1\nBản giấy: 1\nCòn thiếu: 40/);
    expect((await chair.presses('Ai đã xong'))[0]).toMatch(/✅ Trần Văn An\n📎 Nguyễn Thị Cúc \(bản giấy\)/);
  });
});

describe('/doanvien', () => {
  test('lists members by the last word of their names, pages, and gives the join link with its QR code', async () => {
    house = await openHouse();
    const chair = await seat(house, 'Hoa', 'chair', 'CS-01');
    for (const name of ['Trần Văn Yên', 'Đỗ Ân', 'Lê Bình', 'Cao Đức', 'Vũ Hải', 'Lý Khoa', 'Mai Lan', 'Hồ Minh', 'Tạ Ngọc']) {
      const person = await house.store.people.create({ name, language: 'vi', roles: [], addresses: [{ channel: 'telegram', id: name, lastAt: house.now(), state: 'active', reason: null }], consent: { version: '1', at: house.now() } });
      await house.store.people.addRole(person.id, { role: 'member', unit: 'CS-01', since: house.now() });
    }
    expect((await chair.says('doan vien'))[0]).toContain('9 người đã tham gia trên điện thoại, dự kiến 42');
    expect(chair.buttons().slice(0, 8)).toEqual(['Đỗ Ân', 'Lê Bình', 'Cao Đức', 'Vũ Hải', 'Lý Khoa', 'Mai Lan', 'Hồ Minh', 'Tạ Ngọc']);
    await chair.presses('Trang sau');
    expect(chair.buttons()[0]).toBe('Trần Văn Yên');
    const [link] = await chair.presses('Liên kết và mã QR');
    expect(link).toMatch(/https:\/\/t\.me\/dondoc_bot\?start=/);
    expect(chair.replies()[1]?.document).toMatchObject({ mime: 'image/png' });
    const code = /start=(\S+)/.exec(link ?? '')?.[1] ?? '';
    const member = house.as('Người mới');
    await member.says(`/start ${code}`);
    await member.says('Đồng ý');
    expect((await member.person())?.roles).toMatchObject([{ role: 'member', unit: 'CS-01' }]);
  });

  test('removes somebody who left: the open pledge goes, a confirmed one stays with the unit', async () => {
    house = await openHouse();
    const chair = await seat(house, 'Hoa', 'chair', 'CS-01');
    const stays = await join('Trần Văn An', 'CS-01');
    const goes = await join('Lê Thị Bình', 'CS-01');
    await stays.says('/camket Một');
    await stays.presses('Xác nhận');
    for (const name of ['Trần Văn An', 'Lê Thị Bình']) {
      await chair.says('/doanvien');
      await chair.presses(name);
      expect((await chair.presses('Đưa ra khỏi danh sách'))[0]).toContain(`Đã đưa ${name}`);
    }
    expect(await ownPledge(goes)).toBeNull();
    expect(await ownPledge(stays)).toMatchObject({ state: 'confirmed', unit: 'CS-01' });
    expect((await chair.says('/doanvien'))[0]).toContain('Chưa có đoàn viên nào');
    expect((await goes.says('/camket'))[0]).toMatch(/không thuộc vai trò|chưa ghép nối/);
  });
});
