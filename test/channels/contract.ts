import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { incomingSchema, inboxKey, type Incoming } from '../../src/domain/message.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import type { Channel, Outgoing } from '../../src/ports.ts';

/** What a person sees of a message of ours. */
export interface Seen {
  text: string;
  buttons: { label: string; id?: string; url?: string }[];
  document: { name: string; bytes: Buffer } | null;
}

/** One channel with a stand-in of its service, as the contract needs it. What a channel cannot do is null. */
export interface ChannelLab {
  channel: Channel;
  /** The chat of a person who has written before. */
  chat: string;
  /** The person writes; resolves when the service has taken it. */
  says(text: string): Promise<void>;
  /** The service delivers the person's last message once more. */
  redelivers: (() => Promise<void>) | null;
  /** The person sends a file; `claimed` is the size the service names. */
  sendsFile: ((name: string, bytes: Buffer, claimed?: number) => Promise<void>) | null;
  /** The file sent last is no longer there. */
  losesFile: (() => void) | null;
  press: ((label: string) => Promise<void>) | null;
  /** What the person sees, oldest first. */
  seen(): Seen[];
  /** Makes the next sending end so at the service; false where that cannot happen there. */
  breakNext(how: 'gone' | 'refused' | 'retry' | 'unknown'): boolean | void;
  /** Everything the adapter logged, as text. */
  logged(): string;
  /** Must never be in the log. */
  secrets: string[];
  close(): Promise<void>;
}

/** What every adapter must do, whatever its service looks like. */
export function testChannel(name: string, build: () => Promise<ChannelLab>): void {
  let lab: ChannelLab;
  let received: Incoming[];
  let refuseToStore: number;

  const plain = (text: string, rest: Partial<Outgoing> = {}): Outgoing => ({ text, notice: null, to: null, ...rest });
  const arrived = async (count: number, withinMs = 5_000): Promise<Incoming[]> => {
    for (let waited = 0; received.length < count && waited < withinMs; waited += 10) await sleep(10);
    return received;
  };

  describe(`${name} keeps the channel contract`, () => {
    beforeEach(async () => {
      lab = await build();
      received = [];
      refuseToStore = 0;
      await lab.channel.start(async (incoming) => {
        if (refuseToStore > 0) {
          refuseToStore -= 1;
          throw new Error('the store is down');
        }
        received.push(incoming);
      });
    });

    afterEach(async () => {
      await lab.channel.stop();
      await lab.close();
    });

    test('what a person says arrives whole, in NFC, with the sender\'s stamp', async () => {
      const before = Date.now();
      await lab.says('Đôn đốc ngày 02/5'.normalize('NFD'));
      const [incoming] = await arrived(1);
      expect(incomingSchema.parse(incoming)).toMatchObject({ channel: lab.channel.name, chat: lab.chat, group: false, edits: null, content: { kind: 'text', text: 'Đôn đốc ngày 02/5'.normalize('NFC') } });
      expect(incoming?.at.getTime()).toBeGreaterThanOrEqual(before - 1_000);
      expect(incoming?.at.getTime()).toBeLessThanOrEqual(Date.now() + 1_000);
    });

    test('messages of one person arrive in order, each with an id of its own', async () => {
      for (const text of ['một', 'hai', 'ba']) await lab.says(text);
      await arrived(3);
      expect(received.map((incoming) => incoming.content)).toEqual(['một', 'hai', 'ba'].map((text) => ({ kind: 'text', text })));
      expect(new Set(received.map(inboxKey)).size).toBe(3);
    });

    test('a message delivered twice has the same id and stamp both times', async () => {
      if (!lab.redelivers) return;
      await lab.says('một lần');
      await arrived(1);
      await lab.redelivers();
      await arrived(2);
      expect(received[1]).toEqual(received[0]);
    });

    test('what could not be stored is delivered again, before anything later of that person', async () => {
      refuseToStore = 2;
      await lab.says('đừng mất');
      await lab.says('sau đó');
      await arrived(2);
      expect(received.map((incoming) => incoming.content)).toEqual([{ kind: 'text', text: 'đừng mất' }, { kind: 'text', text: 'sau đó' }]);
    });

    test('a text is sent and its id told', async () => {
      const sent = await lab.channel.send(lab.chat, plain('Đã nhận.\nBN-2024-000001'));
      expect(sent).toMatchObject({ kind: 'ok' });
      expect(sent.kind === 'ok' && sent.messageId.length).toBeGreaterThan(0);
      expect(lab.seen().map((message) => message.text)).toEqual(['Đã nhận.\nBN-2024-000001']);
    });

    test('a text of 5,000 characters arrives whole, in pieces under the limit', async () => {
      const text = Array.from({ length: 100 }, (_, line) => `${String(line).padStart(3, '0')} ${'ộ'.repeat(45)}`).join('\n');
      expect(await lab.channel.send(lab.chat, plain(text))).toMatchObject({ kind: 'ok' });
      const pieces = lab.seen().map((message) => message.text);
      expect(pieces.join('\n')).toBe(text);
      for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(lab.channel.capabilities.textLimit);
    });

    test('a choice of 64 bytes comes back unchanged', async () => {
      const id = `nop:${'k'.repeat(60)}`;
      await lab.channel.send(lab.chat, plain('Chọn', { choices: [[{ id, label: 'Nộp báo cáo' }]] }));
      if (!lab.press) return expect(lab.seen()[0]?.text).toMatch(/\d+\. Nộp báo cáo/);
      await lab.press('Nộp báo cáo');
      const [incoming] = await arrived(1);
      expect(incoming?.content).toMatchObject({ kind: 'choice', id });
    });

    test('an own message is replaced where the channel can, said anew where it cannot', async () => {
      const first = await lab.channel.send(lab.chat, plain('trang 1'));
      const id = first.kind === 'ok' ? first.messageId : '';
      expect(await lab.channel.send(lab.chat, plain('trang 2', { edits: id }))).toMatchObject({ kind: 'ok' });
      expect(lab.seen().map((message) => message.text)).toEqual(lab.channel.capabilities.edits ? ['trang 2'] : ['trang 1', 'trang 2']);
      // Twice the same, and one that never was: both are good.
      expect(await lab.channel.send(lab.chat, plain('trang 2', { edits: id }))).toMatchObject({ kind: 'ok' });
      expect(await lab.channel.send(lab.chat, plain('trang 3', { edits: 'unknown' }))).toMatchObject({ kind: 'ok' });
      expect(lab.seen().at(-1)?.text).toBe('trang 3');
    });

    test('a file a person sends can be opened, byte for byte', async () => {
      if (!lab.sendsFile) return;
      const bytes = randomBytes(300_000);
      await lab.sendsFile('Báo cáo 6 tháng.pdf', bytes);
      const [incoming] = await arrived(1);
      if (incoming?.content.kind !== 'document') throw new Error('no document');
      expect(incoming.content.file.name).toBe('Báo cáo 6 tháng.pdf');
      expect(sha256(await buffer(await lab.channel.open(incoming.content.file)))).toBe(sha256(bytes));
    });

    test('a file over 20 MB is refused, one that is gone too', async () => {
      if (!lab.sendsFile || !lab.losesFile) return;
      await lab.sendsFile('to.zip', Buffer.from('x'), 21 * 1024 * 1024);
      await lab.sendsFile('mat.pdf', Buffer.from('x'));
      await arrived(2);
      lab.losesFile();
      const codes = await Promise.all(received.map(async ({ content }) => {
        if (content.kind !== 'document') throw new Error('no document');
        return lab.channel.open(content.file).then(() => 'opened', (error: unknown) => (error instanceof Refusal ? error.code : 'failed'));
      }));
      expect(codes).toEqual(['file-too-big', 'file-gone']);
    });

    test('a document is carried, or becomes a link', async () => {
      const bytes = randomBytes(200_000);
      const document = { fileId: 'f1', name: 'Tổng hợp "quý".pdf', mime: 'application/pdf', size: bytes.length, open: async () => Readable.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)]) };
      expect(await lab.channel.send(lab.chat, plain('Tệp đây', { document }))).toMatchObject({ kind: 'ok' });
      const seen = lab.seen();
      const carried = seen.find((message) => message.document)?.document;
      if (lab.channel.capabilities.sendsFile({ kind: 'pdf', size: bytes.length })) expect(sha256(carried?.bytes ?? Buffer.alloc(0))).toBe(sha256(bytes));
      else expect(seen.map((message) => message.text).join('\n')).toMatch(/📎 Tổng hợp "quý"\.pdf: http/);
    });

    test.each(['gone', 'refused', 'retry', 'unknown'] as const)('a sending that ends as "%s" is told so, and only so', async (how) => {
      if (lab.breakNext(how) === false) return;
      expect(await lab.channel.send(lab.chat, plain('lần một'))).toMatchObject({ kind: how });
      // A person who blocked us stays gone; everything else was about that one sending.
      expect((await lab.channel.send(lab.chat, plain('lần hai'))).kind).toBe(how === 'gone' ? 'gone' : 'ok');
    });

    test('neither secrets nor what people say are ever logged', async () => {
      const words = 'một câu rất riêng';
      await lab.says(words);
      await arrived(1);
      for (const how of ['refused', 'retry', 'unknown'] as const) {
        lab.breakNext(how);
        await lab.channel.send(lab.chat, plain(words));
      }
      for (const secret of [words, ...lab.secrets]) expect(lab.logged()).not.toContain(secret);
    });

    test('it stops gracefully: what is in hand ends well, nothing is taken any more, twice is harmless', async () => {
      const sending = lab.channel.send(lab.chat, plain('cuối cùng'));
      await lab.channel.stop();
      expect(await sending).toMatchObject({ kind: 'ok' });
      const before = received.length;
      await lab.says('sau khi dừng').catch(() => undefined);
      await sleep(100);
      expect(received.length).toBe(before);
      expect(await lab.channel.send(lab.chat, plain('quá muộn'))).toMatchObject({ kind: 'retry' });
      await lab.channel.stop();
      expect(lab.channel.health().ok).toBe(false);
    });
  });
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
