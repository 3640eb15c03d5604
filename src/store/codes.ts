import type { Connection } from 'mongoose';
import { lockMs, pairingCodeSchema, wrongTryLimit, type PairingCode } from '../domain/pairing.ts';
import type { CodeStore } from '../ports.ts';
import { defineModel, insertMissing, type Row } from './model.ts';

type CodeRow = Omit<PairingCode, 'hash'> & Row;

interface TryRow extends Row {
  /** The latest wrong tries, no more than the limit: the lock follows from them, so that no second write can be lost. */
  tries: Date[];
}

/** Tries are counted over the same hour a lock lasts. */
const windowMs = lockMs;

/** Pairing codes by hash, and wrong tries by address; see {@link CodeStore}. */
export function createCodeStore(connection: Connection): CodeStore {
  const codes = defineModel<CodeRow>(connection, 'codes', { unit: String, role: String, use: String, issuedAt: Date, expiresAt: Date, usedAt: Date, usedBy: String }, []);
  const tries = defineModel<TryRow>(connection, 'tries', { tries: [Date] }, []);

  async function find(hash: string): Promise<PairingCode | null> {
    const row = await codes.findOne({ _id: hash }).lean<CodeRow>();
    if (!row) return null;
    const { _id, ...rest } = row;
    return pairingCodeSchema.parse({ hash: _id, ...rest });
  }

  return {
    async put(issued) {
      await insertMissing(codes, issued.map(({ hash, ...rest }) => ({ _id: hash, ...rest })));
    },
    find,
    async use(hash, by, at) {
      const marked = await codes.updateOne({ _id: hash, use: 'once', usedBy: null }, { $set: { usedBy: by, usedAt: at } });
      if (marked.matchedCount === 1) return true;
      const code = await find(hash);
      return code !== null && (code.use === 'join' || code.usedBy === by);
    },
    async countWrong(address, at) {
      const row = await tries.findOneAndUpdate({ _id: address }, { $push: { tries: { $each: [at], $slice: -wrongTryLimit } } }, { upsert: true, returnDocument: 'after' }).lean<TryRow>();
      return judgeTries(row?.tries ?? [], at);
    },
    lockedUntil: async (address, at) => judgeTries((await tries.findOne({ _id: address }).lean<TryRow>())?.tries ?? [], at).lockedUntil,
    async clearWrong(address) {
      await tries.deleteOne({ _id: address });
    },
  };
}

function judgeTries(all: readonly Date[], at: Date): { tries: number; lockedUntil: Date | null } {
  const recent = all.filter((tried) => tried.getTime() > at.getTime() - windowMs);
  const latest = Math.max(...recent.map((tried) => tried.getTime()));
  return { tries: recent.length, lockedUntil: recent.length >= wrongTryLimit ? new Date(latest + lockMs) : null };
}
