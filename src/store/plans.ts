import type { Connection } from 'mongoose';
import { planSchema, type Plan } from '../domain/plan.ts';
import type { PlanStore } from '../ports.ts';
import { gather } from './gathered.ts';
import { anything, defineModel, putRows, type Row } from './model.ts';

interface PlanRow extends Row {
  year: number;
  loadedAt: Date;
  /** The plan whole: it is read whole, and its words are nobody's search. */
  plan: Plan;
}

/** Plans as loaded; see {@link PlanStore}. */
export function createPlanStore(connection: Connection): PlanStore {
  // Newest year first.
  const model = defineModel<PlanRow>(connection, 'plans', { year: Number, loadedAt: Date, plan: anything }, [[{ year: -1, _id: 1 }]]);
  // Asked by nearly every message: those of one moment share one reading.
  const list = gather<void, readonly Plan[]>(async (asked) => {
    const plans = (await model.find().sort({ year: -1, _id: 1 }).lean<PlanRow[]>()).map((row) => planSchema.parse(row.plan));
    return asked.map(() => plans);
  });

  return {
    async get(key) {
      const row = await model.findOne({ _id: key }).lean<PlanRow>();
      return row && planSchema.parse(row.plan);
    },
    list: async () => [...(await list())],
    async put(plan, at) {
      await putRows(model, [{ _id: plan.plan, year: plan.year, loadedAt: at, plan }]);
    },
  };
}
