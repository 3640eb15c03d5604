import { z } from 'zod';
import { localDateSchema } from '../domain/calendar.ts';
import { shortRef } from '../domain/choice.ts';
import { readDay } from '../domain/day.ts';
import { dueOf } from '../domain/deadline.ts';
import { inboxKey, type Choice, type Reply } from '../domain/message.ts';
import { mayChange } from '../domain/pledge.ts';
import { Refusal } from '../domain/refusal.ts';
import { declaredBackLimit, textLimit } from '../domain/submission.ts';
import type { Unit } from '../domain/unit.ts';
import { listOwnUnits, ownUnitByRef } from '../services/members.ts';
import { confirmOwnPledge, listPledges, overviewPledges, paperRef, readOwnPledge, readPaperPledge, recordPaperPledge, rewriteFromEdit, writeOwnPledge, type PledgeView } from '../services/pledges.ts';
import { sayDaysLeft, sayDue } from './deadline.ts';
import { button, pageNumber, requirePerson, screen, shortListSize, typedText } from './screen.ts';
import { draftOwner, type DialogPart, type PersonTurn } from './turn.ts';

const textFlow = 'pledge-text';
const formFlow = 'pledge-form';
const nameFlow = 'paper-name';
const dayFlow = 'paper-day';
const sureFlow = 'paper-sure';
const questions = ['pledge.question-1', 'pledge.question-2', 'pledge.question-3'] as const;
const namesShown = 12;
const formDraft = z.object({ answers: z.array(z.string()) });
const nameDraft = z.object({ unit: z.string() });
const dayDraft = z.object({ unit: z.string(), name: z.string() });
const sureDraft = z.object({ unit: z.string(), name: z.string(), day: localDateSchema, source: z.string() });
const aliases = ['cam ket', 'ban cam ket', 'dang ky', 'ban dang ky', 'pledge'];

/** `/camket`: a member's own pledge, and for a chair how the unit stands with pledges on telephones and on paper. */
export const pledgeDialog: DialogPart = {
  commands: [
    { name: 'camket', aliases, roles: ['member'], run: (turn, rest) => (rest === '' ? showOwnPledge(requirePerson(turn)) : takeText(requirePerson(turn), rest, inboxKey(turn.incoming))) },
    { name: 'camket', aliases, roles: ['chair'], run: (turn) => chooseUnit(requirePerson(turn)) },
  ],
  choices: {
    'ck': (turn) => showOwnPledge(turn),
    'ck-viet': (turn) => askText(turn),
    'ck-hoi': (turn) => askQuestion(turn, []),
    'ck-xn': (turn) => confirm(turn),
    'ck-dv': async (turn, [ref = '']) => showOverview(turn, await ownUnitByRef(turn.core, turn.person, ref)),
    'ck-ds': async (turn, [ref = '', which, page]) => showList(turn, await ownUnitByRef(turn.core, turn.person, ref), which === 'done' ? 'done' : 'missing', pageNumber(page)),
    'ck-giay': async (turn, [ref = '']) => askPaperName(turn, await ownUnitByRef(turn.core, turn.person, ref)),
    'ck-ghi': (turn, [ref = '']) => recordPaper(turn, ref),
  },
  drafts: {
    [textFlow]: (turn) => takeText(turn, wordsOf(turn), inboxKey(turn.incoming)),
    [formFlow]: (turn, draft) => takeAnswer(turn, formDraft.parse(draft.data).answers),
    [nameFlow]: (turn, draft) => takePaperName(turn, nameDraft.parse(draft.data).unit),
    [dayFlow]: (turn, draft) => takePaperDay(turn, dayDraft.parse(draft.data)),
    [sureFlow]: async (turn, draft) => readPaperBack(turn, sureDraft.parse(draft.data)),
  },
  async edit(turn) {
    const { core, person, incoming } = turn;
    if (incoming.content.kind !== 'text' || incoming.edits === null) return null;
    const text = incoming.content.text.replace(/^\/\S+\s*/, '');
    const view = await rewriteFromEdit(core, person, `${incoming.channel}:${incoming.edits}`, text, incoming.at);
    return view && pledgeReply(turn, view);
  },
};

/** Words, never a file: a pledge is written by the person. */
function wordsOf(turn: PersonTurn): string {
  const typed = typedText(turn);
  if (typed === null) throw new Refusal('pledge-empty');
  return typed;
}

/** The person's own pledge as it stands, and what can be done about it. While nothing is written yet the next words are taken for it. */
export async function showOwnPledge(turn: PersonTurn): Promise<Reply> {
  const view = await readOwnPledge(turn.core, turn.person);
  if (view.pledge.state === 'open') await turn.core.store.drafts.set(draftOwner(turn), { flow: textFlow, data: {}, at: turn.incoming.at });
  return pledgeReply(turn, view);
}

function pledgeReply(turn: PersonTurn, view: PledgeView): Reply {
  const { say, core, incoming } = turn;
  const { pledge, obligation } = view;
  const due = dueOf(obligation.due, core.calendar);
  const left = due && pledge.state !== 'confirmed' ? sayDaysLeft(say, due, core.clock(), core.calendar) : null;
  const head = [obligation.title[turn.language], say('submission.due', { due: sayDue(say, obligation, due) }), left];
  if (pledge.state === 'open') return screen({ pressedOn: null }, [...head, say('pledge.begin', { limit: textLimit })], [writeChoices(turn)]);
  const text = say('pledge.text', { text: pledge.text });
  if (pledge.state === 'draft') return screen({ pressedOn: null }, [...head, text, say('pledge.not-confirmed')], [button(say('pledge.confirm'), 'ck-xn'), writeChoices(turn)]);
  const verdict = say(pledge.deadline === null ? 'status.no-verdict' : pledge.verdict === 'late' ? 'status.late' : 'status.on-time');
  const changeable = mayChange(pledge, incoming.at);
  return screen({ pressedOn: null }, [say('receipt.number', { receipt: pledge.receipt ?? '' }), ...head, say('pledge.confirmed', { at: pledge.confirmedAt, verdict }), text, say(changeable ? 'pledge.may-change' : 'pledge.closed')], [changeable ? writeChoices(turn) : null]);
}

function writeChoices(turn: PersonTurn): Choice[] {
  return [button(turn.say('pledge.write'), 'ck-viet'), button(turn.say('pledge.form'), 'ck-hoi')];
}

async function askText(turn: PersonTurn): Promise<Reply> {
  await readChangeable(turn);
  await turn.core.store.drafts.set(draftOwner(turn), { flow: textFlow, data: {}, at: turn.incoming.at });
  return { text: turn.say('pledge.write-now', { limit: textLimit }) };
}

async function readChangeable(turn: PersonTurn): Promise<PledgeView> {
  const view = await readOwnPledge(turn.core, turn.person);
  if (!mayChange(view.pledge, turn.incoming.at)) throw new Refusal('pledge-closed');
  return view;
}

async function takeText(turn: PersonTurn, text: string, source: string | null): Promise<Reply> {
  const view = await writeOwnPledge(turn.core, turn.person, text, turn.incoming.at, source);
  await turn.core.store.drafts.clear(draftOwner(turn));
  return pledgeReply(turn, view);
}

async function askQuestion(turn: PersonTurn, answers: readonly string[]): Promise<Reply> {
  await readChangeable(turn);
  await turn.core.store.drafts.set(draftOwner(turn), { flow: formFlow, data: { answers, expects: 'number' }, at: turn.incoming.at });
  return { text: turn.say('pledge.question', { step: answers.length + 1, steps: questions.length, question: turn.say(questions[answers.length] ?? questions[0]) }) };
}

async function takeAnswer(turn: PersonTurn, before: readonly string[]): Promise<Reply> {
  const answer = wordsOf(turn);
  if (answer === '') throw new Refusal('pledge-empty');
  const answers = [...before, answer];
  const length = answers.join('\n').length;
  if (length > textLimit) throw new Refusal('text-too-long', { limit: textLimit, length });
  if (answers.length < questions.length) return askQuestion(turn, answers);
  return takeText(turn, questions.map((question, index) => turn.say('pledge.answered', { question: turn.say(question), answer: answers[index] })).join('\n'), null);
}

async function confirm(turn: PersonTurn): Promise<Reply> {
  const view = await confirmOwnPledge(turn.core, turn.person, turn.incoming.at);
  return pledgeReply(turn, view);
}

async function chooseUnit(turn: PersonTurn): Promise<Reply> {
  const units = await listOwnUnits(turn.core, turn.person);
  const [only] = units;
  if (only && units.length === 1) return showOverview(turn, only);
  return screen(turn, [turn.say('pledge.which-unit')], units.slice(0, shortListSize).map((unit) => button(unit.name, 'ck-dv', shortRef(unit.code))));
}

async function showOverview(turn: PersonTurn, unit: Unit): Promise<Reply> {
  const { say, core } = turn;
  const { obligation, expected, joined, confirmed, paper, missing } = await overviewPledges(core, turn.person, unit.code);
  const due = dueOf(obligation.due, core.calendar);
  const ref = shortRef(unit.code);
  const lines = [
    obligation.title[turn.language], say('receipt.unit', { unit: unit.name }), say('submission.due', { due: sayDue(say, obligation, due) }),
    due ? sayDaysLeft(say, due, core.clock(), core.calendar) : null, say('pledge.counts', { expected, joined, confirmed, paper, missing }),
  ];
  return screen(turn, lines, [[button(say('pledge.done'), 'ck-ds', ref, 'done', 0), button(say('pledge.missing'), 'ck-ds', ref, 'missing', 0)], button(say('pledge.paper'), 'ck-giay', ref), button(say('pledge.join'), 'doan-moi', ref)]);
}

async function showList(turn: PersonTurn, unit: Unit, which: 'done' | 'missing', page: number): Promise<Reply> {
  const { say } = turn;
  const list = await listPledges(turn.core, turn.person, unit.code, which, page, namesShown);
  const ref = shortRef(unit.code);
  const lines = list.lines.map((line) => say(line.paper ? 'pledge.line-paper' : line.state === 'draft' ? 'pledge.line-draft' : line.verdict === 'late' ? 'pledge.line-late' : which === 'done' ? 'pledge.line-done' : 'pledge.line-open', { name: line.name }));
  const turning = [...(list.page > 0 ? [button(say('screen.first'), 'ck-ds', ref, which, 0)] : []), ...(list.page + 1 < list.pages ? [button(say('screen.next'), 'ck-ds', ref, which, list.page + 1)] : [])];
  return screen(turn, [say(`pledge.list-${which}`, { unit: unit.name, count: list.total }), list.pages > 1 ? say('status.page', { page: list.page + 1, pages: list.pages }) : null, ...lines, which === 'missing' ? say('pledge.not-joined') : null], [turning, button(say('screen.back'), 'ck-dv', ref)]);
}

async function askPaperName(turn: PersonTurn, unit: Unit): Promise<Reply> {
  await turn.core.store.drafts.set(draftOwner(turn), { flow: nameFlow, data: { unit: unit.code }, at: turn.incoming.at });
  return { text: turn.say('pledge.paper-name', { unit: unit.name }) };
}

async function takePaperName(turn: PersonTurn, unit: string): Promise<Reply> {
  const name = (typedText(turn) ?? '').replace(/\s+/g, ' ');
  if (name === '') throw new Refusal('text-empty');
  if (name.length > 200) throw new Refusal('text-too-long', { limit: 200, length: name.length });
  await turn.core.store.drafts.set(draftOwner(turn), { flow: dayFlow, data: { unit, name }, at: turn.incoming.at });
  return { text: turn.say('pledge.paper-day', { name }) };
}

async function takePaperDay(turn: PersonTurn, paper: z.infer<typeof dayDraft>): Promise<Reply> {
  const today = turn.core.calendar.dayOf(turn.incoming.at);
  const day = readDay(typedText(turn) ?? '', today);
  if (day === null) throw new Refusal('day-malformed');
  if (day > today) throw new Refusal('day-in-future', { day, today });
  const data = { ...paper, day, source: inboxKey(turn.incoming) };
  await turn.core.store.drafts.set(draftOwner(turn), { flow: sureFlow, data, at: turn.incoming.at });
  return readPaperBack(turn, data);
}

function readPaperBack(turn: PersonTurn, paper: z.infer<typeof sureDraft>): Reply {
  const declared = turn.core.calendar.dayOf(turn.incoming.at);
  return screen({ pressedOn: null }, [turn.say('pledge.paper-read-back', { name: paper.name, day: paper.day, declared })], [[button(turn.say('pledge.paper-yes'), 'ck-ghi', paperRef(paper.unit, paper.source)), button(turn.say('pledge.paper-again'), 'ck-giay', shortRef(paper.unit))]]);
}

/** Pressed again it shows what was recorded. */
async function recordPaper(turn: PersonTurn, ref: string): Promise<Reply> {
  const { core, person, incoming } = turn;
  const draft = await core.store.drafts.get(draftOwner(turn));
  const paper = sureDraft.safeParse(draft?.flow === sureFlow ? draft.data : null);
  const mine = paper.success && paperRef(paper.data.unit, paper.data.source) === ref;
  const { pledge } = mine ? await recordPaperPledge(core, person, { ...paper.data, at: incoming.at }) : await readPaperPledge(core, person, ref);
  if (mine) await core.store.drafts.clear(draftOwner(turn));
  const verdict = turn.say(pledge.deadline === null ? 'status.no-verdict' : pledge.verdict === 'late' ? 'status.late' : 'status.on-time');
  const lines = [
    turn.say('receipt.number', { receipt: pledge.receipt ?? '' }), turn.say('pledge.paper-recorded', { name: pledge.paperName ?? '', day: pledge.declaredDay ?? '', declared: pledge.confirmedAt, verdict }),
    pledge.awaitsReview ? turn.say('receipt.awaits-review', { limit: declaredBackLimit }) : null,
  ];
  return screen({ pressedOn: null }, lines, [[button(turn.say('pledge.paper-more'), 'ck-giay', shortRef(pledge.unit)), button(turn.say('pledge.overview'), 'ck-dv', shortRef(pledge.unit))]]);
}
