import type { Model } from 'mongoose';
import type { AssignmentRow } from './assignments.ts';

/*
 * Who is late, page by page in unit order, at a price that depends on the page and not on the tree.
 *
 * "Overdue" needs the present time, and the list is wanted by unit. With the unit before the instant in the index a page would pass over
 * everything that is owed but not yet late (in April: nearly all of it); with the instant before the unit one range holds exactly the late
 * ones, but in the order of their instants. Instants are few, though: one for each obligation, and a day here and there for extensions and
 * corrections. So the index runs plan, path, obligation, instant, unit: for each obligation and each instant that has passed the late ones
 * stand in unit order, and a page is the merge of these few runs, `limit` entries of each at most. Keys only; the documents of the page are
 * fetched afterwards.
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

type Key = Pick<AssignmentRow, '_id' | 'unit' | 'obligation' | 'overdueAt'>;
const keyFields = { _id: 1, unit: 1, obligation: 1, overdueAt: 1 } as const;

/** The ids of the next `limit` late assignments after a place (null: from the start), by unit, obligation, id. */
export async function overdueIds(model: Model<AssignmentRow>, query: OverdueQuery, after: OverduePlace | null, limit: number): Promise<string[]> {
  const obligations = await obligationsWithDue(model, query);
  const runs = await Promise.all(obligations.map(async (obligation) => {
    const instants = await instantsPassed(model, query, obligation);
    return Promise.all(instants.map((instant) => readRun(model, query, obligation, instant, after, limit)));
  }));
  return runs.flat(2).sort(comparePlaces).slice(0, limit).map((place) => place.id);
}

/** How many are late, counted to `most`: one range of the index for each obligation. */
export async function countOverdue(model: Model<AssignmentRow>, query: OverdueQuery, most: number): Promise<number> {
  const obligations = await obligationsWithDue(model, query);
  const counts = await Promise.all(
    obligations.map((obligation) => model.countDocuments({ ...placeOf(query), obligation, overdueAt: { $lte: query.now } }, { limit: most })),
  );
  return Math.min(most, counts.reduce((sum, count) => sum + count, 0));
}

function placeOf(query: OverdueQuery): { plan: string; path: string } {
  return { plan: query.plan, path: query.root };
}

/** The obligations something is owed of here: from one to the next by a seek each, never by reading what lies between. */
async function obligationsWithDue(model: Model<AssignmentRow>, query: OverdueQuery): Promise<string[]> {
  if (query.obligation !== null) return [query.obligation];
  const found: string[] = [];
  for (;;) {
    const beyond = { $gt: found.at(-1) ?? '' };
    const next = await model.findOne({ ...placeOf(query), obligation: beyond, overdueAt: { $exists: true } }, keyFields).sort({ obligation: 1, overdueAt: 1 }).lean<Key>();
    if (!next) return found;
    found.push(next.obligation);
  }
}

async function instantsPassed(model: Model<AssignmentRow>, query: OverdueQuery, obligation: string): Promise<Date[]> {
  const found: Date[] = [];
  for (;;) {
    const beyond = { $gt: found.at(-1) ?? new Date(0), $lte: query.now };
    const next = await model.findOne({ ...placeOf(query), obligation, overdueAt: beyond }, keyFields).sort({ overdueAt: 1 }).lean<Key>();
    if (!next?.overdueAt) return found;
    found.push(next.overdueAt);
  }
}

async function readRun(model: Model<AssignmentRow>, query: OverdueQuery, obligation: string, overdueAt: Date, after: OverduePlace | null, limit: number): Promise<OverduePlace[]> {
  const run = { ...placeOf(query), obligation, overdueAt };
  const found: Key[] = [];
  for (const range of rangesAfter(obligation, after)) {
    if (found.length >= limit) break;
    found.push(...(await model.find({ ...run, ...range }, keyFields).sort({ unit: 1, _id: 1 }).limit(limit - found.length).lean<Key[]>()));
  }
  return found.map((key) => ({ unit: key.unit, obligation: key.obligation, id: key._id }));
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

/** By code units in UTF-8's order, as the index sorts; codes beyond the basic plane are the only ones where JavaScript's own order differs. */
function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
