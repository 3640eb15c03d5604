import type { Assignment } from '../domain/assignment.ts';
import { shortRef } from '../domain/choice.ts';
import type { Reply } from '../domain/message.ts';
import { unitsOf } from '../domain/person.ts';
import { foldText } from '../domain/spelling.ts';
import { isOpenOn } from '../domain/unit.ts';
import { currentPlan } from '../services/current-plan.ts';
import { scopeRef, titleOf } from '../services/scopes.ts';
import { findUnits, listDuties, readUnitCard, unitByRef } from '../services/unit-cards.ts';
import { stateWords } from './evidence.ts';
import { button, isStaff, levelName, longListSize, pageNumber, requirePerson, screen, shortListSize } from './screen.ts';
import type { DialogPart, PersonTurn } from './turn.ts';

/** A fragment longer than this does not fit a button; such a list is narrowed by typing, not turned. */
const fragmentLimit = 38;

/** `/donvi <text>`: find a unit by any fragment of its name or code, its card, its duties and the evidence for each. */
export const unitsDialog: DialogPart = {
  commands: [{ name: 'donvi', aliases: ['don vi', 'unit'], roles: ['staff', 'chair'], run: (turn, rest) => answerUnits(requirePerson(turn), rest) }],
  choices: {
    'dv': async (turn, [ref]) => showCard(turn, (await unitByRef(turn.core, turn.person, ref ?? '')).code),
    'dv-tim': async (turn, [slug, after]) => showFound(turn, foldText(slug ?? ''), after ? (await unitByRef(turn.core, turn.person, after)).code : null),
    'dv-viec': async (turn, [ref, page]) => showDuties(turn, (await unitByRef(turn.core, turn.person, ref ?? '')).code, pageNumber(page)),
  },
};

async function answerUnits(turn: PersonTurn, rest: string): Promise<Reply> {
  const own = unitsOf(turn.person, 'chair');
  if (foldText(rest) !== '') return showFound(turn, rest, null);
  if (own.length === 1 && !isStaff(turn)) return showCard(turn, own[0] as string);
  return screen(turn, [turn.say('units.ask')]);
}

async function showFound(turn: PersonTurn, typed: string, after: string | null): Promise<Reply> {
  const found = await findUnits(turn.core, turn.person, typed, { after, limit: shortListSize });
  const [first] = found.items;
  if (!first) return screen(turn, [turn.say('units.none', { typed: typed.slice(0, 60) }), turn.say('units.ask')]);
  if (found.items.length === 1 && after === null) return showCard(turn, first.code);
  const slug = foldText(typed).replaceAll(' ', '-');
  const turns = Buffer.byteLength(slug) <= fragmentLimit;
  const last = found.items.at(-1);
  return screen(
    turn,
    [turn.say('units.found', { typed: typed.slice(0, 60) }), found.next !== null && !turns ? turn.say('units.more') : null],
    [
      ...found.items.map((unit) => button(turn.say('units.choice', { name: unit.name, code: unit.code }), 'dv', shortRef(unit.code))),
      found.next !== null && turns && last ? button(turn.say('screen.next'), 'dv-tim', slug, shortRef(last.code)) : null,
    ],
  );
}

async function showCard(turn: PersonTurn, code: string): Promise<Reply> {
  const plan = await currentPlan(turn.core);
  const card = await readUnitCard(turn.core, turn.person, plan, code);
  const { unit, parent } = card;
  const level = levelName(turn, unit.level);
  const ref = shortRef(unit.code);
  const staff = isStaff(turn);
  return screen(
    turn,
    [
      turn.say('units.name', { name: unit.name, code: unit.code }),
      parent ? turn.say('units.level-under', { level, parent: parent.name }) : turn.say('units.level', { level }),
      unit.closed !== null && !isOpenOn(unit, turn.core.calendar.dayOf(turn.core.clock())) ? turn.say('units.closed', { day: unit.closed }) : null,
      card.chairs.length > 0 ? turn.say('units.chairs', { names: card.chairs.map((chair) => chair.name).join(', ') }) : turn.say('units.no-chair'),
      turn.say('units.reach', { reach: turn.say(`overdue.reach.${card.reach}`) }),
      turn.say('units.members', { joined: card.joined, expected: unit.members }),
      turn.say('units.figures', { plan: plan.plan, handedIn: card.handedIn, owed: card.owed, overdue: card.overdue, waived: card.waived }),
    ],
    [
      button(turn.say('units.duties'), 'dv-viec', ref, 0),
      button(turn.say('units.overdue'), 'qh', scopeRef(plan.plan, null), ref),
      button(turn.say('units.stats'), 'tk', scopeRef(plan.plan, null), ref, 0),
      staff ? button(turn.say('units.code'), 'ma', ref) : null,
    ],
  );
}

async function showDuties(turn: PersonTurn, code: string, page: number): Promise<Reply> {
  const plan = await currentPlan(turn.core);
  const [card, duties] = await Promise.all([readUnitCard(turn.core, turn.person, plan, code), listDuties(turn.core, turn.person, plan, code)]);
  const from = page * longListSize;
  const shown = duties.slice(from, from + longListSize);
  const ref = shortRef(code);
  const back = button(turn.say('units.card'), 'dv', ref);
  if (shown.length === 0) return screen(turn, [turn.say('units.no-duties', { unit: card.unit.name })], [back]);
  const title = (duty: Assignment) => {
    const name = titleOf(plan, duty.obligation, turn.language);
    return duty.day === null ? name : turn.say('units.on-day', { title: name, day: duty.day });
  };
  return screen(
    turn,
    [
      turn.say('units.duties-title', { unit: card.unit.name, from: from + 1, to: from + shown.length, total: duties.length }),
      ...shown.map((duty, index) => turn.say('units.duty', { n: from + index + 1, obligation: title(duty), state: stateWords(turn, duty) })),
    ],
    [
      ...shown.map((duty, index) => button(turn.say('units.duty-choice', { n: from + index + 1, obligation: title(duty) }), 'bc', duty.id, 0)),
      [
        ...(page > 0 ? [button(turn.say('screen.first'), 'dv-viec', ref, 0)] : []),
        ...(from + shown.length < duties.length ? [button(turn.say('screen.next'), 'dv-viec', ref, page + 1)] : []),
      ],
      back,
    ],
  );
}
