import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import type { Calendar } from '../../domain/calendar.ts';
import type { Choice, Incoming } from '../../domain/message.ts';
import type { NoticeKind } from '../../domain/notice.ts';
import type { Address } from '../../domain/person.ts';
import type { Capabilities, Channel, Clock, Log, Outgoing, Reach, Sent, SettingStore } from '../../ports.ts';
import { degrade, type Part } from '../degrade.ts';
import { openRemoteFile } from '../remote-file.ts';
import type { Budget } from './budget.ts';
import { createOaClient, tokenCodes, type OaFailure, type OaRequest, type OaResult } from './client.ts';
import type { TokenKeeper } from './tokens.ts';
import { parseOaEvent } from './update.ts';

/** What stands before a button's payload, so that a press can be told from typed words. Anybody can type it: rights are checked as for typed text. */
export const payloadMark = '#dd:';
/** How long after a person's last word a message is free, and how long it is taken at all, in milliseconds. */
export const freeWindowMs = 48 * 3_600_000;
/** See {@link freeWindowMs}. */
export const openWindowMs = 7 * 24 * 3_600_000;
/** Price of a message between the two windows, and of a template, in đồng. */
export const paidMessageCost = 55;
/** A template's price is not published for every kind: the dearest known reading. */
export const templateCost = 300;

type Document = NonNullable<Outgoing['document']>;

/** What the Official Account's channel is built from. */
export interface ZaloOaSettings {
  apiRoot: string;
  tokens: TokenKeeper;
  budget: Budget;
  /** Approved template by notice kind. */
  templates: Readonly<Partial<Record<NoticeKind, string>>>;
  /** Hosts files may be fetched from. */
  fileHosts: readonly string[];
  settings: SettingStore;
  calendar: Calendar;
  clock: Clock;
  log: Log;
  offer(chat: string, choices: readonly Choice[]): Promise<{ number: number; choice: Choice }[]>;
  linkFor(chat: string, document: { fileId: string; name: string }): Promise<string>;
  /** Told that the person did something without words: the window is open again. */
  onContact(user: string, at: Date): Promise<void>;
}

/** The Official Account's channel; events are handed in by the HTTP route after their signature was checked. */
export interface ZaloOaChannel extends Channel {
  /** Takes one event. Resolves once it is stored or could never be; rejects when it could not be stored. */
  receive(event: unknown): Promise<void>;
  /** Told whether an event's signature was right: a wrong key is shown in `health`, for Zalo drops every event then without a word. */
  noteSignature(right: boolean): void;
  /** Reads what was typed while we were away, as far as Zalo keeps it. Answers how many messages were handed over. */
  catchUp(): Promise<number>;
  /** What the account may do now, for `dondoc zalo status`. */
  describe(): Promise<Record<string, unknown>>;
}

const callMs = 20_000;
const fileLimit = 5 * 1024 * 1024;

/** What the Official Account can do. */
export const zaloOaCapabilities: Capabilities = {
  buttons: 5, textLimit: 2000, filesIn: true, edits: false,
  // No xlsx, no zip; and what was uploaded is gone after seven days.
  sendsFile: (file) => ['pdf', 'doc', 'docx', 'csv'].includes(file.kind) && file.size > 0 && file.size <= fileLimit,
};

const sentSchema = z.object({ message_id: z.union([z.string(), z.number()]).transform(String) });
const uploadSchema = z.object({ token: z.string().optional(), attachment_id: z.string().optional() });
const anySchema = z.unknown();
const chatSchema = z.array(z.looseObject({ src: z.coerce.number(), message_id: z.string(), from_id: z.union([z.string(), z.number()]).transform(String), time: z.coerce.number(), type: z.string().catch(''), message: z.string().catch('') }));

/** "This person cannot receive" under its many numbers: last word too long ago, not a follower, restricted, off Zalo. */
const closedCodes: ReadonlySet<number> = new Set([-230, -232, -213, -244, -227]);
const buttonCodes: ReadonlySet<number> = new Set([-201, -233]);
const pauseCodes: ReadonlySet<number> = new Set([-32]);
const accountCodes: ReadonlySet<number> = new Set([-204, -205, -209, -211, -212, -219, -221, -223, -224]);
const moneyCodes: ReadonlySet<number> = new Set([-135, -136, -137, -138, -115, -320, -321, -218]);

/** Creates the channel of a Zalo Official Account. */
export function createZaloOaChannel(given: ZaloOaSettings): ZaloOaChannel {
  const { tokens, budget, clock, log } = given;
  const client = createOaClient(given.apiRoot);
  const inHand = new Set<Promise<unknown>>();
  let handle: ((incoming: Incoming) => Promise<void>) | null = null;
  let buttonsRefused = false;
  let health = { ok: false, detail: 'not started' };

  function track<Value>(work: Promise<Value>): Promise<Value> {
    inHand.add(work);
    return work.finally(() => inHand.delete(work));
  }

  /** Calls with a good token; a token refused although it should be good is renewed once. */
  async function call<Value>(request: Omit<OaRequest<Value>, 'timeoutMs'> & { timeoutMs?: number }): Promise<OaResult<Value>> {
    const token = await tokens.token();
    if (token === null) return noToken();
    const first = await client.call(token, { timeoutMs: callMs, ...request });
    if (first.ok || first.failure.code === null || !tokenCodes.has(first.failure.code)) return first;
    const renewed = await tokens.renew(token);
    return renewed === null ? noToken() : client.call(renewed, { timeoutMs: callMs, ...request });
  }

  async function noToken(): Promise<{ ok: false; failure: OaFailure }> {
    const { refused } = await tokens.status();
    health = { ok: false, detail: refused ? `login needed: ${refused}` : 'no access token' };
    return { ok: false, failure: { code: null, description: 'no access token', perhapsDone: false } };
  }

  async function receive(event: unknown): Promise<void> {
    if (!handle) throw new Error('zalo-oa: not receiving');
    const parsed = parseOaEvent(event, payloadMark);
    switch (parsed.kind) {
      case 'malformed':
        return log.warn('zalo-oa.malformed-event', { where: parsed.where });
      case 'skipped':
        return log.info('zalo-oa.skipped-event', { why: parsed.why });
      case 'contact':
        return track(given.onContact(parsed.user, parsed.at));
      case 'delivered':
        return;
      case 'message': {
        await track(handle(parsed.incoming));
        await noteSeen(parsed.incoming.at);
      }
    }
  }

  async function noteSeen(at: Date): Promise<void> {
    const last = (await given.settings.get<number>('zalo-oa/last-event')) ?? 0;
    if (at.getTime() > last) await given.settings.set('zalo-oa/last-event', at.getTime());
  }

  function isNight(at: Date): boolean {
    const time = given.calendar.timeOf(at);
    return time >= '22:00' || time < '06:00';
  }

  function reach(to: Address, at: Date, kind?: NoticeKind): Reach {
    const since = at.getTime() - to.lastAt.getTime();
    if (since <= freeWindowMs) return { kind: 'free' };
    if (since <= openWindowMs) return budget.allows(paidMessageCost) ? { kind: 'paid', class: 'message', cost: paidMessageCost } : { kind: 'closed', reason: 'daily spend limit' };
    if (kind === undefined || given.templates[kind] === undefined) return { kind: 'closed', reason: 'no word within 7 days' };
    if (isNight(at)) return { kind: 'closed', reason: 'night' };
    return budget.allows(templateCost) ? { kind: 'template', class: 'template', cost: templateCost } : { kind: 'closed', reason: 'daily spend limit' };
  }

  async function send(chat: string, outgoing: Outgoing): Promise<Sent> {
    const way = outgoing.to && outgoing.notice ? reach(outgoing.to, clock(), outgoing.notice.kind) : ({ kind: 'free' } as const);
    if (way.kind === 'closed') return { kind: 'refused', reason: `window closed: ${way.reason}` };
    const cost = way.kind === 'free' ? 0 : way.cost;
    const priceClass = way.kind === 'free' ? 'free' : way.class;
    if (!(await budget.take(priceClass, cost))) return { kind: 'refused', reason: 'window closed: daily spend limit' };
    const sent = way.kind === 'template' ? await sendTemplate(chat, outgoing) : await sendParts(chat, outgoing);
    if (sent.kind !== 'ok' && sent.kind !== 'unknown') await budget.giveBack(priceClass, cost);
    return sent;
  }

  async function sendTemplate(chat: string, outgoing: Outgoing): Promise<Sent> {
    const template = outgoing.notice ? given.templates[outgoing.notice.kind] : undefined;
    if (template === undefined) return { kind: 'refused', reason: 'no template' };
    // Parameters of templates hold 30 characters.
    const facts = Object.fromEntries(Object.entries(outgoing.facts ?? {}).map(([name, value]) => [name, Array.from(value.normalize('NFC')).slice(0, 30).join('')]));
    return sentOf(await call({ path: '/v3.0/oa/message/template', body: { user_id: chat, template_id: template, template_data: facts }, result: sentSchema }));
  }

  async function sendParts(chat: string, outgoing: Outgoing): Promise<Sent> {
    const capabilities = buttonsRefused ? { ...zaloOaCapabilities, buttons: 0 } : zaloOaCapabilities;
    const parts = await degrade<Document>(outgoing, capabilities, { offer: (choices) => given.offer(chat, choices), linkFor: (document) => given.linkFor(chat, document), captionLimit: 0 });
    let sent: Sent = { kind: 'refused', reason: 'nothing to send' };
    for (const [index, part] of parts.entries()) {
      sent = part.document ? await sendFile(chat, part.document) : await sendText(chat, part);
      if (sent.kind !== 'ok') return index > 0 ? { kind: 'unknown', reason: 'only the beginning arrived' } : sent;
    }
    return sent;
  }

  async function sendText(chat: string, part: Part<Document>): Promise<Sent> {
    const message = { text: part.text, ...(part.choices.length > 0 ? { attachment: buttonsOf(part.choices) } : {}) };
    const answer = await call({ path: '/v3.0/oa/message/cs', body: { recipient: { user_id: chat }, message }, result: sentSchema });
    if (answer.ok || part.choices.length === 0 || answer.failure.code === null || !buttonCodes.has(answer.failure.code)) return sentOf(answer);
    // Buttons are not promised by the published pages. Once refused, choices become numbered lines, here and from now on.
    buttonsRefused = true;
    await given.settings.set('zalo-oa/buttons-refused', true);
    log.warn('zalo-oa.buttons-refused', { code: answer.failure.code });
    const [plain] = await degrade({ text: part.text, choices: part.choices }, { ...zaloOaCapabilities, buttons: 0 }, { offer: (choices) => given.offer(chat, choices), linkFor: () => '', captionLimit: 0 });
    return sentOf(await call({ path: '/v3.0/oa/message/cs', body: { recipient: { user_id: chat }, message: { text: plain?.text ?? part.text } }, result: sentSchema }));
  }

  async function sendFile(chat: string, document: Document): Promise<Sent> {
    const form = new FormData();
    // At most 5 MB: the upload wants the whole file with its name.
    form.append('file', new Blob([await buffer(await document.open())], { type: document.mime }), document.name);
    const uploaded = await call({ path: '/v2.0/oa/upload/file', form, result: uploadSchema, timeoutMs: 60_000 });
    if (!uploaded.ok) return uploaded.failure.perhapsDone ? { kind: 'retry', afterMs: 5000, scope: 'chat', reason: 'upload lost' } : sentOf(uploaded);
    const token = uploaded.value.token ?? uploaded.value.attachment_id;
    if (token === undefined) return { kind: 'refused', reason: 'upload without a token' };
    return sentOf(await call({ path: '/v3.0/oa/message/cs', body: { recipient: { user_id: chat }, message: { attachment: { type: 'file', payload: { token } } } }, result: sentSchema }));
  }

  async function catchUp(): Promise<number> {
    if (!handle) return 0;
    const since = (await given.settings.get<number>('zalo-oa/last-event')) ?? clock().getTime();
    let found = 0;
    for (let offset = 0; offset < 1000; offset += 10) {
      const page = await call({ path: '/v2.0/oa/listrecentchat', data: { offset, count: 10 }, result: chatSchema });
      if (!page.ok || page.value.length === 0) return found;
      // Only texts: nothing says that files are kept there. What is known already is recognised by its id.
      for (const entry of page.value.filter((chat) => chat.src === 1 && chat.type === 'text' && chat.time >= since)) {
        const text = entry.message;
        const content = text.startsWith(payloadMark) ? { kind: 'choice' as const, id: text.slice(payloadMark.length) } : { kind: 'text' as const, text };
        await handle({ channel: 'zalo-oa', chat: entry.from_id, group: false, messageId: entry.message_id, edits: null, at: new Date(entry.time), senderName: '', content });
        found += 1;
      }
      if (page.value.every((chat) => chat.time < since)) return found;
    }
    return found;
  }

  return {
    name: 'zalo-oa',
    capabilities: zaloOaCapabilities,
    // Where nothing may be spent only the free part of the window is open.
    windowMs: budget.limit >= paidMessageCost ? openWindowMs : freeWindowMs,
    // 4,000 requests a minute over all; some room is left for uploads and token checks.
    pacing: { perSecond: 50, perChatPerSecond: 1, chatBurst: 3, perGroupMinute: 20, isGroup: () => false },
    async start(handler) {
      handle = handler;
      await budget.refresh();
      buttonsRefused = (await given.settings.get<boolean>('zalo-oa/buttons-refused')) ?? false;
      const token = await tokens.token();
      if (token === null) await noToken();
      else health = { ok: true, detail: 'webhook' };
      if (token !== null) void track(catchUp().catch((error: unknown) => log.warn('zalo-oa.catch-up-failed', { error: error instanceof Error ? error.name : 'unknown' })));
    },
    receive,
    noteSignature(right) {
      if (!right) health = { ok: false, detail: 'events arrive with a wrong signature: check ZALO_OA_SECRET_KEY' };
      else if (!health.ok && handle) health = { ok: true, detail: 'webhook' };
    },
    catchUp,
    reach,
    send: (chat, outgoing) => track(send(chat, outgoing)),
    open: (file) => openRemoteFile(file, { hosts: given.fileHosts, idleMs: 30_000 }),
    deepLink: () => null,
    health: () => health,
    async stop() {
      await Promise.allSettled(inHand);
      handle = null;
      health = { ok: false, detail: 'stopped' };
    },
    async describe() {
      const [account, status] = [await call({ path: '/v2.0/oa/getoa', result: anySchema }), await tokens.status()];
      const about = z.looseObject({ name: z.string().optional(), is_verified: z.boolean().optional(), num_follower: z.number().optional(), package_name: z.string().optional(), package_valid_through_date: z.string().optional() }).safeParse(account.ok ? account.value : {}).data;
      return {
        reachable: account.ok, name: about?.name ?? null, verified: about?.is_verified ?? null, followers: about?.num_follower ?? null, package: about?.package_name ?? null,
        packageUntil: about?.package_valid_through_date ?? null, tokenSince: status.pair ? new Date(status.pair.since).toISOString() : null,
        tokenExpiresAt: status.pair ? new Date(status.pair.expiresAt).toISOString() : null, refused: status.refused, spentToday: budget.spent(), buttons: !buttonsRefused,
      };
    },
  };
}

function buttonsOf(choices: readonly Choice[][]): unknown {
  const buttons = choices.flat().map((choice) =>
    choice.url === undefined
      ? { title: choice.label.slice(0, 100), type: 'oa.query.hide', payload: `${payloadMark}${choice.id}` }
      : { title: choice.label.slice(0, 100), type: 'oa.open.url', payload: { url: choice.url } });
  return { type: 'template', payload: { buttons } };
}

/**
 * Puts the answer of a sending into the port's words.
 * @example sentOf({ ok: false, failure: { code: -230, … } }) → { kind: 'gone', reason: '-230 …' }
 */
export function sentOf(answer: OaResult<{ message_id: string }>): Sent {
  if (answer.ok) return { kind: 'ok', messageId: answer.value.message_id };
  const { code, description, perhapsDone } = answer.failure;
  const reason = code === null ? description : `${code} ${description}`;
  if (perhapsDone) return { kind: 'unknown', reason };
  if (code === null) return { kind: 'retry', afterMs: 60_000, scope: 'channel', reason };
  if (closedCodes.has(code)) return { kind: 'gone', reason };
  if (pauseCodes.has(code)) return { kind: 'retry', afterMs: 60_000, scope: 'channel', reason };
  if (tokenCodes.has(code) || accountCodes.has(code) || moneyCodes.has(code)) return { kind: 'retry', afterMs: 15 * 60_000, scope: 'channel', reason };
  return { kind: 'refused', reason };
}
