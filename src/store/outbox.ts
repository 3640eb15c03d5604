import type { AnyBulkWriteOperation, Connection, Model } from 'mongoose';
import { outboxRowSchema, type NoticeKind, type OutboxRow } from '../domain/notice.ts';
import type { OutboxCounts, OutboxStore, Settlement } from '../ports.ts';
import { gatherInserts } from './gathered.ts';
import { anything, batches, defineModel, insertMissing, type Row } from './model.ts';

type StoredRow = Omit<OutboxRow, 'key'> & Row;

const reminderKinds: readonly NoticeKind[] = ['reminder', 'pledge-reminder', 'nudge'];
/** Rows of one person's answer, which go to the database together with those of others; more are a batch of their own. */
const few = 20;
const noCounts: OutboxCounts = { pending: 0, sending: 0, sent: 0, unknown: 0, dead: 0 };

/** The durable outbox; see {@link OutboxStore}. Two indexes besides the key, and no more: a tick inserts 100,000 rows at once. */
export function createOutboxStore(connection: Connection): OutboxStore {
  const model: Model<StoredRow> = defineModel<StoredRow>(
    connection,
    'outbox',
    {
      notice: anything, person: String, channel: String, chat: String, priority: Number, about: String, state: String, reason: String, createdAt: Date, notBefore: Date, expiresAt: Date,
      attempts: anything, lease: anything, sentAt: Date, messageId: String, acknowledgedAt: Date,
    },
    [
      // What may leave next, what a lost sender left behind, and the counts.
      [{ channel: 1, state: 1, priority: 1, notBefore: 1, createdAt: 1, _id: 1 }],
      // The evidence in the order it was made, and the progress of a broadcast from the index alone. Answers are about nothing and stay out.
      [{ about: 1, createdAt: 1, _id: 1, state: 1 }, { partialFilterExpression: { about: { $gt: '' } } }],
    ],
  );

  async function countStates(match: object): Promise<OutboxCounts> {
    const found = await model.aggregate<{ _id: OutboxRow['state']; count: number }>([{ $match: match }, { $group: { _id: '$state', count: { $sum: 1 } } }]);
    return { ...noCounts, ...Object.fromEntries(found.map((group) => [group._id, group.count])) };
  }

  const insert = gatherInserts(model);

  return {
    async put(rows) {
      if (rows.length > few) return insertMissing(model, rows.map(toStored));
      return (await Promise.all(rows.map((row) => insert(toStored(row))))).filter(Boolean).length;
    },
    async peek(channel, now, ask) {
      const { keys, people, chats } = ask.except;
      const except = {
        ...(keys.length > 0 ? { _id: { $nin: [...keys] } } : {}),
        ...(people.length > 0 ? { person: { $nin: [...people] } } : {}),
        ...(chats.length > 0 ? { chat: { $nin: [...chats] } } : {}),
      };
      const found: StoredRow[] = [];
      // One priority at a time: within each the index gives the order, and a range of `notBefore` would break it across them.
      for (const priority of [...ask.priorities].sort((a, b) => a - b)) {
        if (found.length >= ask.limit) break;
        const ready = priority === 0 ? {} : { notBefore: { $lte: now } };
        const rows = await model
          .find({ channel, state: 'pending', priority, ...ready, ...except })
          .sort({ notBefore: 1, createdAt: 1, _id: 1 })
          .limit(ask.limit - found.length)
          .lean<StoredRow[]>();
        found.push(...rows);
      }
      return found.map(toRow);
    },
    async begin(keys, lease, attempt) {
      if (keys.length === 0) return [];
      const taken = await model.updateMany({ _id: { $in: [...keys] }, state: 'pending' }, { $set: { state: 'sending', lease }, $push: { attempts: attempt } });
      if (taken.modifiedCount === keys.length) return [...keys];
      const ours = await model.find({ _id: { $in: [...keys] }, state: 'sending', 'lease.owner': lease.owner, 'attempts.id': attempt.id }, { _id: 1 }).lean<Row[]>();
      return ours.map((row) => row._id);
    },
    async settle(settlements) {
      if (settlements.length === 0) return [];
      const result = await model.collection.bulkWrite(settlements.map(settleWrite) as never, { ordered: false });
      const keys = settlements.map((settlement) => settlement.key);
      if (result.matchedCount === settlements.length) return keys;
      // Some were taken from us. A row that stands as it was to be settled counts as settled, whoever wrote it.
      const rows = new Map((await model.find({ _id: { $in: keys } }).lean<StoredRow[]>()).map((row) => [row._id, row]));
      return settlements.filter((settlement) => standsSettled(rows.get(settlement.key), settlement)).map((settlement) => settlement.key);
    },
    async stale(channel, owner, limit) {
      return (await model.find({ channel, state: 'sending', 'lease.owner': { $ne: owner } }).limit(limit).lean<StoredRow[]>()).map(toRow);
    },
    async acknowledge(about, person, at) {
      await model.updateMany({ about, person, state: { $in: ['sending', 'sent', 'unknown'] }, acknowledgedAt: null }, { $set: { acknowledgedAt: at } });
    },
    async evidence(about, page) {
      const { from, passed } = readPlace(page.after);
      const rows = (
        await model
          .find({ about, ...(from === null ? {} : { createdAt: { $gte: from } }) })
          .sort({ createdAt: 1, _id: 1 })
          .skip(passed)
          .limit(page.limit + 1)
          .lean<StoredRow[]>()
      ).map(toRow);
      const items = rows.slice(0, page.limit);
      return { items, next: rows.length > page.limit ? writePlace(items, { from, passed }) : null };
    },
    async countReminders(about) {
      const counts = new Map<string, number>();
      for (const batch of batches([...new Set(about)])) {
        const found = await model.aggregate<{ _id: string; count: number }>([
          { $match: { about: { $in: batch }, state: 'sent', 'notice.kind': { $in: [...reminderKinds] } } },
          { $group: { _id: '$about', count: { $sum: 1 } } },
        ]);
        for (const group of found) counts.set(group._id, group.count);
      }
      return counts;
    },
    // Every channel's name is a string: a range that holds all, so that the index is read instead of the rows.
    counts: () => countStates({ channel: { $gte: '' } }),
    countsAbout: (about) => countStates({ about }),
    async get(key) {
      const row = await model.findOne({ _id: key }).lean<StoredRow>();
      return row && toRow(row);
    },
  };
}

function settleWrite(settlement: Settlement): AnyBulkWriteOperation<StoredRow> {
  const { key, owner, attempt, change } = settlement;
  const mine = [{ state: { $in: ['pending', 'sending'] }, 'lease.owner': owner }, { state: 'pending', lease: null }];
  // It did arrive: that is worth more than somebody's guess that it was lost.
  const arrived = change.state === 'sent' && attempt !== null ? [{ state: { $in: ['pending', 'unknown'] }, 'attempts.id': attempt }] : [];
  return { updateOne: { filter: { _id: key, $or: [...mine, ...arrived] }, update: { $set: { ...change, lease: null } } } } as never;
}

function standsSettled(row: StoredRow | undefined, { change }: Settlement): boolean {
  if (!row || row.lease !== null) return false;
  const last = change.attempts?.at(-1);
  return (change.state === undefined || row.state === change.state) && (last === undefined || row.attempts.some((attempt) => attempt.id === last.id && attempt.answer === last.answer));
}

interface Place {
  /** The moment of the last row shown, and how many of that moment were shown. */
  from: Date | null;
  passed: number;
}

/** A place in the evidence, short enough for a button. @example readPlace('lutx2a00.2') → { from: <that moment>, passed: 2 } */
function readPlace(text: string | null): Place {
  const match = /^([0-9a-z]{1,9})\.(\d{1,6})$/.exec(text ?? '');
  return match ? { from: new Date(Number.parseInt(match[1] as string, 36)), passed: Number(match[2]) } : { from: null, passed: 0 };
}

function writePlace(items: readonly OutboxRow[], before: Place): string {
  const moment = (items.at(-1) as OutboxRow).createdAt.getTime();
  const shown = items.filter((row) => row.createdAt.getTime() === moment).length;
  return `${moment.toString(36)}.${shown + (before.from?.getTime() === moment ? before.passed : 0)}`;
}

function toStored(row: OutboxRow): StoredRow {
  const { key, ...rest } = row;
  return { _id: key, ...rest };
}

function toRow(row: StoredRow): OutboxRow {
  const { _id, ...rest } = row;
  return outboxRowSchema.parse({ key: _id, ...rest });
}
