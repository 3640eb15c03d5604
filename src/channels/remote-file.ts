import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { FileRef } from '../domain/message.ts';
import { Refusal } from '../domain/refusal.ts';
import { fileSizeLimit } from '../domain/submission.ts';
import { boundBody } from './bounded-body.ts';

/** From where a file may be fetched, and how long it may stand still. */
export interface RemoteFileRules {
  /** Hosts, each with everything under it (`*.` before it says the same), with a port where it is not the usual one. @example ['zdn.vn'] allows f9.zdn.vn, not evilzdn.vn */
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
  return hosts.map((host) => host.replace(/^\*\./, '')).some((host) => url.host === host || url.host.endsWith(`.${host}`));
}

/**
 * Opens a file by its address as a stream that ends with an error when it grows past 20 MB, stands still, or does not have the checksum (32 hex: MD5)
 * or size that was promised. Throws Refusal `file-gone` or `file-too-big`. A redirect is followed only to the same hosts.
 */
export async function openRemoteFile(file: FileRef, rules: RemoteFileRules): Promise<Readable> {
  if (file.size !== null && file.size > fileSizeLimit) throw new Refusal('file-too-big', { limit: '20 MB' });
  const abort = new AbortController();
  const idle = setTimeout(() => abort.abort(), rules.idleMs);
  const response = await fetchAllowed(file.ref, rules.hosts, abort.signal).finally(() => clearTimeout(idle));
  if (!response) throw new Error('download: no answer');
  if ([400, 403, 404, 410].includes(response.status)) throw new Refusal('file-gone');
  if (!response.ok || !response.body) throw new Error(`download: status ${response.status}`);
  const hash = createHash('md5');
  return boundBody(response.body, {
    what: 'download', idleMs: rules.idleMs, abort,
    onChunk: (chunk) => void hash.update(chunk),
    onEnd(bytes) {
      const promised = file.checksum !== null && /^[0-9a-f]{32}$/i.test(file.checksum) ? file.checksum.toLowerCase() : null;
      const broken = (promised !== null && hash.digest('hex') !== promised) || (file.size !== null && file.size > 0 && bytes !== file.size);
      return broken ? new Refusal('file-gone') : null;
    },
  });
}

const redirectLimit = 3;

/** Every stop on the way is looked at before it is called; null when nobody answered. */
async function fetchAllowed(address: string, hosts: readonly string[], signal: AbortSignal): Promise<Response | null> {
  let next = address;
  for (let hops = 0; hops <= redirectLimit; hops += 1) {
    if (!mayFetch(next, hosts)) throw new Refusal('file-gone');
    const response = await fetch(next, { signal, redirect: 'manual' }).catch(() => null);
    const location = response?.headers.get('location');
    if (!response || response.status < 300 || response.status >= 400 || !location || !URL.canParse(location, next)) return response;
    await response.body?.cancel();
    next = new URL(location, next).href;
  }
  throw new Refusal('file-gone');
}

/** Where Zalo keeps what people send. */
export const zaloFileHosts: readonly string[] = ['zdn.vn', 'zadn.vn', 'zalo.me', 'zaloapp.com', 'zaloplatforms.com'];
