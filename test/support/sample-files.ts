import { crc32, deflateRawSync } from 'node:zlib';
import { createHash } from 'node:crypto';

/** A part of a ZIP container. */
export interface ZipPart {
  name: string;
  content: string | Uint8Array;
  /** Kept as it is, not packed. */
  stored?: boolean;
  /** Marked as locked by a password. */
  encrypted?: boolean;
}

/** A small, whole PDF; `words` make its bytes differ from another's. `encrypted` names an encryption in its trailer. */
export function pdfFile(words = 'Báo cáo', options: { encrypted?: boolean } = {}): Buffer {
  const objects = ['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [3 0 R] /Count 1 >>', '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>', `<< /Title (${Buffer.from(words).toString('hex')}) >>`];
  let body = '%PDF-1.4\n%\u00e2\u00e3\u00cf\u00d3\n';
  const offsets = objects.map((object, index) => {
    const at = Buffer.byteLength(body, 'latin1');
    body += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return at;
  });
  const table = Buffer.byteLength(body, 'latin1');
  body += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.map((at) => `${String(at).padStart(10, '0')} 00000 n \n`).join('')}`;
  body += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info 4 0 R${options.encrypted ? ' /Encrypt 5 0 R' : ''} >>\nstartxref\n${table}\n%%EOF\n`;
  return Buffer.from(body, 'latin1');
}

/** A ZIP container of these parts. */
export function zipFile(parts: readonly ZipPart[]): Buffer {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const part of parts) {
    const content = Buffer.from(part.content);
    const packed = part.stored ? content : deflateRawSync(content);
    const name = Buffer.from(part.name);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(part.encrypted ? 0x0801 : 0x0800, 2);
    shared.writeUInt16LE(part.stored ? 0 : 8, 4);
    shared.writeUInt32LE(crc32(content), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(content.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(20, 4);
    shared.copy(entry, 6);
    entry.writeUInt32LE(offset, 42);
    const local = Buffer.concat([Buffer.from('PK\u0003\u0004', 'latin1'), shared, name, packed]);
    locals.push(local);
    entries.push(entry, name);
    offset += local.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(parts.length, 8);
  end.writeUInt16LE(parts.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

const contentTypes: ZipPart = { name: '[Content_Types].xml', content: '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>' };

/** A Word document as Office writes it; with macros it is a program. */
export function docxFile(words = 'Báo cáo', options: { macros?: boolean } = {}): Buffer {
  return zipFile([contentTypes, { name: '_rels/.rels', content: '<Relationships/>' }, { name: 'word/document.xml', content: `<w:document>${words}</w:document>` }, ...(options.macros ? [{ name: 'word/vbaProject.bin', content: 'x' }] : [])]);
}

/** A workbook as Office writes it. */
export function xlsxFile(): Buffer {
  return zipFile([contentTypes, { name: 'xl/workbook.xml', content: '<workbook/>' }]);
}

/** An OpenDocument text or spreadsheet; encrypted ones say so in their manifest. */
export function openDocumentFile(kind: 'text' | 'spreadsheet' | 'presentation', options: { encrypted?: boolean } = {}): Buffer {
  const entry = options.encrypted ? '<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>' : '<manifest:file-entry/>';
  return zipFile([
    { name: 'mimetype', content: `application/vnd.oasis.opendocument.${kind}`, stored: true }, { name: 'content.xml', content: '<office/>' },
    { name: 'META-INF/manifest.xml', content: `<manifest:manifest>${entry}</manifest:manifest>` },
  ]);
}

/** An OLE compound file with these streams: what old Office files, and encrypted new ones, are kept in. `streams` are name → first bytes. */
export function compoundFile(streams: Readonly<Record<string, Uint8Array>>, rootClass = ''): Buffer {
  const names = Object.keys(streams);
  const header = Buffer.alloc(512);
  Buffer.from('d0cf11e0a1b11ae1', 'hex').copy(header);
  header.writeUInt16LE(0x3e, 24);
  header.writeUInt16LE(3, 26);
  header.writeUInt16LE(0xfffe, 28);
  header.writeUInt16LE(9, 30);
  header.writeUInt16LE(6, 32);
  header.writeUInt32LE(1, 44);
  header.writeUInt32LE(1, 48); // The directory stands in the second sector.
  header.writeUInt32LE(0, 76);
  const fat = Buffer.alloc(512, 0xff);
  const entry = (name: string, type: number, start: number, size: number): Buffer => {
    const bytes = Buffer.alloc(128);
    bytes.write(name, 0, 'utf16le');
    bytes.writeUInt16LE((name.length + 1) * 2, 64);
    bytes[66] = type;
    if (type === 5) Buffer.from(rootClass, 'hex').copy(bytes, 80);
    bytes.writeUInt32LE(start, 116);
    bytes.writeUInt32LE(size, 120);
    return bytes;
  };
  const directory = Buffer.alloc(512);
  [entry('Root Entry', 5, 0xfffffffe, 0), ...names.map((name, index) => entry(name, 2, 2 + index, 4096))].slice(0, 4).forEach((bytes, index) => bytes.copy(directory, index * 128));
  const sectors = names.map((name) => Buffer.concat([Buffer.from(streams[name] as Uint8Array), Buffer.alloc(512)]).subarray(0, 512));
  return Buffer.concat([header, fat, directory, ...sectors]);
}

/** An old Word document; `locked` with a password. */
export function docFile(options: { locked?: boolean } = {}): Buffer {
  const block = Buffer.alloc(32);
  block.writeUInt16LE(0xa5ec, 0);
  block.writeUInt16LE(options.locked ? 0x0100 : 0, 10);
  return compoundFile({ WordDocument: block }, '0609020000000000c000000000000046');
}

/** An old workbook; `locked` with a password. */
export function xlsFile(options: { locked?: boolean } = {}): Buffer {
  const records = Buffer.alloc(64);
  records.writeUInt16LE(0x0809, 0);
  records.writeUInt16LE(16, 2);
  records.writeUInt16LE(options.locked ? 0x002f : 0x0042, 20);
  records.writeUInt16LE(2, 22);
  return compoundFile({ Workbook: records }, '2008020000000000c000000000000046');
}

/** The beginning of a picture, enough to be one by content. */
export function pictureFile(kind: 'jpg' | 'png' | 'heic' | 'gif'): Buffer {
  if (kind === 'jpg') return Buffer.concat([Buffer.from('ffd8ffe000104a46494600010100000100010000ffdb', 'hex'), Buffer.alloc(200), Buffer.from('ffd9', 'hex')]);
  if (kind === 'gif') return Buffer.from('GIF89a\u0001\u0000\u0001\u0000\u0000\u0000\u0000;', 'latin1');
  if (kind === 'heic') return Buffer.concat([Buffer.from('00000018667479706865696300000000686569636d696631', 'hex'), Buffer.alloc(64)]);
  return Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082', 'hex');
}

/** A Windows program. */
export function programFile(): Buffer {
  return Buffer.concat([Buffer.from('MZ\u0090\u0000\u0003\u0000\u0000\u0000', 'latin1'), Buffer.alloc(56), Buffer.from('This program cannot be run in DOS mode.')]);
}

/** The SHA-256 of bytes, hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
