import { Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Refusal } from '../domain/refusal.ts';
import { fileSizeLimit } from '../domain/submission.ts';
import type { FileStore, Text, TranscriptEntry } from '../ports.ts';
import { renderDemoPage, storySteps, type DemoPhone } from './demo-page.ts';

/** What the page shows beside the chats. */
export interface DemoState {
  now: string;
  nowText: string;
  nextText: string | null;
  story: { key: string; done: boolean; ready: boolean }[];
  outbox: Record<string, number>;
  assignments: { unit: string; title: string; due: string; state: string }[];
}

/** The demo as the routes need it. */
export interface Demo {
  text: Text;
  timeZone: string;
  files: Pick<FileStore, 'open' | 'describe'>;
  phones(): Promise<DemoPhone[]>;
  state(): Promise<DemoState>;
  moveClock(move: 'hour' | 'day' | 'next'): Promise<void>;
  play(step: string): Promise<void>;
  reset(): Promise<void>;
  say(chat: string, id: string, text: string): Promise<void>;
  press(chat: string, id: string, choice: string, on: string): Promise<void>;
  upload(chat: string, id: string, name: string, stream: Readable): Promise<void>;
  history(chat: string): Promise<TranscriptEntry[]>;
  watch(listener: (entry: TranscriptEntry) => void): () => void;
  watchState(listener: () => void): () => void;
}

const chatSchema = z.object({ chat: z.enum(['chair', 'member', 'staff']) });
const idSchema = z.string().regex(/^[\w-]{8,64}$/);
const loopback = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?$/;

/** Only a page served by this process may call the demo: another site in the same browser, or a name bent to this address, may not. */
function guardOrigin(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
  const host = request.headers.host ?? '';
  const origin = request.headers.origin;
  const own = loopback.test(host) && (origin === undefined || origin === `http://${host}`);
  if (!own || (request.method !== 'GET' && request.headers['x-dondoc-demo'] !== '1')) return reply.code(403).send({ message: 'forbidden' });
  return undefined;
}

/** The demo page and what it calls; for loopback only. */
export async function serveDemo(app: FastifyInstance, demo: Demo): Promise<void> {
  const words = (key: string, params?: Record<string, unknown>) => demo.text.say('vi', key, params);

  await app.register(async (scope) => {
    await scope.register(multipart, { limits: { files: 1, fileSize: fileSizeLimit + 1 } });
    scope.addHook('onRequest', async (request, reply) => guardOrigin(request, reply));
    scope.setErrorHandler(async (error, request, reply) => {
      if (error instanceof Refusal) return reply.code(422).send({ message: words(`refusal.${error.code}`, error.params) });
      if (error instanceof z.ZodError) return reply.code(400).send({ message: words('demo.failed') });
      request.log.error({ name: (error as Error).name, path: request.routeOptions.url }, 'demo route failed');
      return reply.code(500).send({ message: words('demo.failed') });
    });

    scope.get('/', async (_request, reply) => reply.type('text/html; charset=utf-8').send(renderDemoPage(words, 'vi', demo.timeZone, await demo.phones())));
    scope.get('/demo/state', () => demo.state());
    scope.get('/demo/chats/:chat/messages', (request) => demo.history(chatSchema.parse(request.params).chat));
    scope.get('/demo/events', (request, reply) => streamEvents(demo, request, reply));

    scope.post('/demo/chats/:chat/text', async (request) => {
      const { id, text } = z.object({ id: idSchema, text: z.string().min(1).max(20_000) }).parse(request.body);
      await demo.say(chatSchema.parse(request.params).chat, id, text);
      return {};
    });
    scope.post('/demo/chats/:chat/press', async (request) => {
      const { id, choice, on } = z.object({ id: idSchema, choice: z.string().max(200), on: z.string().max(100) }).parse(request.body);
      await demo.press(chatSchema.parse(request.params).chat, id, choice, on);
      return {};
    });
    scope.post('/demo/chats/:chat/files', async (request) => {
      const { id } = z.object({ id: idSchema }).parse(request.query);
      const part = await request.file();
      if (!part) throw new Refusal('file-empty');
      await demo.upload(chatSchema.parse(request.params).chat, id, part.filename, part.file);
      return {};
    });
    scope.post('/demo/clock', async (request) => {
      await demo.moveClock(z.object({ move: z.enum(['hour', 'day', 'next']) }).parse(request.body).move);
      return demo.state();
    });
    scope.post('/demo/play', async (request) => {
      await demo.play(z.object({ step: z.enum(storySteps.map((step) => step.key)) }).parse(request.body).step);
      return {};
    });
    scope.post('/demo/reset', async () => {
      await demo.reset();
      return {};
    });
    scope.get('/demo/files/:file', async (request, reply) => {
      const { file } = z.object({ file: z.string().min(1) }).parse(request.params);
      const about = await demo.files.describe(file);
      if (!about) return reply.code(404).send({ message: words('refusal.file-gone') });
      const name = encodeURIComponent(about.name);
      return reply.header('content-disposition', `attachment; filename*=UTF-8''${name}`).type('application/octet-stream').send(await demo.files.open(file));
    });
  });
}

function streamEvents(demo: Demo, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const stream = new Readable({ read() {} });
  stream.push('retry: 1000\n\n');
  const send = (event: string, value: unknown) => stream.push(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`);
  const stops = [demo.watch((entry) => send('entry', entry)), demo.watchState(() => send('state', {}))];
  request.raw.on('close', () => {
    for (const stop of stops) stop();
    stream.push(null);
  });
  return reply.type('text/event-stream').header('cache-control', 'no-store').send(stream);
}
