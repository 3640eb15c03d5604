import { keepsQuietHours, priorities, type Notice, type OutboxRow } from '../domain/notice.ts';
import { currentAddress, type ChannelName, type Person } from '../domain/person.ts';
import { outsideQuietHours } from '../domain/reminder.ts';
import type { Core } from '../ports.ts';

/** A notice for a person. `key` makes repeats harmless; `about` is what the evidence is listed by. */
export interface NoticeRequest {
  key: string;
  notice: Notice;
  person: Pick<Person, 'id' | 'addresses'>;
  about?: string;
  /** After this it is no longer of use. */
  expiresAt?: Date;
}

/**
 * Puts notices into the outbox, once per key, and wakes the senders. A person without an active address gets a dead row
 * (`no address`): the evidence then shows that we could not reach them. Answers how many rows were new.
 */
export async function notify(core: Core, requests: readonly NoticeRequest[]): Promise<number> {
  const now = core.clock();
  // Once for all of them: a morning's round is a hundred thousand rows.
  const afterQuiet = outsideQuietHours(now, core.calendar);
  const added = await core.store.outbox.put(requests.map((request) => noticeRow(request, now, afterQuiet)));
  if (added > 0) core.wakeOutbox();
  return added;
}

/** The outbox row of a notice request; `afterQuiet` is when it may leave if it keeps the quiet hours. */
function noticeRow(request: NoticeRequest, now: Date, afterQuiet: Date): OutboxRow {
  const { notice, person } = request;
  const address = currentAddress(person);
  const row = newRow(request.key, notice, address?.channel ?? person.addresses[0]?.channel ?? 'web', now);
  return {
    ...row,
    person: person.id,
    about: request.about ?? null,
    expiresAt: request.expiresAt ?? null,
    notBefore: keepsQuietHours[notice.kind] ? afterQuiet : now,
    ...(address ? {} : { state: 'dead' as const, reason: 'no address' }),
  };
}

/** The row of an answer in the chat it was asked in. */
export function answerRow(key: string, notice: Extract<Notice, { kind: 'answer' }>, to: { channel: ChannelName; chat: string; person: string | null }, now: Date): OutboxRow {
  return { ...newRow(key, notice, to.channel, now), person: to.person, chat: to.chat };
}

function newRow(key: string, notice: Notice, channel: ChannelName, now: Date): OutboxRow {
  return {
    key, notice, person: null, channel, chat: null, priority: priorities[notice.kind], about: null, state: 'pending', reason: null,
    createdAt: now, notBefore: now, expiresAt: null, attempts: [], lease: null, sentAt: null, messageId: null, acknowledgedAt: null,
  };
}
