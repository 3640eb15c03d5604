import { Readable } from 'node:stream';
import type { OutgoingDocument } from '../domain/message.ts';
import type { Core } from '../ports.ts';

/** Keeps a PNG picture so that a reply can carry it; the same id is kept once, whatever is drawn the second time. */
export async function keepPicture(core: Core, fileId: string, name: string, png: Uint8Array): Promise<OutgoingDocument> {
  const about = { name, mime: 'image/png' };
  const kept = await core.store.files.describe(fileId);
  if (kept) return { fileId, ...about, size: kept.size };
  const { size } = await core.store.files.save(fileId, Readable.from([png]), about, png.byteLength);
  return { fileId, ...about, size };
}
