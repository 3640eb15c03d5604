import rateLimit from '@fastify/rate-limit';
import fastify, { LogController, type FastifyBaseLogger, type FastifyError, type FastifyInstance } from 'fastify';
import type { Log } from '../ports.ts';
import type { Metrics } from './metrics.ts';

/** Whether one part of the service works. */
export interface Readiness {
  ok: boolean;
  detail: string;
}

/** What the server is built from. */
export interface ServerSettings {
  log: Log;
  /** One entry a part (the store, each channel); a check that throws counts as not ready. */
  checks: Readonly<Record<string, () => Promise<Readiness> | Readiness>>;
  metrics: Metrics;
  /** Adds the routes of webhooks, links, pages. Each file under `http/` exports one such function, called with its own dependencies. */
  routes: readonly ((app: FastifyInstance) => Promise<void> | void)[];
  /** Requests a minute from one address, webhooks excepted. */
  requestsPerMinute?: number;
}

/** How long a check for `/readyz` may take, in milliseconds. */
const checkMs = 2_000;
/** How long open connections (pages that listen) may hold up a stop, in milliseconds. */
const drainMs = 3_000;
const bodyLimit = 256 * 1024;

/** Sent with every answer unless a route sets its own. */
const safeHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'content-security-policy': "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'cache-control': 'no-store',
};

/**
 * The HTTP server: `/healthz` (the process lives), `/readyz` (it can work), `/metrics`, and the routes given in. Not listening yet.
 * No error shows more than its status; bodies, addresses of files and headers are never logged.
 */
export async function createServer(settings: ServerSettings): Promise<FastifyInstance> {
  const { log } = settings;
  const app = fastify({
    bodyLimit,
    loggerInstance: quietLogger(log),
    logController: new LogController({ disableRequestLogging: true }),
    // Only proxies on this machine or its private network are believed when they name the caller.
    trustProxy: ['loopback', 'linklocal', 'uniquelocal'],
    // Signed links are longer than the router's usual hundred characters.
    routerOptions: { maxParamLength: 512 },
    // A file of 20 MB over a slow phone takes minutes; a connection on which nothing moves is closed long before.
    requestTimeout: 900_000,
    connectionTimeout: 75_000,
    forceCloseConnections: 'idle',
  });

  app.setErrorHandler(async (error: FastifyError, request, reply) => {
    const status = error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : 500;
    if (status === 500) log.error('http.failed', { route: request.routeOptions.url ?? '', error: error.name, code: error.code });
    return reply.code(status).send({ error: status === 500 ? 'internal error' : reasons[status] ?? 'bad request' });
  });
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send({ error: 'not found' }));
  app.addHook('onRequest', async (_request, reply) => void reply.headers(safeHeaders));
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), drainMs).unref();
  });

  await app.register(rateLimit, { max: settings.requestsPerMinute ?? 600, timeWindow: 60_000, addHeaders: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false } });
  app.get('/healthz', { config: { rateLimit: false } }, async () => ({ ok: true }));
  app.get('/readyz', { config: { rateLimit: false } }, async (_request, reply) => {
    const checks = Object.fromEntries(await Promise.all(Object.entries(settings.checks).map(async ([name, check]) => [name, await runCheck(check)] as const)));
    const ok = Object.values(checks).every((check) => check.ok);
    return reply.code(ok ? 200 : 503).send({ ok, checks });
  });
  app.get('/metrics', async (_request, reply) => reply.type(settings.metrics.contentType).send(await settings.metrics.render()));
  for (const route of settings.routes) await app.register(async (scope) => route(scope));
  return app;
}

const reasons: Record<number, string> = { 403: 'forbidden', 404: 'not found', 413: 'too large', 415: 'unsupported media type', 429: 'too many requests' };

async function runCheck(check: () => Promise<Readiness> | Readiness): Promise<Readiness> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Readiness>((resolve) => {
    timer = setTimeout(() => resolve({ ok: false, detail: 'no answer' }), checkMs);
  });
  try {
    return await Promise.race([Promise.resolve(check()), late]);
  } catch {
    return { ok: false, detail: 'failed' };
  } finally {
    clearTimeout(timer);
  }
}

/** What routes may hand to their log; addresses are not among it, for links carry their signature there. */
const loggedFacts = new Set(['name', 'code', 'path', 'statusCode']);

/** fastify's own lines in the house's log: the event and short facts, never a request, a body or a stack. */
function quietLogger(log: Log): FastifyBaseLogger {
  const write = (level: 'info' | 'warn' | 'error') => (first: unknown, second?: unknown) => {
    const facts = typeof first === 'object' && first !== null ? Object.fromEntries(Object.entries(first).filter(([key]) => loggedFacts.has(key))) : {};
    log[level](`http: ${[first, second].find((part) => typeof part === 'string') ?? ''}`, facts);
  };
  const silent = () => undefined;
  const logger: FastifyBaseLogger = { level: 'info', info: write('info'), warn: write('warn'), error: write('error'), fatal: write('error'), debug: silent, trace: silent, silent, child: () => logger };
  return logger;
}
