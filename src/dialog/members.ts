import { shortRef } from '../domain/choice.ts';
import type { Reply } from '../domain/message.ts';
import type { Unit } from '../domain/unit.ts';
import { listMembers, listOwnUnits, ownUnitByRef, readMember, removeMember } from '../services/members.ts';
import { issueCode, keepCodePicture } from '../services/pairing.ts';
import { button, requirePerson, screen, shortListSize } from './screen.ts';
import type { DialogPart, PersonTurn } from './turn.ts';

const joinDays = 30;

/** `/doanvien`: the unit's members by the last word of their names, the join link with its QR code, and removing somebody who left. */
export const membersDialog: DialogPart = {
  commands: [{ name: 'doanvien', aliases: ['doan vien', 'thanh vien', 'members'], roles: ['chair'], run: (turn) => chooseUnit(requirePerson(turn)) }],
  choices: {
    'doan': async (turn, [ref = '', after]) => showMembers(turn, await ownUnitByRef(turn.core, turn.person, ref), after || null),
    'doan-moi': async (turn, [ref = '']) => giveJoinLink(turn, await ownUnitByRef(turn.core, turn.person, ref)),
    'doan-ai': async (turn, [ref = '', id = '']) => showMember(turn, await ownUnitByRef(turn.core, turn.person, ref), id),
    'doan-xoa': async (turn, [ref = '', id = '']) => remove(turn, await ownUnitByRef(turn.core, turn.person, ref), id),
  },
};

async function chooseUnit(turn: PersonTurn): Promise<Reply> {
  const units = await listOwnUnits(turn.core, turn.person);
  const [only] = units;
  if (only && units.length === 1) return showMembers(turn, only, null);
  return screen(turn, [turn.say('members.which-unit')], units.slice(0, shortListSize).map((unit) => button(unit.name, 'doan', shortRef(unit.code))));
}

async function showMembers(turn: PersonTurn, unit: Unit, after: string | null): Promise<Reply> {
  const { items, next, total } = await listMembers(turn.core, turn.person, unit, { after, limit: shortListSize });
  const ref = shortRef(unit.code);
  const head = turn.say('members.head', { unit: unit.name, joined: total, expected: unit.members });
  const turning = [...(after === null ? [] : [button(turn.say('screen.first'), 'doan', ref)]), ...(next === null ? [] : [button(turn.say('screen.next'), 'doan', ref, next)])];
  return screen(turn, [head, total === 0 ? turn.say('members.nobody') : turn.say('members.pick')], [
    ...items.map((member) => button(member.name, 'doan-ai', ref, member.id)), turning, button(turn.say('members.join'), 'doan-moi', ref),
  ]);
}

async function giveJoinLink(turn: PersonTurn, unit: Unit): Promise<Reply[]> {
  const { core, person } = turn;
  const issued = await issueCode(core, { unit: unit.code, role: 'member', use: 'join', days: joinDays, by: person });
  const text = [turn.say('members.link', { unit: unit.name, code: issued.code, until: issued.expiresAt }), ...issued.links.map((link) => link.url)].join('\n');
  return [{ text }, { text: turn.say('members.picture', { unit: unit.name }), document: await keepCodePicture(core, issued) }];
}

async function showMember(turn: PersonTurn, unit: Unit, id: string): Promise<Reply> {
  const member = await readMember(turn.core, turn.person, unit, id);
  const since = member.roles.find((held) => held.role === 'member' && held.unit === unit.code)?.since ?? member.consent.at;
  return screen(turn, [turn.say('members.one', { name: member.name, unit: unit.name, since }), turn.say('members.remove-means')], [
    button(turn.say('members.remove'), 'doan-xoa', shortRef(unit.code), id), button(turn.say('screen.back'), 'doan', shortRef(unit.code)),
  ]);
}

async function remove(turn: PersonTurn, unit: Unit, id: string): Promise<Reply> {
  const member = await removeMember(turn.core, turn.person, unit, id);
  return screen(turn, [turn.say('members.removed', { name: member.name, unit: unit.name })], [button(turn.say('screen.back'), 'doan', shortRef(unit.code))]);
}
