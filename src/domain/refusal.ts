/** Every expected "no" of the product. Each code is a key `refusal.<code>` in every locale. */
export const refusalCodes = [
  // pairing and consent
  'code-unknown', 'code-malformed', 'code-expired', 'code-used', 'pairing-locked', 'join-closed', 'not-paired', 'consent-needed', 'address-taken',
  // access
  'not-allowed', 'unknown-command',
  // assignments and submissions
  'assignment-unknown', 'nothing-open', 'already-accepted', 'assignment-waived', 'assignment-void', 'not-withdrawable',
  'not-returnable', 'not-acceptable', 'wrong-deliverable', 'day-in-future', 'day-malformed', 'count-malformed', 'text-empty', 'text-too-long',
  'extension-not-later', 'extension-none', 'waiver-none', 'state-changed',
  // files
  'file-empty', 'file-too-big', 'file-kind', 'file-encrypted', 'file-program', 'file-gone', 'file-unsupported-message',
  // pledges
  'pledge-closed', 'pledge-none', 'pledge-empty', 'pledge-confirmed',
  // units, plans, people
  'unit-unknown', 'unit-closed', 'unit-has-below', 'day-past', 'plan-none', 'obligation-unknown', 'member-unknown',
  // choices
  'choice-old', 'choice-unknown', 'link-invalid', 'link-expired',
] as const;

/** One of {@link refusalCodes}. */
export type RefusalCode = (typeof refusalCodes)[number];

/**
 * An expected "no": not a bug, never logged as one; the person reads `refusal.<code>` with the parameters filled in.
 * @example throw new Refusal('file-too-big', { limit: '20 MB' })
 */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly params: Record<string, string | number>;

  constructor(code: RefusalCode, params: Record<string, string | number> = {}) {
    super(code);
    this.name = 'Refusal';
    this.code = code;
    this.params = params;
  }
}
