import { Schema, type AnyBulkWriteOperation, type Connection, type IndexDefinition, type IndexOptions, type Model, type SchemaDefinition, mongo } from 'mongoose';
import { isDuplicateKey } from './failure.ts';

/** Rows carried to the database in one go: large enough to be fast, small enough to keep memory and locks short. */
const batchSize = 2_000;

/** A stored document: its key is a string, and nothing of the database besides it. */
export interface Row {
  _id: string;
}

/** An index with its options; the comment beside each says which question it serves. */
export type Index = [IndexDefinition, IndexOptions?];

/** Nested values are checked by the domain's zod schemas on their way out, not a second time by the model. */
export const anything = Schema.Types.Mixed;

/**
 * Declares a collection. Empty objects are kept (`minimize: false`), an unknown field throws, and indexes are built when the store
 * opens, never in the background of the first query.
 */
export function defineModel<R extends Row>(connection: Connection, name: string, fields: SchemaDefinition, indexes: readonly Index[]): Model<R> {
  const schema = new Schema({ _id: String, ...fields }, { strict: 'throw', minimize: false, versionKey: false, id: false, autoIndex: false, autoCreate: false });
  for (const [definition, options] of indexes) schema.index(definition, options ?? {});
  return connection.model(name, schema, name) as unknown as Model<R>;
}

/**
 * The rows in which a field has one of the values, in one question. The driver's own call: where hundreds are asked for at once, casting each value and row
 * again costs as much as finding it.
 */
export function findRows<R extends Row>(model: Model<R>, field: string, values: readonly string[], projection: Record<string, 1> = {}): Promise<R[]> {
  return model.collection.find<R>({ [field]: { $in: [...new Set(values)] } } as never, { batchSize: values.length + 1, projection }).toArray();
}

/** Inserts the rows whose key (or other unique value) is not there yet and answers how many were new. */
export async function insertMissing<R extends Row>(model: Model<R>, rows: readonly R[]): Promise<number> {
  let added = 0;
  for (const batch of batches(rows)) added += (await insertNew(model, batch)).filter(Boolean).length;
  return added;
}

/**
 * Inserts the rows whose key (or other unique value) is not there yet and answers for each whether it was new; one question to the database.
 * The driver's own call: the rows are typed already, and casting each again halves the speed of a tick with 100,000 of them.
 */
export async function insertNew<R extends Row>(model: Model<R>, rows: readonly R[]): Promise<boolean[]> {
  const isNew = rows.map(() => true);
  try {
    if (rows.length > 0) await model.collection.insertMany(rows as never, { ordered: false });
  } catch (error) {
    if (!(error instanceof mongo.MongoBulkWriteError) || !isDuplicateKey(error)) throw error;
    for (const failure of [error.writeErrors].flat()) {
      if (failure.code !== error.code) throw error;
      isNew[failure.index] = false;
    }
  }
  return isNew;
}

/** Inserts or replaces by key, in batches; repeating it changes nothing. */
export async function putRows<R extends Row>(model: Model<R>, rows: readonly R[]): Promise<void> {
  for (const batch of batches(rows)) {
    const writes = batch.map((row): AnyBulkWriteOperation<R> => {
      const { _id, ...rest } = row;
      return { replaceOne: { filter: { _id }, replacement: rest, upsert: true } } as never;
    });
    await model.collection.bulkWrite(writes as never, { ordered: false });
  }
}

/** Cuts a list into batches. */
export function batches<T>(items: readonly T[], size = batchSize): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
}

/** Inserts one row; false when a unique value of it was there already. */
export async function insertOnce<R extends Row>(model: Model<R>, row: R): Promise<boolean> {
  try {
    await model.collection.insertOne(row as never);
    return true;
  } catch (error) {
    if (isDuplicateKey(error)) return false;
    throw error;
  }
}
