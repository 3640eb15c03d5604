import { setTimeout as sleep } from 'node:timers/promises';
import { answerText, jobSchema, jobText, startMeter, type Job, type JobMessage, type Saying } from './delivery-job.ts';

/** The part of grammY's `Api` that is used here. */
interface PeerApi {
  sendMessage(chat: string, text: string): Promise<unknown>;
  config: { use(transformer: never): void };
}

/** Builds the peer, or says what is missing: peers are development dependencies and not there in production. */
async function openPeer(job: Job): Promise<PeerApi | string> {
  try {
    const { Api } = await import('grammy');
    const { autoRetry } = await import('@grammyjs/auto-retry');
    const api = new Api('1:bench', { apiRoot: job.root }) as unknown as PeerApi;
    if (job.contestant.includes('throttler')) {
      const { apiThrottler } = await import('@grammyjs/transformer-throttler');
      api.config.use(apiThrottler() as never);
    }
    api.config.use(autoRetry() as never);
    return api;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function run(job: Job, api: PeerApi): Promise<number> {
  let failed = 0;
  let over = false;
  const send = (chat: string, text: string): Promise<void> => api.sendMessage(chat, text).then(() => undefined, () => void (failed += 1));
  const inTurn = async (messages: readonly JobMessage[]): Promise<void> => {
    for (const { n, chat } of messages) await send(chat, jobText(n));
  };
  async function answer(everyMs: number): Promise<void> {
    const open: Promise<void>[] = [];
    for (let n = 0; !over; n += 1) {
      await sleep(everyMs);
      open.push(send(`9${100_000 + n}`, answerText(n, Date.now())));
    }
    await Promise.all(open);
  }
  const answers = job.answersEveryMs === null ? Promise.resolve() : answer(job.answersEveryMs);
  if (job.contestant.includes('one by one')) await inTurn(job.messages);
  else await Promise.all(job.messages.map(({ n, chat }) => send(chat, jobText(n))));
  over = true;
  await answers;
  return failed;
}

function say(saying: Saying): Promise<void> {
  return new Promise((resolve) => process.send?.(saying, () => resolve()));
}

process.once('message', (given) => {
  void (async () => {
    const job = jobSchema.parse(given);
    const api = await openPeer(job);
    if (typeof api === 'string') {
      await say({ say: 'missing', what: api });
      process.exit(0);
    }
    process.once('message', () => {
      void (async () => {
        const stop = startMeter();
        const failed = await run(job, api);
        await say({ say: 'done', ...stop(), failed });
        process.exit(0);
      })();
    });
    await say({ say: 'ready' });
  })();
});
