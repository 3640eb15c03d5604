import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Choice, FileRef, Incoming } from '../../domain/message.ts';
import { fileSizeLimit } from '../../domain/submission.ts';
import type { Capabilities, Channel, Clock, FileStore, Outgoing, Sent, TranscriptEntry, TranscriptStore } from '../../ports.ts';
import { cleanText, degrade } from '../degrade.ts';

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
  /** Gives numbers to choices for the view without buttons; they run on per chat. */
  offer(chat: string, choices: readonly Choice[]): Promise<{ number: number; choice: Choice }[]>;
  /** An expiring link to a document, for the view without files. */
  linkFor(chat: string, document: { fileId: string; name: string }): Promise<string>;
}

/** A page shows whatever there is: the limits are only there to be finite. */
const capabilities: Capabilities = { buttons: 100, plainToo: true, textLimit: 100_000, filesIn: true, edits: true, sendsFile: () => true };
/** The view a channel without buttons and files would give. */
const plainCapabilities = { buttons: 0, textLimit: 1900, sendsFile: () => false };
const historyLength = 200;

/**
 * The web chat: the product is the server itself, so what is sent is stored, shown to whoever watches, and can neither be blocked nor lost.
 * Only for the machine it runs on: whoever can open the page is believed.
 */
export function createWebChannel(options: WebChannelOptions): WebChannel {
  const listeners = new Set<(entry: TranscriptEntry) => void>();
  /** By chat, what is being taken in: an answer must not stand above the message it answers. */
  const arriving = new Map<string, Promise<void>>();
  const sending = new Set<Promise<Sent>>();
  let handle: ((incoming: Incoming) => Promise<void>) | null = null;
  let stopped = false;

  async function show(entry: TranscriptEntry): Promise<void> {
    await options.transcripts.put(entry);
    for (const listener of listeners) listener(entry);
  }

  /** One after the other, in the order in which they came. What could not be stored throws, and the page sends it again. */
  function receive(chat: string, id: string, shown: string, read: () => Promise<Incoming['content']>): Promise<void> {
    const taken = (arriving.get(chat) ?? Promise.resolve()).catch(() => undefined).then(() => takeIn(chat, id, shown, read));
    arriving.set(chat, taken);
    return taken.finally(() => {
      if (arriving.get(chat) === taken) arriving.delete(chat);
    });
  }

  async function takeIn(chat: string, id: string, shown: string, read: () => Promise<Incoming['content']>): Promise<void> {
    if (!handle) throw new Error('the web channel does not run');
    // A repeated request is the same message: it was taken in before it was shown.
    if (await options.transcripts.get(chat, id)) return;
    const at = options.clock();
    // Stored first: what the person sees as sent has then really been taken in.
    await handle({ channel: 'web', chat, group: false, messageId: `${chat}:${id}`, edits: null, at, senderName: options.nameOf(chat), content: await read() });
    await show({ id, chat, from: 'person', at, text: shown, choices: [], document: null, plain: [shown] });
  }

  async function deliver(chat: string, outgoing: Outgoing): Promise<Sent> {
    const text = cleanText(outgoing.text);
    const choices = (outgoing.choices ?? []).map((row) => row.map((choice) => ({ ...choice, label: cleanText(choice.label) })));
    const document = outgoing.document ? { fileId: outgoing.document.fileId, name: outgoing.document.name, size: outgoing.document.size } : null;
    const id = outgoing.edits ?? randomUUID();
    try {
      await arriving.get(chat)?.catch(() => undefined);
      const plain = await degrade(outgoing, plainCapabilities, {
        captionLimit: 0, offer: (offered) => options.offer(chat, offered), linkFor: (linked) => options.linkFor(chat, linked),
      });
      await show({ id, chat, from: 'bot', at: options.clock(), text, choices, document, plain: plain.map((part) => part.text) });
      return { kind: 'ok', messageId: id };
    } catch {
      // The store broke off: what was written may stand there.
      return { kind: 'unknown', reason: 'the transcript could not be written' };
    }
  }

  return {
    name: 'web',
    capabilities,
    pacing: { perSecond: 1000, perChatPerSecond: 100, chatBurst: 100, perGroupMinute: 1000, isGroup: () => false },
    async start(given) {
      handle = given;
      stopped = false;
    },
    reach: () => ({ kind: 'free' }),
    async send(chat, outgoing) {
      if (stopped) return { kind: 'retry', afterMs: 1000, scope: 'channel', reason: 'the web channel has stopped' };
      const sent = deliver(chat, outgoing);
      sending.add(sent);
      return sent.finally(() => sending.delete(sent));
    },
    async open(file: FileRef) {
      return options.files.open(file.ref);
    },
    deepLink: () => null,
    health: () => ({ ok: handle !== null, detail: 'web chat' }),
    async stop() {
      handle = null;
      stopped = true;
      await Promise.allSettled([...sending, ...arriving.values()]);
      listeners.clear();
    },
    say(chat, id, text) {
      const said = cleanText(text);
      return receive(chat, id, said, async () => ({ kind: 'text', text: said }));
    },
    async press(chat, id, choice, on) {
      const label = (await options.transcripts.get(chat, on))?.choices.flat().find((found) => found.id === choice)?.label;
      await receive(chat, id, label ?? choice, async () => ({ kind: 'choice', id: choice, on }));
    },
    async upload(chat, id, name, stream) {
      const ref = `web/${chat}/${id}`;
      const shown = cleanText(name).trim() || 'file';
      await receive(chat, id, `📎 ${shown}`, async () => {
        const { size, sha256 } = await options.files.save(ref, stream, { name: shown, mime: 'application/octet-stream' }, fileSizeLimit);
        return { kind: 'document', file: { ref, name: shown, size, checksum: sha256 }, caption: '', album: null };
      });
      // Of a repeated request nothing was read: the connection would wait for it.
      stream.resume();
    },
    history: (chat) => options.transcripts.latest(chat, historyLength),
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
