import { setTimeout as sleep } from 'node:timers/promises';
import { UploadedFile } from './fake-telegram-spec.ts';

/** A message as the fake keeps it: what a person would see in the chat. */
export interface FakeMessage {
  id: number;
  from: 'bot' | 'person';
  text: string;
  document: UploadedFile | null;
  buttons: { label: string; data?: string; url?: string }[][];
  /** How often the bot replaced it. */
  edits: number;
  at: number;
}

/** A file a person sends. */
export interface FakeFile {
  name: string;
  bytes: Buffer;
  mime?: string;
  caption?: string;
  album?: string;
  /** What Telegram says its size is; the true one unless told. */
  size?: number;
}

/** A chat as the stand-in keeps it. */
export interface FakeChat {
  id: number;
  messages: FakeMessage[];
  started: boolean;
  blocked: boolean;
  movedTo: number | null;
  nextId: number;
  sentAt: number[];
}

/** The hands of one person in their private chat (or in a group). */
export interface FakeUser {
  id: number;
  /** Writes a text, a file, or any other fields of a message; answers the message's id. */
  sends(what: string | FakeFile | { fields: Record<string, unknown> }): number;
  edits(message: number, text: string): void;
  /** Presses the newest button of that label (or whose label begins so); throws when there is none. */
  press(label: string): string;
  /** Presses a button that may long be gone. */
  pressData(data: string, message: number): string;
  blocks(): void;
  unblocks(): void;
  /** Waits for a message of the bot that matches, not told before by this function; answers it. */
  hears(matching: RegExp, withinMs?: number): Promise<FakeMessage>;
}

/** What the hands of a person need of the stand-in. */
export interface Hands {
  bot: { id: number; is_bot: boolean; first_name: string; username: string };
  chatOf(id: number): FakeChat;
  push(update: Record<string, unknown>): number;
  now(): number;
  nextQuery(person: number): string;
  /** Keeps a file and answers its id. */
  keepFile(bytes: Buffer, size: number): string;
}

/** The hands of a person: writes, presses, listens. */
export function createUser(hands: Hands, id: number, { name = `Người ${id}`, group, started = false }: { name?: string; group?: number; started?: boolean }): FakeUser {
  const { bot } = hands;
  const now = () => hands.now();
  const push = (update: Record<string, unknown>) => hands.push(update);
  const seconds = () => Math.floor(now() / 1000);
  const chat = hands.chatOf(group ?? id);
  chat.started ||= started;
  const from = { id, is_bot: false, first_name: name, language_code: 'vi' };
  const place = group === undefined ? { id, type: 'private', first_name: name } : { id: group, type: 'supergroup', title: 'Nhóm' };
  let heard = 0;
  const keep = (text: string, document: UploadedFile | null): number => {
    const message: FakeMessage = { id: chat.nextId++, from: 'person', text, document, buttons: [], edits: 0, at: now() };
    chat.messages.push(message);
    chat.started = true;
    return message.id;
  };
  const press = (data: string, message: number): string => {
    const query = hands.nextQuery(id);
    const shown = chat.messages.find((kept) => kept.id === message);
    push({ callback_query: { id: query, from, chat_instance: '1', data, message: shown ? { message_id: message, date: Math.floor(shown.at / 1000), chat: place, text: shown.text } : { message_id: message, date: 0, chat: place } } });
    return query;
  };
  return {
    id,
    sends(what) {
      if (typeof what === 'string') {
        const message = keep(what, null);
        push({ message: { message_id: message, from, chat: place, date: seconds(), text: what } });
        return message;
      }
      if ('fields' in what) {
        const message = keep('', null);
        push({ message: { message_id: message, from, chat: place, date: seconds(), ...what.fields } });
        return message;
      }
      const message = keep(what.caption ?? '', new UploadedFile(what.name, what.mime ?? 'application/pdf', what.bytes));
      const size = what.size ?? what.bytes.length;
      const ref = hands.keepFile(what.bytes, size);
      push({ message: {
        message_id: message, from, chat: place, date: seconds(), ...(what.caption === undefined ? {} : { caption: what.caption }), ...(what.album === undefined ? {} : { media_group_id: what.album }),
        document: { file_id: ref, file_unique_id: `u${ref}`, file_name: what.name, mime_type: what.mime ?? 'application/pdf', file_size: size },
      } });
      return message;
    },
    edits(message, text) {
      push({ edited_message: { message_id: message, from, chat: place, date: Math.floor((chat.messages.find((kept) => kept.id === message)?.at ?? now()) / 1000), edit_date: seconds(), text } });
    },
    press(label) {
      for (const message of chat.messages.toReversed()) {
        const button = message.buttons.flat().find((shown) => shown.label === label) ?? message.buttons.flat().find((shown) => shown.label.startsWith(label));
        if (button?.data !== undefined) return press(button.data, message.id);
      }
      throw new Error(`no button "${label}"; the chat says:\n${chat.messages.map((message) => `${message.from}: ${message.text} ${JSON.stringify(message.buttons.flat().map((shown) => shown.label))}`).join('\n')}`);
    },
    pressData: press,
    blocks() {
      chat.blocked = true;
      push({ my_chat_member: { chat: place, from, date: seconds(), old_chat_member: { user: bot, status: 'member' }, new_chat_member: { user: bot, status: 'kicked', until_date: 0 } } });
    },
    unblocks() {
      chat.blocked = false;
      push({ my_chat_member: { chat: place, from, date: seconds(), old_chat_member: { user: bot, status: 'kicked', until_date: 0 }, new_chat_member: { user: bot, status: 'member' } } });
    },
    async hears(matching, withinMs = 10_000) {
      const until = Date.now() + withinMs;
      for (;;) {
        const index = chat.messages.findIndex((message, position) => position >= heard && message.from === 'bot' && matching.test(message.text));
        if (index >= 0) {
          heard = index + 1;
          return chat.messages[index] as FakeMessage;
        }
        if (Date.now() > until) throw new Error(`never heard ${matching}; the chat says:\n${chat.messages.map((message) => `${message.from}: ${message.text}`).join('\n')}`);
        await sleep(20);
      }
    },
  };
}
