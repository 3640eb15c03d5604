import { afterAll, beforeEach, expect, test } from '@jest/globals';
import type { Attempt, OutboxRow } from '../../src/domain/notice.ts';
import type { OutboxStore, PeekRequest } from '../../src/ports.ts';
import { at, buildOutboxRow } from '../support/builders.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

let opened: TestStore | undefined;
let outbox: OutboxStore;

beforeEach(async () => {
  await opened?.close();
  opened = await openTestStore();
  outbox = opened.store.outbox;
});
afterAll(() => opened?.close());

const now = at('2024-04-08', '09:00');
const lease = (owner: string): { owner: string; until: Date } => ({ owner, until: at('2024-04-08', '09:05') });
const attempt = (id: string, answer: Attempt['answer'] = null): Attempt => ({ id, at: now, answeredAt: answer && now, answer, channel: 'telegram', reason: null });
const ask = (change: Partial<PeekRequest> = {}): PeekRequest => ({ priorities: [0, 1, 2, 3, 4], limit: 50, except: { keys: [], people: [], chats: [] }, ...change });
const keysOf = (rows: readonly OutboxRow[]): string[] => rows.map((row) => row.key);

test('what is stored comes back as the same plain row', async () => {
  const row = buildOutboxRow('back', { notice: { kind: 'decision', assignment: 'a1', did: 'accepted', facts: {} }, chat: '42' });
  await outbox.put([row]);
  expect(await outbox.get('back')).toEqual(row);
  expect(await outbox.get('unknown')).toBeNull();
});

test('the same key twice is one row, alone or among a thousand new ones', async () => {
  const rows = Array.from({ length: 3_000 }, (_, index) => buildOutboxRow(`row-${index}`));
  expect(await outbox.put(rows.slice(0, 1_500))).toBe(1_500);
  expect(await outbox.put(rows)).toBe(1_500);
  expect(await outbox.put(rows)).toBe(0);
  expect((await outbox.counts()).pending).toBe(3_000);
});

test('two who put the same rows at the same moment add each row once', async () => {
  const rows = Array.from({ length: 200 }, (_, index) => buildOutboxRow(`both-${index}`));
  const added = await Promise.all([outbox.put(rows), outbox.put([...rows].reverse())]);
  expect(added[0] + added[1]).toBe(200);
});

test('rows leave by priority, then by the moment they may leave, then by age and key; what may not leave yet is not seen', async () => {
  await outbox.put([
    buildOutboxRow('late', { notBefore: at('2024-04-08', '08:30') }),
    buildOutboxRow('early-b'), buildOutboxRow('early-a'),
    buildOutboxRow('older', { createdAt: at('2024-04-08', '07:00'), notBefore: at('2024-04-08', '08:00') }),
    buildOutboxRow('tomorrow', { notBefore: at('2024-04-09', '07:30') }),
    buildOutboxRow('receipt', { priority: 1, notBefore: now }),
    buildOutboxRow('answer', { priority: 0, notBefore: at('2024-04-08', '09:01') }),
    buildOutboxRow('elsewhere', { channel: 'web' }),
    buildOutboxRow('dead', { state: 'dead', reason: 'gone' }),
  ]);
  expect(keysOf(await outbox.peek('telegram', now, ask()))).toEqual(['answer', 'receipt', 'older', 'early-a', 'early-b', 'late']);
  expect(keysOf(await outbox.peek('telegram', now, ask({ priorities: [2], limit: 2 })))).toEqual(['older', 'early-a']);
});

test('rows in hand and those of people and chats that have to wait are passed over', async () => {
  await outbox.put([buildOutboxRow('k'), buildOutboxRow('p', { person: 'p2' }), buildOutboxRow('c', { person: null, chat: '42' }), buildOutboxRow('free', { person: 'p3' })]);
  expect(keysOf(await outbox.peek('telegram', now, ask({ except: { keys: ['k'], people: ['p2'], chats: ['42'] } })))).toEqual(['free']);
});

test('two senders that reach for the same rows never both get one', async () => {
  const keys = Array.from({ length: 60 }, (_, index) => `race-${index}`);
  await outbox.put(keys.map((key) => buildOutboxRow(key)));
  const [a, b] = await Promise.all([outbox.begin(keys, lease('a'), attempt('try-a')), outbox.begin([...keys].reverse(), lease('b'), attempt('try-b'))]);
  expect([...a, ...b].sort()).toEqual([...keys].sort());
  const taken = await outbox.get('race-0');
  expect(taken).toMatchObject({ state: 'sending', attempts: [{ id: a.includes('race-0') ? 'try-a' : 'try-b', answer: null }] });
});

test('a settled row is off the lease with its answer; a lease that is gone settles nothing', async () => {
  await outbox.put([buildOutboxRow('mine'), buildOutboxRow('theirs')]);
  await outbox.begin(['mine'], lease('a'), attempt('t1'));
  await outbox.begin(['theirs'], lease('b'), attempt('t2'));
  const settled = await outbox.settle([
    { key: 'mine', owner: 'a', attempt: 't1', change: { state: 'sent', sentAt: now, messageId: '7', attempts: [attempt('t1', 'ok')] } },
    { key: 'theirs', owner: 'a', attempt: null, change: { state: 'dead', reason: 'gone' } },
  ]);
  expect(settled).toEqual(['mine']);
  expect(await outbox.get('mine')).toMatchObject({ state: 'sent', lease: null, messageId: '7', attempts: [{ answer: 'ok' }] });
  expect(await outbox.get('theirs')).toMatchObject({ state: 'sending', lease: { owner: 'b' } });
});

test('an answer that comes after the row was taken for lost still counts, a failure that late does not', async () => {
  await outbox.put([buildOutboxRow('slow'), buildOutboxRow('failed')]);
  await outbox.begin(['slow', 'failed'], lease('a'), attempt('t1'));
  await outbox.settle(['slow', 'failed'].map((key) => ({ key, owner: 'a', attempt: 't1', change: { state: 'unknown' as const, attempts: [attempt('t1', 'unknown')] } })));
  const settled = await outbox.settle([
    { key: 'slow', owner: 'a', attempt: 't1', change: { state: 'sent', sentAt: now, attempts: [attempt('t1', 'ok')] } },
    { key: 'failed', owner: 'a', attempt: 't1', change: { state: 'dead', reason: 'refused', attempts: [attempt('t1', 'refused')] } },
  ]);
  expect(settled).toEqual(['slow']);
  expect((await outbox.get('slow'))?.state).toBe('sent');
  expect((await outbox.get('failed'))?.state).toBe('unknown');
});

test('a row nobody has in hand can be settled without an attempt', async () => {
  await outbox.put([buildOutboxRow('obsolete')]);
  expect(await outbox.settle([{ key: 'obsolete', owner: 'a', attempt: null, change: { state: 'dead', reason: 'obsolete' } }])).toEqual(['obsolete']);
  expect(await outbox.get('obsolete')).toMatchObject({ state: 'dead', reason: 'obsolete', attempts: [] });
});

test('what a lost sender left behind is found by the next one, its own rows are not', async () => {
  await outbox.put(['l1', 'l2', 'own'].map((key) => buildOutboxRow(key)));
  await outbox.begin(['l1', 'l2'], lease('lost'), attempt('t1'));
  await outbox.begin(['own'], lease('me'), attempt('t2'));
  expect(keysOf(await outbox.stale('telegram', 'me', 10)).sort()).toEqual(['l1', 'l2']);
  expect(await outbox.stale('web', 'me', 10)).toEqual([]);
});

test('an acknowledgement marks what reached that person about that thing, once', async () => {
  await outbox.put([buildOutboxRow('sent', { state: 'sent' }), buildOutboxRow('waits'), buildOutboxRow('other', { state: 'sent', person: 'p2' })]);
  await outbox.acknowledge('a1', 'p1', now);
  await outbox.acknowledge('a1', 'p1', at('2024-04-09'));
  expect((await outbox.get('sent'))?.acknowledgedAt).toEqual(now);
  expect((await outbox.get('waits'))?.acknowledgedAt).toBeNull();
  expect((await outbox.get('other'))?.acknowledgedAt).toBeNull();
});

test('the evidence is complete and in order over pages, also where many rows share one moment, and its cursor fits a button', async () => {
  const rows = Array.from({ length: 11 }, (_, index) => buildOutboxRow(`e-${String(index).padStart(2, '0')}`, { about: 'thing', createdAt: at('2024-04-08', index < 2 ? '07:00' : index < 9 ? '08:00' : '09:00') }));
  await outbox.put([...rows, buildOutboxRow('other', { about: 'other' })]);
  const seen: string[] = [];
  for (let after: string | null = null; ; ) {
    const page = await outbox.evidence('thing', { after, limit: 3 });
    seen.push(...keysOf(page.items));
    if (page.next === null) break;
    expect(page.next.length).toBeLessThanOrEqual(16);
    after = page.next;
  }
  expect(seen).toEqual(keysOf(rows));
});

test('reminders are counted by what they are about when they were sent; progress and totals by state', async () => {
  await outbox.put([
    buildOutboxRow('r1', { state: 'sent', notice: { kind: 'reminder', assignment: 'a1', wave: 'w', offset: -7 } }),
    buildOutboxRow('r2', { state: 'sent', notice: { kind: 'nudge', assignment: 'a1' } }),
    buildOutboxRow('r3', { state: 'unknown', notice: { kind: 'nudge', assignment: 'a1' } }),
    buildOutboxRow('d1', { state: 'sent', notice: { kind: 'decision', assignment: 'a1', did: 'accepted', facts: {} } }),
    buildOutboxRow('x1', { about: 'a2' }),
    buildOutboxRow('n1', { about: null, channel: 'web' }),
  ]);
  expect(await outbox.countReminders(['a1', 'a2', 'a3'])).toEqual(new Map([['a1', 2]]));
  expect(await outbox.countsAbout('a1')).toEqual({ pending: 0, sending: 0, sent: 3, unknown: 1, dead: 0 });
  expect(await outbox.counts()).toEqual({ pending: 2, sending: 0, sent: 3, unknown: 1, dead: 0 });
});
