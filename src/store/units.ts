import type { Connection, Model } from 'mongoose';
import { shortRef } from '../domain/choice.ts';
import { foldText } from '../domain/spelling.ts';
import { isOpenOn, unitSchema, type Unit } from '../domain/unit.ts';
import type { UnitStore } from '../ports.ts';
import { batches, defineModel, putRows, type Row } from './model.ts';
import { pageOf, streamBatches } from './page.ts';

/** The longest piece of a word that is indexed; Vietnamese syllables are seldom longer. */
const gramLimit = 5;
/** Words nearly every name holds: looking by them would read the whole tree. They still have to match. */
const commonWords = new Set(['cong', 'doan', 'cd', 'cdcs', 'co', 'so', 'lien', 'lao', 'dong', 'ldld', 'truong', 'don', 'vi', 'huyen', 'thi', 'xa', 'tinh', 'thanh', 'pho', 'phong', 'va']);

const memberIndex = { path: 1, level: 1, opened: 1, closed: 1, members: 1 } as const;

interface UnitRow extends Omit<Unit, 'code'>, Row {
  ref: string;
  /** Folded name and code, what a fragment must occur in. */
  folded: string;
  /** Every piece of every word, up to {@link gramLimit} letters: an equality on one of them gives matches in code order without a sort. */
  grams: string[];
}

/**
 * Every piece of the words of a folded text, each once.
 * @example gramsOf('phu') → ['p', 'ph', 'phu', 'h', 'hu', 'u']
 */
export function gramsOf(folded: string): string[] {
  const grams = new Set<string>();
  for (const word of folded.split(' ')) {
    for (let from = 0; from < word.length; from += 1) {
      for (let length = 1; length <= Math.min(gramLimit, word.length - from); length += 1) grams.add(word.slice(from, from + length));
    }
  }
  return [...grams];
}

/**
 * The piece a search looks by: of the longest word that says something.
 * @example gramToLookBy('truong phan thiet') → 'thiet'
 */
export function gramToLookBy(folded: string): string {
  const words = folded.split(' ');
  const telling = words.filter((word) => !commonWords.has(word));
  const longest = (telling.length > 0 ? telling : words).reduce((found, word) => (word.length > found.length ? word : found));
  return longest.slice(0, gramLimit);
}

/** The union tree; see {@link UnitStore}. */
export function createUnitStore(connection: Connection): UnitStore {
  const model: Model<UnitRow> = defineModel<UnitRow>(
    connection,
    'units',
    { name: String, level: String, parent: String, path: [String], members: Number, opened: String, closed: String, ref: String, folded: String, grams: [String] },
    [
      // A button's reference back to the unit.
      [{ ref: 1 }, { unique: true }],
      // Children in code order; the root is the one without a parent.
      [{ parent: 1, _id: 1 }],
      // A subtree in code order.
      [{ path: 1, _id: 1 }],
      // What closes in a span of days.
      [{ closed: 1, _id: 1 }, { partialFilterExpression: { closed: { $gt: '' } } }],
      // Expected members by level, answered from the index alone.
      [memberIndex],
      // Any fragment of a name or code, in code order.
      [{ grams: 1, _id: 1 }],
    ],
  );

  async function root(): Promise<Unit | null> {
    return toUnitOrNull(await model.findOne({ parent: null }).sort({ _id: 1 }).lean<UnitRow>());
  }

  return {
    get: async (code) => toUnitOrNull(await model.findOne({ _id: code }).lean<UnitRow>()),
    byRef: async (ref) => toUnitOrNull(await model.findOne({ ref }).lean<UnitRow>()),
    async many(codes) {
      const found: Unit[] = [];
      for (const batch of batches([...new Set(codes)])) found.push(...(await model.find({ _id: { $in: batch } }).sort({ _id: 1 }).lean<UnitRow[]>()).map(toUnit));
      return found;
    },
    root,
    async children(parent, page) {
      const rows = await model.find({ parent, ...after(page.after) }).sort({ _id: 1 }).limit(page.limit + 1).lean<UnitRow[]>();
      return pageOf(rows.map(toUnit), page.limit, (unit) => unit.code);
    },
    async search(fragment, roots, page) {
      const folded = foldText(fragment);
      if (folded === '') return { items: [], next: null };
      const within = roots === null ? {} : { path: { $in: [...roots] } };
      // Folded text holds letters, digits and single spaces only: nothing in it means something to a regular expression.
      const rows = await model
        .find({ grams: gramToLookBy(folded), folded: { $regex: folded }, ...within, ...after(page.after) })
        .sort({ _id: 1 })
        .limit(page.limit + 1)
        .lean<UnitRow[]>();
      return pageOf(rows.map(toUnit), page.limit, (unit) => unit.code);
    },
    stream(top) {
      return streamBatches<Unit>(async (last, limit) => {
        const within = top === null ? {} : { path: top };
        return (await model.find({ ...within, ...after(last?.code ?? null) }).sort({ _id: 1 }).limit(limit).lean<UnitRow[]>()).map(toUnit);
      });
    },
    closing(since, until) {
      const begin = { $gt: since ?? '', $lte: until };
      return streamBatches<Unit>(async (last, limit) => {
        const rows: UnitRow[] = [];
        for (const range of last === null ? [{ closed: begin }] : [{ closed: last.closed, _id: { $gt: last.code } }, { closed: { ...begin, $gt: last.closed as string } }]) {
          if (rows.length >= limit) break;
          rows.push(...(await model.find(range).sort({ closed: 1, _id: 1 }).limit(limit - rows.length).lean<UnitRow[]>()));
        }
        return rows.map(toUnit);
      });
    },
    async membersByLevel(day, top) {
      const from = top ?? (await root())?.code;
      if (from === undefined) return [];
      // By day of opening and closing too, which are few: so the whole sum is read from the index, and only the last step knows the day.
      const found = await model.aggregate<{ _id: Pick<Unit, 'level' | 'opened' | 'closed'>; members: number }>(
        [{ $match: { path: from } }, { $group: { _id: { level: '$level', opened: '$opened', closed: '$closed' }, members: { $sum: '$members' } } }],
        { hint: memberIndex },
      );
      const sums = new Map<string, number>();
      for (const { _id: group, members } of found) {
        if (isOpenOn({ opened: group.opened ?? null, closed: group.closed ?? null }, day)) sums.set(group.level, (sums.get(group.level) ?? 0) + members);
      }
      return [...sums].map(([level, members]) => ({ level, members })).sort((one, other) => (one.level < other.level ? -1 : 1));
    },
    put: (units) => putRows(model, units.map(toRow)),
  };
}

function after(code: string | null): { _id?: { $gt: string } } {
  return code === null ? {} : { _id: { $gt: code } };
}

function toRow(unit: Unit): UnitRow {
  const { code, ...rest } = unit;
  const [name, foldedCode] = [foldText(unit.name), foldText(code)];
  return { _id: code, ...rest, ref: shortRef(code), folded: `${name}\n${foldedCode}`, grams: gramsOf(`${name} ${foldedCode}`) };
}

function toUnit(row: UnitRow): Unit {
  const { _id, ref: _ref, folded: _folded, grams: _grams, ...rest } = row;
  return unitSchema.parse({ code: _id, ...rest });
}

function toUnitOrNull(row: UnitRow | null): Unit | null {
  return row && toUnit(row);
}
