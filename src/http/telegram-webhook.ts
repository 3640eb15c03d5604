import type { FastifyInstance } from 'fastify';
import type { Log } from '../ports.ts';
import { sameSecret } from './secret.ts';

/** What the webhook is served from. */
export interface TelegramWebhook {
  /** What Telegram must show in `X-Telegram-Bot-Api-Secret-Token`. */
  secret: string;
  /** Stores the update; rejects when it should be delivered again. */
  receive(update: unknown): Promise<void>;
  log: Log;
}

/** The path of the webhook below the public address. */
export const telegramWebhookPath = '/telegram/webhook';

/** Updates are text and file ids, files come separately: this is many times the largest. */
const bodyLimit = 1024 * 1024;

/**
 * Takes updates from Telegram. The secret is looked at before the body is read. 200 says "stored (or nothing that ever could be)";
 * 503 makes Telegram deliver again. Telegram repeats and overlaps deliveries: the inbox knows them by their id.
 */
export async function serveTelegramWebhook(app: FastifyInstance, { secret, log, ...webhook }: TelegramWebhook): Promise<void> {
  app.post(telegramWebhookPath, {
    bodyLimit,
    config: { rateLimit: false },
    onRequest: async (request, reply) => (sameSecret(request.headers['x-telegram-bot-api-secret-token'], secret) ? undefined : reply.code(403).send({ error: 'forbidden' })),
  }, async (request, reply) => {
    try {
      await webhook.receive(request.body);
    } catch (error) {
      log.error('telegram.webhook-not-stored', { error: error instanceof Error ? error.name : 'unknown' });
      return reply.code(503).send({ error: 'try again' });
    }
    return reply.code(200).send({ ok: true });
  });
}
