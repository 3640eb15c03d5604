import { z } from 'zod';
import { inboxKey, type Choice, type Incoming, type Reply } from '../domain/message.ts';
import { hasRole } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { KeptFile, Submission } from '../domain/submission.ts';
import { listDuties, readOwnAssignment, withdrawVersions, type AssignmentView } from '../services/assignments.ts';
import { documentOf, dropFiles, fileOfMessage, keepFile } from '../services/files.ts';
import { keptDraft, keptOwner, openKept, type KeptFiles } from '../services/kept-files.ts';
import { createLink, uploadLinkMs } from '../services/links.ts';
import { addToAlbum, findFileTargets, findHandedIn, handIn, readSubmission, submissionId, type FileTargets } from '../services/submissions.ts';
import { actionOfDuty, dueOfDuty, findNamed, labelOfDuty, namedDuties, stateOfDuty, titleOfDuty } from './duty.ts';
import { receiptReply, sayFile } from './receipt.ts';
import { button, dutyListSize, pageNumber, requirePerson, screen } from './screen.ts';
import { draftOwner, type DialogPart, type PersonTurn } from './turn.ts';

const flow = 'submission';
const noteLimit = 1000;
const waitingSchema = z.object({ assignment: z.string() });

/** `/nop` and simply sending a file: kept, matched to what it can belong to, asked by buttons where it could be several, and the receipt. */
export const submissionDialog: DialogPart = {
  commands: [{ name: 'nop', aliases: ['nop bao cao', 'gui bao cao', 'nop tep', 'submit'], roles: ['chair'], run: (turn, rest) => offerDuties(requirePerson(turn), rest) }],
  choices: {
    'nop': (turn, [id = '']) => waitForFile(turn, id),
    'nop-cho': (turn, [ref = '', id = '']) => handInKept(turn, ref, id),
    'nop-ds': (turn, [ref = '', page]) => turnTargets(turn, ref, pageNumber(page)),
    'rut': (turn, [id = '', version]) => askWithdraw(turn, id, pageNumber(version)),
    'rut-chac': (turn, [id = '', version]) => withdrawAll(turn, id, pageNumber(version)),
    'tep': (turn, [id = '', index]) => sendFile(turn, id, pageNumber(index)),
  },
  drafts: {
    async [flow](turn, draft) {
      const { assignment } = waitingSchema.parse(draft.data);
      if (fileContent(turn.incoming)) return receiveFile(turn, assignment);
      const view = await readOwnAssignment(turn.core, turn.person, assignment);
      return { text: turn.say('submission.still-waiting', { title: titleOfDuty(turn, view) }) };
    },
  },
  document: (turn) => receiveFile(turn, null),
  async edit(turn) {
    const { incoming, core, person } = turn;
    if (!fileContent(incoming) || incoming.edits === null) return null;
    const first = await core.store.submissions.bySource(`${incoming.channel}:${incoming.edits}`);
    if (!first || first.by !== person.id || first.withdrawnAt !== null) return null;
    return receiveFile(turn, first.assignment);
  },
};

/** A file that came where words were waited for: it goes the way of every file, and the question stays open. */
export function takeFile(turn: PersonTurn): Promise<Reply> {
  return receiveFile(turn, null);
}

function fileContent(incoming: Incoming) {
  return incoming.content.kind === 'document' || incoming.content.kind === 'image' ? incoming.content : null;
}

/** `/nop`: straight on where there is one report to hand in, else a choice of everything owed. */
async function offerDuties(turn: PersonTurn, rest: string): Promise<Reply> {
  const duties = await listDuties(turn.core, turn.person);
  const owed = duties.filter(({ assignment, obligation }) => (assignment.state === 'open' || assignment.state === 'returned') && obligation.deliverable !== 'notice');
  const replaceable = duties.filter(({ assignment, obligation }) => assignment.state === 'submitted' && obligation.deliverable === 'report');
  const offered = namedDuties(turn, owed.length > 0 ? owed : replaceable, rest);
  const [only] = offered;
  if (!only) throw new Refusal('nothing-open');
  if (offered.length === 1 && only.obligation.deliverable === 'report') return waitForFile(turn, only.assignment.id);
  const shown = offered.slice(0, dutyListSize);
  const lines = shown.map((view) => turn.say('status.line', { title: labelOfDuty(turn, view), due: dueOfDuty(turn, view), state: stateOfDuty(turn, view) }));
  const more = offered.length > shown.length ? [button(turn.say('submission.all'), 'viec-ds', '-', 0)] : [];
  return screen({ pressedOn: null }, [turn.say(owed.length > 0 ? 'submission.which-duty' : 'submission.which-replaced'), ...lines], [...shown.map((view) => actionOfDuty(turn, view, labelOfDuty(turn, view))), more]);
}

async function waitForFile(turn: PersonTurn, id: string): Promise<Reply> {
  const { core, person, incoming } = turn;
  const view = await readOwnAssignment(core, person, id);
  if (view.obligation.deliverable !== 'report') throw new Refusal('wrong-deliverable');
  if (view.assignment.state === 'accepted') throw new Refusal('already-accepted');
  if (view.assignment.state === 'void') throw new Refusal('assignment-void');
  await core.store.drafts.set(draftOwner(turn), { flow, data: { assignment: id }, at: incoming.at });
  const replaces = view.assignment.state === 'submitted' || view.assignment.state === 'waived';
  const { filesIn = true, plainToo = false } = core.channels.get(incoming.channel)?.capabilities ?? {};
  const url = filesIn && !plainToo ? null : createLink(core, { purpose: 'upload', person: person.id, subject: id, expiresAt: new Date(core.clock().getTime() + uploadLinkMs) });
  const page: Choice[][] = url === null ? [] : [[{ ...button(turn.say('submission.open-page'), 'viec', id), url }]];
  const lines = [
    turn.say(replaces ? 'submission.send-replacement' : filesIn ? 'submission.send' : 'submission.send-by-page', { title: titleOfDuty(turn, view) }),
    turn.say('submission.due', { due: dueOfDuty(turn, view) }), turn.say('submission.kinds'),
  ];
  return screen({ pressedOn: null }, lines, page);
}

async function receiveFile(turn: PersonTurn, chosen: string | null): Promise<Reply> {
  const { core, person, incoming } = turn;
  const content = fileContent(incoming);
  if (!content) throw new Refusal('file-unsupported-message');
  if (!hasRole(person, 'chair')) throw new Refusal('not-allowed');
  const key = inboxKey(incoming);
  const album = content.album === null ? null : `${incoming.channel}:${incoming.chat}:album:${content.album}`;
  const file = await keepFile(core, fileOfMessage(core, incoming.channel, key, content.file));
  if (album !== null) {
    const joined = await joinAlbum(turn, album, file);
    if (joined) return joined;
  }
  // An album that was taken back is not filled up again: a late file of it stands for itself.
  const source = album !== null && (await isOpenAlbum(turn, album, file)) ? album : key;
  const kept: KeptFiles = { person: person.id, files: [file], note: content.caption.normalize('NFC').trim().slice(0, noteLimit), at: incoming.at, source, channel: incoming.channel };
  const done = await findHandedIn(core, person, source);
  if (done) return receiptReply(turn, done);
  if (chosen !== null) {
    // First: where it is refused for good (accepted meanwhile), the next file must not run into the same refusal.
    if ((await core.store.drafts.get(draftOwner(turn)))?.flow === flow) await core.store.drafts.clear(draftOwner(turn));
    return receiptReply(turn, await handIn(core, person, { ...handInOf(kept), assignment: chosen }));
  }
  return matchFile(turn, kept);
}

function handInOf(kept: KeptFiles) {
  return { source: kept.source, channel: kept.channel, at: kept.at, content: { kind: 'files' as const, files: kept.files, note: kept.note } };
}

/** A further file of an album: beside the first one, whether that was handed in already or still waits for an answer. */
async function joinAlbum(turn: PersonTurn, source: string, file: KeptFile): Promise<Reply | null> {
  const { core, person } = turn;
  const waiting = await readKept(turn, submissionId(source));
  if (waiting) {
    if (waiting.files.some((kept) => kept.fileId === file.fileId || kept.sha256 === file.sha256)) return askTarget(turn, waiting, await findFileTargets(core, person, waiting.files), 0);
    const grown = { ...waiting, files: [...waiting.files, file] };
    await storeKept(turn, grown);
    return { text: turn.say('submission.kept-more', { file: sayFile(turn, file), count: grown.files.length }) };
  }
  // Handled again: the file that made the album gets its receipt, not "added".
  if (isFirst(await core.store.submissions.bySource(source), file)) return null;
  const added = await addToAlbum(core, person, source, file);
  if (!added) return null;
  if (added.repeat) return receiptReply(turn, added);
  return { text: turn.say('submission.added', { file: sayFile(turn, file), receipt: added.submission.receipt }) };
}

async function isOpenAlbum(turn: PersonTurn, source: string, file: KeptFile): Promise<boolean> {
  const before = await turn.core.store.submissions.bySource(source);
  return before === null || isFirst(before, file);
}

function isFirst(submission: Submission | null, file: KeptFile): boolean {
  return submission?.content.kind === 'files' && submission.content.files[0]?.fileId === file.fileId;
}

/** Straight to the report its caption names, or to the one still owed; asked where several fit; what has the same bytes was received already. */
async function matchFile(turn: PersonTurn, kept: KeptFiles): Promise<Reply> {
  const { core, person } = turn;
  const targets = await findFileTargets(core, person, kept.files);
  if (targets.same) {
    if (targets.owed.length === 0) {
      await dropFiles(core, kept.files);
      return receiptReply(turn, targets.same);
    }
    await storeKept(turn, kept);
    const receipt = receiptReply(turn, targets.same);
    return { ...receipt, choices: [...(receipt.choices ?? []), [button(turn.say('submission.for-another'), 'nop-ds', submissionId(kept.source), 0)]] };
  }
  const named = findNamed(turn, [...targets.owed, ...targets.others], kept.note);
  const fitting = named.length > 0 ? named : targets.owed;
  const owed = fitting.filter((view) => targets.owed.includes(view));
  const [meant, ...more] = owed.length > 0 ? owed : fitting;
  if (meant && more.length === 0) return receiptReply(turn, await handIn(core, person, { ...handInOf(kept), assignment: meant.assignment.id }));
  if (targets.owed.length + targets.others.length === 0) {
    await dropFiles(core, kept.files);
    throw new Refusal(targets.accepted.length > 0 ? 'already-accepted' : 'nothing-open');
  }
  await storeKept(turn, kept);
  return askTarget(turn, kept, targets, 0);
}

function askTarget(turn: PersonTurn, kept: KeptFiles, targets: FileTargets, page: number): Reply {
  const ref = submissionId(kept.source);
  const all: AssignmentView[] = [...targets.owed, ...targets.others];
  const shown = all.slice(page * dutyListSize, (page + 1) * dutyListSize);
  const lines = shown.map((view) => turn.say('status.line', { title: labelOfDuty(turn, view), due: dueOfDuty(turn, view), state: stateOfDuty(turn, view) }));
  const choices = shown.map((view) => {
    const owed = targets.owed.includes(view);
    const label = owed ? labelOfDuty(turn, view) : turn.say(view.assignment.state === 'waived' ? 'submission.as-voluntary' : 'submission.as-replacement', { title: labelOfDuty(turn, view) });
    return button(label, 'nop-cho', ref, view.assignment.id);
  });
  const next = all.length > (page + 1) * dutyListSize ? [button(turn.say('screen.next'), 'nop-ds', ref, page + 1)] : page > 0 ? [button(turn.say('screen.first'), 'nop-ds', ref, 0)] : [];
  return screen(turn, [...kept.files.map((file) => sayFile(turn, file)), turn.say(targets.owed.length > 0 ? 'submission.which' : 'submission.replaces'), ...lines], [...choices, next]);
}

async function turnTargets(turn: PersonTurn, ref: string, page: number): Promise<Reply> {
  const kept = await readKept(turn, ref);
  if (!kept) return receiptReply(turn, await readSubmission(turn.core, turn.person, ref));
  return askTarget(turn, kept, await findFileTargets(turn.core, turn.person, kept.files), page);
}

/** The answer to "what is it for?". Pressed twice it shows the receipt again; pressed by somebody else it is nothing. */
async function handInKept(turn: PersonTurn, ref: string, id: string): Promise<Reply> {
  const { core, person } = turn;
  const kept = await readKept(turn, ref);
  if (!kept) return receiptReply(turn, await readSubmission(core, person, ref));
  const handed = await handIn(core, person, { ...handInOf(kept), assignment: id });
  await core.store.drafts.clear(keptOwner(ref));
  return receiptReply(turn, handed);
}

async function storeKept(turn: PersonTurn, kept: KeptFiles): Promise<void> {
  await turn.core.store.drafts.set(keptOwner(submissionId(kept.source)), keptDraft(kept, turn.core.clock()));
}

async function readKept(turn: PersonTurn, ref: string): Promise<KeptFiles | null> {
  const kept = openKept(await turn.core.store.drafts.get(keptOwner(ref)), turn.core.clock());
  if (kept && kept.person !== turn.person.id) throw new Refusal('choice-old');
  return kept;
}

async function askWithdraw(turn: PersonTurn, id: string, version: number): Promise<Reply> {
  const view = await readOwnAssignment(turn.core, turn.person, id);
  const { assignment } = view;
  if (assignment.version !== version) throw new Refusal('choice-old');
  if (assignment.state !== 'submitted' && assignment.state !== 'returned') throw new Refusal('not-withdrawable');
  const passed = assignment.due !== null && turn.core.clock() >= assignment.due.deadline;
  const lines = [
    turn.say('submission.withdraw-ask', { receipt: assignment.receipt ?? '', title: titleOfDuty(turn, view) }),
    passed ? turn.say('submission.withdraw-late') : null,
  ];
  return screen({ pressedOn: null }, lines, [[button(turn.say('submission.withdraw-yes'), 'rut-chac', id, version), button(turn.say('submission.withdraw-no'), 'viec', id, 'm')]]);
}

async function withdrawAll(turn: PersonTurn, id: string, version: number): Promise<Reply> {
  const view = await withdrawVersions(turn.core, turn.person, id, version, turn.incoming.at);
  const action = actionOfDuty(turn, view);
  return screen({ pressedOn: null }, [turn.say('submission.withdrawn', { title: titleOfDuty(turn, view) }), dueOfDuty(turn, view)], [action]);
}

async function sendFile(turn: PersonTurn, id: string, index: number): Promise<Reply> {
  const { submission } = await readSubmission(turn.core, turn.person, id);
  const file = submission.content.kind === 'files' ? submission.content.files[index] : undefined;
  if (!file) throw new Refusal('choice-old');
  return { text: turn.say('submission.file', { receipt: submission.receipt, name: file.name }), document: documentOf(file) };
}
