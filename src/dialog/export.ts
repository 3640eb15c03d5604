import { foldText } from '../domain/spelling.ts';
import type { Reply } from '../domain/message.ts';
import type { Unit } from '../domain/unit.ts';
import { exportOverdue, type SheetWords } from '../services/exports.ts';
import type { Scope } from '../services/scopes.ts';
import { readPlace, readQuestion } from './overdue.ts';
import { requirePerson, screen } from './screen.ts';
import type { DialogPart, PersonTurn } from './turn.ts';

const columns = ['code', 'unit', 'obligation', 'last-day', 'days-late', 'state', 'reach', 'reminders', 'asked'] as const;

/** `/xuat [obligation] [unit]`: what is overdue there, as an Excel file. */
export const exportDialog: DialogPart = {
  commands: [{
    name: 'xuat', aliases: ['xuat excel', 'xuat file', 'export'], roles: ['staff'],
    run: (turn, rest) => readQuestion(requirePerson(turn), rest, 'xu', (scope, unit) => sendSheet(requirePerson(turn), scope, unit)),
  }],
  choices: {
    'xu': async (turn, [scope, unit]) => sendSheet(turn, ...(await readPlace(turn, scope, unit))),
  },
};

async function sendSheet(turn: PersonTurn, scope: Scope, unit: Unit): Promise<Reply> {
  const query = { plan: scope.plan.plan, obligation: scope.obligation?.key ?? null, unit: unit.code };
  const now = turn.core.clock();
  const words: SheetWords = {
    title: turn.say('export.title'),
    name: turn.say('export.name', { unit: foldText(unit.code).replaceAll(' ', '-'), day: turn.core.calendar.dayOf(now) }),
    columns: columns.map((column) => turn.say(`export.column.${column}`)),
    reach: (row) => turn.say(`overdue.reach.${row.reach}`),
    state: (row) => turn.say(`export.state.${row.assignment.state === 'returned' ? 'returned' : 'open'}`),
  };
  const document = await exportOverdue(turn.core, turn.person, scope.plan, query, words, turn.language, turn.incoming.at);
  if (!document) return screen(turn, [turn.say('export.none', { unit: unit.name })]);
  return { text: turn.say('export.done', { unit: unit.name, t: now }), document };
}
