import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Choice, Incoming } from '../../domain/message.ts';
import type { Language } from '../../domain/person.ts';
import type { Capabilities, Channel, Clock, Log, Outgoing, Sent } from '../../ports.ts';
import { degrade, type Part } from '../degrade.ts';
import { createTelegramClient, fileUnread, type CallFailure } from './client.ts';
import { openTelegramFile } from './download.ts';
import { insist, poll, usualWaits, type Supervision, type Waits } from './polling.ts';
import { isUnchanged, mustSendAnew, sentOf } from './sent.ts';
import { messageKey, messageNumber, parseUpdate, updateKinds } from './update.ts';

/** A document ready to leave. */
type Document = NonNullable<Outgoing['document']>;

/** What the Telegram channel is built from. */
export interface TelegramSettings {
  token: string;
  /** `https://api.telegram.org`, a proxy or a local Bot API server. */
  apiRoot: string;
  /** The address Telegram is to call and the secret it shows; null: long polling. */
  webhook: { url: string; secret: string } | null;
  /** The slash menu; names `[a-z0-9_]{1,32}`. */
  commands: readonly { name: string; description: Record<Language, string> }[];
  /** Gives numbers to choices beyond a hundred buttons. */
  offer(chat: string, choices: readonly Choice[]): Promise<{ number: number; choice: Choice }[]>;
  /** A link to a document Telegram does not carry (more than 50 MB). */
  linkFor(chat: string, document: Document): Promise<string>;
  /** The bot's name as known from an earlier start, so that links can be made before this one; null: unknown. */
  username?: string | null;
  /** Messages a second over all chats. */
  sendRate: number;
  /** Told the bot's name once Telegram has said it. */
  onUsername?(username: string): void;
  log: Log;
  /** The real time: Telegram names none for presses. Stamps are moved for rehearsals in the core. */
  clock: Clock;
  waits?: Partial<Waits>;
}

/** The Telegram channel; webhook updates are handed in by the HTTP route. */
export interface TelegramChannel extends Channel {
  /** Takes one parsed update body. Resolves once it is stored, or is nothing that ever could be; rejects when Telegram should deliver it again. */
  receive(update: unknown): Promise<void>;
}

const documentLimit = 50 * 1024 * 1024;
const captionLimit = 1024;
const commandName = /^[a-z0-9_]{1,32}$/;

/** What Telegram can do. */
export const telegramCapabilities: Capabilities = {
  buttons: 100,
  textLimit: 4096,
  filesIn: true,
  sendsFile: (file) => file.size > 0 && file.size <= documentLimit,
  edits: true,
};

const fileTrouble: Sent = { kind: 'retry', afterMs: 5_000, scope: 'chat', reason: fileUnread };
const meSchema = z.object({ username: z.string().min(1) });
const messageSchema = z.object({ message_id: z.number().int() });
const anySchema = z.unknown();

/** Creates the Telegram channel. Nothing is called before `start`; a network that is down then is waited for, in the background. */
export function createTelegramChannel(settings: TelegramSettings): TelegramChannel {
  const { log, webhook } = settings;
  const waits: Waits = { ...usualWaits, ...settings.waits };
  for (const { name } of settings.commands) if (!commandName.test(name)) throw new RangeError(`not a Telegram command name: ${name}`);
  const client = createTelegramClient(settings.token, settings.apiRoot);
  const stopping = new AbortController();
  const inHand = new Set<Promise<unknown>>();
  let username = settings.username ?? null;
  let handle: ((incoming: Incoming) => Promise<void>) | null = null;
  let receiving: Promise<void> = Promise.resolve();
  let health = { ok: false, detail: 'not started' };

  const on: Supervision = { client, waits, log, signal: stopping.signal, report: (ok, detail) => (health = { ok, detail }) };

  function track<Value>(work: Promise<Value>): Promise<Value> {
    inHand.add(work);
    return work.finally(() => inHand.delete(work));
  }

  async function receive(update: unknown): Promise<void> {
    if (!handle || stopping.signal.aborted) throw new Error('telegram: not receiving');
    const parsed = parseUpdate(update, { username, now: settings.clock() });
    if (parsed.kind === 'malformed') return log.warn('telegram.malformed-update', { where: parsed.where });
    if (parsed.kind === 'skipped') return log.info('telegram.skipped-update', { why: parsed.why });
    // The button stops spinning at once, whatever the answer needs; it is not waited for and may fail.
    if (parsed.press !== null) void track(answerPress(parsed.press));
    await track(handle(parsed.incoming));
  }

  async function answerPress(id: string): Promise<void> {
    const answer = await client.call('answerCallbackQuery', { callback_query_id: id }, anySchema, { timeoutMs: waits.callMs });
    if (!answer.ok) log.info('telegram.press-not-answered', { code: answer.failure.code });
  }

  async function run(): Promise<void> {
    const me = await insist(on, 'getMe', {}, meSchema);
    if (me) {
      username = me.username;
      settings.onUsername?.(me.username);
    }
    await setCommands();
    if (webhook) {
      const set = await insist(on, 'setWebhook', { url: webhook.url, secret_token: webhook.secret, allowed_updates: updateKinds, max_connections: 40 }, anySchema);
      if (set !== null) on.report(true, 'webhook');
      return;
    }
    // Polling while a webhook is set is refused with 409; what waits there is kept.
    if ((await insist(on, 'deleteWebhook', { drop_pending_updates: false }, anySchema)) !== null) await poll(on, receive);
  }

  async function setCommands(): Promise<void> {
    for (const language of [null, 'en'] as const) {
      if (stopping.signal.aborted || settings.commands.length === 0) return;
      const commands = settings.commands.slice(0, 100).map(({ name, description }) => ({ command: name, description: description[language ?? 'vi'].normalize('NFC').slice(0, 256) }));
      const answer = await client.call('setMyCommands', { commands, ...(language ? { language_code: language } : {}) }, anySchema, { timeoutMs: waits.callMs, signal: stopping.signal });
      // The menu is a convenience: the words work without it.
      if (!answer.ok) log.warn('telegram.commands-not-set', { code: answer.failure.code, description: answer.failure.description });
    }
  }

  async function send(chat: string, outgoing: Outgoing): Promise<Sent> {
    if (stopping.signal.aborted) return { kind: 'retry', afterMs: 1_000, scope: 'channel', reason: 'stopping' };
    const parts = await degrade<Document>(outgoing, telegramCapabilities, {
      offer: (choices) => settings.offer(chat, choices),
      linkFor: (document) => settings.linkFor(chat, document),
      captionLimit,
      opens: isPublicAddress,
    });
    if (parts.length === 0) return { kind: 'refused', reason: 'nothing to send' };
    const chatId = Number(chat);
    if (!Number.isSafeInteger(chatId) || chatId === 0) return { kind: 'refused', reason: 'not a Telegram chat' };
    let sent: Sent = { kind: 'refused', reason: 'nothing to send' };
    for (const [index, part] of parts.entries()) {
      sent = index === 0 ? await sendFirst(chatId, part, outgoing.edits) : await sendNext(chatId, part);
      if (sent.kind !== 'ok') return sent;
    }
    return sent;
  }

  async function sendFirst(chat: number, part: Part<Document>, edits: string | undefined): Promise<Sent> {
    const message = edits === undefined || part.document ? null : messageNumber(edits);
    if (message === null) return sendPart(chat, part);
    const edited = await client.call(
      'editMessageText', { chat_id: chat, message_id: message, text: part.text, link_preview_options: { is_disabled: true }, reply_markup: keyboardOf(part.choices) }, anySchema, { timeoutMs: waits.callMs },
    );
    if (edited.ok || isUnchanged(edited.failure)) return { kind: 'ok', messageId: messageKey(chat, message) };
    if (mustSendAnew(edited.failure)) return sendPart(chat, part);
    // Replacing twice is the same as once: unlike a sending, it can simply be tried again.
    if (edited.failure.perhapsDone) return { kind: 'retry', afterMs: 3_000, scope: 'chat', reason: edited.failure.description };
    return sentOf(edited.failure);
  }

  /** A later part of a reply whose beginning is already there: trying the whole again would double it, so this part is tried again here. */
  async function sendNext(chat: number, part: Part<Document>): Promise<Sent> {
    let sent: Sent = { kind: 'unknown', reason: 'only the beginning arrived' };
    for (let tries = 0; tries < 3; tries += 1) {
      await sleep(sent.kind === 'retry' ? Math.max(sent.afterMs, waits.partGapMs) : waits.partGapMs);
      sent = await sendPart(chat, part);
      if (sent.kind !== 'retry' || sent.afterMs > 10_000 || stopping.signal.aborted) break;
    }
    return sent.kind === 'retry' || sent.kind === 'refused' ? { kind: 'unknown', reason: `only the beginning arrived: ${sent.reason}` } : sent;
  }

  async function sendPart(chat: number, part: Part<Document>): Promise<Sent> {
    if (part.document) return sendDocument(chat, part, part.document);
    return sentFrom(chat, await client.call(
      'sendMessage', { chat_id: chat, text: part.text, link_preview_options: { is_disabled: true }, reply_markup: keyboardOf(part.choices) }, messageSchema, { timeoutMs: waits.callMs },
    ));
  }

  async function sendDocument(chat: number, part: Part<Document>, document: Document): Promise<Sent> {
    const stream = await document.open().catch(() => null);
    if (!stream) return fileTrouble;
    const keyboard = keyboardOf(part.choices);
    const fields = { chat_id: String(chat), ...(part.text === '' ? {} : { caption: part.text }), ...(keyboard ? { reply_markup: JSON.stringify(keyboard) } : {}) };
    const file = { field: 'document', name: safeFileName(document.name), size: document.size, stream };
    const result = await client.upload('sendDocument', fields, file, messageSchema, { timeoutMs: waits.uploadMs });
    if (!result.ok && result.failure.description === fileUnread) return fileTrouble;
    return sentFrom(chat, result);
  }

  function sentFrom(chat: number, result: { ok: true; value: { message_id: number } } | { ok: false; failure: CallFailure }): Sent {
    return result.ok ? { kind: 'ok', messageId: messageKey(chat, result.value.message_id) } : sentOf(result.failure);
  }

  return {
    name: 'telegram',
    capabilities: telegramCapabilities,
    pacing: { perSecond: settings.sendRate, perChatPerSecond: 1, chatBurst: 3, perGroupMinute: 20, isGroup: (chat) => chat.startsWith('-') },
    async start(handler) {
      if (handle) throw new Error('telegram: started twice');
      handle = handler;
      on.report(false, 'starting');
      receiving = run().catch((error: unknown) => {
        on.report(false, 'stopped by a bug');
        log.error('telegram.receiving-stopped', { error: error instanceof Error ? error.name : 'unknown' });
      });
    },
    receive,
    reach: () => ({ kind: 'free' }),
    send: (chat, outgoing) => track(send(chat, outgoing)),
    open: (file) => openTelegramFile(client, file, waits),
    deepLink: (payload) => (username !== null && /^[A-Za-z0-9_-]{1,64}$/.test(payload) ? `https://t.me/${username}?start=${payload}` : null),
    health: () => health,
    async stop() {
      stopping.abort();
      on.report(false, 'stopped');
      await receiving;
      await Promise.allSettled(inHand);
      client.close();
    },
  };
}

/**
 * A file name that cannot break out of the header it is written into, nor be a path; the extension stays.
 * @example safeFileName('../"báo\ncáo".pdf') → '_báo_cáo_.pdf'
 */
export function safeFileName(name: string): string {
  // oxlint-disable-next-line no-control-regex -- control signs are what is being taken out
  const clean = name.normalize('NFC').replace(/^.*[\\/]/s, '').replace(/[\u0000-\u001f\u007f"\\/:*?<>|;%\u202a-\u202e\u2066-\u2069]+/g, '_').trim();
  const dot = clean.lastIndexOf('.');
  const extension = dot > 0 ? clean.slice(dot).slice(0, 12) : '';
  const stem = Array.from(dot > 0 ? clean.slice(0, dot) : clean).slice(0, 100).join('').replace(/^\.+/, '');
  return `${stem || 'document'}${extension}`;
}

function keyboardOf(choices: readonly Choice[][]): { inline_keyboard: Record<string, string>[][] } | undefined {
  if (choices.length === 0) return undefined;
  // Telegram shows eight buttons in a row at most.
  const rows = choices.flatMap((row) => Array.from({ length: Math.ceil(row.length / 8) }, (_, index) => row.slice(index * 8, index * 8 + 8)));
  return { inline_keyboard: rows.map((row) => row.map((choice) => ({ text: choice.label, ...(choice.url === undefined ? { callback_data: choice.id } : { url: choice.url }) }))) };
}

/** Telegram refuses buttons that open a machine without a public name. */
function isPublicAddress(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const parsed = new URL(url);
  return /^https?:$/.test(parsed.protocol) && parsed.hostname.includes('.') && !/^[\d.]+$|^\[/.test(parsed.hostname);
}
