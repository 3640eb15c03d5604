import { z } from 'zod';
import type { Clock, LeaseStore, Log, SettingStore } from '../../ports.ts';
import { fetchText, parseJson } from './client.ts';

const pairSchema = z.strictObject({
  accessToken: z.string().min(1),
  refreshToken: z.string().min(1),
  /** When the access token ends, in milliseconds since 1970. */
  expiresAt: z.number(),
  /** When this pair came, in milliseconds since 1970. */
  since: z.number(),
  /** Why the refresh token was refused for good; null while it is good. A new login clears it. */
  refused: z.string().nullable(),
});
/** The rotating pair of tokens as the store keeps it. */
export type TokenPair = z.infer<typeof pairSchema>;

/** What the keeper of the tokens is built from. */
export interface TokenKeeperSettings {
  appId: string;
  appSecret: string;
  /** Only used while the store holds no pair. */
  firstRefreshToken: string;
  oauthRoot: string;
  settings: SettingStore;
  leases: LeaseStore;
  /** Names this process in the lease. */
  owner: string;
  clock: Clock;
  log: Log;
  /** Told once when the refresh token is refused: from here on a person must log in again. */
  onRefused?(reason: string): void;
  /** Milliseconds to wait for another process that is refreshing; tests shorten it. */
  waitMs?: number;
}

/** Keeps the pair of tokens good. */
export interface TokenKeeper {
  /** An access token that is good now, refreshed when it is about to end. Null when there is none: the reason is in {@link status}. */
  token(): Promise<string | null>;
  /** The API refused this access token although it should have been good: gets another one, unless somebody already has. */
  renew(refused: string): Promise<string | null>;
  status(): Promise<{ pair: TokenPair | null; refused: string | null }>;
  /** Puts a first pair, or a new one after a refusal. `accessToken` may be empty: the next use refreshes. */
  login(refreshToken: string): Promise<TokenPair | null>;
}

const pairKey = 'zalo-oa/tokens';
const leaseName = 'zalo-oa/refresh';
const refreshTimeoutMs = 20_000;
/** Longer than the exchange can take: nobody else may begin one while an answer can still come. */
const leaseMs = 60_000;
/** The token is renewed this long before it ends. */
const marginMs = 30 * 60_000;

// `expires_in` is a string of seconds (90000); some answers show a number. There is no `error` on success.
const successSchema = z.object({ access_token: z.string().min(1), refresh_token: z.string().min(1), expires_in: z.coerce.number().positive() });
const errorSchema = z.object({ error: z.coerce.number(), error_name: z.string().catch(''), error_description: z.string().catch(''), message: z.string().catch('') });
/** The one error that says "later", not "no". */
const rateCode = -32;

/**
 * The refresh token is good for one exchange only and dies with it, so an exchange happens under a lease, and the new pair is in the store
 * before it is used. A refusal is final: the old pair is kept untouched, nothing is tried again, a person has to log in.
 */
export function createTokenKeeper(given: TokenKeeperSettings): TokenKeeper {
  const { settings, leases, clock, log } = given;
  const waitMs = given.waitMs ?? 500;
  let underWay: Promise<string | null> | null = null;

  async function read(): Promise<TokenPair | null> {
    return pairSchema.safeParse(await settings.get(pairKey)).data ?? null;
  }

  const isGood = (pair: TokenPair | null, margin: number): pair is TokenPair => pair !== null && pair.accessToken !== '-' && pair.expiresAt - margin > clock().getTime();

  async function exchange(refreshToken: string): Promise<TokenPair | { refused: string } | { later: string }> {
    const answer = await fetchText(new URL(`${given.oauthRoot.replace(/\/+$/, '')}/v4/oa/access_token`), {
      method: 'POST', redirect: 'error', signal: AbortSignal.timeout(refreshTimeoutMs),
      headers: { 'content-type': 'application/x-www-form-urlencoded', secret_key: given.appSecret },
      body: new URLSearchParams({ refresh_token: refreshToken, app_id: given.appId, grant_type: 'refresh_token' }).toString(),
    });
    if ('failure' in answer) return { later: answer.failure.description };
    const body = parseJson(answer.text);
    // Only a whole pair is a success: an error may come with status 200 and other fields.
    const success = successSchema.safeParse(body).data;
    if (success) {
      const now = clock().getTime();
      return { accessToken: success.access_token, refreshToken: success.refresh_token, expiresAt: now + success.expires_in * 1000, since: now, refused: null };
    }
    if (answer.status >= 500 || body === null) return { later: `status ${answer.status}` };
    const error = errorSchema.safeParse(body).data;
    if (error?.error === rateCode) return { later: 'rate limit' };
    return { refused: `${error?.error ?? answer.status} ${error?.error_name || error?.error_description || error?.message || 'refused'}`.slice(0, 200) };
  }

  async function refresh(unlessNewerThan: string | null): Promise<string | null> {
    for (let waits = 0; ; waits += 1) {
      const before = await read();
      if (isGood(before, 0) && before.accessToken !== unlessNewerThan && (unlessNewerThan !== null || isGood(before, marginMs))) return before.accessToken;
      if (before?.refused) return isGood(before, 0) && unlessNewerThan === null ? before.accessToken : null;
      const now = clock();
      const fence = await leases.take(leaseName, given.owner, now, new Date(now.getTime() + leaseMs));
      if (fence === null) {
        // Another process is at it: its pair will be in the store in a moment.
        if (waits >= 60) return isGood(before, 0) ? before.accessToken : null;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        continue;
      }
      try {
        return await refreshAlone(await read(), unlessNewerThan);
      } finally {
        await leases.release(leaseName, given.owner);
      }
    }
  }

  /** Under the lease: what another process stored just before is taken as it is. */
  async function refreshAlone(pair: TokenPair | null, unlessNewerThan: string | null): Promise<string | null> {
    if (isGood(pair, marginMs) && pair.accessToken !== unlessNewerThan) return pair.accessToken;
    const made = await exchange(pair?.refreshToken ?? given.firstRefreshToken);
    if ('accessToken' in made) {
      await settings.set(pairKey, made);
      log.info('zalo-oa.tokens-renewed');
      return made.accessToken;
    }
    if ('refused' in made) {
      log.error('zalo-oa.refresh-refused', { reason: made.refused });
      if (pair) await settings.set(pairKey, { ...pair, refused: made.refused });
      else await settings.set(pairKey, { accessToken: '-', refreshToken: given.firstRefreshToken, expiresAt: 0, since: clock().getTime(), refused: made.refused });
      given.onRefused?.(made.refused);
    } else log.warn('zalo-oa.refresh-later', { reason: made.later });
    return isGood(pair, 0) && pair.accessToken !== unlessNewerThan ? pair.accessToken : null;
  }

  function once(unlessNewerThan: string | null): Promise<string | null> {
    underWay ??= refresh(unlessNewerThan).finally(() => {
      underWay = null;
    });
    return underWay;
  }

  return {
    async token() {
      const pair = await read();
      return isGood(pair, marginMs) ? pair.accessToken : once(null);
    },
    renew: (refused) => once(refused),
    async status() {
      const pair = await read();
      return { pair, refused: pair?.refused ?? null };
    },
    async login(refreshToken) {
      await settings.set(pairKey, { accessToken: '-', refreshToken, expiresAt: 0, since: clock().getTime(), refused: null });
      return (await once(null)) === null ? null : read();
    },
  };
}
