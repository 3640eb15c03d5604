import type { Plan } from '../domain/plan.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Core } from '../ports.ts';

/**
 * The plan meant when nobody names one: the newest whose year has begun, or the first one ahead when none has; or the named one.
 * Throws Refusal `plan-none` when there is none.
 */
export async function currentPlan(core: Core, key: string | null = null): Promise<Plan> {
  if (key !== null) {
    const named = await core.store.plans.get(key);
    if (!named) throw new Refusal('plan-none');
    return named;
  }
  const year = Number(core.calendar.dayOf(core.clock()).slice(0, 4));
  const plans = await core.store.plans.list();
  const plan = plans.find((candidate) => candidate.year <= year) ?? plans.at(-1);
  if (!plan) throw new Refusal('plan-none');
  return plan;
}
