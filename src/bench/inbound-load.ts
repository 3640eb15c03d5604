import { Agent, request } from 'node:http';
import { z } from 'zod';
import { telegramWebhookPath } from '../http/telegram-webhook.ts';
import { noLimits, startStrictBotApi } from './strict-bot-api.ts';

/** As many deliveries at once as we let Telegram make. */
export const connections = 40;
/** What the deliveries show in their header. */
export const secret = 'bench';

/** What the process that plays Telegram is told: the service's address, and how many presses to deliver there. */
export const loadJobSchema = z.strictObject({ address: z.string(), presses: z.int() });

/** What it says: where its Bot API is; that every press is acknowledged, and how many were at the first try. */
export const loadSayingSchema = z.discriminatedUnion('say', [z.strictObject({ say: z.literal('ready'), root: z.string() }), z.strictObject({ say: z.literal('done'), acknowledged: z.int(), atOnce: z.int() })]);

/** An update: the person with that number presses "confirm" under the pledge. */
export function pressUpdate(index: number): object {
  const from = { id: chatOf(index), is_bot: false, first_name: 'Bench' };
  return { update_id: index + 1, callback_query: { id: String(index), from, chat_instance: '1', data: 'ck-xn', message: { message_id: 1, date: 1_712_541_600, chat: { id: from.id, type: 'private', first_name: 'Bench' } } } };
}

/** The chat of the person with that number. */
export function chatOf(index: number): number {
  return 1000 + index;
}

/** Delivers all, so many at a time, each until it is acknowledged as Telegram does. */
async function deliverAll(address: string, presses: number): Promise<{ acknowledged: number; atOnce: number }> {
  const bodies = Array.from({ length: presses }, (_, index) => JSON.stringify(pressUpdate(index)));
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let next = 0;
  let acknowledged = 0;
  let atOnce = 0;
  const deliver = (body: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'x-telegram-bot-api-secret-token': secret };
      const call = request(`${address}${telegramWebhookPath}`, { method: 'POST', agent, headers }, (response) => response.resume().on('end', () => resolve(response.statusCode ?? 0)));
      call.on('error', reject).end(body);
    });
  const work = async (): Promise<void> => {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
      let tries = 1;
      while ((await deliver(body)) !== 200) tries += 1;
      acknowledged += 1;
      if (tries === 1) atOnce += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  agent.destroy();
  return { acknowledged, atOnce };
}

if (process.send) {
  const api = await startStrictBotApi({ latencyMs: 1, limits: noLimits });
  process.on('message', (given) => {
    const { address, presses } = loadJobSchema.parse(given);
    void deliverAll(address, presses).then((done) => process.send?.({ say: 'done', ...done }));
  });
  process.send({ say: 'ready', root: api.root });
}
