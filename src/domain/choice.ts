import { createHash } from 'node:crypto';

/** The most bytes a choice id may have (Telegram's callback_data). */
export const choiceIdLimit = 64;

/**
 * A short, stable reference to something with a long key, fit for choice ids: 16 letters and digits (80 bits of SHA-256).
 * @example shortRef('2024/bao-cao-6-thang/LDLD-PT') → 'k3v9…' (16 characters)
 */
export function shortRef(key: string): string {
  const digits = BigInt(`0x${createHash('sha256').update(key.normalize('NFC')).digest('hex').slice(0, 20)}`);
  return digits.toString(32).padStart(16, '0');
}

/** A choice id taken apart: the verb names the turn, the rest are its arguments. */
export interface ParsedChoice {
  verb: string;
  args: string[];
}

/**
 * Joins a verb and its arguments to a choice id. Throws when {@link parseChoiceId} would not give the same back (too long, a colon or
 * a space in an argument): a bug of ours, never a person's.
 * @example choiceId('nop', 'k3v90a1b2c3d4e5f') → 'nop:k3v90a1b2c3d4e5f'
 */
export function choiceId(verb: string, ...args: (string | number)[]): string {
  const parts = [verb, ...args.map(String)];
  const id = parts.join(':');
  if (parts.some((part) => part.includes(':')) || parseChoiceId(id) === null) throw new RangeError(`not a choice id: ${id}`);
  return id;
}

/** Takes a choice id apart; null for anything that cannot be one (forged, foreign, too long). */
export function parseChoiceId(id: string): ParsedChoice | null {
  if (Buffer.byteLength(id) > choiceIdLimit || !/^[a-z][a-z0-9-]*(:[^:\s]*)*$/.test(id)) return null;
  const [verb, ...args] = id.split(':') as [string, ...string[]];
  return { verb, args };
}
