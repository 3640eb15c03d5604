import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openHouse, type House } from '../support/house.ts';

describe('the office without buttons, and in English', () => {
  let house: House;
  beforeEach(async () => {
    house = await openHouse({ at: '2024-04-02T09:00', channels: { 'zalo-bot': { buttons: 0 } } });
  });
  afterEach(() => house.close());

  test('drills down by typed numbers, and an old number never hits a newer list', async () => {
    const staff = await house.pair('cán bộ', 'staff', 'LDLD-BT');
    const [groups] = await staff.says('qua han');
    const number = /(\d+)[.)] Liên đoàn Lao động huyện Hàm Tân: 3/.exec(groups ?? '')?.[1];
    expect(number).toBeDefined();
    const [list] = await staff.says(number ?? '');
    expect(list).toContain('Công đoàn Bệnh viện Hàm Tân');
    await staff.says('thong ke');
    expect((await staff.says(number ?? ''))[0]).toContain('Công đoàn Bệnh viện Hàm Tân');
  });

  test('speaks English to those who chose it', async () => {
    const staff = await house.pair('officer', 'staff', 'LDLD-BT');
    const person = await staff.person();
    await house.store.people.setLanguage(person?.id ?? '', 'en');
    expect((await staff.says('overdue phan thiet'))[0]).toContain('2 days overdue; ⚠️ never paired, not reminded yet');
    expect((await staff.says('stats'))[0]).toContain('missing 6');
    const said: Record<string, string> = {
      'unit benh vien': 'Chair: nobody paired yet', 'review': 'Nothing waits for a review', 'nudge': 'Send a reminder about 6', 'broadcast': 'Who is the message for?',
      'export': 'Overdue at Liên đoàn Lao động tỉnh Bình Thuận', 'extension': 'No request for more time', 'code cs-01': 'Who at Công đoàn Trường Trung học cơ sở Trần Phú',
    };
    for (const [command, words] of Object.entries(said)) expect((await staff.says(command))[0]).toContain(words);
  });

  test('five thousand characters and nonsense get a short answer', async () => {
    const staff = await house.pair('cán bộ', 'staff', 'LDLD-BT');
    for (const command of ['/quahan', '/donvi', '/thongke', '/nhac', '/xuat', '/ma', '/thongbao']) {
      const [answer] = await staff.says(`${command} ${'xyz '.repeat(1250)}`);
      expect(answer?.length).toBeLessThan(400);
    }
    expect((await staff.says('/quahan 🙂🙂'))[0]).toContain('Quá hạn');
    expect((await staff.says('/donvi ((('))[0]).toContain('Xin gõ một phần tên');
    expect(house.logged.filter((line) => line.level === 'error')).toEqual([]);
  });
});
