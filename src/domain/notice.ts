import { z } from 'zod';
import { localDateSchema } from './calendar.ts';
import { channelNameSchema } from './person.ts';
import { replySchema } from './message.ts';

/**
 * Everything that is ever sent, as facts only: language, channel, address and words are chosen at the moment of delivery,
 * and a notice that is no longer true (the report arrived meanwhile) is dropped there.
 */
export const noticeSchema = z.discriminatedUnion('kind', [
  /** The answer to something the person just wrote: already in words, bound to the chat it was asked in. */
  z.strictObject({ kind: z.literal('answer'), reply: replySchema }),
  z.strictObject({ kind: z.literal('receipt'), submission: z.string() }),
  z.strictObject({ kind: z.literal('reminder'), assignment: z.string(), wave: z.string(), offset: z.number().int() }),
  z.strictObject({ kind: z.literal('pledge-reminder'), pledge: z.string(), wave: z.string(), offset: z.number().int() }),
  /** One message a day to the chair above about everybody below who is late. */
  z.strictObject({ kind: z.literal('digest'), unit: z.string(), day: localDateSchema }),
  z.strictObject({ kind: z.literal('staff-digest'), day: localDateSchema }),
  /** Something was decided about an assignment: told to the unit's chairs. */
  z.strictObject({
    kind: z.literal('decision'), assignment: z.string(),
    did: z.enum(['accepted', 'returned', 'extended', 'refused-extension', 'waived', 'waiver-taken-back']), facts: z.record(z.string(), z.string()),
  }),
  /** A chair asked for more time: told to the staff. */
  z.strictObject({ kind: z.literal('extension-asked'), assignment: z.string(), lastDay: localDateSchema, why: z.string() }),
  /** A reminder the staff sent by hand. */
  z.strictObject({ kind: z.literal('nudge'), assignment: z.string() }),
  /** Somebody else took over the unit: told to the one who had it. */
  z.strictObject({ kind: z.literal('chair-replaced'), unit: z.string() }),
  z.strictObject({ kind: z.literal('broadcast'), broadcast: z.string() }),
  /** Asks for the one tap that keeps a channel's window open. */
  z.strictObject({ kind: z.literal('keep-window'), closesAt: z.date() }),
  /** Told to the staff: a channel stopped, a quota is nearly used up. `code` is a key `alert.<code>`. */
  z.strictObject({ kind: z.literal('alert'), code: z.string(), params: z.record(z.string(), z.union([z.string(), z.number()])) }),
]);
/** See {@link noticeSchema}. */
export type Notice = z.infer<typeof noticeSchema>;
/** The name of a notice. */
export type NoticeKind = Notice['kind'];

/** Who goes first: answers to a person who just wrote > receipts > reminders > digests > broadcasts. 0 is first. */
export const priorities: Record<NoticeKind, 0 | 1 | 2 | 3 | 4> = {
  'answer': 0, 'receipt': 1, 'decision': 1, 'chair-replaced': 1, 'extension-asked': 1, 'alert': 1, 'reminder': 2, 'pledge-reminder': 2, 'nudge': 2, 'keep-window': 2, 'digest': 3, 'staff-digest': 3, 'broadcast': 4,
};

/**
 * What happens to a notice whose attempt may or may not have arrived: sent once more, marked, where a double does less harm than
 * a loss; never where the person can simply ask again.
 */
export const resentWhenUnknown: Record<NoticeKind, boolean> = {
  'answer': false, 'receipt': false, 'decision': true, 'chair-replaced': true, 'extension-asked': true, 'alert': true, 'reminder': true, 'pledge-reminder': true, 'nudge': true, 'keep-window': false, 'digest': true, 'staff-digest': true, 'broadcast': false,
};

/** Which notices wait for the end of the quiet hours. */
export const keepsQuietHours: Record<NoticeKind, boolean> = {
  'answer': false, 'receipt': false, 'decision': true, 'chair-replaced': true, 'extension-asked': true, 'alert': false, 'reminder': true, 'pledge-reminder': true, 'nudge': true, 'keep-window': true, 'digest': true, 'staff-digest': true, 'broadcast': true,
};

/** One try to send, kept as evidence: when it began, when the answer came and what it was. */
export const attemptSchema = z.strictObject({
  id: z.string(),
  at: z.date(),
  answeredAt: z.date().nullable(),
  answer: z.enum(['ok', 'retry', 'gone', 'refused', 'unknown']).nullable(),
  channel: channelNameSchema,
  /** The channel's words for a no; never a message text. */
  reason: z.string().nullable(),
});
/** See {@link attemptSchema}. */
export type Attempt = z.infer<typeof attemptSchema>;

/** A row of the outbox. `key` is unique, so that whoever inserts it twice sends it once. */
export const outboxRowSchema = z.strictObject({
  /** @example 'reminder/<assignment>/-7/<person>' */
  key: z.string(),
  notice: noticeSchema,
  /** The person it is for; null for an answer to somebody who has not agreed to anything yet. */
  person: z.string().nullable(),
  /** Fixed for answers; for everything else the channel that was last used, chosen again at delivery. */
  channel: channelNameSchema,
  /** Fixed for answers; null: the person's address at the moment of delivery. */
  chat: z.string().nullable(),
  priority: z.number().int().min(0).max(4),
  /** What it is about (an assignment, a pledge): evidence is listed by it. */
  about: z.string().nullable(),
  state: z.enum(['pending', 'sending', 'sent', 'unknown', 'dead']),
  /** Why it is dead: gone, refused, obsolete (no longer true), expired, no address, window closed, …; null otherwise. */
  reason: z.string().nullable(),
  createdAt: z.date(),
  /** Not before this moment (quiet hours, a pause the channel asked for). */
  notBefore: z.date(),
  /** After this moment it is dead (`expired`): a reminder overtaken by its next stage; null: never. */
  expiresAt: z.date().nullable(),
  attempts: z.array(attemptSchema),
  /** The lease of the sender that has it in hand. */
  lease: z.strictObject({ owner: z.string(), until: z.date() }).nullable(),
  sentAt: z.date().nullable(),
  /** The channel's id of the sent message. */
  messageId: z.string().nullable(),
  /** The person pressed "Đã nhận". */
  acknowledgedAt: z.date().nullable(),
});
/** See {@link outboxRowSchema}. */
export type OutboxRow = z.infer<typeof outboxRowSchema>;
