import type { Connection } from 'mongoose';
import { receiptNumber } from '../domain/submission.ts';
import type { ReceiptStore } from '../ports.ts';
import { defineModel, insertOnce, type Row } from './model.ts';

interface ReceiptRow extends Row {
  year: number;
  count: number;
  number: string;
}

/** The numbers that may be given next: those a crash left out first, then one more than the highest. */
interface Free {
  left: number[];
  next: number;
}

/** How far below the highest number is looked for one that was left out: many times what can be under way at once. */
const lookedBack = 1000;

/** Receipt numbers; see {@link ReceiptStore}. A number and the source it belongs to are one write, so that nothing stands between them. */
export function createReceiptStore(connection: Connection): ReceiptStore {
  // The source is the key: one number each, whoever asks first. The count is unique in its year, whichever process gives it.
  const receipts = defineModel<ReceiptRow>(connection, 'receipts', { year: Number, count: Number, number: String }, [[{ year: 1, count: 1 }, { unique: true }]]);
  const frees = new Map<number, Promise<Free>>();
  const drawing = new Map<string, Promise<string>>();

  async function stored(source: string): Promise<string | null> {
    return (await receipts.findOne({ _id: source }).lean<ReceiptRow>())?.number ?? null;
  }

  async function readFree(year: number): Promise<Free> {
    const rows = await receipts.find({ year }).sort({ count: -1 }).limit(lookedBack).lean<ReceiptRow[]>();
    const given = new Set(rows.map((row) => row.count));
    const highest = rows[0]?.count ?? 0;
    const lowest = rows.length < lookedBack ? 1 : (rows.at(-1)?.count ?? 1);
    const left = Array.from({ length: Math.max(0, highest - lowest) }, (_, index) => lowest + index).filter((count) => !given.has(count));
    return { left, next: highest + 1 };
  }

  function freeOf(year: number): Promise<Free> {
    const known = frees.get(year) ?? readFree(year);
    frees.set(year, known);
    known.catch(() => frees.delete(year));
    return known;
  }

  async function draw(year: number, source: string): Promise<string> {
    for (;;) {
      const before = await stored(source);
      if (before !== null) return before;
      const free = await freeOf(year);
      const count = free.left.shift() ?? free.next++;
      const number = receiptNumber(year, count);
      try {
        if (await insertOnce(receipts, { _id: source, year, count, number })) return number;
      } catch (error) {
        // Not written, or not known to be: the number is tried again, and found out if it was.
        free.left.push(count);
        throw error;
      }
      // Another process was faster, with this source or with this number: what is free is looked up anew.
      frees.delete(year);
    }
  }

  return {
    issue(year, source) {
      // Asked twice at the same moment, the second waits for the first: no number is drawn in vain.
      const underWay = drawing.get(source) ?? draw(year, source).finally(() => drawing.delete(source));
      drawing.set(source, underWay);
      return underWay;
    },
  };
}
