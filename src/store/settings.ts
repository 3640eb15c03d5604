import type { Connection } from 'mongoose';
import type { SettingStore } from '../ports.ts';
import { anything, defineModel, insertOnce, type Row } from './model.ts';

interface SettingRow extends Row {
  value: unknown;
}

/** Small values that must survive; see {@link SettingStore}. */
export function createSettingStore(connection: Connection): SettingStore {
  const model = defineModel<SettingRow>(connection, 'settings', { value: anything }, []);
  return {
    async get<T>(key: string) {
      const row = await model.findOne({ _id: key }).lean<SettingRow>();
      return (row?.value ?? null) as T | null;
    },
    async set(key, value) {
      await model.updateOne({ _id: key }, { $set: { value } }, { upsert: true });
    },
    setOnce: (key, value) => insertOnce(model, { _id: key, value }),
    async add(key, count) {
      const row = await model.findOneAndUpdate({ _id: key }, { $inc: { value: count } }, { upsert: true, returnDocument: 'after' }).lean<SettingRow>();
      return Number(row?.value);
    },
  };
}
