import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Content, Incoming } from '../../domain/message.ts';

/**
 * Whether an event is signed by Zalo: sha256 over appId + raw body + timestamp + the OA secret key of the console's webhook page, joined plainly.
 * The header is `mac=<hex>`, in some accounts of it the bare hex: both are taken. The time inside is not judged: a retry carries the first one.
 */
export function isSigned(raw: Buffer, header: string | undefined, appId: string, secretKey: string): boolean {
  const timestamp = z.looseObject({ timestamp: z.union([z.string(), z.number()]) }).safeParse(parse(raw)).data?.timestamp;
  if (header === undefined || timestamp === undefined) return false;
  const given = Buffer.from(header.replace(/^mac\s*=\s*/i, '').trim().toLowerCase(), 'utf8');
  const expected = Buffer.from(createHash('sha256').update(appId).update(raw).update(String(timestamp)).update(secretKey).digest('hex'), 'utf8');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** Whether it is the empty object that the console posts, unsigned, when the address is saved. */
export function isConsoleCheck(raw: Buffer): boolean {
  const body = parse(raw);
  return typeof body === 'object' && body !== null && !Array.isArray(body) && Object.keys(body).length === 0;
}

// Ids pass 2^53: as a JSON number such an id has lost its last digits already and is none.
const id = z.union([z.string().min(1), z.int()]).transform(String);
const attachmentSchema = z.object({
  type: z.string(),
  payload: z.looseObject({
    url: z.string().optional().catch(undefined), name: z.string().optional().catch(undefined), size: z.coerce.number().int().min(0).optional().catch(undefined),
    checksum: z.string().optional().catch(undefined), type: z.string().optional().catch(undefined),
  }),
});
const eventSchema = z.looseObject({
  event_name: z.string().min(1),
  timestamp: z.coerce.number().int().positive().max(8.64e15),
  sender: z.object({ id }).optional(),
  follower: z.object({ id }).optional(),
  message: z.looseObject({ msg_id: id.optional(), text: z.string().optional().catch(undefined), attachments: z.array(attachmentSchema).optional().catch(undefined) }).optional(),
  info: z.looseObject({ phone: id.optional() }).optional(),
});

/** Signs of delivery, and a reaction: no page counts it as a word that reopens the window. */
const notFromPeople: ReadonlySet<string> = new Set(['user_received_message', 'user_seen_message', 'user_reacted_message']);
const peopleDo = /^(user_|follow$|unfollow$)/;

/** What an event was. `contact`: it counts as a word from that person and reopens the window, but asks for no answer. */
export type ParsedEvent =
  | { kind: 'message'; incoming: Incoming }
  | { kind: 'contact'; user: string; at: Date }
  | { kind: 'skipped'; why: string }
  | { kind: 'malformed'; where: string };

/**
 * Translates an event of the Official Account. A pressed button arrives as a text that is its payload: `payloadMark` tells it apart, and what it
 * names is checked like anything typed. Never throws.
 */
export function parseOaEvent(event: unknown, payloadMark: string): ParsedEvent {
  const parsed = eventSchema.safeParse(event);
  if (!parsed.success) return { kind: 'malformed', where: parsed.error.issues.map((issue) => issue.path.join('.')).join(', ').slice(0, 200) };
  const { event_name: name, message } = parsed.data;
  const at = new Date(parsed.data.timestamp);
  if (name.startsWith('oa_')) return { kind: 'skipped', why: 'own echo' };
  // Only phones tell that a message was shown, so its absence proves nothing: it is no evidence and is not kept.
  if (notFromPeople.has(name)) return { kind: 'skipped', why: name };
  const user = parsed.data.sender?.id ?? parsed.data.follower?.id;
  if (user === undefined) return peopleDo.test(name) ? { kind: 'malformed', where: 'sender.id' } : { kind: 'skipped', why: name.slice(0, 60) };
  if (name === 'user_click_chatnow') return { kind: 'contact', user, at };
  const content = contentOf(name, parsed.data, payloadMark);
  if (!content) return { kind: 'skipped', why: name.slice(0, 60) };
  // Without an id of its own (follow, unfollow) an event is known by what, who and when.
  const messageId = message?.msg_id ?? `${name}/${user}/${parsed.data.timestamp}`;
  return { kind: 'message', incoming: { channel: 'zalo-oa', chat: user, group: false, messageId, edits: null, at, senderName: '', content } };
}

/** Typed words, or the payload of a button. @example readWords('#dd:nop:k3v9', '#dd:') → { kind: 'choice', id: 'nop:k3v9' } */
export function readWords(text: string, payloadMark: string): Content {
  return text.startsWith(payloadMark) ? { kind: 'choice', id: text.slice(payloadMark.length) } : { kind: 'text', text: text.normalize('NFC') };
}

function contentOf(name: string, event: z.infer<typeof eventSchema>, payloadMark: string): Content | null {
  const text = (event.message?.text ?? '').normalize('NFC');
  const [attachment] = event.message?.attachments ?? [];
  switch (name) {
    case 'user_send_text':
      return readWords(text, payloadMark);
    case 'user_send_file':
    case 'user_send_image': {
      const { url, name: fileName, size, checksum, type } = attachment?.payload ?? {};
      if (!url) return { kind: 'unsupported', what: name === 'user_send_image' ? 'image' : 'document' };
      const file = { ref: url, name: (fileName ?? (name === 'user_send_image' ? 'anh.jpg' : `tep.${type ?? 'bin'}`)).normalize('NFC'), size: size ?? null, checksum: checksum ?? null };
      return { kind: name === 'user_send_image' ? 'image' : 'document', file, caption: text, album: null };
    }
    case 'follow':
      return { kind: 'text', text: '/start' };
    case 'unfollow':
      return { kind: 'left', reason: 'unfollowed', forget: false };
    case 'user_withdraw':
      return { kind: 'left', reason: 'withdrew consent at Zalo', forget: true };
    case 'user_submit_info':
      return event.info?.phone === undefined ? null : { kind: 'contact', phone: event.info.phone };
    default: {
      const other = /^user_send_(\w+)$/.exec(name)?.[1];
      return other === undefined ? null : { kind: 'unsupported', what: other === 'audio' ? 'voice' : other };
    }
  }
}

function parse(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString('utf8'));
  } catch {
    return null;
  }
}
