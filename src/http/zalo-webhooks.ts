import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Log } from '../ports.ts';
import { sameSecret } from './secret.ts';

/** The paths of the webhooks below the public address. */
export const zaloBotWebhookPath = '/zalo/bot/webhook';
/** See {@link zaloBotWebhookPath}. */
export const zaloOaWebhookPath = '/zalo/oa/webhook';

/** Events are words and addresses of files: this is many times the largest. */
const bodyLimit = 1024 * 1024;

/** What the Zalo Bot's webhook is served from. */
export interface ZaloBotWebhook {
  /** What Zalo must show in `X-Bot-Api-Secret-Token`. */
  secret: string;
  /** Stores the update; rejects when it could not be stored. */
  receive(update: unknown): Promise<void>;
  log: Log;
}

/** Takes updates of the Zalo Bot, bare or wrapped. Retries are not promised, so 200 comes only after storing. */
export async function serveZaloBotWebhook(app: FastifyInstance, webhook: ZaloBotWebhook): Promise<void> {
  app.post(zaloBotWebhookPath, {
    bodyLimit,
    config: { rateLimit: false },
    onRequest: async (request, reply) => (sameSecret(request.headers['x-bot-api-secret-token'], webhook.secret) ? undefined : reply.code(403).send({ error: 'forbidden' })),
  }, async (request, reply) => store(() => webhook.receive(request.body), reply, webhook.log, 'zalo-bot'));
}

/** What the Official Account's webhook is served from. */
export interface ZaloOaWebhook {
  /** Whether those very bytes are signed by Zalo. */
  isSigned(raw: Buffer, header: string | undefined): boolean;
  /** Whether it is the unsigned `{}` that the console posts when the address is saved. */
  isConsoleCheck(raw: Buffer): boolean;
  /** Stores the event; rejects when it could not be stored. */
  receive(event: unknown): Promise<void>;
  /** Told of every signature that was right or wrong, for the self-check: a wrong key loses every event without a word. */
  onSignature(right: boolean): Promise<void>;
  log: Log;
}

/**
 * Takes events of the Official Account. The signature is over the raw bytes. 200 says "stored (or nothing that ever could be)", 500 that it could not be
 * stored; work begins after the answer. The event's own time is not judged: a retry is an hour old.
 */
export async function serveZaloOaWebhook(app: FastifyInstance, webhook: ZaloOaWebhook): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit }, (_request, body, done) => done(null, body));
    scope.post(zaloOaWebhookPath, { bodyLimit, config: { rateLimit: false } }, async (request, reply) => {
      const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      if (webhook.isConsoleCheck(raw)) return reply.code(200).send({ ok: true });
      const header = request.headers['x-zevent-signature'];
      const right = webhook.isSigned(raw, Array.isArray(header) ? header[0] : header);
      await webhook.onSignature(right).catch(() => undefined);
      if (!right) {
        webhook.log.warn('zalo-oa.wrong-signature');
        return reply.code(403).send({ error: 'forbidden' });
      }
      return store(() => webhook.receive(JSON.parse(raw.toString('utf8'))), reply, webhook.log, 'zalo-oa');
    });
  });
}

async function store(receive: () => Promise<void>, reply: FastifyReply, log: Log, channel: string): Promise<FastifyReply> {
  try {
    await receive();
  } catch (error) {
    log.error(`${channel}.webhook-not-stored`, { error: error instanceof Error ? error.name : 'unknown' });
    return reply.code(500).send({ error: 'try again' });
  }
  return reply.code(200).send({ ok: true });
}
