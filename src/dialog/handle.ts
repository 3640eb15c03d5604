import { inboxKey, type Incoming, type Reply } from '../domain/message.ts';
import { addressKey, currentAddress, languageSchema, type Language, type Person } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Core, Text } from '../ports.ts';
import { answerRow } from '../services/notify.ts';
import { leavePerson } from '../services/people.ts';
import { guardDrafts, type GuardedDrafts } from './drafts.ts';
import type { DialogPart, Turn } from './turn.ts';
import { createTurns } from './turns.ts';

/** How often a message is tried before the person gets an apology and it is put away. */
export const tryLimit = 3;
const defaultConcurrency = 64;
const defaultPauses: readonly number[] = [100, 1000];
const resumePage = 100;
const addressStaleMs = 60_000;

/** Everything the handle is built from. */
export interface HandleOptions {
  core: Core;
  text: Text;
  parts: readonly DialogPart[];
  /** Spoken to somebody who has not chosen yet; Vietnamese unless said otherwise. */
  language?: Language;
  /** Messages of different people handled side by side; 64 unless said otherwise. */
  concurrency?: number;
  /** Milliseconds to wait before the second and third try. */
  pauses?: readonly number[];
}

/** Takes messages in and answers them. */
export interface Handle {
  /** Stores the message and returns; it is answered afterwards. Throws only when it could not be stored: the channel must not acknowledge it then. */
  receive(incoming: Incoming): Promise<void>;
  /** Handles what was stored and not finished (a crash, a database away for a while). Harmless at any time: what is in hand is passed over. */
  resume(): Promise<void>;
  /** Resolves when nothing is in hand. */
  idle(): Promise<void>;
  /** Begins nothing new and resolves when what is being answered is answered; the rest stays in the inbox for the next start. */
  stop(): Promise<void>;
}

interface Job {
  key: string;
  incoming: Incoming;
  /** Whether it is stored and still to be done: as the first to see it, or once more after somebody did not finish. Never rejects. */
  ready: Promise<'first' | 'again' | null>;
  /** Told when it is no longer in hand, or will not be. */
  finished?(): void;
}

/**
 * The one way in. A message is stored in the inbox under `channel:messageId` (seen and done → nothing; seen and not done → done now) and answered afterwards:
 * one message at a time per address, in the order they came, people side by side. Every step can be repeated after a kill: services write
 * under unique keys, drafts are guarded, answers go to the outbox under `answer/<key>/<n>`, and only then the message is done. Nothing is ever thrown
 * at the channel but the failure to store; a bug is tried three times, logged with the key (never the text), and the person gets one line.
 */
export function createHandle(options: HandleOptions): Handle {
  const { core, text } = options;
  const turns = createTurns(options.parts);
  const concurrency = options.concurrency ?? defaultConcurrency;
  const pauses = options.pauses ?? defaultPauses;
  const queues = new Map<string, Job[]>();
  const waiting: string[] = [];
  const inHand = new Set<string>();
  const idlers: (() => void)[] = [];
  let running = 0;
  let stopping = false;

  function enqueue(job: Job): void {
    const address = addressKey(job.incoming.channel, job.incoming.chat);
    const queue = queues.get(address);
    inHand.add(job.key);
    if (queue) {
      queue.push(job);
      return;
    }
    queues.set(address, [job]);
    waiting.push(address);
    startWaiting();
  }

  function startWaiting(): void {
    while (running < concurrency && !stopping) {
      const address = waiting.shift();
      if (address === undefined) return;
      running += 1;
      void work(address);
    }
  }

  async function work(address: string): Promise<void> {
    const queue = queues.get(address) ?? [];
    const job = queue[0];
    if (job) {
      const ready = await job.ready;
      if (ready) await handleJob(job, ready === 'first');
      queue.shift();
      inHand.delete(job.key);
      job.finished?.();
    }
    // After each message the next person has a turn, so that nobody with a hundred messages holds a place.
    if (queue.length > 0) waiting.push(address);
    else queues.delete(address);
    running -= 1;
    startWaiting();
    if (isIdle()) for (const done of idlers.splice(0)) done();
  }

  /** The very first try is not counted in the store: only what was not finished is, and nearly everything is. */
  async function handleJob(job: Job, first: boolean): Promise<void> {
    for (let round = 0; ; round += 1) {
      let tries = round + 1;
      const drafts = guardDrafts(core.store.drafts, job.key);
      try {
        if (!first || round > 0) tries = Math.max(tries, await core.store.inbox.begin(job.key));
        if (tries > tryLimit) await apologise(job, round === 0 ? tries : null);
        else await answerMessage(job, drafts);
        await core.store.inbox.done(job.key, core.clock());
        await drafts.settle().catch((error: unknown) => core.log.warn('draft-left', { message: job.key, ...describeFailure(error) }));
        return;
      } catch (error) {
        // The store is away, or past the limit even the apology failed: no fault of the message. It stays, and `resume` comes back to it.
        if (tries > tryLimit || round >= tryLimit || !(await storeAnswers())) {
          core.log.error('message-left', { message: job.key, ...describeFailure(error) });
          return;
        }
        const facts = { message: job.key, try: tries, ...describeFailure(error) };
        if (tries === tryLimit) core.log.error('message-failed', facts);
        else core.log.warn('message-retried', facts);
        if (tries < tryLimit) await pause(pauses[Math.min(tries, pauses.length) - 1] ?? 0);
      }
    }
  }

  async function storeAnswers(): Promise<boolean> {
    return core.store.ping().then(() => true, () => false);
  }

  async function answerMessage({ key, incoming }: Job, drafts: GuardedDrafts): Promise<void> {
    const { channel, chat, content } = incoming;
    if (content.kind === 'left') {
      if (!incoming.group) await leavePerson(core, { channel, chat, reason: content.reason, forget: content.forget });
      return;
    }
    const person = incoming.group ? null : await core.store.people.byAddress(channel, chat);
    if (person && isNews(person, incoming)) await core.store.people.touch(person.id, channel, chat, incoming.at);
    const guarded: Core = { ...core, store: Object.create(core.store, { drafts: { value: drafts } }) as Core['store'] };
    const replies = await reply(await readTurn(guarded, person, incoming));
    // Who they are now: the answer to an agreement goes to the new person, the answer to a deletion to nobody.
    const answered = incoming.group ? null : await core.store.people.byAddress(channel, chat);
    await putAnswers(key, incoming, answered, replies);
  }

  async function readTurn(guarded: Core, person: Person | null, incoming: Incoming): Promise<Turn> {
    const language = person?.language ?? (await strangersLanguage(guarded, incoming));
    return {
      core: guarded, text, person, language, incoming,
      pressedOn: incoming.content.kind === 'choice' ? (incoming.content.on ?? null) : null,
      say: (key, params) => text.say(language, key, params),
    };
  }

  /** Somebody who has not agreed yet may still have asked for the notice in the other language: the draft of their pairing knows. */
  async function strangersLanguage(guarded: Core, incoming: Incoming): Promise<Language> {
    const draft = incoming.group ? null : await guarded.store.drafts.get(addressKey(incoming.channel, incoming.chat));
    const chosen = languageSchema.safeParse(draft?.data.language);
    return chosen.success ? chosen.data : (options.language ?? 'vi');
  }

  async function reply(turn: Turn): Promise<Reply[]> {
    try {
      return [await turns.answer(turn)].flat();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return [{ text: turn.say(`refusal.${error.code}`, error.params) }];
    }
  }

  async function putAnswers(key: string, incoming: Incoming, person: Person | null, replies: readonly Reply[]): Promise<void> {
    if (replies.length === 0) return;
    const now = core.clock();
    const to = { channel: incoming.channel, chat: incoming.chat, person: person?.id ?? null };
    const rows = replies.map((said, index) => ({
      ...answerRow(`answer/${key}/${index}`, { kind: 'answer', reply: said }, to, now),
      createdAt: new Date(now.getTime() + index), // Rows leave by age: the second answer must be younger than the first.
    }));
    if ((await core.store.outbox.put(rows)) > 0) core.wakeOutbox();
  }

  /** `killed`: how often handling had begun without an end, when that and no failure brought us here. */
  async function apologise({ key, incoming }: Job, killed: number | null): Promise<void> {
    if (killed !== null) core.log.error('message-failed', { message: key, tries: killed - 1 });
    if (incoming.group || incoming.content.kind === 'left') return;
    const person = await core.store.people.byAddress(incoming.channel, incoming.chat);
    const said = text.say(person?.language ?? options.language ?? 'vi', 'error.again');
    const to = { channel: incoming.channel, chat: incoming.chat, person: person?.id ?? null };
    if ((await core.store.outbox.put([answerRow(`answer/${key}/error`, { kind: 'answer', reply: { text: said } }, to, core.clock())])) > 0) core.wakeOutbox();
  }

  function isIdle(): boolean {
    return stopping ? running === 0 : queues.size === 0;
  }

  async function idle(): Promise<void> {
    if (!isIdle()) await new Promise<void>((resolve) => idlers.push(resolve));
  }

  return {
    async receive(incoming) {
      const key = inboxKey(incoming);
      // Whether it is in hand is asked before anything is awaited: the place in the queue is the order in which messages came.
      const fresh = !inHand.has(key);
      const stored = core.store.inbox.put(incoming);
      if (fresh) {
        const ready = stored.then(async (isNew) => (isNew ? 'first' as const : (await core.store.inbox.get(key))?.state === 'new' ? 'again' as const : null)).catch(() => null);
        enqueue({ key, incoming, ready });
      }
      await stored;
    },

    async resume() {
      let after: string | null = null;
      for (;;) {
        if (stopping) return;
        const rows = await core.store.inbox.pending(resumePage, after);
        const left = rows.filter((row) => !inHand.has(row.key));
        const finished = left.map(({ key, incoming }) => new Promise<void>((resolve) => enqueue({ key, incoming, ready: Promise.resolve('again'), finished: resolve })));
        const last = rows.at(-1);
        if (!last || rows.length < resumePage) return;
        after = last.key;
        // A page at a time: a week of messages must not lie in memory at once.
        await Promise.all(finished);
      }
    },

    idle,
    stop() {
      stopping = true;
      // Whoever resumes a page waits for its messages: those not begun are not coming.
      for (const queue of queues.values()) for (const job of queue) job.finished?.();
      return idle();
    },
  };
}

/** Whether a message says something new about where the person is: not when they wrote there within the last minute. */
function isNews(person: Person, { channel, chat, at }: Incoming): boolean {
  const current = currentAddress(person);
  return current?.channel !== channel || current.id !== chat || at.getTime() - current.lastAt.getTime() > addressStaleMs;
}

/** What of a failure may be logged: its name, code and place. Never its message, which may quote what a person wrote. */
function describeFailure(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: typeof error };
  const code = 'code' in error && (typeof error.code === 'string' || typeof error.code === 'number') ? { code: error.code } : {};
  const where = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)).slice(0, 4).map((line) => line.trim());
  return { error: error.name, ...code, where };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
