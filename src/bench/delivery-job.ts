import { z } from 'zod';

/** One message a contestant has to bring to a chat. `n` is its place in the order. */
export const jobMessageSchema = z.strictObject({ n: z.int(), chat: z.string() });
/** See {@link jobMessageSchema}. */
export type JobMessage = z.infer<typeof jobMessageSchema>;

/** What a contestant's process is given: where to send, what, and how often meanwhile somebody asks and wants an answer (null: never). */
export const jobSchema = z.strictObject({
  contestant: z.string(),
  root: z.string(),
  messages: z.array(jobMessageSchema),
  /** What the messages are; answers go first. */
  kind: z.enum(['reminder', 'broadcast', 'answer']),
  answersEveryMs: z.number().nullable(),
  /** Our own budget, messages a second. */
  rate: z.number(),
  /** Folder for our own database; null: `uri` names one that is served elsewhere, the rows are in it already. */
  folder: z.string().nullable(),
  uri: z.string().nullable(),
  /** End after so many have been sent; null: when everything is settled. */
  stopAfter: z.number().nullable(),
});
/** See {@link jobSchema}. */
export type Job = z.infer<typeof jobSchema>;

/** What a contestant's process says: that it is ready (rows stored, connections open), that it is done, at what cost. */
export const sayingSchema = z.discriminatedUnion('say', [
  z.strictObject({ say: z.literal('ready') }),
  z.strictObject({ say: z.literal('done'), cpuSeconds: z.number(), peakMb: z.number(), peakHeapMb: z.number(), failed: z.number() }),
  z.strictObject({ say: z.literal('missing'), what: z.string() }),
]);
/** See {@link sayingSchema}. */
export type Saying = z.infer<typeof sayingSchema>;

/** The text of a message. The server's record is read by it. */
export function jobText(n: number): string {
  return `n ${n}`;
}

/** The text of an answer, with the moment it was asked for (milliseconds since the epoch). */
export function answerText(n: number, asked: number): string {
  return `answer ${n} ${asked}`;
}

/** Measures what a process costs from here on. */
export function startMeter(): () => { cpuSeconds: number; peakMb: number; peakHeapMb: number } {
  const before = process.cpuUsage();
  let peak = 0;
  let peakHeap = 0;
  const look = (): void => {
    const { rss, heapUsed, external } = process.memoryUsage();
    peak = Math.max(peak, rss);
    peakHeap = Math.max(peakHeap, heapUsed + external);
  };
  look();
  const timer = setInterval(look, 100);
  return () => {
    clearInterval(timer);
    look();
    const used = process.cpuUsage(before);
    const mb = (bytes: number): number => Math.round(bytes / 104_857.6) / 10;
    return { cpuSeconds: Math.round((used.user + used.system) / 10_000) / 100, peakMb: mb(peak), peakHeapMb: mb(peakHeap) };
  };
}
