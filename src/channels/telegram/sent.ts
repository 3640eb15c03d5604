import type { Sent } from '../../ports.ts';
import type { CallFailure } from './client.ts';

/** How long all sending rests when the token is refused: only the operator can help. */
const tokenPauseMs = 60_000;
/** How long it rests when the service cannot be reached at all. */
const networkPauseMs = 5_000;

/** Descriptions of 400 that mean the chat is no longer there. */
const goneWords = /chat not found|user is deactivated|user not found|group chat was deactivated|group chat was upgraded|PEER_ID_INVALID|bot is not a member|bot was kicked|USER_IS_BLOCKED|INPUT_USER_DEACTIVATED|not enough rights to send|have no rights to send/i;

/**
 * Puts a failed sending into the port's words.
 * @example sentOf({ code: 403, description: 'Forbidden: bot was blocked by the user', … }) → { kind: 'gone', reason: 'Forbidden: bot was blocked by the user' }
 */
export function sentOf(failure: CallFailure): Sent {
  const { code, description: reason } = failure;
  if (failure.perhapsDone) return { kind: 'unknown', reason };
  if (code === null) return { kind: 'retry', afterMs: networkPauseMs, scope: 'channel', reason };
  if (failure.movedTo !== null) return { kind: 'gone', reason, movedTo: failure.movedTo };
  if (code === 403 || (code === 400 && goneWords.test(reason))) return { kind: 'gone', reason };
  if (code === 429) return { kind: 'retry', afterMs: failure.retryAfterMs ?? networkPauseMs, scope: 'chat', reason };
  // A wrong token or address of the API: nobody was written to, and no other message would fare better.
  if (code === 401 || code === 404) return { kind: 'retry', afterMs: tokenPauseMs, scope: 'channel', reason };
  return { kind: 'refused', reason };
}

/** The message already says exactly this: what was wanted is so. */
export function isUnchanged(failure: CallFailure): boolean {
  return failure.code === 400 && /message is not modified/i.test(failure.description);
}

/** The message cannot be replaced (deleted, too old, a file): a new one must do. */
export function mustSendAnew(failure: CallFailure): boolean {
  return failure.code === 400 && failure.movedTo === null && !goneWords.test(failure.description);
}
