import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { shortRef } from '../../src/domain/choice.ts';
import type { Assignment } from '../../src/domain/assignment.ts';
import { scopeRef } from '../../src/services/scopes.ts';
import { openHouse, type Actor, type House } from '../support/house.ts';

const pdf = new TextEncoder().encode('%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n');

describe('the office', () => {
  let house: House;
  let staff: Actor;

  beforeEach(async () => {
    house = await openHouse({ at: '2024-05-02T09:00' });
    staff = await house.pair('cán bộ', 'staff', 'LDLD-BT');
  });
  afterEach(() => house.close());

  const dutyOf = async (unit: string, obligation: string): Promise<Assignment> => {
    const found = (await house.store.assignments.ofUnit(unit, '2024')).find((assignment) => assignment.obligation === obligation);
    if (!found) throw new Error(`${unit} has no ${obligation}`);
    return found;
  };
  const report = () => dutyOf('LDLD-PT', 'bao-cao-6-thang');

  /** The chair of Phan Thiết sends the six-month report. */
  async function handInReport(): Promise<Actor> {
    const chair = await house.pair('chủ tịch PT', 'chair', 'LDLD-PT');
    await chair.sends({ name: 'Báo cáo.pdf', bytes: pdf });
    if ((await report()).state !== 'submitted') await chair.presses('Báo cáo 6 tháng');
    expect((await report()).state).toBe('submitted');
    house.wait(60_000);
    return chair;
  }

  describe('/donvi', () => {
    test('finds a unit by any fragment without diacritics and shows its card', async () => {
      const [card] = await staff.says('/donvi benh vien');
      expect(card).toContain('Công đoàn Bệnh viện Hàm Tân (CS-03)');
      expect(card).toContain('trực thuộc Liên đoàn Lao động huyện Hàm Tân');
      expect(card).toContain('Chủ tịch: chưa có ai ghép nối');
      expect(card).toContain('quá hạn 1');
    });

    test('several units are offered as buttons, the duties lead to the evidence', async () => {
      await staff.says('don vi Phan Thiết');
      await staff.presses('Công ty May');
      const [duties] = await staff.presses('Việc và bằng chứng');
      expect(duties).toContain('Học tập chuyên đề');
      expect((await staff.presses('1. Học tập'))[0]).toContain('Chưa gửi thông báo nào');
    });

    test('a chair finds only what lies below, and no card by a forged reference', async () => {
      const chair = await house.pair('chủ tịch PT', 'chair', 'LDLD-PT');
      expect((await chair.says('/donvi tran phu'))[0]).toContain('CS-01');
      expect((await chair.says('/donvi benh vien'))[0]).toContain('Không có đơn vị nào khớp');
      expect((await chair.presses(`#dv:${shortRef('CS-03')}`))[0]).toBe(house.text.say('vi', 'refusal.not-allowed'));
      expect((await chair.presses(`#dv-viec:${shortRef('LDLD-BT')}:0`))[0]).toBe(house.text.say('vi', 'refusal.not-allowed'));
      expect((await chair.presses(`#ma:${shortRef('CS-01')}:chair`))[0]).toBe(house.text.say('vi', 'refusal.not-allowed'));
    });
  });

  describe('/thongke', () => {
    test('adds up by obligation, then by level, and the sums agree', async () => {
      await handInReport();
      const [figures] = await staff.says('/thongke');
      expect(figures).toContain('1/2 đã nộp (đúng hạn 1, chậm 0); thiếu 0, còn hạn 1, miễn 0');
      expect(figures).toContain('0/6 đã nộp (đúng hạn 0, chậm 0); thiếu 6, còn hạn 0, miễn 0');
      expect(figures).toContain('0/481 đã nộp (đúng hạn 0, chậm 0); thiếu 481');
      const [levels] = await staff.presses('Theo cấp: Học tập');
      expect(levels).toContain('0/2 đã nộp');
      expect(levels).toContain('0/4 đã nộp');
    });

    test('comes as a picture too', async () => {
      await staff.says('/thongke');
      await staff.presses('Biểu đồ');
      expect(staff.replies()[0]?.document).toMatchObject({ name: 'thong-ke.png', mime: 'image/png' });
    });

    test('a chair reads the figures of the own subtree and of no other', async () => {
      const chair = await house.pair('chủ tịch PT', 'chair', 'LDLD-PT');
      expect((await chair.says('/thongke'))[0]).toContain('0/3 đã nộp (đúng hạn 0, chậm 0); thiếu 3');
      for (const unit of ['LDLD-HT', 'LDLD-BT', 'CS-03']) {
        expect((await chair.presses(`#tk:${scopeRef('2024', null)}:${shortRef(unit)}:0`))[0]).toBe(house.text.say('vi', 'refusal.not-allowed'));
      }
    });
  });

  test('/ma issues a code that pairs, with link and QR picture', async () => {
    const answers = await staff.says('/ma ham tan chu tich');
    if (staff.buttons().length > 0) answers.splice(0, answers.length, ...(await staff.presses('Liên đoàn Lao động huyện Hàm Tân')));
    const code = /[B-Z]{4}-[B-Z]{4}/.exec(answers[0] ?? '')?.[0];
    expect(answers[0]).toContain(`https://t.me/dondoc_bot?start=${code}`);
    expect(staff.replies()[1]?.document?.mime).toBe('image/png');
    const chair = house.as('chủ tịch HT');
    await chair.says(code ?? '');
    await chair.says('Đồng ý');
    expect((await chair.person())?.roles).toMatchObject([{ role: 'chair', unit: 'LDLD-HT' }]);
  });

  test('/duyet opens the file, accepts, and the unit is told once', async () => {
    const chair = await handInReport();
    chair.news();
    expect((await staff.says('/duyet'))[0]).toContain('Liên đoàn Lao động thành phố Phan Thiết: Báo cáo 6 tháng');
    await staff.presses('1. Mở');
    await staff.presses('📎 Báo cáo.pdf');
    expect(staff.replies()[0]?.document?.name).toBe('Báo cáo.pdf');
    await staff.presses('Duyệt');
    await staff.presses('Duyệt');
    expect((await report()).state).toBe('accepted');
    await house.deliver();
    expect(chair.news()).toHaveLength(1);
    expect((await staff.says('/duyet'))[0]).toContain('Không có gì chờ duyệt');
  });

  test('a return carries the reason and the day; a unit is due again by then', async () => {
    await handInReport();
    await staff.says('/duyet');
    await staff.presses('1. Mở');
    await staff.presses('Trả lại');
    const [day] = await staff.says('Thiếu số liệu mục 2');
    expect(day).toContain('hết ngày 08/5/2024 (5 ngày làm việc)');
    expect((await staff.says('hôm nào đó'))[0]).toBe(house.text.say('vi', 'refusal.day-malformed'));
    const [done] = await staff.says('10/5');
    expect(done).toContain('hết ngày 10/5/2024');
    const returned = await report();
    expect(returned.correction).toMatchObject({ reason: 'Thiếu số liệu mục 2', due: { lastDay: '2024-05-10' } });
    expect(returned.wave && (await house.store.waves.get(returned.wave))?.nextAt).toBeTruthy();
  });

  test('a message handled twice decides once', async () => {
    const chair = await handInReport();
    const id = (await report()).id;
    chair.news();
    await staff.presses(`#dy-duoc:${id}`, { messageId: 'same' });
    const row = await house.store.inbox.get('telegram:same');
    expect(row?.state).toBe('done');
    await staff.presses(`#dy-duoc:${id}`, { messageId: 'same' });
    expect((await report()).trail.filter((entry) => entry.did === 'accepted')).toHaveLength(1);
  });

  test('a waiver ends a duty and can be taken back', async () => {
    const id = (await dutyOf('CS-03', 'hoc-tap')).id;
    await staff.presses(`#dy:${id}`);
    await staff.presses('Miễn');
    expect((await staff.says('Đơn vị sáp nhập'))[0]).toContain('Đã miễn');
    expect((await dutyOf('CS-03', 'hoc-tap')).state).toBe('waived');
    expect((await staff.presses(`#dy:${id}`))[0]).toContain('Đơn vị sáp nhập');
    house.wait(1000);
    await staff.presses('Bỏ miễn');
    expect((await dutyOf('CS-03', 'hoc-tap')).state).toBe('open');
  });

  test('more time is asked, told to the office, granted, and turns late into on time (extended)', async () => {
    house.goTo('2024-05-08T09:00');
    const chair = await handInReport();
    expect((await report()).verdict).toBe('late');
    await house.store.assignments.change((await report()).id, (stored) => ({ ...stored, asked: { lastDay: '2024-05-10', why: 'Chờ số liệu', by: 'x', at: house.now() } }));
    const [list] = await staff.says('/giahan');
    expect(list).toContain('xin đến 10/5/2024');
    await staff.presses('1. Xem');
    const [granted] = await staff.presses('Gia hạn đến 10/5/2024');
    expect(granted).toContain('đúng hạn (được gia hạn)');
    expect(await report()).toMatchObject({ verdict: 'on-time', extended: true, asked: null });
    chair.news();
    await house.deliver();
    expect(chair.news()).toHaveLength(1);
  });

  test('a wish for more time is refused in words the unit reads', async () => {
    const id = (await report()).id;
    await house.store.assignments.change(id, (stored) => ({ ...stored, asked: { lastDay: '2024-05-10', why: 'Chờ', by: 'x', at: house.now() } }));
    await staff.presses(`#gh-khong:${id}`);
    expect((await staff.says('Kế hoạch không cho phép'))[0]).toContain('không gia hạn');
    const refused = await report();
    expect(refused.asked).toBeNull();
    expect(refused.trail.at(-1)).toMatchObject({ did: 'refused-extension', facts: { why: 'Kế hoạch không cho phép' } });
  });

  test('decisions are the office\'s: a chair\'s forged buttons decide nothing', async () => {
    const chair = await handInReport();
    const { id } = await report();
    for (const forged of [`#dy:${id}`, `#dy-duoc:${id}`, `#dy-tra:${id}`, `#dy-mien:${id}`, `#dy-bomien:${id}`, `#gh-duoc:${id}:2024-12-31`, `#gh-khong:${id}`, '#dy-ds', '#gh-ds', `#nhac:${id}`, `#dy-tep:${id}:0`, '#tb-nhom:chair:-', '#tb-gui:1', '#tb-xem:1', `#xu:${scopeRef('2024', null)}:${shortRef('LDLD-PT')}`, `#nhac-gui:${scopeRef('2024', null)}:${shortRef('LDLD-PT')}`]) {
      const [answer] = await chair.presses(forged);
      expect([forged, answer]).toEqual([forged, house.text.say('vi', 'refusal.not-allowed')]);
    }
    expect((await report()).state).toBe('submitted');
  });

  test('/nhac shows how many first, reminds each once a day, and says who cannot be reached', async () => {
    const chair = await house.pair('chủ tịch', 'chair', 'CS-01');
    chair.news();
    expect((await staff.says('/nhac hoc tap phan thiet'))[0]).toContain('Nhắc 3 việc quá hạn');
    const [done] = await staff.presses('Gửi lời nhắc');
    expect(done).toContain('Đã xếp gửi 1 lời nhắc');
    expect(done).toContain('2 việc thuộc đơn vị chưa ghép nối hoặc không liên lạc được');
    await house.deliver();
    const news = chair.news().join('\n');
    expect(news).toContain('Học tập chuyên đề');
    expect(news).toContain('quá hạn 32 ngày');
    await staff.says('/nhac hoc tap phan thiet');
    expect((await staff.presses('Gửi lời nhắc'))[0]).toContain('1 lời nhắc đã gửi trong hôm nay');
    await house.deliver();
    expect(chair.news()).toEqual([]);
    expect((await staff.says('/quahan cs-01'))[0]).toContain('đã nhắc 1 lần');
  });

  test('a nudge that is no longer true does not go out', async () => {
    const chair = await house.pair('chủ tịch', 'chair', 'CS-01');
    const { id } = await dutyOf('CS-01', 'hoc-tap');
    await staff.presses(`#nhac:${id}`);
    await house.store.assignments.change(id, (stored) => ({ ...stored, state: 'submitted', wave: null }));
    chair.news();
    await house.deliver();
    expect(chair.news()).toEqual([]);
    expect((await staff.presses(`#bc:${id}:0`))[0]).toContain('không gửi vì không còn cần');
  });

  test('a nudge waits for nobody who gave the unit away meanwhile', async () => {
    const chair = await house.pair('chủ tịch', 'chair', 'CS-01');
    await staff.presses(`#nhac:${(await dutyOf('CS-01', 'hoc-tap')).id}`);
    await house.store.people.removeRole((await chair.person())?.id ?? '', 'chair', 'CS-01');
    chair.news();
    await house.deliver();
    expect(chair.news()).toEqual([]);
  });

  test('/thongbao shows text and number of people first, sends once, and tells the progress', async () => {
    const chairs = [await house.pair('chủ tịch 1', 'chair', 'CS-01'), await house.pair('chủ tịch 2', 'chair', 'CS-03')];
    for (const chair of chairs) chair.news();
    await staff.says('/thongbao');
    await staff.presses('Các chủ tịch');
    const [preview, text] = await staff.says('Họp giao ban 8 giờ ngày 06/5');
    expect(preview).toContain('2 người');
    expect(text).toContain('Họp giao ban');
    expect(chairs.flatMap((chair) => chair.news())).toEqual([]);
    await staff.presses('Gửi 2 người');
    await staff.presses('Gửi 2 người');
    await house.deliver();
    for (const chair of chairs) expect(chair.news().map((news) => news.includes('Họp giao ban'))).toEqual([true]);
    expect((await staff.presses('Tiến độ'))[0]).toContain('đã gửi 2, đang chờ 0');
  });

  test('a broadcast dropped at the preview reaches nobody', async () => {
    const chair = await house.pair('chủ tịch 1', 'chair', 'CS-01');
    chair.news();
    await staff.says('/thongbao');
    await staff.presses('Các chủ tịch');
    await staff.says('Nhầm');
    await staff.presses('Thôi');
    expect((await staff.presses('Gửi 1 người'))[0]).toBe(house.text.say('vi', 'refusal.state-changed'));
    await house.deliver();
    expect(chair.news()).toEqual([]);
  });

  test('/xuat sends the overdue list as a sheet', async () => {
    const [said] = await staff.says('/xuat hoc tap');
    expect(said).toContain('Danh sách quá hạn');
    expect(staff.replies()[0]?.document).toMatchObject({ name: 'qua-han-ldld-bt-2024-05-02.xlsx' });
  });

  test('nobody but the office has the office\'s commands', async () => {
    const member = await house.pair('đoàn viên', 'member', 'CS-01');
    for (const command of ['/quahan', '/donvi cs', '/thongke', '/duyet', '/nhac', '/thongbao', '/xuat', '/ma cs-01']) {
      expect([command, (await member.says(command))[0]]).toEqual([command, house.text.say('vi', 'refusal.not-allowed')]);
    }
  });
});
