import { shortRef } from '../domain/choice.ts';
import { can } from '../domain/access.ts';
import type { Reply } from '../domain/message.ts';
import { unitsOf } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Submission } from '../domain/submission.ts';
import { countBelow, listDuties, readAssignment, readVersions, type AssignmentView } from '../services/assignments.ts';
import { currentPlan } from '../services/current-plan.ts';
import { actionOfDuty, dueOfDuty, labelOfDuty, stateOfDuty, titleOfDuty } from './duty.ts';
import { showOwnPledge } from './pledge.ts';
import { button, dutyListSize, pageNumber, requirePerson, screen, shortListSize } from './screen.ts';
import { commandChoice, type DialogPart, type PersonTurn } from './turn.ts';

const versionsShown = 5;
const belowShown = 500;

/** `/trangthai`: what the chair's units owe, by urgency, and one duty with all that can be done about it; for a member the own pledge. */
export const statusDialog: DialogPart = {
  commands: [
    { name: 'trangthai', aliases: ['trang thai', 'viec', 'tinh hinh', 'status'], roles: ['chair'], run: (turn) => showUnits(requirePerson(turn)) },
    { name: 'trangthai', aliases: ['trang thai', 'viec', 'tinh hinh', 'status'], roles: ['member'], run: (turn) => showOwnPledge(requirePerson(turn)) },
  ],
  choices: {
    'viec-ds': (turn, [ref = '-', page]) => showDuties(turn, ref, pageNumber(page)),
    'viec': (turn, [id = '', fresh]) => showDuty(fresh === 'm' ? { ...turn, pressedOn: null } : turn, id),
    'trich': (turn, [id = '']) => showQuote(turn, id),
  },
};

/** One unit: its duties. Several: which one, with the number of overdue duties of each. */
async function showUnits(turn: PersonTurn): Promise<Reply> {
  const codes = unitsOf(turn.person, 'chair');
  if (codes.length <= 1) return showDuties(turn, '-', 0);
  const duties = await listDuties(turn.core, turn.person);
  const units = await turn.core.store.units.many(codes);
  const lines = units.map((unit) => {
    const own = duties.filter((view) => view.unit.code === unit.code);
    return turn.say('status.unit-line', { unit: unit.name, owed: own.filter(isOwed).length, overdue: own.filter((view) => view.overdue).length });
  });
  const choices = units.slice(0, shortListSize).map((unit) => button(unit.name, 'viec-ds', shortRef(unit.code), 0));
  return screen(turn, [turn.say('status.several-units'), ...lines], [...choices, button(turn.say('status.all-units'), 'viec-ds', '-', 0)]);
}

async function showDuties(turn: PersonTurn, ref: string, page: number): Promise<Reply> {
  const { core, person } = turn;
  const units = await core.store.units.many(unitsOf(person, 'chair'));
  const unit = ref === '-' ? (units.length === 1 ? units[0] : undefined) : units.find((candidate) => shortRef(candidate.code) === ref);
  if (units.length === 0) throw new Refusal('not-allowed');
  if (ref !== '-' && !unit) throw new Refusal('choice-old');
  const duties = await listDuties(core, person, unit?.code ?? null);
  const pages = Math.max(1, Math.ceil(duties.length / dutyListSize));
  const at = Math.min(page, pages - 1);
  const shown = duties.slice(at * dutyListSize, (at + 1) * dutyListSize);
  const title = (view: AssignmentView) => (unit ? titleOfDuty(turn, view) : labelOfDuty(turn, view));
  const lines = shown.map((view) => turn.say('status.line', { title: title(view), due: dueOfDuty(turn, view), state: stateOfDuty(turn, view) }));
  const head = turn.say('status.head', { unit: unit?.name ?? turn.say('status.your-units'), owed: duties.filter(isOwed).length, overdue: duties.filter((view) => view.overdue).length });
  const below = unit && at === 0 ? await countBelow(core, person, unit, (await currentPlan(core)).plan, belowShown) : null;
  const belowLine = below === null ? null : turn.say(below >= belowShown ? 'status.below-more' : 'status.below', { count: below });
  const turning = [
    ...(at > 0 ? [button(turn.say('screen.first'), 'viec-ds', ref, 0)] : []),
    ...(at + 1 < pages ? [button(turn.say('screen.next'), 'viec-ds', ref, at + 1)] : []),
  ];
  return screen(turn, [head, pages > 1 ? turn.say('status.page', { page: at + 1, pages }) : null, '', ...(lines.length > 0 ? lines : [turn.say('status.nothing')]), belowLine],
    [...shown.map((view) => button(title(view), 'viec', view.assignment.id)), turning, below ? commandChoice('quahan', turn.say('help.do.quahan')) : null]);
}

function isOwed(view: AssignmentView): boolean {
  return view.assignment.state === 'open' || view.assignment.state === 'returned';
}

/** One duty: what is asked for, until when, where it stands, what was handed in, and what can be done. */
async function showDuty(turn: PersonTurn, id: string): Promise<Reply> {
  const view = await readAssignment(turn.core, turn.person, id);
  const versions = (await readVersions(turn.core, turn.person, id)).slice(-versionsShown);
  const { assignment, obligation, unit } = view;
  const { say } = turn;
  const own = can(turn.person, 'unit.submit', unit);
  const mayWithdraw = own && (assignment.state === 'submitted' || assignment.state === 'returned');
  const latest = versions.findLast((version) => version.withdrawnAt === null);
  const files = latest?.content.kind === 'files' ? latest.content.files.slice(0, versionsShown) : [];
  const lines = [
    titleOfDuty(turn, view), say('receipt.unit', { unit: unit.name }), say(`status.wants-${obligation.deliverable}`), say('submission.due', { due: dueOfDuty(turn, view) }),
    stateOfDuty(turn, view),
    assignment.loadedLate ? say('status.loaded-late') : null,
    assignment.correction ? say('status.reason', { reason: assignment.correction.reason }) : null,
    assignment.waiver ? say('status.reason', { reason: assignment.waiver.why }) : null,
    assignment.asked ? say('status.asked', { day: assignment.asked.lastDay }) : null,
    ...versions.map((version) => sayVersion(turn, version)),
  ];
  const asks = own && isOwed(view) && assignment.due !== null;
  return screen(turn, lines, [
    assignment.state === 'accepted' ? null : actionOfDuty(turn, view, assignment.state === 'submitted' ? say('status.do-again') : null),
    [button(say('status.do-quote'), 'trich', id), ...(asks ? [button(say('status.do-extension'), 'xin', id)] : [])],
    mayWithdraw ? button(say('receipt.withdraw'), 'rut', id, assignment.version) : null,
    ...files.map((file, index) => button(say('status.do-file', { name: file.name }), 'tep', latest?.id ?? '', index)),
    own ? button(say('screen.back'), 'viec-ds', '-', 0) : null,
  ]);
}

function sayVersion(turn: PersonTurn, version: Submission): string {
  const facts = { version: version.version, receipt: version.receipt, at: version.sentAt };
  if (version.withdrawnAt !== null) return turn.say('status.version-withdrawn', facts);
  return turn.say(version.voluntary ? 'status.version-voluntary' : 'status.version', facts);
}

async function showQuote(turn: PersonTurn, id: string): Promise<Reply> {
  const { obligation, plan } = await readAssignment(turn.core, turn.person, id);
  // A paper without a number is named by its year: none is invented.
  const name = /\d/.test(plan.number) ? plan.number : turn.say('status.plan-of-year', { year: plan.year });
  return { text: turn.say('status.quote', { clause: obligation.clause, number: name, quote: obligation.quote }) };
}
