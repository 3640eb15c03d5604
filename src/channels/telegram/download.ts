import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { FileRef } from '../../domain/message.ts';
import { Refusal } from '../../domain/refusal.ts';
import { fileSizeLimit } from '../../domain/submission.ts';
import { boundBody } from '../bounded-body.ts';
import type { TelegramClient } from './client.ts';
import type { Waits } from './polling.ts';

const fileSchema = z.object({ file_path: z.string().min(1), file_size: z.number().optional() });

/**
 * Opens a file somebody sent, as a stream that ends with an error when it grows past 20 MB or stands still. Throws Refusal `file-too-big`
 * or `file-gone`; any other error means that trying again may help. No error names the address: it holds the bot's token.
 */
export async function openTelegramFile(client: TelegramClient, file: FileRef, waits: Pick<Waits, 'callMs' | 'downloadIdleMs'>): Promise<Readable> {
  if (file.size !== null && file.size > fileSizeLimit) throw tooBig();
  const found = await client.call('getFile', { file_id: file.ref }, fileSchema, { timeoutMs: waits.callMs });
  if (!found.ok) {
    if (found.failure.code === 400) throw /too big/i.test(found.failure.description) ? tooBig() : new Refusal('file-gone');
    throw new Error(`telegram getFile: ${found.failure.description}`);
  }
  const { file_path: path, file_size: size } = found.value;
  if (size !== undefined && size > fileSizeLimit) throw tooBig();
  // A Bot API server in --local mode answers a path on its own disk; nothing the service can fetch.
  if (path.startsWith('/') || path.split('/').includes('..')) throw new Error('telegram getFile: the path cannot be fetched; run the Bot API server without --local');
  return download(client.fileUrl(path), waits.downloadIdleMs);
}

async function download(url: URL, idleMs: number): Promise<Readable> {
  const abort = new AbortController();
  const idle = setTimeout(() => abort.abort(), idleMs);
  const response = await fetch(url, { signal: abort.signal, redirect: 'error' }).catch(() => null);
  clearTimeout(idle);
  if (!response) throw new Error('telegram download: no answer');
  if (response.status === 404 || response.status === 400) throw new Refusal('file-gone');
  if (!response.ok || !response.body) throw new Error(`telegram download: status ${response.status}`);
  return boundBody(response.body, { what: 'telegram download', idleMs, abort });
}

function tooBig(): Refusal {
  return new Refusal('file-too-big', { limit: '20 MB' });
}
