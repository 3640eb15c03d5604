import { Readable } from 'node:stream';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { languageSchema, type Language } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import { fileSizeLimit } from '../domain/submission.ts';
import type { FileStore, Text, TranscriptEntry } from '../ports.ts';
import { renderDemoPage, storySteps, type DemoPhone } from './demo-page.ts';
import { attachmentHeader } from './html.ts';

/** What the page shows beside the chats, in one language. */
export interface DemoState {
  /** Which beginning the data is of; a page that knows another one reads everything anew. */
  birth: string;
  now: string;
  nowText: string;
  nextText: string | null;
  story: { key: string; done: boolean; ready: boolean }[];
  outbox: Record<string, number>;
  /** What the units of the story owe, side by side; null where one does not owe it. */
  inside: { units: string[]; rows: { title: string; due: string; states: ({ state: string; text: string; reminded: string } | null)[] }[] };
}

/** The demo as the routes need it. */
export interface Demo {
  text: Text;
  timeZone: string;
  files: Pick<FileStore, 'open' | 'describe'>;
  phones(): Promise<DemoPhone[]>;
  state(language: Language): Promise<DemoState>;
  moveClock(move: 'hour' | 'day' | 'next'): Promise<void>;
  play(step: string): Promise<void>;
  /** Begins anew; false when it may not. */
  reset(): Promise<boolean>;
  say(chat: string, id: string, text: string): Promise<void>;
  press(chat: string, id: string, choice: string, on: string): Promise<void>;
  upload(chat: string, id: string, name: string, stream: Readable): Promise<void>;
  history(chat: string): Promise<TranscriptEntry[]>;
  watch(listener: (entry: TranscriptEntry) => void): () => void;
  watchState(listener: () => void): () => void;
}

const chatSchema = z.object({ chat: z.enum(['chair', 'member', 'staff']) });
const idSchema = z.string().regex(/^[\w-]{8,64}$/);
const pageSchema = z.object({ lang: languageSchema.catch('vi') });
const loopback = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?$/;
/** How often a silent stream of events says that it lives, in milliseconds. */
const heartbeatMs = 20_000;

/**
 * Only a page served by this process may call the demo. Another site in the same browser is known by its Origin or by what the browser says of the request,
 * a name bent to this address by its Host.
 */
function guardOrigin(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
  const { host = '', origin, 'sec-fetch-site': site } = request.headers;
  const own = loopback.test(host) && (origin === undefined || origin === `http://${host}`);
  // The page itself may be opened by a link from anywhere; what it calls may not.
  const foreign = site !== undefined && site !== 'same-origin' && site !== 'none' && request.routeOptions.url !== '/';
  if (!own || foreign || (request.method !== 'GET' && request.headers['x-dondoc-demo'] !== '1')) return reply.code(403).send({ message: 'forbidden' });
  return undefined;
}

/** The demo page and what it calls; for loopback only. */
export async function serveDemo(app: FastifyInstance, demo: Demo): Promise<void> {
  const say = (language: Language) => (key: string, params?: Record<string, unknown>) => demo.text.say(language, key, params);
  const languageOf = (request: FastifyRequest): Language => pageSchema.parse(request.query).lang;
  // One person on this machine: a limit would only stand in their way.
  const free = { config: { rateLimit: false } };
  const streams = new Set<Readable>();

  await app.register(async (scope) => {
    await scope.register(multipart, { limits: { files: 1, fileSize: fileSizeLimit + 1 } });
    scope.addHook('onRequest', async (request, reply) => guardOrigin(request, reply));
    // Pages that listen must not hold up a stop; they ask again by themselves.
    scope.addHook('preClose', async () => streams.forEach((stream) => stream.push(null)));
    scope.setErrorHandler(async (error, request, reply) => {
      const words = say(languageOf(request));
      if (error instanceof Refusal) return reply.code(422).send({ message: words(`refusal.${error.code}`, error.params) });
      const status = error instanceof z.ZodError ? 400 : ((error as { statusCode?: number }).statusCode ?? 500);
      if (status >= 500) request.log.error({ name: (error as Error).name, path: request.routeOptions.url }, 'demo route failed');
      return reply.code(status).send({ message: words('demo.failed') });
    });

    scope.get('/', free, async (request, reply) => {
      const language = languageOf(request);
      return reply.type('text/html; charset=utf-8').send(renderDemoPage(say(language), language, demo.timeZone, await demo.phones()));
    });
    scope.get('/demo/state', free, (request) => demo.state(languageOf(request)));
    scope.get('/demo/chats/:chat/messages', free, (request) => demo.history(chatSchema.parse(request.params).chat));
    scope.get('/demo/events', free, (_request, reply) => streamEvents(demo, streams, reply));

    scope.post('/demo/chats/:chat/text', free, async (request) => {
      const { id, text } = z.object({ id: idSchema, text: z.string().min(1).max(20_000) }).parse(request.body);
      await demo.say(chatSchema.parse(request.params).chat, id, text);
      return {};
    });
    scope.post('/demo/chats/:chat/press', free, async (request) => {
      const { id, choice, on } = z.object({ id: idSchema, choice: z.string().max(200), on: z.string().max(100) }).parse(request.body);
      await demo.press(chatSchema.parse(request.params).chat, id, choice, on);
      return {};
    });
    scope.post('/demo/chats/:chat/files', free, async (request) => {
      const { id } = z.object({ id: idSchema }).parse(request.query);
      const { chat } = chatSchema.parse(request.params);
      const part = await request.file();
      if (!part) throw new Refusal('file-empty');
      await demo.upload(chat, id, part.filename, part.file);
      return {};
    });
    scope.post('/demo/clock', free, async (request) => {
      await demo.moveClock(z.object({ move: z.enum(['hour', 'day', 'next']) }).parse(request.body).move);
      return demo.state(languageOf(request));
    });
    scope.post('/demo/play', free, async (request) => {
      await demo.play(z.object({ step: z.enum(storySteps.map((step) => step.key)) }).parse(request.body).step);
      return demo.state(languageOf(request));
    });
    scope.post('/demo/reset', free, async (request, reply) => ((await demo.reset()) ? {} : reply.code(409).send({ message: say(languageOf(request))('demo.reset-shared') })));
    scope.get('/demo/files/:file', free, async (request, reply) => {
      const { file } = z.object({ file: z.string().min(1) }).parse(request.params);
      const about = await demo.files.describe(file);
      if (!about) return reply.code(404).send({ message: say(languageOf(request))('refusal.file-gone') });
      return reply.header('content-disposition', attachmentHeader(about.name)).type('application/octet-stream').send(await demo.files.open(file));
    });
  });
}

/** Everything that happens from now on, as server-sent events; whoever (re)connects reads first what they missed. */
function streamEvents(demo: Demo, streams: Set<Readable>, reply: FastifyReply): FastifyReply {
  const stream = new Readable({ read() {} });
  const send = (event: string, value: unknown) => stream.push(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`);
  const heartbeat = setInterval(() => stream.push(': here\n\n'), heartbeatMs);
  const stops = [demo.watch((entry) => send('entry', entry)), demo.watchState(() => send('state', {})), () => clearInterval(heartbeat)];
  stream.push('retry: 500\n\n');
  streams.add(stream);
  stream.on('end', leave);
  reply.raw.on('close', leave);
  function leave(): void {
    for (const stop of stops.splice(0)) stop();
    streams.delete(stream);
  }
  return reply.type('text/event-stream').header('cache-control', 'no-store').send(stream);
}
