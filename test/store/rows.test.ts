import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Incoming } from '../../src/domain/message.ts';
import { confirmPledge, writePledge } from '../../src/domain/pledge.ts';
import type { PairingCode } from '../../src/domain/pairing.ts';
import type { Wave } from '../../src/domain/reminder.ts';
import { openEmbedded } from '../../src/embedded/server.ts';
import type { Store, TranscriptEntry } from '../../src/ports.ts';
import { openStore, StoreUnreachable } from '../../src/store/store.ts';
import { at, buildAssignment, buildPlan, buildPledge, buildSubmission } from '../support/builders.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

let opened: TestStore;
let store: Store;

beforeAll(async () => {
  opened = await openTestStore();
  store = opened.store;
});
afterAll(() => opened.close());

describe('plans', () => {
  test('a plan comes back as it was loaded, the newest year first, and loading it again replaces it', async () => {
    const plan = buildPlan();
    await store.plans.put(plan, at('2024-03-01'));
    await store.plans.put(buildPlan({ plan: '2025', year: 2025 }), at('2025-03-01'));
    await store.plans.put({ ...plan, number: '02/KH' }, at('2024-03-02'));
    expect(await store.plans.get('2024')).toEqual({ ...plan, number: '02/KH' });
    expect((await store.plans.list()).map((found) => found.plan)).toEqual(['2025', '2024']);
    expect(await store.plans.get('1999')).toBeNull();
  });
});

describe('codes', () => {
  const code = (hash: string, use: PairingCode['use']): PairingCode => ({ hash, unit: 'CS-01', role: 'chair', use, issuedAt: at('2024-03-01'), expiresAt: at('2024-03-31'), usedAt: null, usedBy: null });

  test('of all who try a single-use code at once exactly one gets it, and may repeat it', async () => {
    await store.codes.put([code('once', 'once')]);
    const users = Array.from({ length: 8 }, (_, index) => `telegram:${index}`);
    const won = (await Promise.all(users.map((user) => store.codes.use('once', user, at('2024-03-02'))))).map((got, index) => (got ? users[index] : null)).filter((user) => user !== null);
    expect(won).toHaveLength(1);
    expect(await store.codes.use('once', won[0] as string, at('2024-03-03'))).toBe(true);
    expect(await store.codes.find('once')).toMatchObject({ usedBy: won[0], usedAt: at('2024-03-02') });
  });

  test('putting a used code again does not make it new; a join code serves many; an unknown one serves nobody', async () => {
    await store.codes.put([code('used', 'once'), code('join', 'join')]);
    await store.codes.use('used', 'a', at('2024-03-02'));
    await store.codes.put([code('used', 'once')]);
    expect(await store.codes.use('used', 'b', at('2024-03-02'))).toBe(false);
    expect(await store.codes.use('join', 'a', at('2024-03-02'))).toBe(true);
    expect(await store.codes.use('join', 'b', at('2024-03-02'))).toBe(true);
    expect(await store.codes.use('unknown', 'a', at('2024-03-02'))).toBe(false);
  });

  test('five wrong tries within an hour lock the address for an hour, tries at the same moment are all counted', async () => {
    const tries = await Promise.all([1, 2, 3, 4].map((minute) => store.codes.countWrong('telegram:1', at('2024-03-01', `10:0${minute}`))));
    expect(Math.max(...tries.map((found) => found.tries))).toBe(4);
    expect(await store.codes.lockedUntil('telegram:1', at('2024-03-01', '10:05'))).toBeNull();
    expect(await store.codes.countWrong('telegram:1', at('2024-03-01', '10:30'))).toEqual({ tries: 5, lockedUntil: at('2024-03-01', '11:30') });
    expect(await store.codes.lockedUntil('telegram:1', at('2024-03-01', '11:00'))).toEqual(at('2024-03-01', '11:30'));
    expect(await store.codes.lockedUntil('telegram:1', at('2024-03-01', '11:30'))).toBeNull();
    expect(await store.codes.lockedUntil('telegram:2', at('2024-03-01', '10:31'))).toBeNull();
    expect((await store.codes.countWrong('telegram:1', at('2024-03-01', '12:00'))).tries).toBe(1);
    await store.codes.clearWrong('telegram:1');
    expect((await store.codes.countWrong('telegram:1', at('2024-03-01', '12:01'))).tries).toBe(1);
  });
});

describe('submissions', () => {
  const assignment = buildAssignment('S1');

  test('the same message makes one version; two messages at once are numbered on', async () => {
    const versions = ['m1', 'm2', 'm3', 'm1'].map((source) => buildSubmission(assignment, { source, version: 1 }));
    const stored = await Promise.all(versions.map((version) => store.submissions.insert(version)));
    expect(stored[3]).toEqual(stored[0]);
    const all = await store.submissions.ofAssignment(assignment.id);
    expect(all.map((version) => version.version)).toEqual([1, 2, 3]);
    expect(all.map((version) => version.source).sort()).toEqual(['m1', 'm2', 'm3']);
    expect(await store.submissions.bySource('m2')).toEqual(all.find((version) => version.source === 'm2'));
  });

  test('files of an album are added once each, and the same bytes are found until they are withdrawn', async () => {
    const one = await store.submissions.insert(buildSubmission({ ...assignment, id: 'album' }, { source: 'album-1' }));
    const file = { fileId: 'f2', name: 'Ảnh.jpg', kind: 'jpg' as const, size: 5, sha256: 'b'.repeat(64) };
    await Promise.all([store.submissions.addFile(one.id, file), store.submissions.addFile(one.id, file)]);
    const stored = await store.submissions.get(one.id);
    expect(stored?.content).toMatchObject({ files: [{ sha256: 'a'.repeat(64) }, file] });
    expect(await store.submissions.withBytes('album', file.sha256)).toEqual(stored);
    expect(await store.submissions.withBytes('album', 'c'.repeat(64))).toBeNull();
    await store.submissions.withdraw('album', at('2024-05-03'));
    await store.submissions.withdraw('album', at('2024-05-04'));
    expect((await store.submissions.get(one.id))?.withdrawnAt).toEqual(at('2024-05-03'));
    expect(await store.submissions.withBytes('album', file.sha256)).toBeNull();
  });
});

describe('receipts', () => {
  test('a source has one number however often and at the same moment it asks, and no number is used twice', async () => {
    expect(await store.receipts.issue(2024, 'first')).toBe('BN-2024-000001');
    const sources = Array.from({ length: 40 }, (_, index) => `telegram:${index % 20}`);
    const numbers = await Promise.all(sources.map((source) => store.receipts.issue(2024, source)));
    expect(new Set(numbers).size).toBe(20);
    // None is left out either: the next one follows on.
    expect([...new Set([...numbers, await store.receipts.issue(2024, 'last')])].sort()).toEqual(Array.from({ length: 21 }, (_, index) => `BN-2024-${String(index + 2).padStart(6, '0')}`));
    for (const [index, source] of sources.entries()) expect(await store.receipts.issue(2024, source)).toBe(numbers[index]);
    expect(await store.receipts.issue(2025, 'new year')).toBe('BN-2025-000001');
  });

  test('two processes that number at the same moment share the numbers without a gap, and agree on a source both ask for', async () => {
    const other = await openStore({ uri: opened.uri });
    try {
      const ask = (of: Store, who: string): Promise<string>[] => Array.from({ length: 60 }, (_, index) => of.receipts.issue(2026, index % 3 === 0 ? `both:${index}` : `${who}:${index}`));
      const [mine, theirs] = await Promise.all([Promise.all(ask(store, 'one')), Promise.all(ask(other, 'two'))]);
      for (let index = 0; index < 60; index += 3) expect(mine[index]).toBe(theirs[index]);
      const all = [...new Set([...mine, ...theirs])].sort();
      expect(all).toEqual(Array.from({ length: 100 }, (_, index) => `BN-2026-${String(index + 1).padStart(6, '0')}`));
    } finally {
      await other.close();
    }
  });
});

describe('pledges', () => {
  test('many changed at one moment, by two processes: no change is lost and none is made twice', async () => {
    const other = await openStore({ uri: opened.uri });
    try {
      const pledges = Array.from({ length: 20 }, (_, index) => buildPledge(`raced-${index}`, 'C9'));
      await store.pledges.insertMissing(pledges);
      const write = (of: Store, words: string) => pledges.map(({ id }) => of.pledges.change(id, (pledge) => writePledge(pledge, words, at('2024-04-01')), pledges.find((pledge) => pledge.id === id)));
      await Promise.all(['a', 'b', 'c'].flatMap((words) => [...write(store, `mine ${words}`), ...write(other, `theirs ${words}`)]));
      for (const { id } of pledges) {
        const stored = await store.pledges.get(id);
        expect(stored?.versions.map((version) => version.text).sort()).toEqual(['mine a', 'mine b', 'mine c', 'theirs a', 'theirs b', 'theirs c']);
        expect(stored?.rev).toBe(6);
        await store.pledges.remove(id);
      }
    } finally {
      await other.close();
    }
  });

  test('a pledge is kept once, listed by unit, counted by state and level, and races are applied one on top of the other', async () => {
    const mine = ['p1', 'p2', 'p3'].map((person) => buildPledge(person, 'C1'));
    const paper = buildPledge('paper', 'C2', { person: null, paperName: 'Lê Văn Tám', parents: ['T', 'H2'] });
    expect(await store.pledges.insertMissing([...mine, paper])).toBe(4);
    expect(await store.pledges.insertMissing(mine)).toBe(0);
    const first = mine[0]?.id as string;
    await Promise.all([1, 2, 3, 4].map((count) => store.pledges.change(first, (pledge) => writePledge(pledge, `lời hứa ${count}`, at('2024-04-01')))));
    expect((await store.pledges.get(first))?.versions).toHaveLength(4);
    await store.pledges.change(first, (pledge) => confirmPledge(pledge, at('2024-04-02'), 'BN-2024-000009'));
    const page = await store.pledges.ofUnit('2024', 'C1', { after: null, limit: 2 });
    expect([...page.items, ...(await store.pledges.ofUnit('2024', 'C1', { after: page.next, limit: 2 })).items].map((pledge) => pledge.person)).toEqual(['p1', 'p2', 'p3']);
    const counts = await store.pledges.count('2024', null);
    expect(counts).toHaveLength(3);
    expect(counts).toEqual(expect.arrayContaining([
      { level: 'co-so', state: 'confirmed', verdict: 'on-time', paper: false, count: 1 },
      { level: 'co-so', state: 'open', verdict: null, paper: false, count: 2 },
      { level: 'co-so', state: 'open', verdict: null, paper: true, count: 1 },
    ]));
    expect(await store.pledges.count('2024', 'H2')).toEqual([{ level: 'co-so', state: 'open', verdict: null, paper: true, count: 1 }]);
    expect((await store.pledges.ofWave(mine[0]?.wave as string, { after: null, limit: 9 })).items.map((pledge) => pledge.person)).toEqual(['p2', 'p3', null]);
    const streamed: string[] = [];
    for await (const pledge of store.pledges.stream('2024')) streamed.push(pledge.id);
    expect(streamed).toEqual([...mine, paper].map((pledge) => pledge.id));
    await store.pledges.remove(paper.id);
    expect(await store.pledges.get(paper.id)).toBeNull();
    await expect(store.pledges.change(paper.id, (pledge) => pledge)).rejects.toMatchObject({ code: 'pledge-none' });
  });
});

describe('waves', () => {
  const wave = (id: string, nextAt: Date | null): Wave => ({ id, kind: 'deadline', plan: '2024', obligation: 'a', lastDay: '2024-05-06', deadline: at('2024-05-07'), offsets: [-7, 0], nextAt });

  test('a look finds what is due, moves on once however many look, and what ended is never found', async () => {
    const [early, late] = [at('2024-04-29', '08:00'), at('2024-05-06', '08:00')];
    await store.waves.ensure([wave('w1', early), wave('w2', late), wave('w3', null)]);
    await store.waves.ensure([wave('w1', late)]);
    expect(await store.waves.get('w1')).toEqual(wave('w1', early));
    expect(await store.waves.nextAt()).toEqual(early);
    expect((await store.waves.due(at('2024-04-29', '07:59'))).map((found) => found.id)).toEqual([]);
    expect((await store.waves.due(early)).map((found) => found.id)).toEqual(['w1']);
    await store.waves.advance('w1', early, late);
    await store.waves.advance('w1', early, at('2024-04-30')); // Somebody who looked at the same moment.
    expect((await store.waves.get('w1'))?.nextAt).toEqual(late);
    await store.waves.setOffsets('w1', [1, 3], null);
    expect(await store.waves.get('w1')).toEqual({ ...wave('w1', null), offsets: [1, 3] });
    expect((await store.waves.due(at('2025-01-01'))).map((found) => found.id)).toEqual(['w2']);
    await store.waves.advance('w2', late, null);
    expect(await store.waves.nextAt()).toBeNull();
  });
});

describe('inbox', () => {
  const message = (messageId: string, text: string): Incoming => ({ channel: 'telegram', chat: '42', group: false, messageId, edits: null, at: at('2024-04-08', '08:00'), senderName: 'Hoa', content: { kind: 'text', text } });

  test('a message is stored once and waits in the order of arrival until it is done; then its words are gone', async () => {
    for (const id of ['b', 'a', 'c']) expect(await store.inbox.put(message(id, `lời ${id}`))).toBe(true);
    expect(await store.inbox.put(message('a', 'lời khác'))).toBe(false);
    expect((await store.inbox.pending(2, null)).map((row) => row.key)).toEqual(['telegram:b', 'telegram:a']);
    expect((await store.inbox.pending(2, 'telegram:a')).map((row) => row.key)).toEqual(['telegram:c']);
    expect([await store.inbox.begin('telegram:a'), await store.inbox.begin('telegram:a')]).toEqual([1, 2]);
    expect(await store.inbox.get('telegram:a')).toEqual({ key: 'telegram:a', incoming: message('a', 'lời a'), state: 'new', tries: 2 });
    await store.inbox.done('telegram:a', at('2024-04-08', '08:01'));
    expect((await store.inbox.pending(9, null)).map((row) => row.key)).toEqual(['telegram:b', 'telegram:c']);
    expect((await store.inbox.pending(9, 'telegram:a')).map((row) => row.key)).toEqual(['telegram:c']);
    expect(await store.inbox.put(message('a', 'lời a'))).toBe(false);
    expect(JSON.stringify(await store.inbox.get('telegram:a'))).not.toMatch(/lời|Hoa/);
    expect(await store.inbox.get('telegram:z')).toBeNull();
  });
});

describe('drafts', () => {
  const choices = (count: number) => Array.from({ length: count }, (_, index) => ({ id: `nop:${index}`, label: `Nộp ${index}` }));

  test('a draft is kept until it is cleared', async () => {
    const draft = { flow: 'confirm', data: { step: 1, facts: {} }, at: at('2024-04-08') };
    await store.drafts.set('p1', draft);
    expect(await store.drafts.get('p1')).toEqual(draft);
    await store.drafts.clear('p1');
    expect(await store.drafts.get('p1')).toBeNull();
    expect(await store.drafts.get('nobody')).toBeNull();
  });

  test('what is left of old ones is found by the beginning of the owner\'s name, a batch at a time', async () => {
    const draft = (day: string) => ({ flow: 'kept-files', data: {}, at: at(day) });
    for (const [owner, day] of [['kept/b', '2024-04-01'], ['kept/a', '2024-04-02'], ['kept/new', '2024-04-08'], ['p1', '2024-04-01']] as const) await store.drafts.set(owner, draft(day));
    await store.drafts.set('kept/ended', draft('2024-04-08'));
    await store.drafts.clear('kept/ended');
    expect(await store.drafts.old('kept/', at('2024-04-05'), 10)).toEqual([{ owner: 'kept/a', draft: draft('2024-04-02') }, { owner: 'kept/b', draft: draft('2024-04-01') }, { owner: 'kept/ended', draft: null }]);
    expect((await store.drafts.old('kept/', at('2024-04-05'), 1)).map(({ owner }) => owner)).toEqual(['kept/a']);
  });

  test('numbers run on from list to list, never twice, also when two lists are made at once; old ones are forgotten', async () => {
    const lists = await Promise.all([1, 2, 3].map(() => store.drafts.offerNumbers('p1', choices(3), at('2024-04-08'))));
    expect(lists.flat().map((offer) => offer.number).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await store.drafts.numbered('p1', 5)).toEqual(lists.flat().find((offer) => offer.number === 5)?.choice);
    expect(await store.drafts.numbered('p1', 10)).toBeNull();
    expect(await store.drafts.numbered('p2', 1)).toBeNull();
    await store.drafts.offerNumbers('p1', choices(200), at('2024-04-08'));
    expect(await store.drafts.numbered('p1', 9)).toBeNull();
    expect(await store.drafts.numbered('p1', 10)).toEqual(choices(1)[0]);
    expect(await store.drafts.offerNumbers('p1', [], at('2024-04-08'))).toEqual([]);
  });
});

describe('transcripts', () => {
  test('a chat shows its latest entries in order; a replaced one stays where it stands', async () => {
    const entry = (id: string, text: string): TranscriptEntry => ({ id, chat: 'c1', from: 'bot', at: at('2024-04-08'), text, choices: [[{ id: 'a', label: 'A' }]], document: null, plain: [text] });
    for (const id of ['1', '2', '3']) await store.transcripts.put(entry(id, `câu ${id}`));
    await store.transcripts.put({ ...entry('1', 'khác'), chat: 'c2' });
    await store.transcripts.put(entry('2', 'câu hai'));
    expect(await store.transcripts.latest('c1', 2)).toEqual([entry('2', 'câu hai'), entry('3', 'câu 3')]);
    expect((await store.transcripts.latest('c1', 9)).map((found) => found.id)).toEqual(['1', '2', '3']);
  });
});

describe('leases', () => {
  const minute = (count: number): Date => at('2024-04-08', `08:${String(count).padStart(2, '0')}`);

  test('of all who reach for a lease one has it; it can be renewed, and taken over only after it ran out, with a higher fence', async () => {
    const owners = ['a', 'b', 'c', 'd'];
    const fences = await Promise.all(owners.map((owner) => store.leases.take('sender', owner, minute(0), minute(5))));
    const winner = owners[fences.findIndex((fence) => fence !== null)] as string;
    expect(fences.filter((fence) => fence !== null)).toHaveLength(1);
    const fence = await store.leases.take('sender', winner, minute(3), minute(8));
    expect(fence).toBe(fences.find((found) => found !== null));
    expect(await store.leases.take('sender', 'z', minute(7), minute(12))).toBeNull();
    const taken = await store.leases.take('sender', 'z', minute(8), minute(13));
    expect(taken).toBeGreaterThan(fence as number);
    expect(await store.leases.holds('sender', winner, fence as number)).toBe(false);
    expect(await store.leases.holds('sender', 'z', taken as number)).toBe(true);
    await store.leases.release('sender', winner);
    expect(await store.leases.holds('sender', 'z', taken as number)).toBe(true);
    await store.leases.release('sender', 'z');
    expect(await store.leases.take('sender', 'y', minute(9), minute(14))).toBeGreaterThan(taken as number);
  });
});

describe('settings', () => {
  test('a value is kept as it is; once is once; a counter adds up from all sides', async () => {
    await store.settings.set('token', { access: 'x', empty: {} });
    expect(await store.settings.get('token')).toEqual({ access: 'x', empty: {} });
    expect(await store.settings.get('nothing')).toBeNull();
    const won = await Promise.all(['a', 'b', 'c'].map((value) => store.settings.setOnce('mark', value)));
    expect(won.filter(Boolean)).toHaveLength(1);
    await Promise.all(Array.from({ length: 10 }, () => store.settings.add('spent', 7)));
    expect(await store.settings.add('spent', 0)).toBe(70);
  });
});

describe('the store itself', () => {
  test('it answers a ping, and opening it again leaves everything as it is', async () => {
    await store.ping();
    const again = await openStore({ uri: opened.uri });
    expect((await again.plans.list()).length).toBe((await store.plans.list()).length);
    await again.close();
    await store.ping();
  });

  test('when the database goes away while the service runs, that is told once it is seen; closing on purpose is no loss', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dondoc-loss-'));
    const engine = await openEmbedded({ folder });
    const losses: string[] = [];
    const [lost, closed] = await Promise.all([
      openStore({ uri: engine.uri, onUnreachable: (error) => losses.push(error.name) }),
      openStore({ uri: engine.uri, onUnreachable: () => losses.push('closed on purpose') }),
    ]);
    await closed.close();
    await engine.stop();
    for (let waited = 0; losses.length === 0 && waited < 100; waited += 1) await sleep(100);
    expect(losses).toEqual(['StoreUnreachable']);
    await lost.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('a database that is not there is told in one readable error', async () => {
    const failure = openStore({ uri: 'mongodb://127.0.0.1:1/dondoc' });
    await expect(failure).rejects.toThrow(StoreUnreachable);
    await expect(failure).rejects.toThrow('the database cannot be reached');
  });
});
