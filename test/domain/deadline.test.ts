import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addDays } from '../../src/domain/calendar.ts';
import { dueKindOf, dueOf, dueOnLastDay, dueRuleSchema, judge, type DueRule } from '../../src/domain/deadline.ts';
import { at, calendar } from '../support/builders.ts';

const day = fc.date({ min: new Date('2020-01-01T00:00:00Z'), max: new Date('2030-12-30T00:00:00Z'), noInvalidDate: true }).map((date) => date.toISOString().slice(0, 10));

describe('a due rule says exactly what the sentence says', () => {
  test.each<[string, DueRule, string, string]>([
    ['"trước ngày 03/5": the 3rd is too late', { before: '2024-05-03' }, '2024-05-02', '2024-05-02T17:00:00.000Z'],
    ['"chậm nhất ngày 06/5": the 6th is good', { by: '2024-05-06' }, '2024-05-06', '2024-05-06T17:00:00.000Z'],
    ['"trong tháng 3": the month\'s last day', { in: '2024-03' }, '2024-03-31', '2024-03-31T17:00:00.000Z'],
    ['"trong tháng 2" of a leap year', { in: '2024-02' }, '2024-02-29', '2024-02-29T17:00:00.000Z'],
    ['"trước 15 giờ": 15:00:00 is too late', { before: '2024-05-03T15:00' }, '2024-05-03', '2024-05-03T08:00:00.000Z'],
    ['"chậm nhất 17 giờ": the whole minute 17:00 is good', { by: '2024-05-06T17:00' }, '2024-05-06', '2024-05-06T10:01:00.000Z'],
    ['"trước 0 giờ" ends the day before', { before: '2024-05-03T00:00' }, '2024-05-02', '2024-05-02T17:00:00.000Z'],
    ['"chậm nhất 23 giờ 59" is the whole day', { by: '2024-05-06T23:59' }, '2024-05-06', '2024-05-06T17:00:00.000Z'],
    ['a Sunday does not move it', { by: '2024-05-05' }, '2024-05-05', '2024-05-05T17:00:00.000Z'],
    ['nor does Tết', { before: '2024-02-13' }, '2024-02-12', '2024-02-12T17:00:00.000Z'],
  ])('%s', (_words, rule, lastDay, deadline) => {
    expect(dueRuleSchema.parse(rule)).toEqual(rule);
    expect(dueOf(rule, calendar)).toEqual({ lastDay, deadline: new Date(deadline) });
  });

  test('days to act on and no date at all: nothing can be late', () => {
    expect(dueOf({ on: ['2024-05-19'] }, calendar)).toBeNull();
    expect(dueOf({ none: true }, calendar)).toBeNull();
    expect(judge(at('2030-01-01'), null)).toBe('on-time');
  });

  test('"before D" is "by the day before D"', () => {
    fc.assert(fc.property(day, (date) => expect(dueOf({ before: addDays(date, 1) }, calendar)).toEqual(dueOf({ by: date }, calendar))));
  });

  test('the last millisecond of the last valid day is on time, the instant itself is late', () => {
    fc.assert(fc.property(day, (date) => {
      const { deadline, lastDay } = dueOnLastDay(date, calendar);
      expect(lastDay).toBe(date);
      expect(judge(new Date(deadline.getTime() - 1), deadline)).toBe('on-time');
      expect(judge(deadline, deadline)).toBe('late');
      expect(calendar.dayOf(new Date(deadline.getTime() - 1))).toBe(lastDay);
    }));
  });

  test('with an hour the last valid day is the day of the last good moment', () => {
    fc.assert(fc.property(day, fc.nat(23), fc.nat(59), fc.constantFrom('before' as const, 'by' as const), (date, hour, minute, kind) => {
      const written = `${date}T${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;
      const due = dueOf(kind === 'by' ? { by: written } : { before: written }, calendar);
      expect(due?.lastDay).toBe(calendar.dayOf(new Date((due?.deadline.getTime() ?? 0) - 1)));
      expect(judge(at(date, written.slice(11)), due?.deadline ?? null)).toBe(kind === 'by' ? 'on-time' : 'late');
    }));
  });
});

describe('what is no rule is refused', () => {
  test.each<[string, unknown]>([
    ['a day that does not exist', { before: '2024-02-30' }], ['an hour that does not exist', { by: '2024-05-06T24:00' }], ['seconds', { by: '2024-05-06T17:00:00' }], ['a month 13', { in: '2024-13' }],
    ['a day for a month', { in: '2024-03-01' }], ['two rules', { before: '2024-05-03', by: '2024-05-06' }], ['no rule', {}], ['none: false', { none: false }], ['no days', { on: [] }],
    ['a day twice', { on: ['2024-05-19', '2024-05-19'] }], ['an hour on a day to act on', { on: ['2024-05-19T08:00'] }], ['a Date', { by: new Date() }], ['a number', { by: 20240506 }], ['two T', { by: '2024-05-06TT17:00' }],
  ])('%s', (_words, rule) => expect(dueRuleSchema.safeParse(rule).success).toBe(false));

  test('a rule knows its kind', () => {
    expect([{ before: '2024-05-03' }, { by: '2024-05-06' }, { in: '2024-03' }, { on: ['2024-05-19'] }, { none: true as const }].map((rule) => dueKindOf(rule))).toEqual(['before', 'by', 'in', 'on', 'none']);
  });
});
