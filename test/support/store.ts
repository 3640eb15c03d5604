import { jest } from '@jest/globals';
import mongoose, { type Connection, type mongo } from 'mongoose';
import type { Store } from '../../src/ports.ts';
import { openStore } from '../../src/store/store.ts';
import { openTestDatabase } from './mongo.ts';

/** A real store on an empty database of its own. */
export interface TestStore {
  store: Store;
  uri: string;
  /** Runs something and explains every query it sent, as the database itself counts: read, updated and deleted by which plan. */
  explain(run: () => Promise<unknown>): Promise<Explained[]>;
  close(): Promise<void>;
}

/** What one command cost. */
export interface Explained {
  command: mongo.Document;
  /** The stages of the winning plan, from the outside in. */
  stages: string[];
  returned: number;
  examined: { keys: number; documents: number };
}

/** Opens the store on the embedded engine, or on the server named by `TEST_MONGODB_URI`. */
export async function openTestStore(): Promise<TestStore> {
  const database = await openTestDatabase();
  const { store, connection } = await openWatched(database.uri);
  const client = connection.getClient();
  return {
    store,
    uri: database.uri,
    async explain(run) {
      const sent: mongo.Document[] = [];
      const note = (event: mongo.CommandStartedEvent): void => { sent.push(event.command); };
      client.on('commandStarted', note);
      await run();
      client.off('commandStarted', note);
      return Promise.all(sent.flatMap(queryOf).map((query) => explainOne(client.db(connection.name), query)));
    },
    async close() {
      await store.close();
      await database.stop();
    },
  };
}

/** Whether the database tells what a query cost; a server that cannot is not asked. */
export async function canExplain(): Promise<boolean> {
  const database = await openTestDatabase();
  const connection = await mongoose.createConnection(database.uri).asPromise();
  try {
    const told = await explainOne(connection.getClient().db(connection.name), { find: 'nothing' }).catch(() => null);
    return told !== null;
  } finally {
    await connection.close();
    await database.stop();
  }
}

/** The store keeps its connection to itself; here it is caught on its way out of mongoose, with its commands made visible. */
async function openWatched(uri: string): Promise<{ store: Store; connection: Connection }> {
  const create = mongoose.createConnection.bind(mongoose) as () => Connection;
  let connection: Connection | undefined;
  const spy = jest.spyOn(mongoose, 'createConnection').mockImplementation((() => {
    connection = create();
    const open = connection.openUri.bind(connection);
    connection.openUri = (address, options) => open(address, { ...options, monitorCommands: true });
    return connection;
  }) as never);
  try {
    return { store: await openStore({ uri }), connection: connection as unknown as Connection };
  } finally {
    spy.mockRestore();
  }
}

const explainable = ['find', 'aggregate', 'findAndModify', 'update', 'delete'] as const;
const sessionFields = new Set(['lsid', '$db', '$clusterTime', 'writeConcern', 'txnNumber']);

/** Each statement of an update or delete is a query of its own. */
function queryOf(command: mongo.Document): mongo.Document[] {
  const name = explainable.find((known) => known in command);
  if (!name) return [];
  const plain = Object.fromEntries(Object.entries(command).filter(([field]) => !sessionFields.has(field)));
  const many = name === 'update' ? 'updates' : name === 'delete' ? 'deletes' : null;
  return many === null ? [plain] : (command[many] as mongo.Document[]).map((statement) => ({ ...plain, [many]: [statement] }));
}

async function explainOne(database: mongo.Db, command: mongo.Document): Promise<Explained> {
  const answer = await database.command({ explain: command, verbosity: 'executionStats' });
  const root = (answer['stages'] as mongo.Document[] | undefined)?.[0]?.['$cursor'] as mongo.Document | undefined ?? answer;
  const stats = root['executionStats'] as { nReturned: number; totalKeysExamined: number; totalDocsExamined: number };
  const stages: string[] = [];
  const walk = (stage: mongo.Document | undefined): void => {
    if (!stage) return;
    if (typeof stage['stage'] === 'string') stages.push(stage['stage']);
    walk((stage['queryPlan'] ?? stage['inputStage']) as mongo.Document | undefined);
    for (const input of (stage['inputStages'] as mongo.Document[] | undefined) ?? []) walk(input);
  };
  walk(root['queryPlanner']['winningPlan'] as mongo.Document);
  return { command, stages, returned: stats.nReturned, examined: { keys: stats.totalKeysExamined, documents: stats.totalDocsExamined } };
}
