import type { Connection } from 'mongoose';
import type { Wave } from '../domain/reminder.ts';
import type { WaveStore } from '../ports.ts';
import { defineModel, insertMissing, type Row } from './model.ts';

type WaveRow = Omit<Wave, 'id'> & Row;

/** Waves: what a tick looks at; see {@link WaveStore}. */
export function createWaveStore(connection: Connection): WaveStore {
  const model = defineModel<WaveRow>(
    connection,
    'waves',
    { kind: String, plan: String, obligation: String, lastDay: String, deadline: Date, offsets: [Number], nextAt: Date },
    // What is due now. A wave that ended has no next look and falls out of the range.
    [[{ nextAt: 1, _id: 1 }]],
  );
  return {
    async ensure(waves) {
      await insertMissing(model, waves.map(({ id, ...rest }) => ({ _id: id, ...rest })));
    },
    async get(id) {
      const row = await model.findOne({ _id: id }).lean<WaveRow>();
      return row && toWave(row);
    },
    due: async (now) => (await model.find({ nextAt: { $lte: now } }).sort({ nextAt: 1, _id: 1 }).lean<WaveRow[]>()).map(toWave),
    nextAt: async () => (await model.findOne({ nextAt: { $gt: new Date(0) } }).sort({ nextAt: 1, _id: 1 }).lean<WaveRow>())?.nextAt ?? null,
    async advance(id, from, to) {
      await model.updateOne({ _id: id, nextAt: from }, { $set: { nextAt: to } });
    },
    async setOffsets(id, offsets, nextAt) {
      await model.updateOne({ _id: id }, { $set: { offsets: [...offsets], nextAt } });
    },
  };
}

function toWave(row: WaveRow): Wave {
  const { _id, ...rest } = row;
  return { id: _id, ...rest };
}
