import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import type { Calendar } from '../../domain/calendar.ts';
import type { Choice, Incoming } from '../../domain/message.ts';
import type { NoticeKind } from '../../domain/notice.ts';
import type { Capabilities, Channel, Clock, Log, Outgoing, Sent, SettingStore } from '../../ports.ts';
import { degrade, type Part } from '../degrade.ts';
import { openRemoteFile } from '../remote-file.ts';
import type { Budget } from './budget.ts';
import { createCatchUp } from './catch-up.ts';
import { createOaClient, tokenCodes, type OaFailure, type OaRequest, type OaResult } from './client.ts';
import { isTemplateTrouble, isWindowClosed, mayBeButtons, sentOf } from './sent.ts';
import type { TokenKeeper } from './tokens.ts';
import { parseOaEvent } from './update.ts';
import { createWindows, freeWindowMs, openWindowMs, paidMessageCost, templateCost } from './windows.ts';

/** What stands before a button's payload, so that a press can be told from typed words. Anybody can type it: rights are checked as for typed text. */
export const payloadMark = '#dd:';
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
  /** `template_type` of messages with buttons; null: left out. */
  buttonType: string | null;
  settings: SettingStore;
  calendar: Calendar;
  clock: Clock;
  log: Log;
  offer(chat: string, choices: readonly Choice[]): Promise<{ number: number; choice: Choice }[]>;
  linkFor(chat: string, document: { fileId: string; name: string }): Promise<string>;
  /** Told that the person did something without words: the window is open again. */
  onContact(user: string, at: Date): Promise<void>;
  /** Told when Zalo refuses a template for everybody (not approved, disabled, no money). */
  onTemplateRefused(kind: NoticeKind, reason: string): void;
  /** Milliseconds between two tries to catch up after an outage; half a minute unless said otherwise. */
  catchUpPauseMs?: number;
}

/** The Official Account's channel; events are handed in by the HTTP route after their signature was checked. */
export interface ZaloOaChannel extends Channel {
  /** Takes one event. Resolves once it is stored or could never be; rejects when it could not be stored. */
  receive(event: unknown): Promise<void>;
  /** Told whether an event's signature was right: a wrong key is shown by `dondoc zalo status`, for Zalo drops every event then without a word. */
  noteSignature(right: boolean): Promise<void>;
  /** Reads what was typed while we were away, as far as Zalo keeps it. Answers how many messages were handed over. */
  catchUp(): Promise<number>;
  /** What the account may do now, for `dondoc zalo status`. */
  describe(): Promise<Record<string, string | number | boolean | null>>;
}

const callMs = 20_000;
const wrongSignatureKey = 'zalo-oa/wrong-signature';
const fileLimit = 5 * 1024 * 1024;

/** What the Official Account can do. */
export const zaloOaCapabilities: Capabilities = {
  buttons: 5, textLimit: 2000, filesIn: true, edits: false,
  // No xlsx, no zip; and what was uploaded is gone after seven days.
  sendsFile: (file) => ['pdf', 'doc', 'docx', 'csv'].includes(file.kind) && file.size > 0 && file.size <= fileLimit,
};

const sentSchema = z.object({ message_id: z.union([z.string(), z.number()]).transform(String) });
const uploadSchema = z.object({ token: z.string().optional(), attachment_id: z.string().optional() });
const accountSchema = z.looseObject({
  name: z.string().optional().catch(undefined), is_verified: z.boolean().optional().catch(undefined), num_follower: z.coerce.number().optional().catch(undefined),
  package_name: z.string().optional().catch(undefined), package_valid_through_date: z.string().optional().catch(undefined),
});
/** Creates the channel of a Zalo Official Account. */
export function createZaloOaChannel(given: ZaloOaSettings): ZaloOaChannel {
  const { tokens, budget, clock, log, settings } = given;
  const client = createOaClient(given.apiRoot);
  const inHand = new Set<Promise<unknown>>();
  // Of this shape of buttons only: another one set by the operator is tried anew.
  const buttonsKey = `zalo-oa/buttons-refused/${given.buttonType ?? 'plain'}`;
  const windows = createWindows({ budget, templates: given.templates, calendar: given.calendar });
  let handle: ((incoming: Incoming) => Promise<void>) | null = null;
  let stopped = false;
  let buttonsRefused = false;
  let hasToken = false;
  let wrongSignatures = 0;
  let wrongNotedAt = 0;

  const catchUp = createCatchUp({
    call, settings, log, payloadMark, pauseMs: given.catchUpPauseMs ?? 30_000,
    handle: async (incoming) => {
      if (!handle || stopped) throw new Error('zalo-oa: not receiving');
      await track(handle(incoming));
    },
  });

  function track<Value>(work: Promise<Value>): Promise<Value> {
    inHand.add(work);
    return work.finally(() => inHand.delete(work));
  }

  /** Calls with a good token; a token refused although it should be good is renewed once. */
  async function call<Value>(request: Omit<OaRequest<Value>, 'timeoutMs'> & { timeoutMs?: number }): Promise<OaResult<Value>> {
    const token = await tokens.token();
    if (token === null) return noToken();
    hasToken = true;
    const first = await client.call(token, { timeoutMs: callMs, ...request });
    if (first.ok || first.failure.code === null || !tokenCodes.has(first.failure.code)) return first;
    const renewed = await tokens.renew(token);
    return renewed === null ? noToken() : client.call(renewed, { timeoutMs: callMs, ...request });
  }

  function noToken(): { ok: false; failure: OaFailure } {
    hasToken = false;
    return { ok: false, failure: { code: null, description: 'no access token', perhapsDone: false } };
  }

  async function receive(event: unknown): Promise<void> {
    if (!handle || stopped) throw new Error('zalo-oa: not receiving');
    const parsed = parseOaEvent(event, payloadMark);
    switch (parsed.kind) {
      case 'malformed':
        return log.warn('zalo-oa.malformed-event', { where: parsed.where });
      case 'skipped':
        return log.info('zalo-oa.skipped-event', { why: parsed.why });
      case 'contact':
        return track(given.onContact(parsed.user, parsed.at));
      case 'message':
        await track(handle(parsed.incoming)).catch((error: unknown) => {
          catchUp.missed(parsed.incoming.at);
          throw error;
        });
        // It is stored: the mark for catching up may come late, an answer to Zalo may not.
        await catchUp.stored(parsed.incoming.at).catch(() => undefined);
    }
  }

  async function send(chat: string, outgoing: Outgoing): Promise<Sent> {
    if (stopped) return { kind: 'retry', afterMs: 1000, scope: 'channel', reason: 'stopped' };
    // An answer to somebody unknown goes to who has just written.
    const way = outgoing.to ? windows.reach(outgoing.to, clock(), outgoing.notice?.kind) : ({ kind: 'free' } as const);
    if (way.kind === 'closed') return { kind: 'refused', reason: `window closed: ${way.reason}` };
    if (way.kind === 'template') return sendTemplate(chat, outgoing);
    const parts = await makeUp(chat, outgoing, channel.capabilities.buttons);
    const cost = way.kind === 'free' ? 0 : way.cost * parts.length;
    if (!(await budget.take('message', cost))) return limitReached();
    const sent = await sendParts(chat, parts);
    if (sent.kind !== 'ok' && sent.kind !== 'unknown') await budget.giveBack('message', cost);
    // Zalo counts the window differently: what it does not take as a text, it may take as a template.
    if (sent.kind === 'gone' && sent.windowClosed && windows.byTemplate(clock(), outgoing.notice?.kind).kind === 'template') return sendTemplate(chat, outgoing);
    return sent.kind === 'gone' ? { kind: 'gone', reason: sent.reason } : sent;
  }

  /** Others took the last of today's money meanwhile: the next look finds another channel, or says that there is none. */
  function limitReached(): Sent {
    return { kind: 'retry', afterMs: 1000, scope: 'chat', reason: 'daily spend limit' };
  }

  async function sendTemplate(chat: string, outgoing: Outgoing): Promise<Sent> {
    const kind = outgoing.notice?.kind;
    const template = kind === undefined ? undefined : given.templates[kind];
    if (kind === undefined || template === undefined) return { kind: 'refused', reason: 'no template' };
    if (!(await budget.take('template', templateCost))) return limitReached();
    // Parameters of templates hold 30 characters.
    const facts = Object.fromEntries(Object.entries(outgoing.facts ?? {}).map(([name, value]) => [name, Array.from(value.normalize('NFC')).slice(0, 30).join('')]));
    const answer = await call({ path: '/v3.0/oa/message/template', body: { user_id: chat, template_id: template, template_data: facts }, result: sentSchema });
    if (answer.ok || answer.failure.perhapsDone) return sentOf(answer);
    await budget.giveBack('template', templateCost);
    if (!isTemplateTrouble(answer.failure)) return sentOf(answer);
    const reason = `${answer.failure.code} ${answer.failure.description}`.trim();
    log.error('zalo-oa.template-refused', { kind, reason });
    windows.restTemplate(kind, reason, clock());
    given.onTemplateRefused(kind, reason);
    return { kind: 'retry', afterMs: 1000, scope: 'chat', reason: `template refused: ${reason}` };
  }

  function makeUp(chat: string, outgoing: Pick<Outgoing, 'text' | 'choices' | 'document'>, buttons: number): Promise<Part<Document>[]> {
    return degrade<Document>(outgoing, { ...zaloOaCapabilities, buttons }, { offer: (choices) => given.offer(chat, choices), linkFor: (document) => given.linkFor(chat, document), captionLimit: 0 });
  }

  async function sendParts(chat: string, parts: readonly Part<Document>[]): Promise<PartSent> {
    let sent: PartSent = { kind: 'refused', reason: 'nothing to send' };
    for (const [index, part] of parts.entries()) {
      sent = part.document ? await sendFile(chat, part.document) : await sendText(chat, part);
      if (sent.kind !== 'ok') return index > 0 ? { kind: 'unknown', reason: 'only the beginning arrived' } : sent;
    }
    return sent;
  }

  async function sendMessage(chat: string, message: Record<string, unknown>): Promise<OaResult<{ message_id: string }>> {
    return call({ path: '/v3.0/oa/message/cs', body: { recipient: { user_id: chat }, message }, result: sentSchema });
  }

  async function sendText(chat: string, part: Part<Document>): Promise<PartSent> {
    const answer = await sendMessage(chat, { text: part.text, ...(part.choices.length > 0 ? { attachment: buttonsOf(part.choices, given.buttonType) } : {}) });
    if (answer.ok || part.choices.length === 0 || !mayBeButtons(answer.failure)) return partSent(answer);
    // Buttons are not promised by the published pages. Where they are refused, choices become numbered lines.
    const sent = await sendParts(chat, await makeUp(chat, { text: part.text, choices: part.choices }, 0));
    // Only when the same words are taken without them it was the buttons; then it is remembered.
    if (sent.kind === 'ok') {
      buttonsRefused = true;
      await settings.set(buttonsKey, true).catch(() => undefined);
      log.warn('zalo-oa.buttons-refused', { code: answer.failure.code });
    }
    return sent;
  }

  async function sendFile(chat: string, document: Document): Promise<PartSent> {
    const token = await upload(document);
    // An upload that fails, whatever the reason, has shown nothing to the person: the link does the same.
    if (token !== null) return partSent(await sendMessage(chat, { attachment: { type: 'file', payload: { token } } }));
    return partSent(await sendMessage(chat, { text: `📎 ${document.name}: ${await given.linkFor(chat, document)}`.normalize('NFC') }));
  }

  async function upload(document: Document): Promise<string | null> {
    const form = new FormData();
    // At most 5 MB: the upload wants the whole file with its name.
    form.append('file', new Blob([await buffer(await document.open())], { type: document.mime }), document.name);
    const uploaded = await call({ path: '/v2.0/oa/upload/file', form, result: uploadSchema, timeoutMs: 25_000 });
    const token = uploaded.ok ? (uploaded.value.token ?? uploaded.value.attachment_id) : undefined;
    if (token === undefined) log.warn('zalo-oa.upload-failed', { code: uploaded.ok ? null : uploaded.failure.code });
    return token ?? null;
  }

  function tellHealth(): { ok: boolean; detail: string } {
    const refused = tokens.refusal();
    if (stopped || !handle) return { ok: false, detail: stopped ? 'stopped' : 'not started' };
    if (refused !== null) return { ok: false, detail: `login needed: ${refused}` };
    if (!hasToken) return { ok: false, detail: 'no access token' };
    // Anybody can post nonsense: it is told, but it makes nothing unready.
    return { ok: true, detail: wrongSignatures === 0 ? 'webhook' : `webhook; ${wrongSignatures} events with a wrong signature, see dondoc zalo status` };
  }

  const channel: ZaloOaChannel = {
    name: 'zalo-oa',
    /** Without buttons once they were refused: typed numbers then stand for choices, everywhere. */
    get capabilities() {
      return buttonsRefused ? { ...zaloOaCapabilities, buttons: 0 } : zaloOaCapabilities;
    },
    // Where nothing may be spent only the free part of the window is open.
    windowMs: budget.limit >= paidMessageCost ? openWindowMs : freeWindowMs,
    // 4,000 requests a minute over all; some room is left for uploads and token checks.
    pacing: { perSecond: 50, perChatPerSecond: 1, chatBurst: 3, perGroupMinute: 20, isGroup: () => false },
    async start(handler) {
      await budget.refresh();
      buttonsRefused = (await settings.get<boolean>(buttonsKey)) ?? false;
      // Before the first event moves the mark of what was stored last.
      await catchUp.start();
      handle = handler;
      hasToken = (await tokens.token()) !== null;
    },
    receive,
    async noteSignature(right) {
      if (right) return;
      wrongSignatures += 1;
      const now = clock().getTime();
      // Kept for `dondoc zalo status`, at most once a minute: whoever posts nonsense must not keep the store busy.
      if (now - wrongNotedAt < 60_000) return;
      wrongNotedAt = now;
      await settings.set(wrongSignatureKey, now);
    },
    catchUp: catchUp.run,
    reach: windows.reach,
    send: (chat, outgoing) => track(send(chat, outgoing)),
    open: (file) => openRemoteFile(file, { hosts: given.fileHosts, idleMs: 30_000 }),
    deepLink: () => null,
    health: tellHealth,
    async stop() {
      stopped = true;
      catchUp.stop();
      await Promise.allSettled(inHand);
    },
    async describe() {
      const account = await call({ path: '/v2.0/oa/getoa', result: accountSchema });
      const [status, lastEvent, wrongSignature, spent, refusedButtons] = await Promise.all([
        tokens.status(), settings.get<number>('zalo-oa/last-event'), settings.get<number>(wrongSignatureKey), budget.spent(), settings.get<boolean>(buttonsKey),
      ]);
      const about = account.ok ? account.value : {};
      const moment = (at: number | null | undefined) => (at === null || at === undefined || at === 0 ? null : new Date(at).toISOString());
      return {
        reachable: account.ok, reason: account.ok ? null : `${account.failure.code ?? ''} ${account.failure.description}`.trim(),
        name: about.name ?? null, verified: about.is_verified ?? null, followers: about.num_follower ?? null, package: about.package_name ?? null, packageUntil: about.package_valid_through_date ?? null,
        tokenSince: moment(status.pair?.since), tokenExpiresAt: moment(status.pair?.expiresAt), refused: status.refused,
        spentToday: spent['all'] ?? 0, spentTodayOnMessages: spent['message'] ?? 0, spentTodayOnTemplates: spent['template'] ?? 0, dailySpendLimit: budget.limit,
        buttons: !(refusedButtons ?? false), templates: Object.keys(given.templates).join(' '), lastEventAt: moment(lastEvent), wrongSignatureAt: moment(wrongSignature),
      };
    },
  };
  return channel;
}

/** How a part was sent; of a person who cannot receive also whether only the window is closed. */
type PartSent = Exclude<Sent, { kind: 'gone' }> | (Extract<Sent, { kind: 'gone' }> & { windowClosed?: boolean });

function partSent(answer: OaResult<{ message_id: string }>): PartSent {
  const sent = sentOf(answer);
  return sent.kind === 'gone' && !answer.ok ? { ...sent, windowClosed: isWindowClosed(answer.failure) } : sent;
}

function buttonsOf(choices: readonly Choice[][], type: string | null): unknown {
  const buttons = choices.flat().map((choice) => {
    const title = Array.from(choice.label).slice(0, 100).join('');
    return choice.url === undefined ? { title, type: 'oa.query.hide', payload: `${payloadMark}${choice.id}` } : { title, type: 'oa.open.url', payload: { url: choice.url } };
  });
  return { type: 'template', payload: { ...(type === null ? {} : { template_type: type }), buttons } };
}
