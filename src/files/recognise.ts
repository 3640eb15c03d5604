import type { Readable } from 'node:stream';
import type { FileKind } from '../domain/submission.ts';
import type { Recognised } from '../ports.ts';
import { recogniseCompound } from './compound.ts';
import { recogniseArchive } from './archive.ts';

const picturesAndPdf: Readonly<Record<string, FileKind>> = { pdf: 'pdf', jpg: 'jpg', png: 'png', heic: 'heic' };
const programs: ReadonlySet<string> = new Set(['exe', 'elf', 'macho', 'wasm', 'class', 'deb', 'rpm', 'lnk', 'swf', 'crx', 'dmg']);

/**
 * Recognises files by their content, never by their name. One at a time: a file is held in memory whole while it is looked at, and twenty
 * megabytes once are little where twenty megabytes for each sender of a busy evening are not.
 */
export function createRecogniser(): (open: () => Promise<Readable>) => Promise<Recognised> {
  let last: Promise<unknown> = Promise.resolve();
  return (open) => {
    const turn = last.then(async () => recogniseBytes(await readWhole(await open())));
    last = turn.catch(() => undefined);
    return turn;
  };
}

/**
 * The kind of these bytes, or why they are not taken.
 * @example recogniseBytes(Buffer.from('MZ…')) → { refused: 'file-program' }
 */
export async function recogniseBytes(bytes: Buffer): Promise<Recognised> {
  if (bytes.length === 0) return { refused: 'file-empty' };
  if (bytes.subarray(0, 2).toString('latin1') === 'MZ' || bytes.subarray(0, 2).toString('latin1') === '#!') return { refused: 'file-program' };
  if (isArchive(bytes)) return recogniseArchive(bytes);
  if (isPdf(bytes)) return isEncryptedPdf(bytes) ? { refused: 'file-encrypted' } : { kind: 'pdf' };
  const { fileTypeFromBuffer } = await import('file-type');
  const found = await fileTypeFromBuffer(bytes).catch(() => undefined);
  if (!found) return { refused: 'file-kind' };
  if (found.ext === 'cfb') return recogniseCompound(bytes);
  if (programs.has(found.ext)) return { refused: 'file-program' };
  const kind = picturesAndPdf[found.ext];
  return kind ? { kind } : { refused: 'file-kind' };
}

async function readWhole(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

/** Some scanners write a byte order mark or an empty line first. */
function isPdf(bytes: Buffer): boolean {
  return /^(?:\u00ef\u00bb\u00bf)?\s{0,16}%PDF-/.test(bytes.subarray(0, 32).toString('latin1'));
}

/** The trailer (or the dictionary of a cross-reference stream, which is never compressed) names the encryption. */
function isEncryptedPdf(bytes: Buffer): boolean {
  for (let at = bytes.indexOf('/Encrypt'); at !== -1; at = bytes.indexOf('/Encrypt', at + 8)) {
    if (/^\/Encrypt\s*(?:\d+\s+\d+\s+R|<<)/.test(bytes.subarray(at, at + 48).toString('latin1'))) return true;
  }
  return false;
}

function isArchive(bytes: Buffer): boolean {
  const mark = bytes.subarray(0, 4).toString('latin1');
  return mark === 'PK\u0003\u0004' || mark === 'PK\u0005\u0006';
}
