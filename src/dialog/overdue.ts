import { shortRef } from '../domain/choice.ts';
import type { Choice, Reply } from '../domain/message.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Unit } from '../domain/unit.ts';
import { currentPlan } from '../services/current-plan.ts';
import { countOverdue, listOverdue, overdueGroups, startingUnits, type OverdueGroups, type OverdueQuery, type OverdueRow } from '../services/overdue.ts';
import { meantBy, scopeByRef, scopeRef, titleOf, type Meant, type Scope } from '../services/scopes.ts';
import { unitAbove, unitByRef } from '../services/unit-cards.ts';
import { button, longListSize, requirePerson, screen, shortListSize } from './screen.ts';
import type { DialogPart, PersonTurn, Turn } from './turn.ts';

/** `/quahan [obligation] [unit]`: who is late, and have we really reminded them. Groups of units, then the list, then the evidence. */
export const overdueDialog: DialogPart = {
  commands: [{ name: 'quahan', aliases: ['qua han', 'overdue', 'tre han', 'cham nop'], roles: ['staff', 'chair'], run: (turn, rest) => answerOverdue(requirePerson(turn), rest) }],
  choices: {
    'qh': async (turn, [scope, unit, after]) => {
      const [asked, place] = await readPlace(turn, scope, unit);
      return showGroups(turn, asked, place, after ? (await unitByRef(turn.core, turn.person, after)).code : null);
    },
    'qh-ds': async (turn, [scope, unit, after]) => showList(turn, ...(await readPlace(turn, scope, unit)), after || null),
  },
};

/** The button that opens what is overdue at a unit. */
export function overdueChoice(label: string, scope: Scope, unit: Pick<Unit, 'code'>): Choice {
  return button(label, 'qh', refOf(scope), shortRef(unit.code));
}

/** "hơn 500" or the number. */
export function countWords(turn: Pick<Turn, 'say'>, total: { count: number; more: boolean }): string {
  return total.more ? turn.say('overdue.more-than', { n: total.count }) : turn.say('overdue.number', { n: total.count });
}

/** The reference of a scope for choice ids. */
export function refOf(scope: Scope): string {
  return scopeRef(scope.plan.plan, scope.obligation?.key ?? null);
}

/**
 * Reads typed words as an obligation and a unit, or asks back with buttons when they fit several. `verb` is what a pressed button opens
 * with scope and unit; `show` answers when everything is clear.
 */
export async function readQuestion(turn: PersonTurn, rest: string, verb: string, show: (scope: Scope, unit: Unit) => Promise<Reply>): Promise<Reply> {
  const plan = await currentPlan(turn.core);
  const starts = await startingUnits(turn.core, turn.person);
  const meant: Meant | null = rest === '' ? { obligation: null, obligations: [], units: null, more: false } : await meantBy(turn.core, turn.person, 'overdue.read', plan, rest);
  if (!meant) return screen(turn, [turn.say('overdue.not-understood', { typed: rest.slice(0, 60) }), turn.say('overdue.hint')]);
  const units = meant.units ?? starts;
  const [first] = units;
  if (!first) throw new Refusal('unit-unknown', { unit: rest });
  if (meant.obligations.length > 0) {
    const place = units.length === 1 ? first : (starts[0] ?? first);
    const offered = meant.obligations.slice(0, shortListSize);
    return screen(turn, [turn.say('overdue.which-obligation')], offered.map((obligation) => button(obligation.title[turn.language], verb, scopeRef(plan.plan, obligation.key), shortRef(place.code))));
  }
  const scope: Scope = { plan, obligation: meant.obligation };
  if (units.length === 1) return show(scope, first);
  const offered = units.slice(0, shortListSize).map((unit) => button(turn.say('overdue.unit-choice', { name: unit.name, code: unit.code }), verb, refOf(scope), shortRef(unit.code)));
  return screen(turn, [turn.say('overdue.which-unit'), meant.more || units.length > shortListSize ? turn.say('overdue.more-units') : null], offered);
}

/** The scope and the unit of a pressed button, the unit only if the person may read it. Throws Refusal `choice-old`, `choice-unknown` or `not-allowed`. */
export async function readPlace(turn: PersonTurn, scope: string | undefined, unit: string | undefined): Promise<[Scope, Unit]> {
  if (!scope || !unit) throw new Refusal('choice-unknown');
  return [await scopeByRef(turn.core, scope), await unitByRef(turn.core, turn.person, unit)];
}

function answerOverdue(turn: PersonTurn, rest: string): Promise<Reply> {
  return readQuestion(turn, rest, 'qh', (scope, unit) => showGroups(turn, scope, unit, null));
}

function queryOf(scope: Scope, unit: Unit): OverdueQuery {
  return { plan: scope.plan.plan, obligation: scope.obligation?.key ?? null, unit: unit.code };
}

async function showGroups(turn: PersonTurn, scope: Scope, unit: Unit, after: string | null): Promise<Reply> {
  const found = await overdueGroups(turn.core, turn.person, queryOf(scope, unit), { after, limit: shortListSize });
  if (found.total.count === 0) return screen(turn, [...heading(turn, scope, unit), turn.say('overdue.none')], [await upChoice(turn, scope, unit)]);
  if (after === null && (found.leaves || (!found.total.more && found.total.count <= longListSize))) return showList(turn, scope, unit, null);
  return groupScreen(turn, scope, found, after !== null, await upChoice(turn, scope, unit));
}

function groupScreen(turn: PersonTurn, scope: Scope, found: OverdueGroups, further: boolean, up: Choice | null): Reply {
  const { unit, groups } = found;
  const last = groups.items.at(-1)?.unit;
  const late = groups.items.filter((group) => group.count > 0);
  return screen(
    turn,
    [
      ...heading(turn, scope, unit),
      turn.say('overdue.total', { total: countWords(turn, found.total) }),
      further || found.own === 0 ? null : turn.say('overdue.own', { n: found.own }),
      ...groups.items.map((group) => turn.say(group.count > 0 ? 'overdue.group' : 'overdue.group-none', { name: group.unit.name, total: countWords(turn, group) })),
    ],
    [
      ...late.map((group) => button(turn.say('overdue.group-choice', { name: group.unit.name, total: countWords(turn, group) }), 'qh', refOf(scope), shortRef(group.unit.code))),
      button(turn.say('overdue.list'), 'qh-ds', refOf(scope), shortRef(unit.code)),
      [
        ...(further ? [button(turn.say('screen.first'), 'qh', refOf(scope), shortRef(unit.code))] : []),
        ...(groups.next !== null && last ? [button(turn.say('screen.next'), 'qh', refOf(scope), shortRef(unit.code), shortRef(last.code))] : []),
      ],
      up,
    ],
  );
}

async function showList(turn: PersonTurn, scope: Scope, unit: Unit, after: string | null): Promise<Reply> {
  const query = queryOf(scope, unit);
  const page = await listOverdue(turn.core, turn.person, query, { after, limit: longListSize });
  const total = await countOverdue(turn.core, turn.person, query);
  const place = [refOf(scope), shortRef(unit.code)] as const;
  return screen(
    turn,
    [
      ...heading(turn, scope, unit),
      page.items.length === 0 ? turn.say('overdue.none') : turn.say('overdue.total', { total: countWords(turn, total) }),
      ...page.items.flatMap((row, index) => rowLines(turn, scope, row, index + 1)),
    ],
    [
      ...page.items.map((row, index) => button(turn.say('overdue.evidence-of', { n: index + 1, unit: row.unit.name }), 'bc', row.assignment.id, 0, ...place)),
      [
        ...(after === null ? [] : [button(turn.say('screen.first'), 'qh-ds', ...place)]),
        ...(page.next === null ? [] : [button(turn.say('screen.next'), 'qh-ds', ...place, page.next)]),
      ],
      await upChoice(turn, scope, unit),
    ],
  );
}

function rowLines(turn: PersonTurn, scope: Scope, row: OverdueRow, n: number): string[] {
  const { assignment, unit } = row;
  const what = scope.obligation ? turn.say('overdue.row', { n, unit: unit.name }) : turn.say('overdue.row-of', { n, unit: unit.name, obligation: titleOf(scope.plan, assignment.obligation, turn.language) });
  const late = row.daysLate === 0 ? turn.say('deadline.hour-passed') : turn.say(assignment.state === 'returned' ? 'overdue.late-correction' : 'overdue.late', { count: row.daysLate });
  const blame = assignment.loadedLate ? turn.say('overdue.loaded-late') : reachWords(turn, row);
  return [what, turn.say('overdue.row-state', { late, blame })];
}

/** "Đã nhắc 4 lần" and "chưa ghép nối" are different answers: the reach comes first where nobody could be reminded. */
export function reachWords(turn: Pick<Turn, 'say'>, row: Pick<OverdueRow, 'reach' | 'reminders'>): string {
  const reminded = row.reminders > 0 ? turn.say('overdue.reminded', { count: row.reminders }) : turn.say('overdue.not-reminded');
  return row.reach === 'reachable' ? reminded : turn.say('overdue.reach-and-reminders', { reach: turn.say(`overdue.reach.${row.reach}`), reminded });
}

function heading(turn: PersonTurn, scope: Scope, unit: Unit): string[] {
  return [turn.say('overdue.title', { unit: unit.name }), scope.obligation ? scope.obligation.title[turn.language] : turn.say('overdue.whole-plan', { plan: scope.plan.plan })];
}

/** The way back to the unit above, where the person may look. */
async function upChoice(turn: PersonTurn, scope: Scope, unit: Unit): Promise<Choice | null> {
  const above = await unitAbove(turn.core, turn.person, unit);
  return above ? overdueChoice(turn.say('overdue.up', { unit: above.name }), scope, above) : null;
}
