import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEmbedded } from '../embedded/server.ts';
import { openStore } from '../store/store.ts';
import { sayingSchema, type Job, type JobMessage, type Saying } from './delivery-job.ts';
import { rowsOf } from './delivery-own.ts';
import { startStrictBotApi, type StrictBotApi, type Taken, type Weather } from './strict-bot-api.ts';

/** How large, and which scenarios and contestants. */
export interface DeliveryBenchOptions {
  /** 1: the full table (about ten minutes); 0.1: a tenth of the messages. */
  scale: number;
  /** Only scenarios whose name holds this; null: all. */
  only: string | null;
  /** Ours alone. */
  alone: boolean;
}

/** One line of the table. */
export interface DeliveryResult {
  bench: 'delivery';
  scenario: string;
  contestant: string;
  messages: number;
  seconds: number;
  /** What a sender without any delay needs under the published limits, and how near this one came (1: ideal). */
  idealSeconds: number;
  ofIdeal: number;
  /** The same against our own budget (SEND_RATE); null for others. */
  ofBudget: number | null;
  refused: number;
  lost: number;
  /** Arrived more than once; `marked`: those of them that say so. */
  doubled: number;
  marked: number;
  outOfOrder: number;
  /** Milliseconds until a person had the answer (or, without answers, the message in a private chat), 95 of 100. */
  userP95Ms: number;
  cpuSeconds: number;
  peakMb: number;
  peakHeapMb: number;
}

interface Scenario {
  name: string;
  kind: Job['kind'];
  latencyMs: number;
  lostShare: number;
  answersEveryMs: number | null;
  messages: JobMessage[];
}

const own28 = 'dondoc';
const ownFaster = 'dondoc (SEND_RATE=29)';
const peers = ['grammY + auto-retry, one by one', 'grammY + auto-retry, parallel', 'grammY + throttler + auto-retry'];

/** Runs the scenarios one after the other, the contestants of each at once (each against a server of its own), and hands over every line. */
export async function benchDelivery(options: DeliveryBenchOptions, put: (result: DeliveryResult | Record<string, unknown>) => void): Promise<void> {
  const wanted = scenarios(options.scale).filter((scenario) => options.only === null || scenario.name.includes(options.only));
  for (const scenario of wanted) {
    const contestants = [own28, ownFaster, ...(options.alone ? [] : peers)];
    for (const result of await Promise.all(contestants.map((contestant) => measure(scenario, contestant)))) put(result);
  }
  if (options.only === null || 'memory'.includes(options.only)) for (const result of await measureMemory(options.scale)) put(result);
}

function scenarios(scale: number): Scenario[] {
  const many = Math.max(30, Math.round(3000 * scale));
  const toMany = chats(many);
  const plain = { kind: 'reminder', latencyMs: 50, lostShare: 0, answersEveryMs: null } as const;
  return [
    { ...plain, name: `${many} reminders, 50 ms`, messages: toMany },
    { ...plain, name: `${many} reminders, 400 ms`, latencyMs: 400, messages: toMany },
    { ...plain, name: `${many} reminders, 5 % of answers lost`, lostShare: 0.05, messages: toMany },
    { ...plain, name: `broadcast to ${many}, an answer every 200 ms`, kind: 'broadcast', answersEveryMs: 200, messages: toMany },
    { ...plain, name: '45 to a group + 100 users', kind: 'answer', messages: [...Array.from({ length: 45 }, () => '-1001'), ...Array.from({ length: 100 }, (_, index) => String(5000 + index))].map((chat, n) => ({ n, chat })) },
    { ...plain, name: 'one chat x 15', kind: 'answer', messages: Array.from({ length: 15 }, (_, n) => ({ n, chat: '7' })) },
  ];
}

function chats(count: number): JobMessage[] {
  return Array.from({ length: count }, (_, n) => ({ n, chat: String(1_000_000 + n) }));
}

/** Every n-th answer is lost, so that each contestant meets the same weather. */
function losing(share: number): () => Weather {
  let count = 0;
  return () => {
    count += 1;
    return share > 0 && count % Math.round(1 / share) === 0 ? 'lose-answer' : 'fine';
  };
}

async function measure(scenario: Scenario, contestant: string): Promise<DeliveryResult | Record<string, unknown>> {
  const api = await startStrictBotApi({ latencyMs: scenario.latencyMs, weather: losing(scenario.lostShare) });
  const isOwn = contestant.startsWith('dondoc');
  const folder = isOwn ? await mkdtemp(join(tmpdir(), 'dondoc-bench-')) : null;
  const rate = contestant === ownFaster ? 29 : 28;
  try {
    const job: Job = { contestant, root: api.root, messages: scenario.messages, kind: scenario.kind, answersEveryMs: scenario.answersEveryMs, rate, folder, uri: null, stopAfter: null };
    const { begun, cost } = await runChild(isOwn ? 'delivery-own' : 'delivery-peer', job);
    if (cost.say === 'missing') return { bench: 'delivery', scenario: scenario.name, contestant, skipped: cost.what };
    return judge(scenario, contestant, isOwn ? rate : null, api, begun, cost);
  } finally {
    await api.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  }
}

/** Starts a contestant in a process of its own, lets it get ready, and says go. */
async function runChild(name: string, job: Job): Promise<{ begun: number; cost: Exclude<Saying, { say: 'ready' }> }> {
  const file = fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url));
  const child = fork(file, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  let begun = 0;
  return new Promise((resolve, reject) => {
    child.on('message', (message) => {
      const said = sayingSchema.parse(message);
      if (said.say !== 'ready') return resolve({ begun, cost: said });
      begun = Date.now();
      child.send('go');
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${name} ended with ${code}`)));
    child.send(job);
  });
}

function judge(scenario: Scenario, contestant: string, rate: number | null, api: StrictBotApi, begun: number, cost: Extract<Saying, { say: 'done' }>): DeliveryResult {
  const own = api.taken.filter((taken) => taken.text.startsWith('n '));
  const first = new Map<number, Taken>();
  let doubled = 0;
  let marked = 0;
  for (const taken of own) {
    const n = Number(taken.text.split(' ')[1]);
    if (!first.has(n)) {
      first.set(n, taken);
      continue;
    }
    doubled += 1;
    if (taken.text.endsWith('again')) marked += 1;
  }
  const last = own.reduce((latest, taken) => Math.max(latest, taken.at), begun);
  const seconds = (last - begun) / 1000;
  const answers = answerWaits(api);
  const users = [...first.values()].filter((taken) => !taken.chat.startsWith('-')).map((taken) => taken.at - begun);
  const total = scenario.messages.length + answers.length;
  const ideal = idealSeconds(scenario.messages, total);
  const round = (value: number, digits = 2): number => Number(value.toFixed(digits));
  return {
    bench: 'delivery', scenario: scenario.name, contestant, messages: scenario.messages.length, seconds: round(seconds, 1), idealSeconds: round(ideal, 1), ofIdeal: round(ideal / seconds),
    ofBudget: rate === null ? null : round(Math.max(idealSeconds(scenario.messages, 0), total / rate) / seconds), refused: api.refused, lost: scenario.messages.length - first.size, doubled, marked,
    outOfOrder: countOutOfOrder(own), userP95Ms: Math.round(percentile(answers.length > 0 ? answers : users, 0.95)), cpuSeconds: cost.cpuSeconds, peakMb: cost.peakMb, peakHeapMb: cost.peakHeapMb,
  };
}

/** What the published limits allow: thirty at once and thirty a second, per chat three and one a second, per group twenty and twenty a minute. */
function idealSeconds(messages: readonly JobMessage[], total: number): number {
  const perChat = new Map<string, number>();
  for (const { chat } of messages) perChat.set(chat, (perChat.get(chat) ?? 0) + 1);
  const waits = [...perChat].map(([chat, count]) => (chat.startsWith('-') ? (count - 20) * 3 : count - 3));
  return Math.max(0.001, (total - 30) / 30, ...waits);
}

/** Messages that arrived in a chat after one that was to follow them; repeats are not counted. */
function countOutOfOrder(taken: readonly Taken[]): number {
  const latest = new Map<string, number>();
  const seen = new Set<number>();
  let count = 0;
  for (const { chat, text } of taken) {
    const n = Number(text.split(' ')[1]);
    if (seen.has(n)) continue;
    seen.add(n);
    if (n < (latest.get(chat) ?? -1)) count += 1;
    else latest.set(chat, n);
  }
  return count;
}

/** How long each answer took from being asked for, in milliseconds. */
function answerWaits(api: StrictBotApi): number[] {
  return api.taken.filter((taken) => taken.text.startsWith('answer ')).map((taken) => taken.at - Number(taken.text.split(' ')[2]));
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/**
 * The sender's memory, and how long people wait for an answer, with few and with many rows of a broadcast waiting; the database is served by this process, so that
 * only the sender is measured.
 */
async function measureMemory(scale: number): Promise<Record<string, unknown>[]> {
  const results: Record<string, unknown>[] = [];
  const sends = Math.max(300, Math.round(3000 * scale));
  for (const rows of [sends, Math.max(3000, Math.round(100_000 * scale))]) {
    const folder = await mkdtemp(join(tmpdir(), 'dondoc-bench-'));
    const engine = await openEmbedded({ folder });
    const api = await startStrictBotApi({ latencyMs: 50 });
    try {
      const uri = `${engine.uri}`;
      const store = await openStore({ uri });
      await store.outbox.put(rowsOf({ messages: chats(rows), kind: 'broadcast' }, new Date(), () => null));
      await store.close();
      const job: Job = { contestant: own28, root: api.root, messages: [], kind: 'broadcast', answersEveryMs: 200, rate: 28, folder: null, uri, stopAfter: sends };
      const { cost } = await runChild('delivery-own', job);
      if (cost.say === 'done') results.push({ bench: 'delivery', scenario: 'memory', rows, sent: sends, refused: api.refused, answersP95Ms: Math.round(percentile(answerWaits(api), 0.95)), peakMb: cost.peakMb, peakHeapMb: cost.peakHeapMb, cpuSeconds: cost.cpuSeconds });
    } finally {
      await api.close();
      await engine.stop();
      await rm(folder, { recursive: true, force: true });
    }
  }
  return results;
}
