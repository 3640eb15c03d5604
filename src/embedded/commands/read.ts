import { openPipeline, parsePipeline } from '../aggregate.ts';
import { countKeys, countsByKeys } from '../key-count.ts';
import type { Collection } from '../catalog.ts';
import type { Depth } from '../covered.ts';
import { coveredDepth, readRuns } from '../covered.ts';
import { createCursor } from '../cursors.ts';
import { CommandFailure } from '../failure.ts';
import { parseFilter } from '../filter.ts';
import type { Index } from '../index-entries.ts';
import { rangeOf } from '../index-entries.ts';
import { hashKey } from '../key.ts';
import type { Plan, Query } from '../plan.ts';
import type { Range } from '../storage.ts';
import { isNumeric, toWhole } from '../number.ts';
import { createPacer } from '../pace.ts';
import { splitPath, visitPath } from '../path.ts';
import { compileProjection } from '../projection.ts';
import { openQuery, projectRows } from '../query.ts';
import { docOfRow } from '../scan.ts';
import { naturalOrder, parseSort } from '../sort.ts';
import type { Doc, Value } from '../value.ts';
import { docOf, isDoc, RawDoc, typeNameOf, wholeNumber } from '../value.ts';
import { encodeDoc } from '../codec.ts';
import type { Command, Engine, Request } from './command.ts';
import { collectionName, countField, docField } from './command.ts';

const FIRST_BATCH = 101;

/** The query of a `find` (or `count`, with its `query`). */
export function queryOf(body: Doc, filterField: string): Query {
  const limit = body.get('limit');
  const negative = isNumeric(limit) && (toWhole(limit) ?? 0n) < 0n;
  return {
    filter: parseFilter(docField(body, filterField)),
    sort: parseSort(body.get('sort')),
    skip: countField(body, 'skip', 0),
    limit: negative ? Number(-(toWhole(limit) as bigint)) : countField(body, 'limit', 0),
    hint: naturalOrder(body.get('sort')) ?? emptyHint(body.get('hint')),
  };
}

/** A hint of `{}` is none. */
function emptyHint(hint: Value | undefined): Value | undefined {
  return isDoc(hint) && hint.size === 0 ? undefined : hint;
}

async function* nothing(): AsyncGenerator<Buffer[]> {
  // A collection that does not exist has no documents.
}

async function* encoded(flow: AsyncGenerator<Doc[]>): AsyncGenerator<Buffer[]> {
  for await (const docs of flow) yield docs.map(encodeDoc);
}

async function firstBatch(engine: Engine, namespace: string, stream: AsyncGenerator<Buffer[]>, size: number, single: boolean): Promise<Doc> {
  const cursor = createCursor(namespace, stream);
  const batch = await cursor.take(size);
  const keep = !cursor.done && !single;
  if (keep) engine.cursors.add(cursor);
  else await cursor.close();
  return docOf({
    cursor: docOf({ firstBatch: batch.map((bytes) => new RawDoc(bytes)), id: keep ? cursor.id : 0n, ns: namespace }),
  });
}

async function find(engine: Engine, { database, body }: Request): Promise<Doc> {
  const name = collectionName(body, database);
  for (const refused of ['tailable', 'awaitData', 'returnKey', 'showRecordId', 'min', 'max', 'let']) {
    const value = body.get(refused);
    if (value === true || (isDoc(value) && value.size > 0)) throw new CommandFailure(238, `${refused} is not served by this engine`);
  }
  const query = queryOf(body, 'filter');
  const projection = docField(body, 'projection');
  const project = projection.size === 0 ? undefined : compileProjection(projection, { filter: query.filter });
  const collection = engine.catalog.find(database, name);
  const wanted = wantedOnly(projection);
  const fields = wanted?.every((path) => !path.includes('.')) ? new Set(wanted) : undefined;
  const stream = collection ? projectRows(openQuery(engine.storage, collection, query, wanted).rows(), project, fields) : nothing();
  const limit = body.get('limit');
  const single = body.get('singleBatch') === true || (isNumeric(limit) && (toWhole(limit) ?? 0n) < 0n);
  return firstBatch(engine, `${database}.${name}`, stream, countField(body, 'batchSize', FIRST_BATCH), single);
}

/** The fields a projection lists when it lists nothing else: `{ unit: 1 }` wants `_id` and `unit`. */
function wantedOnly(projection: Doc): string[] | undefined {
  const wanted = new Set<string>(['_id']);
  for (const [path, value] of projection) {
    const isOne = value === true || (isNumeric(value) && toWhole(value) === 1n);
    const isNone = value === false || (isNumeric(value) && toWhole(value) === 0n);
    if (isOne && !path.includes('$')) wanted.add(path);
    else if (isNone && path === '_id') wanted.delete(path);
    else return undefined;
  }
  return projection.size > 0 && wanted.size > 0 && (wanted.size > 1 || projection.has('_id')) ? [...wanted] : undefined;
}

async function aggregate(engine: Engine, request: Request): Promise<Doc> {
  const { database, body } = request;
  const target = body.values().next().value;
  const cursorOptions = body.get('cursor');
  if (!isDoc(cursorOptions) && body.get('explain') !== true) throw new CommandFailure(9, "The 'cursor' option is required, except for aggregate with the explain argument");
  const stages = parsePipeline(body.get('pipeline'));
  if (typeof target !== 'string') throw new CommandFailure(238, 'aggregations over a database are not served by this engine');
  const name = collectionName(body, database);
  if (body.get('explain') === true) return (await explain(engine, { ...request, body: docOf({ explain: body, verbosity: 'executionStats' }) }));
  const letFields = body.get('let');
  if (isDoc(letFields) && letFields.size > 0) throw new CommandFailure(238, 'let is not served by this engine');
  const { flow } = openPipeline(pipelineContext(engine, database), engine.catalog.find(database, name), stages, emptyHint(body.get('hint')));
  const size = isDoc(cursorOptions) ? countField(cursorOptions, 'batchSize', FIRST_BATCH) : FIRST_BATCH;
  return firstBatch(engine, `${database}.${name}`, encoded(flow()), size, false);
}

function pipelineContext(engine: Engine, database: string): Parameters<typeof openPipeline>[0] {
  return { storage: engine.storage, catalog: engine.catalog, database, now: engine.now };
}

async function getMore(engine: Engine, { database, body }: Request): Promise<Doc> {
  const id = body.get('getMore');
  if (typeof id !== 'bigint' && typeof id !== 'number') throw new CommandFailure(14, `BSON field 'getMore.getMore' is the wrong type '${typeNameOf(id)}', expected type 'long'`);
  const name = body.get('collection');
  if (typeof name !== 'string') throw new CommandFailure(14, `BSON field 'getMore.collection' is the wrong type '${typeNameOf(name)}', expected type 'string'`);
  const namespace = `${database}.${name}`;
  const cursor = engine.cursors.get(BigInt(id), namespace);
  let batch: Buffer[];
  try {
    batch = await cursor.take(countField(body, 'batchSize', 0) || Infinity);
  } catch (error) {
    engine.cursors.kill(cursor.id);
    throw error;
  }
  if (cursor.done) engine.cursors.kill(cursor.id);
  else engine.cursors.touch(cursor);
  return docOf({ cursor: docOf({ nextBatch: batch.map((bytes) => new RawDoc(bytes)), id: cursor.done ? 0n : cursor.id, ns: namespace }) });
}

function killCursors(engine: Engine, { body }: Request): Doc {
  const ids = body.get('cursors');
  if (!Array.isArray(ids)) throw new CommandFailure(14, "BSON field 'killCursors.cursors' is the wrong type, expected type 'array'");
  const killed: Value[] = [];
  const unknown: Value[] = [];
  for (const id of ids) (typeof id === 'bigint' && engine.cursors.kill(id) ? killed : unknown).push(id);
  return docOf({ cursorsKilled: killed, cursorsNotFound: unknown, cursorsAlive: [], cursorsUnknown: [] });
}

async function count(engine: Engine, { database, body }: Request): Promise<Doc> {
  const collection = engine.catalog.find(database, collectionName(body, database));
  if (!collection) return docOf({ n: 0 });
  const query = queryOf(body, 'query');
  const running = openQuery(engine.storage, collection, query);
  let n = 0;
  if (countsByKeys(running.plan)) n = countKeys(engine.storage, running.plan, query);
  else for await (const rows of running.rows()) n += rows.length;
  return docOf({ n: wholeNumber(n) });
}

async function distinct(engine: Engine, { database, body }: Request): Promise<Doc> {
  const key = body.get('key');
  if (typeof key !== 'string') throw new CommandFailure(14, `BSON field 'distinct.key' is the wrong type '${typeNameOf(key)}', expected type 'string'`);
  const collection = engine.catalog.find(database, collectionName(body, database));
  if (!collection) return docOf({ values: [] });
  const query = { ...queryOf(body, 'query'), sort: [], skip: 0, limit: 0 };
  const running = openQuery(engine.storage, collection, query);
  const found = new Map<string, Value>();
  const add = (value: Value): void => {
    const hash = hashKey(value);
    if (!found.has(hash)) found.set(hash, value);
  };
  const fields = splitPath(key);
  const jump = jumpsFor(running.plan, collection, key);
  if (jump) {
    // Nothing but the values themselves is asked for: jump from value to value in the index.
    const pace = createPacer();
    for (const range of jump.ranges) {
      for (const run of readRuns(engine.storage, jump.index, range, jump.depth)) {
        const value = run.values.get(key);
        if (value !== undefined) add(value);
        await pace();
      }
    }
  } else {
    for await (const rows of running.rows()) {
      for (const row of rows) {
        visitPath(docOfRow(row), fields, 0, (value) => {
          if (Array.isArray(value)) for (const item of value) add(item);
          else if (value !== undefined) add(value);
          return false;
        });
      }
    }
  }
  return docOf({ values: [...found.values()].toSorted((a, b) => Buffer.compare(Buffer.from(hashKey(a), 'latin1'), Buffer.from(hashKey(b), 'latin1'))) });
}

/** An index that gives the distinct values of a field for this plan without its documents. */
function jumpsFor(plan: Plan, collection: Collection, key: string): { index: Index; ranges: Range[]; depth: Depth } | undefined {
  const part = plan.parts[0];
  if (!part || plan.parts.length !== 1 || part.rest) return undefined;
  const own = plan.scan ? undefined : coveredDepth(part.index, [key]);
  if (own) return { index: part.index, ranges: part.ranges, depth: own };
  if (!plan.scan) return undefined;
  for (const index of collection.indexes) {
    const depth = index.partial || index.sparse || index.building ? undefined : coveredDepth(index, [key]);
    if (depth?.depth === 1) return { index, ranges: [rangeOf(index.id)], depth };
  }
  return undefined;
}

/** `explain` of find, count, aggregate, update, delete, distinct and findAndModify: runs the query, not the write. */
async function explain(engine: Engine, { database, body }: Request): Promise<Doc> {
  const inner = body.get('explain');
  if (!isDoc(inner)) throw new CommandFailure(14, "BSON field 'explain.explain' is the wrong type, expected type 'object'");
  const kind = inner.keys().next().value as string;
  const verbosity = body.get('verbosity') ?? 'allPlansExecution';
  const name = collectionName(inner, database);
  const collection = engine.catalog.find(database, name);
  if (!collection) return docOf({ queryPlanner: docOf({ namespace: `${database}.${name}`, winningPlan: docOf({ stage: 'EOF' }) }), executionStats: statsOf(0, { keys: 0, docs: 0 }, 0) });
  const started = performance.now();
  let returned = 0;
  let plan;
  let examined = { keys: 0, docs: 0 };
  if (kind === 'aggregate') {
    const pipeline = openPipeline(pipelineContext(engine, database), collection, parsePipeline(inner.get('pipeline')), emptyHint(inner.get('hint')));
    if (verbosity !== 'queryPlanner') for await (const docs of pipeline.flow()) returned += docs.length;
    plan = pipeline.running?.plan;
    examined = pipeline.running?.examined ?? examined;
  } else {
    const running = openQuery(engine.storage, collection, explainedQuery(kind, inner), kind === 'find' ? wantedOnly(docField(inner, 'projection')) : undefined);
    plan = running.plan;
    examined = running.examined;
    if (kind === 'count' && countsByKeys(plan)) {
      returned = countKeys(engine.storage, plan, queryOf(inner, 'query'));
      examined.keys = returned;
    } else if (verbosity !== 'queryPlanner') for await (const rows of running.rows()) returned += rows.length;
  }
  const stages = plan?.parts.map((part): Doc => {
    const found = plan.scan ? 'COLLSCAN' : 'IXSCAN';
    return docOf({
      stage: found,
      indexName: plan.scan ? undefined : part.index.name,
      keyPattern: plan.scan ? undefined : (part.index.spec.get('key') as Doc),
      isMultiKey: plan.scan ? undefined : part.index.multikey.includes(true),
      direction: part.reverse ? 'backward' : 'forward',
    });
  }) ?? [];
  const scan = stages.length === 1 ? (stages[0] as Doc) : docOf({ stage: 'OR', inputStages: stages });
  const access = plan?.scan ? scan : docOf({ stage: 'FETCH', inputStage: scan });
  const winning = plan?.sorted ? access : docOf({ stage: 'SORT', inputStage: access });
  const queryPlanner = docOf({ namespace: `${database}.${name}`, indexFilterSet: false, winningPlan: winning, rejectedPlans: [] });
  if (verbosity === 'queryPlanner') return docOf({ explainVersion: '1', queryPlanner });
  return docOf({ explainVersion: '1', queryPlanner, executionStats: statsOf(returned, examined, performance.now() - started) });
}

function explainedQuery(kind: string, inner: Doc): Query {
  if (kind === 'find') return queryOf(inner, 'filter');
  if (kind === 'count' || kind === 'distinct') return queryOf(inner, 'query');
  if (kind === 'findAndModify' || kind === 'findandmodify') return { ...queryOf(inner, 'query'), limit: 1 };
  if (kind === 'update' || kind === 'delete') {
    const first = (inner.get(kind === 'update' ? 'updates' : 'deletes') as Value[] | undefined)?.[0];
    if (!isDoc(first)) throw new CommandFailure(9, `nothing to explain in ${kind}`);
    const single = kind === 'update' ? first.get('multi') !== true : Number(first.get('limit')) === 1;
    return { ...queryOf(docOf({ filter: first.get('q'), hint: first.get('hint') }), 'filter'), limit: single ? 1 : 0 };
  }
  throw new CommandFailure(59, `Explain failed due to unknown command: ${kind}`);
}

function statsOf(returned: number, examined: { keys: number; docs: number }, ms: number): Doc {
  return docOf({
    executionSuccess: true,
    nReturned: wholeNumber(returned),
    executionTimeMillis: Math.round(ms),
    totalKeysExamined: wholeNumber(examined.keys),
    totalDocsExamined: wholeNumber(examined.docs),
  });
}

/** The commands that read. */
export const READ_COMMANDS: [string, Command][] = [
  [
    'find',
    {
      fields: ['filter', 'sort', 'projection', 'hint', 'skip', 'limit', 'batchSize', 'singleBatch', 'noCursorTimeout', 'allowPartialResults', 'allowDiskUse', 'collation', 'tailable', 'awaitData', 'returnKey', 'showRecordId', 'min', 'max', 'let', 'oplogReplay'],
      run: find,
    },
  ],
  ['aggregate', { fields: ['pipeline', 'cursor', 'explain', 'allowDiskUse', 'hint', 'collation', 'let', 'bypassDocumentValidation'], run: aggregate }],
  ['getMore', { fields: ['collection', 'batchSize'], run: getMore }],
  ['killCursors', { fields: ['cursors'], run: killCursors }],
  ['count', { fields: ['query', 'limit', 'skip', 'hint', 'collation', 'fields'], run: count }],
  ['distinct', { fields: ['key', 'query', 'hint', 'collation'], run: distinct }],
  ['explain', { fields: ['verbosity'], run: explain }],
];
