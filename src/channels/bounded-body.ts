import { Readable, Transform, type TransformCallback } from 'node:stream';
import { Refusal } from '../domain/refusal.ts';
import { fileSizeLimit } from '../domain/submission.ts';

/** How a download is watched. */
export interface BodyRules {
  /** Stands before the words of its errors, which never name the address. @example 'telegram download' */
  what: string;
  /** Milliseconds without a byte after which it is given up. */
  idleMs: number;
  /** Ends the request when the stream ends, however it ends. */
  abort: AbortController;
  /** Sees every piece. */
  onChunk?(chunk: Buffer): void;
  /** Looks at the whole once it is there; the error it answers ends the stream. */
  onEnd?(bytes: number): Error | null;
}

/** A response's body as a stream that ends with an error when it grows past 20 MB (Refusal `file-too-big`), stands still or breaks off. */
export function boundBody(body: ReadableStream<Uint8Array>, rules: BodyRules): Readable {
  let bytes = 0;
  let idle = setTimeout(end, rules.idleMs);
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      clearTimeout(idle);
      idle = setTimeout(end, rules.idleMs);
      bytes += chunk.length;
      rules.onChunk?.(chunk);
      done(bytes > fileSizeLimit ? new Refusal('file-too-big', { limit: '20 MB' }) : null, chunk);
    },
    flush: (done) => done(rules.onEnd?.(bytes) ?? null),
    destroy(error, done) {
      clearTimeout(idle);
      rules.abort.abort();
      done(error);
    },
  });
  function end(): void {
    bounded.destroy(new Error(`${rules.what}: stands still`));
  }
  const source = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);
  source.on('error', () => bounded.destroy(new Error(`${rules.what}: broken off`)));
  return source.pipe(bounded);
}
