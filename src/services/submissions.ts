import { takeSubmission, type Assignment } from '../domain/assignment.ts';
import { daysBetween } from '../domain/calendar.ts';
import { shortRef } from '../domain/choice.ts';
import type { Deliverable } from '../domain/obligation.ts';
import type { ChannelName, Person } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import { declaredBackLimit, textLimit, type KeptFile, type Submission, type Submitted } from '../domain/submission.ts';
import type { Core } from '../ports.ts';
import { listDuties, readAssignment, readOwnAssignment, viewAssignment, type AssignmentView } from './assignments.ts';
import { dropFiles } from './files.ts';
import { notify } from './notify.ts';

const participantLimit = 1_000_000;
const contentOf: Readonly<Partial<Record<Deliverable, Submitted['kind']>>> = { report: 'files', text: 'text', confirmation: 'deed' };

/** What somebody hands in. */
export interface HandIn {
  assignment: string;
  /** `channel:messageId`, or what names the album or the upload: unique, so that a repeat makes no second version. */
  source: string;
  channel: ChannelName;
  /** The sender's stamp. */
  at: Date;
  content: Submitted;
}

/** What came of it. */
export interface HandedIn extends AssignmentView {
  submission: Submission;
  /** The same bytes were taken before: nothing new was made, the first receipt is shown. */
  repeat: boolean;
}

/** The id of the submission a source makes; short enough for a button. */
export function submissionId(source: string): string {
  return shortRef(source);
}

/**
 * Takes a version in: checked, numbered, kept, judged, and told to the unit's other chairs. Every step can be repeated after a crash at any line: the source is
 * unique, its receipt number too, and the assignment takes a receipt only once. Throws Refusal `assignment-unknown`, `not-allowed`, `wrong-deliverable`,
 * `already-accepted`, `assignment-void`, `text-empty`, `text-too-long`, `day-in-future`, `count-malformed`.
 */
export async function handIn(core: Core, viewer: Person, what: HandIn): Promise<HandedIn> {
  const earlier = await findHandedIn(core, viewer, what.source);
  if (earlier) return earlier;
  const view = await readOwnAssignment(core, viewer, what.assignment);
  const { assignment, obligation, plan } = view;
  const content = checkContent(core, what);
  if (contentOf[obligation.deliverable] !== content.kind) throw new Refusal('wrong-deliverable', { title: obligation.title[viewer.language] });
  if (assignment.state === 'accepted') throw new Refusal('already-accepted', { receipt: assignment.receipt ?? '' });
  if (assignment.state === 'void') throw new Refusal('assignment-void');
  const same = content.kind === 'files' ? await findSameBytes(core, assignment.id, content.files) : null;
  if (same) {
    if (content.kind === 'files' && same.content.kind === 'files') await dropFiles(core, content.files, same.content.files);
    return { ...view, submission: same, repeat: true };
  }
  const receipt = await core.store.receipts.issue(plan.year, what.source);
  const submission = await core.store.submissions.insert({
    id: submissionId(what.source), assignment: assignment.id, plan: plan.plan, unit: assignment.unit, version: assignment.version + 1, content,
    sentAt: what.at, countedAt: content.kind === 'deed' ? core.calendar.instantOf(content.day) : what.at, receivedAt: core.clock(), by: viewer.id, source: what.source, channel: what.channel,
    receipt, voluntary: assignment.state === 'waived', awaitsReview: obligation.review || (content.kind === 'deed' && daysBetween(content.day, core.calendar.dayOf(what.at)) > declaredBackLimit), withdrawnAt: null,
  });
  return { ...(await finishSubmission(core, viewer, submission)), repeat: false };
}

/** What that message (album, upload) was handed in as, brought to its end where a crash cut it off; null when it was not. Throws Refusal `already-accepted`, `not-allowed`. */
export async function findHandedIn(core: Core, viewer: Person, source: string): Promise<HandedIn | null> {
  const stored = await core.store.submissions.bySource(source);
  return stored && { ...(await finishSubmission(core, viewer, stored)), repeat: false };
}

/** Lets the assignment take a stored version and tells the other chairs; both only once. */
async function finishSubmission(core: Core, viewer: Person, submission: Submission): Promise<AssignmentView & { submission: Submission }> {
  const act = { by: submission.by, at: submission.sentAt };
  const assignment = await core.store.assignments.change(submission.assignment, (stored) => (hasTaken(stored, submission) ? stored : takeSubmission(stored, submission, act)));
  const chairs = await core.store.people.chairsOf([submission.unit]);
  const others = submission.withdrawnAt === null ? chairs.filter((chair) => chair.id !== submission.by) : [];
  await notify(core, others.map((person) => ({ key: `receipt/${submission.id}/${person.id}`, notice: { kind: 'receipt' as const, submission: submission.id }, person, about: assignment.id })));
  return { ...(await readAssignment(core, viewer, assignment.id)), submission };
}

function hasTaken(assignment: Assignment, submission: Submission): boolean {
  return assignment.trail.some((entry) => entry.did === 'submitted' && entry.facts.receipt === submission.receipt);
}

/**
 * Adds a file to the album it was sent with, once its first file was handed in. Null when that has not happened (or was taken back): the file then stands for itself.
 * Throws Refusal `already-accepted`, `not-allowed`.
 */
export async function addToAlbum(core: Core, viewer: Person, source: string, file: KeptFile): Promise<HandedIn | null> {
  const album = await core.store.submissions.bySource(source);
  if (!album || album.withdrawnAt !== null || album.content.kind !== 'files') return null;
  const view = await readOwnAssignment(core, viewer, album.assignment);
  const known = album.content.files.some((kept) => kept.sha256 === file.sha256);
  if (!known && view.assignment.state === 'accepted') throw new Refusal('already-accepted', { receipt: view.assignment.receipt ?? '' });
  const submission = known ? album : await core.store.submissions.addFile(album.id, file);
  return { ...(await finishSubmission(core, viewer, submission)), repeat: known && !album.content.files.some((kept) => kept.fileId === file.fileId) };
}

/**
 * Makes a version of an edited message that was a text handed in: it carries the edit's stamp, the first sending's verdict stays. Null when that message was none, or was taken back.
 * Throws like {@link handIn}.
 */
export async function handInEdited(core: Core, viewer: Person, edited: string, what: Omit<HandIn, 'assignment' | 'content'> & { text: string }): Promise<HandedIn | null> {
  const first = await core.store.submissions.bySource(edited);
  if (!first || first.content.kind !== 'text' || first.by !== viewer.id || first.withdrawnAt !== null) return null;
  const { text, ...rest } = what;
  return handIn(core, viewer, { ...rest, assignment: first.assignment, content: { kind: 'text', text } });
}

/** Where a file could belong. */
export interface FileTargets {
  /** Reports still owed, by urgency: one of them alone is where the file goes. */
  owed: AssignmentView[];
  /** Handed in and not accepted: the file could replace a version; or waived: it could be sent as voluntary. */
  others: AssignmentView[];
  /** How many are accepted: what is left to say when nothing else fits. */
  accepted: AssignmentView[];
  /** A standing version with the same bytes. */
  same: HandedIn | null;
}

/** Finds where a report file of this person could belong, over all their units. */
export async function findFileTargets(core: Core, viewer: Person, files: readonly KeptFile[]): Promise<FileTargets> {
  const reports = (await listDuties(core, viewer)).filter(({ obligation }) => obligation.deliverable === 'report');
  const inState = (...states: Assignment['state'][]) => reports.filter(({ assignment }) => states.includes(assignment.state));
  for (const view of reports.filter(({ assignment }) => assignment.version > 0)) {
    const submission = await findSameBytes(core, view.assignment.id, files);
    if (submission) return { owed: inState('open', 'returned'), others: inState('submitted', 'waived'), accepted: inState('accepted'), same: { ...view, submission, repeat: true } };
  }
  return { owed: inState('open', 'returned'), others: inState('submitted', 'waived'), accepted: inState('accepted'), same: null };
}

async function findSameBytes(core: Core, assignment: string, files: readonly KeptFile[]): Promise<Submission | null> {
  let found: Submission | null = null;
  for (const file of files) {
    found = await core.store.submissions.withBytes(assignment, file.sha256);
    if (!found) return null;
  }
  return found;
}

/** One version with its assignment, if the viewer may read its unit. Throws Refusal `choice-old`, `not-allowed`. */
export async function readSubmission(core: Core, viewer: Person, id: string): Promise<HandedIn> {
  const submission = await core.store.submissions.get(id);
  if (!submission) throw new Refusal('choice-old');
  return { ...(await readAssignment(core, viewer, submission.assignment)), submission, repeat: false };
}

/** The same for a notice at the moment of delivery; null when the version is gone or was taken back. */
export async function viewSubmission(core: Core, id: string): Promise<HandedIn | null> {
  const submission = await core.store.submissions.get(id);
  const assignment = submission && (await core.store.assignments.get(submission.assignment));
  if (!submission || !assignment || submission.withdrawnAt !== null) return null;
  const view = await viewAssignment(core, assignment);
  return view && { ...view, submission, repeat: false };
}

function checkContent(core: Core, what: HandIn): Submitted {
  const { content, at } = what;
  if (content.kind === 'files') return content;
  if (content.kind === 'text') return { kind: 'text', text: checkText(content.text) };
  const today = core.calendar.dayOf(at);
  if (content.day > today) throw new Refusal('day-in-future', { day: content.day, today });
  if (!Number.isInteger(content.participants) || content.participants < 1 || content.participants > participantLimit) throw new Refusal('count-malformed');
  return content;
}

/** A text fit to be handed in. Throws Refusal `text-empty`, `text-too-long`. @example checkText(' Một việc ') → 'Một việc' */
export function checkText(text: string): string {
  const words = text.normalize('NFC').trim();
  if (words === '') throw new Refusal('text-empty');
  if (words.length > textLimit) throw new Refusal('text-too-long', { limit: textLimit, length: words.length });
  return words;
}
