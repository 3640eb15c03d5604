import { randomBytes } from 'node:crypto';
import { decodeDoc, encodeDoc } from './codec.ts';
import { CommandFailure, EmbeddedFailure } from './failure.ts';
import { parseFilter } from './filter.ts';
import type { Index } from './index-entries.ts';
import { rangeOf } from './index-entries.ts';
import { indexFromSpec } from './index-spec.ts';
import type { Storage } from './storage.ts';
import type { Doc, Value } from './value.ts';
import { BinaryValue, docOf } from './value.ts';

/** A collection: its number (the first bytes of its documents' keys), options and indexes (`_id_` first). */
export interface Collection {
  database: string;
  name: string;
  id: number;
  uuid: BinaryValue;
  options: Doc;
  indexes: Index[];
}

/** The format of the data file this code writes; a higher one found is refused. */
export const FORMAT = 1;

/**
 * Databases, collections and indexes. Kept in memory, written through inside the caller's transaction; `reload` after a
 * transaction that failed.
 */
export interface Catalog {
  find(database: string, name: string): Collection | undefined;
  list(database: string): Collection[];
  databases(): string[];
  /** Only inside a write. */
  create(database: string, name: string, options: Doc): Collection;
  /** Only inside a write; the documents and entries have to be removed by the caller (`dropped` ranges). */
  drop(collection: Collection): void;
  rename(collection: Collection, database: string, name: string): void;
  /** The index is `building` until the caller, after its commit, says otherwise. */
  addIndex(collection: Collection, spec: Doc): Index;
  dropIndex(collection: Collection, index: Index): void;
  /** Writes what an index learnt (multikey, kinds) or a changed option. */
  save(collection: Collection): void;
  reload(): void;
}

/** Opens the catalog; throws `EmbeddedFailure` for a file of a newer format. */
export function openCatalog(storage: Storage): Catalog {
  const collections = new Map<string, Collection>();
  let nextId = 1;

  const takeId = (): number => {
    const id = nextId++;
    // Two numbers apart would be enough; the highest is left free so that `rangeOf` never overflows.
    storage.putMeta('next', encodeDoc(docOf({ id: nextId })));
    return id;
  };

  const load = (): void => {
    // A command in hand may hold on to a collection or an index: what is read again goes into the same objects.
    const known = new Map([...collections.values()].map((each) => [each.id, each]));
    collections.clear();
    const format = storage.getMeta('format');
    if (format) {
      const found = Number(decodeDoc(format).get('version'));
      if (found > FORMAT) throw new EmbeddedFailure(`The database was written by a newer version of this program (format ${found}, this one knows ${FORMAT}): install that version`, 78);
    }
    const next = storage.getMeta('next');
    nextId = next ? Number(decodeDoc(next).get('id')) : 1;
    for (const key of storage.metaNames('c/')) {
      const bytes = storage.getMeta(key);
      if (bytes) {
        const fresh = collectionFrom(decodeDoc(bytes));
        const before = known.get(fresh.id);
        const indexes = fresh.indexes.map((index) => Object.assign(before?.indexes.find((each) => each.id === index.id) ?? index, index));
        const collection = Object.assign(before ?? fresh, { ...fresh, indexes });
        collections.set(nameKey(collection.database, collection.name), collection);
      }
    }
  };
  load();

  const save = (collection: Collection): void => storage.putMeta(`c/${collection.id}`, encodeDoc(toDoc(collection)));

  return {
    find: (database, name) => collections.get(nameKey(database, name)),
    list: (database) => [...collections.values()].filter((each) => each.database === database).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    databases: () => [...new Set([...collections.values()].map((each) => each.database))].toSorted(),
    create: (database, name, options) => {
      if (!storage.getMeta('format')) storage.putMeta('format', encodeDoc(docOf({ version: FORMAT })));
      const id = takeId();
      const uuid = randomBytes(16);
      uuid[6] = ((uuid[6] as number) & 0x0f) | 0x40;
      uuid[8] = ((uuid[8] as number) & 0x3f) | 0x80;
      const collection: Collection = { database, name, id, uuid: new BinaryValue(4, uuid), options, indexes: [] };
      collection.indexes.push(indexFromSpec(id, docOf({ v: 2, key: docOf({ _id: 1 }), name: '_id_' }), true));
      collections.set(nameKey(database, name), collection);
      save(collection);
      return collection;
    },
    drop: (collection) => {
      collections.delete(nameKey(collection.database, collection.name));
      storage.removeMeta(`c/${collection.id}`);
    },
    rename: (collection, database, name) => {
      collections.delete(nameKey(collection.database, collection.name));
      collection.database = database;
      collection.name = name;
      collections.set(nameKey(database, name), collection);
      save(collection);
    },
    addIndex: (collection, spec) => {
      const index = indexFromSpec(takeId(), spec, false);
      index.building = true;
      collection.indexes.push(index);
      save(collection);
      return index;
    },
    dropIndex: (collection, index) => {
      collection.indexes = collection.indexes.filter((each) => each !== index);
      save(collection);
    },
    save,
    reload: load,
  };
}

/** Every range of keys a collection occupies. */
export function rangesOf(collection: Collection): { start: Buffer; end: Buffer }[] {
  return collection.indexes.map((index) => rangeOf(index.id));
}

/** The collection, or code 26 when there is none. */
export function requireCollection(catalog: Catalog, database: string, name: string): Collection {
  const collection = catalog.find(database, name);
  if (!collection) throw new CommandFailure(26, `ns does not exist: ${database}.${name}`);
  return collection;
}

function nameKey(database: string, name: string): string {
  return `${database}\0${name}`;
}

function toDoc(collection: Collection): Doc {
  return docOf({
    database: collection.database,
    name: collection.name,
    id: collection.id,
    uuid: collection.uuid,
    options: collection.options,
    indexes: collection.indexes.map((index) =>
      docOf({ id: index.id, spec: index.spec, multikey: [...index.multikey], kinds: [...index.kinds] }),
    ),
  });
}

function collectionFrom(doc: Doc): Collection {
  const id = doc.get('id') as number;
  return {
    database: doc.get('database') as string,
    name: doc.get('name') as string,
    id,
    uuid: doc.get('uuid') as BinaryValue,
    options: doc.get('options') as Doc,
    indexes: (doc.get('indexes') as Doc[]).map((stored) => {
      const index = indexFromSpec(stored.get('id') as number, stored.get('spec') as Doc, stored.get('id') === id);
      index.multikey = stored.get('multikey') as boolean[];
      index.kinds = (stored.get('kinds') as Value[]).map(Number);
      if (index.partial) index.partial.filter = parseFilter(index.partial.doc);
      return index;
    }),
  };
}
