import { choiceId } from '../domain/choice.ts';
import type { Choice, Incoming, Reply } from '../domain/message.ts';
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
  say: (key: string, params?: Record<string, unknown>) => string;
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
  /** The same for verbs that somebody who is not paired may press too. */
  openChoices?: Readonly<Record<string, (turn: Turn, args: readonly string[]) => Answer>>;
  /** By the flow of the draft that waits for this text or file; see {@link expectsNumber}. */
  drafts?: Readonly<Record<string, (turn: PersonTurn, draft: Draft) => Answer>>;
  /** The same for flows that begin before somebody is paired. */
  openDrafts?: Readonly<Record<string, (turn: Turn, draft: Draft) => Answer>>;
  /** An earlier message was changed (`incoming.edits` names it): the answer when that message became a version of this noun, null when it did not. */
  edit?: (turn: PersonTurn) => Promise<Reply | Reply[] | null>;
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
  say: (key: string, params?: Record<string, unknown>) => string;
}

/** The owner of drafts and offered numbers: the person, or the address before there is one. */
export function draftOwner(turn: Pick<Turn, 'person' | 'incoming'>): string {
  return turn.person?.id ?? addressKey(turn.incoming.channel, turn.incoming.chat);
}

/** A button that does what typing the command does, in any part of the dialog. @example commandChoice('trangthai', label).id → 'do:trangthai' */
export function commandChoice(name: string, label: string): Choice {
  return { id: choiceId('do', name), label };
}

/**
 * Whether a draft waits for a number. Where choices are numbered, a typed number is otherwise the choice that was offered under it;
 * a draft that asks "how many?" keeps the number to itself by `data.expects: 'number'`.
 */
export function expectsNumber(draft: Pick<Draft, 'data'>): boolean {
  return draft.data.expects === 'number';
}
