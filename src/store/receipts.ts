import type { Connection } from 'mongoose';
import { receiptNumber } from '../domain/submission.ts';
import type { ReceiptStore } from '../ports.ts';
import { defineModel, insertOnce, type Row } from './model.ts';

interface ReceiptRow extends Row {
  number: string;
}

interface CounterRow extends Row {
  count: number;
}

/** Receipt numbers; see {@link ReceiptStore}. */
export function createReceiptStore(connection: Connection): ReceiptStore {
  // The source is the key: one number each, whoever asks first.
  const receipts = defineModel<ReceiptRow>(connection, 'receipts', { number: String }, []);
  const counters = defineModel<CounterRow>(connection, 'counters', { count: Number }, []);

  async function stored(source: string): Promise<string | null> {
    return (await receipts.findOne({ _id: source }).lean<ReceiptRow>())?.number ?? null;
  }

  return {
    async issue(year, source) {
      const before = await stored(source);
      if (before !== null) return before;
      // A crash or a race between the two writes leaves a gap in the numbers, never a number used twice.
      const counter = await counters.findOneAndUpdate({ _id: `receipts/${year}` }, { $inc: { count: 1 } }, { upsert: true, returnDocument: 'after' }).lean<CounterRow>();
      const number = receiptNumber(year, (counter as CounterRow).count);
      if (await insertOnce(receipts, { _id: source, number })) return number;
      return (await stored(source)) as string;
    },
  };
}
