import type { Reply } from '../domain/message.ts';
import type { Notice, OutboxRow } from '../domain/notice.ts';
import type { Person } from '../domain/person.ts';
import type { Core, Text } from '../ports.ts';
import { factsOf } from './facts.ts';
import type { DialogPart } from './turn.ts';
import { createTurns } from './turns.ts';

/**
 * Puts notices into words for the senders, in the person's language, at the moment of delivery. The answer is null when a notice is no longer true or the
 * person is gone meanwhile. Throws an Error at once where two parts are in conflict.
 */
export function createRender(core: Core, text: Text, parts: readonly DialogPart[]): (notice: Notice, row: OutboxRow, person: Person | null, again: boolean) => Promise<Reply | null> {
  const turns = createTurns(parts);
  return async (notice, _row, person, again) => {
    if (notice.kind === 'answer') return notice.reply;
    if (!person) return null;
    const to = { core, text, person, language: person.language, again, say: (key: string, params?: Record<string, unknown>) => text.say(person.language, key, params) };
    const reply = await turns.render(notice, to);
    // Whatever goes out may have to go as a template: without facts of its own it names at least the person.
    return reply && { facts: factsOf(to), ...reply };
  };
}
