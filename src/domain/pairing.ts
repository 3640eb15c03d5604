import { z } from 'zod';
import { roleSchema } from './person.ts';

/** The twenty unambiguous consonants of RFC 8628 §6.1. */
export const codeAlphabet = 'BCDFGHJKLMNPQRSTVWXZ';
/** Wrong codes an account may try before it is locked. */
export const wrongTryLimit = 5;
/** How long a locked account waits, in milliseconds (one hour). */
export const lockMs = 3_600_000;
/** How long a code lives unless said otherwise, in days. */
export const codeDays = 30;
/** The version of the notice a person agrees to; a new text gets a new version. */
export const consentVersion = '2026-11';

/** A code as it is stored: only its hash, never the code. */
export const pairingCodeSchema = z.strictObject({
  /** SHA-256 with the secret as pepper. */
  hash: z.string(),
  unit: z.string(),
  role: roleSchema,
  /** `once`: dies with its use. `join`: a unit's link for members, until it expires. */
  use: z.enum(['once', 'join']),
  issuedAt: z.date(),
  expiresAt: z.date(),
  usedAt: z.date().nullable(),
  usedBy: z.string().nullable(),
});
/** See {@link pairingCodeSchema}. */
export type PairingCode = z.infer<typeof pairingCodeSchema>;

/**
 * Makes a code from random bytes (16 are plenty). Bytes that would favour some letters are passed over; null when too few are left.
 * @example codeFromBytes(randomBytes(16)) → 'BCDF-GHJK'
 */
export function codeFromBytes(bytes: Uint8Array): string | null {
  const fair = [...bytes].filter((byte) => byte < 240).map((byte) => codeAlphabet[byte % 20]);
  return fair.length < 8 ? null : `${fair.slice(0, 4).join('')}-${fair.slice(4, 8).join('')}`;
}

/**
 * Reads a typed code: any case, spaces and hyphens anywhere, an optional "GN" or "#" before it (as printed beside a QR code). Null when it cannot be one.
 * @example readCode(' gn bcdf ghjk ') → 'BCDF-GHJK'
 */
export function readCode(typed: string): string | null {
  const letters = typed.normalize('NFC').toUpperCase().replace(/[\s\-–—_.#]+/g, '');
  const bare = letters.length === 10 && letters.startsWith('GN') ? letters.slice(2) : letters;
  if (bare.length !== 8 || !Array.from(bare).every((letter) => codeAlphabet.includes(letter))) return null;
  return `${bare.slice(0, 4)}-${bare.slice(4)}`;
}

/**
 * The code somewhere in a sentence; null when there is none.
 * @example findCode('Mã của tôi là bcdf ghjk nhé') → 'BCDF-GHJK'
 */
export function findCode(text: string): string | null {
  const words = text.trim().split(/[\s,;:"“”()]+/);
  const candidates = [text, ...words, ...words.slice(1).map((word, index) => `${words[index]} ${word}`)];
  return candidates.map(readCode).find((code) => code !== null) ?? null;
}

/** Whether a text was meant as a code, right or wrong: so that a mistyped one gets a useful answer instead of "unknown command". */
export function looksLikeCode(typed: string): boolean {
  return /^(gn\s+\S+(\s+\S+)?|#?[a-z0-9]{4}\s*[-–—_]\s*[a-z0-9]{4})$/i.test(typed.trim()) || readCode(typed) !== null;
}
