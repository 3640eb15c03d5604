import { shortRef } from '../domain/choice.ts';
import type { Reply } from '../domain/message.ts';
import type { Unit } from '../domain/unit.ts';
import { titleOf, type Scope } from '../services/scopes.ts';
import { planFigures, sumFigures, type Figures, type FiguresRow } from '../services/stats.ts';
import { readPlace, readQuestion, refOf } from './overdue.ts';
import { button, isStaff, levelName, longListSize, pageNumber, requirePerson, screen } from './screen.ts';
import type { DialogPart, PersonTurn } from './turn.ts';

/** `/thongke [obligation] [unit]`: expected, received, on time, late, missing, by obligation and then by level. */
export const statsDialog: DialogPart = {
  commands: [{
    name: 'thongke', aliases: ['thong ke', 'so lieu', 'stats', 'figures'], roles: ['staff', 'chair'],
    run: (turn, rest) => readQuestion(requirePerson(turn), rest, 'tk', (scope, unit) => showFigures(requirePerson(turn), scope, unit, 0)),
  }],
  choices: {
    'tk': async (turn, [scope, unit, page]) => showFigures(turn, ...(await readPlace(turn, scope, unit)), pageNumber(page)),
  },
};

async function showFigures(turn: PersonTurn, scope: Scope, unit: Unit, page: number): Promise<Reply> {
  // The staff at the root see everything, also what was earned under a root that another one replaced.
  const rows = await planFigures(turn.core, turn.person, scope.plan.plan, unit.parent === null && isStaff(turn) ? null : unit.code);
  return scope.obligation ? levelScreen(turn, scope, unit, rows.filter((row) => row.obligation === scope.obligation?.key)) : planScreen(turn, scope, unit, rows, page);
}

function planScreen(turn: PersonTurn, scope: Scope, unit: Unit, rows: readonly FiguresRow[], page: number): Reply {
  const obligations = [...new Set(rows.map((row) => row.obligation))];
  const from = page * longListSize;
  const shown = obligations.slice(from, from + longListSize);
  const place = [refOf(scope), shortRef(unit.code)] as const;
  const title = (obligation: string) => titleOf(scope.plan, obligation, turn.language);
  return screen(
    turn,
    [
      turn.say('stats.title', { unit: unit.name, plan: scope.plan.number }),
      shown.length === 0 ? turn.say('stats.none') : null,
      ...shown.flatMap((obligation, index) => [turn.say('stats.obligation', { n: from + index + 1, title: title(obligation) }), turn.say('stats.line', figureWords(sumFigures(rows.filter((row) => row.obligation === obligation))))]),
    ],
    [
      ...shown.map((obligation, index) => button(turn.say('stats.by-level', { n: from + index + 1, title: title(obligation) }), 'tk', refOf({ plan: scope.plan, obligation: scope.plan.obligations.find((known) => known.key === obligation) ?? null }), shortRef(unit.code))),
      [
        ...(page > 0 ? [button(turn.say('screen.first'), 'tk', ...place, 0)] : []),
        ...(from + shown.length < obligations.length ? [button(turn.say('screen.next'), 'tk', ...place, page + 1)] : []),
      ],
    ],
  );
}

function levelScreen(turn: PersonTurn, scope: Scope, unit: Unit, rows: readonly FiguresRow[]): Reply {
  const plan: Scope = { plan: scope.plan, obligation: null };
  return screen(
    turn,
    [
      turn.say('stats.title', { unit: unit.name, plan: scope.plan.number }),
      scope.obligation?.title[turn.language] ?? null,
      rows.length === 0 ? turn.say('stats.none') : null,
      ...rows.flatMap((row) => [turn.say('stats.level', { level: levelName(turn, row.level) }), turn.say('stats.line', figureWords(row)), row.received > 0 ? turn.say('stats.reviewed', { accepted: row.accepted, returned: row.returned }) : null]),
    ],
    [button(turn.say('stats.overdue'), 'qh', refOf(scope), shortRef(unit.code)), button(turn.say('screen.back'), 'tk', refOf(plan), shortRef(unit.code), 0)],
  );
}

function figureWords(figures: Figures): Record<string, number> {
  const { expected, received, onTime, late, missing, pending, waived } = figures;
  return { expected, received, onTime, late, missing, pending, waived };
}
