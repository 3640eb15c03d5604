import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { degrade } from '../../src/channels/degrade.ts';
import { createHandle, type Handle } from '../../src/dialog/handle.ts';
import { dialogParts } from '../../src/dialog/parts.ts';
import { createRender } from '../../src/dialog/render.ts';
import type { DialogPart } from '../../src/dialog/turn.ts';
import type { Choice, Content, Incoming, Reply } from '../../src/domain/message.ts';
import { inboxKey } from '../../src/domain/message.ts';
import type { OutboxRow } from '../../src/domain/notice.ts';
import { addressKey, type ChannelName, type Language, type Person, type Role } from '../../src/domain/person.ts';
import type { Plan } from '../../src/domain/plan.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import type { Unit } from '../../src/domain/unit.ts';
import { readLevels } from '../../src/files/levels.ts';
import { readPlanFile } from '../../src/files/plan-file.ts';
import { createRecogniser } from '../../src/files/recognise.ts';
import { writeSheet } from '../../src/files/sheet.ts';
import { drawChart, drawCode } from '../../src/pictures.ts';
import type { Channel, Core, Outgoing, Store, Text } from '../../src/ports.ts';
import { prepareDelivery } from '../../src/services/delivery.ts';
import { offerNumbers } from '../../src/services/offers.ts';
import { issueCode } from '../../src/services/pairing.ts';
import { loadPlan } from '../../src/services/plans.ts';
import { tick } from '../../src/services/reminders.ts';
import { chooseRoute } from '../../src/services/routing.ts';
import { createText } from '../../src/text.ts';
import { buildPlan, buildUnit, calendar } from './builders.ts';
import { openHouseStore } from './house-store.ts';

/** How a house is furnished. */
export interface HouseOptions {
  /** Local day and time the clock stands at: `2024-04-08T07:55` unless said otherwise. It moves only by `goTo` and `wait`. */
  at?: string;
  /** When the plan was loaded: `2024-03-01T08:00` unless said otherwise. */
  loadedAt?: string;
  /** The tree; {@link houseUnits} unless said otherwise. */
  units?: readonly Unit[];
  /** A plan, the real one of `seeds/` (`seed`), or none (null); `buildPlan()` unless said otherwise. */
  plan?: Plan | 'seed' | null;
  /** The dialog; every part of the product unless said otherwise. */
  parts?: readonly DialogPart[];
  /** The channels switched on: with their number of buttons. Telegram with a hundred buttons unless said otherwise. */
  channels?: Partial<Record<ChannelName, { buttons: number }>>;
  language?: Language;
}

/** The tree of a house: the province, two unions above the base, four at the base. */
export const houseUnits: readonly Unit[] = [
  buildUnit('LDLD-BT', { name: 'Liên đoàn Lao động tỉnh Bình Thuận', members: 0 }),
  buildUnit('LDLD-PT', { name: 'Liên đoàn Lao động thành phố Phan Thiết', parents: ['LDLD-BT'], members: 12 }),
  buildUnit('LDLD-HT', { name: 'Liên đoàn Lao động huyện Hàm Tân', parents: ['LDLD-BT'], members: 9 }),
  buildUnit('CS-01', { name: 'Công đoàn Trường Trung học cơ sở Trần Phú', parents: ['LDLD-BT', 'LDLD-PT'], members: 42 }),
  buildUnit('CS-02', { name: 'Công đoàn Công ty May Phan Thiết', parents: ['LDLD-BT', 'LDLD-PT'], members: 310 }),
  buildUnit('CS-03', { name: 'Công đoàn Bệnh viện Hàm Tân', parents: ['LDLD-BT', 'LDLD-HT'], members: 88 }),
  buildUnit('CS-04', { name: 'Công đoàn Ủy ban nhân dân xã Tân Thắng', parents: ['LDLD-BT', 'LDLD-HT'], members: 20 }),
];

/** A file somebody sends. */
export interface SentFile {
  name: string;
  bytes: Uint8Array;
  caption?: string;
  album?: string;
  /** Sent as a picture. */
  image?: boolean;
  /** What the channel says its size is; the true size unless said otherwise. */
  size?: number | null;
}

/** What differs from an ordinary new message. */
export interface MessageChange {
  /** Changes an earlier message: that message's id. */
  edits?: string;
  /** The sender's stamp, local; the clock's time unless said otherwise. */
  at?: string;
  /** A message id of one's own choosing: the same one twice is the same message. */
  messageId?: string;
  group?: boolean;
}

/** Somebody with a telephone. Every deed answers the texts that came back, in order. */
export interface Actor {
  readonly channel: ChannelName;
  readonly chat: string;
  says(text: string, change?: MessageChange): Promise<string[]>;
  /** Presses the newest button of that label (or the choice of that id, `#nop:…`). Throws when no button of that name was ever shown. */
  presses(label: string, change?: MessageChange): Promise<string[]>;
  sends(file: SentFile, change?: MessageChange): Promise<string[]>;
  /** Anything else a channel can hand over: a sticker, a voice message, a contact, a leaving. */
  gives(content: Content, change?: MessageChange): Promise<string[]>;
  /** The replies to the last deed, with buttons and documents. */
  replies(): Reply[];
  /** The labels of the buttons under the last replies. */
  buttons(): string[];
  /** Everything read on this telephone so far, answers and notices, oldest first. */
  read(): string[];
  /** Notices that came by themselves since this was last asked. */
  news(): string[];
  /** The id of the last message sent. */
  lastMessageId(): string;
  person(): Promise<Person | null>;
}

/** A whole house for tests: the real core on the embedded engine, a clock that stands still until it is moved, telephones that remember what they read. */
export interface House {
  core: Core;
  store: Store;
  text: Text;
  handle: Handle;
  /** Lines of the log, so that a test can say that no text and no code is in them. */
  logged: { level: 'info' | 'warn' | 'error'; event: string; facts: Record<string, unknown> }[];
  now(): Date;
  /** Moves the clock to a local day and time. @example house.goTo('2024-05-03T08:00') */
  goTo(local: string): void;
  wait(ms: number): void;
  /** The telephone of that name; the same name is the same telephone. */
  as(name: string, channel?: ChannelName): Actor;
  /** Pairs that telephone as the product does: a code issued, the link pressed, the notice agreed to. */
  pair(name: string, role: Role, unit: string, channel?: ChannelName): Promise<Actor>;
  /** A code in clear. */
  issue(role: Role, unit: string, use?: 'once' | 'join'): Promise<string>;
  /** What cron says every minute, then the post. */
  tick(): Promise<void>;
  /** Hands every notice that may leave now to the telephones. */
  deliver(): Promise<void>;
  /** A new process on the same store, as after kill -9. */
  restart(): void;
  close(): Promise<void>;
}

interface Shown {
  id: string;
  reply: Reply;
}

/** Opens a house; close it after the test. */
export async function openHouse(options: HouseOptions = {}): Promise<House> {
  const rooms = await openHouseStore();
  const { store } = rooms;
  const text = await createText(calendar);
  const levels = await readLevels();
  const logged: House['logged'] = [];
  const sentFiles = new Map<string, Uint8Array>();
  const telephones = new Map<string, Telephone>();
  let now = localInstant(options.loadedAt ?? '2024-03-01T08:00');
  let counter = 0;
  const count = (): number => (counter += 1);
  const note = (level: 'info' | 'warn' | 'error') => (event: string, facts: Record<string, unknown> = {}): void => void logged.push({ level, event, facts });

  const channels = new Map<ChannelName, Channel>(
    Object.entries(options.channels ?? { telegram: { buttons: 100 } }).map(([name, { buttons }]) => [name as ChannelName, recordingChannel(name as ChannelName, buttons, sentFiles)]),
  );
  const core: Core = {
    store, channels, calendar, levels, drawCode, drawChart, clock: () => new Date(now), log: { info: note('info'), warn: note('warn'), error: note('error') },
    secret: 'a secret of the tests, thirty-two long', publicUrl: 'http://127.0.0.1:8080', recognise: createRecogniser(),
    // Bytes that differ from call to call and are the same in every run.
    random: (bytes) => createHash('shake256', { outputLength: bytes }).update(`random ${count()}`).digest(),
    writeSheet,
    wakeOutbox: () => {},
  };
  const parts = options.parts ?? dialogParts;
  const render = createRender(core, text, parts);
  const newHandle = (): Handle => createHandle({ core, text, parts, pauses: [0, 0], ...(options.language ? { language: options.language } : {}) });

  await store.units.put(options.units ?? houseUnits);
  const plan = options.plan === undefined ? buildPlan() : options.plan === 'seed' ? await readSeedPlan(core) : options.plan;
  if (plan) await loadPlan(core, plan);
  now = localInstant(options.at ?? '2024-04-08T07:55');

  /** A reply as the channel shows it: numbered lines where there are no buttons. */
  async function show(telephone: Telephone, reply: Reply): Promise<void> {
    const channel = channels.get(telephone.channel) as Channel;
    const pieces = await degrade(reply, channel.capabilities, {
      offer: (choices) => offerNumbers(core, telephone.channel, telephone.chat, choices), linkFor: (document) => `${core.publicUrl}/tai/${document.fileId}`, captionLimit: 1024,
    });
    const words = pieces.map((piece) => piece.text).join('\n');
    telephone.shown.push({ id: `bot-${count()}`, reply: { ...reply, text: words } });
  }

  async function settleSent(row: OutboxRow, messageId: string): Promise<void> {
    await store.outbox.settle([{ key: row.key, owner: 'house', attempt: null, change: { state: 'sent', sentAt: core.clock(), messageId } }]);
  }

  async function readAnswers(telephone: Telephone, key: string): Promise<void> {
    telephone.answers = [];
    for (let index = 0; await readAnswer(telephone, `answer/${key}/${index}`); index += 1);
    if (telephone.answers.length === 0) await readAnswer(telephone, `answer/${key}/error`);
  }

  /** False when there is no such answer. One that was read before is passed over: the same message twice is answered once. */
  async function readAnswer(telephone: Telephone, key: string): Promise<boolean> {
    const row = await store.outbox.get(key);
    if (row?.notice.kind !== 'answer') return false;
    if (row.state !== 'pending') return true;
    await show(telephone, row.notice.reply);
    const shown = telephone.shown.at(-1) as Shown;
    telephone.answers.push(shown.reply);
    await settleSent(row, shown.id);
    return true;
  }

  async function deliverRow(row: OutboxRow): Promise<void> {
    const person = row.person === null ? null : await store.people.get(row.person);
    const route = chooseRoute(core, row, person, core.clock());
    if ('nowhere' in route) {
      await store.outbox.settle([{ key: row.key, owner: 'house', attempt: null, change: { state: 'dead', reason: route.nowhere } }]);
      return;
    }
    const prepared = await prepareDelivery(core, render, route.channel, row, route.chat);
    if (prepared.kind === 'elsewhere') throw new Error('a route changed while nothing moved');
    if (prepared.kind === 'end') {
      await store.outbox.settle([{ key: row.key, owner: 'house', attempt: null, change: prepared.change }]);
      return;
    }
    const telephone = telephoneAt(route.channel, route.chat);
    const { document, ...said } = prepared.outgoing;
    await show(telephone, { ...said, ...(document ? { document: { fileId: document.fileId, name: document.name, mime: document.mime, size: document.size } } : {}) });
    const shown = telephone.shown.at(-1) as Shown;
    telephone.news.push(shown.reply.text);
    await settleSent(row, shown.id);
  }

  async function deliver(): Promise<void> {
    for (const channel of channels.keys()) {
      for (;;) {
        const rows = await store.outbox.peek(channel, core.clock(), { priorities: [0, 1, 2, 3, 4], limit: 100, except: { keys: [], people: [], chats: [] } });
        if (rows.length === 0) break;
        for (const row of rows) await deliverRow(row);
      }
    }
  }

  function telephoneAt(channel: ChannelName, chat: string): Telephone {
    const key = addressKey(channel, chat);
    const known = telephones.get(key);
    if (known) return known;
    const telephone: Telephone = { channel, chat, shown: [], answers: [], news: [], lastMessageId: '' };
    telephones.set(key, telephone);
    return telephone;
  }

  function actorOf(name: string, telephone: Telephone): Actor {
    const { channel, chat } = telephone;

    async function give(content: Content, change: MessageChange = {}): Promise<string[]> {
      const incoming: Incoming = {
        channel, chat, group: change.group ?? false, messageId: change.messageId ?? `${chat}:${count()}`, edits: change.edits ?? null,
        at: change.at ? localInstant(change.at) : core.clock(), senderName: name, content,
      };
      telephone.lastMessageId = incoming.messageId;
      await house.handle.receive(incoming);
      await house.handle.idle();
      await readAnswers(telephone, inboxKey(incoming));
      return telephone.answers.map((reply) => reply.text);
    }

    function findChoice(label: string): { choice: Choice; on: string | undefined } {
      if (label.startsWith('#')) return { choice: { id: label.slice(1), label }, on: telephone.shown.at(-1)?.id };
      const offered = telephone.shown.toReversed().flatMap((shown) => (shown.reply.choices ?? []).flat().map((choice) => ({ choice, on: shown.id })));
      const found = offered.find(({ choice }) => choice.label === label) ?? offered.find(({ choice }) => choice.label.includes(label));
      if (!found) throw new Error(`no button "${label}"; there are: ${offered.map(({ choice }) => choice.label).join(' | ')}`);
      return found;
    }

    return {
      channel,
      chat,
      gives: give,
      says: (words, change) => give({ kind: 'text', text: words }, change),
      presses(label, change) {
        const { choice, on } = findChoice(label);
        return give({ kind: 'choice', id: choice.id, ...(on ? { on } : {}) }, change);
      },
      sends(file, change) {
        const ref = `sent-${count()}`;
        sentFiles.set(ref, file.bytes);
        const size = file.size === undefined ? file.bytes.byteLength : file.size;
        return give({ kind: file.image ? 'image' : 'document', file: { ref, name: file.name, size, checksum: null }, caption: file.caption ?? '', album: file.album ?? null }, change);
      },
      replies: () => telephone.answers,
      buttons: () => telephone.answers.flatMap((reply) => (reply.choices ?? []).flat().map((choice) => choice.label)),
      read: () => telephone.shown.map((shown) => shown.reply.text),
      news: () => telephone.news.splice(0),
      lastMessageId: () => telephone.lastMessageId,
      person: () => store.people.byAddress(channel, chat),
    };
  }

  const house: House = {
    core, store, text, logged,
    handle: newHandle(),
    now: () => core.clock(),
    goTo(local) {
      now = localInstant(local);
    },
    wait(ms) {
      now = new Date(now.getTime() + ms);
    },
    as: (name, channel = [...channels.keys()][0] as ChannelName) => actorOf(name, telephoneAt(channel, chatOf(name))),
    async pair(name, role, unit, channel) {
      const actor = house.as(name, channel);
      const code = await house.issue(role, unit);
      await actor.says(`/start ${code}`);
      if (!(await actor.person())) await actor.says('Đồng ý');
      return actor;
    },
    async issue(role, unit, use = 'once') {
      return (await issueCode(core, { unit, role, use, by: null })).code;
    },
    async tick() {
      await tick(core);
      await deliver();
    },
    deliver,
    restart() {
      house.handle = newHandle();
    },
    async close() {
      await house.handle.idle();
      await rooms.leave();
    },
  };
  return house;
}

interface Telephone {
  channel: ChannelName;
  chat: string;
  shown: Shown[];
  answers: Reply[];
  news: string[];
  lastMessageId: string;
}

/** A chat id that, like a real one, says nothing about who it is. */
function chatOf(name: string): string {
  return String(createHash('sha256').update(name).digest().readUInt32BE());
}

function localInstant(local: string): Date {
  const [day, time = '00:00'] = local.split('T') as [string, string?];
  return calendar.instantOf(day, time);
}

async function readSeedPlan(core: Pick<Core, 'levels'>): Promise<Plan> {
  const bytes = await readFile(join(import.meta.dirname, '..', '..', 'seeds', 'plans', '2024.yaml'));
  const { plan } = readPlanFile(bytes, core.levels);
  if (!plan) throw new Error('the seed plan has mistakes');
  return plan;
}

/** A channel that never leaves the house: what is sent is read by the house itself, what people send is kept in memory. */
function recordingChannel(name: ChannelName, buttons: number, files: ReadonlyMap<string, Uint8Array>): Channel {
  return {
    name,
    capabilities: { buttons, textLimit: 4096, filesIn: true, sendsFile: () => buttons > 0, edits: buttons > 0 },
    pacing: { perSecond: 1000, perChatPerSecond: 1000, chatBurst: 1000, perGroupMinute: 1000, isGroup: () => false },
    start: async () => {},
    reach: () => ({ kind: 'free' }),
    send: async (_chat: string, _outgoing: Outgoing) => ({ kind: 'ok', messageId: 'never' }),
    async open(file) {
      const bytes = files.get(file.ref);
      if (!bytes) throw new Refusal('file-gone');
      return Readable.from([Buffer.from(bytes)]);
    },
    deepLink: (payload) => (name === 'telegram' ? `https://t.me/dondoc_bot?start=${payload}` : null),
    health: () => ({ ok: true, detail: 'in memory' }),
    stop: async () => {},
  };
}
