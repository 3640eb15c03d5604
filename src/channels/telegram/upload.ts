import { randomBytes } from 'node:crypto';
import { request as httpRequest, type Agent, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** A file on its way to the service. `size` must be what the stream gives: it is announced before. */
export interface Upload {
  /** The field of the form. @example 'document' */
  field: string;
  /** Already safe for a header. */
  name: string;
  size: number;
  stream: Readable;
}

/**
 * Posts a form with one file as a stream of known length: nothing is held but the piece under way. telegraf's own form is not used: it drops objects, does not
 * escape names, and never ends on Node 26. Answers the body as text; rejects with the network's error (its `code`), or when the file gives other bytes than announced.
 */
export async function postForm(url: URL, agent: Agent, fields: Readonly<Record<string, string>>, upload: Upload, signal: AbortSignal): Promise<string> {
  const boundary = `dondoc${randomBytes(16).toString('hex')}`;
  const head = Buffer.from(
    `${Object.entries(fields).map(([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`).join('')}` +
    `--${boundary}\r\ncontent-disposition: form-data; name="${upload.field}"; filename="${upload.name}"\r\ncontent-type: application/octet-stream\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    method: 'POST', agent, signal,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': head.length + upload.size + tail.length },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
  // Whichever fails first is told; the other one must not go unheard.
  answered.catch(() => undefined);
  const sent = pipeline(Readable.from(formOf(head, upload, tail)), request);
  sent.catch(() => undefined);
  // A service may refuse before it has read everything: its answer counts, not the broken upload.
  const response = await Promise.race([answered, sent.then(() => answered)]);
  return text(response);
}

async function* formOf(head: Buffer, upload: Upload, tail: Buffer): AsyncGenerator<Buffer> {
  yield head;
  let bytes = 0;
  for await (const chunk of upload.stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > upload.size) break;
    yield chunk;
  }
  if (bytes !== upload.size) throw new Error('the file is not as long as it was said to be');
  yield tail;
}
