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
  /** Told when the refresh token is refused: from here on a person must log in again. */
  onRefused?(reason: string): void;
  /** Milliseconds to wait for another process that is refreshing, or for a store that is away; tests shorten it. */
  waitMs?: number;
}

/** How a login ended. */
export type Login = { pair: TokenPair } | { refused: string } | { later: string };

/** Keeps the pair of tokens good. */
export interface TokenKeeper {
  /** An access token that is good now, refreshed when it is about to end. Null when there is none: the reason is in {@link status}. */
  token(): Promise<string | null>;
  /** The API refused this access token although it should have been good: gets another one, unless somebody already has. */
  renew(refused: string): Promise<string | null>;
  status(): Promise<{ pair: TokenPair | null; refused: string | null }>;
  /** Why a person has to log in again, as it was last read; null while all is well. */
  refusal(): string | null;
  /** Trades a refresh token for a pair and keeps it. Whatever goes wrong, the pair that was there stays. */
  login(refreshToken: string): Promise<Login>;
}

const pairKey = 'zalo-oa/tokens';
const leaseName = 'zalo-oa/refresh';
const refreshTimeoutMs = 20_000;
/** Longer than the exchange can take: nobody else may begin one while an answer can still come. */
const leaseMs = 60_000;
/** The token is renewed this long before it ends. */
const marginMs = 30 * 60_000;
/** After "later", or for a token that is refused although it is new: how long no other exchange is tried. */
const restMs = 60_000;
/** What stands for an access token where there never was one. */
const noToken = '-';

// `expires_in` is a string of seconds (90000); some answers show a number. There is no `error` on success.
const successSchema = z.object({ access_token: z.string().min(1), refresh_token: z.string().min(1), expires_in: z.coerce.number().positive() });
const errorSchema = z.object({ error: z.coerce.number().catch(0), error_name: z.string().catch(''), error_reason: z.string().catch(''), error_description: z.string().catch(''), message: z.string().catch('') });
/** The one error that says "later", not "no". */
const rateCode = -32;

/**
 * The refresh token is good for one exchange only and dies with it, so an exchange happens under a lease, and the new pair is in the store
 * before it is used. A refusal is final: the old pair is kept, nothing is tried again, a person has to log in. An exchange whose answer was lost is
 * tried once more a minute later: whether the old token still works, nobody says; if not, the refusal tells it.
 */
export function createTokenKeeper(given: TokenKeeperSettings): TokenKeeper {
  const { settings, leases, clock, log } = given;
  const waitMs = given.waitMs ?? 500;
  let underWay: Promise<string | null> | null = null;
  let restUntil = 0;
  let refusal: string | null = null;

  async function read(): Promise<TokenPair | null> {
    const pair = pairSchema.safeParse(await settings.get(pairKey)).data ?? null;
    refusal = pair?.refused ?? null;
    return pair;
  }

  const isGood = (pair: TokenPair | null, margin: number): pair is TokenPair => pair !== null && pair.accessToken !== noToken && pair.expiresAt - margin > clock().getTime();
  const pause = () => new Promise((resolve) => setTimeout(resolve, waitMs));

  async function exchange(refreshToken: string): Promise<Login> {
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
      return { pair: { accessToken: success.access_token, refreshToken: success.refresh_token, expiresAt: now + success.expires_in * 1000, since: now, refused: null } };
    }
    if (answer.status >= 500 || answer.status === 429 || body === null) return { later: `status ${answer.status}` };
    const error = errorSchema.safeParse(body).data;
    if (error?.error === rateCode) return { later: 'rate limit' };
    const words = error?.error_name || error?.error_reason || error?.error_description || error?.message || 'no pair in the answer (is the account verified?)';
    return { refused: `${error?.error || answer.status} ${words}`.replaceAll(refreshToken, '***').slice(0, 200) };
  }

  /** Runs under the lease; null when another process kept it all the time. */
  async function alone<Value>(run: () => Promise<Value>, mayStop: () => Promise<Value | undefined>): Promise<Value | null> {
    for (let waits = 0; waits < 50; waits += 1) {
      const already = await mayStop();
      if (already !== undefined) return already;
      const now = clock();
      if ((await leases.take(leaseName, given.owner, now, new Date(now.getTime() + leaseMs))) !== null) {
        try {
          return await run();
        } finally {
          await leases.release(leaseName, given.owner).catch(() => undefined);
        }
      }
      // Another process is at it: its pair will be in the store in a moment.
      await pause();
    }
    return null;
  }

  /**
   * Makes a new pair durable. It exists nowhere else any more, so a store that is away is asked until it answers. A process that slept past its lease
   * must not write over what another one was given since: only the pair that was traded in is replaced.
   */
  async function keep(pair: TokenPair, tradedIn: string | null): Promise<boolean> {
    for (let tries = 0; ; tries += 1) {
      try {
        const stored = await read();
        if (tradedIn !== null && stored !== null && stored.refreshToken !== tradedIn) return false;
        await settings.set(pairKey, pair);
        log.info('zalo-oa.tokens-renewed');
        return true;
      } catch (error) {
        log.error('zalo-oa.tokens-not-kept', { tries: tries + 1, error: error instanceof Error ? error.name : 'unknown' });
        await pause();
      }
    }
  }

  /** What may be used without an exchange; undefined: an exchange is needed. `notThis`: a token the API refused. */
  function usable(pair: TokenPair | null, notThis: string | null): string | null | undefined {
    const good = isGood(pair, 0) && pair.accessToken !== notThis ? pair.accessToken : null;
    if (good !== null && (notThis !== null || isGood(pair, marginMs))) return good;
    if (pair?.refused) return good;
    // A new token that is refused at once says that something else is wrong: trading tokens on and on would not help.
    if (notThis !== null && pair?.accessToken === notThis && clock().getTime() - pair.since < restMs) return null;
    return clock().getTime() < restUntil ? good : undefined;
  }

  async function refresh(notThis: string | null): Promise<string | null> {
    return alone(async () => {
      const pair = await read();
      const already = usable(pair, notThis);
      if (already !== undefined) return already;
      const tradedIn = pair?.refreshToken ?? given.firstRefreshToken;
      const made = await exchange(tradedIn);
      if ('pair' in made) return (await keep(made.pair, tradedIn)) ? made.pair.accessToken : null;
      if ('later' in made) {
        log.warn('zalo-oa.refresh-later', { reason: made.later });
        restUntil = clock().getTime() + restMs;
      } else await noteRefusal(pair, tradedIn, made.refused);
      return isGood(pair, 0) && pair.accessToken !== notThis ? pair.accessToken : null;
    }, async () => usable(await read(), notThis));
  }

  async function noteRefusal(pair: TokenPair | null, tradedIn: string, refused: string): Promise<void> {
    log.error('zalo-oa.refresh-refused', { reason: refused });
    const stored = await read();
    if (stored === null || stored.refreshToken === tradedIn) {
      await settings.set(pairKey, { ...(pair ?? { accessToken: noToken, refreshToken: tradedIn, expiresAt: 0, since: clock().getTime() }), refused });
    }
    await read();
    given.onRefused?.(refused);
  }

  /** Calls of this process share one exchange. */
  function once(notThis: string | null): Promise<string | null> {
    underWay ??= refresh(notThis).finally(() => {
      underWay = null;
    });
    return underWay;
  }

  return {
    async token() {
      const ready = usable(await read(), null);
      return ready === undefined ? once(null) : ready;
    },
    renew: (refused) => once(refused),
    async status() {
      const pair = await read();
      return { pair, refused: pair?.refused ?? null };
    },
    refusal: () => refusal,
    async login(refreshToken) {
      const done = await alone<Login>(async () => {
        const made = await exchange(refreshToken);
        if ('pair' in made) await keep(made.pair, null);
        return made;
      }, async () => undefined);
      return done ?? { later: 'another process is refreshing' };
    },
  };
}
