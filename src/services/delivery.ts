import type { Reply } from '../domain/message.ts';
import { resentWhenUnknown, type Attempt, type Notice, type OutboxRow } from '../domain/notice.ts';
import type { Address, ChannelName, Person } from '../domain/person.ts';
import type { Core, Outgoing, Sent, Settlement } from '../ports.ts';
import { chooseRoute } from './routing.ts';

/** Puts a notice into words for a person at the moment of delivery; null when it is no longer true. `again`: it may have arrived before. */
export type Render = (notice: Notice, row: OutboxRow, person: Person | null, again: boolean) => Promise<Reply | null>;

/** What is to be done with a row whose turn has come. */
export type Prepared =
  | { kind: 'send'; chat: string; outgoing: Outgoing }
  /** It goes to another chat than was thought when it was read. */
  | { kind: 'elsewhere'; channel: ChannelName }
  | { kind: 'end'; change: Settlement['change'] };

/** Thrown by {@link prepareDelivery} when the words could not be made: the row's own trouble, or the store's. */
export class WordsMissing extends Error {}

/** Looks once more, at the last moment, where the row goes and what it says. Throws {@link WordsMissing}, or the store's error. */
export async function prepareDelivery(core: Core, render: Render, channel: ChannelName, row: OutboxRow, chat: string): Promise<Prepared> {
  const now = core.clock();
  if (row.expiresAt && row.expiresAt <= now) return { kind: 'end', change: { state: 'dead', reason: 'expired' } };
  const person = row.person === null ? null : await core.store.people.get(row.person);
  const route = chooseRoute(core, row, person, now);
  if ('nowhere' in route) return { kind: 'end', change: endNowhere(row, route.nowhere) };
  if (route.channel !== channel || route.chat !== chat) return { kind: 'elsewhere', channel: route.channel };
  const again = row.attempts.some((attempt) => attempt.answer === 'unknown');
  const reply = await render(row.notice, row, person, again).catch((error: unknown) => {
    throw new WordsMissing('no words', { cause: error });
  });
  if (!reply) return { kind: 'end', change: { state: 'dead', reason: 'obsolete' } };
  const to = person?.addresses.find((address) => address.channel === channel && address.id === chat) ?? null;
  return { kind: 'send', chat, outgoing: outgoingOf(core, row, to, reply) };
}

/** How a row ends that can go nowhere: unknown where its attempts may have arrived, dead otherwise, with the channel's own words where it gave any. */
export function endNowhere(row: Pick<OutboxRow, 'attempts'>, reason: string): Settlement['change'] {
  const last = row.attempts.at(-1);
  if (reason === 'lost') return { state: 'unknown', reason: last?.reason ?? reason };
  return { state: 'dead', reason: last?.answer === 'gone' ? `gone: ${last.reason ?? ''}` : reason };
}

function outgoingOf(core: Core, row: OutboxRow, to: Address | null, reply: Reply): Outgoing {
  const { document, ...rest } = reply;
  return {
    ...rest,
    ...(document ? { document: { ...document, open: () => core.store.files.open(document.fileId) } } : {}),
    notice: row.notice.kind === 'answer' ? null : row.notice,
    to,
  };
}

/** What an answer makes of a row: its new state, and where it stays pending how long its chat must rest first. */
export interface Outcome {
  change: Settlement['change'];
  restMs: number;
}

/** A row whose answer was lost is tried again only after a while: whatever swallowed it may pass. */
const restAfterLoss = 5000;

/**
 * What the answer of an attempt makes of the row. `attempts` already holds it. A lost answer follows the rule of the kind: once more, marked,
 * where a double does less harm than a loss (then on the person's next channel, which {@link chooseRoute} finds); else it ends as `unknown`.
 */
export function outcomeOf(row: OutboxRow, attempts: OutboxRow['attempts'], sent: Sent, at: Date): Outcome {
  const { change, restMs } = changeAfter(row, attempts, sent, at);
  return { change: change.state === 'pending' ? change : { ...change, ...wiped(row) }, restMs };
}

/** An answer has done its work and is never sent again: its words (perhaps a code, somebody's data) are not kept; that it was sent is. */
function wiped(row: Pick<OutboxRow, 'notice'>): Settlement['change'] {
  return row.notice.kind === 'answer' ? { notice: { kind: 'answer', reply: { text: '' } } } : {};
}

function changeAfter(row: OutboxRow, attempts: OutboxRow['attempts'], sent: Sent, at: Date): Outcome {
  switch (sent.kind) {
    case 'ok':
      return { change: { state: 'sent', reason: null, sentAt: at, messageId: sent.messageId, attempts }, restMs: 0 };
    case 'retry':
      return { change: { state: 'pending', attempts }, restMs: sent.scope === 'chat' ? sent.afterMs : 0 };
    case 'refused':
      return { change: { state: 'dead', reason: `refused: ${sent.reason}`, attempts }, restMs: 0 };
    case 'gone':
      // The address is marked; another one of the person may still serve, and the next look finds none where there is none.
      if (sent.movedTo !== undefined) return { change: { state: 'pending', attempts, ...(row.chat === null ? {} : { chat: sent.movedTo }) }, restMs: 0 };
      return { change: row.chat === null ? { state: 'pending', attempts } : { state: 'dead', reason: `gone: ${sent.reason}`, attempts }, restMs: 0 };
    case 'unknown':
      return { change: { ...lostChange(row, attempts), attempts }, restMs: restAfterLoss };
  }
}

/** The state of a row whose latest attempt may have arrived. */
export function lostChange(row: Pick<OutboxRow, 'notice' | 'chat'>, attempts: readonly Attempt[]): Pick<Settlement['change'], 'state' | 'reason'> {
  if (resentWhenUnknown[row.notice.kind] && row.chat === null) return { state: 'pending' };
  return { state: 'unknown', reason: attempts.at(-1)?.reason ?? null };
}

const firstKept = 10;
const lastKept = 40;

/** The attempts with one more; of very many the first and the latest are kept. */
export function withAttempt(attempts: readonly Attempt[], attempt: Attempt): Attempt[] {
  const all = [...attempts.filter((other) => other.id !== attempt.id), attempt];
  return all.length <= firstKept + lastKept ? all : [...all.slice(0, firstKept), ...all.slice(-lastKept)];
}
