import { extname } from 'node:path';
import type { Choice, OutgoingDocument, Reply } from '../domain/message.ts';
import { fileKindSchema, type FileKind } from '../domain/submission.ts';
import type { Capabilities } from '../ports.ts';

/** One message a channel can really send: text under its limit, buttons it has, a document it carries. */
export interface Part<Document extends OutgoingDocument = OutgoingDocument> {
  /** Never longer than the limit; empty only beside a document. */
  text: string;
  choices: Choice[][];
  document: Document | null;
}

/** What is asked of the outside while making up for what a channel lacks. */
export interface MakingUp<Document extends OutgoingDocument = OutgoingDocument> {
  /** Gives numbers to choices that get no button; they run on per person. */
  offer(choices: readonly Choice[]): Promise<{ number: number; choice: Choice }[]> | { number: number; choice: Choice }[];
  /** An expiring link to a document that the channel does not carry. */
  linkFor(document: Document): Promise<string> | string;
  /** Most characters of text that may stand under a document; 0: a document travels without words. */
  captionLimit: number;
  /** Whether a button of this channel may open that address; where it may not, the address is written out. Without it: always. */
  opens?(url: string): boolean;
}

/**
 * Turns a reply into what the channel can do: text in NFC and split at line ends, choices without a button as numbered lines,
 * addresses and documents it cannot carry as written links. Order is kept: words first, buttons under the last part.
 * @example degrade({ text: 'Chọn:', choices: [[{ id: 'nop:1', label: 'Nộp' }]] }, { buttons: 0, … }, …) → [{ text: 'Chọn:\n7. Nộp', choices: [], document: null }]
 */
export async function degrade<Document extends OutgoingDocument>(
  reply: Omit<Reply, 'document'> & { document?: Document },
  capabilities: Pick<Capabilities, 'buttons' | 'textLimit' | 'sendsFile'>,
  makeUp: MakingUp<Document>,
): Promise<Part<Document>[]> {
  const { buttons, numbered, written } = shareOut(reply.choices ?? [], capabilities.buttons, (url) => makeUp.opens?.(url) ?? true);
  const lines = written.map((choice) => `${choice.label}: ${choice.url ?? ''}`);
  if (numbered.length > 0) lines.push(...(await makeUp.offer(numbered)).map(({ number, choice }) => `${number}. ${choice.label}`));
  const carried = reply.document && capabilities.sendsFile({ kind: kindByName(reply.document.name), size: reply.document.size }) ? reply.document : null;
  if (reply.document && !carried) lines.push(`📎 ${reply.document.name}: ${await makeUp.linkFor(reply.document)}`);
  const text = cleanText([reply.text, ...lines].filter((line) => line !== '').join('\n'));
  return arrange(text, buttons.map((row) => row.map((choice) => ({ ...choice, label: cleanText(choice.label) }))), carried, capabilities.textLimit, makeUp.captionLimit);
}

/**
 * Splits a text into pieces of at most `limit` UTF-16 units, at line ends where possible, else at spaces, else between characters.
 * Nothing is lost but the line end or space where it was cut; there is no empty piece.
 * @example splitText('một\nhai ba', 6) → ['một', 'hai ba']
 */
export function splitText(text: string, limit: number): string[] {
  const pieces: string[] = [];
  let rest = text.trim();
  while (rest.length > limit) {
    const cut = cutBefore(rest, limit);
    pieces.push(rest.slice(0, cut).trimEnd());
    rest = rest.slice(cut).trimStart();
  }
  if (rest !== '') pieces.push(rest);
  return pieces;
}

/** NFC, and no half of a surrogate pair or control sign that a service would refuse. Line ends and tabs stay. */
export function cleanText(text: string): string {
  return text
    .normalize('NFC')
    .replace(/\r\n?/g, '\n')
    .replace(/\p{Surrogate}/gu, '\ufffd')
    // oxlint-disable-next-line no-control-regex -- control signs are what is being taken out
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '');
}

function shareOut(rows: readonly Choice[][], limit: number, opens: (url: string) => boolean): { buttons: Choice[][]; numbered: Choice[]; written: Choice[] } {
  const buttons: Choice[][] = [];
  const numbered: Choice[] = [];
  const written: Choice[] = [];
  let free = limit;
  for (const row of rows) {
    const kept: Choice[] = [];
    for (const choice of row) {
      if (free > 0 && (choice.url === undefined || opens(choice.url))) {
        kept.push(choice);
        free -= 1;
      } else (choice.url === undefined ? numbered : written).push(choice);
    }
    if (kept.length > 0) buttons.push(kept);
  }
  return { buttons, numbered, written };
}

function arrange<Document extends OutgoingDocument>(text: string, choices: Choice[][], document: Document | null, limit: number, captionLimit: number): Part<Document>[] {
  if (document && text.length <= captionLimit) return [{ text, choices, document }];
  const pieces = splitText(text, limit);
  const parts: Part<Document>[] = pieces.map((piece, index) => ({ text: piece, choices: index === pieces.length - 1 ? choices : [], document: null }));
  // The document comes last, so that the words explain it before it arrives; buttons stay under the words they belong to.
  if (document) parts.push({ text: '', choices: pieces.length === 0 ? choices : [], document });
  return parts;
}

function cutBefore(text: string, limit: number): number {
  const line = text.lastIndexOf('\n', limit);
  if (line > 0) return line;
  const space = text.lastIndexOf(' ', limit);
  // A space near the beginning would leave a shred: a long word is then cut between characters.
  if (space > limit / 2) return space;
  return characterEnd(text, limit);
}

function characterEnd(text: string, limit: number): number {
  const window = text.slice(0, limit + 1);
  let end = 0;
  for (const { index } of new Intl.Segmenter('vi', { granularity: 'grapheme' }).segment(window)) if (index <= limit) end = index;
  // One "character" longer than the limit (a tower of marks): at least no surrogate pair is torn.
  if (end === 0) return /[\ud800-\udbff]/.test(text.charAt(limit - 1)) && limit > 1 ? limit - 1 : limit;
  return end;
}

function kindByName(name: string): FileKind | 'csv' | 'other' {
  const extension = extname(name).slice(1).toLowerCase();
  if (extension === 'csv') return 'csv';
  return fileKindSchema.safeParse(extension === 'jpeg' ? 'jpg' : extension).data ?? 'other';
}
