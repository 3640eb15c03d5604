import { z } from 'zod';
import { localDateSchema, type Calendar, type LocalDate } from './calendar.ts';
import { shortRef } from './choice.ts';
import { dueOnLastDay, judge, type Due, type Verdict } from './deadline.ts';
import { Refusal } from './refusal.ts';
import { waveId } from './reminder.ts';
import type { Submission } from './submission.ts';

/** The days a unit has for a correction unless the return names a day: working days, counted from the day after the return. */
export const correctionWorkingDays = 5;

/** The states of an assignment; `withdrawn` is not one of them: withdrawing opens it again. */
export const assignmentStateSchema = z.enum(['open', 'submitted', 'accepted', 'returned', 'waived', 'void']);
/** See {@link assignmentStateSchema}. */
export type AssignmentState = z.infer<typeof assignmentStateSchema>;

const trailEntrySchema = z.strictObject({
  at: z.date(),
  /** A person's id, or `system`. */
  by: z.string(),
  did: z.enum(['opened', 'submitted', 'changed', 'withdrawn', 'accepted', 'returned', 'asked-extension', 'refused-extension', 'extended', 'waived', 'waiver-taken-back', 'voided', 'amended']),
  /** Facts worth keeping: a reason, a day, a receipt, the verdict before and after. */
  facts: z.record(z.string(), z.string()),
});
/** One line of the trail: who did what, when. */
export type TrailEntry = z.infer<typeof trailEntrySchema>;

const dueSchema = z.strictObject({ deadline: z.date(), lastDay: localDateSchema });

/** One obligation × one unit (× one day for days to act on). The verdict is derived again by every change, never typed in. */
export const assignmentSchema = z.strictObject({
  /** {@link shortRef} of `plan/obligation/unit[/day]`: short enough for a button, the same on every run. */
  id: z.string(),
  plan: z.string(),
  obligation: z.string(),
  unit: z.string(),
  level: z.string(),
  /** The unit's path when the assignment was last owed: history stays where it was earned. */
  path: z.array(z.string()),
  /** The day to act on; null for everything else. */
  day: localDateSchema.nullable(),
  /** What the plan says now; null where nothing can be late. */
  planDue: dueSchema.nullable(),
  /** What is in force for this unit: the plan's, or later by an extension or an amendment that came after a sending. */
  due: dueSchema.nullable(),
  /** Created after its deadline had passed: nobody is blamed for a reminder that could not be sent. */
  loadedLate: z.boolean(),
  state: assignmentStateSchema,
  /** The stamp that counts of the first submission that still stands. */
  countedAt: z.date().nullable(),
  verdict: z.enum(['on-time', 'late']).nullable(),
  /** Late by the plan, on time by the extension in force. */
  extended: z.boolean(),
  /** The number of the latest version ever handed in. */
  version: z.number().int().min(0),
  /** The receipt of the first standing submission. */
  receipt: z.string().nullable(),
  /** Something that stands waits for a look by the staff; see `Submission.awaitsReview`. */
  awaitsReview: z.boolean(),
  correction: z.strictObject({ due: dueSchema, reason: z.string(), by: z.string(), at: z.date() }).nullable(),
  extension: z.strictObject({ lastDay: localDateSchema, why: z.string(), by: z.string(), at: z.date() }).nullable(),
  /** An extension asked for and not yet decided. */
  asked: z.strictObject({ lastDay: localDateSchema, why: z.string(), by: z.string(), at: z.date() }).nullable(),
  waiver: z.strictObject({ before: assignmentStateSchema, why: z.string(), by: z.string(), at: z.date() }).nullable(),
  /** The wave that reminds of it while something is owed; null when nothing is. */
  wave: z.string().nullable(),
  trail: z.array(trailEntrySchema),
  /** Counted up by every change; a change based on an older one is tried again. */
  rev: z.number().int(),
});
/** See {@link assignmentSchema}. */
export type Assignment = z.infer<typeof assignmentSchema>;

/** Who does something, and when. */
export interface Act {
  by: string;
  at: Date;
}

/** The id of an assignment, the same however often it is made. */
export function assignmentId(plan: string, obligation: string, unit: string, day: LocalDate | null): string {
  return shortRef([plan, obligation, unit, ...(day ? [day] : [])].join('/'));
}

/** A new assignment, open, with the wave that reminds of it. */
export function openAssignment(what: { plan: string; obligation: string; unit: string; level: string; path: string[]; day: LocalDate | null; due: Due | null }, act: Act): Assignment {
  const assignment: Assignment = {
    id: assignmentId(what.plan, what.obligation, what.unit, what.day), plan: what.plan, obligation: what.obligation, unit: what.unit, level: what.level, path: what.path, day: what.day,
    planDue: what.due, due: what.due, loadedLate: what.due !== null && act.at >= what.due.deadline,
    state: 'open', countedAt: null, verdict: null, extended: false, version: 0, receipt: null, awaitsReview: false,
    correction: null, extension: null, asked: null, waiver: null, wave: null, trail: [], rev: 0,
  };
  return settle(assignment, act, 'opened', {});
}

/** The one place where verdict, extension mark and wave are derived; every transition ends here. */
function settle(assignment: Assignment, act: Act, did: TrailEntry['did'], facts: Record<string, string>): Assignment {
  const standing = assignment.countedAt;
  const verdict: Verdict | null = standing === null ? null : judge(standing, assignment.due?.deadline ?? null);
  // An amendment can leave a later due in force too; "extended" is said only where it is the extension's day.
  const byExtension = assignment.extension !== null && assignment.extension.lastDay === assignment.due?.lastDay;
  const extended = verdict === 'on-time' && byExtension && assignment.planDue !== null && standing !== null && standing >= assignment.planDue.deadline;
  const settled = { ...assignment, verdict, extended, trail: [...assignment.trail, { at: act.at, by: act.by, did, facts }] };
  return { ...settled, wave: waveOf(settled) };
}

/** The wave an assignment is reminded by: of its deadline or day while open, of its correction while returned; null when nothing is owed or nothing can be late. */
export function waveOf(assignment: Pick<Assignment, 'plan' | 'obligation' | 'state' | 'due' | 'day' | 'correction'>): string | null {
  const { plan, obligation } = assignment;
  // Where the plan gives no date a returned version is never overdue either, and nobody is reminded of it.
  if (assignment.state === 'returned' && assignment.correction && assignment.due) return waveId(plan, obligation, 'correction', assignment.correction.due);
  if (assignment.state !== 'open') return null;
  if (assignment.due) return waveId(plan, obligation, 'deadline', assignment.due);
  return assignment.day ? waveId(plan, obligation, 'day', { lastDay: assignment.day, deadline: null }) : null;
}

function laterDue(a: Due | null, b: Due | null): Due | null {
  if (!a || !b) return a ?? b;
  return a.deadline >= b.deadline ? a : b;
}

function dueInForce(assignment: Assignment, calendar: Calendar): Due | null {
  if (!assignment.planDue || !assignment.extension) return assignment.planDue;
  return laterDue(assignment.planDue, dueOnLastDay(assignment.extension.lastDay, calendar));
}

function refuseEnded(assignment: Assignment): void {
  if (assignment.state === 'waived') throw new Refusal('assignment-waived');
  if (assignment.state === 'void') throw new Refusal('assignment-void');
}

/** What an assignment needs to know of a version. `sentAt` tells which of two was sent first, however late either was read. */
export type TakenVersion = Pick<Submission, 'version' | 'countedAt' | 'receipt'> & Partial<Pick<Submission, 'sentAt' | 'awaitsReview'>>;

/**
 * Takes a version in. The first *sent* of those that stand decides the verdict, even when it is read after a later one; after a waiver it is kept as voluntary and changes no figure.
 * Throws Refusal `already-accepted` or `assignment-void`.
 */
export function takeSubmission(assignment: Assignment, submission: TakenVersion, act: Act): Assignment {
  if (assignment.state === 'accepted') throw new Refusal('already-accepted');
  if (assignment.state === 'void') throw new Refusal('assignment-void');
  const version = Math.max(assignment.version, submission.version);
  const facts = { version: String(submission.version), receipt: submission.receipt };
  if (assignment.state === 'waived') return settle({ ...assignment, version }, act, 'submitted', { ...facts, voluntary: 'yes' });
  return settle(standOn({ ...assignment, version }, submission), act, 'submitted', facts);
}

function standOn(assignment: Assignment, submission: Omit<TakenVersion, 'version'>): Assignment {
  // A deed counts by its declared day, not by its stamp: there the first one that was read stays, so that a correction cannot change its verdict.
  const countsByStamp = submission.sentAt?.getTime() === submission.countedAt.getTime();
  const first = assignment.countedAt === null || (countsByStamp && submission.countedAt < assignment.countedAt);
  const awaitsReview = assignment.awaitsReview || submission.awaitsReview === true;
  return { ...assignment, state: 'submitted', correction: null, awaitsReview, countedAt: first ? submission.countedAt : assignment.countedAt, receipt: first ? submission.receipt : assignment.receipt };
}

/** Takes back all versions; the assignment is open again under the plan's (or the extension's) due. Throws Refusal `not-withdrawable`. */
export function withdraw(assignment: Assignment, calendar: Calendar, act: Act): Assignment {
  if (assignment.state !== 'submitted' && assignment.state !== 'returned') throw new Refusal('not-withdrawable');
  const facts = { receipt: assignment.receipt ?? '' };
  const reopened: Assignment = { ...assignment, state: 'open', countedAt: null, receipt: null, awaitsReview: false, correction: null };
  return settle({ ...reopened, due: dueInForce(reopened, calendar) }, act, 'withdrawn', facts);
}

/** Accepts what was handed in. Throws Refusal `not-acceptable`; accepting twice changes nothing. */
export function accept(assignment: Assignment, act: Act): Assignment {
  if (assignment.state === 'accepted') return assignment;
  if (assignment.state !== 'submitted') throw new Refusal('not-acceptable');
  return settle({ ...assignment, state: 'accepted', awaitsReview: false }, act, 'accepted', {});
}

/** Returns what was handed in with a reason and a day for the correction (default: five working days). The first verdict stays. Throws Refusal `not-returnable`. */
export function returnForCorrection(assignment: Assignment, reason: string, lastDay: LocalDate | null, calendar: Calendar, act: Act): Assignment {
  if (assignment.state !== 'submitted') throw new Refusal('not-returnable');
  const today = calendar.dayOf(act.at);
  if (lastDay !== null && lastDay < today) throw new Refusal('extension-not-later', { day: today });
  const due = dueOnLastDay(lastDay ?? calendar.addWorkingDays(today, correctionWorkingDays), calendar);
  return settle({ ...assignment, state: 'returned', correction: { due, reason, by: act.by, at: act.at } }, act, 'returned', { reason, lastDay: due.lastDay });
}

/** Keeps a wish for more time until the staff decides. Throws Refusal `extension-not-later` when the day is not after the one in force. */
export function askExtension(assignment: Assignment, lastDay: LocalDate, why: string, act: Act): Assignment {
  refuseEnded(assignment);
  if (!assignment.due) throw new Refusal('extension-none');
  if (lastDay <= assignment.due.lastDay) throw new Refusal('extension-not-later', { day: assignment.due.lastDay });
  return settle({ ...assignment, asked: { lastDay, why, by: act.by, at: act.at } }, act, 'asked-extension', { lastDay, why });
}

/** Says no to a wish for more time. Throws Refusal `extension-none` when nothing was asked. */
export function refuseExtension(assignment: Assignment, why: string, act: Act): Assignment {
  if (!assignment.asked) throw new Refusal('extension-none');
  return settle({ ...assignment, asked: null }, act, 'refused-extension', { why });
}

/** Gives one assignment a new last valid day (inclusive), never an earlier one; the verdict follows at once. Throws Refusal `extension-not-later`. */
export function extend(assignment: Assignment, lastDay: LocalDate, why: string, calendar: Calendar, act: Act): Assignment {
  refuseEnded(assignment);
  if (!assignment.due) throw new Refusal('extension-none');
  const due = dueOnLastDay(lastDay, calendar);
  // By the instant: where the plan names an hour, the whole of that same day is later.
  if (due.deadline <= assignment.due.deadline) throw new Refusal('extension-not-later', { day: assignment.due.lastDay });
  const before = assignment.verdict ?? '';
  const changed: Assignment = { ...assignment, due, extension: { lastDay, why, by: act.by, at: act.at }, asked: null };
  const after = changed.countedAt === null ? '' : judge(changed.countedAt, changed.due?.deadline ?? null);
  return settle(changed, act, 'extended', { lastDay, why, before, after });
}

/** Ends an assignment whatever its state. Waiving twice changes nothing. Throws Refusal `assignment-void`. */
export function waive(assignment: Assignment, why: string, act: Act): Assignment {
  if (assignment.state === 'waived') return assignment;
  if (assignment.state === 'void') throw new Refusal('assignment-void');
  return settle({ ...assignment, state: 'waived', waiver: { before: assignment.state, why, by: act.by, at: act.at } }, act, 'waived', { why });
}

/** Restores the state before the waiver; what was sent meanwhile (oldest first) counts with its own stamp. Throws Refusal `waiver-none`. */
export function takeBackWaiver(assignment: Assignment, voluntary: readonly Omit<TakenVersion, 'version'>[], act: Act): Assignment {
  if (assignment.state !== 'waived' || !assignment.waiver) throw new Refusal('waiver-none');
  const restored: Assignment = { ...assignment, state: assignment.waiver.before, waiver: null };
  const counted = restored.state === 'accepted' ? restored : voluntary.reduce(standOn, restored);
  return settle(counted, act, 'waiver-taken-back', {});
}

/** Closes it with its unit: void when nothing was handed in, untouched otherwise. */
export function voidWithUnit(assignment: Assignment, closed: LocalDate, act: Act): Assignment {
  if (assignment.state !== 'open') return assignment;
  return settle({ ...assignment, state: 'void' }, act, 'voided', { closed });
}

/** Moves what is still owed with its unit; what was handed in stays where it was earned. */
export function moveWithUnit(assignment: Assignment, place: { level: string; path: string[] }): Assignment {
  return assignment.state === 'open' ? { ...assignment, level: place.level, path: place.path } : assignment;
}

/**
 * Applies an amended plan: to what is still open as written (a later extension stays); to what was sent only where it makes the verdict better.
 * What ended with its unit stays as it was. Amended to a day already past, it is marked as loaded late.
 */
export function amendDue(assignment: Assignment, planDue: Due | null, calendar: Calendar, act: Act): Assignment {
  if (assignment.state === 'void' || assignment.planDue?.deadline.getTime() === planDue?.deadline.getTime()) return assignment;
  const amended: Assignment = { ...assignment, planDue };
  const asWritten = dueInForce(amended, calendar);
  const due = assignment.countedAt === null || asWritten === null ? asWritten : assignment.due === null ? null : laterDue(assignment.due, asWritten);
  const isPast = (at: Due | null): boolean => at !== null && act.at >= at.deadline;
  const loadedLate = assignment.countedAt === null ? isPast(due) && (assignment.loadedLate || !isPast(assignment.due)) : assignment.loadedLate;
  return settle({ ...amended, due, loadedLate }, act, 'amended', { before: assignment.planDue?.lastDay ?? '', after: planDue?.lastDay ?? '' });
}

/** Where an assignment stands in the figures: expected = onTime + late + missing + pending + waived; `void` is not expected. */
export type Bucket = 'onTime' | 'late' | 'missing' | 'pending' | 'waived' | 'void';

/** The bucket at a moment. Only `open` needs the present time: its instant has passed or not. */
export function bucketOf(assignment: Pick<Assignment, 'state' | 'verdict'> & { deadline: Date | null }, now: Date): Bucket {
  if (assignment.state === 'waived' || assignment.state === 'void') return assignment.state;
  if (assignment.state !== 'open') return assignment.verdict === 'late' ? 'late' : 'onTime';
  return assignment.deadline !== null && now >= assignment.deadline ? 'missing' : 'pending';
}

/**
 * The due from which on it is overdue: the one in force while open; while returned the later of that and the correction's day.
 * Null when nothing is owed or nothing can be late. Days late are counted from its last valid day.
 */
export function overdueFrom(assignment: Pick<Assignment, 'state' | 'due' | 'correction'>): Due | null {
  const { due, correction } = assignment;
  if (!due) return null;
  if (assignment.state === 'open') return due;
  return assignment.state === 'returned' && correction ? laterDue(due, correction.due) : null;
}

/** Overdue: open and the instant has passed, or returned and both the correction's day and the plan's own instant have passed. */
export function isOverdue(assignment: Pick<Assignment, 'state' | 'due' | 'correction'>, now: Date): boolean {
  const from = overdueFrom(assignment);
  return from !== null && now >= from.deadline;
}
