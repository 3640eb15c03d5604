import { shortRef } from '../domain/choice.ts';
import type { Reply } from '../domain/message.ts';
import type { Unit } from '../domain/unit.ts';
import { keepPicture } from '../services/pictures.ts';
import { titleOf, type Scope } from '../services/scopes.ts';
import { planFigures, sumFigures, type Figures, type FiguresRow } from '../services/stats.ts';
import type { Chart, ChartTone } from '../ports.ts';
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
    'tk-anh': async (turn, [scope, unit]) => sendChart(turn, ...(await readPlace(turn, scope, unit))),
    'tk': async (turn, [scope, unit, page]) => showFigures(turn, ...(await readPlace(turn, scope, unit)), pageNumber(page)),
  },
};

/** The staff at the root see everything, also what was earned under a root that another one replaced. */
function readFigures(turn: PersonTurn, scope: Scope, unit: Unit): Promise<FiguresRow[]> {
  return planFigures(turn.core, turn.person, scope.plan.plan, unit.parent === null && isStaff(turn) ? null : unit.code);
}

async function showFigures(turn: PersonTurn, scope: Scope, unit: Unit, page: number): Promise<Reply> {
  const rows = await readFigures(turn, scope, unit);
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
      turn.say('stats.title', { unit: unit.name, plan: scope.plan.plan }),
      shown.length === 0 ? turn.say('stats.none') : null,
      ...shown.flatMap((obligation, index) => [turn.say('stats.obligation', { n: from + index + 1, title: title(obligation) }), turn.say('stats.line', figureWords(sumFigures(rows.filter((row) => row.obligation === obligation))))]),
    ],
    [
      ...shown.map((obligation, index) => button(turn.say('stats.by-level', { n: from + index + 1, title: title(obligation) }), 'tk', refOf({ plan: scope.plan, obligation: scope.plan.obligations.find((known) => known.key === obligation) ?? null }), shortRef(unit.code))),
      shown.length === 0 ? null : button(turn.say('stats.chart'), 'tk-anh', ...place),
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
      turn.say('stats.title', { unit: unit.name, plan: scope.plan.plan }),
      scope.obligation?.title[turn.language] ?? null,
      rows.length === 0 ? turn.say('stats.none') : null,
      ...rows.flatMap((row) => [turn.say('stats.level', { level: levelName(turn, row.level) }), turn.say('stats.line', figureWords(row)), row.received > 0 ? turn.say('stats.reviewed', { accepted: row.accepted, returned: row.returned }) : null]),
    ],
    [button(turn.say('stats.chart'), 'tk-anh', refOf(scope), shortRef(unit.code)), button(turn.say('stats.overdue'), 'qh', refOf(scope), shortRef(unit.code)), button(turn.say('screen.back'), 'tk', refOf(plan), shortRef(unit.code), 0)],
  );
}

const parts: readonly { tone: ChartTone; figure: 'onTime' | 'late' | 'missing' | 'pending' | 'waived' }[] = [
  { tone: 'good', figure: 'onTime' }, { tone: 'late', figure: 'late' }, { tone: 'missing', figure: 'missing' }, { tone: 'pending', figure: 'pending' }, { tone: 'waived', figure: 'waived' },
];

/** The same figures as a picture: a bar for each obligation, or for each level of one. */
async function sendChart(turn: PersonTurn, scope: Scope, unit: Unit): Promise<Reply> {
  const rows = await readFigures(turn, scope, unit);
  const bars = scope.obligation
    ? rows.filter((row) => row.obligation === scope.obligation?.key).map((row) => ({ name: levelName(turn, row.level), figures: row }))
    : [...new Set(rows.map((row) => row.obligation))].map((key) => ({ name: titleOf(scope.plan, key, turn.language), figures: sumFigures(rows.filter((row) => row.obligation === key)) }));
  if (bars.length === 0) return screen(turn, [turn.say('stats.none')]);
  const title = turn.say('stats.chart-title', { what: scope.obligation?.title[turn.language] ?? unit.name, t: turn.core.clock() });
  const chart: Chart = {
    title,
    legend: parts.map(({ tone }) => ({ tone, name: turn.say(`stats.part.${tone}`) })),
    bars: bars.map(({ name, figures }) => ({ name, values: parts.map(({ figure }) => figures[figure]), note: turn.say('stats.of', { received: figures.received, expected: figures.expected }) })),
  };
  const fileId = `chart-${shortRef([turn.person.id, turn.incoming.at.toISOString(), refOf(scope), unit.code].join('/'))}`;
  return { text: title, document: await keepPicture(turn.core, fileId, 'thong-ke.png', await turn.core.drawChart(chart)) };
}

function figureWords(figures: Figures): Record<string, number> {
  const { expected, received, onTime, late, missing, pending, waived } = figures;
  return { expected, received, onTime, late, missing, pending, waived };
}
