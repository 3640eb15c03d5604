import { describe, expect, test } from '@jest/globals';
import { can, requireAccess, visibleRoots, type Viewer } from '../../src/domain/access.ts';
import { asksLevel, obligationSchema, stageOffsets } from '../../src/domain/obligation.ts';
import { assignmentsFor, brokenPart, wavesFor } from '../../src/domain/opening.ts';
import { obligationOf, planSchema, pledgeObligation, type Plan } from '../../src/domain/plan.ts';
import { amendPledge, confirmPledge, mayChange, openPledge, writePledge } from '../../src/domain/pledge.ts';
import { defaultStages } from '../../src/domain/reminder.ts';
import { isOpenOn, unitCodeSchema } from '../../src/domain/unit.ts';
import { at, buildPlan, buildUnit, calendar, dueOn } from '../support/builders.ts';

const viewer = (...roles: ['staff' | 'chair' | 'member', string][]): Viewer => ({ id: 'p', roles: roles.map(([role, unit]) => ({ role, unit, since: at('2024-01-01') })) });
const root = buildUnit('T');
const above = buildUnit('H', { parents: ['T'] });
const base = buildUnit('C', { parents: ['T', 'H'] });
const aside = buildUnit('D', { parents: ['T', 'G'] });

describe('who may do what', () => {
  const chair = viewer(['chair', 'H']);
  const staff = viewer(['staff', 'T']);
  const member = viewer(['member', 'C']);

  test('a chair reads the own subtree and acts for the own unit only', () => {
    expect([can(chair, 'unit.read', above), can(chair, 'unit.read', base), can(chair, 'unit.read', root), can(chair, 'unit.read', aside)]).toEqual([true, true, false, false]);
    expect([can(chair, 'unit.submit', above), can(chair, 'unit.submit', base), can(chair, 'members.manage', base)]).toEqual([true, false, false]);
    expect([can(chair, 'review', above), can(chair, 'office')]).toEqual([false, false]);
  });
  test('staff reads and decides everywhere, and hands in nowhere', () => {
    expect([can(staff, 'unit.read', aside), can(staff, 'review', base), can(staff, 'office'), can(staff, 'unit.submit', base)]).toEqual([true, true, true, false]);
  });
  test('a member has the own pledge and nothing of the unit', () => {
    expect([can(member, 'pledge.own'), can(member, 'unit.read', base), can(member, 'overdue.read'), can(member, 'file.read', base), can(member, 'unit.submit', base)]).toEqual([true, false, false, false, false]);
  });
  test('somebody without a role may do nothing', () => expect([can(viewer(), 'pledge.own'), can(viewer(), 'unit.read', base)]).toEqual([false, false]));
  test('several roles add up', () => expect(can(viewer(['member', 'C'], ['chair', 'D']), 'unit.read', aside)).toBe(true));
  test('a refusal is said as one', () => expect(() => requireAccess(member, 'unit.read', base)).toThrow(expect.objectContaining({ code: 'not-allowed' })));
  test('lists are limited to what may be read: everything, the own subtrees, or nothing', () => {
    expect(visibleRoots(staff, 'overdue.read')).toBeNull();
    expect(visibleRoots(viewer(['chair', 'H'], ['chair', 'D'], ['member', 'C']), 'overdue.read')).toEqual(['H', 'D']);
    expect(visibleRoots(member, 'overdue.read')).toEqual([]);
    expect([visibleRoots(chair, 'review'), visibleRoots(chair, 'members.manage'), visibleRoots(staff, 'unit.submit')]).toEqual([[], [], []]);
  });
});

describe('units', () => {
  test('are open from 00:00 of the opening day until the day before the closing day', () => {
    const unit = { opened: '2024-04-01', closed: '2024-06-01' };
    expect(['2024-03-31', '2024-04-01', '2024-05-31', '2024-06-01'].map((day) => isOpenOn(unit, day))).toEqual([false, true, true, false]);
  });
  test('codes keep their case and compare in NFC', () => {
    expect(unitCodeSchema.parse(' CĐ-01 '.normalize('NFD'))).toBe('CĐ-01'.normalize('NFC'));
    expect(['a b', 'a/b', 'a:b', '', 'x'.repeat(41)].filter((code) => unitCodeSchema.safeParse(code).success)).toEqual([]);
  });
});

const words = { vi: 'Việc', en: 'Work' };
const obligation = { key: 'viec', title: words, clause: 'I', quote: 'x', audience: { levels: ['co-so'] }, deliverable: 'report', due: { by: '2024-05-06' } };

describe('obligations and plans', () => {
  test('the defaults: no review, the default stages, two for a day to act on', () => {
    const parsed = obligationSchema.parse(obligation);
    expect([parsed.review, stageOffsets(parsed)]).toEqual([false, defaultStages]);
  });
  test.each<[string, object]>([
    ['stages without a date', { due: { none: true }, stages: [1] }], ['stages that do not ascend', { stages: [1, 1] }], ['no stages at all', { stages: [] }], ['a stage of 366', { stages: [366] }], ['half a stage', { stages: [0.5] }],
    ['an unknown key', { note: 'x' }], ['a pledge of levels', { deliverable: 'pledge' }], ['a report of members', { audience: { members: true } }], ['a pledge on days', { deliverable: 'pledge', audience: { members: true }, due: { on: ['2024-05-19'] } }],
    ['upper case in the key', { key: 'Viec' }], ['two hyphens', { key: 'a--b' }], ['a title in one language', { title: { vi: 'x' } }], ['an empty quote', { quote: ' ' }], ['no level', { audience: { levels: [] } }],
  ])('refuses %s', (_words, change) => expect(obligationSchema.safeParse({ ...obligation, ...change }).success).toBe(false));
  test('a plan refuses a key twice, a second pledge, no obligation, an unknown key', () => {
    const plan = buildPlan();
    const pledge = { ...obligation, key: 'p2', deliverable: 'pledge', audience: { members: true } };
    expect(planSchema.safeParse({ ...plan, obligations: [obligation, obligation] }).success).toBe(false);
    expect(planSchema.safeParse({ ...plan, obligations: [...plan.obligations, pledge] }).success).toBe(false);
    expect(planSchema.safeParse({ ...plan, obligations: [] }).success).toBe(false);
    expect(planSchema.safeParse({ ...plan, extra: 1 }).success).toBe(false);
    expect([obligationOf(plan, 'hoc-tap')?.clause, pledgeObligation(plan)?.key]).toEqual(['II.1', 'ban-dang-ky']);
  });
  test('a notice asks nothing of anybody', () => expect(asksLevel({ audience: { levels: ['co-so'] }, deliverable: 'notice' }, 'co-so')).toBe(false));
});

describe('what a plan makes for a unit', () => {
  const plan: Plan = buildPlan({
    obligations: [
      { ...obligation, key: 'dated', review: false } as Plan['obligations'][number], { ...obligation, key: 'undated', due: { none: true }, review: false } as Plan['obligations'][number],
      { ...obligation, key: 'days', due: { on: ['2024-07-28', '2024-05-19'] }, review: false } as Plan['obligations'][number], { ...obligation, key: 'news', deliverable: 'notice', due: { none: true }, review: false } as Plan['obligations'][number],
      { ...obligation, key: 'hour', due: { before: '2024-05-03T15:00' }, review: false } as Plan['obligations'][number],
    ],
  });
  const made = (opened: string | null, day = '2024-03-01', change: Parameters<typeof buildUnit>[1] = {}): string[] =>
    assignmentsFor(plan, buildUnit('C', { parents: ['T', 'H'], opened, ...change }), calendar, { by: 'system', at: at(day, '10:00') }).map((one) => one.obligation + (one.day ? `/${one.day}` : ''));

  test('everything its level is asked, each day by itself', () => expect(made(null)).toEqual(['dated', 'undated', 'days/2024-05-19', 'days/2024-07-28', 'hour']));
  test('opened while the plan runs: what is still ahead at 00:00 of that day, and what has no date', () => {
    expect(made('2024-05-06', '2024-05-06')).toEqual(['dated', 'undated', 'days/2024-05-19', 'days/2024-07-28']);
    expect(made('2024-05-03', '2024-05-06')).toContain('hour');
    expect(made('2024-05-19', '2024-05-19')).toEqual(['undated', 'days/2024-05-19', 'days/2024-07-28']);
    expect(made('2025-01-02', '2025-01-02')).toEqual([]);
    expect(made('2023-06-01')).toEqual(made(null));
  });
  test('nothing before it opens, after it closes, or for another level', () => {
    expect([made('2024-06-01', '2024-05-31'), made(null, '2024-06-01', { closed: '2024-06-01' }), made(null, '2024-03-01', { level: 'tinh' })]).toEqual([[], [], []]);
  });
  test('loaded after its dates it makes those too, marked', () => {
    const late = assignmentsFor(plan, base, calendar, { by: 'system', at: at('2024-05-05') });
    expect(late.map((one) => [one.obligation, one.loadedLate])).toEqual([['dated', false], ['undated', false], ['days', false], ['days', false], ['hour', true]]);
  });
  test('every assignment finds its wave among the plan\'s, and nobody is reminded of what has no date', () => {
    const waves = new Set(wavesFor(plan, calendar, at('2024-03-01')).map((wave) => wave.id));
    for (const one of assignmentsFor(plan, base, calendar, { by: 'system', at: at('2024-03-01') })) expect(one.wave === null ? one.obligation : waves.has(one.wave)).toBe(one.wave === null ? 'undated' : true);
    expect(waves.size).toBe(4);
  });
  test('an amendment may date anew and ask more levels, but not become another thing', () => {
    const before = obligationSchema.parse(obligation);
    expect(brokenPart(before, { ...before, due: { none: true }, audience: { levels: ['co-so', 'cap-tren'] }, title: { vi: 'a', en: 'b' }, review: true })).toBeNull();
    expect(brokenPart(before, { ...before, deliverable: 'text' })).toBe('deliverable');
    expect(brokenPart(before, { ...before, audience: { levels: ['cap-tren'] } })).toBe('audience');
    expect(brokenPart(before, { ...before, due: { on: ['2024-05-19'] } })).toBe('due');
    const days = { ...before, due: { on: ['2024-05-19', '2024-07-28'] } };
    expect(brokenPart(days, { ...days, due: { on: ['2024-07-28', '2024-09-02', '2024-05-19'] } })).toBeNull();
    expect(brokenPart(days, { ...days, due: { on: ['2024-05-19'] } })).toBe('due');
    expect(brokenPart(days, { ...days, due: { none: true } })).toBe('due');
  });
});

describe('a personal pledge', () => {
  const open = openPledge({ plan: '2024', obligation: 'dk', unit: 'C', level: 'co-so', path: ['T', 'H', 'C'], person: 'p1', due: dueOn('2024-04-09') });
  test('counts by its confirmation, not by what was written before', () => {
    const written = writePledge(open, 'Tôi đăng ký', at('2024-04-08'));
    expect([written.state, written.verdict]).toEqual(['draft', null]);
    expect(confirmPledge(written, at('2024-04-09', '23:59'), 'BN-2024-000001')).toMatchObject({ state: 'confirmed', verdict: 'on-time', wave: null });
    expect(confirmPledge(written, at('2024-04-10'), 'BN-2024-000001').verdict).toBe('late');
  });
  test('confirming again changes nothing; rewriting before the deadline keeps the first stamp; afterwards it is closed', () => {
    const confirmed = confirmPledge(writePledge(open, 'a', at('2024-04-01')), at('2024-04-02'), 'r');
    expect(confirmPledge(confirmed, at('2024-04-20'), 's')).toBe(confirmed);
    expect(writePledge(confirmed, 'b', at('2024-04-03'))).toMatchObject({ state: 'confirmed', text: 'b', countedAt: at('2024-04-02') });
    expect([mayChange(confirmed, at('2024-04-09', '23:59')), mayChange(confirmed, at('2024-04-10')), mayChange(open, at('2025-01-01'))]).toEqual([true, false, true]);
  });
  test('an amended plan moves what is open, and never makes a verdict worse', () => {
    expect(amendPledge(open, dueOn('2024-04-20'))).toMatchObject({ deadline: at('2024-04-21'), verdict: null });
    expect(amendPledge(open, dueOn('2024-04-09'))).toBe(open);
    expect(amendPledge(open, null)).toMatchObject({ deadline: null, wave: null });
    const good = confirmPledge(open, at('2024-04-05'), 'r');
    expect(amendPledge(good, dueOn('2024-04-01'))).toBe(good);
    expect(amendPledge(confirmPledge(open, at('2024-04-15'), 'r'), dueOn('2024-04-20')).verdict).toBe('on-time');
  });
});
