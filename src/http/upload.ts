import { pipeline, Transform, type Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from '../domain/refusal.ts';
import type { Language } from '../domain/person.ts';
import { fileSizeLimit } from '../domain/submission.ts';
import type { Log, Text } from '../ports.ts';
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

/** Uploads from one address, or by one link, within a minute. */
const uploadsPerMinute = 20;
const stalledMs = 60_000;

/** Pages behind signed links: hand in a file (`/nop/…`), fetch one (`/tai/…`). The token is never logged. */
export async function serveUploads(app: FastifyInstance, desk: UploadDesk): Promise<void> {
  await app.register(async (scope) => {
    await scope.register(multipart, { limits: { files: 1, fields: 4, fileSize: fileSizeLimit + 1 } });
    scope.addHook('onSend', async (_request, reply) => void reply.headers({ 'referrer-policy': 'no-referrer', 'x-robots-tag': 'noindex' }));
    scope.setErrorHandler(async (error, request, reply) => answerTrouble(desk, error, request, reply));

    scope.get<{ Params: { token: string } }>('/nop/:token', async (request, reply) => sendPage(desk, reply, 200, await desk.open(request.params.token)));

    scope.post<{ Params: { token: string } }>('/nop/:token', {
      bodyLimit: fileSizeLimit + 64 * 1024,
      config: { rateLimit: { max: uploadsPerMinute, timeWindow: 60_000, keyGenerator: (request: FastifyRequest) => `${request.ip} ${(request.params as { token?: string }).token ?? ''}` } },
    }, async (request, reply) => {
      const { token } = request.params;
      // Before a byte of the file is read: a link that is no good is told so at once, and the stamp is the arrival of the request.
      const at = desk.clock();
      const page = await desk.open(token);
      if (page.receipt !== null || page.closed !== null) return sendPage(desk, reply, 200, page);
      const part = await request.file();
      if (!part || (part.filename === '' && part.file.readableEnded)) throw new Refusal('file-empty', {});
      return sendPage(desk, reply, 200, await desk.take(token, { name: part.filename || 'file', at, stream: guardStalled(part.file) }));
    });

    scope.get<{ Params: { token: string } }>('/tai/:token', async (request, reply) => {
      const file = await desk.download(request.params.token);
      return reply
        .headers({ 'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.name)}`, 'content-length': file.size, 'content-security-policy': "default-src 'none'; sandbox" })
        .type('application/octet-stream')
        .send(await file.open());
    });
  });
}

/** The same bytes, ended with an error when they stand still or break off: a connection would otherwise be held for as long as somebody likes. */
function guardStalled(stream: Readable): Readable {
  let timer = setTimeout(end, stalledMs);
  const guarded = new Transform({
    transform(chunk, _encoding, done) {
      clearTimeout(timer);
      timer = setTimeout(end, stalledMs);
      done(null, chunk);
    },
    destroy(error, done) {
      clearTimeout(timer);
      done(error);
    },
  });
  function end(): void {
    stream.destroy(new Error('upload stands still'));
  }
  pipeline(stream, guarded, () => clearTimeout(timer));
  return guarded;
}

function sendPage(desk: UploadDesk, reply: FastifyReply, status: number, page: UploadPage): FastifyReply {
  return reply.code(status).type('text/html; charset=utf-8').send(renderUploadPage((key, params) => desk.text.say(page.language, key, params), page));
}

function answerTrouble(desk: UploadDesk, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const language: Language = /^en\b/i.test(request.headers['accept-language'] ?? '') ? 'en' : 'vi';
  const say = (key: string, params?: Record<string, unknown>): string => desk.text.say(language, key, params);
  const send = (status: number, sentence: string): FastifyReply => reply.code(status).type('text/html; charset=utf-8').send(renderNotePage(say, language, sentence));
  if (error instanceof Refusal) return send(error.code === 'link-invalid' ? 404 : error.code === 'link-expired' ? 410 : 422, say(`refusal.${error.code}`, error.params));
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status === 413) return send(413, say('refusal.file-too-big', { limit: '20 MB' }));
  if (status === 429) return send(429, say('upload.busy'));
  if (status === 406 || status === 415) return send(422, say('upload.no-file'));
  desk.log.error('http.upload-failed', { route: request.routeOptions.url ?? '', error: error instanceof Error ? error.name : 'unknown' });
  return send(500, say('upload.trouble'));
}
