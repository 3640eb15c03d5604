import { UploadedFile } from './fake-telegram-spec.ts';

/** Reads a multipart/form-data body. Throws for anything that is not well formed: a file name that breaks out of its header is. */
export function readMultipart(contentType: string, body: Buffer): Record<string, string | UploadedFile> {
  const boundary = /boundary=([^;]+)/.exec(contentType)?.[1];
  if (!boundary) throw new Error('no boundary');
  const mark = Buffer.from(`--${boundary}`);
  const form: Record<string, string | UploadedFile> = {};
  let at = body.indexOf(mark);
  while (at >= 0) {
    const start = at + mark.length;
    if (body.subarray(start, start + 2).toString() === '--') return form;
    const head = body.indexOf('\r\n\r\n', start);
    const end = body.indexOf(Buffer.concat([Buffer.from('\r\n'), mark]), head);
    if (head < 0 || end < 0) throw new Error('unfinished part');
    readPart(body.subarray(start + 2, head).toString('utf8'), body.subarray(head + 4, end), form);
    at = end + 2;
  }
  throw new Error('no closing boundary');
}

function readPart(head: string, content: Buffer, form: Record<string, string | UploadedFile>): void {
  const lines = head.split('\r\n');
  if (lines.some((line) => !/^[\w-]+:/.test(line))) throw new Error('broken header');
  const disposition = lines.find((line) => /^content-disposition:/i.test(line)) ?? '';
  const match = /^content-disposition:\s*form-data; name="([^"]+)"(?:; filename="([^"\r\n]*)")?$/i.exec(disposition);
  if (!match?.[1]) throw new Error('broken content-disposition');
  const mime = /^content-type:\s*(.+)$/im.exec(head)?.[1] ?? 'application/octet-stream';
  form[match[1]] = match[2] === undefined ? content.toString('utf8') : new UploadedFile(match[2], mime, Buffer.from(content));
}
