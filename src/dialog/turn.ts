import type { Reply } from '../domain/message.ts';
import type { Incoming } from '../domain/message.ts';
import type { Notice, NoticeKind } from '../domain/notice.ts';
import { addressKey, type Language, type Person, type Role } from '../domain/person.ts';
import type { Core, Draft, Text } from '../ports.ts';

/** One message being answered: who wrote, what, and the words to answer with. */
export interface Turn {
  core: Core;
  text: Text;
  /** The person behind the address; null until they agreed to the notice. */
  person: Person | null;
  language: Language;
  /** `at` is the sender's stamp, already moved by a rehearsal's distance. */
  incoming: Incoming;
  /** The own message whose button was pressed, so that a list can be turned in place; null otherwise. */
  pressedOn: string | null;
  /** `text.say` in the person's language. */
  say(key: string, params?: Record<string, unknown>): string;
}

/** A turn of somebody who is paired. */
export interface PersonTurn extends Turn {
  person: Person;
}

/** What a turn answers: replies in order. An empty list means that silence is right (a pressed "Đã nhận" answered elsewhere). */
export type Answer = Promise<Reply | Reply[]>;

/** A command: typed with a slash, or the same words bare, without diacritics, in any case. */
export interface Command {
  /** @example 'trangthai' */
  name: string;
  /** Other words for it, folded: @example ['trang thai', 'status'] */
  aliases: readonly string[];
  /** Who it is for; `null`: everybody, paired or not. */
  roles: readonly Role[] | null;
  /** `rest` is what was typed after the command, trimmed. */
  run(turn: Turn, rest: string): Answer;
}

/** What one noun adds to the dialog. `dialog/turns.ts` puts the parts together into one table. */
export interface DialogPart {
  commands?: readonly Command[];
  /** By the verb of a choice id; `args` are as they arrived: check them. */
  choices?: Readonly<Record<string, (turn: PersonTurn, args: readonly string[]) => Answer>>;
  /** By the flow of the draft that waits for this text or file. */
  drafts?: Readonly<Record<string, (turn: PersonTurn, draft: Draft) => Answer>>;
  /** A file or picture that no draft waits for. */
  document?: (turn: PersonTurn) => Answer;
  /** Puts a notice into words at the moment of delivery; null when it is no longer true and must not go out. */
  notices?: Readonly<Partial<{ [Kind in NoticeKind]: (notice: Extract<Notice, { kind: Kind }>, to: Delivery) => Promise<Reply | null> }>>;
}

/** Whom a notice is put into words for. */
export interface Delivery {
  core: Core;
  text: Text;
  person: Person;
  language: Language;
  /** Sent before with an unknown answer: the words say so. */
  again: boolean;
  say(key: string, params?: Record<string, unknown>): string;
}

/** The owner of drafts and offered numbers: the person, or the address before there is one. */
export function draftOwner(turn: Pick<Turn, 'person' | 'incoming'>): string {
  return turn.person?.id ?? addressKey(turn.incoming.channel, turn.incoming.chat);
}
