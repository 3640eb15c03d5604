import type { Readable } from 'node:stream';
import { shortRef } from '../domain/choice.ts';
import type { FileRef, OutgoingDocument } from '../domain/message.ts';
import type { ChannelName } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import { fileSizeLimit, type FileKind, type KeptFile } from '../domain/submission.ts';
import type { Core } from '../ports.ts';

const nameLimit = 120;
const mimes: Readonly<Record<FileKind, string>> = {
  pdf: 'application/pdf', doc: 'application/msword', docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', xls: 'application/vnd.ms-excel',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', odt: 'application/vnd.oasis.opendocument.text', ods: 'application/vnd.oasis.opendocument.spreadsheet',
  jpg: 'image/jpeg', png: 'image/png', heic: 'image/heic', zip: 'application/zip',
};

/** A file that arrived: `key` names the message (or the upload), `open` fetches it. */
export interface ArrivedFile {
  key: string;
  name: string;
  /** Bytes as the sender's side says; null where it does not. */
  size: number | null;
  open(): Promise<Readable>;
}

/** The file of a channel's message. */
export function fileOfMessage(core: Pick<Core, 'channels'>, channel: ChannelName, key: string, file: FileRef): ArrivedFile {
  return {
    key, name: file.name, size: file.size,
    async open() {
      const source = core.channels.get(channel);
      if (!source) throw new Refusal('file-gone');
      return source.open(file);
    },
  };
}

/**
 * Fetches and keeps a file under an id made from its key, so that a repeat after a crash finds or replaces it, then recognises it. What is not
 * taken is removed again. Throws Refusal `file-too-big`, `file-empty`, `file-kind`, `file-encrypted`, `file-program`, `file-gone`.
 */
export async function keepFile(core: Core, arrived: ArrivedFile): Promise<KeptFile> {
  const limit = `${fileSizeLimit / 1024 / 1024} MB`;
  if (arrived.size !== null && arrived.size > fileSizeLimit) throw new Refusal('file-too-big', { limit });
  const fileId = `in-${shortRef(arrived.key)}`;
  const name = cleanFileName(arrived.name);
  const saved = (await core.store.files.describe(fileId)) ?? (await core.store.files.save(fileId, await arrived.open(), { name, mime: 'application/octet-stream' }, fileSizeLimit));
  const recognised = saved.size === 0 ? { refused: 'file-empty' as const } : await core.recognise(() => core.store.files.open(fileId));
  if ('refused' in recognised) {
    await core.store.files.remove(fileId);
    throw new Refusal(recognised.refused, { name });
  }
  return { fileId, name, kind: recognised.kind, size: saved.size, sha256: saved.sha256 };
}

/** Removes files that were kept and turned out not to be needed: a copy of what was received before, or nothing to hand them in for. */
export async function dropFiles(core: Pick<Core, 'store'>, files: readonly KeptFile[], needed: readonly KeptFile[] = []): Promise<void> {
  for (const file of files) if (!needed.some((kept) => kept.fileId === file.fileId)) await core.store.files.remove(file.fileId);
}

/** A kept file as a reply sends it. */
export function documentOf(file: KeptFile): OutgoingDocument {
  return { fileId: file.fileId, name: file.name, mime: mimes[file.kind], size: file.size };
}

/**
 * A file's name fit to be shown: composed letters, no folders, nothing invisible (control characters, marks that turn the reading direction), not longer
 * than a line or two with its ending kept. It is never used as a path.
 * @example cleanFileName('../../Báo\u202Ecáo.pdf') → 'Báocáo.pdf'
 */
export function cleanFileName(name: string): string {
  const last = name.normalize('NFC').split(/[/\\]/).at(-1) ?? '';
  const visible = last.replace(/\s+/g, ' ').replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}]+/gu, '').replace(/ +/g, ' ').replace(/^[.\s]+|[.\s]+$/g, '');
  if (visible === '') return 'file';
  if (visible.length <= nameLimit) return visible;
  const ending = /\.[\p{L}\p{N}]{1,8}$/u.exec(visible)?.[0] ?? '';
  return `${visible.slice(0, nameLimit - ending.length - 1).replace(/\p{Cs}+$/u, '').trimEnd()}…${ending}`;
}
