import { z } from 'zod';
import { readCode } from '../domain/pairing.ts';
import { addressKey, currentAddress, type ChannelName, type Person } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Core } from '../ports.ts';
import { answerRow } from './notify.ts';
import { freshCode, hashCode, linksOf, refuseLocked, type Attempter } from './pairing.ts';

/** How long a code that links a second channel lives, in minutes. */
export const linkMinutes = 15;

const linkSchema = z.strictObject({ person: z.string(), expiresAt: z.string() });

/** A code that links the next channel to the same person: shown once, single use, 15 minutes. */
export async function issueLinkCode(core: Core, person: Person): Promise<{ code: string; links: { channel: ChannelName; url: string }[]; expiresAt: Date }> {
  const code = await freshCode(core, new Set());
  const expiresAt = new Date(core.clock().getTime() + linkMinutes * 60_000);
  await core.store.settings.set(settingKey(hashCode(core, code)), { person: person.id, expiresAt: expiresAt.toISOString() });
  return { code, links: linksOf(core, code), expiresAt };
}

/**
 * Joins the address to the person who issued the code; null when the code is not of this kind. `already`: it belonged to them before.
 * `person` is as they were before, without the new address.
 * Two identities are never merged: an address that belongs to somebody else is refused (`address-taken`), because one of the two would lose consent, roles
 * and pledges given under the other name. Throws Refusal `pairing-locked`, `code-expired`, `code-used` or `address-taken`.
 */
export async function linkAddress(core: Core, typed: string, who: Attempter, message: string): Promise<{ person: Person; already: boolean } | null> {
  await refuseLocked(core, who);
  const code = readCode(typed);
  if (code === null) return null;
  const key = settingKey(hashCode(core, code));
  const stored = await core.store.settings.get<unknown>(key);
  if (stored === null) return null;
  const link = linkSchema.parse(stored);
  const person = await core.store.people.get(link.person);
  const usedBy = await core.store.settings.get<string>(`${key}/used`);
  if (person && who.person?.id === person.id && usedBy !== message) return { person, already: true };
  if (usedBy !== null && usedBy !== message) throw new Refusal('code-used', { unit: '' });
  if (!person || who.at >= new Date(link.expiresAt)) throw new Refusal('code-expired', { unit: '' });
  if (who.person && who.person.id !== person.id) throw new Refusal('address-taken');
  if (usedBy === null && !(await core.store.settings.setOnce(`${key}/used`, message)) && (await core.store.settings.get<string>(`${key}/used`)) !== message) {
    throw new Refusal('code-used', { unit: '' });
  }
  if (!who.person) await core.store.people.addAddress(person.id, { channel: who.channel, id: who.chat, lastAt: who.at, state: 'active', reason: null });
  await core.store.codes.clearWrong(addressKey(who.channel, who.chat));
  return { person, already: false };
}

/** Tells the person, where they were before (`person` as they were then), that a channel was added: if it was not them, they learn of it. */
export async function tellLinked(core: Core, person: Person, message: string, text: string): Promise<void> {
  const address = currentAddress(person);
  if (!address) return;
  const row = answerRow(`linked/${message}`, { kind: 'answer', reply: { text } }, { channel: address.channel, chat: address.id, person: person.id }, core.clock());
  if ((await core.store.outbox.put([row])) > 0) core.wakeOutbox();
}

function settingKey(hash: string): string {
  return `link/${hash}`;
}
