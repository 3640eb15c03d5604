import { assignmentSchema, openAssignment, type Assignment } from '../../src/domain/assignment.ts';
import { createCalendar, type Calendar } from '../../src/domain/calendar.ts';
import { shortRef } from '../../src/domain/choice.ts';
import { dueOnLastDay, dueOf, type Due } from '../../src/domain/deadline.ts';
import type { OutboxRow } from '../../src/domain/notice.ts';
import { outboxRowSchema } from '../../src/domain/notice.ts';
import { personSchema, type Person, type Role } from '../../src/domain/person.ts';
import { planSchema, type Plan } from '../../src/domain/plan.ts';
import { pledgeSchema, pledgeId, type Pledge } from '../../src/domain/pledge.ts';
import { waveId } from '../../src/domain/reminder.ts';
import { submissionSchema, receiptNumber, type Submission } from '../../src/domain/submission.ts';
import { unitSchema, type Unit } from '../../src/domain/unit.ts';

/** Local days of Asia/Ho_Chi_Minh; the only rest days beside weekends are 2024's, so that the tables of the product's design come out. */
export const calendar: Calendar = createCalendar({
  timeZone: 'Asia/Ho_Chi_Minh',
  holidays: { 2024: { rest: ['2024-01-01', '2024-02-08', '2024-02-09', '2024-02-12', '2024-02-13', '2024-02-14', '2024-04-18', '2024-04-29', '2024-04-30', '2024-05-01', '2024-09-02', '2024-09-03'], work: ['2024-05-04'] } },
});

/**
 * A local day (and time) as an instant.
 * @example at('2024-04-08', '08:00') → 2024-04-08T01:00:00.000Z
 */
export function at(day: string, time = '00:00'): Date {
  return calendar.instantOf(day, time);
}

/** The due of an inclusive last day. */
export function dueOn(lastDay: string): Due {
  return dueOnLastDay(lastDay, calendar);
}

/** A unit directly under `parents` (from the root down); the root when there are none. @example buildUnit('CS-01', { parents: ['T', 'H'] }) */
export function buildUnit(code: string, change: Partial<Unit> & { parents?: string[] } = {}): Unit {
  const { parents = [], ...rest } = change;
  const level = (['tinh', 'cap-tren'] as const)[parents.length] ?? 'co-so';
  return unitSchema.parse({ code, name: `Công đoàn cơ sở ${code}`, level, parent: parents.at(-1) ?? null, path: [...parents, code], members: 10, opened: null, closed: null, ...rest });
}

/** A person with one role and one Telegram address, consent given on 1/3/2024. */
export function buildPerson(id: string, change: Partial<Person> & { role?: Role; unit?: string } = {}): Person {
  const { role = 'chair', unit = 'CS-01', ...rest } = change;
  return personSchema.parse({
    id, name: 'Nguyễn Thị Hoa', language: 'vi', roles: [{ role, unit, since: at('2024-03-01') }],
    addresses: [{ channel: 'telegram', id: `chat-${id}`, lastAt: at('2024-03-01'), state: 'active', reason: null }],
    consent: { version: '2026-11', at: at('2024-03-01') }, ...rest,
  });
}

/** A small plan: a report from the units above the base by 6/5, a confirmed study in March, a pledge of each member before 10/4. */
export function buildPlan(change: Partial<Plan> = {}): Plan {
  const words = (vi: string): { vi: string; en: string } => ({ vi, en: `${vi} (en)` });
  return planSchema.parse({
    plan: '2024', year: 2024, number: '01/KH-LĐLĐ', title: words('Kế hoạch năm 2024'), issuer: words('Liên đoàn Lao động tỉnh'),
    materials: [{ title: words('Tài liệu'), url: 'https://example.org/tai-lieu' }],
    obligations: [
      { key: 'bao-cao-6-thang', title: words('Báo cáo 6 tháng'), clause: 'III.2', quote: 'chậm nhất ngày 06/5/2024', audience: { levels: ['cap-tren'] }, deliverable: 'report', due: { by: '2024-05-06' }, review: true },
      { key: 'hoc-tap', title: words('Học tập chuyên đề'), clause: 'II.1', quote: 'trong tháng 3/2024', audience: { levels: ['cap-tren', 'co-so'] }, deliverable: 'confirmation', due: { in: '2024-03' } },
      { key: 'ban-dang-ky', title: words('Bản đăng ký cá nhân'), clause: 'II.3', quote: 'trước ngày 10/4/2024', audience: { members: true }, deliverable: 'pledge', due: { before: '2024-04-10' } },
    ],
    ...change,
  });
}

/** An open assignment of `unit`, made on 1/3/2024, due by 6/5/2024 unless said otherwise. `change` overrides what the domain derived. */
export function buildAssignment(unit: string, change: Partial<Assignment> & { parents?: string[] } = {}): Assignment {
  const { parents = ['T'], plan = '2024', obligation = 'bao-cao-6-thang', level = 'cap-tren', day = null, due = dueOf({ by: '2024-05-06' }, calendar), path = [...parents, unit], ...rest } = change;
  const opened = openAssignment({ plan, obligation, unit, level, path, day, due }, { by: 'system', at: at('2024-03-01') });
  return assignmentSchema.parse({ ...opened, ...rest });
}

/** The first version handed in for an assignment: one PDF, sent at 09:00 on 2/5/2024. */
export function buildSubmission(assignment: Pick<Assignment, 'id' | 'plan' | 'unit'>, change: Partial<Submission> = {}): Submission {
  const sent = change.sentAt ?? at('2024-05-02', '09:00');
  const source = change.source ?? `telegram:${assignment.id}:${change.version ?? 1}`;
  return submissionSchema.parse({
    id: shortRef(source), assignment: assignment.id, plan: assignment.plan, unit: assignment.unit, version: 1,
    content: { kind: 'files', files: [{ fileId: `file-${source}`, name: 'Báo cáo.pdf', kind: 'pdf', size: 1234, sha256: 'a'.repeat(64) }], note: '' },
    sentAt: sent, countedAt: sent, receivedAt: sent, by: 'chair-1', source, channel: 'telegram', receipt: receiptNumber(2024, 1), voluntary: false, awaitsReview: false, withdrawnAt: null, ...change,
  });
}

/** An open pledge of `person` in `unit`, due before 10/4/2024. */
export function buildPledge(person: string, unit: string, change: Partial<Pledge> & { parents?: string[] } = {}): Pledge {
  const { parents = ['T', 'H'], ...rest } = change;
  const due = dueOf({ before: '2024-04-10' }, calendar) as Due;
  const plan = rest.plan ?? '2024';
  return pledgeSchema.parse({
    id: pledgeId(plan, person), plan, obligation: 'ban-dang-ky', unit, level: 'co-so', path: [...parents, unit], person, paperName: null, text: '', state: 'open',
    countedAt: null, confirmedAt: null, declaredDay: null, awaitsReview: false, deadline: due.deadline, verdict: null, wave: waveId(plan, 'ban-dang-ky', 'pledge', due), receipt: null, versions: [], rev: 0, ...rest,
  });
}

/** A pending outbox row on Telegram: a nudge about `about`, free to leave since 08:00 on 8/4/2024. */
export function buildOutboxRow(key: string, change: Partial<OutboxRow> = {}): OutboxRow {
  const created = change.createdAt ?? at('2024-04-08', '08:00');
  return outboxRowSchema.parse({
    key, notice: { kind: 'nudge', assignment: change.about ?? 'a1' }, person: 'p1', channel: 'telegram', chat: null, priority: 2, about: 'a1', state: 'pending', reason: null,
    createdAt: created, notBefore: created, expiresAt: null, attempts: [], lease: null, sentAt: null, messageId: null, acknowledgedAt: null, ...change,
  });
}
