import { mongo } from 'mongoose';

const duplicateKeyCode = 11_000;

/** The database cannot be reached: the process ends with exit code 69, or answers "not ready" until it is back. */
export class StoreUnreachable extends Error {
  constructor(cause: unknown) {
    super(`the database cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'StoreUnreachable';
  }
}

/** Whether an error says that the database is away (as against: that it said no). Mongoose wraps the driver's, so names are looked at. */
export function isUnreachable(error: unknown): boolean {
  if (error instanceof StoreUnreachable || error instanceof mongo.MongoNetworkError || error instanceof mongo.MongoServerSelectionError) return true;
  return error instanceof Error && /^Mongo(ose)?(ServerSelection|Network|PoolCleared|TopologyClosed|NotConnected)/.test(error.name);
}

/** Whether an insert or upsert met a unique key that was there already: the expected answer to "twice". */
export function isDuplicateKey(error: unknown): boolean {
  return error instanceof mongo.MongoServerError && error.code === duplicateKeyCode;
}
