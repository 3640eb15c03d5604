import type { Collection } from './catalog.ts';
import { encodeDoc, pickFields } from './codec.ts';
import { coveredDocs } from './covered.ts';
import { createPacer } from './pace.ts';
import type { Plan, Query } from './plan.ts';
import { makePlan } from './plan.ts';
import type { Project } from './projection.ts';
import type { Examined, Row, Scan } from './scan.ts';
import { docOfRow, openScan } from './scan.ts';
import { createSorter, sortKeyOf } from './sort.ts';
import type { Storage } from './storage.ts';

/** A query under way. */
export interface Running {
  plan: Plan;
  examined: Examined;
  /** Rows in order, a few at a time. */
  rows: () => AsyncGenerator<Row[]>;
}

const GROUP = 64;

/**
 * Plans a query and makes it ready to be read. A collection that does not exist has no documents. `paths`: the only fields of the rows that
 * will be looked at; where an index holds them all, its entries answer and no document is fetched.
 */
export function openQuery(storage: Storage, collection: Collection, query: Query, paths?: readonly string[]): Running {
  const reach = query.limit === 0 ? 0 : query.limit + query.skip;
  const plan = makePlan(storage, collection, query.filter, query.sort, query.hint, reach);
  const scan = openScan(storage, collection, plan, paths && coveredDocs(plan, paths));
  const rows = plan.sorted ? () => readInOrder(scan, query) : () => readSorted(scan, query);
  return { plan, examined: scan.examined, rows };
}

/** The first row of a query at once, without giving others a turn: for use inside a transaction. */
export function findFirst(storage: Storage, collection: Collection, query: Query): Row | undefined {
  const plan = makePlan(storage, collection, query.filter, query.sort, query.hint, 1);
  const scan = openScan(storage, collection, plan);
  if (plan.sorted) return scan.next();
  const sorter = createSorter<Row>(1);
  for (let row = scan.next(); row; row = scan.next()) sorter.add({ key: sortKeyOf(query.sort, docOfRow(row)), item: row, bytes: row.bytes.length });
  return sorter.finish()[0];
}

/**
 * The bytes of each row as the reader wants to see it; without a projection they are the stored bytes themselves. `fields`: all the projection does is
 * to leave these, whole, so that their bytes are copied.
 */
export async function* projectRows(rows: AsyncGenerator<Row[]>, project: Project | undefined, fields: ReadonlySet<string> | undefined): AsyncGenerator<Buffer[]> {
  const shape = (row: Row): Buffer => {
    if (!project) return row.bytes;
    // A row that was made of an index entry has no bytes.
    return fields && row.bytes.length > 0 ? pickFields(row.bytes, fields) : encodeDoc(project(docOfRow(row)));
  };
  for await (const group of rows) yield group.map(shape);
}

async function* readInOrder(scan: Scan, query: Query): AsyncGenerator<Row[]> {
  const pace = createPacer();
  let left = query.limit === 0 ? Infinity : query.limit;
  for (let skipped = 0; skipped < query.skip; skipped++) {
    if (!scan.next()) return;
    if (skipped % GROUP === 0) await pace();
  }
  while (left > 0) {
    const group: Row[] = [];
    const size = Math.min(GROUP, left);
    while (group.length < size) {
      const row = scan.next();
      if (!row) {
        if (group.length > 0) yield group;
        return;
      }
      group.push(row);
    }
    left -= group.length;
    yield group;
    await pace();
  }
}

async function* readSorted(scan: Scan, query: Query): AsyncGenerator<Row[]> {
  const pace = createPacer();
  const most = query.limit === 0 ? Infinity : query.limit + query.skip;
  const sorter = createSorter<Row>(most);
  for (let row = scan.next(), n = 0; row; row = scan.next(), n++) {
    const key = sortKeyOf(query.sort, docOfRow(row));
    sorter.add({ key, item: { ...row, doc: undefined }, bytes: row.bytes.length });
    if (n % GROUP === 0) await pace();
  }
  const sorted = sorter.finish();
  for (let at = query.skip; at < sorted.length; at += GROUP) yield sorted.slice(at, at + GROUP);
}
