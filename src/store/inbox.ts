import { mongo, type Connection } from 'mongoose';
import { inboxKey, incomingSchema } from '../domain/message.ts';
import type { InboxRow, InboxStore } from '../ports.ts';
import { gatherInserts, gatherWrites } from './gathered.ts';
import { anything, defineModel, type Row } from './model.ts';

interface StoredMessage extends Omit<InboxRow, 'key'>, Row {
  /** Made by the process that stored it: rises with the order of arrival, whatever the senders' clocks say. */
  arrival: mongo.ObjectId;
  doneAt: Date | null;
}

/** Everything received; see {@link InboxStore}. */
export function createInboxStore(connection: Connection): InboxStore {
  const model = defineModel<StoredMessage>(connection, 'inbox', { incoming: anything, state: String, tries: Number, arrival: 'ObjectId', doneAt: Date }, [
    // What waits to be handled, in the order of arrival; what is done takes no room.
    [{ state: 1, arrival: 1 }, { partialFilterExpression: { state: 'new' } }],
  ]);

  const insert = gatherInserts(model);
  const write = gatherWrites(model);

  return {
    put: (incoming) => insert({ _id: inboxKey(incoming), incoming, state: 'new', tries: 0, arrival: new mongo.ObjectId(), doneAt: null }),
    async get(key) {
      const row = await model.findOne({ _id: key }).lean<StoredMessage>();
      return row && toInboxRow(row);
    },
    async begin(key) {
      const row = await model.findOneAndUpdate({ _id: key }, { $inc: { tries: 1 } }, { returnDocument: 'after' }).lean<StoredMessage>();
      return row?.tries ?? 0;
    },
    async done(key, at) {
      // The key stays, so that a repeat is known; the words go: what is to be kept of them is kept where it belongs, with consent.
      await write({ updateOne: { filter: { _id: key }, update: { $set: { state: 'done', doneAt: at, 'incoming.senderName': '', 'incoming.content': { kind: 'unsupported', what: 'done' } } } } });
    },
    async pending(limit, after) {
      const last = after === null ? null : await model.findOne({ _id: after }, { arrival: 1 }).lean<StoredMessage>();
      const beyond = last ? { arrival: { $gt: last.arrival } } : {};
      return (await model.find({ state: 'new', ...beyond }).sort({ arrival: 1 }).limit(limit).lean<StoredMessage[]>()).map(toInboxRow);
    },
  };
}

function toInboxRow(row: StoredMessage): InboxRow {
  return { key: row._id, incoming: incomingSchema.parse(row.incoming), state: row.state, tries: row.tries };
}
