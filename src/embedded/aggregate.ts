import type { Query } from './plan.ts';
import { wholeArgument } from './accumulator.ts';
import type { Catalog, Collection } from './catalog.ts';
import { decodeDoc, encodeDoc } from './codec.ts';
import { describeValue } from './describe.ts';
import { countKeys, countsByKeys } from './key-count.ts';
import { readCoveredGroups } from './covered.ts';
import { compileExpression } from './expression.ts';
import { CommandFailure } from './failure.ts';
import type { Filter } from './filter.ts';
import { compileFilter, parseFilter } from './filter.ts';
import type { Flow } from './group.ts';
import { compileGroup } from './group.ts';
import { createPacer } from './pace.ts';
import { splitPath } from './path.ts';
import { compileAddFields, compileProjection } from './projection.ts';
import type { Project } from './projection.ts';
import { openQuery } from './query.ts';
import type { Running } from './query.ts';
import { docOfRow } from './scan.ts';
import { createSorter, parseSort, sortKeyOf } from './sort.ts';
import type { SortKey } from './sort.ts';
import type { Storage } from './storage.ts';
import { hashKey } from './key.ts';
import { getAt } from './update-path.ts';
import type { Doc, Value } from './value.ts';
import { isDoc, typeNameOf, wholeNumber } from './value.ts';

/** One stage of a pipeline. */
export type Stage = (input: Flow) => Flow;

/** What stages that look into collections need. */
export interface PipelineContext {
  storage: Storage;
  catalog: Catalog;
  database: string;
  now: () => number;
}

/** A pipeline under way, with the query at its head for explain. */
export interface RunningPipeline {
  flow: () => Flow;
  running: Running | undefined;
  /** True when a `$group` was answered from index keys alone. */
  covered: boolean;
}

const GROUP = 64;

/**
 * Opens a pipeline over a collection (nothing for one that does not exist). Leading `$match`, `$sort`, `$skip` and
 * `$limit` become the query; a `$group` right behind it is read from an index alone when that holds all it needs.
 */
export function openPipeline(context: PipelineContext, collection: Collection | undefined, stages: Doc[], hint: Value | undefined): RunningPipeline {
  const head = takeHead(stages);
  const rest = stages.slice(head.taken);
  const compiled = rest.map((stage) => compileStage(context, stage));
  const run = (input: Flow, from: number): Flow => compiled.slice(from).reduce((flow, stage) => stage(flow), input);
  if (!collection) return { flow: () => run(emptyFlow(), 0), running: undefined, covered: false };
  const running = openQuery(context.storage, collection, { ...head.query, hint });
  const group = rest[0]?.get('$group');
  const counts = rest[0]?.get('$count');
  if (isDoc(group)) {
    const covered = readCoveredGroups(context.storage, running.plan, compileGroup(group), running.examined, head.query);
    if (covered) return { flow: () => run(covered(), 1), running, covered: true };
  }
  if (typeof counts === 'string' && countsByKeys(running.plan)) {
    const name = counts;
    return { flow: () => run(countedFlow(context.storage, running, head.query, name), 1), running, covered: true };
  }
  return { flow: () => run(decodeFlow(running), 0), running, covered: false };
}

/** Stages for an update by pipeline: only those that shape one document. Code 72 for others. */
export function compileUpdatePipeline(stages: Value[]): Project {
  const projects = stages.map((stage): Project => {
    if (!isDoc(stage) || stage.size !== 1) throw new CommandFailure(40323, 'A pipeline stage specification object must contain exactly one field.');
    const [name, argument] = [...stage][0] as [string, Value];
    if (!['$set', '$addFields', '$unset', '$project', '$replaceRoot', '$replaceWith'].includes(name)) {
      throw new CommandFailure(72, `${name} is not allowed to be used within an update`);
    }
    return shaping(name, argument) as Project;
  });
  return (doc) => projects.reduce((shaped, project) => project(shaped), doc);
}

async function* emptyFlow(): Flow {
  // Nothing to yield: the collection does not exist.
}

async function* decodeFlow(running: Running): Flow {
  for await (const rows of running.rows()) yield rows.map(docOfRow);
}

async function* countedFlow(storage: Storage, running: Running, query: Query, name: string): Flow {
  const count = countKeys(storage, running.plan, query);
  running.examined.keys += count;
  if (count > 0) yield [new Map([[name, wholeNumber(count)]])];
}

function takeHead(stages: Doc[]): { query: Query; taken: number } {
  const parts: Filter[] = [];
  let taken = 0;
  let sort: SortKey[] = [];
  let skip = 0;
  let limit = 0;
  for (; taken < stages.length; taken++) {
    const match = stages[taken]?.get('$match');
    if (match === undefined) break;
    if (!isDoc(match)) throw new CommandFailure(15959, 'the match filter must be an expression in an object');
    parts.push(parseFilter(match));
  }
  const sorting = stages[taken]?.get('$sort');
  if (sorting !== undefined) {
    sort = sortStage(sorting);
    taken++;
  }
  const skipping = stages[taken]?.get('$skip');
  if (skipping !== undefined) {
    skip = countArgument('$skip', skipping);
    taken++;
  }
  const limiting = stages[taken]?.get('$limit');
  if (limiting !== undefined) {
    limit = limitArgument(limiting);
    taken++;
  }
  return { query: { filter: { kind: 'and', parts }, sort, skip, limit, hint: undefined }, taken };
}

/** Compiles one stage; code 40324 for one the engine does not serve. */
function compileStage(context: PipelineContext, stage: Doc): Stage {
  if (stage.size !== 1) throw new CommandFailure(40323, 'A pipeline stage specification object must contain exactly one field.');
  const [name, argument] = [...stage][0] as [string, Value];
  const project = shaping(name, argument);
  if (project) return mapping(project);
  switch (name) {
    case '$match': {
      if (!isDoc(argument)) throw new CommandFailure(15959, 'the match filter must be an expression in an object');
      const matcher = compileFilter(parseFilter(argument));
      return async function* match(input) {
        for await (const docs of input) yield docs.filter(matcher);
      };
    }
    case '$group':
      if (!isDoc(argument)) throw new CommandFailure(15947, "a group's fields must be specified in an object");
      return grouping(argument);
    case '$sort':
      return sorting(sortStage(argument), Infinity);
    case '$limit':
      return limiting(limitArgument(argument));
    case '$skip':
      return skipping(countArgument('$skip', argument));
    case '$count': {
      if (typeof argument !== 'string' || argument === '' || argument.startsWith('$') || argument.includes('.')) throw new CommandFailure(40156, 'the count field must be a non-empty string without $ and .');
      return counting(argument);
    }
    case '$sortByCount': {
      const group = grouping(new Map<string, Value>([['_id', argument], ['count', new Map([['$sum', 1]])]]));
      const order = sorting(parseSort(new Map([['count', -1]])), Infinity);
      return (input) => order(group(input));
    }
    case '$unwind':
      return unwinding(argument);
    case '$lookup':
      return lookup(context, argument);
    case '$facet':
      return facets(context, argument);
    case '$out':
    case '$merge':
      throw new CommandFailure(238, `${name} is not served by this engine`);
    default:
      throw new CommandFailure(40324, `Unrecognized pipeline stage name: '${name}'`);
  }
}

/** The stages that turn one document into one; nothing for any other. */
function shaping(name: string, argument: Value): Project | undefined {
  switch (name) {
    case '$set':
    case '$addFields':
      if (!isDoc(argument)) throw new CommandFailure(40272, `${name} specification stage must be an object, got ${typeNameOf(argument)}`);
      return compileAddFields(argument);
    case '$project':
      if (!isDoc(argument)) throw new CommandFailure(15969, '$project specification must be an object');
      if (argument.size === 0) throw new CommandFailure(51272, 'Invalid $project :: caused by :: projection specification must have at least one field');
      return compileProjection(argument, undefined);
    case '$unset': {
      const paths = Array.isArray(argument) ? argument : [argument];
      if (paths.length === 0 || paths.some((path) => typeof path !== 'string')) throw new CommandFailure(31002, '$unset specification must be a string or an array of strings');
      return compileProjection(new Map(paths.map((path) => [path as string, false])), undefined);
    }
    case '$replaceRoot':
    case '$replaceWith': {
      const wanted = name === '$replaceRoot' ? (isDoc(argument) ? argument.get('newRoot') : undefined) : argument;
      if (wanted === undefined) throw new CommandFailure(40231, "no newRoot specified for the $replaceRoot stage");
      const expression = compileExpression(wanted);
      return (doc) => {
        const root = expression.evaluate(doc);
        if (!isDoc(root)) throw new CommandFailure(40228, `'newRoot' expression must evaluate to an object, but resulting value was of type ${typeNameOf(root)}`);
        return root;
      };
    }
    default:
      return undefined;
  }
}

function mapping(project: Project): Stage {
  return async function* map(input) {
    for await (const docs of input) yield docs.map(project);
  };
}

function grouping(argument: Doc): Stage {
  const group = compileGroup(argument);
  return async function* groups(input) {
    const collector = group.start();
    for await (const docs of input) for (const doc of docs) collector.add(doc, 1);
    yield* inGroups(collector.finish());
  };
}

function sortStage(argument: Value): SortKey[] {
  const sort = parseSort(argument);
  if (sort.length === 0) throw new CommandFailure(15976, '$sort stage must have at least one sort key');
  return sort;
}

function sorting(sort: SortKey[], most: number): Stage {
  return async function* sorted(input) {
    const sorter = createSorter<Buffer>(most);
    for await (const docs of input) {
      for (const doc of docs) {
        const bytes = encodeDoc(doc);
        sorter.add({ key: sortKeyOf(sort, doc), item: bytes, bytes: bytes.length });
      }
    }
    for await (const group of inGroups(sorter.finish())) yield group.map((bytes) => decodeDoc(bytes));
  };
}

function limiting(limit: number): Stage {
  return async function* limited(input) {
    let left = limit;
    for await (const docs of input) {
      yield docs.slice(0, left);
      left -= docs.length;
      if (left <= 0) return;
    }
  };
}

function skipping(count: number): Stage {
  return async function* skipped(input) {
    let left = count;
    for await (const docs of input) {
      if (left < docs.length) yield docs.slice(left);
      left = Math.max(left - docs.length, 0);
    }
  };
}

function counting(name: string): Stage {
  return async function* counted(input) {
    let count = 0;
    for await (const docs of input) count += docs.length;
    if (count > 0) yield [new Map([[name, wholeNumber(count)]])];
  };
}

function unwinding(argument: Value): Stage {
  const options = isDoc(argument) ? argument : new Map<string, Value>([['path', argument]]);
  const path = options.get('path');
  if (typeof path !== 'string' || !path.startsWith('$') || path.length < 2) throw new CommandFailure(28818, `path option to $unwind stage should be prefixed with a '$': ${describeValue(path ?? null)}`);
  const fields = splitPath(path.slice(1));
  const keepEmpty = options.get('preserveNullAndEmptyArrays') === true;
  const indexField = options.get('includeArrayIndex');
  const place = typeof indexField === 'string' ? splitPath(indexField) : undefined;
  const make = (doc: Doc, value: Value | undefined, index: number | null): Doc => {
    const copy = withAt(doc, fields, 0, value);
    return place ? withAt(copy, place, 0, index === null ? null : BigInt(index)) : copy;
  };
  const each = (doc: Doc): Doc[] => {
    const value = getAt(doc, fields);
    if (!Array.isArray(value)) {
      if (value === undefined || value === null) return keepEmpty ? [place ? make(doc, value, null) : doc] : [];
      return [place ? make(doc, value, null) : doc];
    }
    if (value.length === 0) return keepEmpty ? [make(doc, undefined, null)] : [];
    return value.map((item, i) => make(doc, item, i));
  };
  return async function* unwound(input) {
    for await (const docs of input) yield docs.flatMap(each);
  };
}

/** A copy of a document with another value (or none) at a path; what does not change is shared. */
function withAt(doc: Doc, fields: readonly string[], at: number, value: Value | undefined): Doc {
  const copy = new Map(doc);
  const field = fields[at] as string;
  if (at === fields.length - 1) {
    if (value === undefined) copy.delete(field);
    else copy.set(field, value);
  } else {
    const below = copy.get(field);
    copy.set(field, withAt(isDoc(below) ? below : new Map(), fields, at + 1, value));
  }
  return copy;
}

/** `$lookup` by equality of two fields; each document is one indexed query of the other collection. */
function lookup(context: PipelineContext, argument: Value): Stage {
  if (!isDoc(argument)) throw new CommandFailure(9, 'the $lookup specification must be an object');
  const [from, local, foreign, as] = ['from', 'localField', 'foreignField', 'as'].map((name) => argument.get(name));
  if (argument.has('let') || argument.has('pipeline')) throw new CommandFailure(238, '$lookup with a pipeline is not served by this engine');
  if (typeof from !== 'string' || typeof local !== 'string' || typeof foreign !== 'string' || typeof as !== 'string') {
    throw new CommandFailure(9, "$lookup requires 'from', 'localField', 'foreignField' and 'as' as strings");
  }
  const localFields = splitPath(local);
  const known = new Map<string, Value[]>();
  const find = async (value: Value | undefined): Promise<Value[]> => {
    const other = context.catalog.find(context.database, from);
    if (!other) return [];
    const key = hashKey(value ?? null);
    const before = known.get(key);
    if (before) return before;
    const values = Array.isArray(value) ? value : [value ?? null];
    const filter: Filter = { kind: 'field', path: foreign, fields: splitPath(foreign), test: { op: 'in', values, regexes: [] } };
    const found: Value[] = [];
    const running = openQuery(context.storage, other, { filter, sort: [], skip: 0, limit: 0, hint: undefined });
    for await (const rows of running.rows()) found.push(...rows.map(docOfRow));
    // Neighbouring documents often point at the same one; the memory of that stays small.
    if (known.size > 100) known.clear();
    known.set(key, found);
    return found;
  };
  return async function* joined(input) {
    for await (const docs of input) {
      const out: Doc[] = [];
      for (const doc of docs) out.push(withAt(doc, splitPath(as), 0, await find(compileExpression(`$${localFields.join('.')}`).evaluate(doc))));
      yield out;
    }
  };
}

function facets(context: PipelineContext, argument: Value): Stage {
  if (!isDoc(argument) || argument.size === 0) throw new CommandFailure(40169, 'the $facet specification must be a non-empty object');
  const branches = [...argument].map(([name, stages]): [string, Stage[]] => [name, parsePipeline(stages).map((stage) => compileStage(context, stage))]);
  return async function* faceted(input) {
    const all: Doc[] = [];
    const sorter = createSorter<Doc>(Infinity);
    for await (const docs of input) for (const doc of docs) sorter.add({ key: Buffer.alloc(0), item: doc, bytes: encodeDoc(doc).length });
    all.push(...sorter.finish());
    const out: Doc = new Map();
    for (const [name, stages] of branches) {
      const found: Value[] = [];
      for await (const docs of stages.reduce((flow, stage) => stage(flow), inGroups(all))) found.push(...docs);
      out.set(name, found);
    }
    yield [out];
  };
}

async function* inGroups<T>(items: readonly T[]): AsyncGenerator<T[]> {
  const pace = createPacer();
  for (let at = 0; at < items.length; at += GROUP) {
    yield items.slice(at, at + GROUP);
    await pace();
  }
}

/** A pipeline's stages as documents; code 14 for anything else. */
export function parsePipeline(value: Value | undefined): Doc[] {
  if (!Array.isArray(value)) throw new CommandFailure(14, "'pipeline' option must be specified as an array");
  return value.map((stage) => {
    if (!isDoc(stage)) throw new CommandFailure(14, 'Each element of the pipeline array must be an object');
    return stage;
  });
}

function countArgument(name: string, value: Value): number {
  const count = wholeArgument(value);
  if (count === undefined || count < 0) throw new CommandFailure(5107200, `invalid argument to ${name} stage: Expected a non-negative number`);
  return count;
}

function limitArgument(value: Value): number {
  const limit = wholeArgument(value);
  if (limit === undefined || limit < 0) throw new CommandFailure(5107201, 'invalid argument to $limit stage: Expected a non-negative number');
  if (limit === 0) throw new CommandFailure(15958, 'the limit must be positive');
  return limit;
}
