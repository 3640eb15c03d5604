import { EmbeddedFailure } from './failure.ts';
import type { EmbeddedOptions } from './server.ts';

/** What a thread is started with: how to open the engine, without what only the caller can run. */
export type Opening = Omit<EmbeddedOptions, 'log' | 'now'>;

/** What the thread can be asked. */
export type Question = { what: 'backup'; folder: string } | { what: 'tick' } | { what: 'stop' };

/** A question with its number, from 1; each is answered once, under that number. */
export type Order = Question & { order: number };

/** The number under which the thread answers to being started. */
export const OPENING = 0;

/** What the thread says. */
export type Saying = { say: 'line'; line: string } | { say: 'done'; order: number; result: unknown } | ({ say: 'failed'; order: number } & Packed);

/** An error between threads: as an object it would lose its class and its exit code on the way. `exitCode` null: no `EmbeddedFailure`. */
export interface Packed {
  message: string;
  stack: string | undefined;
  exitCode: EmbeddedFailure['exitCode'] | null;
}

/** Makes an error ready for the way to another thread. */
export function packError(error: unknown): Packed {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { message, stack, exitCode: error instanceof EmbeddedFailure ? error.exitCode : null };
}

/** The error that was packed; an `EmbeddedFailure` is one again. */
export function unpackError({ message, stack, exitCode }: Packed): Error {
  return exitCode === null ? Object.assign(new Error(message), { stack }) : new EmbeddedFailure(message, exitCode);
}
