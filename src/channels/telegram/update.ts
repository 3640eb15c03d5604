import { z } from 'zod';
import type { Content, Incoming } from '../../domain/message.ts';
import { cleanText } from '../degrade.ts';

/** The kinds of updates asked for; nothing else is of use. */
export const updateKinds = ['message', 'edited_message', 'callback_query', 'my_chat_member'] as const;

/** What an update means to us. */
export type ParsedUpdate =
  /** `press`: the callback query to answer, so that the button stops spinning. */
  | { kind: 'incoming'; incoming: Incoming; press: string | null }
  /** Well formed, but nothing anybody said to us. */
  | { kind: 'skipped'; why: string }
  /** Not what the Bot API promises. `where` names fields, never content. */
  | { kind: 'malformed'; where: string };

const idSchema = z.number().int().refine((id) => Number.isSafeInteger(id));
// Up to the year 9999: what is beyond is no date that can be stored.
const secondsSchema = z.number().int().min(0).max(253_402_300_799);
const userSchema = z.object({ id: idSchema, is_bot: z.boolean(), first_name: z.string(), last_name: z.string().optional() });
const chatSchema = z.object({ id: idSchema, type: z.enum(['private', 'group', 'supergroup', 'channel']) });
const sizeSchema = z.number().int().min(0).optional();
const fileSchema = z.object({ file_id: z.string().min(1), file_name: z.string().optional(), file_size: sizeSchema });
const photoSchema = z.object({ file_id: z.string().min(1), width: z.number(), height: z.number(), file_size: sizeSchema });

/** Messages a person sends that the product cannot take. An animation comes with a `document` too, so these are looked at first. */
const unsupportedKinds = [
  'animation', 'audio', 'live_photo', 'paid_media', 'sticker', 'story', 'video', 'video_note', 'voice', 'checklist', 'dice', 'game', 'poll', 'venue', 'location', 'invoice', 'rich_message',
] as const;

const unsupportedShape = Object.fromEntries(unsupportedKinds.map((kind) => [kind, z.unknown().optional()])) as Record<(typeof unsupportedKinds)[number], z.ZodOptional<z.ZodUnknown>>;

const messageSchema = z.object({
  message_id: idSchema,
  from: userSchema.optional(),
  date: secondsSchema,
  edit_date: secondsSchema.optional(),
  chat: chatSchema,
  media_group_id: z.string().optional(),
  text: z.string().optional(),
  caption: z.string().optional(),
  document: fileSchema.optional(),
  photo: z.array(photoSchema).min(1).optional(),
  contact: z.object({ phone_number: z.string(), user_id: idSchema.optional() }).optional(),
  ...unsupportedShape,
});
type Message = z.infer<typeof messageSchema>;

const callbackSchema = z.object({
  id: z.string().min(1),
  from: userSchema,
  // Of a message too old to be shown only chat and id arrive.
  message: z.object({ message_id: idSchema, chat: chatSchema }).optional(),
  data: z.string().optional(),
});

const memberSchema = z.object({
  chat: chatSchema,
  from: userSchema,
  date: secondsSchema,
  new_chat_member: z.object({ status: z.string() }),
});

const updateSchema = z.object({
  update_id: idSchema,
  message: messageSchema.optional(),
  edited_message: messageSchema.optional(),
  callback_query: callbackSchema.optional(),
  my_chat_member: memberSchema.optional(),
});

/** The number of an update, if it has one: all that is needed to pass over a malformed one. */
export function updateNumber(update: unknown): number | null {
  return z.object({ update_id: idSchema }).safeParse(update).data?.update_id ?? null;
}

/** The chat an update belongs to, as far as it can be told: updates of one chat are stored in order. */
export function updateChat(update: unknown): string {
  const chat = z.object({ chat: z.object({ id: idSchema }) });
  const found = z.object({ message: chat.optional(), edited_message: chat.optional(), my_chat_member: chat.optional(), callback_query: z.object({ from: z.object({ id: idSchema }), message: chat.optional() }).optional() }).safeParse(update).data;
  const id = found?.message?.chat.id ?? found?.edited_message?.chat.id ?? found?.my_chat_member?.chat.id ?? found?.callback_query?.message?.chat.id ?? found?.callback_query?.from.id;
  return String(id ?? '');
}

/**
 * Reads one update. Never throws, whatever arrives. `username` is the bot's own, so that `/trangthai@dondoc_bot` in a group is understood
 * and a command for another bot is left alone; `now` stamps presses, for which Telegram names no time.
 */
export function parseUpdate(update: unknown, about: { username: string | null; now: Date }): ParsedUpdate {
  const parsed = updateSchema.safeParse(update);
  if (!parsed.success) return { kind: 'malformed', where: [...new Set(parsed.error.issues.map((issue) => issue.path.join('.') || 'update'))].slice(0, 5).join(' ') };
  const { message, edited_message: edited, callback_query: press, my_chat_member: member, update_id: number } = parsed.data;
  if (message) return readMessage(message, null, about.username);
  if (edited) return readMessage(edited, number, about.username);
  if (press) return readPress(press, about.now);
  if (member) return readMembership(member, number);
  return { kind: 'skipped', why: 'no kind we ask for' };
}

/** The id of a message over all chats of a bot. @example messageKey(42, 17) → '42:17' */
export function messageKey(chat: number | string, message: number): string {
  return `${chat}:${message}`;
}

/** The message number in an id made by {@link messageKey}; null for anything else. */
export function messageNumber(key: string): number | null {
  const match = /^-?\d+:(\d{1,15})$/.exec(key);
  return match ? Number(match[1]) : null;
}

function readMessage(message: Message, editNumber: number | null, username: string | null): ParsedUpdate {
  if (message.chat.type === 'channel') return { kind: 'skipped', why: 'channel post' };
  if (!message.from || message.from.is_bot) return { kind: 'skipped', why: 'not a person' };
  const content = readContent(message, username);
  if (!content) return { kind: 'skipped', why: 'service message' };
  if (content === 'for another bot') return { kind: 'skipped', why: content };
  // A live location is "edited" every few seconds: one answer is enough.
  if (editNumber !== null && content.kind === 'unsupported') return { kind: 'skipped', why: 'edit of an unsupported message' };
  const key = messageKey(message.chat.id, message.message_id);
  return {
    kind: 'incoming',
    press: null,
    incoming: {
      channel: 'telegram',
      chat: String(message.chat.id),
      group: message.chat.type !== 'private',
      // Two edits can fall within one second: the update's number tells them apart, and stays the same when it is delivered again.
      messageId: editNumber === null ? key : `${key}:edit:${editNumber}`,
      edits: editNumber === null ? null : key,
      at: new Date((editNumber === null ? message.date : (message.edit_date ?? message.date)) * 1000),
      senderName: nameOf(message.from),
      content,
    },
  };
}

function readContent(message: Message, username: string | null): Content | 'for another bot' | null {
  const unsupported = unsupportedKinds.find((kind) => message[kind] !== undefined);
  if (unsupported) return { kind: 'unsupported', what: unsupported };
  const album = message.media_group_id ?? null;
  const caption = cleanText(message.caption ?? '');
  if (message.document) {
    const { file_id: ref, file_name: name, file_size: size } = message.document;
    return { kind: 'document', file: { ref, name: cleanText(name ?? 'document'), size: size ?? null, checksum: null }, caption, album };
  }
  if (message.photo) {
    const largest = message.photo.reduce((best, size) => (size.width * size.height > best.width * best.height ? size : best));
    return { kind: 'image', file: { ref: largest.file_id, name: `photo-${message.message_id}.jpg`, size: largest.file_size ?? null, checksum: null }, caption, album };
  }
  if (message.contact) {
    // Anybody's contact can be shared: only one's own says anything about the sender.
    return message.contact.user_id === message.from?.id ? { kind: 'contact', phone: message.contact.phone_number } : { kind: 'unsupported', what: 'contact' };
  }
  if (message.text === undefined) return null;
  const addressed = /^(\/\w{1,32})@(\w+)([\s\S]*)$/.exec(message.text);
  if (!addressed || username === null) return { kind: 'text', text: cleanText(message.text) };
  const [, command = '', bot = '', rest = ''] = addressed;
  return bot.toLowerCase() === username.toLowerCase() ? { kind: 'text', text: cleanText(command + rest) } : 'for another bot';
}

function readPress(press: z.infer<typeof callbackSchema>, now: Date): ParsedUpdate {
  if (press.data === undefined) return { kind: 'skipped', why: 'press without data' };
  const chat = press.message?.chat;
  return {
    kind: 'incoming',
    press: press.id,
    incoming: {
      channel: 'telegram',
      chat: String(chat?.id ?? press.from.id),
      group: chat !== undefined && chat.type !== 'private',
      messageId: `${chat?.id ?? press.from.id}:press:${press.id}`,
      edits: null,
      at: now,
      senderName: nameOf(press.from),
      content: { kind: 'choice', id: press.data, ...(press.message ? { on: messageKey(press.message.chat.id, press.message.message_id) } : {}) },
    },
  };
}

function readMembership(member: z.infer<typeof memberSchema>, number: number): ParsedUpdate {
  const { status } = member.new_chat_member;
  if (status !== 'kicked' && status !== 'left') return { kind: 'skipped', why: 'still a member' };
  return {
    kind: 'incoming',
    press: null,
    incoming: {
      channel: 'telegram',
      chat: String(member.chat.id),
      group: member.chat.type !== 'private',
      messageId: `${member.chat.id}:left:${number}`,
      edits: null,
      at: new Date(member.date * 1000),
      senderName: nameOf(member.from),
      content: { kind: 'left', reason: member.chat.type === 'private' ? 'blocked by the person' : 'removed from the group', forget: false },
    },
  };
}

function nameOf(user: z.infer<typeof userSchema>): string {
  return cleanText([user.first_name, user.last_name].filter(Boolean).join(' ')).trim().slice(0, 100);
}
