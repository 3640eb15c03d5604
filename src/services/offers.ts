import type { Choice } from '../domain/message.ts';
import { addressKey, type ChannelName } from '../domain/person.ts';
import type { Core } from '../ports.ts';

/** Gives running numbers to choices that get no button, for whoever is behind that chat: the person on all channels, or the address before there is one. */
export async function offerNumbers(core: Pick<Core, 'store' | 'clock'>, channel: ChannelName, chat: string, choices: readonly Choice[]): Promise<{ number: number; choice: Choice }[]> {
  const person = await core.store.people.byAddress(channel, chat);
  return core.store.drafts.offerNumbers(person?.id ?? addressKey(channel, chat), choices, core.clock());
}
