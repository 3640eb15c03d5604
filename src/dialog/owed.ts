import type { Unit } from '../domain/unit.ts';
import { readOwed } from '../services/owed.ts';
import { sayDue } from './deadline.ts';
import type { Turn } from './turn.ts';

const shown = 3;

/** What a unit owes at present, in a few lines: how much, and the nearest three with their deadlines. */
export async function describeOwed(turn: Turn, unit: Unit): Promise<string> {
  if (!turn.person) return '';
  const owed = await readOwed(turn.core, turn.person, unit);
  if (owed.length === 0) return turn.say('pairing.owes-nothing');
  const lines = owed.slice(0, shown).map(({ assignment, obligation, overdue }) => {
    const due = sayDue(turn.say, obligation, assignment.due, assignment.day);
    return turn.say(overdue ? 'pairing.owed-late' : 'pairing.owed', { title: obligation.title[turn.language], due });
  });
  return [turn.say('pairing.owes', { count: owed.length }), ...lines].join('\n');
}
