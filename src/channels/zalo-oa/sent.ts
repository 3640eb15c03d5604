import type { Sent } from '../../ports.ts';
import { tokenCodes, type OaFailure, type OaResult } from './client.ts';

/** "This person cannot receive" under its many numbers: last word too long ago, not a follower, restricted, off Zalo. */
const closedCodes: ReadonlySet<number> = new Set([-230, -232, -213, -244, -227]);
/** The account or the app as a whole may not send: gone, not verified, without a package, its quota used up. */
const accountCodes: ReadonlySet<number> = new Set([-204, -205, -209, -211, -212, -219, -221, -223, -224]);
const buttonCodes: ReadonlySet<number> = new Set([-201, -233]);
const windowCodes: ReadonlySet<number> = new Set([-230, -232]);
const rateCode = -32;
const receiverQuotaCode = -218;
const minute = 60_000;

/** Whether the failure says that the person's last word is too long ago for a free text: an approved template may still go. */
export function isWindowClosed(failure: OaFailure): boolean {
  return failure.code !== null && windowCodes.has(failure.code);
}

/** Whether the same message without buttons might be taken. */
export function mayBeButtons(failure: OaFailure): boolean {
  return failure.code !== null && buttonCodes.has(failure.code) && !namesPerson(failure);
}

/** Whether a refused template is about the template or its money, not about the person, the login or the rate: the same would be said to everybody. */
export function isTemplateTrouble(failure: OaFailure): boolean {
  const { code } = failure;
  return code !== null && !closedCodes.has(code) && !tokenCodes.has(code) && !accountCodes.has(code) && code !== rateCode && code !== receiverQuotaCode && !namesPerson(failure);
}

/**
 * Puts the answer of a sending into the port's words.
 * @example sentOf({ ok: false, failure: { code: -230, … } }) → { kind: 'gone', reason: '-230 …' }
 */
export function sentOf(answer: OaResult<{ message_id: string }>): Sent {
  if (answer.ok) return { kind: 'ok', messageId: answer.value.message_id };
  const { code, description, perhapsDone } = answer.failure;
  const reason = code === null ? description : `${code} ${description}`.trim();
  if (perhapsDone) return { kind: 'unknown', reason };
  if (code === null || code === rateCode) return { kind: 'retry', afterMs: minute, scope: 'channel', reason };
  if (closedCodes.has(code) || namesPerson(answer.failure)) return { kind: 'gone', reason };
  // One receiver's share is used up: everybody else goes on.
  if (code === receiverQuotaCode) return { kind: 'retry', afterMs: 60 * minute, scope: 'chat', reason };
  if (tokenCodes.has(code) || accountCodes.has(code)) return { kind: 'retry', afterMs: 15 * minute, scope: 'channel', reason };
  return { kind: 'refused', reason };
}

/** @example -201 'user_id is invalid!' is about the person, -201 'message.attachment is invalid!' is not */
function namesPerson({ code, description }: OaFailure): boolean {
  return code === -201 && /user_?id|recipient/i.test(description);
}
