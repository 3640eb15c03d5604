import type { Plan, Query } from './plan.ts';
import type { Storage } from './storage.ts';

/** The number of matching documents from the keys alone, no further than the query's `limit` (see `countsByKeys`). */
export function countKeys(storage: Storage, plan: Plan, { skip, limit }: Pick<Query, 'skip' | 'limit'>): number {
  const most = limit === 0 ? undefined : skip + limit;
  let count = 0;
  for (const part of plan.parts) {
    for (const range of part.ranges) {
      if (most !== undefined && count >= most) break;
      count += storage.count(range, most === undefined ? undefined : most - count);
    }
  }
  return Math.max(count - skip, 0);
}

/** True when the number of index keys in the plan's ranges is the number of matching documents. */
export function countsByKeys(plan: Plan): boolean {
  return plan.parts.length === 1 && plan.parts.every((part) => part.rest === undefined && part.distinct);
}
