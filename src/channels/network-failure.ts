/** What of a failed `fetch` may be told, and whether the request may have arrived all the same. Holds no address and nothing of what was sent. */
export interface NetworkFailure {
  /** The system's code or the error's name. @example 'ECONNREFUSED', 'TimeoutError' */
  description: string;
  perhapsDone: boolean;
}

/** Network errors that happen before anything has left: the call was surely not done. */
export const neverLeft: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'UND_ERR_CONNECT_TIMEOUT']);

/**
 * Describes what `fetch` threw. Its own words are never passed on: they may quote the address, and with it a token.
 * @example describeNetworkFailure(new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } })) → { description: 'ECONNREFUSED', perhapsDone: false }
 */
export function describeNetworkFailure(error: unknown): NetworkFailure {
  const { name, cause } = (error ?? {}) as { name?: unknown; cause?: { code?: unknown } };
  const code = cause?.code;
  const description = typeof code === 'string' ? code : typeof name === 'string' ? name : 'network failed';
  return { description, perhapsDone: !neverLeft.has(description) };
}
