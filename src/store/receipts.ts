import type { Connection } from 'mongoose';
import { receiptNumber } from '../domain/submission.ts';
import type { ReceiptStore } from '../ports.ts';
import { isDuplicateKey } from './failure.ts';
import { gather } from './gathered.ts';
import { defineModel, findRows, type Row } from './model.ts';

interface ReceiptRow extends Row {
  year: number;
  count: number;
  number: string;
}

interface Asked {
  year: number;
  source: string;
}

/** Receipt numbers; see {@link ReceiptStore}. A number and the source it belongs to are one write, in the order of the numbers: nothing leaves a gap. */
export function createReceiptStore(connection: Connection): ReceiptStore {
  // The source is the key: one number each, whoever asks first. The count is unique in its year, whichever process gives it.
  const model = defineModel<ReceiptRow>(connection, 'receipts', { year: Number, count: Number, number: String }, [[{ year: 1, count: 1 }, { unique: true }]]);

  async function highestOf(year: number): Promise<number> {
    return (await model.findOne({ year }).sort({ count: -1 }).lean<ReceiptRow>())?.count ?? 0;
  }

  async function numberAll(asked: readonly Asked[]): Promise<ReceiptRow[]> {
    const highest = new Map<number, number>();
    for (const year of new Set(asked.map((each) => each.year))) highest.set(year, await highestOf(year));
    return asked.map(({ year, source }) => {
      const count = (highest.get(year) as number) + 1;
      highest.set(year, count);
      return { _id: source, year, count, number: receiptNumber(year, count) };
    });
  }

  async function givenTo(sources: readonly string[]): Promise<Map<string, string>> {
    return new Map((await findRows(model, '_id', sources)).map((row) => [row._id, row.number]));
  }

  const issue = gather<Asked, string>(async (asked) => {
    const bySource = new Map(asked.map((each) => [each.source, each]));
    let given = new Map<string, string>();
    for (;;) {
      const rows = await numberAll([...bySource.values()].filter(({ source }) => !given.has(source)));
      try {
        // Ordered: where it stops (a kill, somebody faster), what stands is without a gap.
        if (rows.length > 0) await model.collection.insertMany(rows as never, { ordered: true });
        for (const row of rows) given.set(row._id, row.number);
        return asked.map(({ source }) => given.get(source) as string);
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        // A source had its number already, or another process took one of these: what stands is kept, the rest is numbered anew.
        given = await givenTo([...bySource.keys()]);
      }
    }
  });

  return { issue: (year, source) => issue({ year, source }) };
}
