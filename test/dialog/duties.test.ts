import { afterEach, describe, expect, test } from '@jest/globals';
import { extend, waive } from '../../src/domain/assignment.ts';
import { planSchema, type Plan } from '../../src/domain/plan.ts';
import { tick } from '../../src/services/reminders.ts';
import { acceptSubmission, grantExtension, returnSubmission } from '../../src/services/reviews.ts';
import { buildPlan, calendar } from '../support/builders.ts';
import { openHouse, type Actor, type House, type HouseOptions } from '../support/house.ts';
import { pdfFile } from '../support/sample-files.ts';
import { seat } from '../support/seats.ts';

const words = (vi: string) => ({ vi, en: `${vi} (en)` });
const base = { levels: ['co-so'] };
const plan: Plan = planSchema.parse({
  ...buildPlan(),
  obligations: [
    { key: 'bao-cao', title: words('Báo cáo học tập'), clause: 'II.2', quote: 'Hoàn thành trong tháng 3/2024 báo cáo kết quả', audience: base, deliverable: 'report', due: { before: '2024-05-03' } },
    { key: 'hoc-tap', title: words('Học tập chuyên đề'), clause: 'II.1', quote: 'trong tháng 3/2024', audience: base, deliverable: 'confirmation', due: { in: '2024-03' } },
    { key: 'nhiem-vu', title: words('Nhiệm vụ trọng tâm'), clause: 'II.3', quote: 'ít nhất một nhiệm vụ', audience: base, deliverable: 'text', due: { none: true } },
    { key: 'guong', title: words('Giới thiệu điển hình'), clause: 'II.4', quote: 'dịp 19/5', audience: base, deliverable: 'text', due: { on: ['2024-05-19'] } },
  ],
});

let house: House;
afterEach(() => house.close());

async function chairOf(unit: string, options: HouseOptions = {}): Promise<Actor> {
  house = await openHouse({ plan, ...options });
  return seat(house, 'Hoa', 'chair', unit);
}
async function duty(key: string, unit = 'CS-01') {
  const found = (await house.store.assignments.ofUnit(unit, null)).find((assignment) => assignment.obligation === key);
  if (!found) throw new Error(key);
  return found;
}
const versions = async (key: string) => house.store.submissions.ofAssignment((await duty(key)).id);
const act = () => ({ by: 'staff', at: house.now() });

describe('/trangthai', () => {
  test('lists by urgency: overdue, nearest, undated; each with the written rule and the last valid day', async () => {
    const chair = await chairOf('CS-01');
    const [list = ''] = await chair.says('TRANG THAI ✅');
    expect(list).toBe([
      'Việc của Công đoàn Trường Trung học cơ sở Trần Phú: còn 4 việc, quá hạn 1.', '',
      '• Học tập chuyên đề', '   trong tháng 3/2024 — hạn cuối: hết ngày 31/3/2024', '   ⚠️ đã quá hạn 8 ngày',
      '• Báo cáo học tập', '   trước ngày 03/5/2024 — hạn cuối: hết ngày 02/5/2024', '   ⏰ Chưa nộp, còn 24 ngày',
      '• Giới thiệu điển hình (19/5/2024)', '   ngày 19/5/2024', '   ⏰ Chưa nộp, còn 41 ngày; nộp sau ngày đó cũng được',
      '• Nhiệm vụ trọng tâm', '   không định hạn', '   Chưa nộp; nộp lúc nào cũng được',
    ].join('\n'));
    expect(chair.buttons()).toEqual(['Học tập chuyên đề', 'Báo cáo học tập', 'Giới thiệu điển hình (19/5/2024)', 'Nhiệm vụ trọng tâm']);
  });

  test('one duty shows what to do and the plan\'s own sentence on demand', async () => {
    const chair = await chairOf('CS-01');
    await chair.says('/trangthai');
    await chair.presses('Báo cáo học tập');
    expect(chair.buttons()).toEqual(['Nộp tệp', 'Trích kế hoạch', 'Xin gia hạn', 'Quay lại']);
    expect(await chair.presses('Trích kế hoạch')).toEqual(['Kế hoạch 01/KH-LĐLĐ, mục II.2:\n“Hoàn thành trong tháng 3/2024 báo cáo kết quả”']);
  });

  test('a long list is paged and turned in place', async () => {
    const many = planSchema.parse({ ...plan, obligations: Array.from({ length: 7 }, (_, index) => ({ ...plan.obligations[0], key: `bao-cao-${index}`, title: words(`Báo cáo ${index}`) })) });
    const chair = await chairOf('CS-01', { plan: many });
    await chair.says('/trangthai');
    expect(chair.buttons()).toHaveLength(5);
    const [second] = await chair.presses('Trang sau');
    expect(second).toContain('Trang 2/2');
    expect(chair.replies()[0]?.edits).toBeDefined();
  });

  test('a chair of several units chooses one, and nobody reads another unit\'s duty', async () => {
    const chair = await chairOf('CS-01');
    await seat(house, 'Hoa', 'chair', 'CS-03');
    const [question] = await chair.says('/trangthai');
    expect(question).toContain('Công đoàn Bệnh viện Hàm Tân: còn 4 việc, quá hạn 1');
    expect((await chair.presses('Công đoàn Bệnh viện Hàm Tân'))[0]).toMatch(/^Việc của Công đoàn Bệnh viện Hàm Tân: còn 4/);
    expect((await chair.presses(`#viec:${(await duty('bao-cao', 'CS-02')).id}`))[0]).toContain('không thuộc vai trò');
    expect((await chair.presses('#viec:none'))[0]).toContain('Không tìm thấy việc này');
  });

  test('a member sees the own pledge', async () => {
    house = await openHouse();
    const member = await seat(house, 'Minh', 'member', 'CS-01');
    expect((await member.says('trang thai'))[0]).toContain('Bản đăng ký cá nhân');
  });
});

describe('/xacnhan', () => {
  test('the declared day counts, both days are shown back, the number too; pressed twice it is one version', async () => {
    const chair = await chairOf('CS-01');
    await chair.says('/xacnhan');
    expect(await chair.says('28/3')).toEqual(['Ngày thực hiện: 28/3/2024. Có bao nhiêu người tham gia?']);
    const [back] = await chair.says('42 nguoi');
    expect(back).toMatch(/Ngày thực hiện: 28\/3\/2024\nNgày khai: 08\/4\/2024\nSố người tham gia: 42/);
    const [receipt] = await chair.presses('Đúng, ghi nhận');
    expect(receipt).toMatch(/BN-2024-000001[^]*đúng hạn/);
    expect(await chair.presses('Đúng, ghi nhận')).toEqual([receipt]);
    expect(await versions('hoc-tap')).toHaveLength(1);
    expect(await duty('hoc-tap')).toMatchObject({ state: 'submitted', verdict: 'on-time', countedAt: calendar.instantOf('2024-03-28') });
  });

  test('a day after the deadline is late; a future day, no day and no number are refused and asked again', async () => {
    const chair = await chairOf('CS-01');
    await chair.says('xac nhan');
    expect((await chair.says('mai'))[0]).toContain('không thể ở tương lai');
    expect((await chair.says('30/2/2024'))[0]).toContain('Chưa đọc được ngày');
    await chair.says('hôm qua');
    expect((await chair.says('bốn mươi'))[0]).toContain('số nguyên');
    expect((await chair.says('0'))[0]).toContain('số nguyên');
    await chair.says('12');
    expect((await chair.presses('Đúng, ghi nhận'))[0]).toContain('chậm hạn');
  });

  test('a day more than thirty days back waits for a review, marked, and counts meanwhile', async () => {
    const chair = await chairOf('CS-01');
    await chair.says('/xacnhan');
    await chair.says('8/3');
    expect((await chair.says('42'))[0]).toContain('lùi quá 30 ngày');
    expect((await chair.presses('Đúng, ghi nhận'))[0]).toMatch(/đúng hạn[^]*chờ xem xét/);
    expect((await versions('hoc-tap'))[0]).toMatchObject({ awaitsReview: true });
    expect(await duty('hoc-tap')).toMatchObject({ verdict: 'on-time' });
  });

  test.each(['/xacnhan 28/3 42 người', 'xac nhan hoc tap 28/3, 42 nguoi', '/xacnhan ngày 28 tháng 3 có 42 người', '/xacnhan 42 người ngày 28/3'])('day and number in one message: %s', async (typed) => {
    const chair = await chairOf('CS-01');
    expect((await chair.says(typed))[0]).toMatch(/Ngày thực hiện: 28\/3\/2024[^]*Số người tham gia: 42/);
    expect((await chair.presses('Đúng, ghi nhận'))[0]).toContain('BN-2024-000001');
    expect(await duty('hoc-tap')).toMatchObject({ verdict: 'on-time', version: 1 });
  });

  test('the answer may bring the number along, and a future day is refused there too', async () => {
    const chair = await chairOf('CS-01');
    await chair.says('/xacnhan');
    expect((await chair.says('28/5 42 người'))[0]).toContain('không thể ở tương lai');
    expect((await chair.says('28/3 không có ai'))[0]).toContain('Chưa đọc được ngày');
    expect((await chair.says('28/3 42'))[0]).toMatch(/28\/3\/2024[^]*42/);
  });

  test('a report file sent instead of an answer is taken as the report; the question stays', async () => {
    const chair = await chairOf('CS-01');
    await chair.says('/xacnhan');
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile() }))[0]).toMatch(/BN-2024-000001\nBáo cáo học tập/);
    expect((await chair.says('28/3'))[0]).toContain('bao nhiêu người');
  });
});

describe('/nhiemvu', () => {
  test('takes free text, reads it back, and an edited message is a version with its own stamp', async () => {
    const chair = await chairOf('CS-01');
    expect((await chair.says('nhiem vu'))[0]).toMatch(/^Nhiệm vụ trọng tâm[^]*4\.000 ký tự/);
    const [receipt] = await chair.says('Giảm giấy tờ: họp qua mạng ✅');
    expect(receipt).toMatch(/Đã đăng ký[^]*BN-2024-000001[^]*“Giảm giấy tờ: họp qua mạng ✅”/);
    const sent = chair.lastMessageId();
    house.goTo('2024-04-09T09:00');
    const [edited] = await chair.says('Giảm một nửa giấy tờ', { edits: sent });
    expect(edited).toMatch(/BN-2024-000002[^]*09:00 ngày 09\/4\/2024[^]*Lần nộp thứ 2[^]*“Giảm một nửa giấy tờ”/);
    expect(await duty('nhiem-vu')).toMatchObject({ version: 2, receipt: 'BN-2024-000001', countedAt: calendar.instantOf('2024-04-08', '07:55') });
  });

  test('empty and 5,000 characters are refused with the number; nothing is lost but the question', async () => {
    const chair = await chairOf('CS-01');
    await chair.says('/nhiemvu');
    expect((await chair.says('a'.repeat(5000)))[0]).toContain('4.000 ký tự');
    expect(await versions('nhiem-vu')).toEqual([]);
    expect((await chair.says('Ngắn'))[0]).toContain('BN-2024-000001');
  });
});

describe('/giahan', () => {
  test('asks the office with a day and a reason; the deadline stays until it is decided', async () => {
    const chair = await chairOf('CS-01');
    const staff = await seat(house, 'Cán bộ', 'staff', 'LDLD-BT');
    await chair.says('/giahan bao cao');
    expect((await chair.says('1/5'))[0]).toContain('phải sau ngày 02/5/2024');
    await chair.says('10/5');
    expect((await chair.says('Chờ số liệu của cơ sở'))[0]).toMatch(/đến hết ngày 10\/5\/2024[^]*hết ngày 02\/5\/2024/);
    expect(await duty('bao-cao')).toMatchObject({ asked: { lastDay: '2024-05-10', why: 'Chờ số liệu của cơ sở' }, due: { lastDay: '2024-05-02' } });
    house.goTo('2024-04-08T09:00');
    staff.news();
    await house.deliver();
    expect(staff.news().join('\n')).toContain('Chờ số liệu của cơ sở');
  });

  test('more duties than a screen holds are offered with the way to all of them', async () => {
    const many = planSchema.parse({ ...plan, obligations: Array.from({ length: 10 }, (_, index) => ({ ...plan.obligations[0], key: `viec-${index}`, title: words(`Việc ${index}`) })) });
    const chair = await chairOf('CS-01', { plan: many });
    await chair.says('/giahan');
    expect(chair.buttons()).toHaveLength(9);
    expect((await chair.presses('Xem tất cả'))[0]).toContain('còn 10 việc');
  });

  test('what has no deadline cannot be extended', async () => {
    const chair = await chairOf('CS-01');
    expect((await chair.presses(`#xin:${(await duty('nhiem-vu')).id}`))[0]).toContain('không có hạn');
  });
});

describe('reminders', () => {
  test('carry the deadline sentence, the days left and the buttons, once', async () => {
    const chair = await chairOf('CS-01', { at: '2024-04-17T07:59' });
    house.goTo('2024-04-17T08:00');
    await house.tick();
    await house.tick();
    const news = chair.news().filter((text) => text.includes('Báo cáo học tập'));
    expect(news).toEqual(['⏰ Nhắc việc: Báo cáo học tập\nĐơn vị: Công đoàn Trường Trung học cơ sở Trần Phú\nCần nộp: tệp báo cáo\nHạn: trước ngày 03/5/2024 — hạn cuối: hết ngày 02/5/2024\n⏰ Chưa nộp, còn 15 ngày']);
    expect((await chair.presses('Đã nhận'))[0]).toContain('nhắc lại ở mốc sau');
    const evidence = await house.store.outbox.evidence((await duty('bao-cao')).id, { after: null, limit: 10 });
    expect(evidence.items.filter((row) => row.notice.kind === 'reminder').map((row) => row.acknowledgedAt)).toEqual([house.now()]);
  });

  test('one that waits is dropped the moment the report is in, or the duty is waived or extended', async () => {
    const chair = await chairOf('CS-01', { at: '2024-04-17T07:59' });
    const second = await seat(house, 'Lan', 'chair', 'CS-02');
    const third = await seat(house, 'Minh', 'chair', 'CS-03');
    const fourth = await seat(house, 'Tâm', 'chair', 'CS-04');
    house.goTo('2024-04-17T08:00');
    await tick(house.core);
    await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
    await house.store.assignments.change((await duty('bao-cao', 'CS-02')).id, (assignment) => waive(assignment, 'miễn', act()));
    await house.store.assignments.change((await duty('bao-cao', 'CS-03')).id, (assignment) => extend(assignment, '2024-05-20', 'gia hạn', calendar, act()));
    await house.deliver();
    const told = [chair, second, third, fourth].map((actor) => actor.news().some((text) => text.startsWith('⏰ Nhắc việc: Báo cáo học tập')));
    expect(told).toEqual([false, false, false, true]);
  });

  test('of an obligation that was taken out of the plan is dropped', async () => {
    const chair = await chairOf('CS-01', { at: '2024-04-17T07:59' });
    house.goTo('2024-04-17T08:00');
    await tick(house.core);
    await house.store.plans.put({ ...plan, obligations: plan.obligations.slice(1) }, house.now());
    await house.deliver();
    expect(chair.news().filter((text) => text.includes('Báo cáo học tập'))).toEqual([]);
  });

  test('of a returned report names the reason and the day of the correction', async () => {
    const chair = await chairOf('CS-01', { at: '2024-05-08T09:00' });
    await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
    const staff = await (await seat(house, 'Cán bộ', 'staff', 'LDLD-BT')).person();
    if (!staff) throw new Error('no staff');
    await returnSubmission(house.core, staff, (await duty('bao-cao')).id, 'Thiếu số liệu', null, house.now());
    await house.deliver();
    expect(chair.news().at(-1)).toMatch(/Trả lại để bổ sung: Báo cáo học tập \(BN-2024-000001\)\. Xin nộp lại, hạn bổ sung: hết ngày 15\/5\/2024\.[^]*Thiếu số liệu/);
    house.goTo('2024-05-15T08:00');
    await house.tick();
    expect(chair.news().find((text) => text.includes('Nhắc việc'))).toMatch(/hạn bổ sung: hết ngày 15\/5\/2024, hôm nay là ngày cuối[^]*Thiếu số liệu/);
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile() }))[0]).toMatch(/đã nhận rồi[^]*Trả lại để bổ sung/);
    expect((await chair.sends({ name: 'b.pdf', bytes: pdfFile('2') }))[0]).toMatch(/BN-2024-000002[^]*tính theo lần nộp đầu \(BN-2024-000001\)/);
  });
});

describe('decisions', () => {
  test('an extension after a late sending makes it on time: the chair is told, the receipt keeps its number', async () => {
    const chair = await chairOf('CS-01', { at: '2024-05-08T09:00' });
    await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
    const staff = await (await seat(house, 'Cán bộ', 'staff', 'LDLD-BT')).person();
    if (!staff) throw new Error('no staff');
    await grantExtension(house.core, staff, (await duty('bao-cao')).id, '2024-05-10', 'Bão lụt', house.now());
    await house.deliver();
    expect(chair.news().at(-1)).toMatch(/Được gia hạn đến hết ngày 10\/5\/2024[^]*Bão lụt[^]*BN-2024-000001 giữ nguyên số, kết quả nay là đúng hạn \(được gia hạn\)/);
  });

  test('one that was overtaken by another is not told', async () => {
    const chair = await chairOf('CS-01', { at: '2024-05-08T21:00' });
    await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
    const staff = await (await seat(house, 'Cán bộ', 'staff', 'LDLD-BT')).person();
    if (!staff) throw new Error('no staff');
    const { id } = await duty('bao-cao');
    await acceptSubmission(house.core, staff, id, house.now());
    await house.store.assignments.change(id, (assignment) => waive(assignment, 'miễn', act()));
    house.goTo('2024-05-09T08:00');
    await house.deliver();
    expect(chair.news().filter((text) => text.includes('Đã duyệt'))).toEqual([]);
  });
});
