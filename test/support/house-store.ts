import { afterAll } from '@jest/globals';
import mongoose, { type Connection } from 'mongoose';
import type { Store } from '../../src/ports.ts';
import { openStore } from '../../src/store/store.ts';
import { openTestDatabase } from './mongo.ts';

interface Rooms {
  store: Store;
  connection: Connection;
  /** The groups as the store has them, to be put back after a test that made one of them fail. */
  groups: Map<object, object>;
  close(): Promise<void>;
}

const empty: Rooms[] = [];
const built: Rooms[] = [];

afterAll(async () => {
  for (const rooms of built) await rooms.close();
});

/**
 * An empty store. Building one (collections, indexes) takes far longer than a dialog, so `leave` sweeps it and the next test of the file moves in.
 * A test may replace functions of its groups: they are put back.
 */
export async function openHouseStore(): Promise<{ store: Store; leave(): Promise<void> }> {
  const rooms = empty.pop() ?? (await buildRooms());
  return {
    store: rooms.store,
    async leave() {
      for (const [group, functions] of rooms.groups) Object.assign(group, functions);
      // Dues are never removed by the product, which remembers those it has stored; one that nothing falls due by is harmless.
      const collections = (await rooms.connection.listCollections()).filter(({ name }) => name !== 'dues');
      await Promise.all(collections.map(({ name }) => rooms.connection.collection(name).deleteMany({})));
      empty.push(rooms);
    },
  };
}

async function buildRooms(): Promise<Rooms> {
  const database = await openTestDatabase();
  const store = await openStore({ uri: database.uri });
  const connection = await mongoose.createConnection(database.uri).asPromise();
  const groups = new Map(Object.values(store).filter((group): group is object => typeof group === 'object').map((group) => [group, { ...group }]));
  const rooms: Rooms = {
    store, connection, groups,
    async close() {
      await store.close();
      await connection.close();
      await database.stop();
    },
  };
  built.push(rooms);
  return rooms;
}
