import { describe, expect, test } from '@jest/globals';
import { readCount, readDay, readDayAmongWords } from '../../src/domain/day.ts';

describe('days as people type them', () => {
  test.each([
    ['28/3', '2024-03-28'], ['28/3/2024', '2024-03-28'], ['28-03-2024', '2024-03-28'], ['28.3.24', '2024-03-28'], ['Ngày 28 tháng 3', '2024-03-28'],
    ['ngay 28 thang 3 nam 2024', '2024-03-28'], ['2024-03-28', '2024-03-28'], ['hôm nay', '2024-04-08'], ['HOM QUA', '2024-04-07'], [' 8/4 ✅', '2024-04-08'],
    ['30/5', '2024-05-30'], ['28/12', '2023-12-28'],
  ])('"%s" is %s', (typed, day) => expect(readDay(typed, '2024-04-08')).toBe(day));

  test.each(['31/4', '30/2/2024', '28', 'tuần trước', '28/3/2024 lúc 8 giờ', '', '0/0', '28/13', '1/1/0001'])('"%s" is no day', (typed) => expect(readDay(typed, '2024-04-08')).toBeNull());

  test('the 29th of February is found in the nearest leap year', () => expect(readDay('29/2', '2025-01-10')).toBe('2024-02-29'));
});

describe('counts as people type them', () => {
  test.each([['42', 42], ['42 người', 42], ['1.200 đoàn viên', 1200], ['1,200', 1200], [' 7 ', 7], ['0', 0]])('"%s" is %d', (typed, count) => expect(readCount(typed)).toBe(count));
  test.each(['', 'bốn mươi', '-3', '4.5', '12 345', '1e9', '42 người và 3 khách mời nữa ạ'])('"%s" is no count', (typed) => expect(readCount(typed)).toBeNull());
});

describe('a day and a number in one message', () => {
  const read = (typed: string) => readDayAmongWords(typed, '2024-04-08');
  test.each([
    ['28/3 42 người', '', '2024-03-28', 42], ['28/3 42', '', '2024-03-28', 42], ['hôm qua, 1.200 đoàn viên', '', '2024-04-07', 1200], ['ngay 28 thang 3 co 42 nguoi.', '', '2024-03-28', 42],
    ['42 người vào ngày 28/3/2024', '', '2024-03-28', 42], ['hoc tap 28-3-2024: 7', 'hoc tap', '2024-03-28', 7], ['28/3', '', '2024-03-28', null], ['2024-03-28 42', '', '2024-03-28', 42],
  ])('"%s"', (typed, words, day, count) => expect(read(typed)).toEqual({ words, day, count }));
  test.each(['42 người', '28/13 42', '28/3 cùng với nhiều đoàn viên', '', 'báo cáo 6 tháng', '1.200 người'])('"%s" has none', (typed) => expect(read(typed)).toBeNull());
});
