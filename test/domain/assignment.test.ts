import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { accept, amendDue, askExtension, assignmentSchema, bucketOf, extend, isOverdue, moveWithUnit, openAssignment, overdueFrom, refuseExtension, returnForCorrection, takeBackWaiver, takeSubmission, voidWithUnit, waive, withdraw, type Assignment } from '../../src/domain/assignment.ts';
import { addDays } from '../../src/domain/calendar.ts';
import type { Due } from '../../src/domain/deadline.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import { waveId } from '../../src/domain/reminder.ts';
import { at, calendar, dueOn } from '../support/builders.ts';

const act = (day: string, time = '09:00'): { by: string; at: Date } => ({ by: 'p1', at: at(day, time) });
const open = (due: Due | null = dueOn('2024-05-06'), day: string | null = null, made = '2024-03-01'): Assignment =>
  openAssignment({ plan: '2024', obligation: 'bao-cao', unit: 'H1', level: 'cap-tren', path: ['T', 'H1'], day, due }, act(made));
const sent = (day: string, time = '09:00', version = 1): { version: number; sentAt: Date; countedAt: Date; receipt: string } => ({ version, sentAt: at(day, time), countedAt: at(day, time), receipt: `BN-2024-00000${version}` });
const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
  return 'no refusal';
};
const handedIn = (day: string): Assignment => takeSubmission(open(), sent(day), act(day));

describe('opening', () => {
  test('is the same however often it is done', () => expect(open()).toEqual(open()));
  test('a plan loaded after its date marks what it makes: nobody is blamed', () => {
    expect(open(dueOn('2024-05-06'), null, '2024-05-06').loadedLate).toBe(false);
    expect(open(dueOn('2024-05-06'), null, '2024-05-07').loadedLate).toBe(true);
    expect(open(null, null, '2024-05-07').loadedLate).toBe(false);
  });
  test('it is reminded of by its deadline, by its day, or not at all', () => {
    expect(open().wave).toBe(waveId('2024', 'bao-cao', 'deadline', dueOn('2024-05-06')));
    expect(open(null, '2024-05-19').wave).toBe('2024/bao-cao/day/2024-05-19');
    expect(open(null).wave).toBeNull();
  });
});

describe('handing in', () => {
  test('counts at once, on time until the last moment, late from the instant on, and stops the reminders', () => {
    expect(takeSubmission(open(), sent('2024-05-06', '23:59'), act('2024-05-07'))).toMatchObject({ state: 'submitted', verdict: 'on-time', wave: null, version: 1, receipt: 'BN-2024-000001' });
    expect(takeSubmission(open(), sent('2024-05-07', '00:00'), act('2024-05-07'))).toMatchObject({ state: 'submitted', verdict: 'late' });
  });
  test('nothing is late without a date', () => expect(takeSubmission(open(null), sent('2029-01-01'), act('2029-01-01')).verdict).toBe('on-time'));
  test('the first one decides, a later version changes neither verdict nor receipt', () => {
    expect(takeSubmission(handedIn('2024-05-06'), sent('2024-05-20', '09:00', 2), act('2024-05-20'))).toMatchObject({ verdict: 'on-time', version: 2, receipt: 'BN-2024-000001', countedAt: at('2024-05-06', '09:00') });
  });
  test('the first *sent* decides: one read late after a later one still counts by its own stamp', () => {
    const late = takeSubmission(open(), sent('2024-05-07', '00:01'), act('2024-05-07'));
    expect(takeSubmission(late, sent('2024-05-06', '23:58', 2), act('2024-05-07'))).toMatchObject({ verdict: 'on-time', receipt: 'BN-2024-000002', version: 2 });
  });
  test('a deed declared anew does not change the verdict of the first one', () => {
    const deed = { version: 1, sentAt: at('2024-05-20'), countedAt: at('2024-05-10'), receipt: 'a' };
    const again = { version: 2, sentAt: at('2024-05-21'), countedAt: at('2024-03-28'), receipt: 'b' };
    expect(takeSubmission(takeSubmission(open(), deed, act('2024-05-20')), again, act('2024-05-21'))).toMatchObject({ verdict: 'late', receipt: 'a' });
  });
  test('not after it was accepted, not for a closed unit', () => {
    expect(refusal(() => takeSubmission(accept(handedIn('2024-05-01'), act('2024-05-02')), sent('2024-05-03', '09:00', 2), act('2024-05-03')))).toBe('already-accepted');
    expect(refusal(() => takeSubmission(voidWithUnit(open(), '2024-04-01', act('2024-04-01')), sent('2024-05-03'), act('2024-05-03')))).toBe('assignment-void');
  });
});

describe('withdrawing', () => {
  test('takes back all versions until it is accepted, and opens it again', () => {
    const two = takeSubmission(handedIn('2024-05-01'), sent('2024-05-02', '09:00', 2), act('2024-05-02'));
    expect(withdraw(two, calendar, act('2024-05-03'))).toMatchObject({ state: 'open', countedAt: null, verdict: null, receipt: null, version: 2, wave: open().wave });
    expect(refusal(() => withdraw(accept(two, act('2024-05-03')), calendar, act('2024-05-04')))).toBe('not-withdrawable');
    expect(refusal(() => withdraw(open(), calendar, act('2024-05-04')))).toBe('not-withdrawable');
  });
  test('what is sent after it is judged anew', () => {
    expect(takeSubmission(withdraw(handedIn('2024-05-01'), calendar, act('2024-05-03')), sent('2024-05-09', '09:00', 2), act('2024-05-09')).verdict).toBe('late');
  });
  test('also what was returned; the correction is gone', () => {
    const returned = returnForCorrection(handedIn('2024-05-01'), 'thiếu số liệu', null, calendar, act('2024-05-02'));
    expect(withdraw(returned, calendar, act('2024-05-03'))).toMatchObject({ state: 'open', correction: null });
  });
});

describe('reviewing', () => {
  test('accepting twice changes nothing; what is open or returned cannot be accepted', () => {
    const accepted = accept(handedIn('2024-05-01'), act('2024-05-02'));
    expect(accept(accepted, act('2024-05-09'))).toBe(accepted);
    expect(refusal(() => accept(open(), act('2024-05-02')))).toBe('not-acceptable');
    expect(refusal(() => accept(returnForCorrection(handedIn('2024-05-01'), 'x', null, calendar, act('2024-05-02')), act('2024-05-02')))).toBe('not-acceptable');
  });
  test('a return gives five working days from the day after it, and the first verdict stays', () => {
    // Returned on Friday 26/4: 2/5, 3/5, the worked Saturday 4/5, 6/5, 7/5.
    const returned = returnForCorrection(handedIn('2024-04-20'), 'thiếu số liệu', null, calendar, act('2024-04-26'));
    expect(returned).toMatchObject({ state: 'returned', verdict: 'on-time', correction: { due: { lastDay: '2024-05-07' }, reason: 'thiếu số liệu' } });
    expect(returned.wave).toBe(waveId('2024', 'bao-cao', 'correction', dueOn('2024-05-07')));
    const again = takeSubmission(returned, sent('2024-05-30', '09:00', 2), act('2024-05-30'));
    expect(again).toMatchObject({ state: 'submitted', verdict: 'on-time', correction: null, wave: null });
  });
  test('or until the day it names, which may not be past', () => {
    expect(returnForCorrection(handedIn('2024-04-20'), 'x', '2024-05-15', calendar, act('2024-04-26')).correction?.due.lastDay).toBe('2024-05-15');
    expect(refusal(() => returnForCorrection(handedIn('2024-04-20'), 'x', '2024-04-25', calendar, act('2024-04-26')))).toBe('extension-not-later');
  });
  test('where there is no date a return is never overdue and nobody is reminded', () => {
    const returned = returnForCorrection(takeSubmission(open(null), sent('2024-05-01'), act('2024-05-01')), 'x', null, calendar, act('2024-05-02'));
    expect([returned.wave, isOverdue(returned, at('2026-01-01'))]).toEqual([null, false]);
  });
});

describe('overdue', () => {
  test('open from the instant on', () => {
    expect(isOverdue(open(), at('2024-05-06', '23:59'))).toBe(false);
    expect(isOverdue(open(), at('2024-05-07'))).toBe(true);
    expect(isOverdue(handedIn('2024-05-09'), at('2024-05-20'))).toBe(false);
  });
  test('returned only when both the correction\'s day and the plan\'s own instant have passed', () => {
    const early = returnForCorrection(handedIn('2024-04-01'), 'x', '2024-04-10', calendar, act('2024-04-02'));
    expect([isOverdue(early, at('2024-04-20')), isOverdue(early, at('2024-05-07'))]).toEqual([false, true]);
    const late = returnForCorrection(handedIn('2024-05-06'), 'x', '2024-05-20', calendar, act('2024-05-08'));
    expect([isOverdue(late, at('2024-05-20', '12:00')), isOverdue(late, at('2024-05-21'))]).toEqual([false, true]);
    expect(overdueFrom(late)?.lastDay).toBe('2024-05-20');
  });
  test('a day to act on and no date never are', () => expect([isOverdue(open(null, '2024-05-19'), at('2025-01-01')), isOverdue(open(null), at('2025-01-01'))]).toEqual([false, false]));
});

describe('more time', () => {
  test('an extension after a late sending makes it on time (extended) and keeps the receipt', () => {
    const late = handedIn('2024-05-08');
    expect(late.verdict).toBe('late');
    const extended = extend(late, '2024-05-10', 'bão', calendar, act('2024-05-09'));
    expect(extended).toMatchObject({ verdict: 'on-time', extended: true, receipt: late.receipt, due: { lastDay: '2024-05-10' }, planDue: { lastDay: '2024-05-06' } });
    expect(extended.trail.at(-1)).toMatchObject({ did: 'extended', facts: { before: 'late', after: 'on-time' } });
  });
  test('on time by the plan is not called extended', () => expect(extend(handedIn('2024-05-01'), '2024-05-10', 'x', calendar, act('2024-05-02')).extended).toBe(false));
  test('never an earlier day, nor the same one; with an hour in the plan the whole of that day is later', () => {
    expect(refusal(() => extend(open(), '2024-05-06', 'x', calendar, act('2024-05-01')))).toBe('extension-not-later');
    expect(refusal(() => extend(extend(open(), '2024-05-10', 'x', calendar, act('2024-05-01')), '2024-05-09', 'x', calendar, act('2024-05-01')))).toBe('extension-not-later');
    const hour = open({ lastDay: '2024-05-06', deadline: at('2024-05-06', '15:00') });
    expect(extend(hour, '2024-05-06', 'x', calendar, act('2024-05-01')).due?.deadline).toEqual(at('2024-05-07'));
  });
  test('asked for, refused, granted: the wish goes with the decision, and the wave follows the new due', () => {
    const asked = askExtension(open(), '2024-05-12', 'bão', act('2024-05-01'));
    expect(asked.asked).toMatchObject({ lastDay: '2024-05-12', why: 'bão' });
    expect(refuseExtension(asked, 'không', act('2024-05-02')).asked).toBeNull();
    const granted = extend(asked, '2024-05-12', 'đồng ý', calendar, act('2024-05-02'));
    expect([granted.asked, granted.wave]).toEqual([null, waveId('2024', 'bao-cao', 'deadline', dueOn('2024-05-12'))]);
    expect(refusal(() => refuseExtension(open(), 'x', act('2024-05-02')))).toBe('extension-none');
    expect(refusal(() => askExtension(open(), '2024-05-06', 'x', act('2024-05-01')))).toBe('extension-not-later');
    expect(refusal(() => askExtension(open(null), '2024-05-06', 'x', act('2024-05-01')))).toBe('extension-none');
    expect(refusal(() => extend(waive(open(), 'x', act('2024-05-01')), '2024-06-01', 'x', calendar, act('2024-05-01')))).toBe('assignment-waived');
  });
});

describe('waivers', () => {
  test.each<[string, () => Assignment]>([
    ['open', () => open()],
    ['submitted', () => handedIn('2024-05-01')],
    ['accepted', () => accept(handedIn('2024-05-01'), act('2024-05-02'))],
    ['returned', () => returnForCorrection(handedIn('2024-05-01'), 'x', null, calendar, act('2024-05-02'))],
  ])('end it whatever its state (%s), and taking back restores exactly that', (state, make) => {
    const before = make();
    expect(before.state).toBe(state);
    const waived = waive(before, 'sáp nhập', act('2024-05-03'));
    expect([waived.state, waived.wave, bucketOf({ ...waived, deadline: waived.due?.deadline ?? null }, at('2030-01-01'))]).toEqual(['waived', null, 'waived']);
    const { trail: _a, ...restored } = takeBackWaiver(waived, [], act('2024-05-04'));
    const { trail: _b, ...expected } = before;
    expect(restored).toEqual(expected);
  });
  test('what is sent meanwhile is voluntary, changes no figure, and counts with its own stamp when the waiver is taken back', () => {
    const waived = waive(open(), 'x', act('2024-05-01'));
    const kept = takeSubmission(waived, sent('2024-05-05'), act('2024-05-05'));
    expect(kept).toMatchObject({ state: 'waived', verdict: null, countedAt: null, version: 1 });
    expect(takeBackWaiver(kept, [sent('2024-05-05')], act('2024-06-01'))).toMatchObject({ state: 'submitted', verdict: 'on-time', receipt: 'BN-2024-000001' });
    expect(takeBackWaiver(kept, [sent('2024-05-08')], act('2024-06-01')).verdict).toBe('late');
  });
  test('twice changes nothing; there is nothing to take back where there is none; a closed unit has nothing to waive', () => {
    const waived = waive(open(), 'x', act('2024-05-01'));
    expect(waive(waived, 'y', act('2024-05-02'))).toBe(waived);
    expect(refusal(() => takeBackWaiver(open(), [], act('2024-05-02')))).toBe('waiver-none');
    expect(refusal(() => waive(voidWithUnit(open(), '2024-04-01', act('2024-04-01')), 'x', act('2024-05-02')))).toBe('assignment-void');
  });
});

describe('units that close and move', () => {
  test('closing voids only what was not handed in', () => {
    expect(voidWithUnit(open(), '2024-04-01', act('2024-04-01'))).toMatchObject({ state: 'void', wave: null });
    expect(voidWithUnit(handedIn('2024-05-01'), '2024-06-01', act('2024-06-01')).state).toBe('submitted');
    expect(bucketOf({ state: 'void', verdict: null, deadline: at('2024-05-07') }, at('2025-01-01'))).toBe('void');
  });
  test('moving takes along what is still owed; what was handed in stays where it was earned', () => {
    const place = { level: 'cap-tren', path: ['T', 'M', 'H1'] };
    expect(moveWithUnit(open(), place).path).toEqual(place.path);
    expect(moveWithUnit(handedIn('2024-05-01'), place).path).toEqual(['T', 'H1']);
  });
});

describe('an amended plan', () => {
  test('an earlier date applies to what is open', () => {
    expect(amendDue(open(), dueOn('2024-04-20'), calendar, act('2024-04-01'))).toMatchObject({ due: { lastDay: '2024-04-20' }, wave: waveId('2024', 'bao-cao', 'deadline', dueOn('2024-04-20')), loadedLate: false });
  });
  test('what was sent keeps the better verdict, a later date makes a late one good', () => {
    expect(amendDue(handedIn('2024-05-01'), dueOn('2024-04-20'), calendar, act('2024-05-02')).verdict).toBe('on-time');
    expect(amendDue(handedIn('2024-05-08'), dueOn('2024-05-10'), calendar, act('2024-05-09'))).toMatchObject({ verdict: 'on-time', extended: false });
    expect(amendDue(handedIn('2024-05-08'), null, calendar, act('2024-05-09')).verdict).toBe('on-time');
    expect(amendDue(takeSubmission(open(null), sent('2024-05-08'), act('2024-05-08')), dueOn('2024-04-01'), calendar, act('2024-05-09')).verdict).toBe('on-time');
  });
  test('withdrawn afterwards it is open under the plan as it stands now', () => {
    const amended = amendDue(handedIn('2024-05-01'), dueOn('2024-04-20'), calendar, act('2024-05-02'));
    expect(withdraw(amended, calendar, act('2024-05-03'))).toMatchObject({ state: 'open', due: { lastDay: '2024-04-20' } });
  });
  test('a later extension stays in force', () => {
    expect(amendDue(extend(open(), '2024-05-20', 'x', calendar, act('2024-05-01')), dueOn('2024-05-10'), calendar, act('2024-05-02')).due?.lastDay).toBe('2024-05-20');
    expect(amendDue(extend(open(), '2024-05-20', 'x', calendar, act('2024-05-01')), dueOn('2024-05-30'), calendar, act('2024-05-02')).due?.lastDay).toBe('2024-05-30');
  });
  test('amended to a day already past it is marked, as what is loaded late', () => {
    expect(amendDue(open(), dueOn('2024-04-20'), calendar, act('2024-04-25')).loadedLate).toBe(true);
    expect(amendDue(open(), dueOn('2024-05-20'), calendar, act('2024-05-10')).loadedLate).toBe(false);
  });
  test('the same date changes nothing, and what ended with its unit stays as it was', () => {
    const same = open();
    expect(amendDue(same, dueOn('2024-05-06'), calendar, act('2024-04-25'))).toBe(same);
    const ended = voidWithUnit(open(), '2024-04-01', act('2024-04-01'));
    expect(amendDue(ended, dueOn('2024-05-20'), calendar, act('2024-05-10'))).toBe(ended);
  });
});

describe('whatever happens, in any order', () => {
  type Step = (assignment: Assignment, day: string, version: number) => Assignment;
  const steps: Record<string, Step> = {
    submit: (a, day, version) => takeSubmission(a, sent(day, '09:00', version), act(day)),
    withdraw: (a, day) => withdraw(a, calendar, act(day)),
    accept: (a, day) => accept(a, act(day)),
    return: (a, day) => returnForCorrection(a, 'x', null, calendar, act(day)),
    ask: (a, day) => askExtension(a, addDays(day, 10), 'x', act(day)),
    refuse: (a, day) => refuseExtension(a, 'x', act(day)),
    extend: (a, day) => extend(a, addDays(day, 10), 'x', calendar, act(day)),
    waive: (a, day) => waive(a, 'x', act(day)),
    unwaive: (a, day) => takeBackWaiver(a, [], act(day)),
    close: (a, day) => voidWithUnit(a, day, act(day)),
    amend: (a, day) => amendDue(a, dueOn(addDays(day, 3)), calendar, act(day)),
    undate: (a, day) => amendDue(a, null, calendar, act(day)),
  };

  test('it stays a valid assignment that counts in exactly one bucket, is overdue only when something is owed, and is reminded of only then', () => {
    const start = fc.constantFrom(dueOn('2024-05-06'), null);
    fc.assert(fc.property(start, fc.array(fc.tuple(fc.constantFrom(...Object.keys(steps)), fc.integer({ min: 0, max: 4 })), { maxLength: 14 }), (due, history) => {
      let assignment = open(due);
      let day = '2024-04-20';
      history.forEach(([name, pause], index) => {
        day = addDays(day, pause);
        const before = assignment;
        try {
          assignment = (steps[name] as Step)(assignment, day, index + 1);
        } catch (error) {
          // An expected "no" leaves it as it was.
          if (!(error instanceof Refusal)) throw error;
          assignment = before;
        }
        assignmentSchema.parse(assignment);
        const now = at(day, '12:00');
        const owed = assignment.state === 'open' || assignment.state === 'returned';
        const bucket = bucketOf({ ...assignment, deadline: assignment.due?.deadline ?? null }, now);
        expect(['onTime', 'late', 'missing', 'pending', 'waived', 'void']).toContain(bucket);
        expect(bucket === 'missing' || bucket === 'pending').toBe(assignment.state === 'open');
        if (isOverdue(assignment, now)) expect(owed).toBe(true);
        if (assignment.state === 'open') expect(isOverdue(assignment, now)).toBe(bucket === 'missing');
        if (assignment.wave !== null) expect(owed).toBe(true);
        if (assignment.due !== null && owed) expect(assignment.wave).not.toBeNull();
        // An extension is never shortened: not by a second one, not by an amended plan.
        if (assignment.extension && assignment.due) expect(assignment.due.lastDay >= assignment.extension.lastDay).toBe(true);
        expect(assignment.trail.length >= before.trail.length).toBe(true);
      });
    }), { numRuns: 300 });
  });
});
