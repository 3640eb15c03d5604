import type { Connection, Model, PipelineStage } from 'mongoose';
import type { Assignment } from '../domain/assignment.ts';
import type { AssignmentCount, AssignmentStore } from '../ports.ts';
import { toAssignment, toRow, type AssignmentRow } from './assignment-row.ts';
import { createChange } from './change.ts';
import { anything, batches, defineModel, insertMissing } from './model.ts';
import { createOverdueIndex } from './overdue.ts';
import { pageOf, streamBatches } from './page.ts';

/** Named to the planner as well: another index that begins with the plan finds the same rows, but has to fetch each of them. */
const figureIndex = { plan: 1, obligation: 1, level: 1, state: 1, verdict: 1, deadline: 1 } as const;
const subtreeFigureIndex = { plan: 1, path: 1, obligation: 1, level: 1, state: 1, verdict: 1, deadline: 1 } as const;

/** Assignments; see {@link AssignmentStore}. */
export function createAssignmentStore(connection: Connection): AssignmentStore {
  const model: Model<AssignmentRow> = defineModel<AssignmentRow>(
    connection,
    'assignments',
    {
      plan: String, obligation: String, unit: String, level: String, path: [String], day: String, planDue: anything, due: anything, loadedLate: Boolean, state: String, countedAt: Date,
      verdict: String, extended: Boolean, version: Number, receipt: String, awaitsReview: Boolean, correction: anything, extension: anything, asked: anything, waiver: anything, wave: String, trail: anything, rev: Number,
      overdueAt: Date, deadline: Date, askedAt: Date, reviewFrom: Date,
    },
    [
      // What a unit owes.
      [{ unit: 1, plan: 1 }],
      // Everything of an obligation, streamed: by values that never change, so that changing what was read moves nothing ahead of the reader.
      [{ plan: 1, obligation: 1, unit: 1, _id: 1 }],
      // Who is reminded by a wave, read from the index alone; nothing is stored of those who owe nothing.
      [{ wave: 1, _id: 1, unit: 1 }, { partialFilterExpression: { wave: { $gt: '' } } }],
      // Who is late: see overdue.ts for why the instant stands before the unit.
      [{ plan: 1, path: 1, obligation: 1, overdueAt: 1, unit: 1, _id: 1 }, { partialFilterExpression: { overdueAt: { $exists: true } } }],
      // The review queue and the wishes for more time, oldest first.
      [{ plan: 1, reviewFrom: 1, _id: 1 }, { partialFilterExpression: { reviewFrom: { $exists: true } } }],
      [{ plan: 1, askedAt: 1, _id: 1 }, { partialFilterExpression: { askedAt: { $exists: true } } }],
      // The figures of the plan and of a subtree, answered from the index alone.
      [figureIndex],
      [subtreeFigureIndex],
    ],
  );

  const late = createOverdueIndex(connection, model);

  async function many(ids: readonly string[]): Promise<Assignment[]> {
    const found: Assignment[] = [];
    for (const batch of batches([...new Set(ids)])) found.push(...(await model.find({ _id: { $in: batch } }).sort({ _id: 1 }).lean<AssignmentRow[]>()).map(toAssignment));
    return found;
  }

  /** A queue ordered by one of the two instants; both ranges of the following page are ranges of the same index. */
  async function queue(plan: string, by: 'reviewFrom' | 'askedAt', page: { after: string | null; limit: number }): Promise<{ items: Assignment[]; next: string | null }> {
    const last = page.after === null ? null : await model.findOne({ _id: page.after }).lean<AssignmentRow>();
    // Decided meanwhile, the last one stands in the queue no more; its old place is still known.
    const place = last && (last[by] ?? (by === 'reviewFrom' ? last.countedAt : null));
    const limit = page.limit + 1;
    const same = last && place ? await model.find({ plan, [by]: place, _id: { $gt: last._id } }).sort({ _id: 1 }).limit(limit).lean<AssignmentRow[]>() : [];
    const from = place ? { $gt: place } : { $gt: new Date(0) };
    const rest = same.length >= limit ? [] : await model.find({ plan, [by]: from }).sort({ [by]: 1, _id: 1 }).limit(limit - same.length).lean<AssignmentRow[]>();
    return pageOf([...same, ...rest].map(toAssignment), page.limit, (assignment) => assignment.id);
  }

  return {
    async get(id) {
      const row = await model.findOne({ _id: id }).lean<AssignmentRow>();
      return row && toAssignment(row);
    },
    many,
    async insertMissing(assignments) {
      const rows = assignments.map(toRow);
      await late.announce(rows);
      return insertMissing(model, rows);
    },
    change: createChange(model, 'assignment-unknown', { toItem: toAssignment, toRow, beforeWrite: (row) => late.announce([row]) }),
    async ofUnit(unit, plan) {
      const rows = await model.find({ unit, ...(plan === null ? {} : { plan }) }).lean<AssignmentRow[]>();
      return rows.map(toAssignment).sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
    },
    stream(plan, obligation) {
      return streamBatches<Assignment>(async (last, limit) => {
        const rows: AssignmentRow[] = [];
        for (const range of rangesAfter(last, obligation)) {
          if (rows.length >= limit) break;
          rows.push(...(await model.find({ plan, ...range }).sort({ obligation: 1, unit: 1, _id: 1 }).limit(limit - rows.length).lean<AssignmentRow[]>()));
        }
        return rows.map(toAssignment);
      });
    },
    async overdue(query, page) {
      const last = page.after === null ? null : await model.findOne({ _id: page.after }, { unit: 1, obligation: 1 }).lean<AssignmentRow>();
      const ids = await late.page(query, last && { unit: last.unit, obligation: last.obligation, id: last._id }, page.limit + 1);
      const shown = pageOf(ids, page.limit, (id) => id);
      const found = new Map((await many(shown.items)).map((assignment) => [assignment.id, assignment]));
      return { items: shown.items.flatMap((id) => found.get(id) ?? []), next: shown.next };
    },
    countOverdue: (query, most) => late.count(query, most),
    async ofWave(wave, page) {
      const after = page.after === null ? {} : { _id: { $gt: page.after } };
      // The driver's own call, in one answer: a tick reads a hundred thousand of them.
      const rows = await model.collection
        .find<Pick<AssignmentRow, '_id' | 'unit'>>({ wave, ...after } as never, { projection: { unit: 1 }, sort: { _id: 1 }, limit: page.limit + 1, batchSize: page.limit + 1 })
        .toArray();
      return pageOf(rows.map(({ _id, unit }) => ({ id: _id, unit })), page.limit, (assignment) => assignment.id);
    },
    awaitingReview: (plan, page) => queue(plan, 'reviewFrom', page),
    askedExtension: (plan, page) => queue(plan, 'askedAt', page),
    async count(plan, root) {
      const found = await model.aggregate<{ _id: Omit<AssignmentCount, 'count'>; count: number }>(countPipeline(plan, root), { hint: root === null ? figureIndex : subtreeFigureIndex });
      return found.map((group) => ({ ...group._id, verdict: group._id.verdict ?? null, deadline: group._id.deadline ?? null, count: group.count }));
    },
  };
}

/** The one aggregation behind `/thongke`: every field it reads is in the index. */
export function countPipeline(plan: string, root: string | null): PipelineStage[] {
  const by = { obligation: '$obligation', level: '$level', state: '$state', verdict: '$verdict', deadline: '$deadline' };
  return [{ $match: { plan, ...(root === null ? {} : { path: root }) } }, { $group: { _id: by, count: { $sum: 1 } } }];
}

/** The ranges that follow the last one read, each a range of the index `plan, obligation, unit, _id`. */
function rangesAfter(last: Assignment | null, only: string | null): object[] {
  if (last === null) return [only === null ? {} : { obligation: only }];
  const { obligation, unit, id } = last;
  const within = [{ obligation, unit, _id: { $gt: id } }, { obligation, unit: { $gt: unit } }];
  return only === null ? [...within, { obligation: { $gt: obligation } }] : within;
}

function orderOf(assignment: Assignment): string {
  return [assignment.plan, assignment.obligation, assignment.day ?? '', assignment.id].join('/');
}
