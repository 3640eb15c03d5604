import type { Choice } from '../domain/message.ts';
import { hasRole, type Role } from '../domain/person.ts';
import { commandChoice, type Turn } from './turn.ts';

const likelyCommands: Record<Role, readonly string[]> = { chair: ['trangthai', 'nop'], member: ['camket'], staff: ['quahan', 'thongke'] };

/** Buttons to what a person of these roles most likely wants next, one a row; help is always the last. */
export function homeChoices(turn: Turn): Choice[][] {
  const { person } = turn;
  const likely = person ? (['chair', 'staff', 'member'] as const).flatMap((role) => (hasRole(person, role) ? likelyCommands[role] : [])) : [];
  return [...new Set([...likely, 'trogiup'])].map((name) => [commandChoice(name, turn.say(`help.do.${name}`))]);
}
