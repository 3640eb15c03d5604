import { randomBytes } from 'node:crypto';
import type { Connection, Model } from 'mongoose';
import { addressKey, personSchema, recipientSchema, type Address, type Person, type Recipient, type Role } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import { nameSortKey } from '../domain/spelling.ts';
import type { PersonStore, UnitStore } from '../ports.ts';
import { isDuplicateKey } from './failure.ts';
import { gatherFinds } from './gathered.ts';
import { anything, batches, defineModel, findRows, insertOnce, type Row } from './model.ts';
import { pageOf, streamBatch, streamBatches } from './page.ts';

interface PersonRow extends Omit<Person, 'id' | 'addresses'>, Row {
  addresses: (Address & { key: string })[];
  /** `role:unit` of every role, changed in the same update as the roles. */
  roleKeys: string[];
  /** What lists of members are sorted by. */
  nameKey: string;
}

const roleKey = (role: Role, unit: string): string => `${role}:${unit}`;
const allRoles: readonly Role[] = ['staff', 'chair', 'member'];

/** People, roles and addresses; see {@link PersonStore}. Subtrees are asked of the tree, since people move about in it. */
export function createPersonStore(connection: Connection, units: Pick<UnitStore, 'stream'>): PersonStore {
  const model: Model<PersonRow> = defineModel<PersonRow>(
    connection,
    'people',
    { name: String, language: String, roles: anything, addresses: anything, consent: anything, roleKeys: [String], nameKey: String },
    [
      // One person per address. Partial, because somebody without an address must not take the place of the empty one.
      [{ 'addresses.key': 1 }, { unique: true, partialFilterExpression: { 'addresses.key': { $exists: true } } }],
      // Chairs, staff, and members in the order of their names.
      [{ roleKeys: 1, nameKey: 1, _id: 1 }],
    ],
  );

  const findByKey = gatherFinds(model, 'addresses.key', (row) => row.addresses.map((address) => address.key));
  const find = gatherFinds(model);

  async function byKey(key: string): Promise<Person | null> {
    return toPersonOrNull(await findByKey(key));
  }

  async function holding<T extends { id: string }>(keys: readonly string[], toItem: (row: PersonRow) => T, projection?: Record<string, 1>): Promise<T[]> {
    const found = new Map<string, T>();
    for (const batch of batches([...new Set(keys)])) {
      for (const row of await findRows(model, 'roleKeys', batch, projection)) found.set(row._id, toItem(row));
    }
    return [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async function* streamUnder(role: Role | null, roots: readonly string[]): AsyncIterable<Person> {
    const seen = new Set<string>(); // Only of those who could come twice: with several units, or where one subtree may lie in another.
    for (const root of new Set(roots)) {
      for await (const codes of chunks(units.stream(root))) {
        const keys = codes.flatMap((code) => (role === null ? allRoles : [role]).map((held) => roleKey(held, code)));
        for (const person of await holding(keys, toPerson)) {
          if (seen.has(person.id)) continue;
          if (roots.length > 1 || person.roles.length > 1) seen.add(person.id);
          yield person;
        }
      }
    }
  }

  async function* streamRole(role: Role): AsyncIterable<Person> {
    const seen = new Set<string>(); // Only of those with several units.
    // ';' follows ':', so the range holds every key of the role and nothing else.
    for await (const row of model.find({ roleKeys: { $gte: `${role}:`, $lt: `${role};` } }).lean<PersonRow[]>().cursor({ batchSize: streamBatch })) {
      const person = toPerson(row as unknown as PersonRow);
      if (seen.has(person.id)) continue;
      if (person.roles.length > 1) seen.add(person.id);
      yield person;
    }
  }

  return {
    get: async (id) => toPersonOrNull(await find(id)),
    byAddress: (channel, id) => byKey(addressKey(channel, id)),
    chairsOf: (codes) => holding(codes.map((unit) => roleKey('chair', unit)), toPerson),
    recipientsOf: (codes) => holding(codes.map((unit) => roleKey('chair', unit)), toRecipient, { roles: 1, addresses: 1 }),
    async members(unit, page) {
      const held = roleKey('member', unit);
      const last = page.after === null ? null : await model.findOne({ _id: page.after }, { nameKey: 1 }).lean<PersonRow>();
      const limit = page.limit + 1;
      // Two ranges of one index instead of an $or: those of the same name after the last one, then the names after it.
      const same = last === null ? [] : await model.find({ roleKeys: held, nameKey: last.nameKey, _id: { $gt: last._id } }).sort({ _id: 1 }).limit(limit).lean<PersonRow[]>();
      const beyond = last === null ? {} : { nameKey: { $gt: last.nameKey } };
      const rest = same.length >= limit ? [] : await model.find({ roleKeys: held, ...beyond }).sort({ nameKey: 1, _id: 1 }).limit(limit - same.length).lean<PersonRow[]>();
      return pageOf([...same, ...rest].map(toPerson), page.limit, (person) => person.id);
    },
    countMembers: (unit) => model.countDocuments({ roleKeys: roleKey('member', unit) }),
    async many(ids) {
      const found: Person[] = [];
      for (const batch of batches([...new Set(ids)])) found.push(...(await model.find({ _id: { $in: batch } }).sort({ _id: 1 }).lean<PersonRow[]>()).map(toPerson));
      return found;
    },
    async staff() {
      const found: Person[] = [];
      for await (const person of streamRole('staff')) found.push(person);
      return found;
    },
    stream(role, roots) {
      if (roots !== null) return streamUnder(role, roots);
      if (role !== null) return streamRole(role);
      return streamBatches<Person>(async (last, limit) => (await model.find(last ? { _id: { $gt: last.id } } : {}).sort({ _id: 1 }).limit(limit).lean<PersonRow[]>()).map(toPerson));
    },
    async create(person) {
      const row = toRow({ id: randomBytes(10).toString('hex'), ...person });
      if (await insertOnce(model, row)) return toPerson(row);
      for (const { key } of row.addresses) {
        const before = await byKey(key);
        if (before) return before;
      }
      throw new Error('a person could not be stored under a new id'); // Only a clash of 80 random bits leads here.
    },
    async addRole(id, { role, unit, since }) {
      const key = roleKey(role, unit);
      await model.updateOne({ _id: id, roleKeys: { $ne: key } }, { $push: { roles: { role, unit, since }, roleKeys: key } });
    },
    async removeRole(id, role, unit) {
      await model.updateOne({ _id: id }, { $pull: { roles: { role, unit }, roleKeys: roleKey(role, unit) } });
    },
    async touch(id, channel, chat, at) {
      const key = addressKey(channel, chat);
      await model.updateOne({ _id: id, 'addresses.key': key }, { $max: { 'addresses.$.lastAt': at }, $set: { 'addresses.$.state': 'active', 'addresses.$.reason': null } });
    },
    async addAddress(id, address) {
      const key = addressKey(address.channel, address.id);
      try {
        await model.updateOne({ _id: id, 'addresses.key': { $ne: key } }, { $push: { addresses: { ...address, key } } });
      } catch (error) {
        if (isDuplicateKey(error)) throw new Refusal('address-taken');
        throw error;
      }
    },
    async markGone(channel, chat, reason) {
      await model.updateOne({ 'addresses.key': addressKey(channel, chat) }, { $set: { 'addresses.$.state': 'gone', 'addresses.$.reason': reason } });
    },
    async moveAddress(channel, from, to) {
      try {
        await model.updateOne({ 'addresses.key': addressKey(channel, from) }, { $set: { 'addresses.$.id': to, 'addresses.$.key': addressKey(channel, to) } });
      } catch (error) {
        // The new address is known already: the old one only stops being used.
        if (!isDuplicateKey(error)) throw error;
        await model.updateOne({ 'addresses.key': addressKey(channel, from) }, { $set: { 'addresses.$.state': 'gone', 'addresses.$.reason': 'moved' } });
      }
    },
    async setLanguage(id, language) {
      await model.updateOne({ _id: id }, { $set: { language } });
    },
    async remove(id) {
      await model.deleteOne({ _id: id });
    },
  };
}

async function* chunks(units: AsyncIterable<{ code: string }>): AsyncIterable<string[]> {
  let codes: string[] = [];
  for await (const unit of units) {
    codes.push(unit.code);
    if (codes.length === streamBatch) {
      yield codes;
      codes = [];
    }
  }
  if (codes.length > 0) yield codes;
}

function toRow(person: Person): PersonRow {
  const { id, addresses, ...rest } = person;
  return {
    _id: id, ...rest, nameKey: nameSortKey(person.name), roleKeys: person.roles.map((held) => roleKey(held.role, held.unit)),
    addresses: addresses.map((address) => ({ ...address, key: addressKey(address.channel, address.id) })),
  };
}

function toPerson(row: PersonRow): Person {
  const { _id, addresses, roleKeys: _roleKeys, nameKey: _nameKey, ...rest } = row;
  return personSchema.parse({ id: _id, ...rest, addresses: toAddresses(addresses) });
}

function toRecipient({ _id, roles, addresses }: Pick<PersonRow, '_id' | 'roles' | 'addresses'>): Recipient {
  return recipientSchema.parse({ id: _id, roles, addresses: toAddresses(addresses) });
}

function toAddresses(rows: PersonRow['addresses']): Address[] {
  return rows.map(({ key: _key, ...address }) => address);
}

function toPersonOrNull(row: PersonRow | null): Person | null {
  return row && toPerson(row);
}
