import { inflateRawSync, constants } from 'node:zlib';
import type { Recognised } from '../ports.ts';

const programNames = /\.(exe|com|scr|pif|bat|cmd|ps1|psm1|vbs|vbe|js|jse|mjs|wsf|wsh|hta|msi|msp|dll|sys|cpl|jar|apk|lnk|reg|sh|docm|dotm|xlsm|xltm|xlam)$/i;
const entryLimit = 10_000;
const lookedIntoLimit = 500;
const partLimit = 1_048_576;

interface Entry {
  name: string;
  encrypted: boolean;
  method: number;
  packed: number;
  offset: number;
}

/**
 * What a ZIP container is: an Office or OpenDocument file, or an archive. An archive that cannot be read is not taken, nor one that holds
 * programs (by name or by content) or macros, nor one that is locked by a password.
 */
export function recogniseArchive(bytes: Buffer): Recognised {
  const entries = readEntries(bytes);
  if (!entries || entries.length === 0) return { refused: 'file-kind' };
  if (entries.some((entry) => entry.encrypted)) return { refused: 'file-encrypted' };
  const names = new Set(entries.map((entry) => entry.name));
  if (names.has('AndroidManifest.xml') || names.has('classes.dex') || names.has('META-INF/MANIFEST.MF')) return { refused: 'file-program' };
  const mimetype = entries[0]?.name === 'mimetype' ? readPart(bytes, entries[0], 128).toString('latin1').trim() : null;
  if (mimetype !== null) return recogniseOpenDocument(bytes, entries, mimetype);
  if (names.has('[Content_Types].xml')) return recogniseOffice(entries, names);
  return entries.some((entry) => isProgram(entry.name)) || entries.slice(0, lookedIntoLimit).some((entry) => beginsAsProgram(bytes, entry)) ? { refused: 'file-program' } : { kind: 'zip' };
}

function recogniseOffice(entries: readonly Entry[], names: ReadonlySet<string>): Recognised {
  if (entries.some((entry) => /vbaProject\.bin$/i.test(entry.name))) return { refused: 'file-program' };
  if (names.has('word/document.xml')) return { kind: 'docx' };
  return names.has('xl/workbook.xml') ? { kind: 'xlsx' } : { refused: 'file-kind' };
}

function recogniseOpenDocument(bytes: Buffer, entries: readonly Entry[], mimetype: string): Recognised {
  const kind = mimetype === 'application/vnd.oasis.opendocument.text' ? 'odt' : mimetype === 'application/vnd.oasis.opendocument.spreadsheet' ? 'ods' : null;
  if (!kind) return { refused: 'file-kind' };
  const manifest = entries.find((entry) => entry.name === 'META-INF/manifest.xml');
  return manifest && readPart(bytes, manifest, partLimit).includes('encryption-data') ? { refused: 'file-encrypted' } : { kind };
}

/** The list at the end of the file; null when it is cut off or broken. */
function readEntries(bytes: Buffer): Entry[] | null {
  const end = bytes.lastIndexOf('PK\u0005\u0006', undefined, 'latin1');
  if (end === -1 || end + 22 > bytes.length) return null;
  const count = bytes.readUInt16LE(end + 10);
  let at = bytes.readUInt32LE(end + 16);
  if (count > entryLimit) return null;
  const entries: Entry[] = [];
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== 0x02014b50) return null;
    const nameLength = bytes.readUInt16LE(at + 28);
    entries.push({
      name: bytes.subarray(at + 46, at + 46 + nameLength).toString('utf8'),
      encrypted: (bytes.readUInt16LE(at + 8) & 1) === 1,
      method: bytes.readUInt16LE(at + 10),
      packed: bytes.readUInt32LE(at + 20),
      offset: bytes.readUInt32LE(at + 42),
    });
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return entries;
}

/** Up to `limit` bytes of one part, unpacked; empty where it cannot be read. An archive that unpacks without end (a "bomb") stops at the limit. */
function readPart(bytes: Buffer, entry: Entry, limit: number): Buffer {
  const { offset } = entry;
  if (offset + 30 > bytes.length) return Buffer.alloc(0);
  const from = offset + 30 + bytes.readUInt16LE(offset + 26) + bytes.readUInt16LE(offset + 28);
  const packed = bytes.subarray(from, Math.min(from + entry.packed, from + limit));
  if (entry.method === 0) return packed.subarray(0, limit);
  if (entry.method !== 8) return Buffer.alloc(0);
  try {
    return inflateRawSync(packed, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: limit * 1_100 }).subarray(0, limit);
  } catch {
    return Buffer.alloc(0);
  }
}

function isProgram(name: string): boolean {
  return programNames.test(name.replace(/[.\s]+$/, ''));
}

function beginsAsProgram(bytes: Buffer, entry: Entry): boolean {
  const head = readPart(bytes, entry, 64).subarray(0, 4).toString('latin1');
  return head.startsWith('MZ') || head === '\u007fELF' || head.startsWith('#!');
}
