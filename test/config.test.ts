import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { BadConfig, keepSecret, readConfig, secretsOf } from '../src/config.ts';

const lines = (environment: Record<string, string>): readonly string[] => {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof BadConfig) return error.lines;
    throw error;
  }
  return [];
};
const oa = { ZALO_OA_APP_ID: 'app', ZALO_OA_APP_SECRET: 'hush-app', ZALO_OA_SECRET_KEY: 'hush-key', ZALO_OA_REFRESH_TOKEN: 'hush-refresh' };

describe('the environment', () => {
  test('with nothing set is an office with one computer', () => {
    expect(readConfig({})).toEqual({
      telegram: null, zaloBot: null, zaloOa: null, publicUrl: null, host: '127.0.0.1', port: 8080, mongodbUri: null, dataDir: join(process.cwd(), 'data'), secret: null,
      timeZone: 'Asia/Ho_Chi_Minh', locale: 'vi', now: null, sendRate: 28, logLevel: 'info', levelsFile: null,
    });
  });

  test('an empty value counts as not set, spaces around one are nothing', () => expect(readConfig({ PORT: '', HOST: ' 0.0.0.0 ', TELEGRAM_BOT_TOKEN: ' ' })).toMatchObject({ port: 8080, host: '0.0.0.0', telegram: null }));

  test('a token switches Telegram on; a secret with a public address makes it a webhook, without one it polls', () => {
    const token = { TELEGRAM_BOT_TOKEN: '1:abc', TELEGRAM_WEBHOOK_SECRET: 'hush' };
    expect(readConfig(token).telegram).toEqual({ token: '1:abc', apiRoot: 'https://api.telegram.org', receiving: { kind: 'polling' } });
    expect(readConfig({ ...token, PUBLIC_URL: 'https://dondoc.example.org/', TELEGRAM_API_ROOT: 'http://127.0.0.1:9/' })).toMatchObject({ publicUrl: 'https://dondoc.example.org', telegram: { apiRoot: 'http://127.0.0.1:9', receiving: { kind: 'webhook', secret: 'hush' } } });
    expect(readConfig({ TELEGRAM_BOT_TOKEN: '1:abc', PUBLIC_URL: 'https://dondoc.example.org' }).telegram?.receiving).toEqual({ kind: 'polling' });
  });

  test('all four values switch the Official Account on, templates by kind of notice', () => {
    const config = readConfig({ ...oa, PUBLIC_URL: 'https://x.example', ZALO_OA_TEMPLATE_PLEDGE_REMINDER: '77', ZALO_OA_DAILY_SPEND_LIMIT: '50000', ZALO_OA_FILE_HOSTS: 'a.zdn.vn, b.zdn.vn' });
    expect(config.zaloOa).toMatchObject({ appId: 'app', templates: { 'pledge-reminder': '77' }, dailySpendLimit: 50_000, fileHosts: ['a.zdn.vn', 'b.zdn.vn'], apiRoot: 'https://openapi.zalo.me' });
    expect(readConfig({ ...oa, PUBLIC_URL: 'https://x.example' }).zaloOa).toMatchObject({ dailySpendLimit: 0, fileHosts: null, templates: {}, buttonType: null });
  });

  test.each([['http://127.0.0.1:8443', true], ['http://localhost', true], ['http://[::1]:80', true], ['https://dondoc.vn/sub', true], ['http://dondoc.vn', false], ['http://127.0.0.1.evil.org', false], ['ftp://dondoc.vn', false], ['dondoc.vn', false], ['https://u:p@dondoc.vn', false], ['https://dondoc.vn?x=1', false]])(
    'PUBLIC_URL %s is taken: %s', (url, taken) => expect(lines({ PUBLIC_URL: url }).length === 0).toBe(taken),
  );

  test.each<[Record<string, string>, RegExp]>([
    [{ PORT: '80a' }, /^PORT must be a whole number from 0 to 65535$/], [{ PORT: '65536' }, /^PORT/], [{ PORT: '-1' }, /^PORT/], [{ TIME_ZONE: 'Asia/Phan_Thiet' }, /^TIME_ZONE must be a time zone/], [{ LOCALE: 'fr' }, /^LOCALE must be vi or en$/],
    [{ MONGODB_URI: 'http://x', SECRET: 'long enough' }, /^MONGODB_URI must begin with/], [{ MONGODB_URI: 'mongodb://x' }, /^SECRET is needed together with MONGODB_URI/], [{ SECRET: 'short' }, /^SECRET must be at least 8/], [{ SEND_RATE: '0' }, /^SEND_RATE/], [{ SEND_RATE: '2.5' }, /^SEND_RATE/],
    [{ LOG_LEVEL: 'loud' }, /^LOG_LEVEL must be one of/], [{ TELEGRAM_BOT_TOKEN: 'hush no token' }, /^TELEGRAM_BOT_TOKEN must be the token BotFather gave/], [{ TELEGRAM_API_ROOT: 'nowhere' }, /^TELEGRAM_API_ROOT must be an address/], [{ TELEGRAM_WEBHOOK_SECRET: 'with spaces' }, /^TELEGRAM_WEBHOOK_SECRET/],
    [{ ZALO_BOT_WEBHOOK_SECRET: 'short' }, /^ZALO_BOT_WEBHOOK_SECRET must be 8 to 256/], [{ ZALO_OA_DAILY_SPEND_LIMIT: '-5' }, /^ZALO_OA_DAILY_SPEND_LIMIT/], [{ ZALO_OA_FILE_HOSTS: 'https://x/y' }, /^ZALO_OA_FILE_HOSTS/], [{ ZALO_OA_TEMPLATE_HELLO: '1' }, /^ZALO_OA_TEMPLATE_HELLO names no kind of notice/],
    [{ ZALO_OA_APP_ID: 'x', PUBLIC_URL: 'https://x.example' }, /^ZALO_OA_APP_SECRET, ZALO_OA_SECRET_KEY, ZALO_OA_REFRESH_TOKEN missing/], [oa, /^PUBLIC_URL is needed for the Zalo Official Account/],
    [{ DONDOC_NOW: '2024-04-08' }, /^DONDOC_NOW must be an instant/], [{ DONDOC_NOW: '2024-04-08T07:55:00' }, /^DONDOC_NOW/], [{ DONDOC_NOW: '2024-13-08T07:55:00Z' }, /^DONDOC_NOW/], [{ DONDOC_REHEARSAL: 'yes' }, /^DONDOC_REHEARSAL must be 1/],
  ])('%j stops the start with one readable line', (environment, line) => {
    expect(lines(environment)).toHaveLength(1);
    expect(lines(environment)[0]).toMatch(line);
  });

  test('every mistake is told at once, a line each, and no line shows a secret', () => {
    const found = lines({ PORT: 'x', TIME_ZONE: 'y', SECRET: 'hush', TELEGRAM_BOT_TOKEN: 'hush', MONGODB_URI: 'hush://u:hush@h', ZALO_BOT_WEBHOOK_SECRET: 'hush', ZALO_OA_APP_SECRET: 'hush hush', ZALO_OA_APP_ID: 'a' });
    expect(found.length).toBe(9);
    expect(found.join('\n')).not.toContain('hush');
    expect(found.every((line) => /^[A-Z_]+[ ,]/.test(line) && !line.includes('\n'))).toBe(true);
  });

  test('a moved clock never meets a real service, unless a rehearsal is meant', () => {
    const now = { DONDOC_NOW: '2024-04-08T07:55:00+07:00' };
    expect(readConfig(now).now?.toISOString()).toBe('2024-04-08T00:55:00.000Z');
    expect(lines({ ...now, TELEGRAM_BOT_TOKEN: '1:a', TELEGRAM_API_ROOT: 'http://127.0.0.1:8081' })).toEqual([]);
    expect(lines({ ...now, TELEGRAM_BOT_TOKEN: '1:a' })[0]).toMatch(/^DONDOC_NOW moves the clock, but TELEGRAM_API_ROOT is the real service/);
    expect(lines({ ...now, TELEGRAM_BOT_TOKEN: '1:a', TELEGRAM_API_ROOT: 'https://api.telegram.org/' })).toHaveLength(1);
    expect(lines({ ...now, ZALO_BOT_TOKEN: 'z' })[0]).toContain('ZALO_BOT_API_ROOT');
    expect(lines({ ...now, ...oa, PUBLIC_URL: 'https://x.example', ZALO_OA_API_ROOT: 'http://127.0.0.1:1', ZALO_TEMPLATE_ROOT: 'http://127.0.0.1:1' })).toEqual([expect.stringContaining('ZALO_OAUTH_ROOT')]);
    expect(lines({ ...now, TELEGRAM_BOT_TOKEN: '1:a', DONDOC_REHEARSAL: '1' })).toEqual([]);
  });

  test('the log is told every secret value', () => {
    const config = readConfig({ ...oa, TELEGRAM_BOT_TOKEN: '1:a', ZALO_BOT_TOKEN: 'z', SECRET: 'long enough', MONGODB_URI: 'mongodb://u:p@h/x', PUBLIC_URL: 'https://x.example', TELEGRAM_WEBHOOK_SECRET: 'w1', ZALO_BOT_WEBHOOK_SECRET: 'w2w2w2w2' });
    expect(secretsOf(config).sort()).toEqual(['1:a', 'hush-app', 'hush-key', 'hush-refresh', 'long enough', 'mongodb://u:p@h/x', 'w1', 'w2w2w2w2', 'z'].sort());
  });

  test('.env.example names every variable and changes nothing', () => {
    const example = readFileSync(join(import.meta.dirname, '..', '.env.example'), 'utf8');
    const names = [...readFileSync(join(import.meta.dirname, '..', 'src', 'config.ts'), 'utf8').matchAll(/^ {2}([A-Z][A-Z_]+):/gm)].map((match) => match[1] as string);
    expect(names.length).toBeGreaterThan(25);
    expect(names.filter((name) => !new RegExp(`^#? ?${name}=`, 'm').test(example))).toEqual([]);
    const set = Object.fromEntries([...example.matchAll(/^([A-Z_]+)=(.*)$/gm)].map((match) => [match[1] as string, match[2] as string]));
    expect(readConfig(set)).toEqual(readConfig({}));
  });
});

describe('the secret', () => {
  test('is made once, for the owner\'s eyes only, also when several processes start together', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dondoc-config-'));
    try {
      const dataDir = join(folder, 'data');
      const made = await Promise.all(Array.from({ length: 8 }, () => keepSecret({ secret: null, dataDir })));
      expect(new Set(made).size).toBe(1);
      expect(made[0]).toMatch(/^[\w-]{43}$/);
      expect(await keepSecret({ secret: null, dataDir })).toBe(made[0]);
      expect(readdirSync(dataDir)).toEqual(['secret']);
      expect(statSync(join(dataDir, 'secret')).mode & 0o777).toBe(0o600);
      expect(await keepSecret({ secret: 'my own secret', dataDir })).toBe('my own secret');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('in a folder that cannot be used is a bad setting, not a bug', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dondoc-config-'));
    try {
      writeFileSync(join(folder, 'file'), '');
      await expect(keepSecret({ secret: null, dataDir: join(folder, 'file') })).rejects.toThrow(/^DATA_DIR .*file cannot be used \(ENOTDIR\)$/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
