import { z } from 'zod';
import { channelNameSchema, type ChannelName } from './person.ts';

/** A file as a channel names it, before it is fetched. It can be stored, so that a crash does not lose the file. */
export const fileRefSchema = z.strictObject({
  /** What the channel needs to open it again (Telegram's file_id, an address, …). */
  ref: z.string(),
  name: z.string(),
  /** Bytes as the channel says; null where it does not. */
  size: z.number().int().min(0).nullable(),
  /** Hexadecimal MD5 or SHA-256 where the channel gives one. */
  checksum: z.string().nullable(),
});
/** See {@link fileRefSchema}. */
export type FileRef = z.infer<typeof fileRefSchema>;

/** What somebody sent. */
export const contentSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('text'), text: z.string() }),
  /** A button pressed: the id is whatever arrived, not yet trusted. `on`: the own message it was under, where the channel names it. */
  z.strictObject({ kind: z.literal('choice'), id: z.string(), on: z.string().optional() }),
  /** `album`: files sent together share it and become one submission. */
  z.strictObject({ kind: z.literal('document'), file: fileRefSchema, caption: z.string(), album: z.string().nullable() }),
  z.strictObject({ kind: z.literal('image'), file: fileRefSchema, caption: z.string(), album: z.string().nullable() }),
  z.strictObject({ kind: z.literal('contact'), phone: z.string() }),
  /** A sticker, voice message, location, …: `what` names it for the answer. */
  z.strictObject({ kind: z.literal('unsupported'), what: z.string() }),
  /** The channel says this person can no longer be written to (blocked, unfollowed) or asks to be forgotten. */
  z.strictObject({ kind: z.literal('left'), reason: z.string(), forget: z.boolean() }),
]);
/** See {@link contentSchema}. */
export type Content = z.infer<typeof contentSchema>;

/** One message as every channel hands it over. `channel:messageId` is unique: repeats are harmless. */
export const incomingSchema = z.strictObject({
  channel: channelNameSchema,
  /** The chat to answer in; for private chats also the person's address id. */
  chat: z.string(),
  /** A group chat: nothing personal is said there. */
  group: z.boolean(),
  messageId: z.string(),
  /** Set when an earlier message was changed: that message's id. The verdict of its first sending stays. */
  edits: z.string().nullable(),
  /** The sender's time stamp, however late it is read. */
  at: z.date(),
  /** The sender's display name; kept only after consent. */
  senderName: z.string(),
  content: contentSchema,
});
/** See {@link incomingSchema}. */
export type Incoming = z.infer<typeof incomingSchema>;

/** The inbox key of a message. @example inboxKey(incoming) → 'telegram:42:17' */
export function inboxKey(incoming: Pick<Incoming, 'channel' | 'messageId'>): string {
  return `${incoming.channel}:${incoming.messageId}`;
}

/** A button, or a numbered line where there are none. `id` fits 64 bytes. `url` opens a page instead of answering. */
export const choiceSchema = z.strictObject({ id: z.string(), label: z.string(), url: z.string().optional() });
/** See {@link choiceSchema}. */
export type Choice = z.infer<typeof choiceSchema>;

/** A file to send, by its id in the file store. */
export const outgoingDocumentSchema = z.strictObject({ fileId: z.string(), name: z.string(), mime: z.string(), size: z.number() });
/** See {@link outgoingDocumentSchema}. */
export type OutgoingDocument = z.infer<typeof outgoingDocumentSchema>;

/** What the product says. Plain text: no markup on any channel. Each inner array of `choices` is one row of buttons. */
export const replySchema = z.strictObject({
  text: z.string(),
  choices: z.array(z.array(choiceSchema)).optional(),
  document: outgoingDocumentSchema.optional(),
  /** Short facts (30 characters each) for channels that may only send an approved template at that moment. @example { unit: 'LĐLĐ huyện Tuy Phong', due: '02/5/2024' } */
  facts: z.record(z.string(), z.string()).optional(),
  /** The id of an own message to replace (paging, drill-down); a channel that cannot edit sends anew. */
  edits: z.string().optional(),
});
/** See {@link replySchema}. */
export type Reply = z.infer<typeof replySchema>;

/** Where a reply goes. */
export interface Destination {
  channel: ChannelName;
  chat: string;
}
