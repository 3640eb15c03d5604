import type { Connection } from 'mongoose';
import { choiceSchema, type Choice } from '../domain/message.ts';
import type { Draft, DraftStore } from '../ports.ts';
import { anything, defineModel, type Row } from './model.ts';

/** Offers that are remembered of one person: many screens' worth, and still a small document. */
const offersKept = 200;

interface DraftRow extends Row {
  draft: Draft | null;
  /** The last number given. */
  lastNumber: number;
  offers: { number: number; choice: Choice; at: Date }[];
}

/** Drafts and offered numbers; see {@link DraftStore}. */
export function createDraftStore(connection: Connection): DraftStore {
  const model = defineModel<DraftRow>(connection, 'drafts', { draft: anything, lastNumber: Number, offers: anything }, []);
  return {
    get: async (owner) => (await model.findOne({ _id: owner }, { draft: 1 }).lean<DraftRow>())?.draft ?? null,
    async set(owner, draft) {
      await model.updateOne({ _id: owner }, { $set: { draft } }, { upsert: true });
    },
    async clear(owner) {
      await model.updateOne({ _id: owner }, { $set: { draft: null } });
    },
    async forget(owner) {
      await model.deleteOne({ _id: owner });
    },
    async old(prefix, before, limit) {
      // The range of names is what the key's own index answers; no other owner's draft is read.
      const rows = await model
        .find({ _id: { $gte: prefix, $lt: `${prefix}\uffff` }, $or: [{ draft: null }, { 'draft.at': { $lt: before } }] }, { draft: 1 })
        .sort({ _id: 1 })
        .limit(limit)
        .lean<DraftRow[]>();
      return rows.map((row) => ({ owner: row._id, draft: row.draft ?? null }));
    },
    async offerNumbers(owner, choices, at) {
      if (choices.length === 0) return [];
      // The numbers are taken first: a crash before the second write wastes some, it never gives one twice.
      const row = await model.findOneAndUpdate({ _id: owner }, { $inc: { lastNumber: choices.length } }, { upsert: true, returnDocument: 'after' }).lean<DraftRow>();
      const first = (row as DraftRow).lastNumber - choices.length + 1;
      const offered = choices.map((choice, index) => ({ number: first + index, choice }));
      await model.updateOne({ _id: owner }, { $push: { offers: { $each: offered.map((offer) => ({ ...offer, at })), $slice: -offersKept } } });
      return offered;
    },
    async numbered(owner, number) {
      const row = await model.findOne({ _id: owner }, { offers: 1 }).lean<DraftRow>();
      const offer = row?.offers?.find((found) => found.number === number);
      return offer ? choiceSchema.parse(offer.choice) : null;
    },
  };
}
