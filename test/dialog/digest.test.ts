import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openHouse, type House } from '../support/house.ts';

describe('digests', () => {
  let house: House;
  beforeEach(async () => {
    house = await openHouse({ at: '2024-03-20T09:00' });
  });
  afterEach(() => house.close());

  const morning = async (day: string) => {
    house.goTo(`${day}T08:00`);
    await house.tick();
    await house.tick();
  };
  const digestsIn = (news: readonly string[]) => news.filter((text) => text.includes('tình hình cấp dưới') || text.includes('Tổng hợp sáng'));

  test('the unit above learns from the third day on, in one message a day, of those below and not of itself', async () => {
    const chair = await house.pair('chủ tịch PT', 'chair', 'LDLD-PT');
    const silent = await house.pair('chủ tịch', 'chair', 'CS-01');
    await morning('2024-04-01');
    await morning('2024-04-02');
    expect(digestsIn(chair.news())).toEqual([]);
    await morning('2024-04-03');
    const [digest, ...more] = digestsIn(chair.news());
    expect(more).toEqual([]);
    expect(digest).toContain('2 việc quá hạn từ 3 ngày trở lên');
    expect(digest).toContain('Trần Phú: Học tập chuyên đề, quá 3 ngày; đã nhắc');
    expect(digest).toContain('Công ty May Phan Thiết: Học tập chuyên đề, quá 3 ngày; ⚠️ chưa ghép nối');
    expect(digest).not.toContain('• Liên đoàn Lao động thành phố Phan Thiết');
    expect(digestsIn(silent.news())).toEqual([]);
    expect((await chair.presses('Xem quá hạn'))[0]).toContain('Quá hạn — Liên đoàn Lao động thành phố Phan Thiết');
  });

  test('the staff get one on each working morning, with what is overdue, none on a rest day', async () => {
    const staff = await house.pair('cán bộ', 'staff', 'LDLD-BT');
    await morning('2024-04-01');
    const [first, ...more] = digestsIn(staff.news());
    expect(more).toEqual([]);
    expect(first).toContain('Quá hạn: 6 việc');
    expect(first).toContain('Mới quá hạn từ sáng 29/3/2024: 6 việc');
    await morning('2024-04-06');
    expect(digestsIn(staff.news())).toEqual([]);
    await morning('2024-04-08');
    const [second] = digestsIn(staff.news());
    expect(second).toContain('Quá hạn: 6 việc');
    expect(second).not.toContain('Mới quá hạn');
  });

  test('a digest whose cause has gone before it was delivered is not sent', async () => {
    const staff = await house.pair('cán bộ', 'staff', 'LDLD-BT');
    house.goTo('2024-03-21T08:00');
    await house.tick();
    expect(digestsIn(staff.news())).toEqual([]);
  });
});
