import type { Recognised } from '../ports.ts';

const entrySize = 128;
const wordClass = '0609020000000000c000000000000046';
const excelClasses: ReadonlySet<string> = new Set(['2008020000000000c000000000000046', '1008020000000000c000000000000046']);
const sheetRecords = { file: 0x0809, lock: 0x002f, mostLookedAt: 20 } as const;

/** An entry of the directory of an OLE compound file. */
interface Entry {
  name: string;
  classId: string;
  start: number;
}

/**
 * Tells the old Office files apart, which share one container: Word and Excel by the class of the root or by the stream they keep their
 * content in; the container of an encrypted new Office file by its package. The directory is found by its entries (128 bytes each, at
 * multiples of 128), so that a file with a damaged sector table is still told apart.
 */
export function recogniseCompound(bytes: Buffer): Recognised {
  const entries = readDirectory(bytes);
  const find = (...names: string[]) => entries.find((entry) => names.includes(entry.name));
  if (find('EncryptedPackage', 'EncryptionInfo')) return { refused: 'file-encrypted' };
  const root = find('Root Entry');
  const word = find('WordDocument');
  const sheet = find('Workbook', 'Book');
  const isWord = word && (root?.classId === wordClass || !sheet || !excelClasses.has(root?.classId ?? ''));
  if (isWord) return isLockedWord(bytes, word.start) ? { refused: 'file-encrypted' } : { kind: 'doc' };
  if (sheet) return isLockedSheet(bytes, sheet.start) ? { refused: 'file-encrypted' } : { kind: 'xls' };
  return { refused: 'file-kind' };
}

function readDirectory(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 512; at + entrySize <= bytes.length; at += entrySize) {
    const nameBytes = bytes.readUInt16LE(at + 64);
    const type = bytes[at + 66] ?? 0;
    // Anything else at this place is content, not a directory entry: names end with a zero, types are 1 (storage), 2 (stream) and 5 (root).
    if (nameBytes < 4 || nameBytes > 64 || nameBytes % 2 !== 0 || ![1, 2, 5].includes(type) || bytes.readUInt16LE(at + nameBytes - 2) !== 0) continue;
    const name = bytes.subarray(at, at + nameBytes - 2).toString('utf16le');
    entries.push({ name, classId: bytes.subarray(at + 80, at + 96).toString('hex'), start: bytes.readUInt32LE(at + 116) });
  }
  return entries;
}

function sector(bytes: Buffer, start: number): Buffer {
  const size = 2 ** Math.min(12, bytes.readUInt16LE(30));
  const from = (start + 1) * size;
  return from < bytes.length ? bytes.subarray(from, from + size) : Buffer.alloc(0);
}

/** Bit 8 of the flags in the file information block. */
function isLockedWord(bytes: Buffer, start: number): boolean {
  const block = sector(bytes, start);
  return block.length >= 12 && block.readUInt16LE(0) === 0xa5ec && (block.readUInt16LE(10) & 0x0100) !== 0;
}

/** A workbook with a password has a lock record right after its first one. */
function isLockedSheet(bytes: Buffer, start: number): boolean {
  const block = sector(bytes, start);
  let at = 0;
  for (let seen = 0; seen < sheetRecords.mostLookedAt && at + 4 <= block.length; seen += 1) {
    const record = block.readUInt16LE(at);
    if (seen === 0 && record !== sheetRecords.file) return false;
    if (record === sheetRecords.lock) return true;
    at += 4 + block.readUInt16LE(at + 2);
  }
  return false;
}
