import type { Reply } from '../domain/message.ts';
import type { Notice, OutboxRow } from '../domain/notice.ts';
import type { Person } from '../domain/person.ts';
import type { Core, Text } from '../ports.ts';
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
    return turns.render(notice, { core, text, person, language: person.language, again, say: (key, params) => text.say(person.language, key, params) });
  };
}
