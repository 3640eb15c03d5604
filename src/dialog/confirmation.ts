import { z } from 'zod';
import { daysBetween, localDateSchema, type LocalDate } from '../domain/calendar.ts';
import { readCount, readDay, readDayAmongWords } from '../domain/day.ts';
import { inboxKey, type Reply } from '../domain/message.ts';
import { Refusal } from '../domain/refusal.ts';
import { declaredBackLimit } from '../domain/submission.ts';
import { listDuties, readOwnAssignment, type AssignmentView } from '../services/assignments.ts';
import { handIn, readSubmission, submissionId } from '../services/submissions.ts';
import { askWhichDuty, dueOfDuty, namedDuties, titleOfDuty } from './duty.ts';
import { receiptReply } from './receipt.ts';
import { button, requirePerson, screen, typedText } from './screen.ts';
import { takeFile } from './submission.ts';
import { draftOwner, type DialogPart, type PersonTurn } from './turn.ts';

const dayFlow = 'deed-day';
const countFlow = 'deed-count';
const sureFlow = 'deed-sure';
const dayDraft = z.object({ assignment: z.string() });
const countDraft = z.object({ assignment: z.string(), day: localDateSchema });
const sureDraft = z.object({ assignment: z.string(), day: localDateSchema, participants: z.number().int(), source: z.string() });

/** `/xacnhan`: a thing done, confirmed by the day it was done on and the number of participants. */
export const confirmationDialog: DialogPart = {
  commands: [{ name: 'xacnhan', aliases: ['xac nhan', 'confirm', 'da hoc', 'da lam'], roles: ['chair'], run: (turn, rest) => offerDeeds(requirePerson(turn), rest) }],
  choices: {
    'xn': (turn, [id = '']) => askDay(turn, id),
    'xn-ghi': (turn, [ref = '']) => recordDeed(turn, ref),
  },
  drafts: {
    [dayFlow]: (turn, draft) => takeDay(turn, dayDraft.parse(draft.data).assignment),
    [countFlow]: (turn, draft) => takeCount(turn, countDraft.parse(draft.data)),
    [sureFlow]: (turn, draft) => typedText(turn) === null ? takeFile(turn) : readBack(turn, sureDraft.parse(draft.data)),
  },
};

async function offerDeeds(turn: PersonTurn, rest: string): Promise<Reply> {
  const deeds = (await listDuties(turn.core, turn.person)).filter(({ assignment, obligation }) => obligation.deliverable === 'confirmation' && assignment.state !== 'accepted' && assignment.state !== 'waived');
  const owed = deeds.filter(({ assignment }) => assignment.state !== 'submitted');
  const said = readDayAmongWords(rest, turn.core.calendar.dayOf(turn.incoming.at));
  const offered = namedDuties(turn, owed.length > 0 ? owed : deeds, said ? said.words : rest);
  const [only] = offered;
  if (!only) throw new Refusal('nothing-open');
  if (offered.length === 1) return said ? takeSaid(turn, only.assignment.id, said) : askDay(turn, only.assignment.id);
  return askWhichDuty(turn, turn.say('confirmation.which'), offered, 'xn');
}

async function readDeed(turn: PersonTurn, id: string): Promise<AssignmentView> {
  const view = await readOwnAssignment(turn.core, turn.person, id);
  if (view.obligation.deliverable !== 'confirmation') throw new Refusal('wrong-deliverable');
  if (view.assignment.state === 'accepted') throw new Refusal('already-accepted');
  if (view.assignment.state === 'void') throw new Refusal('assignment-void');
  return view;
}

async function askDay(turn: PersonTurn, id: string): Promise<Reply> {
  const view = await readDeed(turn, id);
  await turn.core.store.drafts.set(draftOwner(turn), { flow: dayFlow, data: { assignment: id }, at: turn.incoming.at });
  const stands = view.assignment.state === 'submitted' ? turn.say('confirmation.stands', { receipt: view.assignment.receipt ?? '' }) : null;
  return screen({ pressedOn: null }, [turn.say('confirmation.day', { title: titleOfDuty(turn, view) }), turn.say('submission.due', { due: dueOfDuty(turn, view) }), stands]);
}

async function takeDay(turn: PersonTurn, assignment: string): Promise<Reply> {
  const typed = typedText(turn);
  if (typed === null) return takeFile(turn);
  const today = turn.core.calendar.dayOf(turn.incoming.at);
  const said = readDayAmongWords(typed, today);
  // Words before the day are no part of the answer here; a day in a spelling of its own may still be read whole.
  const day = said?.words === '' ? said.day : readDay(typed, today);
  if (day === null) throw new Refusal('day-malformed');
  return takeSaid(turn, assignment, { day, count: said?.words === '' ? said.count : null });
}

/** Day and number may come in one message. Future days are refused here already, so that nobody counts heads for nothing. */
async function takeSaid(turn: PersonTurn, assignment: string, said: { day: LocalDate; count: number | null }): Promise<Reply> {
  const { core, incoming } = turn;
  const { day, count } = said;
  const today = core.calendar.dayOf(incoming.at);
  if (day > today) throw new Refusal('day-in-future', { day, today });
  if (count !== null) return takeNumber(turn, { assignment, day }, count);
  await readDeed(turn, assignment);
  await core.store.drafts.set(draftOwner(turn), { flow: countFlow, data: { assignment, day, expects: 'number' }, at: incoming.at });
  return { text: turn.say('confirmation.count', { day }) };
}

async function takeCount(turn: PersonTurn, deed: z.infer<typeof countDraft>): Promise<Reply> {
  const typed = typedText(turn);
  return typed === null ? takeFile(turn) : takeNumber(turn, deed, readCount(typed));
}

async function takeNumber(turn: PersonTurn, deed: z.infer<typeof countDraft>, participants: number | null): Promise<Reply> {
  if (participants === null || participants < 1) throw new Refusal('count-malformed');
  const data = { assignment: deed.assignment, day: deed.day, participants, source: inboxKey(turn.incoming) };
  await turn.core.store.drafts.set(draftOwner(turn), { flow: sureFlow, data, at: turn.incoming.at });
  return readBack(turn, data);
}

async function readBack(turn: PersonTurn, deed: z.infer<typeof sureDraft>): Promise<Reply> {
  const view = await readDeed(turn, deed.assignment);
  const today = turn.core.calendar.dayOf(turn.incoming.at);
  const back = daysBetween(deed.day, today) > declaredBackLimit;
  const lines = [
    turn.say('confirmation.read-back', { title: titleOfDuty(turn, view), unit: view.unit.name, day: deed.day, declared: today, participants: deed.participants }),
    back ? turn.say('confirmation.awaits-review', { limit: declaredBackLimit }) : null,
  ];
  return screen({ pressedOn: null }, lines, [[button(turn.say('confirmation.yes'), 'xn-ghi', submissionId(deed.source)), button(turn.say('confirmation.again'), 'xn', deed.assignment)]]);
}

/** Pressed again it shows the receipt again. */
async function recordDeed(turn: PersonTurn, ref: string): Promise<Reply> {
  const { core, person, incoming } = turn;
  const draft = await core.store.drafts.get(draftOwner(turn));
  const deed = sureDraft.safeParse(draft?.flow === sureFlow ? draft.data : null);
  if (!deed.success || submissionId(deed.data.source) !== ref) return receiptReply(turn, await readSubmission(core, person, ref));
  const { assignment, day, participants, source } = deed.data;
  const handed = await handIn(core, person, { assignment, source, channel: incoming.channel, at: incoming.at, content: { kind: 'deed', day, participants } });
  await core.store.drafts.clear(draftOwner(turn));
  return receiptReply(turn, handed);
}
