import type { Readable } from 'node:stream';
import { Refusal } from '../domain/refusal.ts';
import type { Person } from '../domain/person.ts';
import type { Core } from '../ports.ts';
import { readOwnAssignment, type AssignmentView } from './assignments.ts';
import { keepFile } from './files.ts';
import { readLink } from './links.ts';
import { notify } from './notify.ts';
import { findHandedIn, handIn, type HandedIn } from './submissions.ts';

/** What an upload link opens. */
export interface UploadOffer {
  person: Person;
  view: AssignmentView;
  /** What was handed in through this very link; it is used up then. */
  handed: HandedIn | null;
  expiresAt: Date;
}

function sourceOf(id: string): string {
  return `link:${id}`;
}

/** Opens an upload link. Throws Refusal `link-invalid`, `link-expired`, and what reading the assignment throws (the person may have lost the unit since). */
export async function openUpload(core: Core, token: string): Promise<UploadOffer> {
  const link = readLink(core, token, 'upload');
  const person = await core.store.people.get(link.person);
  if (!person) throw new Refusal('link-invalid');
  const view = await readOwnAssignment(core, person, link.subject);
  return { person, view, handed: await findHandedIn(core, person, sourceOf(link.id)), expiresAt: link.expiresAt };
}

/** A file coming in through a link. */
export interface UploadedFile {
  name: string;
  /** When its first byte reached us: the stamp that counts. */
  at: Date;
  stream: Readable;
}

/**
 * Hands in through a link. The link is good for one version: used again it answers the first receipt. Each attempt is kept under an id of its own, so that
 * uploads at the same time cannot mix; the one that was not first is removed. The receipt also goes to the person's chat. Throws Refusal like
 * {@link openUpload}, `keepFile` and `handIn`.
 */
export async function takeUpload(core: Core, token: string, file: UploadedFile): Promise<UploadOffer & { handed: HandedIn }> {
  const link = readLink(core, token, 'upload');
  const offer = await openUpload(core, token);
  if (offer.handed) return { ...offer, handed: { ...offer.handed, repeat: true } };
  const attempt = Buffer.from(core.random(6)).toString('hex');
  const kept = await keepFile(core, { key: `${sourceOf(link.id)}/${attempt}`, name: file.name, size: null, open: async () => file.stream });
  const channel = offer.person.addresses[0]?.channel ?? 'web';
  const handed = await handIn(core, offer.person, { assignment: link.subject, source: sourceOf(link.id), channel, at: file.at, content: { kind: 'files', files: [kept], note: '' } });
  const used = handed.submission.content.kind === 'files' && handed.submission.content.files.some((stored) => stored.fileId === kept.fileId);
  if (!used) await core.store.files.remove(kept.fileId);
  const { submission } = handed;
  await notify(core, [{ key: `receipt/${submission.id}/${offer.person.id}`, notice: { kind: 'receipt', submission: submission.id }, person: offer.person, about: submission.assignment }]);
  return { ...offer, handed };
}

/** A file behind a download link. Throws Refusal `link-invalid`, `link-expired`, `file-gone`. */
export async function openDownload(core: Core, token: string): Promise<{ name: string; size: number; open(): Promise<Readable> }> {
  const link = readLink(core, token, 'download');
  const about = await core.store.files.describe(link.subject);
  if (!about) throw new Refusal('file-gone');
  return { name: about.name, size: about.size, open: () => core.store.files.open(link.subject) };
}
