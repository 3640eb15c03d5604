import { Readable } from 'node:stream';
import type { OutgoingDocument } from '../domain/message.ts';
import type { Core } from '../ports.ts';

const pictureLimit = 5 * 1024 * 1024;

/** Keeps a drawn PNG so that a reply can carry it; the same id is drawn and kept once. */
export async function keepPicture(core: Core, fileId: string, name: string, draw: () => Promise<Uint8Array>): Promise<OutgoingDocument> {
  const mime = 'image/png';
  const kept = await core.store.files.describe(fileId);
  if (kept) return { fileId, name: kept.name, mime, size: kept.size };
  const { size } = await core.store.files.save(fileId, Readable.from([await draw()]), { name, mime }, pictureLimit);
  return { fileId, name, mime, size };
}
