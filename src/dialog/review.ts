import { correctionWorkingDays, type Assignment } from '../domain/assignment.ts';
import { daysBetween, localDateSchema } from '../domain/calendar.ts';
import { readDay } from '../domain/day.ts';
import type { Choice, Reply } from '../domain/message.ts';
import { Refusal } from '../domain/refusal.ts';
import { declaredBackLimit, type Submission } from '../domain/submission.ts';
import type { Draft } from '../ports.ts';
import { currentPlan } from '../services/current-plan.ts';
import { acceptSubmission, filesOf, listReviews, readReview, readReviewFile, restoreAssignment, returnSubmission, waiveAssignment } from '../services/reviews.ts';
import { titleOf } from '../services/scopes.ts';
import { assignmentLines } from './evidence.ts';
import { button, longListSize, requirePerson, screen, shorten, typedText } from './screen.ts';
import { draftOwner, type DialogPart, type PersonTurn } from './turn.ts';

const fileButtons = 6;
const reasonLimit = 500;

/** `/duyet`: the review queue, opening files, accepting, returning with a reason and a day, waiving and taking a waiver back. */
export const reviewDialog: DialogPart = {
  commands: [{ name: 'duyet', aliases: ['xet duyet', 'review'], roles: ['staff'], run: (turn) => showQueue(requirePerson(turn), null) }],
  choices: {
    'dy-ds': (turn, [after]) => showQueue(turn, after || null),
    'dy': (turn, [id]) => showReview(turn, id),
    'dy-tep': (turn, [id, index]) => sendFile(turn, id, Number(index)),
    'dy-duoc': async (turn, [id]) => {
      await acceptSubmission(turn.core, turn.person, known(id), turn.incoming.at);
      return screen(turn, [turn.say('review.accepted')], [nextChoice(turn)]);
    },
    'dy-tra': async (turn, [id]) => ask(turn, 'review-reason', known(id), 'review.ask-reason'),
    'dy-ngay': async (turn, [id, day]) => finishReturn(turn, known(id), localDateSchema.safeParse(day).data ?? null),
    'dy-mien': async (turn, [id]) => ask(turn, 'review-waive', known(id), 'review.ask-why-waive'),
    'dy-bomien': async (turn, [id]) => {
      await restoreAssignment(turn.core, turn.person, known(id), turn.incoming.at);
      return screen(turn, [turn.say('review.restored')], [nextChoice(turn)]);
    },
  },
  drafts: {
    'review-reason': takeReason,
    'review-day': takeDay,
    'review-waive': takeWaiver,
  },
};

function known(id: string | undefined): string {
  if (!id) throw new Refusal('choice-unknown');
  return id;
}

function nextChoice(turn: PersonTurn): Choice {
  return button(turn.say('review.next'), 'dy-ds');
}

async function showQueue(turn: PersonTurn, after: string | null): Promise<Reply> {
  const plan = await currentPlan(turn.core);
  const page = await listReviews(turn.core, turn.person, plan.plan, { after, limit: longListSize });
  if (page.items.length === 0) return screen(turn, [turn.say('review.none')]);
  return screen(
    turn,
    [
      turn.say('review.title', { plan: plan.plan }),
      ...page.items.map(({ assignment, unit }, index) => turn.say('review.entry', { n: index + 1, unit: unit.name, obligation: titleOf(plan, assignment.obligation, turn.language), t: assignment.countedAt })),
    ],
    [
      ...page.items.map(({ assignment, unit }, index) => button(turn.say('review.open', { n: index + 1, unit: unit.name }), 'dy', assignment.id)),
      [
        ...(after === null ? [] : [button(turn.say('screen.first'), 'dy-ds')]),
        ...(page.next === null ? [] : [button(turn.say('screen.next'), 'dy-ds', page.next)]),
      ],
    ],
  );
}

/** The screen of one assignment for the office: what was handed in, and every decision that can be taken now. */
async function showReview(turn: PersonTurn, id: string | undefined): Promise<Reply> {
  const { assignment, unit, versions } = await readReview(turn.core, turn.person, known(id));
  const files = filesOf(versions).slice(0, fileButtons);
  const { state } = assignment;
  return screen(
    turn,
    [
      ...(await assignmentLines(turn, assignment, unit)),
      ...(versions.length === 0 ? [turn.say('review.unread')] : versions.slice(0, 2).map((version) => versionLine(turn, version))),
      versions.some((version) => isFarBack(turn, version)) ? turn.say('review.far-back') : null,
      assignment.waiver ? turn.say('review.waived-why', { why: shorten(assignment.waiver.why, 160) }) : null,
      assignment.asked ? turn.say('review.asked', { day: assignment.asked.lastDay, why: shorten(assignment.asked.why, 160) }) : null,
    ],
    [
      ...files.map((file, index) => button(turn.say('review.open-file', { name: file.name }), 'dy-tep', assignment.id, index)),
      state === 'submitted' ? [button(turn.say('review.accept'), 'dy-duoc', assignment.id), button(turn.say('review.return'), 'dy-tra', assignment.id)] : null,
      ...extensionChoices(turn, assignment),
      state === 'waived' ? button(turn.say('review.restore'), 'dy-bomien', assignment.id) : state === 'void' ? null : button(turn.say('review.waive'), 'dy-mien', assignment.id),
      button(turn.say('review.queue'), 'dy-ds'),
    ],
  );
}

function extensionChoices(turn: PersonTurn, assignment: Assignment): (Choice | null)[] {
  if (!assignment.due || assignment.state === 'waived' || assignment.state === 'void') return [];
  return [
    assignment.asked ? button(turn.say('review.grant', { day: assignment.asked.lastDay }), 'gh-duoc', assignment.id, assignment.asked.lastDay) : null,
    button(turn.say('review.grant-other'), 'gh-ngay', assignment.id),
    assignment.asked ? button(turn.say('review.refuse'), 'gh-khong', assignment.id) : null,
  ];
}

function isFarBack(turn: PersonTurn, version: Submission): boolean {
  return version.content.kind === 'deed' && daysBetween(version.content.day, turn.core.calendar.dayOf(version.sentAt)) > declaredBackLimit;
}

function versionLine(turn: PersonTurn, version: Submission): string {
  const { content } = version;
  const what = content.kind === 'files' ? turn.say('review.files', { count: content.files.length })
    : content.kind === 'text' ? turn.say('review.text', { text: shorten(content.text, 300) })
    : turn.say('review.deed', { day: content.day, participants: content.participants });
  const line = turn.say('review.version', { version: version.version, t: version.sentAt, what });
  return version.voluntary ? `${line} ${turn.say('review.voluntary')}` : line;
}

async function sendFile(turn: PersonTurn, id: string | undefined, index: number): Promise<Reply> {
  const document = await readReviewFile(turn.core, turn.person, known(id), index);
  return { text: turn.say('review.file-sent', { name: document.name }), document };
}

/** Begins a question whose answer is the person's next message. */
async function ask(turn: PersonTurn, flow: string, id: string, key: string): Promise<Reply> {
  const { unit } = await readReview(turn.core, turn.person, id);
  await turn.core.store.drafts.set(draftOwner(turn), { flow, data: { assignment: id }, at: turn.incoming.at });
  return { text: turn.say(key, { unit: unit.name }) };
}

/** The reason in the person's words. Throws Refusal `text-empty` (a file came) or `text-too-long`. */
function reasonOf(turn: PersonTurn): string {
  const typed = typedText(turn);
  if (!typed) throw new Refusal('text-empty');
  if (typed.length > reasonLimit) throw new Refusal('text-too-long', { limit: reasonLimit, length: typed.length });
  return typed;
}

async function takeReason(turn: PersonTurn, draft: Draft): Promise<Reply> {
  const reason = reasonOf(turn);
  const id = String(draft.data.assignment);
  const day = turn.core.calendar.addWorkingDays(turn.core.calendar.dayOf(turn.incoming.at), correctionWorkingDays);
  await turn.core.store.drafts.set(draftOwner(turn), { flow: 'review-day', data: { assignment: id, reason }, at: turn.incoming.at });
  return { text: turn.say('review.ask-day', { day }), choices: [[button(turn.say('review.default-day', { day }), 'dy-ngay', id, day)]] };
}

async function takeDay(turn: PersonTurn, draft: Draft): Promise<Reply> {
  const day = readDay(typedText(turn) ?? '', turn.core.calendar.dayOf(turn.incoming.at));
  if (!day) throw new Refusal('day-malformed');
  return finishReturn(turn, String(draft.data.assignment), day);
}

/** The day's button and a typed day end the same draft: the reason lies there and nowhere else. */
async function finishReturn(turn: PersonTurn, id: string, day: string | null): Promise<Reply> {
  const draft = await turn.core.store.drafts.get(draftOwner(turn));
  if (draft?.flow !== 'review-day' || draft.data.assignment !== id || !day) throw new Refusal('choice-old');
  const returned = await returnSubmission(turn.core, turn.person, id, String(draft.data.reason), day, turn.incoming.at);
  await turn.core.store.drafts.clear(draftOwner(turn));
  return screen(turn, [turn.say('review.returned', { day: returned.correction?.due.lastDay ?? day })], [nextChoice(turn)]);
}

async function takeWaiver(turn: PersonTurn, draft: Draft): Promise<Reply> {
  await waiveAssignment(turn.core, turn.person, String(draft.data.assignment), reasonOf(turn), turn.incoming.at);
  await turn.core.store.drafts.clear(draftOwner(turn));
  return screen(turn, [turn.say('review.waived')], [nextChoice(turn)]);
}
