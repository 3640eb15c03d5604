import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { noticeSchema, type NoticeKind } from './domain/notice.ts';
import { languageSchema, type Language } from './domain/person.ts';

/** How a channel receives: it asks, or it is called at its route. A webhook needs its secret and a public address; without either it polls. */
export type Receiving = { kind: 'polling' } | { kind: 'webhook'; secret: string };

/** Telegram, switched on by its token. */
export interface TelegramConfig {
  token: string;
  apiRoot: string;
  receiving: Receiving;
}

/** The free Zalo Bot, switched on by its token. */
export interface ZaloBotConfig {
  token: string;
  apiRoot: string;
  receiving: Receiving;
}

/** The Zalo Official Account, switched on by its four values together. */
export interface ZaloOaConfig {
  appId: string;
  appSecret: string;
  secretKey: string;
  /** Only the first token: the store keeps the pair that rotates. */
  refreshToken: string;
  apiRoot: string;
  oauthRoot: string;
  templateRoot: string;
  templates: Partial<Record<NoticeKind, string>>;
  /** Đồng a day; 0: nothing paid is sent. */
  dailySpendLimit: number;
  /** Hosts that files may be fetched from; null: Zalo's own. */
  fileHosts: string[] | null;
  /** What `template_type` of a message with buttons says, where the account wants one; null: it is left out, as in most readings. */
  buttonType: string | null;
}

/** The environment, parsed once. Addresses never end with a slash, folders are absolute. */
export interface Config {
  telegram: TelegramConfig | null;
  zaloBot: ZaloBotConfig | null;
  zaloOa: ZaloOaConfig | null;
  publicUrl: string | null;
  host: string;
  /** 0: any free port. */
  port: number;
  /** Null: the embedded engine. */
  mongodbUri: string | null;
  dataDir: string;
  /** Null: made and kept under `dataDir`, see {@link keepSecret}. */
  secret: string | null;
  timeZone: string;
  locale: Language;
  /** Where the clock starts; null: the real time. */
  now: Date | null;
  /** Messages a second over all chats. */
  sendRate: number;
  logLevel: string;
  /** Null: `seeds/levels.yaml`. */
  levelsFile: string | null;
}

/** A bad or impossible environment: one readable line per mistake. A value that is secret is never in a line. */
export class BadConfig extends Error {
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join('\n'));
    this.name = 'BadConfig';
    this.lines = lines;
  }
}

const loopbackHosts = ['localhost', '127.0.0.1', '[::1]'];
const realHosts = /(^|\.)(telegram\.org|zalo\.me|zaloapp\.com|zaloplatforms\.com)$/;
const oaNames = ['ZALO_OA_APP_ID', 'ZALO_OA_APP_SECRET', 'ZALO_OA_SECRET_KEY', 'ZALO_OA_REFRESH_TOKEN'] as const;
const templatePrefix = 'ZALO_OA_TEMPLATE_';
const noticeKinds = noticeSchema.options.map((option) => option.shape.kind.value);

function isUrl(text: string, protocols: readonly string[]): boolean {
  return URL.canParse(text) && protocols.includes(new URL(text).protocol) && new URL(text).username === '' && new URL(text).search === '' && new URL(text).hash === '';
}

const address = z
  .string()
  .refine((text) => isUrl(text, ['http:', 'https:']), { error: 'must be an address such as https://example.org, without a name, a query or a hash in it' })
  .transform((text) => text.replace(/\/+$/, ''));
const publicAddress = z
  .string()
  .refine((text) => isUrl(text, ['https:']) || (isUrl(text, ['http:']) && loopbackHosts.includes(new URL(text).hostname)), {
    error: 'must be a public https address such as https://dondoc.example.org (plain http only for localhost, 127.0.0.1 or [::1])',
  })
  .transform((text) => text.replace(/\/+$/, ''));
const wholeNumber = (from: number, to: number) =>
  z.string().refine((text) => /^\d{1,12}$/.test(text) && Number(text) >= from && Number(text) <= to, { error: `must be a whole number from ${from} to ${to}` }).transform(Number);
const instantPattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;
const token = (hint: string, shape: RegExp) => z.string().regex(shape, { error: hint });

const environmentSchema = z.object({
  TELEGRAM_BOT_TOKEN: token('must be the token BotFather gave, such as 123456:ABC…', /^\d+:[\w-]+$/).optional(),
  TELEGRAM_API_ROOT: address.default('https://api.telegram.org'),
  TELEGRAM_WEBHOOK_SECRET: token('must be 1 to 256 letters, digits, _ or -', /^[\w-]{1,256}$/).optional(),
  ZALO_BOT_TOKEN: token('must be the token of the bot, without spaces', /^\S+$/).optional(),
  ZALO_BOT_API_ROOT: address.default('https://bot-api.zaloplatforms.com'),
  ZALO_BOT_WEBHOOK_SECRET: token('must be 8 to 256 characters without spaces', /^\S{8,256}$/).optional(),
  ZALO_OA_APP_ID: token('must be a text without spaces', /^\S+$/).optional(),
  ZALO_OA_APP_SECRET: token('must be a text without spaces', /^\S+$/).optional(),
  ZALO_OA_SECRET_KEY: token('must be a text without spaces', /^\S+$/).optional(),
  ZALO_OA_REFRESH_TOKEN: token('must be a text without spaces', /^\S+$/).optional(),
  ZALO_OA_API_ROOT: address.default('https://openapi.zalo.me'),
  ZALO_OAUTH_ROOT: address.default('https://oauth.zaloapp.com'),
  ZALO_TEMPLATE_ROOT: address.default('https://business.openapi.zalo.me'),
  ZALO_OA_DAILY_SPEND_LIMIT: wholeNumber(0, 1_000_000_000).default(0),
  ZALO_OA_FILE_HOSTS: z
    .string()
    .transform((text) => text.split(',').map((host) => host.trim().toLowerCase()))
    .refine((hosts) => hosts.every((host) => /^(\*\.)?[a-z0-9.-]+(:\d+)?$/.test(host)), { error: 'must be host names with commas between them' })
    .optional(),
  ZALO_OA_BUTTON_TYPE: token('must be one word, such as button', /^\w+$/).optional(),
  PUBLIC_URL: publicAddress.optional(),
  HOST: token('must be a host name or an address to listen on', /^[A-Za-z0-9.:_-]+$/).default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(8080),
  MONGODB_URI: token('must begin with mongodb:// or mongodb+srv://', /^mongodb(\+srv)?:\/\/\S+$/).optional(),
  DATA_DIR: z.string().default('./data'),
  SECRET: z.string().min(8, { error: 'must be at least 8 characters long (32 random ones are better)' }).optional(),
  TIME_ZONE: z.string().refine(isTimeZone, { error: 'must be a time zone such as Asia/Ho_Chi_Minh' }).default('Asia/Ho_Chi_Minh'),
  LOCALE: z.enum(languageSchema.options, { error: 'must be vi or en' }).default('vi'),
  DONDOC_NOW: z
    .string()
    .refine((text) => instantPattern.test(text) && !Number.isNaN(Date.parse(text)), { error: 'must be an instant such as 2024-04-08T07:55:00+07:00' })
    .transform((text) => new Date(text))
    .optional(),
  DONDOC_REHEARSAL: z.enum(['0', '1'], { error: 'must be 1, or not set' }).default('0'),
  SEND_RATE: wholeNumber(1, 1000).default(28),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], { error: 'must be one of fatal, error, warn, info, debug, trace, silent' }).default('info'),
  LEVELS_FILE: z.string().optional(),
});
type Environment = z.infer<typeof environmentSchema>;

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/**
 * Parses the environment. An empty value counts as not set. Throws {@link BadConfig} with every mistake at once.
 * @example readConfig({ PORT: '80a' }) → throws 'PORT must be a whole number from 0 to 65535'
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const given = Object.fromEntries(Object.entries(environment).flatMap(([name, value]) => (value === undefined || value.trim() === '' ? [] : [[name, value.trim()]])));
  const parsed = environmentSchema.safeParse(given);
  const lines = parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`);
  lines.push(...impossible(given));
  if (!parsed.success || lines.length > 0) throw new BadConfig([...new Set(lines)]);
  return arrange(parsed.data, given);
}

/** What no single value shows: told beside the mistakes of the values. */
function impossible(given: Readonly<Record<string, string>>): string[] {
  const lines: string[] = [];
  const missing = oaNames.filter((name) => given[name] === undefined);
  const oa = missing.length < oaNames.length;
  if (oa && missing.length > 0) lines.push(`${missing.join(', ')} missing: the Zalo Official Account needs all four of ${oaNames.join(', ')}, or none`);
  if (oa && given.PUBLIC_URL === undefined) lines.push('PUBLIC_URL is needed for the Zalo Official Account: it is reached by webhook only');
  if (given.MONGODB_URI !== undefined && given.SECRET === undefined) lines.push('SECRET is needed together with MONGODB_URI: every process must sign with the same one');
  for (const name of Object.keys(given).filter((key) => key.startsWith(templatePrefix))) {
    if (!noticeKinds.includes(kindOf(name))) lines.push(`${name} names no kind of notice: ${noticeKinds.map((kind) => templatePrefix + kind.toUpperCase().replaceAll('-', '_')).join(', ')}`);
  }
  const roots = [
    { on: given.TELEGRAM_BOT_TOKEN !== undefined, name: 'TELEGRAM_API_ROOT', root: given.TELEGRAM_API_ROOT },
    { on: given.ZALO_BOT_TOKEN !== undefined, name: 'ZALO_BOT_API_ROOT', root: given.ZALO_BOT_API_ROOT },
    ...['ZALO_OA_API_ROOT', 'ZALO_OAUTH_ROOT', 'ZALO_TEMPLATE_ROOT'].map((name) => ({ on: oa, name, root: given[name] })),
  ];
  if (given.DONDOC_NOW !== undefined && given.DONDOC_REHEARSAL !== '1') {
    for (const { name } of roots.filter(({ on, root }) => on && isReal(root))) lines.push(`DONDOC_NOW moves the clock, but ${name} is the real service and people would be written to: set DONDOC_REHEARSAL=1 if that is meant`);
  }
  return lines;
}

function isReal(root: string | undefined): boolean {
  return root === undefined || (URL.canParse(root) && realHosts.test(new URL(root).hostname));
}

function kindOf(name: string): NoticeKind {
  return name.slice(templatePrefix.length).toLowerCase().replaceAll('_', '-') as NoticeKind;
}

function arrange(environment: Environment, given: Readonly<Record<string, string>>): Config {
  const publicUrl = environment.PUBLIC_URL ?? null;
  const receiving = (secret: string | undefined): Receiving => (secret !== undefined && publicUrl !== null ? { kind: 'webhook', secret } : { kind: 'polling' });
  return {
    telegram: environment.TELEGRAM_BOT_TOKEN ? { token: environment.TELEGRAM_BOT_TOKEN, apiRoot: environment.TELEGRAM_API_ROOT, receiving: receiving(environment.TELEGRAM_WEBHOOK_SECRET) } : null,
    zaloBot: environment.ZALO_BOT_TOKEN ? { token: environment.ZALO_BOT_TOKEN, apiRoot: environment.ZALO_BOT_API_ROOT, receiving: receiving(environment.ZALO_BOT_WEBHOOK_SECRET) } : null,
    zaloOa: arrangeOa(environment, given),
    publicUrl, host: environment.HOST, port: environment.PORT, mongodbUri: environment.MONGODB_URI ?? null, dataDir: resolve(environment.DATA_DIR), secret: environment.SECRET ?? null,
    timeZone: environment.TIME_ZONE, locale: environment.LOCALE, now: environment.DONDOC_NOW ?? null, sendRate: environment.SEND_RATE, logLevel: environment.LOG_LEVEL,
    levelsFile: environment.LEVELS_FILE ? resolve(environment.LEVELS_FILE) : null,
  };
}

function arrangeOa(environment: Environment, given: Readonly<Record<string, string>>): ZaloOaConfig | null {
  const { ZALO_OA_APP_ID: appId, ZALO_OA_APP_SECRET: appSecret, ZALO_OA_SECRET_KEY: secretKey, ZALO_OA_REFRESH_TOKEN: refreshToken } = environment;
  if (appId === undefined || appSecret === undefined || secretKey === undefined || refreshToken === undefined) return null;
  return {
    appId, appSecret, secretKey, refreshToken, apiRoot: environment.ZALO_OA_API_ROOT, oauthRoot: environment.ZALO_OAUTH_ROOT, templateRoot: environment.ZALO_TEMPLATE_ROOT,
    templates: Object.fromEntries(Object.entries(given).filter(([name]) => name.startsWith(templatePrefix)).map(([name, id]) => [kindOf(name), id])),
    dailySpendLimit: environment.ZALO_OA_DAILY_SPEND_LIMIT, fileHosts: environment.ZALO_OA_FILE_HOSTS ?? null, buttonType: environment.ZALO_OA_BUTTON_TYPE ?? null,
  };
}

/** Every value of a configuration that must never be seen: what the log masks. */
export function secretsOf(config: Config): string[] {
  const { telegram, zaloBot, zaloOa } = config;
  const webhookSecrets = [telegram, zaloBot].flatMap((channel) => (channel?.receiving.kind === 'webhook' ? [channel.receiving.secret] : []));
  const found = [config.secret, config.mongodbUri, telegram?.token, zaloBot?.token, zaloOa?.appSecret, zaloOa?.secretKey, zaloOa?.refreshToken, ...webhookSecrets];
  return found.filter((secret): secret is string => typeof secret === 'string');
}

/**
 * The secret that signs links and peppers codes: the configured one, or one made once and kept under the data folder for its owner's eyes only (mode 0600).
 * Two processes that start together end up with the same one.
 */
export async function keepSecret(config: Pick<Config, 'secret' | 'dataDir'>): Promise<string> {
  if (config.secret !== null) return config.secret;
  try {
    return await readOrMakeSecret(config.dataDir);
  } catch (error) {
    // A folder of somebody else, a file in its place, a read-only disk: the operator's to put right.
    throw new BadConfig([`DATA_DIR ${config.dataDir} cannot be used (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`]);
  }
}

async function readOrMakeSecret(dataDir: string): Promise<string> {
  const file = join(dataDir, 'secret');
  const kept = await readIfThere(file);
  if (kept !== null) return kept;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  // Written whole under another name and then linked: whoever reads the file reads all of it, and the first one wins.
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(randomBytes(32).toString('base64url'));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await link(draft, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(draft, { force: true });
  return await readFile(file, 'utf8');
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
