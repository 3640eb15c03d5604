import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createWebChannel, type WebChannel } from '../../src/channels/web/adapter.ts';
import type { Choice, Incoming } from '../../src/domain/message.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import type { Outgoing, TranscriptEntry } from '../../src/ports.ts';
import { testChannel, type ChannelLab } from './contract.ts';

/** What the web chat keeps, in memory: entries in their order, files by id, numbers offered. */
interface Memory {
  entries: TranscriptEntry[];
  files: Map<string, { bytes: Buffer; name: string }>;
  /** The next write of an entry fails. */
  failNext: boolean;
  channel: WebChannel;
}

function buildWeb(): Memory {
  let number = 0;
  const memory: Memory = { entries: [], files: new Map(), failNext: false, channel: null as unknown as WebChannel };
  memory.channel = createWebChannel({
    clock: () => new Date(),
    nameOf: () => 'Nguyễn Thị Lan',
    offer: async (_chat, choices) => choices.map((choice: Choice) => ({ number: (number += 1), choice })),
    linkFor: async (_chat, document) => `http://127.0.0.1:8080/tai/${document.fileId}`,
    transcripts: {
      async put(entry) {
        if (memory.failNext) {
          memory.failNext = false;
          throw new Error('the store broke off');
        }
        const place = memory.entries.findIndex((other) => other.chat === entry.chat && other.id === entry.id);
        if (place < 0) memory.entries.push(entry);
        else memory.entries[place] = entry;
      },
      get: async (chat, id) => memory.entries.find((entry) => entry.chat === chat && entry.id === id) ?? null,
      latest: async (chat, limit) => memory.entries.filter((entry) => entry.chat === chat).slice(-limit),
    },
    files: {
      async save(id, stream, about, limit) {
        const bytes = await buffer(stream);
        if (bytes.length > limit) throw new Refusal('file-too-big', { limit: '20 MB' });
        memory.files.set(id, { bytes, name: about.name });
        return { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
      },
      async open(id) {
        const file = memory.files.get(id);
        if (!file) throw new Refusal('file-gone');
        return Readable.from([file.bytes]);
      },
    },
  });
  return memory;
}

testChannel('web', async (): Promise<ChannelLab> => {
  const memory = buildWeb();
  const { channel } = memory;
  let ids = 0;
  /** As the page does: the same id until it is taken, and nothing later before. */
  const insist = async (deed: (id: string) => Promise<void>): Promise<void> => {
    const id = `message-${(ids += 1)}`;
    for (let tries = 0; ; tries += 1) {
      try {
        return await deed(id);
      } catch (error) {
        if (tries > 5) throw error;
        await sleep(1);
      }
    }
  };
  return {
    chat: 'chair', secrets: [],
    channel: {
      ...channel,
      // What a reply sends lies in the store before.
      async send(chat, outgoing) {
        if (outgoing.document) memory.files.set(outgoing.document.fileId, { bytes: await buffer(await outgoing.document.open()), name: outgoing.document.name });
        return channel.send(chat, outgoing);
      },
    },
    says: (text) => insist((id) => channel.say('chair', id, text)),
    redelivers: null,
    sendsFile: (name, bytes) => insist((id) => channel.upload('chair', id, name, Readable.from([bytes]))),
    losesFile: null,
    press: (label) => insist(async (id) => {
      const entry = memory.entries.find((found) => found.choices.flat().some((choice) => choice.label === label));
      await channel.press('chair', id, entry?.choices.flat().find((choice) => choice.label === label)?.id ?? '', entry?.id ?? '');
    }),
    seen: () => memory.entries.filter((entry) => entry.from === 'bot').map((entry) => ({
      text: entry.text, buttons: entry.choices.flat(),
      document: entry.document ? { name: entry.document.name, bytes: memory.files.get(entry.document.fileId)?.bytes ?? Buffer.alloc(0) } : null,
    })),
    breakNext: (how) => (memory.failNext = how === 'unknown'),
    logged: () => '',
    close: async () => {},
  };
});

describe('the web chat', () => {
  let memory: Memory;
  let received: Incoming[];
  const say = (outgoing: Partial<Outgoing>): Promise<unknown> => memory.channel.send('chair', { text: '', notice: null, to: null, ...outgoing });

  beforeEach(async () => {
    memory = buildWeb();
    received = [];
    await memory.channel.start(async (incoming) => void received.push(incoming));
  });

  test('the same id is one message, also when both requests come at once', async () => {
    await Promise.all([memory.channel.say('chair', 'same-id-1', 'một'), memory.channel.say('chair', 'same-id-1', 'một')]);
    await memory.channel.say('chair', 'same-id-1', 'một');
    await Promise.all([memory.channel.upload('chair', 'same-id-2', 'a.pdf', Readable.from(['%PDF-'])), memory.channel.upload('chair', 'same-id-2', 'a.pdf', Readable.from(['%PDF-']))]);
    expect(received.map((incoming) => incoming.content.kind)).toEqual(['text', 'document']);
    expect(memory.entries.map((entry) => entry.text)).toEqual(['một', '📎 a.pdf']);
  });

  test('an answer never stands above the message it answers', async () => {
    await memory.channel.start(async () => {
      // The answer is on its way before the message is shown.
      void say({ text: 'trả lời' });
      await sleep(20);
    });
    await memory.channel.say('chair', 'question-1', 'hỏi');
    await sleep(50);
    expect(memory.entries.map((entry) => entry.text)).toEqual(['hỏi', 'trả lời']);
  });

  test('the other view has numbers that run on and a link for a file', async () => {
    await say({ text: 'Chọn', choices: [[{ id: 'a:1', label: 'Một' }, { id: 'a:2', label: 'Hai' }]] });
    await say({ text: 'Chọn tiếp', choices: [[{ id: 'a:3', label: 'Ba' }]], document: { fileId: 'f1', name: 'bảng.xlsx', mime: 'application/octet-stream', size: 3, open: async () => Readable.from(['abc']) } });
    expect(memory.entries.flatMap((entry) => entry.plain)).toEqual(['Chọn\n1. Một\n2. Hai', 'Chọn tiếp\n3. Ba\n📎 bảng.xlsx: http://127.0.0.1:8080/tai/f1']);
  });

  test('a message that could not be taken in is not shown, and a file over 20 MB says why', async () => {
    await memory.channel.start(async () => {
      throw new Error('the store is down');
    });
    await expect(memory.channel.say('chair', 'lost-one-1', 'đừng mất')).rejects.toThrow('the store is down');
    await expect(memory.channel.upload('chair', 'too-big-1', 'to.pdf', Readable.from([Buffer.alloc(21 * 1024 * 1024)]))).rejects.toMatchObject({ code: 'file-too-big' });
    expect(memory.entries).toEqual([]);
  });
});
