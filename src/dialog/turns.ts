import { choiceId, parseChoiceId } from '../domain/choice.ts';
import type { Choice, Reply } from '../domain/message.ts';
import type { Notice, NoticeKind } from '../domain/notice.ts';
import { findCode, looksLikeCode } from '../domain/pairing.ts';
import { addressKey, type Role } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import { foldText } from '../domain/spelling.ts';
import type { Draft } from '../ports.ts';
import { numberedChoice } from '../services/offers.ts';
import { isWaiting } from './drafts.ts';
import { suggestHelp } from './help.ts';
import { answerCode } from './pairing.ts';
import { requirePerson } from './screen.ts';
import { draftOwner, expectsNumber, type Answer, type Command, type Delivery, type DialogPart, type Turn } from './turn.ts';

/** Everything the dialog can do, in one table. */
export interface Turns {
  /** Answers one message. Throws Refusal for an expected "no". */
  answer(turn: Turn): Answer;
  /** Puts a notice into words at the moment of delivery; null when it is no longer true and must not go out. Throws for a kind no part knows: a bug. */
  render(notice: Notice, to: Delivery): Promise<Reply | null>;
  /** Every command, for menus and help. */
  commands: readonly Command[];
}

/** The verb of buttons that say as what a command is meant, where somebody holds two roles with a command of the same name. */
const asVerb = 'as';
/** The verb of {@link commandChoice}. */
const doVerb = 'do';

/** What was typed, as a command: which ones it can be, the words after it, and whether a slash said that a command was meant. */
interface Typed {
  found: readonly Command[];
  rest: string;
  slash: boolean;
}

/**
 * Puts the parts together into one table. Two commands may share a word only where no role has both; verbs, flows, notices and the handler of files are
 * unique. Throws an Error that names the conflict: the service must not start with it.
 */
export function createTurns(parts: readonly DialogPart[]): Turns {
  const commands = parts.flatMap((part) => part.commands ?? []);
  const words = wordTable(commands);
  const longest = Math.max(1, ...[...words.keys()].map((word) => word.split(' ').length));
  const choices = merge('choice', parts, 'choices');
  const openChoices = merge('choice', parts, 'openChoices');
  const drafts = merge('draft', parts, 'drafts');
  const openDrafts = merge('draft', parts, 'openDrafts');
  const notices = merge('notice', parts, 'notices');
  refuseDoubles('choice', [...choices.keys(), ...openChoices.keys(), asVerb, doVerb]);
  refuseDoubles('draft', [...drafts.keys(), ...openDrafts.keys()]);
  refuseDoubles('file handler', parts.flatMap((part) => (part.document ? ['document'] : [])));
  const takeDocument = parts.find((part) => part.document)?.document;

  /** @example typedCommand('/Nop@dondoc_bot báo cáo') → { found: [nop], rest: 'báo cáo', slash: true } */
  function typedCommand(text: string): Typed | null {
    const slash = text.trimStart().startsWith('/');
    const tokens = text.trim().replace(/^(\/[^\s@]+)@\S+/, '$1').split(/\s+/);
    while (tokens[0] !== undefined && foldText(tokens[0]) === '') tokens.shift();
    for (let count = Math.min(longest, tokens.length); count > 0; count -= 1) {
      const found = words.get(foldText(tokens.slice(0, count).join(' ')));
      const rest = tokens.slice(count).join(' ');
      if (found) return { found, rest: foldText(rest) === '' ? '' : rest, slash };
    }
    return slash ? { found: [], rest: '', slash } : null;
  }

  function mayRun(turn: Turn, command: Command): boolean {
    return command.roles === null || (turn.person?.roles.some((held) => command.roles?.includes(held.role)) ?? false);
  }

  async function run(turn: Turn, typed: Pick<Typed, 'found' | 'rest'>): Promise<Reply | Reply[]> {
    const [first, second] = typed.found.filter((command) => mayRun(turn, command));
    if (first && second) return askAs(turn, typed.found);
    if (first) return first.run(turn, typed.rest);
    throw new Refusal(turn.person ? 'not-allowed' : 'not-paired');
  }

  function askAs(turn: Turn, found: readonly Command[]): Reply {
    const roles = found.flatMap((command) => (mayRun(turn, command) ? (command.roles?.filter((role) => turn.person?.roles.some((held) => held.role === role)).slice(0, 1) ?? []) : []));
    return {
      text: turn.say('help.as-what'),
      choices: roles.map((role): Choice[] => [{ id: choiceId(asVerb, found[0]?.name ?? '', role), label: turn.say(`help.role.${role}`) }]),
    };
  }

  async function answerChoice(turn: Turn, id: string): Promise<Reply | Reply[]> {
    const parsed = parseChoiceId(id);
    if (!parsed) throw new Refusal('choice-unknown');
    const { verb, args } = parsed;
    const named = words.get(foldText(args[0] ?? ''));
    if (verb === doVerb && named) return run(turn, { found: named, rest: '' });
    if (verb === asVerb && named) return run(turn, { found: named.filter((command) => command.roles?.includes(args[1] as Role)), rest: '' });
    const open = openChoices.get(verb);
    if (open) return open(turn, args);
    const someone = requirePerson(turn);
    const choice = choices.get(verb);
    if (!choice) throw new Refusal('choice-unknown');
    return choice(someone, args);
  }

  function draftHandler(turn: Turn, draft: Draft | null): (() => Answer) | null {
    if (!draft) return null;
    const { person } = turn;
    // An agreement may be thought over for as long as the code lives; what a paired person was asked is forgotten after a day.
    if (person && !isWaiting(draft, turn.incoming.at)) return null;
    const open = openDrafts.get(draft.flow);
    if (open) return () => open(turn, draft);
    const handler = drafts.get(draft.flow);
    return handler && person ? () => handler({ ...turn, person }, draft) : null;
  }

  async function answerText(turn: Turn, text: string): Promise<Reply | Reply[]> {
    const draft = await findDraft(turn);
    const waiting = draftHandler(turn, draft);
    const awaited = waiting && draft && (expectsNumber(draft) || hasButtons(turn));
    const offered = awaited ? null : await offeredChoice(turn, text);
    if (offered) return answerChoice(turn, offered.id);
    const typed = typedCommand(text);
    if (typed?.slash && typed.found.length === 0) throw new Refusal(turn.person ? 'unknown-command' : 'not-paired');
    // Bare words: alone they are a command even while a draft waits; with more words behind them they may be the awaited sentence.
    if (typed && (typed.slash || typed.rest === '')) return run(turn, typed);
    if (waiting) return waiting();
    const code = findCode(text);
    if (looksLikeCode(text) || (code !== null && !turn.person)) return answerCode(turn, code ?? text);
    if (typed?.found.some((command) => mayRun(turn, command))) return run(turn, typed);
    return suggestHelp(turn, 'text');
  }

  async function answerEdit(turn: Turn): Promise<Reply | Reply[] | null> {
    const { person } = turn;
    if (turn.incoming.edits === null || !person) return null;
    for (const part of parts) {
      const answer = await part.edit?.({ ...turn, person });
      if (answer) return answer;
    }
    return null;
  }

  async function answerFile(turn: Turn): Promise<Reply | Reply[]> {
    // Only the person's own: a question about a code must not stand between a chair and their report.
    const waiting = draftHandler(turn, await turn.core.store.drafts.get(draftOwner(turn)));
    if (waiting) return waiting();
    const someone = requirePerson(turn);
    if (!takeDocument) throw new Refusal('nothing-open');
    return takeDocument(someone);
  }

  return {
    commands,
    async answer(turn) {
      const { content } = turn.incoming;
      if (turn.incoming.group) return answerGroup(turn, content.kind === 'text' ? typedCommand(content.text) : null);
      if (content.kind === 'choice') return answerChoice(turn, content.id);
      const edited = await answerEdit(turn);
      if (edited) return edited;
      if (content.kind === 'text') return answerText(turn, content.text);
      if (content.kind === 'document' || content.kind === 'image') return answerFile(turn);
      return content.kind === 'left' ? [] : suggestHelp(turn, content.kind === 'contact' ? 'contact' : content.what);
    },
    async render(notice, to) {
      if (notice.kind === 'answer') return notice.reply;
      const render = notices.get(notice.kind) as ((notice: Notice, to: Delivery) => Promise<Reply | null>) | undefined;
      if (!render) throw new Error(`no words for a notice of kind ${notice.kind}`);
      return render(notice, to);
    },
  };
}

/** The person's draft, or the one of their address: a pairing begun before there was a person, or by somebody who is one already. */
async function findDraft({ core, person, incoming }: Turn): Promise<Draft | null> {
  const own = person ? await core.store.drafts.get(person.id) : null;
  return own ?? core.store.drafts.get(addressKey(incoming.channel, incoming.chat));
}

/** In a group nothing personal is said: only a command of ours with its slash gets an answer, the way to a private chat. */
function answerGroup(turn: Turn, typed: Typed | null): Reply[] {
  return typed?.slash && typed.found.length > 0 ? [{ text: turn.say('help.group') }] : [];
}

/** Whether choices can be pressed there, so that a number typed while a sentence is awaited is that sentence. */
function hasButtons({ core, incoming }: Turn): boolean {
  const capabilities = core.channels.get(incoming.channel)?.capabilities;
  return capabilities !== undefined && capabilities.buttons > 0 && capabilities.plainToo !== true;
}

/** The choice a typed number stood for; only a number that was offered (on a channel with buttons: what found no room among them). */
async function offeredChoice(turn: Turn, text: string): Promise<Choice | null> {
  const number = /^(?:so |chon |muc )?(\d{1,9})$/.exec(foldText(text))?.[1];
  return number === undefined ? null : numberedChoice(turn.core, turn.incoming.channel, turn.incoming.chat, Number(number));
}

function wordTable(commands: readonly Command[]): Map<string, Command[]> {
  const table = new Map<string, Command[]>();
  for (const command of commands) {
    for (const word of new Set([command.name, ...command.aliases].map(foldText))) {
      const others = table.get(word) ?? [];
      const clash = others.find((other) => !command.roles || !other.roles || other.roles.some((role) => command.roles?.includes(role)));
      if (clash) throw new Error(`two commands answer to "${word}": ${clash.name} and ${command.name}`);
      table.set(word, [...others, command]);
    }
  }
  return table;
}

type Table = 'choices' | 'openChoices' | 'drafts' | 'openDrafts' | 'notices';

function merge<Name extends Table>(what: string, parts: readonly DialogPart[], name: Name): Map<string, NonNullable<NonNullable<DialogPart[Name]>[keyof DialogPart[Name]]>> {
  const entries = parts.flatMap((part) => Object.entries(part[name] ?? {}));
  refuseDoubles(what, entries.map(([key]) => key));
  return new Map(entries as [NoticeKind, never][]);
}

function refuseDoubles(what: string, keys: readonly string[]): void {
  const double = keys.find((key, index) => keys.indexOf(key) !== index);
  if (double !== undefined) throw new Error(`two parts of the dialog have the ${what} "${double}"`);
}
