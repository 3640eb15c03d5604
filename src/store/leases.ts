import type { Connection } from 'mongoose';
import type { LeaseStore } from '../ports.ts';
import { isDuplicateKey } from './failure.ts';
import { defineModel, type Row } from './model.ts';

interface LeaseRow extends Row {
  owner: string | null;
  until: Date;
  fence: number;
}

/** Leases on names; see {@link LeaseStore}. */
export function createLeaseStore(connection: Connection): LeaseStore {
  const model = defineModel<LeaseRow>(connection, 'leases', { owner: String, until: Date, fence: Number }, []);
  return {
    async take(name, owner, now, until) {
      // Renewing keeps the fence: nobody else had it in between, or the owner would be another.
      const renewed = await model.findOneAndUpdate({ _id: name, owner }, { $set: { until } }, { returnDocument: 'after' }).lean<LeaseRow>();
      if (renewed) return renewed.fence;
      // One that ends later than anybody could have asked for now was taken by a clock gone wrong: waiting for it could take an hour.
      const believable = new Date(2 * until.getTime() - now.getTime());
      try {
        const taken = await model
          .findOneAndUpdate({ _id: name, $or: [{ until: { $lte: now } }, { until: { $gt: believable } }] }, { $set: { owner, until }, $inc: { fence: 1 } }, { upsert: true, returnDocument: 'after' })
          .lean<LeaseRow>();
        return taken?.fence ?? null;
      } catch (error) {
        // It exists and has not run out: the upsert met its key. Somebody else has it.
        if (isDuplicateKey(error)) return null;
        throw error;
      }
    },
    holds: async (name, owner, fence) => (await model.findOne({ _id: name, owner, fence }).lean<LeaseRow>()) !== null,
    async release(name, owner) {
      await model.updateOne({ _id: name, owner }, { $set: { owner: null, until: new Date(0) } });
    },
  };
}
