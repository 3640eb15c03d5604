import { z } from 'zod';
import type { Content, Incoming } from '../../domain/message.ts';

const messageSchema = z.object({
  from: z.object({ id: z.string().min(1), display_name: z.string().catch(''), is_bot: z.boolean().catch(false) }),
  chat: z.object({ id: z.string().min(1), chat_type: z.string().catch('PRIVATE') }),
  message_id: z.string().min(1),
  /** Unix milliseconds. */
  date: z.coerce.number().int().positive().max(8.64e15),
  text: z.string().optional().catch(undefined),
  caption: z.string().optional().catch(undefined),
  // Real updates say photo_url where the page says photo.
  photo: z.string().optional().catch(undefined),
  photo_url: z.string().optional().catch(undefined),
});
const eventSchema = z.object({ event_name: z.string(), message: messageSchema });
// The webhook wraps what polling hands over bare; both forms are taken on both ways.
const wrappedSchema = z.object({ ok: z.boolean().optional(), result: z.unknown() });

/** What an update was. */
export type ParsedUpdate = { kind: 'message'; incoming: Incoming } | { kind: 'skipped'; why: string } | { kind: 'malformed'; where: string };

/**
 * Translates an update of the Zalo Bot. Never throws; a malformed one says where, never what.
 * @example parseZaloBotUpdate({ event_name: 'message.text.received', message: {…} }) → { kind: 'message', incoming: { channel: 'zalo-bot', … } }
 */
export function parseZaloBotUpdate(update: unknown): ParsedUpdate {
  const wrapped = wrappedSchema.safeParse(update);
  const event = eventSchema.safeParse(wrapped.success && wrapped.data.result !== undefined ? wrapped.data.result : update);
  if (!event.success) return { kind: 'malformed', where: event.error.issues.map((issue) => issue.path.join('.')).join(', ').slice(0, 200) };
  const { event_name: name, message } = event.data;
  if (message.from.is_bot) return { kind: 'skipped', why: 'from a bot' };
  const content = contentOf(name, message);
  if (!content) return { kind: 'skipped', why: name.slice(0, 60) };
  return {
    kind: 'message',
    incoming: {
      channel: 'zalo-bot', chat: message.chat.id, group: message.chat.chat_type !== 'PRIVATE', messageId: message.message_id, edits: null,
      at: new Date(message.date), senderName: message.from.display_name, content,
    },
  };
}

function contentOf(name: string, message: z.infer<typeof messageSchema>): Content | null {
  const photo = message.photo_url ?? message.photo;
  switch (name) {
    case 'message.text.received':
      return { kind: 'text', text: (message.text ?? '').normalize('NFC') };
    case 'message.image.received':
      return photo ? { kind: 'image', file: { ref: photo, name: 'anh.jpg', size: null, checksum: null }, caption: (message.caption ?? '').normalize('NFC'), album: null } : { kind: 'unsupported', what: 'image' };
    case 'message.sticker.received':
      return { kind: 'unsupported', what: 'sticker' };
    case 'message.voice.received':
      return { kind: 'unsupported', what: 'voice' };
    case 'message.unsupported.received':
      return { kind: 'unsupported', what: 'other' };
    default:
      return null;
  }
}
