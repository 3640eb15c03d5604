import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { addressKey, type ChannelName } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Core } from '../ports.ts';

/** How long an upload link lives, in milliseconds (three days): long enough to find a computer. */
export const uploadLinkMs = 3 * 86_400_000;
/** How long a download link lives, in milliseconds (seven days). */
export const downloadLinkMs = 7 * 86_400_000;

/** What a link allows: one purpose, for one person, about one thing, until a moment. */
export interface LinkFacts {
  purpose: 'upload' | 'download';
  person: string;
  /** The assignment to hand in for, or the file to fetch. */
  subject: string;
  expiresAt: Date;
  /** Random; what was uploaded through the link is stored under it, so that using it again shows the receipt instead of making a second version. */
  id: string;
}

const purposeLetters = { upload: 'n', download: 't' } as const;
const tokenSchema = z.tuple([z.enum(['n', 't']), z.string().min(1), z.string().min(1), z.int().positive(), z.string().min(1)]);

type Signer = Pick<Core, 'secret'>;

function sign(signer: Signer, body: string): string {
  // A key of its own, so that nothing signed elsewhere with the same secret can pass for a link.
  const key = createHmac('sha256', signer.secret).update('dondoc link').digest();
  return createHmac('sha256', key).update(body).digest().subarray(0, 18).toString('base64url');
}

/** The address of a page that hands in or fetches one thing. It holds no name and no code; whoever has it can use it, so it is never logged. */
export function createLink(core: Pick<Core, 'secret' | 'publicUrl' | 'random'>, facts: Omit<LinkFacts, 'id'>): string {
  const id = Buffer.from(core.random(9)).toString('base64url');
  const fields = [purposeLetters[facts.purpose], facts.person, facts.subject, Math.floor(facts.expiresAt.getTime() / 1000), id];
  const body = Buffer.from(JSON.stringify(fields)).toString('base64url');
  return `${core.publicUrl}/${facts.purpose === 'upload' ? 'nop' : 'tai'}/${body}.${sign(core, body)}`;
}

/** Reads the token of a link. Throws Refusal `link-invalid` for anything not signed by us for that purpose, `link-expired` after its time. */
export function readLink(core: Pick<Core, 'secret' | 'clock'>, token: string, purpose: LinkFacts['purpose']): LinkFacts {
  const [body = '', signature = '', ...more] = token.split('.');
  // Compared as written: base64 has several spellings of the same bytes, and only ours is a link.
  const given = Buffer.from(signature);
  const expected = Buffer.from(sign(core, body));
  if (more.length > 0 || given.length !== expected.length || !timingSafeEqual(given, expected)) throw new Refusal('link-invalid');
  const [letter, person, subject, seconds, id] = tokenSchema.parse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8')));
  if (letter !== purposeLetters[purpose]) throw new Refusal('link-invalid');
  const expiresAt = new Date(seconds * 1000);
  if (core.clock() >= expiresAt) throw new Refusal('link-expired');
  return { purpose, person, subject, expiresAt, id };
}

/** A download link for somebody on a channel that does not carry that file; it is theirs alone and expires. */
export async function linkForDocument(core: Pick<Core, 'secret' | 'publicUrl' | 'random' | 'clock' | 'store'>, channel: ChannelName, chat: string, document: { fileId: string }): Promise<string> {
  const person = await core.store.people.byAddress(channel, chat);
  return createLink(core, { purpose: 'download', person: person?.id ?? addressKey(channel, chat), subject: document.fileId, expiresAt: new Date(core.clock().getTime() + downloadLinkMs) });
}
