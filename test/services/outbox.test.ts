import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OutboxRow } from '../../src/domain/notice.ts';
import type { OutboxStore, Sent } from '../../src/ports.ts';
import { at, buildOutboxRow, buildPerson } from '../support/builders.ts';
import { addPeople, freePacing, openPost, postFactor, toChat, type Post } from '../support/post.ts';

const lost: Sent = { kind: 'unknown', reason: 'no answer' };
const ok: Sent = { kind: 'ok', messageId: '1' };

let post: Post;
let people: string[];
beforeEach(async () => {
  post = await openPost({ channels: { telegram: freePacing, web: freePacing } });
  people = await addPeople(post.store, 4);
});
afterEach(() => post.close());

function reminder(key: string, change: Partial<OutboxRow> = {}): OutboxRow {
  return buildOutboxRow(key, { notice: { kind: 'reminder', assignment: 'a1', wave: 'w', offset: -7 }, person: people[0] ?? null, ...change });
}

function answer(key: string, chat: string, change: Partial<OutboxRow> = {}): OutboxRow {
  return buildOutboxRow(key, { notice: { kind: 'answer', reply: { text: key } }, priority: 0, about: null, ...toChat(chat), ...change });
}

async function row(key: string): Promise<OutboxRow> {
  const found = await post.store.outbox.get(key);
  if (!found) throw new Error(`no row ${key}`);
  return found;
}

/** A second address of the first person, used before the first one. */
async function addSecondChannel(): Promise<void> {
  await post.store.people.addAddress(people[0] as string, { channel: 'web', id: 'w0', lastAt: at('2024-01-01'), state: 'active', reason: null });
}

describe('the sender', () => {
  test('a notice leaves once, for the person’s address of the moment, and the evidence says when', async () => {
    await post.store.outbox.put([reminder('r1')]);
    post.sender('telegram');
    await post.idle();
    expect(post.letters.map(({ chat, text }) => ({ chat, text }))).toEqual([{ chat: 'c0', text: 'r1' }]);
    const sent = await row('r1');
    expect(sent).toMatchObject({ state: 'sent', messageId: '1', lease: null, attempts: [{ answer: 'ok', channel: 'telegram', reason: null }] });
    expect(sent.sentAt).toEqual(sent.attempts[0]?.answeredAt);
    await post.store.outbox.put([reminder('r1')]);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(post.letters).toHaveLength(1);
  });

  test('the words of an answer are not kept once it has left; that it left is', async () => {
    await post.store.outbox.put([answer('a1', 'c0')]);
    post.sender('telegram');
    await post.idle();
    expect(post.letters.map(({ text }) => text)).toEqual(['a1 answer']);
    expect(await row('a1')).toMatchObject({ state: 'sent', messageId: '1', notice: { kind: 'answer', reply: { text: '' } } });
  });

  test('several processes on one store send each row once', async () => {
    await post.store.outbox.put(Array.from({ length: 120 }, (_, index) => reminder(`r${index}`, { person: people[index % 4] ?? null })));
    post.sender('telegram');
    post.sender('telegram');
    post.sender('telegram');
    await post.idle();
    expect(post.letters).toHaveLength(120);
    expect(new Set(post.letters.map((letter) => letter.text)).size).toBe(120);
  });

  test('when the sending process ends, another one takes over', async () => {
    const first = post.sender('telegram');
    await post.until(() => first.state().active);
    const second = post.sender('telegram');
    await first.stop();
    await post.store.outbox.put([reminder('r1')]);
    await post.idle();
    expect(second.state()).toMatchObject({ active: true, answers: { ok: 1 } });
  });

  test('an answer that was lost: a reminder goes out once more, marked; never a third time', async () => {
    post.channel('telegram').script = [() => lost, () => lost];
    await post.store.outbox.put([reminder('r1')]);
    post.sender('telegram');
    await post.idle();
    expect(post.letters.map((letter) => letter.text)).toEqual(['r1', 'r1 again']);
    expect(await row('r1')).toMatchObject({ state: 'unknown', reason: 'no answer', attempts: [{ answer: 'unknown' }, { answer: 'unknown' }] });
  });

  test('an answer that was lost: what the person can ask for again is never doubled', async () => {
    post.channel('telegram').script = [() => lost];
    await post.store.outbox.put([answer('a1', 'c1')]);
    post.sender('telegram');
    await post.idle();
    expect(post.letters).toHaveLength(1);
    expect(await row('a1')).toMatchObject({ state: 'unknown', reason: 'no answer' });
  });

  test('lost twice on one channel, it goes to the next one the person has', async () => {
    await addSecondChannel();
    post.channel('telegram').script = [() => lost, () => lost];
    await post.store.outbox.put([reminder('r1')]);
    post.sender('telegram');
    post.sender('web');
    await post.idle();
    expect(post.letters.map(({ channel, text }) => `${channel} ${text}`)).toEqual(['telegram r1', 'telegram r1 again', 'web r1 again']);
    expect(await row('r1')).toMatchObject({ state: 'sent', channel: 'web' });
  });

  test('a blocked address ends quietly: the person is marked, later rows do not try it again', async () => {
    post.channel('telegram').script = [() => ({ kind: 'gone', reason: 'Forbidden: bot was blocked by the user' })];
    await post.store.outbox.put([reminder('r1'), reminder('r2', { createdAt: at('2024-04-08', '08:01') })]);
    post.sender('telegram');
    await post.idle();
    expect(post.letters).toEqual([]);
    expect(await row('r1')).toMatchObject({ state: 'dead', reason: 'gone: Forbidden: bot was blocked by the user' });
    expect(await row('r2')).toMatchObject({ state: 'dead', reason: 'no address', attempts: [] });
    expect((await post.store.people.get(people[0] as string))?.addresses).toMatchObject([{ state: 'gone', reason: 'Forbidden: bot was blocked by the user' }]);
  });

  test('a blocked address hands over to the other channel of that person', async () => {
    await addSecondChannel();
    post.channel('telegram').script = [() => ({ kind: 'gone', reason: 'blocked' })];
    await post.store.outbox.put([reminder('r1')]);
    post.sender('telegram');
    post.sender('web');
    await post.idle();
    expect(post.letters.map(({ channel, chat }) => `${channel} ${chat}`)).toEqual(['web w0']);
  });

  test('a closed window hands over to the other channel, and without one says why', async () => {
    post.channel('telegram').reach = () => ({ kind: 'closed', reason: '48 h passed' });
    await addSecondChannel();
    await post.store.outbox.put([reminder('r1'), reminder('r2', { person: people[1] ?? null })]);
    post.sender('telegram');
    post.sender('web');
    await post.idle();
    expect(await row('r1')).toMatchObject({ state: 'sent', channel: 'web' });
    expect(await row('r2')).toMatchObject({ state: 'dead', reason: 'window closed: 48 h passed' });
  });

  test('an address that moved is followed', async () => {
    post.channel('telegram').script = [() => ({ kind: 'gone', reason: 'upgraded', movedTo: '-1009' }), () => null, () => ({ kind: 'gone', reason: 'upgraded', movedTo: '-1010' })];
    await post.store.outbox.put([reminder('r1')]);
    post.sender('telegram');
    await post.idle();
    await post.store.outbox.put([answer('a1', 'c3')]);
    await post.idle();
    expect(post.letters.map((letter) => letter.chat)).toEqual(['-1009', '-1010']);
  });

  test('a refused call is our fault and is not tried again', async () => {
    post.channel('telegram').script = [() => ({ kind: 'refused', reason: 'Bad Request: text is empty' })];
    await post.store.outbox.put([reminder('r1')]);
    post.sender('telegram');
    await post.idle();
    expect(await row('r1')).toMatchObject({ state: 'dead', reason: 'refused: Bad Request: text is empty' });
  });

  test('a 429 for one chat rests that chat alone and keeps its order', async () => {
    post.channel('telegram').script = [() => ({ kind: 'retry', afterMs: 3000, scope: 'chat', reason: 'Too Many Requests' })];
    await post.store.outbox.put([answer('a1', 'c1'), answer('a2', 'c1', { createdAt: at('2024-04-08', '08:01') }), answer('b1', 'c2', { createdAt: at('2024-04-08', '08:02') })]);
    post.sender('telegram');
    await post.idle();
    expect(post.letters.map((letter) => letter.text)).toEqual(['b1 answer', 'a1 answer', 'a2 answer']);
    const [other, first] = post.letters;
    expect((first?.at ?? 0) - (other?.at ?? 0)).toBeGreaterThan(2800);
  });

  test('refusals from several chats at once mean the whole channel: everybody rests as long as it asks', async () => {
    const tooMany: Sent = { kind: 'retry', afterMs: 4000, scope: 'chat', reason: 'Too Many Requests' };
    post.channel('telegram').script = [() => tooMany, () => tooMany, () => tooMany];
    await post.store.outbox.put([answer('a1', 'c0'), answer('a2', 'c1'), answer('a3', 'c2')]);
    const sender = post.sender('telegram');
    await post.until(() => sender.state().circuit === 'open');
    const refusedAt = performance.now() * postFactor;
    await post.store.outbox.put([answer('a4', 'c3')]);
    await post.idle();
    expect(post.letters).toHaveLength(4);
    expect((post.letters[0]?.at ?? 0) - refusedAt).toBeGreaterThan(3500);
  });

  test('a channel that is down is tried by one row at a time and loses none', async () => {
    let down = true;
    let underWay = 0;
    let most = 0;
    post.channel('telegram').script = Array.from({ length: 200 }, () => async (): Promise<Sent> => {
      if (!down) return ok;
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setTimeout(resolve, 2));
      underWay -= 1;
      return { kind: 'retry', afterMs: 0, scope: 'channel', reason: 'ECONNREFUSED' };
    });
    await post.store.outbox.put(Array.from({ length: 60 }, (_, index) => answer(`a${index}`, `c${index}`)));
    const sender = post.sender('telegram');
    await post.until(() => sender.state().failures >= 3);
    expect(sender.state().circuit).not.toBe('closed');
    most = 0;
    await post.until(() => sender.state().failures >= 4);
    expect(most).toBe(1);
    down = false;
    await post.idle();
    expect(new Set(post.letters.map((letter) => letter.text)).size).toBe(60);
  });

  test('an outage of one channel does not slow the others', async () => {
    const [person] = people;
    await post.store.people.addAddress(people[1] as string, { channel: 'web', id: 'w1', lastAt: at('2025-01-01'), state: 'active', reason: null });
    post.channel('telegram').send = () => Promise.resolve({ kind: 'retry', afterMs: 60_000, scope: 'channel', reason: 'down' });
    await post.store.outbox.put([reminder('t', { person: person ?? null }), ...Array.from({ length: 50 }, (_, index) => reminder(`w${index}`, { person: people[1] ?? null }))]);
    post.sender('telegram');
    post.sender('web');
    await post.until(() => post.letters.length === 50);
    expect((await row('t')).state).toBe('pending');
  });

  test('rows a killed process left in the middle follow the rule of their kind', async () => {
    await post.store.outbox.put([reminder('r1'), answer('a1', 'c1')]);
    const attempt = { id: 'dead/1', at: at('2024-04-08', '08:00'), answeredAt: null, answer: null, channel: 'telegram' as const, reason: null };
    await post.store.outbox.begin(['r1', 'a1'], { owner: 'dead', until: at('2024-04-08', '08:01') }, attempt);
    post.sender('telegram');
    await post.idle();
    expect(post.letters.map((letter) => letter.text)).toEqual(['r1 again']);
    expect(await row('r1')).toMatchObject({ state: 'sent', attempts: [{ answer: 'unknown', reason: 'the sender stopped' }, { answer: 'ok' }] });
    expect(await row('a1')).toMatchObject({ state: 'unknown', reason: 'the sender stopped' });
  });

  test('a process that slept past its lease does not send what it had taken', async () => {
    const { outbox, leases } = post.store;
        let slept = false;
    const sleepy: OutboxStore = {
      ...outbox,
      async begin(keys, lease, attempt) {
        const taken = await outbox.begin(keys, lease, attempt);
        if (!slept) {
          slept = true;
          const later = new Date(Date.now() + 60_000);
          expect(await leases.take('sender/telegram', 'another process', later, new Date(later.getTime() + 6000))).not.toBeNull();
        }
        return taken;
      },
    };
    await outbox.put([reminder('r1')]);
    post.sender('telegram', { core: { ...post.core, store: { ...post.store, outbox: sleepy } } });
    await post.until(async () => slept && (await row('r1')).state === 'pending');
    expect(post.letters).toEqual([]);
  });

  test('what is no longer true or no longer of use is not sent', async () => {
    await post.store.outbox.put([reminder('untrue'), reminder('expired', { expiresAt: at('2024-04-09') }), reminder('true')]);
    post.sender('telegram', { render: async (_notice, { key }) => (key === 'untrue' ? null : { text: key }) });
    await post.idle();
    expect(post.letters.map((letter) => letter.text)).toEqual(['true']);
    expect(await row('untrue')).toMatchObject({ state: 'dead', reason: 'obsolete' });
    expect(await row('expired')).toMatchObject({ state: 'dead', reason: 'expired' });
  });

  test('a row that cannot be put into words does not hold up the others, and ends', async () => {
    await post.store.outbox.put([reminder('bad'), ...[1, 2, 3].map((index) => reminder(`good${index}`, { person: people[index] ?? null }))]);
    post.sender('telegram', { render: async (_notice, { key }) => (key === 'bad' ? Promise.reject(new Error('a bug')) : { text: key }) });
    await post.until(() => post.letters.length === 3);
    await post.idle();
    expect(await row('bad')).toMatchObject({ state: 'dead', reason: 'no words' });
  });

  test('a person who is no longer there gets nothing', async () => {
    await post.store.outbox.put([reminder('r1', { person: 'nobody' })]);
    post.sender('telegram');
    await post.idle();
    expect(await row('r1')).toMatchObject({ state: 'dead', reason: 'no address' });
  });

  test('while the database is away nothing is lost and nothing is doubled', async () => {
    let away = false;
    const { outbox } = post.store;
    const guard = async <Result>(call: () => Promise<Result>): Promise<Result> => (away ? Promise.reject(new Error('the database is away')) : call());
    const flaky: OutboxStore = {
      ...outbox,
      peek: (...given) => guard(() => outbox.peek(...given)),
      begin: (...given) => guard(() => outbox.begin(...given)),
      settle: (...given) => guard(() => outbox.settle(...given)),
      stale: (...given) => guard(() => outbox.stale(...given)),
    };
    await outbox.put(Array.from({ length: 100 }, (_, index) => reminder(`r${index}`, { person: people[index % 4] ?? null })));
    post.channel('telegram').latencyMs = 200;
    post.sender('telegram', { core: { ...post.core, store: { ...post.store, outbox: flaky } }, rate: 100 });
    for (let round = 0; round < 3; round += 1) {
      const before = post.letters.length;
      await post.until(() => post.letters.length > before);
      away = true;
      await new Promise((resolve) => setTimeout(resolve, 300));
      away = false;
    }
    await post.idle(15_000);
    expect(post.letters).toHaveLength(100);
    expect(new Set(post.letters.map((letter) => letter.text)).size).toBe(100);
  });

  test('the clock jumping an hour ahead and back stops nobody', async () => {
    const sender = post.sender('telegram');
    await post.until(() => sender.state().active);
    post.now.add(3_600_000);
    await post.store.outbox.put([answer('ahead', 'c1', { createdAt: post.core.clock(), notBefore: post.core.clock() })]);
    await post.until(() => post.letters.length === 1);
    await post.store.outbox.put([answer('from-ahead', 'c1', { createdAt: post.core.clock(), notBefore: post.core.clock() })]);
    post.now.add(-3_600_000);
    await post.store.outbox.put([answer('back', 'c2', { createdAt: post.core.clock(), notBefore: post.core.clock() })]);
    await post.idle();
    expect(post.letters).toHaveLength(3);
    const killed = post.sender('telegram');
    await sender.stop();
    await post.until(() => killed.state().active);
  });

  test('a lease left by a process whose clock was far ahead does not stop the next one', async () => {
    const ahead = new Date(Date.now() + 3_600_000);
    await post.store.leases.take('sender/telegram', 'a process an hour ahead', ahead, new Date(ahead.getTime() + 6000));
    await post.store.outbox.put([reminder('r1')]);
    post.sender('telegram');
    await post.idle();
    expect(post.letters).toHaveLength(1);
  });

  test('an answer leaves before the broadcast that was there first', async () => {
    const { core } = post;
    await post.store.outbox.put(Array.from({ length: 1000 }, (_, index) => answer(`b${index}`, `x${index}`, { notice: { kind: 'broadcast', broadcast: 'b' }, priority: 4 })));
    const sender = post.sender('telegram', { rate: 28 });
    await post.until(() => post.letters.length > 20);
    for (let index = 0; index < 5; index += 1) {
      const before = post.letters.length;
      await post.store.outbox.put([answer(`a${index}`, `y${index}`, { createdAt: core.clock() })]);
      sender.wake();
      await post.until(() => post.letters.some((letter) => letter.text === `a${index} answer`));
      // How long it took is for the benchmark to say; here, that only what was on its way already left before it, not the hundreds that wait.
      expect(post.letters.findIndex((letter) => letter.text === `a${index} answer`) - before).toBeLessThan(100);
    }
    expect((await post.store.outbox.counts()).pending).toBeGreaterThan(300);
  });

  test('stopping finishes what is in hand and leaves the rest for the next start', async () => {
    post.channel('telegram').latencyMs = 300;
    await post.store.outbox.put(Array.from({ length: 50 }, (_, index) => reminder(`r${index}`, { person: people[index % 4] ?? null })));
    const sender = post.sender('telegram');
    await post.until(() => sender.state().underWay > 0);
    await sender.stop();
    const counts = await post.store.outbox.counts();
    expect(counts.sending).toBe(0);
    expect(counts.sent).toBe(post.letters.length);
    expect(counts.pending).toBe(50 - post.letters.length);
  });

  test('a message is bound to the person, not to the channel: it goes where they last wrote', async () => {
    await post.store.people.addAddress(people[0] as string, { channel: 'web', id: 'w0', lastAt: at('2025-01-01'), state: 'active', reason: null });
    await post.store.outbox.put([reminder('r1', { channel: 'telegram' })]);
    post.sender('telegram');
    post.sender('web');
    await post.idle();
    expect(post.letters.map(({ channel, chat }) => `${channel} ${chat}`)).toEqual(['web w0']);
    expect(buildPerson('p0').addresses[0]?.channel).toBe('telegram');
  });
});
