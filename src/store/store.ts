import mongoose, { type Connection } from 'mongoose';
import type { Store } from '../ports.ts';
import { createAssignmentStore } from './assignments.ts';
import { createCodeStore } from './codes.ts';
import { createDraftStore } from './drafts.ts';
import { isUnreachable, StoreUnreachable } from './failure.ts';
import { createFileStore } from './files.ts';
import { createInboxStore } from './inbox.ts';
import { createLeaseStore } from './leases.ts';
import { createOutboxStore } from './outbox.ts';
import { createPersonStore } from './people.ts';
import { createPlanStore } from './plans.ts';
import { createPledgeStore } from './pledges.ts';
import { createReceiptStore } from './receipts.ts';
import { createSettingStore } from './settings.ts';
import { createSubmissionStore } from './submissions.ts';
import { createTranscriptStore } from './transcripts.ts';
import { createUnitStore } from './units.ts';
import { createWaveStore } from './waves.ts';

export { StoreUnreachable } from './failure.ts';

/** How long a call waits for a database that is away, in milliseconds, before it fails. */
const patienceMs = 5_000;
/** The database used when the address names none. */
const defaultDatabase = 'dondoc';

/** Where the database is, and whom to tell when it goes away while the service runs. */
export interface StoreOptions {
  /** `mongodb://…`, a server's or the embedded engine's own. */
  uri: string;
  onUnreachable?: (error: StoreUnreachable) => void;
}

/**
 * Connects and makes sure that every index is there. The connection is this store's own; several may live in one process. What a write
 * acknowledges is on disk, on a majority where there is a replica set. Throws {@link StoreUnreachable}.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const connection = mongoose.createConnection();
  connection.on('error', () => {}); // Each call reports its own failure; an event nobody hears would end the process.
  try {
    await connection.openUri(options.uri, {
      serverSelectionTimeoutMS: patienceMs, connectTimeoutMS: patienceMs, bufferCommands: false, autoIndex: false, autoCreate: false,
      ignoreUndefined: true, writeConcern: { w: 'majority', journal: true }, ...(namesDatabase(options.uri) ? {} : { dbName: defaultDatabase }),
    });
    const store = createStore(connection);
    await ensureIndexes(connection);
    if (options.onUnreachable) reportLoss(connection, options.onUnreachable);
    return store;
  } catch (error) {
    await connection.close(true).catch(() => {}); // The first failure is the one to tell.
    throw isUnreachable(error) ? new StoreUnreachable(error) : error;
  }
}

function createStore(connection: Connection): Store {
  const units = createUnitStore(connection);
  return {
    units,
    people: createPersonStore(connection, units),
    codes: createCodeStore(connection),
    plans: createPlanStore(connection),
    assignments: createAssignmentStore(connection),
    submissions: createSubmissionStore(connection),
    files: createFileStore(connection),
    receipts: createReceiptStore(connection),
    pledges: createPledgeStore(connection),
    waves: createWaveStore(connection),
    outbox: createOutboxStore(connection),
    inbox: createInboxStore(connection),
    drafts: createDraftStore(connection),
    transcripts: createTranscriptStore(connection),
    leases: createLeaseStore(connection),
    settings: createSettingStore(connection),
    async ping() {
      try {
        await connection.getClient().db(connection.name).command({ ping: 1 });
      } catch (error) {
        throw isUnreachable(error) ? new StoreUnreachable(error) : error;
      }
    },
    close: () => connection.close(),
  };
}

/** Builds what is missing, one after the other: indexes that are there already cost a question each. */
async function ensureIndexes(connection: Connection): Promise<void> {
  for (const model of Object.values(connection.models)) await model.createIndexes();
}

function reportLoss(connection: Connection, tell: (error: StoreUnreachable) => void): void {
  let closing = false;
  connection.on('close', () => { closing = true; });
  connection.on('disconnecting', () => { closing = true; });
  connection.on('disconnected', () => { if (!closing) tell(new StoreUnreachable(new Error('the connection was lost'))); });
}

/** Whether the address itself names a database. @example namesDatabase('mongodb://localhost:27017/') → false */
function namesDatabase(uri: string): boolean {
  return /^mongodb(\+srv)?:\/\/[^/]+\/[^?]+/.test(uri);
}
