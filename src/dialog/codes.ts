import { shortRef } from '../domain/choice.ts';
import type { Reply } from '../domain/message.ts';
import { roleSchema, type Role } from '../domain/person.ts';
import { foldText } from '../domain/spelling.ts';
import type { Unit } from '../domain/unit.ts';
import { issueCode, keepCodePicture } from '../services/pairing.ts';
import { findUnits, unitByRef } from '../services/unit-cards.ts';
import { button, requirePerson, screen, shortListSize } from './screen.ts';
import type { DialogPart, PersonTurn } from './turn.ts';

/** Words that name a role behind `/ma <unit>`, folded, the longer ones first. */
const roleWords: readonly (readonly [string, Role])[] = [
  ['chu tich', 'chair'], ['chair', 'chair'], ['doan vien', 'member'], ['member', 'member'], ['can bo', 'staff'], ['staff', 'staff'],
];

/** `/ma [unit] [role]`: issues a pairing code with its link and QR picture. */
export const codesDialog: DialogPart = {
  commands: [{ name: 'ma', aliases: ['cap ma', 'code', 'codes'], roles: ['staff'], run: (turn, rest) => answerCodes(requirePerson(turn), rest) }],
  choices: {
    'ma': async (turn, [ref, role]) => {
      const unit = await unitByRef(turn.core, turn.person, ref ?? '');
      const asked = roleSchema.safeParse(role);
      return asked.success ? showCode(turn, unit, asked.data) : askRole(turn, unit);
    },
  },
};

async function answerCodes(turn: PersonTurn, rest: string): Promise<Reply | Reply[]> {
  const { fragment, role } = readRole(rest);
  if (fragment === '') return screen(turn, [turn.say('codes.ask')]);
  const found = await findUnits(turn.core, turn.person, fragment, { after: null, limit: shortListSize });
  const exact = found.items.filter((unit) => unit.code === fragment || foldText(unit.code) === foldText(fragment) || foldText(unit.name) === foldText(fragment));
  const [only] = exact.length === 1 ? exact : found.items;
  if (!only) return screen(turn, [turn.say('units.none', { typed: fragment.slice(0, 60) }), turn.say('codes.ask')]);
  if (exact.length === 1 || found.items.length === 1) return role ? showCode(turn, only, role) : askRole(turn, only);
  return screen(
    turn,
    [turn.say('overdue.which-unit'), found.next === null ? null : turn.say('overdue.more-units')],
    found.items.map((unit) => button(turn.say('units.choice', { name: unit.name, code: unit.code }), 'ma', shortRef(unit.code), ...(role ? [role] : []))),
  );
}

/** @example readRole('phan thiet chủ tịch') → { fragment: 'phan thiet', role: 'chair' } */
function readRole(rest: string): { fragment: string; role: Role | null } {
  const words = rest.split(/\s+/).filter(Boolean);
  for (const [said, role] of roleWords) {
    const count = said.split(' ').length;
    if (words.length > count && foldText(words.slice(-count).join(' ')) === said) return { fragment: words.slice(0, -count).join(' '), role };
  }
  return { fragment: words.join(' '), role: null };
}

function askRole(turn: PersonTurn, unit: Unit): Reply {
  const roles: Role[] = unit.parent === null ? ['chair', 'staff'] : ['chair', 'member'];
  return screen(turn, [turn.say('codes.for-whom', { unit: unit.name })], [...roles.map((role) => button(turn.say(`codes.role.${role}`), 'ma', shortRef(unit.code), role)), button(turn.say('units.card'), 'dv', shortRef(unit.code))]);
}

async function showCode(turn: PersonTurn, unit: Unit, role: Role): Promise<Reply[]> {
  const issued = await issueCode(turn.core, { unit: unit.code, role, use: 'once', by: turn.person });
  const document = await keepCodePicture(turn.core, issued);
  return [
    screen(turn, [
      turn.say('codes.issued', { role: turn.say(`codes.role.${role}`), unit: issued.unit.name }),
      issued.code,
      turn.say('codes.until', { t: issued.expiresAt }),
      ...issued.links.map((link) => link.url),
      turn.say('codes.how'),
    ]),
    { text: turn.say('codes.picture', { unit: issued.unit.name }), document },
  ];
}
