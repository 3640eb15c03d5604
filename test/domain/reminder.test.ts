import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addDays, daysBetween } from '../../src/domain/calendar.ts';
import { dueOf, dueOnLastDay, type DueRule } from '../../src/domain/deadline.ts';
import { stageOffsets } from '../../src/domain/obligation.ts';
import { allStages, createWave, defaultStages, latestStage, listedStages, nextStage, outsideQuietHours, stageBase, waveId, type Stage } from '../../src/domain/reminder.ts';
import { at, calendar } from '../support/builders.ts';

const show = (stages: readonly Stage[]): string[] => stages.map((stage) => `${stage.offset} ${calendar.dayOf(stage.at)} ${calendar.timeOf(stage.at)}`);
const listed = (rule: DueRule, stages?: number[]): string[] => {
  const due = dueOf(rule, calendar);
  return due ? show(listedStages(stageOffsets({ due: rule, stages }, due.lastDay), stageBase(due), calendar)) : [];
};
const day = fc.date({ min: new Date('2023-12-01T00:00:00Z'), max: new Date('2025-02-01T00:00:00Z'), noInvalidDate: true }).map((date) => date.toISOString().slice(0, 10));
const offsets = fc.uniqueArray(fc.integer({ min: -60, max: 60 }), { minLength: 1, maxLength: 12 }).map((found) => found.toSorted((a, b) => a - b));

describe('the stages of a deadline', () => {
  test('"trước ngày 03/5/2024": counted from 02/5, moved off the holidays', () => {
    // 18/4 rests → 17/4; 29/4 rests, and so do the days before it → 26/4; −1 (1/5, a holiday) and 0 never move; +3 is a Sunday → 6/5.
    expect(listed({ before: '2024-05-03' })).toEqual(['-14 2024-04-17 08:00', '-7 2024-04-25 08:00', '-3 2024-04-26 08:00', '-1 2024-05-01 08:00', '0 2024-05-02 08:00', '1 2024-05-03 08:00', '3 2024-05-06 08:00', '7 2024-05-09 08:00']);
  });

  test('a make-up Saturday is worked: +1 and +2 do not move over it', () => {
    expect(listed({ by: '2024-05-02' }, [1, 2])).toEqual(['1 2024-05-03 08:00', '2 2024-05-04 08:00']);
  });

  test('of two stages on one morning the later offset goes out, before and after the deadline', () => {
    // Last day Thursday 13/6: −5 is Saturday 8/6 → Friday 7/6, where −6 is already; +2 and +3 are Saturday and Sunday → Monday 17/6, where +4 is.
    expect(listed({ by: '2024-06-13' }, [-6, -5, 2, 3, 4])).toEqual(['-5 2024-06-07 08:00', '4 2024-06-17 08:00']);
  });

  test.each<[DueRule, boolean]>([
    [{ before: '2024-05-03T08:00' }, false],
    [{ by: '2024-05-03T08:00' }, false],
    [{ before: '2024-05-03T07:30' }, false],
    [{ by: '2024-05-03T00:00' }, false],
    [{ before: '2024-05-03T08:01' }, true],
    [{ by: '2024-05-03T08:01' }, true],
    [{ before: '2024-05-03T15:00' }, true],
    [{ by: '2024-05-03' }, true],
  ])('stage 0 falls away where the hour is 08:00 or earlier: %j keeps it: %s', (rule, kept) => {
    expect(listed(rule).some((line) => line.startsWith('0 '))).toBe(kept);
    expect(listed(rule).some((line) => line.startsWith('-1 '))).toBe(true);
  });

  test('an extension of such a deadline counts its whole last day, so stage 0 is back', () => {
    const extended = dueOnLastDay('2024-05-10', calendar);
    expect(listedStages(stageOffsets({ due: { by: '2024-05-03T08:00' } }, extended.lastDay), stageBase(extended), calendar).map((stage) => stage.offset)).toContain(0);
  });

  test('then weekly from the last listed stage before moving, eight times, moved like the others', () => {
    const due = dueOf({ by: '2024-05-06' }, calendar);
    const weekly = show(allStages(defaultStages, stageBase(due as NonNullable<typeof due>), calendar)).slice(8);
    // +7 is 13/5; every seven days from it.
    expect(weekly).toEqual(['14 2024-05-20 08:00', '21 2024-05-27 08:00', '28 2024-06-03 08:00', '35 2024-06-10 08:00', '42 2024-06-17 08:00', '49 2024-06-24 08:00', '56 2024-07-01 08:00', '63 2024-07-08 08:00']);
  });

  test('weekly is counted before moving: from a Saturday the weeks stay Saturdays, each moved to its Monday', () => {
    const due = dueOnLastDay('2024-06-07', calendar);
    expect(show(allStages([1], stageBase(due), calendar)).slice(0, 3)).toEqual(['1 2024-06-10 08:00', '8 2024-06-17 08:00', '15 2024-06-24 08:00']);
  });

  test('no weekly reminders where the last listed stage does not lie after the deadline', () => {
    const due = dueOnLastDay('2024-06-07', calendar);
    expect(allStages([-7, -1, 0], stageBase(due), calendar)).toHaveLength(3);
  });

  test('a day to act on: −3 and 0, never late, never weekly', () => {
    const base = { lastDay: '2024-05-19', deadline: null };
    expect(stageOffsets({ due: { on: ['2024-05-19'] } })).toEqual([-3, 0]);
    expect(show(allStages([-3, 0], base, calendar))).toEqual(['-3 2024-05-16 08:00', '0 2024-05-19 08:00']);
    expect(allStages([-3, 0, 5], base, calendar)).toHaveLength(3);
  });

  test('without a date there are no stages', () => expect(stageOffsets({ due: { none: true } })).toEqual([]));

  test('every list: mornings at 08:00, each once, ascending in time and in offset; −1 and 0 at home; moved ones on working days and on their side', () => {
    fc.assert(fc.property(day, offsets, (lastDay, list) => {
      const due = dueOnLastDay(lastDay, calendar);
      const stages = allStages(list, stageBase(due), calendar);
      expect(new Set(stages.map((stage) => stage.at.getTime())).size).toBe(stages.length);
      stages.forEach((stage, index) => {
        const previous = stages[index - 1];
        if (previous) expect(previous.at < stage.at && previous.offset < stage.offset).toBe(true);
        const home = addDays(lastDay, stage.offset);
        const moved = calendar.dayOf(stage.at);
        expect(calendar.timeOf(stage.at)).toBe('08:00');
        if (stage.offset === 0 || stage.offset === -1) expect(moved).toBe(home);
        else expect(calendar.isRestDay(moved)).toBe(false);
        if (stage.offset < 0) expect(moved <= home).toBe(true);
        if (stage.offset > 0) expect(moved >= home && stage.at > due.deadline).toBe(true);
      });
      // Every offset that is asked for is served on its morning, by itself or by a later one.
      const mornings = new Set(stages.map((stage) => calendar.dayOf(stage.at)));
      for (const offset of list) {
        const home = addDays(lastDay, offset);
        expect(mornings.has(offset < -1 ? calendar.workingDayOnOrBefore(home) : offset > 0 ? calendar.workingDayOnOrAfter(home) : home)).toBe(true);
      }
      const weekly = stages.filter((stage) => stage.offset > (list.at(-1) ?? 0));
      expect(weekly.length <= 8 && weekly.every((stage) => (stage.offset - (list.at(-1) ?? 0)) % 7 === 0)).toBe(true);
    }));
  });
});

describe('what is due at a moment', () => {
  const due = dueOf({ before: '2024-05-03' }, calendar);
  const stages = allStages(defaultStages, stageBase(due as NonNullable<typeof due>), calendar);

  test('a stage is reached at 08:00 sharp, not a minute before', () => {
    expect(latestStage(stages, at('2024-04-17', '07:59'))).toBeNull();
    expect(latestStage(stages, at('2024-04-17', '08:00'))?.offset).toBe(-14);
    expect(nextStage(stages, at('2024-04-17', '08:00'))?.offset).toBe(-7);
  });

  test('after a gap of days only the latest stage is left', () => expect(latestStage(stages, at('2024-05-07', '09:00'))?.offset).toBe(3));
  test('after the last weekly one nothing is ahead', () => expect(nextStage(stages, at('2025-01-01'))).toBeNull());

  test('a new wave looks at the first stage still ahead: a plan loaded late sends no old stages', () => {
    const wave = createWave({ kind: 'deadline', plan: '2024', obligation: 'x', offsets: defaultStages }, stageBase(due as NonNullable<typeof due>), calendar, at('2024-04-26', '09:00'));
    expect([wave.id, wave.nextAt?.toISOString()]).toEqual([waveId('2024', 'x', 'deadline', stageBase(due as NonNullable<typeof due>)), at('2024-05-01', '08:00').toISOString()]);
  });

  test('latest and next always lie side by side', () => {
    fc.assert(fc.property(fc.date({ min: at('2024-04-01'), max: at('2024-08-01'), noInvalidDate: true }), (now) => {
      const latest = latestStage(stages, now);
      const next = nextStage(stages, now);
      expect((latest ? stages.indexOf(latest) : -1) + 1).toBe(next ? stages.indexOf(next) : stages.length);
    }));
  });
});

describe('quiet hours, 20:00 to 07:30', () => {
  test.each([
    ['2024-05-02', '07:29', '2024-05-02', '07:30'], ['2024-05-02', '07:30', '2024-05-02', '07:30'], ['2024-05-02', '19:59', '2024-05-02', '19:59'],
    ['2024-05-02', '20:00', '2024-05-03', '07:30'], ['2024-05-02', '23:59', '2024-05-03', '07:30'], ['2024-05-03', '00:00', '2024-05-03', '07:30'],
  ])('%s %s may go out on %s %s', (from, clock, to, then) => expect(outsideQuietHours(at(from, clock), calendar)).toEqual(at(to, then)));

  test('nothing waits longer than eleven and a half hours, nothing goes out earlier', () => {
    fc.assert(fc.property(fc.date({ min: at('2024-01-01'), max: at('2024-12-31'), noInvalidDate: true }), (now) => {
      const free = outsideQuietHours(now, calendar);
      expect(free >= now && free.getTime() - now.getTime() <= 11.5 * 3_600_000).toBe(true);
      expect(calendar.timeOf(free) >= '07:30' && calendar.timeOf(free) < '20:00').toBe(true);
      expect(daysBetween(calendar.dayOf(now), calendar.dayOf(free))).toBeLessThanOrEqual(1);
    }));
  });
});
