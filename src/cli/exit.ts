import { CommanderError } from 'commander';
import { BadConfig } from '../config.ts';
import { Refusal } from '../domain/refusal.ts';
import { BadSettingsFile } from '../files/levels.ts';

/** The exit codes of operator.md (after sysexits.h). */
export const exitCodes = { done: 0, wrongUse: 64, badData: 65, unreachable: 69, bug: 70, tryAgain: 75, badConfig: 78 } as const;
/** One of {@link exitCodes}. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends a command with a code; the lines are for stderr and may be none when everything was said already. */
export class CliFailure extends Error {
  readonly code: ExitCode;

  constructor(code: ExitCode, lines: readonly string[] = []) {
    super(lines.join('\n'));
    this.name = 'CliFailure';
    this.code = code;
  }
}

/** Errors of the store, the driver and the network that mean "nobody answered there". */
const unreachableNames = /^(StoreUnreachable|Mongo(ose)?(ServerSelection|Network|NetworkTimeout|PoolCleared|TopologyClosed|NotConnected)Error)$/;
const unreachableCodes = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH', 'EAI_AGAIN', 'ENETUNREACH', 'EADDRINUSE'];

/**
 * The exit code of an error, and what is said on stderr (of a Refusal its code: whoever has the words says them). What is none of the expected ones is a bug: its stack is shown.
 * @example exitOf(new BadConfig(['PORT must be …'])) → { code: 78, words: 'PORT must be …' }
 */
export function exitOf(error: unknown): { code: ExitCode; words: string } {
  if (error instanceof CliFailure) return { code: error.code, words: error.message };
  if (error instanceof CommanderError) return { code: error.exitCode === 0 ? exitCodes.done : exitCodes.wrongUse, words: '' };
  if (error instanceof BadConfig || error instanceof BadSettingsFile) return { code: exitCodes.badConfig, words: error.message };
  if (error instanceof Refusal) return { code: exitCodes.badData, words: error.code };
  const { name, code, message } = (error ?? {}) as { name?: string; code?: unknown; message?: string };
  // An error may name its own exit code (the engine: "another process is opening this folder").
  const own = (error as { exitCode?: unknown } | null)?.exitCode;
  if (own === exitCodes.tryAgain || own === exitCodes.unreachable || own === exitCodes.badData || own === exitCodes.badConfig) return { code: own, words: String(message) };
  // An address that cannot be one is the operator's to put right. The driver's words repeat parts of it, a password among them: they are not shown.
  if (name === 'MongoParseError' || (name === 'MongoRuntimeError' && /unable to parse/i.test(String(message)))) {
    return { code: exitCodes.badConfig, words: 'MONGODB_URI cannot be read as the address of a MongoDB server (special characters in a password must be percent-encoded)' };
  }
  if ((name && unreachableNames.test(name)) || (typeof code === 'string' && unreachableCodes.includes(code))) return { code: exitCodes.unreachable, words: String(message) };
  return { code: exitCodes.bug, words: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
