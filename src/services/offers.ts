import type { Choice } from '../domain/message.ts';
import { addressKey, type ChannelName } from '../domain/person.ts';
import type { Core } from '../ports.ts';

/**
 * Gives running numbers to choices that get no button. They belong to the chat, not to the person: a list is read where it was sent, and the numbers must
 * not begin again when somebody becomes a person by agreeing ("2" was "Không").
 */
export function offerNumbers(core: Pick<Core, 'store' | 'clock'>, channel: ChannelName, chat: string, choices: readonly Choice[]): Promise<{ number: number; choice: Choice }[]> {
  return core.store.drafts.offerNumbers(addressKey(channel, chat), choices, core.clock());
}

/** What a number typed in that chat stood for; null when it was never offered there. */
export function numberedChoice(core: Pick<Core, 'store'>, channel: ChannelName, chat: string, number: number): Promise<Choice | null> {
  return core.store.drafts.numbered(addressKey(channel, chat), number);
}
