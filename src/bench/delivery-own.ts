import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTelegramChannel } from '../channels/telegram/adapter.ts';
import { createCalendar } from '../domain/calendar.ts';
import type { Notice, OutboxRow } from '../domain/notice.ts';
import { priorities } from '../domain/notice.ts';
import type { Person } from '../domain/person.ts';
import { openEmbeddedThread } from '../embedded/thread.ts';
import { machineTiming } from '../house.ts';
import type { Channel, Core, Store } from '../ports.ts';
import { createSender, type Sender } from '../services/outbox.ts';
import { openStore } from '../store/store.ts';
import { answerText, jobSchema, jobText, startMeter, type Job, type Saying } from './delivery-job.ts';

const longAgo = new Date(0);

/** Outbox rows of a job, in order; those of private chats are for the people of {@link storePeople}. */
export function rowsOf(job: Pick<Job, 'messages' | 'kind'>, now: Date, person: (chat: string) => string | null): OutboxRow[] {
  const notices: Record<Job['kind'], (n: number) => Notice> = {
    reminder: (n) => ({ kind: 'reminder', assignment: String(n), wave: 'bench', offset: 0 }),
    broadcast: () => ({ kind: 'broadcast', broadcast: 'bench' }),
    answer: (n) => ({ kind: 'answer', reply: { text: jobText(n) } }),
  };
  return job.messages.map(({ n, chat }): OutboxRow => {
    const to = job.kind === 'answer' ? null : person(chat);
    return {
      key: `bench/${String(n).padStart(9, '0')}`, notice: notices[job.kind](n), person: to, channel: 'telegram', chat: to === null ? chat : null, priority: priorities[job.kind], about: null, state: 'pending', reason: null,
      createdAt: now, notBefore: now, expiresAt: null, attempts: [], lease: null, sentAt: null, messageId: null, acknowledgedAt: null,
    };
  });
}

/** A person for each private chat; answers their ids by chat. */
export async function storePeople(store: Store, chats: readonly string[]): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const add = async (chat: string): Promise<void> => {
    const person: Omit<Person, 'id'> = {
      name: 'Bench', language: 'vi', roles: [], addresses: [{ channel: 'telegram', id: chat, lastAt: longAgo, state: 'active', reason: null }], consent: { version: 'bench', at: longAgo },
    };
    ids.set(chat, (await store.people.create(person)).id);
  };
  const all = [...new Set(chats)].filter((chat) => !chat.startsWith('-'));
  for (let from = 0; from < all.length; from += 100) await Promise.all(all.slice(from, from + 100).map(add));
  return ids;
}

/** The sender of a service that is up and has nothing to do. */
async function startSender(job: Job, core: Core, channel: Channel): Promise<Sender> {
  const sender = createSender({
    core, channel, timing: machineTiming, instance: 'bench', rate: job.rate,
    render: async (notice, row, _person, again) => (notice.kind === 'answer' ? notice.reply : { text: `${jobText(Number(row.key.slice(6)))}${again ? ' again' : ''}` }),
  });
  core.wakeOutbox = () => sender.wake();
  sender.start();
  while (!sender.state().active) await sleep(10);
  return sender;
}

async function run(job: Job, core: Core, sender: Sender, people: ReadonlyMap<string, string>): Promise<void> {
  const { outbox } = core.store;
  const filling = fill(job, core, people);
  const settled = async (): Promise<boolean> => {
    if (job.stopAfter !== null) return sender.state().answers.ok >= job.stopAfter;
    // Looked for only when the sender has nothing in hand: counting is the database's work, not the sender's.
    if (sender.state().held > 0) return false;
    await filling;
    const counts = await outbox.counts();
    return counts.pending + counts.sending === 0;
  };
  let next = job.answersEveryMs === null ? Number.POSITIVE_INFINITY : performance.now() + job.answersEveryMs;
  for (let n = 0; !(await settled()); ) {
    await sleep(Math.min(100, Math.max(1, next - performance.now())));
    if (performance.now() < next) continue;
    next += job.answersEveryMs ?? 0;
    const now = core.clock();
    const [row] = rowsOf({ messages: [{ n, chat: `9${100_000 + n}` }], kind: 'answer' }, now, () => null);
    if (row) await outbox.put([{ ...row, key: `answer/${n}`, notice: { kind: 'answer', reply: { text: answerText(n, now.getTime()) } } }]);
    core.wakeOutbox();
    n += 1;
  }
  await sender.stop();
}

/** Puts the rows into the outbox as a tick does, in batches, while the first of them leave already. */
async function fill(job: Job, core: Core, people: ReadonlyMap<string, string>): Promise<void> {
  const rows = rowsOf(job, core.clock(), (chat) => people.get(chat) ?? null);
  for (let from = 0; from < rows.length; from += 500) {
    await core.store.outbox.put(rows.slice(from, from + 500));
    core.wakeOutbox();
  }
}

async function openBench(job: Job): Promise<{ core: Core; channel: Channel; people: ReadonlyMap<string, string> }> {
  const engine = job.folder === null ? null : await openEmbeddedThread({ folder: job.folder });
  const store = await openStore({ uri: engine?.uri ?? job.uri ?? '' });
  const log: Core['log'] = { info: () => {}, warn: () => {}, error: () => {} };
  const channel = createTelegramChannel({ token: '1:bench', apiRoot: job.root, webhook: null, commands: [], offer: async () => [], linkFor: async () => '', sendRate: job.rate, log, clock: () => new Date() });
  const nothing = (): never => {
    throw new Error('not needed here');
  };
  const core: Core = {
    store, log, clock: () => new Date(), calendar: createCalendar({ timeZone: 'Asia/Ho_Chi_Minh', holidays: {} }), levels: [], secret: 'bench', channels: new Map([['telegram', channel]]), publicUrl: 'http://127.0.0.1',
    random: (bytes) => randomBytes(bytes), wakeOutbox: () => {}, recognise: nothing, drawCode: nothing, drawChart: nothing, writeSheet: nothing,
  };
  const people = await storePeople(store, job.kind === 'answer' ? [] : job.messages.map((message) => message.chat));
  return { core, channel, people };
}

function say(saying: Saying): Promise<void> {
  return new Promise((resolve) => process.send?.(saying, () => resolve()));
}

if (process.send) {
  process.once('message', (given) => {
    void (async () => {
      const job = jobSchema.parse(given);
      const { core, channel, people } = await openBench(job);
      const sender = await startSender(job, core, channel);
      process.once('message', () => {
        void (async () => {
          const stop = startMeter();
          await run(job, core, sender, people);
          await say({ say: 'done', ...stop(), failed: 0 });
          process.exit(0);
        })();
      });
      await say({ say: 'ready' });
    })();
  });
}
