import { requireAccess, type Viewer } from '../domain/access.ts';
import { accept, extend, refuseExtension, returnForCorrection, takeBackWaiver, waive, type Act, type Assignment, type TrailEntry } from '../domain/assignment.ts';
import type { LocalDate } from '../domain/calendar.ts';
import type { OutgoingDocument } from '../domain/message.ts';
import type { Notice } from '../domain/notice.ts';
import { Refusal } from '../domain/refusal.ts';
import type { KeptFile, Submission } from '../domain/submission.ts';
import type { Unit } from '../domain/unit.ts';
import type { Core, Page, PageRequest } from '../ports.ts';
import { currentPlan } from './current-plan.ts';
import { notify } from './notify.ts';
import { ensureWaveOf } from './waves.ts';

/** One entry of a queue of the office: an assignment with its unit. */
export interface QueueEntry {
  assignment: Assignment;
  unit: Unit;
}

/** What was handed in and waits for a review, oldest first. Throws Refusal `not-allowed`. */
export async function listReviews(core: Core, viewer: Viewer, plan: string, page: PageRequest): Promise<Page<QueueEntry>> {
  requireAccess(viewer, 'review');
  return withUnits(core, await core.store.assignments.awaitingReview(plan, page));
}

/** Wishes for more time that wait for a decision. Throws Refusal `not-allowed`. */
export async function listAskedExtensions(core: Core, viewer: Viewer, plan: string, page: PageRequest): Promise<Page<QueueEntry>> {
  requireAccess(viewer, 'review');
  return withUnits(core, await core.store.assignments.askedExtension(plan, page));
}

/** An assignment as a reviewer sees it: with every version handed in, the newest first. Throws Refusal `assignment-unknown` or `not-allowed`. */
export async function readReview(core: Core, viewer: Viewer, id: string): Promise<QueueEntry & { versions: Submission[] }> {
  requireAccess(viewer, 'review');
  const assignment = await core.store.assignments.get(id);
  const unit = assignment && (await core.store.units.get(assignment.unit));
  if (!assignment || !unit) throw new Refusal('assignment-unknown');
  const versions = await core.store.submissions.ofAssignment(id);
  return { assignment, unit, versions: versions.filter((version) => version.withdrawnAt === null).sort((a, b) => b.version - a.version) };
}

/** The files of the newest version that has any. */
export function filesOf(versions: readonly Submission[]): KeptFile[] {
  return versions.flatMap((version) => (version.content.kind === 'files' ? [version.content.files] : []))[0] ?? [];
}

/** One of the files, ready to be sent. Throws Refusal `not-allowed`, `assignment-unknown` or `file-gone`. */
export async function readReviewFile(core: Core, viewer: Viewer, id: string, index: number): Promise<OutgoingDocument> {
  const { unit, versions } = await readReview(core, viewer, id);
  requireAccess(viewer, 'file.read', unit);
  const file = filesOf(versions)[index];
  const kept = file && (await core.store.files.describe(file.fileId));
  if (!file || !kept) throw new Refusal('file-gone');
  return { fileId: file.fileId, name: file.name, mime: kept.mime, size: kept.size };
}

/** Accepts what was handed in and tells the unit's chairs. Throws Refusal `not-allowed`, `assignment-unknown` or `not-acceptable`. */
export function acceptSubmission(core: Core, viewer: Viewer, id: string, at: Date): Promise<Assignment> {
  return decide(core, viewer, id, at, 'accepted', (assignment, act) => accept(assignment, act));
}

/**
 * Returns what was handed in with a reason and a day for the correction (null: five working days) and tells the unit's chairs.
 * Throws Refusal `not-allowed`, `assignment-unknown`, `not-returnable` or `extension-not-later` (a day that has passed).
 */
export function returnSubmission(core: Core, viewer: Viewer, id: string, reason: string, lastDay: LocalDate | null, at: Date): Promise<Assignment> {
  return decide(core, viewer, id, at, 'returned', (assignment, act) => returnForCorrection(assignment, reason, lastDay, core.calendar, act));
}

/** Ends an assignment whatever its state and tells the unit's chairs. Throws Refusal `not-allowed`, `assignment-unknown` or `assignment-void`. */
export function waiveAssignment(core: Core, viewer: Viewer, id: string, why: string, at: Date): Promise<Assignment> {
  return decide(core, viewer, id, at, 'waived', (assignment, act) => waive(assignment, why, act));
}

/** Restores the state before the waiver; what was sent meanwhile counts with its own stamp. Throws Refusal `not-allowed`, `assignment-unknown` or `waiver-none`. */
export async function restoreAssignment(core: Core, viewer: Viewer, id: string, at: Date): Promise<Assignment> {
  requireAccess(viewer, 'review');
  const versions = await core.store.submissions.ofAssignment(id);
  const voluntary = versions.filter((version) => version.voluntary && version.withdrawnAt === null).sort((a, b) => a.version - b.version);
  return decide(core, viewer, id, at, 'waiver-taken-back', (assignment, act) => takeBackWaiver(assignment, voluntary, act));
}

/**
 * Gives one assignment a new last valid day; the verdict follows at once, the receipt keeps its number, the chairs are told.
 * Throws Refusal `not-allowed`, `assignment-unknown`, `extension-not-later`, `extension-none`, `assignment-waived` or `assignment-void`.
 */
export function grantExtension(core: Core, viewer: Viewer, id: string, lastDay: LocalDate, why: string, at: Date): Promise<Assignment> {
  return decide(core, viewer, id, at, 'extended', (assignment, act) => extend(assignment, lastDay, why, core.calendar, act));
}

/** Says no to a wish for more time and tells the chairs. Throws Refusal `not-allowed`, `assignment-unknown` or `extension-none`. */
export function declineExtension(core: Core, viewer: Viewer, id: string, why: string, at: Date): Promise<Assignment> {
  return decide(core, viewer, id, at, 'refused-extension', (assignment, act) => refuseExtension(assignment, why, act));
}

type Decision = Extract<Notice, { kind: 'decision' }>['did'];

/**
 * One decision, safe over a kill between any two of its steps: the message that asked for it (its stamp and its sender) is its identity.
 * The wave comes before the change, so that nothing owed is ever without reminders; asked again, the change is found in the trail and only
 * the notices, which have keys, are put once more.
 */
async function decide(core: Core, viewer: Viewer, id: string, at: Date, did: Decision, apply: (assignment: Assignment, act: Act) => Assignment): Promise<Assignment> {
  requireAccess(viewer, 'review');
  const act: Act = { by: viewer.id, at };
  const isThis = (entry: TrailEntry) => entry.did === did && entry.by === act.by && entry.at.getTime() === at.getTime();
  const before = await core.store.assignments.get(id);
  if (!before) throw new Refusal('assignment-unknown');
  if (!before.trail.some(isThis)) {
    const plan = await currentPlan(core, before.plan);
    await ensureWaveOf(core, plan, apply(before, act));
  }
  const after = await core.store.assignments.change(id, (assignment) => (assignment.trail.some(isThis) ? assignment : apply(assignment, act)));
  const entry = after.trail.findLast(isThis);
  // Accepting or waiving a second time changes nothing and tells nobody.
  if (entry) await tellChairs(core, after, did, entry);
  return after;
}

async function tellChairs(core: Core, assignment: Assignment, did: Decision, entry: TrailEntry): Promise<void> {
  const chairs = await core.store.people.chairsOf([assignment.unit]);
  await notify(core, chairs.map((person) => ({
    key: `decision/${assignment.id}/${did}/${entry.at.getTime()}/${person.id}`,
    notice: { kind: 'decision' as const, assignment: assignment.id, did, facts: entry.facts }, person, about: assignment.id,
  })));
}

async function withUnits(core: Core, page: Page<Assignment>): Promise<Page<QueueEntry>> {
  const units = new Map((await core.store.units.many([...new Set(page.items.map((assignment) => assignment.unit))])).map((unit) => [unit.code, unit]));
  return { items: page.items.flatMap((assignment) => { const unit = units.get(assignment.unit); return unit ? [{ assignment, unit }] : []; }), next: page.next };
}
