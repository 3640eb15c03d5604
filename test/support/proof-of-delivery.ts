import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { StrictBotApi } from '../../src/bench/strict-bot-api.ts';
import { resentWhenUnknown, type Notice, type OutboxRow } from '../../src/domain/notice.ts';
import type { Store } from '../../src/ports.ts';
import { buildOutboxRow } from './builders.ts';
import { addPeople } from './post.ts';
import { runCommand } from './service-process.ts';

/** The chat of row number `index`. @example chatOf(3) → '70003' */
export const chatOf = (index: number): string => String(70_000 + index);

/** Puts `count` people and rows into a store: half alarms (sent once more when in doubt), half answers (never); each says its own key, `row-<index>`. */
export async function fillOutbox(store: Store, count: number): Promise<void> {
  const people = await addPeople(store, count, 'telegram', chatOf);
  await store.outbox.put(people.map(buildRow));
}

function buildRow(person: string, index: number): OutboxRow {
  const key = `row-${index}`;
  const notice: Notice = index % 2 === 0 ? { kind: 'alert', code: key, params: {} } : { kind: 'answer', reply: { text: key } };
  return buildOutboxRow(key, { notice, about: null, ...(notice.kind === 'answer' ? { chat: chatOf(index), person: null, priority: 0 } : { person, priority: 1 }) });
}

/** Waits until the outbox of a running service has nothing left to send. */
export async function untilSettled(environment: Record<string, string>, limitMs: number): Promise<void> {
  for (const end = Date.now() + limitMs; ; await sleep(200)) {
    const counts = (await runCommand(environment, 'outbox')) as Record<string, number>;
    if (counts.pending === 0 && counts.sending === 0) return;
    if (Date.now() > end) throw new Error(`not settled: ${JSON.stringify(counts)}`);
  }
}

/**
 * Everything delivered is known, everything known as sent was delivered, doubles only by the rule of the kind and with the doubt in the evidence. Takes the rows of
 * {@link fillOutbox} after {@link untilSettled}; `others` is how many more rows there are.
 */
export async function auditRows(store: Store, api: StrictBotApi, count: number, others = 0): Promise<{ unknown: number; doubled: number }> {
  const counts = await store.outbox.counts();
  expect(counts).toMatchObject({ pending: 0, sending: 0, dead: 0 });
  expect(counts.sent + counts.unknown).toBe(count + others);
  let doubled = 0;
  for (let index = 0; index < count; index += 1) {
    const row = await store.outbox.get(`row-${index}`);
    const arrived = api.taken.filter((taken) => taken.chat === chatOf(index));
    const doubts = row?.attempts.filter((attempt) => attempt.answer === 'unknown').length ?? 0;
    expect(arrived.every((taken) => taken.text.includes(`row-${index}`))).toBe(true);
    if (row?.state === 'sent') expect(arrived.length).toBeGreaterThanOrEqual(1);
    else expect(doubts).toBeGreaterThan(0);
    if (arrived.length > 1) {
      doubled += 1;
      expect(row && resentWhenUnknown[row.notice.kind]).toBe(true);
    }
    expect(arrived.length).toBeLessThanOrEqual(doubts + 1);
  }
  return { unknown: counts.unknown, doubled };
}
