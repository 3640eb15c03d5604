import type { Unit } from '../domain/unit.ts';
import { listDuties } from '../services/assignments.ts';
import { dueOfDuty, titleOfDuty } from './duty.ts';
import type { PersonTurn } from './turn.ts';

const shown = 3;

/** What a unit of the person owes at present, in a few lines: how much, and the most urgent three with their deadlines. */
export async function describeOwed(turn: PersonTurn, unit: Unit): Promise<string> {
  const duties = await listDuties(turn.core, turn.person, unit.code);
  const owed = duties.filter(({ assignment }) => assignment.state === 'open' || assignment.state === 'returned');
  if (owed.length === 0) return turn.say('pairing.owes-nothing');
  const lines = owed.slice(0, shown).map((duty) => turn.say(duty.overdue ? 'pairing.owed-late' : 'pairing.owed', { title: titleOfDuty(turn, duty), due: dueOfDuty(turn, duty) }));
  return [turn.say('pairing.owes', { count: owed.length }), ...lines].join('\n');
}
