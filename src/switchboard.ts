import { createHash, randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { createTelegramChannel } from './channels/telegram/adapter.ts';
import { createZaloBotChannel, zaloBotMonthlyQuota } from './channels/zalo-bot/adapter.ts';
import { createZaloOaChannel, type ZaloOaChannel } from './channels/zalo-oa/adapter.ts';
import { createBudget, type Budget } from './channels/zalo-oa/budget.ts';
import { createTokenKeeper, type TokenKeeper } from './channels/zalo-oa/tokens.ts';
import { isConsoleCheck, isSigned } from './channels/zalo-oa/update.ts';
import { zaloFileHosts } from './channels/remote-file.ts';
import type { Config } from './config.ts';
import { dialogParts } from './dialog/parts.ts';
import { serveTelegramWebhook, telegramWebhookPath } from './http/telegram-webhook.ts';
import { serveZaloBotWebhook, serveZaloOaWebhook, zaloBotWebhookPath } from './http/zalo-webhooks.ts';
import type { Channel, Core, Text } from './ports.ts';
import { alertStaff } from './services/alerts.ts';
import { linkForDocument } from './services/links.ts';
import { offerNumbers } from './services/offers.ts';
import { createMonthlyQuota, type MonthlyQuota } from './services/quota.ts';

/** A route to be added to the server. */
export type Route = (app: FastifyInstance) => Promise<void>;

/** The channels the configuration switches on, not yet started, with the webhooks they are called at. */
export interface Switchboard {
  channels: Channel[];
  routes: Route[];
  /** The Official Account with its tokens, for `dondoc zalo`, and what it spent today, for the metrics. */
  zaloOa: { channel: ZaloOaChannel; tokens: TokenKeeper; budget: Budget } | null;
  /** The free bot's messages of this month, for `dondoc outbox` and the metrics. */
  zaloBotQuota: MonthlyQuota | null;
}

/** What every channel is given besides its own settings. */
interface Wiring {
  config: Config;
  core: Core;
  text: Text;
  /** Moves a stamp of the outside world to the house's clock (rehearsals). */
  moved(at: Date): Date;
}

/** Builds the channels. Nothing is called yet. */
export async function buildSwitchboard(wiring: Wiring): Promise<Switchboard> {
  const board: Switchboard = { channels: [], routes: [], zaloOa: null, zaloBotQuota: null };
  await addTelegram(board, wiring);
  addZaloBot(board, wiring);
  addZaloOa(board, wiring);
  return board;
}

/** The making up every channel does in the same way: running numbers, and links to what it does not carry. */
function makeUp(core: Core, name: Channel['name']): Pick<Parameters<typeof createZaloBotChannel>[0], 'offer' | 'linkFor'> {
  return {
    offer: (chat, choices) => offerNumbers(core, name, chat, choices),
    linkFor: (chat, document) => linkForDocument(core, name, chat, document),
  };
}

async function addTelegram(board: Switchboard, { config, core, text }: Wiring): Promise<void> {
  if (!config.telegram) return;
  const { token, apiRoot, receiving } = config.telegram;
  const nameKey = `telegram/username/${createHash('sha256').update(token).digest('hex').slice(0, 12)}`;
  const channel = createTelegramChannel({
    ...makeUp(core, 'telegram'), token, apiRoot, log: core.log, sendRate: config.sendRate,
    webhook: receiving.kind === 'webhook' ? { url: `${config.publicUrl}${telegramWebhookPath}`, secret: receiving.secret } : null,
    commands: menuOf(text),
    username: await core.store.settings.get<string>(nameKey),
    onUsername: (username) => void core.store.settings.set(nameKey, username).catch((error: unknown) => core.log.warn('telegram name not kept', { error })),
    // The real time: stamps of a rehearsal are moved where messages are taken in.
    clock: () => new Date(),
  });
  board.channels.push(channel);
  if (receiving.kind === 'webhook') board.routes.push((app) => serveTelegramWebhook(app, { secret: receiving.secret, receive: (update) => channel.receive(update), log: core.log }));
}

/** The slash menu: every command that says what it is for. */
function menuOf(text: Text): { name: string; description: { vi: string; en: string } }[] {
  const names = new Set(dialogParts.flatMap((part) => part.commands ?? []).map((command) => command.name));
  return [...names].filter((name) => text.has(`commands.${name}`)).map((name) => ({ name, description: { vi: text.say('vi', `commands.${name}`), en: text.say('en', `commands.${name}`) } }));
}

function addZaloBot(board: Switchboard, { config, core }: Wiring): void {
  if (!config.zaloBot) return;
  const { token, apiRoot, receiving } = config.zaloBot;
  const quota = createMonthlyQuota(core, 'zalo-bot', zaloBotMonthlyQuota);
  const channel = createZaloBotChannel({
    ...makeUp(core, 'zalo-bot'), token, apiRoot, quota, log: core.log,
    webhook: receiving.kind === 'webhook' ? { url: `${config.publicUrl}${zaloBotWebhookPath}`, secret: receiving.secret } : null,
  });
  board.channels.push(channel);
  board.zaloBotQuota = quota;
  if (receiving.kind === 'webhook') board.routes.push((app) => serveZaloBotWebhook(app, { secret: receiving.secret, receive: (update) => channel.receive(update), log: core.log }));
}

function addZaloOa(board: Switchboard, { config, core, moved }: Wiring): void {
  if (!config.zaloOa) return;
  const { zaloOa } = config;
  const { settings, leases } = core.store;
  const tokens = createTokenKeeper({
    appId: zaloOa.appId, appSecret: zaloOa.appSecret, firstRefreshToken: zaloOa.refreshToken, oauthRoot: zaloOa.oauthRoot, settings, leases, owner: randomUUID(),
    clock: core.clock, log: core.log,
    onRefused: (reason) => void alertStaff(core, 'zalo-oa-refused', { reason }).catch((error: unknown) => core.log.error('staff not alerted', { error })),
  });
  const budget = createBudget({ limit: zaloOa.dailySpendLimit, settings, calendar: core.calendar, clock: core.clock });
  const channel = createZaloOaChannel({
    ...makeUp(core, 'zalo-oa'), tokens, settings, calendar: core.calendar, clock: core.clock, log: core.log,
    apiRoot: zaloOa.apiRoot, templates: zaloOa.templates, fileHosts: [...zaloFileHosts, ...(zaloOa.fileHosts ?? [])], buttonType: zaloOa.buttonType, budget,
    onTemplateRefused: (kind, reason) => void alertStaff(core, 'zalo-oa-template', { kind, reason }).catch((error: unknown) => core.log.error('staff not alerted', { error })),
    async onContact(user, at) {
      const person = await core.store.people.byAddress('zalo-oa', user);
      if (person) await core.store.people.touch(person.id, 'zalo-oa', user, moved(at));
    },
  });
  board.channels.push(channel);
  board.zaloOa = { channel, tokens, budget };
  board.routes.push((app) => serveZaloOaWebhook(app, {
    isConsoleCheck,
    isSigned: (raw, header) => isSigned(raw, header, zaloOa.appId, zaloOa.secretKey),
    onSignature: (right) => channel.noteSignature(right),
    receive: (event) => channel.receive(event),
    log: core.log,
  }));
}
