import type { Connection, Model } from 'mongoose';
import type { AssignmentRow } from './assignment-row.ts';
import { defineModel, insertMissing, type Row } from './model.ts';

/*
 * Who is late, page by page in unit order, at a price that depends on the page and not on the tree.
 *
 * "Overdue" needs the present time, and the list is wanted by unit. With the unit before the instant in the index a page would pass over
 * everything that is owed but not yet late (in April: nearly all of it); with the instant before the unit one range holds exactly the late
 * ones, but in the order of their instants. Instants are few, though: one for each obligation, and a day here and there for extensions and
 * corrections. So the index runs plan, path, obligation, instant, unit: for each obligation and each instant that has passed the late ones
 * stand in unit order, and a page is the merge of these few runs, `limit` keys of each at most. The documents of the page are fetched
 * afterwards.
 *
 * Which instants there are is kept in a small collection of its own, `dues`, always written before the first assignment that has such an
 * instant: a crash in between leaves a due nobody has (an empty run), never an assignment that no list would find.
 */

/** Who is asked for. */
export interface OverdueQuery {
  plan: string;
  root: string;
  obligation: string | null;
  now: Date;
}

/** Where an assignment stands in the list. */
export interface OverduePlace {
  unit: string;
  obligation: string;
  id: string;
}

/** An instant from which something of an obligation is overdue. */
interface DueRow extends Row {
  plan: string;
  obligation: string;
  overdueAt: Date;
}

type Key = Pick<AssignmentRow, '_id' | 'unit' | 'obligation'>;

/** The late assignments of the plan, found by their dues. */
export interface OverdueIndex {
  /** Makes the dues of these rows known; to be awaited before the rows are written. */
  announce(rows: readonly AssignmentRow[]): Promise<void>;
  /** The ids of the next `limit` late assignments after a place (null: from the start), by unit, obligation, id. */
  page(query: OverdueQuery, after: OverduePlace | null, limit: number): Promise<string[]>;
  /** How many are late, counted to `most`: one range of the index for each obligation. */
  count(query: OverdueQuery, most: number): Promise<number>;
}

/** Finds late assignments; see the head of this file. */
export function createOverdueIndex(connection: Connection, assignments: Model<AssignmentRow>): OverdueIndex {
  // What has passed of a plan, read from the index alone.
  const dues = defineModel<DueRow>(connection, 'dues', { plan: String, obligation: String, overdueAt: Date }, [[{ plan: 1, overdueAt: 1, obligation: 1 }]]);
  /** Those this process has seen stored; they are never removed. */
  const known = new Set<string>();

  async function passed({ plan, obligation, now }: OverdueQuery): Promise<Omit<DueRow, '_id'>[]> {
    const only = obligation === null ? {} : { obligation };
    return dues.find({ plan, overdueAt: { $lte: now }, ...only }, { _id: 0, obligation: 1, overdueAt: 1 }).lean<Omit<DueRow, '_id'>[]>();
  }

  async function readRun(query: OverdueQuery, { obligation, overdueAt }: Pick<DueRow, 'obligation' | 'overdueAt'>, after: OverduePlace | null, limit: number): Promise<OverduePlace[]> {
    const found: Key[] = [];
    for (const range of rangesAfter(obligation, after)) {
      if (found.length >= limit) break;
      const run = { plan: query.plan, path: query.root, obligation, overdueAt, ...range };
      found.push(...(await assignments.find(run, { unit: 1, obligation: 1 }).sort({ unit: 1, _id: 1 }).limit(limit - found.length).lean<Key[]>()));
    }
    return found.map((key) => ({ unit: key.unit, obligation: key.obligation, id: key._id }));
  }

  return {
    async announce(rows) {
      const added = new Map<string, DueRow>();
      for (const { plan, obligation, overdueAt } of rows) {
        if (!overdueAt) continue;
        const id = `${plan}/${obligation}/${overdueAt.toISOString()}`;
        if (!known.has(id)) added.set(id, { _id: id, plan, obligation, overdueAt });
      }
      if (added.size === 0) return;
      await insertMissing(dues, [...added.values()]);
      for (const id of added.keys()) known.add(id);
    },
    async page(query, after, limit) {
      const runs = await Promise.all((await passed(query)).map((due) => readRun(query, due, after, limit)));
      return runs.flat().sort(comparePlaces).slice(0, limit).map((place) => place.id);
    },
    async count(query, most) {
      const obligations = new Set((await passed(query)).map((due) => due.obligation));
      const counts = await Promise.all(
        [...obligations].map((obligation) => assignments.countDocuments({ plan: query.plan, path: query.root, obligation, overdueAt: { $lte: query.now } }, { limit: most })),
      );
      return Math.min(most, counts.reduce((sum, count) => sum + count, 0));
    },
  };
}

/** What of one obligation follows a place: its own unit still, where the obligation or the id comes later, then the units beyond. */
function rangesAfter(obligation: string, after: OverduePlace | null): object[] {
  if (after === null) return [{}];
  const { unit } = after;
  if (obligation > after.obligation) return [{ unit: { $gte: unit } }];
  if (obligation < after.obligation) return [{ unit: { $gt: unit } }];
  return [{ unit, _id: { $gt: after.id } }, { unit: { $gt: unit } }];
}

function comparePlaces(a: OverduePlace, b: OverduePlace): number {
  return compare(a.unit, b.unit) || compare(a.obligation, b.obligation) || compare(a.id, b.id);
}

/** By the bytes of UTF-8, as the index sorts: JavaScript's own order differs beyond the basic plane. */
function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
