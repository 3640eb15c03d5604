import { choiceId } from '../domain/choice.ts';
import type { Choice, Reply } from '../domain/message.ts';
import { Refusal } from '../domain/refusal.ts';
import type { PersonTurn, Turn } from './turn.ts';

/** Lines of a list on one screen of a phone, where each entry takes one line. */
export const shortListSize = 8;
/** The same where each entry takes two lines. */
export const longListSize = 5;
/** The same where each entry takes three lines: title, deadline, state. */
export const dutyListSize = 4;

/**
 * A screen of lines and buttons, one button a row. After a button of an earlier screen it takes that screen's place: a list is turned,
 * not sent again. Empty lines and missing buttons are left out.
 */
export function screen(turn: Pick<Turn, 'pressedOn'>, lines: readonly (string | null)[], choices: readonly (Choice | Choice[] | null)[] = []): Reply {
  const rows = choices.flatMap((choice) => (choice === null ? [] : Array.isArray(choice) ? (choice.length > 0 ? [choice] : []) : [[choice]]));
  return {
    text: lines.filter((line) => line !== null).join('\n'),
    ...(rows.length > 0 ? { choices: rows } : {}),
    ...(turn.pressedOn === null ? {} : { edits: turn.pressedOn }),
  };
}

/** A button of this dialog. Long labels are cut: a phone shows about forty characters. */
export function button(label: string, verb: string, ...args: (string | number)[]): Choice {
  return { id: choiceId(verb, ...args), label: shorten(label, 48) };
}

/** Cuts a text to so many characters, with an ellipsis. @example shorten('Công đoàn cơ sở', 10) → 'Công đoàn…' */
export function shorten(text: string, most: number): string {
  const letters = Array.from(text);
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join('').trimEnd()}…`;
}

/** A page number from a choice id; 0 for anything that is none. */
export function pageNumber(arg: string | undefined): number {
  return arg !== undefined && /^\d{1,4}$/.test(arg) ? Number(arg) : 0;
}

/** Whether the person works in the office. */
export function isStaff(turn: PersonTurn): boolean {
  return turn.person.roles.some((held) => held.role === 'staff');
}

/** The name of a level in the person's language; its key where the levels file does not know it (any more). */
export function levelName(turn: Pick<Turn, 'core' | 'language'>, level: string): string {
  return turn.core.levels.find((known) => known.key === level)?.name[turn.language] ?? level;
}

/** The words of a draft's answer; null when a file or a picture came instead. */
export function typedText(turn: Pick<Turn, 'incoming'>): string | null {
  return turn.incoming.content.kind === 'text' ? turn.incoming.content.text.normalize('NFC').trim() : null;
}

/** The turn of somebody who is paired. Throws Refusal `not-paired`. */
export function requirePerson(turn: Turn): PersonTurn {
  const { person } = turn;
  if (!person) throw new Refusal('not-paired');
  return { ...turn, person };
}
