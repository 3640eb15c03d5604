import { createHash } from 'node:crypto';
import { Readable, Transform, type TransformCallback } from 'node:stream';
import type { FileRef } from '../domain/message.ts';
import { Refusal } from '../domain/refusal.ts';
import { fileSizeLimit } from '../domain/submission.ts';

/** From where a file may be fetched, and how long it may stand still. */
export interface RemoteFileRules {
  /** Hosts, each with everything under it. @example ['zdn.vn'] allows f9.zdn.vn, not evilzdn.vn */
  hosts: readonly string[];
  /** Milliseconds without a byte after which it is given up. */
  idleMs: number;
}

/**
 * Whether an address may be fetched: http(s), no user or password in it, on one of the hosts. An address on any other host, or one that
 * leads into the own network, is refused before a connection is opened.
 */
export function mayFetch(address: string, hosts: readonly string[]): boolean {
  if (!URL.canParse(address)) return false;
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return false;
  return hosts.some((host) => url.host === host || url.hostname === host || url.hostname.endsWith(`.${host}`));
}

/**
 * Opens a file by its address as a stream that ends with an error when it grows past 20 MB, stands still, or does not have the checksum (32 hex: MD5)
 * or size that was promised. Throws Refusal `file-gone` or `file-too-big`. Redirects are not followed: they would lead past the list of hosts.
 */
export async function openRemoteFile(file: FileRef, rules: RemoteFileRules): Promise<Readable> {
  if (file.size !== null && file.size > fileSizeLimit) throw new Refusal('file-too-big', { limit: '20 MB' });
  if (!mayFetch(file.ref, rules.hosts)) throw new Refusal('file-gone');
  const abort = new AbortController();
  let idle = setTimeout(() => abort.abort(), rules.idleMs);
  const response = await fetch(file.ref, { signal: abort.signal, redirect: 'error' }).catch(() => null);
  clearTimeout(idle);
  if (!response) throw new Error('download: no answer');
  if ([400, 403, 404, 410].includes(response.status)) throw new Refusal('file-gone');
  if (!response.ok || !response.body) throw new Error(`download: status ${response.status}`);
  const hash = createHash('md5');
  let bytes = 0;
  const checked = new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      clearTimeout(idle);
      idle = setTimeout(() => checked.destroy(new Error('download: stands still')), rules.idleMs);
      bytes += chunk.length;
      hash.update(chunk);
      done(bytes > fileSizeLimit ? new Refusal('file-too-big', { limit: '20 MB' }) : null, chunk);
    },
    flush(done) {
      const promised = file.checksum !== null && /^[0-9a-f]{32}$/i.test(file.checksum) ? file.checksum.toLowerCase() : null;
      const broken = (promised !== null && hash.digest('hex') !== promised) || (file.size !== null && file.size > 0 && bytes !== file.size);
      done(broken ? new Refusal('file-gone') : null);
    },
    destroy(error, done) {
      clearTimeout(idle);
      abort.abort();
      done(error);
    },
  });
  idle = setTimeout(() => checked.destroy(new Error('download: stands still')), rules.idleMs);
  const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
  body.on('error', () => checked.destroy(new Error('download: broken off')));
  return body.pipe(checked);
}

/** Where Zalo keeps what people send. */
export const zaloFileHosts: readonly string[] = ['zdn.vn', 'zadn.vn', 'zalo.me', 'zaloapp.com', 'zaloplatforms.com'];
