import type { Connection, Model } from 'mongoose';
import { pledgeSchema, type Pledge } from '../domain/pledge.ts';
import type { PledgeStore } from '../ports.ts';
import { createChange } from './change.ts';
import { gatherFinds } from './gathered.ts';
import { anything, defineModel, insertMissing, type Row } from './model.ts';
import { pageOf, streamBatches } from './page.ts';

interface PledgeRow extends Omit<Pledge, 'id'>, Row {
  paper: boolean;
}

type PledgeCount = Awaited<ReturnType<PledgeStore['count']>>[number];

/** Named to the planner as well, so that the figures are read from keys and nothing is fetched. */
const figureIndex = { plan: 1, level: 1, state: 1, verdict: 1, paper: 1 } as const;
const subtreeFigureIndex = { plan: 1, path: 1, level: 1, state: 1, verdict: 1, paper: 1 } as const;

/** Pledges; see {@link PledgeStore}. */
export function createPledgeStore(connection: Connection): PledgeStore {
  const model: Model<PledgeRow> = defineModel<PledgeRow>(
    connection,
    'pledges',
    {
      plan: String, obligation: String, unit: String, level: String, path: [String], person: String, paperName: String, text: String, state: String, countedAt: Date, confirmedAt: Date,
      declaredDay: String, awaitsReview: Boolean, deadline: Date, verdict: String, wave: String, receipt: String, versions: anything, rev: Number, paper: Boolean,
    },
    [
      // Who of a unit has pledged, and everything of a plan, streamed.
      [{ plan: 1, unit: 1, _id: 1 }],
      // Who is reminded by a wave.
      [{ wave: 1, _id: 1 }, { partialFilterExpression: { wave: { $gt: '' } } }],
      // The figures of the plan and of a subtree, answered from the index alone.
      [figureIndex],
      [subtreeFigureIndex],
    ],
  );

  const find = gatherFinds(model);

  return {
    async get(id) {
      const row = await find(id);
      return row && toPledge(row);
    },
    insertMissing: (pledges) => insertMissing(model, pledges.map(toRow)),
    change: createChange(model, 'pledge-none', { toItem: toPledge, toRow }),
    async ofUnit(plan, unit, page) {
      const after = page.after === null ? {} : { _id: { $gt: page.after } };
      const rows = await model.find({ plan, unit, ...after }).sort({ _id: 1 }).limit(page.limit + 1).lean<PledgeRow[]>();
      return pageOf(rows.map(toPledge), page.limit, (pledge) => pledge.id);
    },
    async count(plan, root) {
      const by = { level: '$level', state: '$state', verdict: '$verdict', paper: '$paper' };
      const found = await model.aggregate<{ _id: Omit<PledgeCount, 'count'>; count: number }>(
        [{ $match: { plan, ...(root === null ? {} : { path: root }) } }, { $group: { _id: by, count: { $sum: 1 } } }],
        { hint: root === null ? figureIndex : subtreeFigureIndex },
      );
      return found.map((group) => ({ ...group._id, verdict: group._id.verdict ?? null, count: group.count }));
    },
    async ofWave(wave, page) {
      const after = page.after === null ? {} : { _id: { $gt: page.after } };
      const rows = await model.find({ wave, ...after }).sort({ _id: 1 }).limit(page.limit + 1).lean<PledgeRow[]>();
      return pageOf(rows.map(toPledge), page.limit, (pledge) => pledge.id);
    },
    stream(plan) {
      return streamBatches<Pledge>(async (last, limit) => {
        const rows: PledgeRow[] = [];
        for (const range of last === null ? [{}] : [{ unit: last.unit, _id: { $gt: last.id } }, { unit: { $gt: last.unit } }]) {
          if (rows.length >= limit) break;
          rows.push(...(await model.find({ plan, ...range }).sort({ unit: 1, _id: 1 }).limit(limit - rows.length).lean<PledgeRow[]>()));
        }
        return rows.map(toPledge);
      });
    },
    async remove(id) {
      await model.deleteOne({ _id: id });
    },
  };
}

function toRow(pledge: Pledge): PledgeRow {
  const { id, ...rest } = pledge;
  return { _id: id, ...rest, paper: pledge.person === null };
}

function toPledge(row: PledgeRow): Pledge {
  const { _id, paper: _paper, ...rest } = row;
  return pledgeSchema.parse({ id: _id, ...rest });
}
