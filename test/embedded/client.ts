import mongoose from 'mongoose';
import { openTestDatabase } from '../support/mongo.ts';

/** The driver that mongoose carries. */
export const { MongoClient, Long, Double, Int32, Decimal128, ObjectId, Timestamp, MinKey, MaxKey, Binary, GridFSBucket } = mongoose.mongo;

/** A client connected to a fresh database that keeps BSON types as they are. */
export interface Client {
  db: mongoose.mongo.Db;
  uri: string;
  close(): Promise<void>;
}

/** Connects; `typed` keeps Int32, Long and Double apart instead of making JavaScript numbers of them. */
export async function openClient(typed = false): Promise<Client> {
  const database = await openTestDatabase();
  const client = await MongoClient.connect(database.uri, { serverSelectionTimeoutMS: 5000, ...(typed ? { promoteValues: false } : {}) });
  return {
    db: client.db(),
    uri: database.uri,
    close: async () => {
      await client.close();
      await database.stop();
    },
  };
}

/** The code and name of the error a promise ends with; fails when it does not. */
export async function errorOf(promise: Promise<unknown>): Promise<{ code: number; codeName?: string; message: string }> {
  try {
    await promise;
  } catch (error) {
    const { code, codeName, message } = error as { code: number; codeName?: string; message: string };
    return { code: Number(code), message, ...(codeName === undefined ? {} : { codeName }) };
  }
  throw new Error('this should have been refused');
}
