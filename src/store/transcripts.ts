import { mongo, type Connection } from 'mongoose';
import type { TranscriptEntry, TranscriptStore } from '../ports.ts';
import { anything, defineModel, type Row } from './model.ts';

interface TranscriptRow extends TranscriptEntry, Row {
  /** Where it stands in the chat; kept when the entry is replaced. */
  arrival: mongo.ObjectId;
}

/** What was said in web chats; see {@link TranscriptStore}. */
export function createTranscriptStore(connection: Connection): TranscriptStore {
  const model = defineModel<TranscriptRow>(
    connection,
    'transcripts',
    { id: String, chat: String, from: String, at: Date, text: String, choices: anything, document: anything, plain: anything, arrival: 'ObjectId' },
    // The latest of a chat.
    [[{ chat: 1, arrival: -1 }]],
  );
  const entryOf = ({ _id, arrival: _arrival, ...entry }: TranscriptRow): TranscriptEntry => entry;
  return {
    async put(entry) {
      await model.updateOne({ _id: `${entry.chat}/${entry.id}` }, { $set: entry, $setOnInsert: { arrival: new mongo.ObjectId() } }, { upsert: true });
    },
    async get(chat, id) {
      const row = await model.findOne({ _id: `${chat}/${id}` }).lean<TranscriptRow | null>();
      return row && entryOf(row);
    },
    async latest(chat, limit) {
      const rows = await model.find({ chat }).sort({ arrival: -1 }).limit(limit).lean<TranscriptRow[]>();
      return rows.reverse().map(entryOf);
    },
  };
}
