import type { Readable } from 'node:stream';
import type { Assignment, AssignmentState } from './domain/assignment.ts';
import type { Calendar, LocalDate } from './domain/calendar.ts';
import type { Verdict } from './domain/deadline.ts';
import type { Choice, FileRef, Incoming, Reply } from './domain/message.ts';
import type { Attempt, Notice, NoticeKind, OutboxRow } from './domain/notice.ts';
import type { Address, ChannelName, Language, Person, Recipient, Role } from './domain/person.ts';
import type { PairingCode } from './domain/pairing.ts';
import type { Plan } from './domain/plan.ts';
import type { Pledge } from './domain/pledge.ts';
import type { Wave } from './domain/reminder.ts';
import type { FileKind, KeptFile, Submission } from './domain/submission.ts';
import type { Level, Unit } from './domain/unit.ts';

/** The present time, injected everywhere: nothing in the core reads the system's clock. */
export type Clock = () => Date;

/** Waiting and measuring waits, injected like the clock but never jumping with it: pacing and leases count on it. */
export interface Timing {
  /** Milliseconds since some fixed point; only ever rises. */
  monotonic(): number;
  /** Runs it once after that many milliseconds; the answer cancels it. */
  after(ms: number, run: () => void): () => void;
}

/** One line of the log: an event and facts. Never a token, a code, a message text or a name. */
export interface Log {
  info(event: string, facts?: Record<string, unknown>): void;
  warn(event: string, facts?: Record<string, unknown>): void;
  error(event: string, facts?: Record<string, unknown>): void;
}

/** Words by key, with `{{placeholders}}`; days, moments, numbers and counts are formatted by the locale. */
export interface Text {
  /** The sentence of that key. Throws for a key no locale has: a bug. @example say('vi', 'receipt.on-time', { number }) */
  say(language: Language, key: string, params?: Record<string, unknown>): string;
  /** Whether the key exists (for keys made from data, such as refusals). */
  has(key: string): boolean;
}

// ---------------------------------------------------------------------------------------------------------------- channels

/** What a channel can do. What it lacks is made up for by `channels/degrade.ts`. */
export interface Capabilities {
  /** Most buttons in one message; 0: none. */
  buttons: number;
  /** Whether each message can also be seen as a channel without buttons and files would show it (the web chat's other view): choices have numbers too, and a page takes files. */
  plainToo?: boolean;
  /** Most characters of one message. */
  textLimit: number;
  /** Whether people can send files there. */
  filesIn: boolean;
  /** Whether that file can be sent there; false: it goes as a link. */
  sendsFile(file: { kind: FileKind | 'csv' | 'other'; size: number }): boolean;
  /** Whether an own message can be replaced. */
  edits: boolean;
}

/** How fast a channel may be written to; the sender keeps under it, so that no refusal comes back. */
export interface Pacing {
  /** Messages a second over all chats. */
  perSecond: number;
  /** Messages a second in one private chat, and how many of them may follow at once after a rest. */
  perChatPerSecond: number;
  chatBurst: number;
  /** Messages a minute in one group; as many may follow at once after a rest. */
  perGroupMinute: number;
  isGroup(chat: string): boolean;
}

/** Whether a person may be written to at a moment, and at what price. */
export type Reach =
  | { kind: 'free' }
  /** Costs money: `class` names the price class, `cost` is in đồng. */
  | { kind: 'paid'; class: string; cost: number }
  /** Only an approved template goes out. */
  | { kind: 'template'; class: string; cost: number }
  | { kind: 'closed'; reason: string };

/** The five answers a sending can have. */
export type Sent =
  | { kind: 'ok'; messageId: string }
  /** Not sent; try again no sooner than this. `scope` says whether only this chat or the whole channel must wait. */
  | { kind: 'retry'; afterMs: number; scope: 'chat' | 'channel'; reason: string }
  /** Blocked, deleted, moved: the address is not used again. `movedTo` where the channel names a new one. */
  | { kind: 'gone'; reason: string; movedTo?: string }
  /** Our fault: the same call would fail again. */
  | { kind: 'refused'; reason: string }
  /** It may have arrived. */
  | { kind: 'unknown'; reason: string };

/** A reply ready to leave: a document is opened only when the channel takes files. */
export interface Outgoing extends Omit<Reply, 'document'> {
  document?: { fileId: string; name: string; mime: string; size: number; open(): Promise<Readable> };
  /** The notice behind it, for channels that send templates. Null for answers. */
  notice: Notice | null;
  /** The address it goes to, for channels whose windows open and close. Null for answers. */
  to: Address | null;
}

/** One way to reach people. An adapter is one translation each way plus error mapping; everything else lives in the core. */
export interface Channel {
  readonly name: ChannelName;
  readonly capabilities: Capabilities;
  readonly pacing: Pacing;
  /** How long after a person's last word they can be written to without a template, in milliseconds; undefined: always. */
  readonly windowMs?: number;
  /** Begins to receive. `handle` resolves once the message is stored: only then may it be acknowledged. */
  start(handle: (incoming: Incoming) => Promise<void>): Promise<void>;
  /** Whether that address may be written to at that moment with a notice of that kind (undefined: a free text). */
  reach(to: Address, at: Date, kind?: NoticeKind): Reach;
  send(chat: string, outgoing: Outgoing): Promise<Sent>;
  /** Opens a file somebody sent. Throws Refusal `file-gone` or `file-too-big`. */
  open(file: FileRef): Promise<Readable>;
  /** Link that opens a chat with the bot and hands it a code; null where the channel has none. */
  deepLink(payload: string): string | null;
  /** Whether it works at present, for `/readyz`. */
  health(): { ok: boolean; detail: string };
  /** Stops receiving, finishes what is in hand. */
  stop(): Promise<void>;
}

// ------------------------------------------------------------------------------------------------------------------- store

/** One page of a list: `next` asks for the following one, null at the end. */
export interface Page<T> {
  items: T[];
  next: string | null;
}

/** What to show: at most `limit` items after `after` (the `next` of the page before). */
export interface PageRequest {
  after: string | null;
  limit: number;
}

/** The union tree. */
export interface UnitStore {
  get(code: string): Promise<Unit | null>;
  byRef(ref: string): Promise<Unit | null>;
  many(codes: readonly string[]): Promise<Unit[]>;
  root(): Promise<Unit | null>;
  /** Direct children by code; `next` is the code of the last one, here and in `search`. */
  children(parent: string, page: PageRequest): Promise<Page<Unit>>;
  /** Units whose folded name or code holds the folded fragment, within these subtrees (null: everywhere). Served by an index. */
  search(fragment: string, roots: readonly string[] | null, page: PageRequest): Promise<Page<Unit>>;
  /** Every unit of a subtree (null: all) in code order, streamed. */
  stream(root: string | null): AsyncIterable<Unit>;
  /** Units whose closing day lies after `after` (null: whenever) and is `until` at the latest, streamed; served by an index. */
  closing(after: LocalDate | null, until: LocalDate): AsyncIterable<Unit>;
  /** Sum of expected members by level, of units open on that day, in one subtree (null: all). */
  membersByLevel(day: LocalDate, root: string | null): Promise<{ level: string; members: number }[]>;
  /** Inserts or replaces; idempotent. */
  put(units: readonly Unit[]): Promise<void>;
}

/** People who agreed to the notice, with their roles and addresses. */
export interface PersonStore {
  get(id: string): Promise<Person | null>;
  byAddress(channel: ChannelName, id: string): Promise<Person | null>;
  /** Chairs of these units, each person once. */
  chairsOf(units: readonly string[]): Promise<Person[]>;
  /** The same without what no reminder asks for: a tick reads a hundred thousand of them. */
  recipientsOf(units: readonly string[]): Promise<Recipient[]>;
  members(unit: string, page: PageRequest): Promise<Page<Person>>;
  countMembers(unit: string): Promise<number>;
  many(ids: readonly string[]): Promise<Person[]>;
  staff(): Promise<Person[]>;
  /** Everybody in a role within subtrees (null: all), streamed: for broadcasts and digests. */
  stream(role: Role | null, roots: readonly string[] | null): AsyncIterable<Person>;
  /** Creates a person with a first address; when the address exists already, that person. */
  create(person: Omit<Person, 'id'>): Promise<Person>;
  /** Adds a role; twice changes nothing. */
  addRole(id: string, role: { role: Role; unit: string; since: Date }): Promise<void>;
  removeRole(id: string, role: Role, unit: string): Promise<void>;
  /** The person wrote there: last used, active again. */
  touch(id: string, channel: ChannelName, chat: string, at: Date): Promise<void>;
  /** Adds an address; throws when it belongs to somebody else. */
  addAddress(id: string, address: Address): Promise<void>;
  markGone(channel: ChannelName, chat: string, reason: string): Promise<void>;
  moveAddress(channel: ChannelName, from: string, to: string): Promise<void>;
  setLanguage(id: string, language: Language): Promise<void>;
  /** Deletes the person; what a unit handed in stays with the unit. */
  remove(id: string): Promise<void>;
}

/** Pairing codes by hash, and wrong tries by address. */
export interface CodeStore {
  put(codes: readonly PairingCode[]): Promise<void>;
  find(hash: string): Promise<PairingCode | null>;
  /** Marks a single-use code used by that address key, atomically; false when somebody else was first. The same user may repeat it. */
  use(hash: string, by: string, at: Date): Promise<boolean>;
  /** Counts one wrong try and answers the tries within the last hour, with the lock if there is one. */
  countWrong(address: string, at: Date): Promise<{ tries: number; lockedUntil: Date | null }>;
  lockedUntil(address: string, at: Date): Promise<Date | null>;
  clearWrong(address: string): Promise<void>;
}

/** Plans as loaded. */
export interface PlanStore {
  get(key: string): Promise<Plan | null>;
  /** Newest year first. */
  list(): Promise<Plan[]>;
  put(plan: Plan, at: Date): Promise<void>;
}

/** A group of assignments that count alike: what `/thongke` adds up. */
export interface AssignmentCount {
  obligation: string;
  level: string;
  state: AssignmentState;
  verdict: Verdict | null;
  deadline: Date | null;
  count: number;
}

/** Assignments. Every list is served by an index. */
export interface AssignmentStore {
  get(id: string): Promise<Assignment | null>;
  many(ids: readonly string[]): Promise<Assignment[]>;
  /** Inserts those that do not exist yet; answers how many were new. */
  insertMissing(assignments: readonly Assignment[]): Promise<number>;
  /**
   * Changes one: reads it, applies the pure function, writes it back only if nobody changed it meanwhile, and tries again otherwise.
   * Throws what the function throws; Refusal `assignment-unknown` when there is none.
   */
  change(id: string, apply: (assignment: Assignment) => Assignment): Promise<Assignment>;
  ofUnit(unit: string, plan: string | null): Promise<Assignment[]>;
  /** Every assignment of an obligation (null: of the plan), streamed. */
  stream(plan: string, obligation: string | null): AsyncIterable<Assignment>;
  /**
   * Overdue at that moment under a unit (its subtree), ordered by unit code, then obligation, then id. `next` of this list (and of the two for
   * the staff below) is the id of the last assignment: short enough for a button.
   */
  overdue(query: { plan: string; root: string; obligation: string | null; now: Date }, page: PageRequest): Promise<Page<Assignment>>;
  /** How many are overdue there, counted to `most` at the most: a screen never waits for a million. */
  countOverdue(query: { plan: string; root: string; obligation: string | null; now: Date }, most: number): Promise<number>;
  /** Those a wave reminds of, by id: the next `limit` after `after`. Only what a reminder needs, so that an index answers it. */
  ofWave(wave: string, page: PageRequest): Promise<Page<Pick<Assignment, 'id' | 'unit'>>>;
  /** Handed in and marked `awaitsReview`, oldest first. */
  awaitingReview(plan: string, page: PageRequest): Promise<Page<Assignment>>;
  /** Those with a wish for more time. */
  askedExtension(plan: string, page: PageRequest): Promise<Page<Assignment>>;
  /** Counts by obligation, level, state, verdict and deadline, of the whole plan or one subtree: one aggregation. */
  count(plan: string, root: string | null): Promise<AssignmentCount[]>;
}

/** Versions handed in. */
export interface SubmissionStore {
  get(id: string): Promise<Submission | null>;
  bySource(source: string): Promise<Submission | null>;
  ofAssignment(assignment: string): Promise<Submission[]>;
  /** Inserts unless the source exists; answers the stored one. Two with the same version of one assignment: the later one is numbered on. */
  insert(submission: Submission): Promise<Submission>;
  /** Adds a file of the same album. */
  addFile(id: string, file: KeptFile): Promise<Submission>;
  /** A standing submission of this unit that holds the same bytes, for this assignment. */
  withBytes(assignment: string, sha256: string): Promise<Submission | null>;
  /** Marks all versions of an assignment withdrawn. */
  withdraw(assignment: string, at: Date): Promise<void>;
}

/** Files by content, streamed both ways. */
export interface FileStore {
  /** Stores the stream; size and SHA-256 are measured on the way. Aborts and removes everything when `limit` bytes are passed (Refusal `file-too-big`). */
  save(id: string, stream: Readable, about: { name: string; mime: string }, limit: number): Promise<{ size: number; sha256: string }>;
  /** The first bytes, for recognising the kind. */
  head(id: string, bytes: number): Promise<Buffer>;
  describe(id: string): Promise<{ name: string; mime: string; size: number; sha256: string } | null>;
  open(id: string): Promise<Readable>;
  remove(id: string): Promise<void>;
}

/** Receipt numbers: one for each source, never used twice. */
export interface ReceiptStore {
  /** The number of that source, the same however often it is asked for. @example issue(2024, 'telegram:42:17') → 'BN-2024-000001' */
  issue(year: number, source: string): Promise<string>;
}

/** Pledges. */
export interface PledgeStore {
  get(id: string): Promise<Pledge | null>;
  insertMissing(pledges: readonly Pledge[]): Promise<number>;
  /** `known`: the pledge as it was just read; it is read again where it turns out to be old. */
  change(id: string, apply: (pledge: Pledge) => Pledge, known?: Pledge): Promise<Pledge>;
  ofUnit(plan: string, unit: string, page: PageRequest): Promise<Page<Pledge>>;
  /** Counts by level (of the unit), state, verdict and whether on paper; one subtree or the whole plan. */
  count(plan: string, root: string | null): Promise<{ level: string; state: Pledge['state']; verdict: Verdict | null; paper: boolean; count: number }[]>;
  ofWave(wave: string, page: PageRequest): Promise<Page<Pledge>>;
  stream(plan: string): AsyncIterable<Pledge>;
  remove(id: string): Promise<void>;
}

/** Waves: what a tick looks at. */
export interface WaveStore {
  /** Inserts it unless it exists. */
  ensure(waves: readonly Wave[]): Promise<void>;
  get(id: string): Promise<Wave | null>;
  due(now: Date): Promise<Wave[]>;
  /** When the earliest wave wants to be looked at; null when none does. */
  nextAt(): Promise<Date | null>;
  /** Sets the next look; only while `from` is still the stored one. */
  advance(id: string, from: Date, to: Date | null): Promise<void>;
  /** Changes the stage offsets of a wave after a plan was amended. */
  setOffsets(id: string, offsets: readonly number[], nextAt: Date | null): Promise<void>;
}

/** Numbers shown by `dondoc outbox`. */
export type OutboxCounts = Record<OutboxRow['state'], number>;

/** Which pending rows a sender wants to see next. */
export interface PeekRequest {
  /** Of these priorities only. */
  priorities: readonly OutboxRow['priority'][];
  limit: number;
  /** Passed over: rows in hand already, and everything of people or chats that have to wait. */
  except: { keys: readonly string[]; people: readonly string[]; chats: readonly string[] };
}

/** How a row in hand is settled: by the owner that began it, with what changes. `attempts` is the whole list, the answered one last. */
export interface Settlement {
  key: string;
  owner: string;
  /** The attempt that was answered; an `ok` counts even where the row was taken for lost meanwhile. Null: nothing was sent. */
  attempt: string | null;
  change: Partial<Pick<OutboxRow, 'state' | 'reason' | 'sentAt' | 'messageId' | 'channel' | 'chat' | 'attempts' | 'notice'>>;
}

/** The durable outbox. Every change of state is one atomic update. */
export interface OutboxStore {
  /** Inserts rows whose key does not exist yet; answers how many were new. */
  put(rows: readonly OutboxRow[]): Promise<number>;
  /**
   * Pending rows of a channel that may leave now (`notBefore` passed; priority 0 at once), by priority, then `notBefore`, `createdAt`, `key`.
   * Reads only: a row is taken by {@link OutboxStore.begin}. Served by the index channel, state, priority, notBefore, createdAt, key.
   */
  peek(channel: ChannelName, now: Date, ask: PeekRequest): Promise<OutboxRow[]>;
  /**
   * Takes those of the rows that are still pending: `sending` under that lease with the attempt noted, in one update, before the calls.
   * From here on a crash leaves them unknown. Answers the keys that were taken: only these may be sent.
   */
  begin(keys: readonly string[], lease: { owner: string; until: Date }, attempt: Attempt): Promise<string[]>;
  /**
   * Settles rows after their calls (or without one, from `pending` or `sending`): applied where the lease is the owner's or the row is
   * pending without one, and where the state is `sent` also to a row that another sender took for lost (pending or unknown, same attempt).
   * The lease is taken off. Answers the keys that were settled.
   */
  settle(settlements: readonly Settlement[]): Promise<string[]>;
  /** Rows of the channel in `sending` under a lease that is not `owner`'s: left behind by a sender that is gone. At most `limit`. */
  stale(channel: ChannelName, owner: string, limit: number): Promise<OutboxRow[]>;
  acknowledge(about: string, person: string, at: Date): Promise<void>;
  /** The evidence: every row about this, oldest first. */
  evidence(about: string, page: PageRequest): Promise<Page<OutboxRow>>;
  /** Reminders that were sent, by what they are about. */
  countReminders(about: readonly string[]): Promise<Map<string, number>>;
  counts(): Promise<OutboxCounts>;
  /** The same numbers, of the rows about one thing (a broadcast): its progress. */
  countsAbout(about: string): Promise<OutboxCounts>;
  get(key: string): Promise<OutboxRow | null>;
}

/** A stored message and how far it got. */
export interface InboxRow {
  key: string;
  incoming: Incoming;
  state: 'new' | 'done';
  /** How often handling began again after it was not finished. */
  tries: number;
}

/** Everything received, stored before it is handled. */
export interface InboxStore {
  /** Stores it; false when it was there already. */
  put(incoming: Incoming): Promise<boolean>;
  get(key: string): Promise<InboxRow | null>;
  /** Counts a try after one that was not finished; answers how many there were. */
  begin(key: string): Promise<number>;
  done(key: string, at: Date): Promise<void>;
  /** Those not done yet, oldest first: looked at when the service starts. */
  pending(limit: number, after: string | null): Promise<InboxRow[]>;
}

/** A dialog that waits for the person's next words: a draft begun on one channel continues on the other. */
export interface Draft {
  flow: string;
  data: Record<string, unknown>;
  at: Date;
}

/** Drafts by person (or by address key before consent), offered numbers by the address key of the chat they were offered in. */
export interface DraftStore {
  get(owner: string): Promise<Draft | null>;
  set(owner: string, draft: Draft): Promise<void>;
  clear(owner: string): Promise<void>;
  /** Removes everything of that owner, offered numbers too: the person asked to be forgotten. */
  forget(owner: string): Promise<void>;
  /** What is left of owners whose name begins so: drafts begun before that moment, and (`draft` null) ended ones. By name, at most `limit`. */
  old(prefix: string, before: Date, limit: number): Promise<{ owner: string; draft: Draft | null }[]>;
  /** Gives numbers to choices; they run on from list to list, so that a late "2" can never hit a newer list. */
  offerNumbers(owner: string, choices: readonly Choice[], at: Date): Promise<{ number: number; choice: Choice }[]>;
  /** What a typed number stood for; null when it was never offered (or long ago). */
  numbered(owner: string, number: number): Promise<Choice | null>;
}

/** One bubble of a web chat: the product is the server there, so it keeps what was said. */
export interface TranscriptEntry {
  /** The message's id; a bot message that replaces an earlier one keeps that one's. */
  id: string;
  chat: string;
  from: 'person' | 'bot';
  at: Date;
  text: string;
  choices: Choice[][];
  document: { fileId: string; name: string; size: number } | null;
  /** The same as a channel without buttons and files would show it: numbered lines and links, in pieces. */
  plain: string[];
}

/** What was said in web chats. */
export interface TranscriptStore {
  /** Inserts, or replaces the entry of the same id where it stands. */
  put(entry: TranscriptEntry): Promise<void>;
  /** One entry; null when there is none of that id. */
  get(chat: string, id: string): Promise<TranscriptEntry | null>;
  /** The latest entries of a chat, oldest first. */
  latest(chat: string, limit: number): Promise<TranscriptEntry[]>;
}

/** A lease on a name: at most one owner at a time, with a fence that only rises. */
export interface LeaseStore {
  /**
   * Takes or renews it; the fence when it is ours until `until`, null when somebody else has it. The fence rises whenever the owner changes
   * and stays when the same owner renews. Somebody else's lease that ends later than twice the length asked for is of a clock gone wrong and may be taken.
   */
  take(name: string, owner: string, now: Date, until: Date): Promise<number | null>;
  /** Whether the owner still has it with that fence: asked after a write and before a deed that cannot be taken back. */
  holds(name: string, owner: string, fence: number): Promise<boolean>;
  release(name: string, owner: string): Promise<void>;
}

/** Small values that must survive: token pairs, quota counters, broadcast texts, marks of daily work. */
export interface SettingStore {
  get<T>(key: string): Promise<T | null>;
  set(key: string, value: unknown): Promise<void>;
  /** Sets it only when it does not exist; true when it was set. */
  setOnce(key: string, value: unknown): Promise<boolean>;
  /** Adds to a counter and answers the sum. */
  add(key: string, count: number): Promise<number>;
}

/** The store, in small groups. Plain objects out; nothing of the database shows. */
export interface Store {
  units: UnitStore;
  people: PersonStore;
  codes: CodeStore;
  plans: PlanStore;
  assignments: AssignmentStore;
  submissions: SubmissionStore;
  files: FileStore;
  receipts: ReceiptStore;
  pledges: PledgeStore;
  waves: WaveStore;
  outbox: OutboxStore;
  inbox: InboxStore;
  drafts: DraftStore;
  transcripts: TranscriptStore;
  leases: LeaseStore;
  settings: SettingStore;
  /** Answers when the database does; for `/readyz`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

// -------------------------------------------------------------------------------------------------------------------- core

/** A table to be written as a spreadsheet. A text stays a text, whatever it begins with: it never becomes a formula. */
export interface Sheet {
  title: string;
  columns: readonly { title: string; width: number }[];
  rows: AsyncIterable<readonly (string | number)[]>;
}

/** What a file turned out to be by its content, or why it is not taken. */
export type Recognised = { kind: FileKind } | { refused: 'file-empty' | 'file-kind' | 'file-encrypted' | 'file-program' };

/** What a part of a bar stands for; the picture gives each its colour. */
export type ChartTone = 'good' | 'late' | 'missing' | 'pending' | 'waived';

/** A chart of stacked bars, one below the other: each bar is a whole, its parts follow the legend's order. */
export interface Chart {
  title: string;
  legend: readonly { tone: ChartTone; name: string }[];
  bars: readonly { name: string; values: readonly number[]; note: string }[];
}

/** What every service is handed: built once in `main.ts`, by hand in tests. */
export interface Core {
  store: Store;
  clock: Clock;
  calendar: Calendar;
  log: Log;
  levels: readonly Level[];
  /** Signs links and peppers codes. */
  secret: string;
  /** The names of the channels switched on, with what the core must know of each. */
  channels: ReadonlyMap<ChannelName, Channel>;
  /** Public address for links, or the local one; never ends with a slash. */
  publicUrl: string;
  /** A QR code of that text as a PNG picture, large enough to print. */
  drawCode(text: string): Promise<Uint8Array>;
  /** A chart as a PNG picture that can be read on a phone. */
  drawChart(chart: Chart): Promise<Uint8Array>;
  /** Random bytes, injected so that tests can fix them. */
  random(bytes: number): Uint8Array;
  /** Recognises a file by its content. Throws only what `open` throws. */
  recognise(open: () => Promise<Readable>): Promise<Recognised>;
  /** Writes rows as a spreadsheet (xlsx), streamed: nothing is held but the row in hand. */
  writeSheet(sheet: Sheet): Readable;
  /** Tells the senders that rows were added: an answer need not wait for the next look. */
  wakeOutbox(): void;
}
