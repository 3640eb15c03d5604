import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import type { OutboxRow } from '../../src/domain/notice.ts';
import { openEmbedded, type Embedded } from '../../src/embedded/server.ts';
import type { Channel, Core, Store } from '../../src/ports.ts';
import { createSender, type Sender } from '../../src/services/outbox.ts';
import { openStore } from '../../src/store/store.ts';
import { buildOutboxRow, calendar } from '../support/builders.ts';
import { fastTiming, freePacing } from '../support/post.ts';

/** How long the database is away; `FAULT_OUTAGE_MS=60000` is the whole proof. */
const outageMs = Number(process.env.FAULT_OUTAGE_MS ?? 3000);
const count = 150;

let folder: string;
let engine: Embedded;
let line: Line;
let store: Store;
let sender: Sender;

afterEach(async () => {
  await sender.stop();
  await store.close();
  await line.close();
  await engine.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A line to the database that can be cut: connections die in the middle of what they were doing, new ones are refused. */
interface Line {
  uri: string;
  cut(): Promise<void>;
  mend(): void;
  close(): Promise<void>;
}

async function openLine(port: number): Promise<Line> {
  let whole = true;
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    if (!whole) return void socket.destroy();
    const through = connect(port, '127.0.0.1');
    for (const [each, other] of [[socket, through], [through, socket]] as const) {
      sockets.add(each);
      each.on('error', () => other.destroy());
      each.on('close', () => {
        sockets.delete(each);
        other.destroy();
      });
      each.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    uri: `mongodb://127.0.0.1:${(server.address() as AddressInfo).port}/dondoc`,
    async cut() {
      whole = false;
      // One after the other, the oldest first: that is the driver's own watch. Driver 7.8 waits for ever where it writes to a watch that was
      // destroyed in the same turn and the server cannot stream its state (MongoDB can).
      // It has to have seen that before the next one dies.
      let wait = 500;
      for (const socket of sockets) {
        socket.destroy();
        await sleep(wait);
        wait = 20;
      }
    },
    mend() {
      whole = true;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('the database away in the middle of sending: nothing is lost, nothing is doubled, and it goes on by itself', async () => {
  folder = mkdtempSync(join(tmpdir(), 'dondoc-store-'));
  engine = await openEmbedded({ folder, port: 0 });
  line = await openLine(Number(new URL(engine.uri).port));
  store = await openStore({ uri: line.uri });
  const arrived: string[] = [];
  const channel: Channel = {
    name: 'telegram', pacing: freePacing, capabilities: { buttons: 100, textLimit: 4096, filesIn: true, sendsFile: () => true, edits: true },
    start: async () => {}, stop: async () => {}, reach: () => ({ kind: 'free' }), open: () => Promise.reject(new Error('nothing to open')), deepLink: () => null, health: () => ({ ok: true, detail: '' }),
    async send(_chat, outgoing) {
      arrived.push(outgoing.text);
      await sleep(60);
      return { kind: 'ok', messageId: String(arrived.length) };
    },
  };
  const refuse = (): never => {
    throw new Error('not here');
  };
  const core: Core = {
    store, channels: new Map([['telegram', channel]]), calendar, log: { info() {}, warn() {}, error() {} }, levels: [], secret: 'secret', publicUrl: 'http://127.0.0.1', clock: () => new Date(),
    random: (bytes) => randomBytes(bytes), wakeOutbox: () => {}, recognise: refuse, drawCode: refuse, drawChart: refuse, writeSheet: refuse,
  };
  sender = createSender({ core, channel, timing: fastTiming(1), instance: 'store', rate: 30, render: async (_notice, row) => ({ text: row.key }) });
  const rows = Array.from({ length: count }, (_, index): OutboxRow => buildOutboxRow(`r${index}`, { notice: { kind: 'broadcast', broadcast: 'b' }, chat: `c${index}`, person: null, priority: 4 }));
  await store.outbox.put(rows);
  sender.start();
  while (arrived.length < 30) await sleep(10);
  await line.cut();
  await sleep(outageMs);
  const during = arrived.length;
  expect(during).toBeLessThan(60);
  line.mend();
  for (;;) {
    const counts = await store.outbox.counts().catch(() => null);
    if (counts && counts.pending + counts.sending === 0) break;
    await sleep(100);
  }
  const counts = await store.outbox.counts();
  expect(counts).toMatchObject({ sent: count, unknown: 0, dead: 0 });
  expect(arrived).toHaveLength(count);
  expect(new Set(arrived).size).toBe(count);
}, 60_000 + outageMs);
