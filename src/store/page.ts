import type { Page } from '../ports.ts';

/** How many rows a stream reads at a time. */
export const streamBatch = 500;

/**
 * Makes a page of `limit + 1` rows that were read: the one too many only tells that there is a next page.
 * @example pageOf([a, b, c], 2, (row) => row.id) → { items: [a, b], next: b.id }
 */
export function pageOf<T>(rows: readonly T[], limit: number, key: (row: T) => string): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last !== undefined ? key(last) : null };
}

/**
 * Streams a list in batches, each asked for anew after the last row of the one before: no cursor stays open while the reader works,
 * and rows that change meanwhile are neither missed nor met twice, as long as `read` goes by a key that never changes.
 */
export async function* streamBatches<T>(read: (after: T | null, limit: number) => Promise<T[]>): AsyncIterable<T> {
  let after: T | null = null;
  for (;;) {
    const rows: T[] = await read(after, streamBatch);
    yield* rows;
    after = rows.at(-1) ?? null;
    if (rows.length < streamBatch) return;
  }
}
