import { z } from 'zod';
import { inboxKey, type Reply } from '../domain/message.ts';
import { Refusal } from '../domain/refusal.ts';
import { textLimit } from '../domain/submission.ts';
import { listDuties, readOwnAssignment } from '../services/assignments.ts';
import { checkText, handIn, handInEdited } from '../services/submissions.ts';
import { askWhichDuty, dueOfDuty, titleOfDuty } from './duty.ts';
import { receiptReply } from './receipt.ts';
import { requirePerson, typedText } from './screen.ts';
import { takeFile } from './submission.ts';
import { draftOwner, type DialogPart, type PersonTurn } from './turn.ts';

const flow = 'focus';
const draftSchema = z.object({ assignment: z.string() });

/** `/nhiemvu`: the unit's focus task and other texts, written in the chat and read back in the receipt. */
export const focusDialog: DialogPart = {
  commands: [{ name: 'nhiemvu', aliases: ['nhiem vu', 'nhiem vu trong tam', 'dot pha', 'focus'], roles: ['chair'], run: (turn, rest) => offerTexts(requirePerson(turn), rest) }],
  choices: { nv: (turn, [id = '']) => askText(turn, id) },
  drafts: { [flow]: (turn, draft) => takeText(turn, draftSchema.parse(draft.data).assignment, typedText(turn)) },
  async edit(turn) {
    const { core, person, incoming } = turn;
    if (incoming.content.kind !== 'text' || incoming.edits === null) return null;
    const text = incoming.content.text.replace(/^\/\S+\s*/, '');
    const handed = await handInEdited(core, person, `${incoming.channel}:${incoming.edits}`, { text, source: inboxKey(incoming), channel: incoming.channel, at: incoming.at });
    return handed && receiptReply(turn, handed);
  },
};

async function offerTexts(turn: PersonTurn, rest: string): Promise<Reply> {
  const all = (await listDuties(turn.core, turn.person)).filter(({ assignment, obligation }) => obligation.deliverable === 'text' && assignment.state !== 'accepted' && assignment.state !== 'waived');
  // The focus task is meant; what is written for a day to act on is reached by the list of duties, unless there is nothing else.
  const tasks = all.filter(({ assignment }) => assignment.day === null);
  const texts = tasks.length > 0 ? tasks : all;
  const [only] = texts;
  if (!only) throw new Refusal('nothing-open');
  if (texts.length === 1) return rest === '' ? askText(turn, only.assignment.id) : takeText(turn, only.assignment.id, rest);
  return askWhichDuty(turn, turn.say('focus.which'), texts, 'nv');
}

async function askText(turn: PersonTurn, id: string): Promise<Reply> {
  const view = await readOwnAssignment(turn.core, turn.person, id);
  if (view.obligation.deliverable !== 'text') throw new Refusal('wrong-deliverable');
  if (view.assignment.state === 'accepted') throw new Refusal('already-accepted');
  if (view.assignment.state === 'void') throw new Refusal('assignment-void');
  await turn.core.store.drafts.set(draftOwner(turn), { flow, data: { assignment: id }, at: turn.incoming.at });
  const key = view.assignment.state === 'submitted' ? 'focus.write-again' : 'focus.write';
  return { text: [turn.say(key, { title: titleOfDuty(turn, view), unit: view.unit.name, limit: textLimit }), turn.say('submission.due', { due: dueOfDuty(turn, view) })].join('\n') };
}

async function takeText(turn: PersonTurn, assignment: string, text: string | null): Promise<Reply> {
  const { core, person, incoming } = turn;
  if (text === null) return takeFile(turn);
  const content = { kind: 'text' as const, text: checkText(text) };
  // A text that is no good is asked for again; where the duty itself refuses, the next words must not run into the same refusal.
  await core.store.drafts.clear(draftOwner(turn));
  const handed = await handIn(core, person, { assignment, source: inboxKey(incoming), channel: incoming.channel, at: incoming.at, content });
  return receiptReply(turn, handed, turn.say('focus.taken'));
}
