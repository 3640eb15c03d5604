import { isOverdue, type Assignment } from '../domain/assignment.ts';
import { shortRef } from '../domain/choice.ts';
import type { Reply } from '../domain/message.ts';
import type { OutboxRow } from '../domain/notice.ts';
import { obligationOf } from '../domain/plan.ts';
import { Refusal } from '../domain/refusal.ts';
import { currentPlan } from '../services/current-plan.ts';
import { titleOf } from '../services/scopes.ts';
import { readEvidence, type Evidence } from '../services/unit-cards.ts';
import { sayDue } from './deadline.ts';
import { button, isStaff, pageNumber, screen } from './screen.ts';
import type { DialogPart, PersonTurn, Turn } from './turn.ts';

const pageSize = 4;

/** The evidence behind an assignment: what was sent about it, to whom, when, and what became of it. Opened by buttons of lists and cards. */
export const evidenceDialog: DialogPart = {
  choices: {
    /** `bc:<assignment>:<page>[:<scope>:<unit>]`; the last two lead back to the list it was opened from. */
    'bc': (turn, [id, page, ...back]) => showEvidence(turn, id, pageNumber(page), back),
  },
};

/** The state of an assignment in a few words. @example 'chưa nộp, đã quá hạn' */
export function stateWords(turn: Pick<Turn, 'core' | 'say'>, assignment: Assignment): string {
  const late = assignment.state === 'open' && isOverdue(assignment, turn.core.clock());
  return turn.say(`evidence.state-of.${late ? 'overdue' : assignment.state}`);
}

/** Heading of an assignment: unit, title, written rule with last valid day, state, and when it was handed in. */
export async function assignmentLines(turn: Turn, assignment: Assignment, unit: { name: string; code: string }): Promise<string[]> {
  const plan = await currentPlan(turn.core, assignment.plan);
  const obligation = obligationOf(plan, assignment.obligation);
  return [
    turn.say('units.name', { name: unit.name, code: unit.code }),
    titleOf(plan, assignment.obligation, turn.language),
    ...(obligation ? [sayDue(turn.say, obligation, assignment.due, assignment.day)] : []),
    turn.say('evidence.state', { state: stateWords(turn, assignment) }),
    ...(assignment.countedAt && assignment.verdict ? [turn.say('evidence.handed-in', { t: assignment.countedAt, receipt: assignment.receipt ?? '', verdict: turn.say(`evidence.verdict.${assignment.extended ? 'extended' : assignment.verdict}`) })] : []),
    ...(assignment.correction ? [turn.say('evidence.correction', { day: assignment.correction.due.lastDay, reason: assignment.correction.reason.slice(0, 120) })] : []),
  ];
}

async function showEvidence(turn: PersonTurn, id: string | undefined, page: number, back: readonly string[]): Promise<Reply> {
  if (!id) throw new Refusal('choice-unknown');
  // An assignment has some dozens of rows at the most: pages are cut from the front, so that a button needs no long cursor.
  const found = await readEvidence(turn.core, turn.person, id, { after: null, limit: (page + 1) * pageSize });
  const rows = found.rows.items.slice(page * pageSize);
  const { assignment, unit } = found;
  const owes = assignment.state === 'open' || assignment.state === 'returned';
  const [scope, place] = back;
  return screen(
    turn,
    [
      ...(await assignmentLines(turn, assignment, unit)),
      turn.say('evidence.reach', { reach: turn.say(`overdue.reach.${found.reach}`) }),
      rows.length === 0 ? turn.say(assignment.loadedLate ? 'overdue.loaded-late' : 'evidence.none') : turn.say('evidence.count', { from: page * pageSize + 1, to: page * pageSize + rows.length }),
      ...rows.map((row) => rowLine(turn, found, row)),
    ],
    [
      [
        ...(page > 0 ? [button(turn.say('screen.first'), 'bc', assignment.id, 0, ...back)] : []),
        ...(found.rows.next === null ? [] : [button(turn.say('screen.next'), 'bc', assignment.id, page + 1, ...back)]),
      ],
      isStaff(turn) && owes ? button(turn.say('evidence.nudge'), 'nhac', assignment.id) : null,
      isStaff(turn) ? button(turn.say('evidence.handle'), 'dy', assignment.id) : null,
      button(turn.say('evidence.unit'), 'dv', shortRef(unit.code)),
      scope && place ? button(turn.say('evidence.list'), 'qh-ds', scope, place) : null,
    ],
  );
}

function rowLine(turn: PersonTurn, found: Evidence, row: OutboxRow): string {
  const name = row.person === null ? undefined : found.names.get(row.person);
  const facts = { t: row.sentAt ?? row.attempts.at(-1)?.at ?? row.notBefore, what: kindWords(turn, row), state: turn.say(`evidence.row-state.${rowState(row)}`) };
  return name === undefined ? turn.say('evidence.row', facts) : turn.say('evidence.row-to', { ...facts, name });
}

function kindWords(turn: PersonTurn, { notice }: OutboxRow): string {
  if (notice.kind === 'reminder') return notice.offset === 0 ? turn.say('evidence.kind.day') : turn.say(notice.offset < 0 ? 'evidence.kind.before' : 'evidence.kind.after', { count: Math.abs(notice.offset) });
  return turn.say(`evidence.kind.${notice.kind === 'nudge' || notice.kind === 'decision' || notice.kind === 'receipt' ? notice.kind : 'other'}`);
}

function rowState(row: OutboxRow): string {
  if (row.state === 'sent') return row.acknowledgedAt ? 'acknowledged' : 'sent';
  // A month's messages are used up: it goes out when the next month begins.
  if (row.state === 'pending' && row.attempts.at(-1)?.reason === 'monthly quota used up') return 'quota';
  if (row.state !== 'dead') return row.state;
  if (row.reason?.includes('daily spend limit')) return 'spend-limit';
  if (row.reason?.includes('window closed')) return 'window-closed';
  if (row.reason === 'no address') return 'no-address';
  if (row.reason === 'obsolete' || row.reason === 'expired') return row.reason;
  return row.attempts.at(-1)?.answer === 'gone' || row.reason === 'gone' ? 'gone' : 'dead';
}
