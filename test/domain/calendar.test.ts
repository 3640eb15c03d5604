import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addDays, createCalendar, daysBetween, holidayTableSchema, lastDayOfMonth, localDateSchema, localTimeSchema } from '../../src/domain/calendar.ts';
import { calendar } from '../support/builders.ts';

const day = fc.date({ min: new Date('1950-01-02T00:00:00Z'), max: new Date('2900-12-30T00:00:00Z'), noInvalidDate: true }).map((date) => date.toISOString().slice(0, 10));
const time = fc.tuple(fc.nat(23), fc.nat(59)).map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`);

describe('days', () => {
  test.each(['2024-02-29', '2023-12-31', '1900-01-01', '2999-12-31'])('%s is a day', (text) => expect(localDateSchema.safeParse(text).success).toBe(true));
  test.each(['2023-02-29', '2024-02-30', '2024-13-01', '2024-00-10', '2024-5-3', '03/5/2024', '2024-05-03 ', '', '2024-05-03T00:00', '1899-12-31', '3000-01-01', '9999-12-31', '２０２４-05-03'])('%s is none', (text) =>
    expect(localDateSchema.safeParse(text).success).toBe(false),
  );
  test.each([['00:00', true], ['23:59', true], ['24:00', false], ['7:30', false], ['07:60', false]])('%s is a time: %s', (text, good) => expect(localTimeSchema.safeParse(text).success).toBe(good));

  test('adding days and counting them are each other\'s inverse', () => {
    fc.assert(fc.property(day, fc.integer({ min: -4000, max: 4000 }), (from, count) => {
      const to = addDays(from, count);
      fc.pre(to >= '1900' && to < '3000');
      expect(daysBetween(from, to)).toBe(count);
      expect(to > from).toBe(count > 0);
    }));
  });

  test.each([['2024-02', '2024-02-29'], ['2023-02', '2023-02-28'], ['2024-03', '2024-03-31'], ['2024-12', '2024-12-31'], ['2100-02', '2100-02-28']])('%s ends on %s', (month, last) => expect(lastDayOfMonth(month)).toBe(last));
});

describe('a local calendar', () => {
  test('midnight in Việt Nam is 17:00 UTC of the day before', () => {
    expect(calendar.instantOf('2024-05-03').toISOString()).toBe('2024-05-02T17:00:00.000Z');
    expect(calendar.instantOf('2024-05-03', '15:00').toISOString()).toBe('2024-05-03T08:00:00.000Z');
    expect(calendar.dayOf(new Date('2024-05-02T16:59:59.999Z'))).toBe('2024-05-02');
    expect(calendar.dayOf(new Date('2024-05-02T17:00:00Z'))).toBe('2024-05-03');
    expect(calendar.timeOf(new Date('2024-05-02T16:59:59.999Z'))).toBe('23:59');
  });

  test.each(['Asia/Ho_Chi_Minh', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'UTC'])('in %s a local moment comes back as it was written, where the clocks show it at all', (timeZone) => {
    const there = createCalendar({ timeZone, holidays: {} });
    fc.assert(fc.property(day, time, (date, clock) => {
      const instant = there.instantOf(date, clock);
      const shown = `${there.dayOf(instant)}T${there.timeOf(instant)}`;
      // An hour the clocks jump over is not shown; everything else is exact.
      if (shown !== `${date}T${clock}`) expect(Math.abs(Date.parse(`${shown}Z`) - Date.parse(`${date}T${clock}Z`))).toBeLessThanOrEqual(3_600_000);
      else expect(shown).toBe(`${date}T${clock}`);
    }), { numRuns: 60 });
  });

  test('in Việt Nam it always does', () => {
    fc.assert(fc.property(day.filter((date) => date > '1976'), time, (date, clock) => {
      const instant = calendar.instantOf(date, clock);
      expect([calendar.dayOf(instant), calendar.timeOf(instant)]).toEqual([date, clock]);
    }));
  });

  test('where a midnight does not exist the day begins at the jump, not on the day before', () => {
    const saoPaulo = createCalendar({ timeZone: 'America/Sao_Paulo', holidays: {} });
    expect(saoPaulo.dayOf(saoPaulo.instantOf('2018-11-04'))).toBe('2018-11-04');
    expect(saoPaulo.instantOf('2018-11-04').toISOString()).toBe('2018-11-04T03:00:00.000Z');
  });

  test('an unknown time zone is refused', () => expect(() => createCalendar({ timeZone: 'Asia/Phan_Thiet', holidays: {} })).toThrow(RangeError));
});

describe('working days', () => {
  test.each([
    ['2024-04-18', true, 'the 10th of the 3rd lunar month'],
    ['2024-04-29', true, 'swapped for a Saturday'],
    ['2024-05-04', false, 'the Saturday worked for it'],
    ['2024-05-05', true, 'a Sunday'],
    ['2024-05-06', false, 'a Monday'],
  ])('%s rests: %s (%s)', (date, rests) => expect(calendar.isRestDay(date)).toBe(rests));

  test('the nearest working days around 30/4 and 1/5', () => {
    expect(calendar.workingDayOnOrBefore('2024-05-01')).toBe('2024-04-26');
    expect(calendar.workingDayOnOrAfter('2024-04-27')).toBe('2024-05-02');
    expect(calendar.addWorkingDays('2024-05-02', 3)).toBe('2024-05-06'); // 3/5, the worked Saturday 4/5, 6/5
    expect(calendar.addWorkingDays('2024-05-03', 1)).toBe('2024-05-04');
    expect(calendar.addWorkingDays('2024-04-17', 1)).toBe('2024-04-19');
  });

  test('a working day stays, every other one moves to a working day on its side, over rest days only', () => {
    fc.assert(fc.property(day, (date) => {
      const before = calendar.workingDayOnOrBefore(date);
      const after = calendar.workingDayOnOrAfter(date);
      expect([calendar.isRestDay(before), calendar.isRestDay(after)]).toEqual([false, false]);
      for (let passed = addDays(before, 1); passed < after; passed = addDays(passed, 1)) expect(calendar.isRestDay(passed)).toBe(true);
      expect(before <= date && date <= after).toBe(true);
      if (!calendar.isRestDay(date)) expect([before, after]).toEqual([date, date]);
    }));
  });

  test('a year without a table rests on weekends only, and says so', () => {
    expect([calendar.knowsYear(2024), calendar.knowsYear(2031)]).toEqual([true, false]);
    expect(calendar.isRestDay('2031-01-01')).toBe(false); // A Wednesday.
    expect(calendar.isRestDay('2031-01-04')).toBe(true);
  });

  test('a holiday table with a wrong day or an unknown key is refused', () => {
    expect(holidayTableSchema.safeParse({ 2024: { rest: ['2024-02-30'], work: [] } }).success).toBe(false);
    expect(holidayTableSchema.safeParse({ 2024: { rest: [], work: [], half: [] } }).success).toBe(false);
    expect(holidayTableSchema.safeParse({ 24: { rest: [], work: [] } }).success).toBe(false);
  });
});
