import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Choice, FileRef, Incoming } from '../../domain/message.ts';
import { Refusal } from '../../domain/refusal.ts';
import { fileSizeLimit } from '../../domain/submission.ts';
import type { Capabilities, Channel, Clock, FileStore, Outgoing, TranscriptEntry, TranscriptStore } from '../../ports.ts';
import { degrade } from '../degrade.ts';

/** What a person does in a web chat. `id` is made by the page, so that a repeated request is one message. */
export interface WebChannel extends Channel {
  readonly name: 'web';
  /** Takes in a typed text. */
  say(chat: string, id: string, text: string): Promise<void>;
  /** Takes in a pressed button of the message `on`. */
  press(chat: string, id: string, choice: string, on: string): Promise<void>;
  /** Takes in a file: it is stored before anything else happens. Throws Refusal `file-too-big`. */
  upload(chat: string, id: string, name: string, stream: Readable): Promise<void>;
  /** What was said in a chat, oldest first. */
  history(chat: string): Promise<TranscriptEntry[]>;
  /** Calls back for every entry that comes or changes; answers how to stop it. */
  watch(listener: (entry: TranscriptEntry) => void): () => void;
}

/** What the web channel is built with. */
export interface WebChannelOptions {
  transcripts: TranscriptStore;
  files: Pick<FileStore, 'save' | 'open'>;
  clock: Clock;
  /** What the person behind a chat is called. */
  nameOf(chat: string): string;
  /** Gives numbers to choices for the view without buttons; they run on per person. */
  offer(chat: string, choices: readonly Choice[]): Promise<{ number: number; choice: Choice }[]>;
  /** An expiring link to a document, for the view without files. */
  linkFor(chat: string, document: { fileId: string; name: string }): Promise<string>;
}

const capabilities: Capabilities = { buttons: 12, textLimit: 4096, filesIn: true, edits: true, sendsFile: () => true };
/** The view a channel without buttons and files would give. */
const plainCapabilities = { buttons: 0, textLimit: 1900, sendsFile: () => false };
const historyLength = 200;

/**
 * The web chat: the product is the server itself, so what is sent is stored, shown to whoever watches, and can neither be blocked nor lost.
 * Only for the machine it runs on: whoever can open the page is believed.
 */
export function createWebChannel(options: WebChannelOptions): WebChannel {
  const listeners = new Set<(entry: TranscriptEntry) => void>();
  let handle: ((incoming: Incoming) => Promise<void>) | null = null;

  async function show(entry: TranscriptEntry): Promise<void> {
    await options.transcripts.put(entry);
    for (const listener of listeners) listener(entry);
  }

  async function receive(chat: string, id: string, shown: string, content: Incoming['content']): Promise<void> {
    if (!handle) throw new Error('the web channel has not been started');
    const at = options.clock();
    // Stored first: what the person sees as sent has then really been taken in.
    await handle({ channel: 'web', chat, group: false, messageId: `${chat}:${id}`, edits: null, at, senderName: options.nameOf(chat), content });
    await show({ id, chat, from: 'person', at, text: shown, choices: [], document: null, plain: [shown] });
  }

  async function labelOf(chat: string, choice: string, on: string): Promise<string> {
    const entry = (await options.transcripts.latest(chat, historyLength)).find((found) => found.id === on);
    return entry?.choices.flat().find((found) => found.id === choice)?.label ?? choice;
  }

  return {
    name: 'web',
    capabilities,
    pacing: { perSecond: 1000, perChatPerSecond: 100, chatBurst: 100, perGroupMinute: 1000, isGroup: () => false },
    async start(given) {
      handle = given;
    },
    reach: () => ({ kind: 'free' }),
    async send(chat: string, outgoing: Outgoing) {
      const plain = await degrade(outgoing, plainCapabilities, {
        captionLimit: 0, offer: (choices) => options.offer(chat, choices), linkFor: (document) => options.linkFor(chat, document),
      });
      const id = outgoing.edits ?? randomUUID();
      const document = outgoing.document ? { fileId: outgoing.document.fileId, name: outgoing.document.name, size: outgoing.document.size } : null;
      await show({ id, chat, from: 'bot', at: options.clock(), text: outgoing.text, choices: outgoing.choices ?? [], document, plain: plain.map((part) => part.text) });
      return { kind: 'ok', messageId: id };
    },
    async open(file: FileRef) {
      return options.files.open(file.ref);
    },
    deepLink: () => null,
    health: () => ({ ok: handle !== null, detail: 'web chat' }),
    async stop() {
      handle = null;
      listeners.clear();
    },
    say: (chat, id, text) => receive(chat, id, text, { kind: 'text', text }),
    async press(chat, id, choice, on) {
      await receive(chat, id, await labelOf(chat, choice, on), { kind: 'choice', id: choice, on });
    },
    async upload(chat, id, name, stream) {
      const ref = `web/${chat}/${id}`;
      const { size, sha256 } = await options.files.save(ref, stream, { name, mime: 'application/octet-stream' }, fileSizeLimit);
      if (size > fileSizeLimit) throw new Refusal('file-too-big', { limit: '20 MB' });
      await receive(chat, id, `📎 ${name}`, { kind: 'document', file: { ref, name, size, checksum: sha256 }, caption: '', album: null });
    },
    history: (chat) => options.transcripts.latest(chat, historyLength),
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
