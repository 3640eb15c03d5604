import type { Catalog } from '../catalog.ts';
import type { Cursors } from '../cursors.ts';
import { badValue, CommandFailure } from '../failure.ts';
import { isNumeric, toWhole } from '../number.ts';
import type { Storage } from '../storage.ts';
import type { Doc, Value } from '../value.ts';
import { isDoc, typeNameOf } from '../value.ts';

/** What every command works with. */
export interface Engine {
  storage: Storage;
  catalog: Catalog;
  cursors: Cursors;
  /** Milliseconds since 1970. */
  now: () => number;
  /** When the engine was started, for `serverStatus`. */
  startedAt: number;
  /** Removes the keys of dropped collections and indexes, a piece at a time. */
  sweep: () => void;
  connections: () => number;
}

/** A command as it came in. */
export interface Request {
  database: string;
  body: Doc;
  connectionId: number;
}

/** A command's work; `ok: 1` is added to what it answers. */
export interface Command {
  /** Fields the command knows besides those every command may have. */
  fields: readonly string[];
  run: (engine: Engine, request: Request) => Promise<Doc> | Doc;
}

/** Fields every command may carry. */
const GENERIC = new Set([
  '$db',
  'lsid',
  '$clusterTime',
  '$readPreference',
  'readConcern',
  'writeConcern',
  'comment',
  'maxTimeMS',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
  'maxTimeMSOpOnly',
  '$queryOptions',
]);

/** Refuses fields nobody knows (code 40415), transactions (code 20) and write concerns for other servers (code 2). */
export function checkFields(name: string, command: Command, body: Doc): void {
  for (const field of body.keys()) {
    if (GENERIC.has(field) || field === name || command.fields.includes(field) || command.fields.includes('*')) continue;
    if (['txnNumber', 'startTransaction', 'autocommit'].includes(field)) {
      throw new CommandFailure(20, 'Transaction numbers are only allowed on a replica set member or mongos');
    }
    throw new CommandFailure(40415, `BSON field '${name}.${field}' is an unknown field.`);
  }
  const concern = body.get('writeConcern');
  if (isDoc(concern)) {
    const w = concern.get('w');
    if (isNumeric(w) && (toWhole(w) ?? 0n) > 1n) throw badValue("cannot use 'w' > 1 when a host is not replicated");
    if (typeof w === 'string' && w !== 'majority') throw new CommandFailure(79, `cannot use non-majority 'w' mode "${w}" when a host is not a member of a replica set`);
  }
  const collation = body.get('collation');
  if (isDoc(collation) && collation.size > 0 && collation.get('locale') !== 'simple') throw new CommandFailure(238, 'collations other than simple are not served by this engine');
}

/** The collection a command names in its first field; code 73 for a name that cannot be one. */
export function collectionName(body: Doc, database: string): string {
  const name = body.values().next().value;
  if (typeof name !== 'string') throw new CommandFailure(73, `collection name has invalid type ${typeNameOf(name)}`);
  checkName(database, name);
  return name;
}

/** Refuses names MongoDB refuses, code 73. */
export function checkName(database: string, name: string): void {
  checkDatabase(database);
  if (name === '' || name.startsWith('.') || name.endsWith('.') || name.includes('..') || name.includes('\0') || name.includes('$')) {
    throw new CommandFailure(73, `Invalid namespace specified '${database}.${name}'`);
  }
  if (Buffer.byteLength(`${database}.${name}`) > 255) throw new CommandFailure(73, 'Fully qualified namespace is too long, 255 bytes at most');
}

/** Refuses database names MongoDB refuses, code 73. */
export function checkDatabase(database: string): void {
  if (database === '' || /[/\\. "$*<>:|?\0]/.test(database) || Buffer.byteLength(database) > 63) {
    throw new CommandFailure(73, `Invalid database name: '${database}'`);
  }
}

/** A whole number ≥ 0 from a command's field, or `otherwise` when it is absent; code 14 or 51024 when it is not one. */
export function countField(body: Doc, name: string, otherwise: number): number {
  const value = body.get(name);
  if (value === undefined || value === null) return otherwise;
  if (!isNumeric(value)) throw new CommandFailure(14, `BSON field '${name}' is the wrong type '${typeNameOf(value)}', expected types '[long, int, decimal, double]'`);
  const whole = Number(toWhole(value) ?? -1n);
  if (whole < 0) throw new CommandFailure(51024, `BSON field '${name}' value must be >= 0, actual value '${whole}'`);
  return whole;
}

/** A document from a command's field, empty when it is absent; code 14 when it is something else. */
export function docField(body: Doc, name: string): Doc {
  const value = body.get(name);
  if (value === undefined || value === null) return new Map();
  if (!isDoc(value)) throw new CommandFailure(14, `BSON field '${name}' is the wrong type '${typeNameOf(value)}', expected type 'object'`);
  return value;
}

/** The list of documents in a command's field; code 14 otherwise. */
export function docsField(body: Doc, name: string): Doc[] {
  const value = body.get(name);
  if (!Array.isArray(value)) throw new CommandFailure(14, `BSON field '${name}' is the wrong type '${typeNameOf(value)}', expected type 'array'`);
  return value.map((item: Value) => {
    if (!isDoc(item)) throw new CommandFailure(14, `BSON field '${name}' must hold objects`);
    return item;
  });
}

/** An error as a reply's fields: code, name, message and, for a taken key, the key. */
export function errorFields(error: unknown): Doc {
  const failure = error instanceof CommandFailure ? error : new CommandFailure(1, 'the engine failed unexpectedly; the operator finds the reason in its log');
  const doc: Doc = new Map<string, Value>([
    ['errmsg', failure.message],
    ['code', failure.code],
    ['codeName', failure.codeName],
  ]);
  if ('keyPattern' in failure) doc.set('keyPattern', failure.keyPattern as Doc).set('keyValue', (failure as unknown as { keyValue: Doc }).keyValue);
  return doc;
}
