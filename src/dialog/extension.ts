import { z } from 'zod';
import { addDays, localDateSchema, type LocalDate } from '../domain/calendar.ts';
import { readDay } from '../domain/day.ts';
import type { Reply } from '../domain/message.ts';
import { Refusal } from '../domain/refusal.ts';
import { listDuties, readOwnAssignment, reasonLimit, requestExtension } from '../services/assignments.ts';
import { askWhichDuty, dueOfDuty, namedDuties, titleOfDuty } from './duty.ts';
import { button, requirePerson, screen, typedText } from './screen.ts';
import { takeFile } from './submission.ts';
import { draftOwner, type DialogPart, type PersonTurn } from './turn.ts';

const dayFlow = 'more-time-day';
const whyFlow = 'more-time-why';
const dayDraft = z.object({ assignment: z.string() });
const whyDraft = z.object({ assignment: z.string(), day: localDateSchema });
const offeredDays: readonly number[] = [3, 7, 14];

/** `/giahan` of a chair: asks the office for a later last day, with a reason. */
export const extensionDialog: DialogPart = {
  commands: [{ name: 'giahan', aliases: ['gia han', 'xin gia han', 'extension', 'more time'], roles: ['chair'], run: (turn, rest) => offerAsking(requirePerson(turn), rest) }],
  choices: {
    'xin': (turn, [id = '']) => askDay(turn, id),
    'xin-ngay': (turn, [id = '', day = '']) => takeDay(turn, id, localDateSchema.safeParse(day).success ? day : null),
  },
  drafts: {
    [dayFlow](turn, draft) {
      const typed = typedText(turn);
      return typed === null ? takeFile(turn) : takeDay(turn, dayDraft.parse(draft.data).assignment, readDay(typed, turn.core.calendar.dayOf(turn.incoming.at)));
    },
    [whyFlow](turn, draft) {
      const typed = typedText(turn);
      return typed === null ? takeFile(turn) : takeReason(turn, whyDraft.parse(draft.data), typed);
    },
  },
};

async function offerAsking(turn: PersonTurn, rest: string): Promise<Reply> {
  const owed = (await listDuties(turn.core, turn.person)).filter(({ assignment }) => assignment.due !== null && (assignment.state === 'open' || assignment.state === 'returned'));
  const offered = namedDuties(turn, owed, rest);
  const [only] = offered;
  if (!only) throw new Refusal('nothing-open');
  if (offered.length === 1) return askDay(turn, only.assignment.id);
  return askWhichDuty(turn, turn.say('extension.which'), offered, 'xin');
}

async function askDay(turn: PersonTurn, id: string): Promise<Reply> {
  const { core, person, incoming } = turn;
  const view = await readOwnAssignment(core, person, id);
  const { due, asked, state } = view.assignment;
  if (state === 'waived') throw new Refusal('assignment-waived');
  if (state === 'void') throw new Refusal('assignment-void');
  if (!due) throw new Refusal('extension-none');
  await core.store.drafts.set(draftOwner(turn), { flow: dayFlow, data: { assignment: id }, at: incoming.at });
  const today = core.calendar.dayOf(core.clock());
  const from = due.lastDay > today ? due.lastDay : today;
  const days = [...new Set(offeredDays.map((count) => core.calendar.workingDayOnOrAfter(addDays(from, count))))];
  const lines = [
    turn.say('extension.day', { title: titleOfDuty(turn, view) }), turn.say('submission.due', { due: dueOfDuty(turn, view) }),
    asked ? turn.say('extension.asked-before', { day: asked.lastDay }) : null,
  ];
  return screen({ pressedOn: null }, lines, [days.map((day) => button(turn.say('extension.until', { day }), 'xin-ngay', id, day))]);
}

async function takeDay(turn: PersonTurn, id: string, day: LocalDate | null): Promise<Reply> {
  const { core, person, incoming } = turn;
  const view = await readOwnAssignment(core, person, id);
  if (day === null) throw new Refusal('day-malformed');
  if (!view.assignment.due) throw new Refusal('extension-none');
  if (day <= view.assignment.due.lastDay) throw new Refusal('extension-not-later', { day: view.assignment.due.lastDay });
  await core.store.drafts.set(draftOwner(turn), { flow: whyFlow, data: { assignment: id, day }, at: incoming.at });
  return { text: turn.say('extension.why', { day, limit: reasonLimit }) };
}

async function takeReason(turn: PersonTurn, asked: z.infer<typeof whyDraft>, why: string): Promise<Reply> {
  const { core, person, incoming } = turn;
  const view = await requestExtension(core, person, asked.assignment, asked.day, why, incoming.at);
  await core.store.drafts.clear(draftOwner(turn));
  return { text: turn.say('extension.sent', { title: titleOfDuty(turn, view), unit: view.unit.name, day: asked.day, due: dueOfDuty(turn, view) }) };
}
