import { can } from '../domain/access.ts';
import { daysBetween } from '../domain/calendar.ts';
import type { Reply } from '../domain/message.ts';
import { declaredBackLimit, type KeptFile } from '../domain/submission.ts';
import { viewSubmission, type HandedIn } from '../services/submissions.ts';
import { stateOfDuty, titleOfDuty, verdictOfDuty, type Speaker } from './duty.ts';
import { button, shorten } from './screen.ts';
import type { DialogPart, PersonTurn } from './turn.ts';

const filesShown = 5;
const textShown = 1500;

/** Receipts: in the chat of the sender as an answer, to the other chairs of the unit as a notice. */
export const receiptDialog: DialogPart = {
  notices: {
    async receipt(notice, to) {
      const handed = await viewSubmission(to.core, notice.submission);
      if (!handed || !can(to.person, 'unit.read', handed.unit)) return null;
      const sender = await to.core.store.people.get(handed.submission.by);
      const lines = [sender ? to.say('receipt.by', { name: sender.name }) : null, ...receiptLines(to, handed)];
      return { text: lines.filter((line) => line !== null).join('\n'), choices: [[button(to.say('receipt.view'), 'viec', handed.assignment.id, 'm')]] };
    },
  },
};

/** The receipt as an answer, with what can be done next. `before` is a line that stands above it. */
export function receiptReply(turn: PersonTurn, handed: HandedIn, before: string | null = null): Reply {
  const { assignment, submission } = handed;
  const first = handed.repeat ? turn.say('receipt.again') : before;
  const mayWithdraw = submission.withdrawnAt === null && (assignment.state === 'submitted' || assignment.state === 'returned');
  const choices = [button(turn.say('receipt.view'), 'viec', assignment.id, 'm'), ...(mayWithdraw ? [button(turn.say('receipt.withdraw'), 'rut', assignment.id, assignment.version)] : [])];
  const returned = handed.repeat && assignment.state === 'returned' ? stateOfDuty(turn, handed) : null;
  return { text: [first, ...receiptLines(turn, handed), returned].filter((line) => line !== null).join('\n'), choices: [choices] };
}

/** The receipt in words alone, for a page. */
export function receiptText(speaker: Speaker, handed: HandedIn): string {
  return receiptLines(speaker, handed).filter((line) => line !== null).join('\n');
}

/** A file's line: name, size and the first eight letters of its SHA-256. @example '📎 bao-cao.pdf — 1,2 MB, SHA-256 3fa94c01' */
export function sayFile(speaker: Pick<Speaker, 'say'>, file: KeptFile): string {
  return speaker.say('receipt.file', { name: file.name, size: saySize(speaker, file.size), hash: file.sha256.slice(0, 8) });
}

function receiptLines(speaker: Speaker, handed: HandedIn): (string | null)[] {
  const { say } = speaker;
  const { assignment, submission, unit } = handed;
  const { content } = submission;
  const declared = speaker.core.calendar.dayOf(submission.sentAt);
  const verdict = submission.voluntary ? say('receipt.voluntary') : submission.version > 1 && assignment.receipt !== submission.receipt
    ? say('receipt.first-counts', { verdict: verdictOfDuty(speaker, assignment), receipt: assignment.receipt ?? submission.receipt })
    : say('receipt.verdict', { verdict: verdictOfDuty(speaker, assignment) });
  return [
    say('receipt.number', { receipt: submission.receipt }),
    titleOfDuty(speaker, handed),
    say('receipt.unit', { unit: unit.name }),
    say('receipt.sent', { at: submission.sentAt }),
    submission.withdrawnAt === null ? verdict : say('receipt.withdrawn', { at: submission.withdrawnAt }),
    submission.version > 1 ? say('receipt.version', { version: submission.version }) : null,
    ...(content.kind === 'files' ? content.files.slice(0, filesShown).map((file) => sayFile(speaker, file)) : []),
    content.kind === 'files' && content.files.length > filesShown ? say('receipt.more-files', { count: content.files.length - filesShown }) : null,
    content.kind === 'text' ? say('receipt.text', { text: shorten(content.text, textShown) }) : null,
    content.kind === 'deed' ? say('receipt.deed', { day: content.day, declared, participants: content.participants }) : null,
    content.kind === 'deed' && daysBetween(content.day, declared) > declaredBackLimit ? say('receipt.awaits-review', { limit: declaredBackLimit }) : null,
    submission.awaitsReview && assignment.state === 'submitted' ? say('receipt.to-review') : null,
  ];
}

function saySize(speaker: Pick<Speaker, 'say'>, bytes: number): string {
  if (bytes < 1024) return speaker.say('receipt.bytes', { count: bytes });
  if (bytes < 1024 * 1024) return speaker.say('receipt.kilobytes', { n: Math.round(bytes / 1024) });
  return speaker.say('receipt.megabytes', { n: Math.round((bytes / 1024 / 1024) * 10) / 10 });
}
