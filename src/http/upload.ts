import { pipeline, Transform, type Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Refusal, type RefusalCode } from '../domain/refusal.ts';
import type { Language } from '../domain/person.ts';
import { fileSizeLimit } from '../domain/submission.ts';
import type { Log, Text } from '../ports.ts';
import { attachmentHeader } from './html.ts';
import { renderNotePage, renderUploadPage, type UploadPage } from './upload-page.ts';

/** What the upload page is served from: services and words, already joined. */
export interface UploadDesk {
  text: Text;
  log: Log;
  clock(): Date;
  /** What the link opens, in words. Throws Refusal. */
  open(token: string): Promise<UploadPage>;
  /** Hands in through the link. Throws Refusal. */
  take(token: string, file: { name: string; at: Date; stream: Readable }): Promise<UploadPage>;
  /** The file behind a download link. Throws Refusal. */
  download(token: string): Promise<{ name: string; size: number; open(): Promise<Readable> }>;
}

/** Uploads by one link, and from one address (an office behind one address is many people), within a minute. */
const perLinkMinute = 20;
const perAddressMinute = 120;
const minuteMs = 60_000;
/** How long an upload may stand still, in milliseconds. */
const stalledMs = 60_000;

/** What may be told otherwise than usual. */
export interface UploadOptions {
  /** Uploads from one address within a minute. */
  perAddressMinute?: number;
  /** How long an upload may stand still, in milliseconds. */
  stalledMs?: number;
}

/** More uploads from one address than a minute allows. */
class TooMany extends Error {
  readonly statusCode = 429;
}

/** The upload stood still or broke off: nobody's fault here, and nothing to log. */
class UploadBroken extends Error {}

/** Pages behind signed links: hand in a file (`/nop/…`), fetch one (`/tai/…`). The token is never logged. */
export async function serveUploads(app: FastifyInstance, desk: UploadDesk, options: UploadOptions = {}): Promise<void> {
  // In the language of the link's person once it is known; before that in the browser's.
  const languages = new WeakMap<FastifyRequest, Language>();

  await app.register(async (scope) => {
    await scope.register(multipart, { limits: { files: 1, fields: 4, fileSize: fileSizeLimit + 1 } });
    scope.addHook('onSend', async (_request, reply) => void reply.headers({ 'referrer-policy': 'no-referrer', 'x-robots-tag': 'noindex' }));
    scope.setErrorHandler(async (error, request, reply) => answerTrouble(desk, error, languages.get(request) ?? browserLanguage(request), request, reply));

    const countAddress = scope.createRateLimit({ max: options.perAddressMinute ?? perAddressMinute, timeWindow: minuteMs, keyGenerator: (request: FastifyRequest) => `upload ${request.ip}` });

    scope.get<{ Params: { token: string } }>('/nop/:token', async (request, reply) => sendPage(desk, reply, 200, await desk.open(request.params.token)));

    scope.post<{ Params: { token: string } }>('/nop/:token', {
      bodyLimit: fileSizeLimit + 64 * 1024,
      config: { rateLimit: { max: perLinkMinute, timeWindow: minuteMs, keyGenerator: (request: FastifyRequest) => (request.params as { token?: string }).token ?? '' } },
      onRequest: async (request) => {
        const address = await countAddress(request);
        if (!address.isAllowed && address.isExceeded) throw new TooMany();
      },
    }, async (request, reply) => {
      const { token } = request.params;
      // Before a byte of the file is read: a link that is no good is told so at once, and the stamp is the arrival of the request.
      const at = desk.clock();
      const page = await desk.open(token);
      languages.set(request, page.language);
      if (page.receipt !== null || page.closed !== null) return sendPage(desk, reply, 200, page);
      const part = await request.file();
      if (!part || (part.filename === '' && part.file.readableEnded)) throw new Refusal('file-empty', {});
      return sendPage(desk, reply, 200, await desk.take(token, { name: part.filename || 'file', at, stream: guardStalled(part.file, options.stalledMs ?? stalledMs) }));
    });

    scope.get<{ Params: { token: string } }>('/tai/:token', async (request, reply) => {
      const file = await desk.download(request.params.token);
      return reply
        .headers({ 'content-disposition': attachmentHeader(file.name), 'content-length': file.size, 'content-security-policy': "default-src 'none'; sandbox" })
        .type('application/octet-stream')
        .send(await file.open());
    });
  });
}

/** The same bytes, ended with UploadBroken when they stand still or break off: a connection would otherwise be held for as long as somebody likes. */
function guardStalled(stream: Readable, stalledAfter: number): Readable {
  let timer = setTimeout(end, stalledAfter);
  const guarded = new Transform({
    transform(chunk, _encoding, done) {
      clearTimeout(timer);
      timer = setTimeout(end, stalledAfter);
      done(null, chunk);
    },
    destroy(error, done) {
      clearTimeout(timer);
      done(error);
    },
  });
  function end(): void {
    guarded.destroy(new UploadBroken('the upload stands still'));
  }
  stream.on('error', () => guarded.destroy(new UploadBroken('the upload broke off')));
  pipeline(stream, guarded, () => clearTimeout(timer));
  return guarded;
}

function sendPage(desk: UploadDesk, reply: FastifyReply, status: number, page: UploadPage): FastifyReply {
  return reply.code(status).type('text/html; charset=utf-8').send(renderUploadPage((key, params) => desk.text.say(page.language, key, params), page));
}

function browserLanguage(request: FastifyRequest): Language {
  return /^en\b/i.test(request.headers['accept-language'] ?? '') ? 'en' : 'vi';
}

const refusalStatus: Partial<Record<RefusalCode, number>> = { 'link-invalid': 404, 'link-expired': 410, 'file-gone': 404, 'file-too-big': 413 };

function answerTrouble(desk: UploadDesk, error: unknown, language: Language, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const say = (key: string, params?: Record<string, unknown>): string => desk.text.say(language, key, params);
  // Another file can be tried where the link itself is good.
  const send = (status: number, sentence: string, again = request.method === 'POST'): FastifyReply => reply.code(status).type('text/html; charset=utf-8').send(renderNotePage(say, language, sentence, again));
  if (error instanceof Refusal) return send(refusalStatus[error.code] ?? 422, say(`refusal.${error.code}`, error.params), request.method === 'POST' && error.code.startsWith('file-'));
  if (error instanceof UploadBroken) return send(408, say('upload.failed'));
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status === 413) return send(413, say('refusal.file-too-big', { limit: '20 MB' }));
  if (status === 429) return send(429, say('upload.busy'));
  if (status === 406 || status === 415) return send(422, say('upload.no-file'));
  desk.log.error('http.upload-failed', { route: request.routeOptions.url ?? '', error: error instanceof Error ? error.name : 'unknown' });
  return send(500, say('upload.trouble'));
}
