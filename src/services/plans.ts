import { amendDue, type Assignment } from '../domain/assignment.ts';
import { dueOf } from '../domain/deadline.ts';
import type { Mistake } from '../domain/mistake.ts';
import { stageOffsets, type Obligation } from '../domain/obligation.ts';
import { assignmentsFor, brokenPart, wavesFor } from '../domain/opening.ts';
import { obligationOf, pledgeObligation, type Plan } from '../domain/plan.ts';
import { amendPledge, openPledge, type Pledge } from '../domain/pledge.ts';
import { allStages, nextStage, type Wave } from '../domain/reminder.ts';
import { isOpenOn, type Unit } from '../domain/unit.ts';
import type { Core } from '../ports.ts';

/** Rows written at a time. */
const batchSize = 2_000;

/** What loading a plan did. With mistakes nothing was changed. */
export interface PlanLoad {
  /** Assignments that are new. */
  created: number;
  /** Assignments and pledges whose due was amended. */
  amended: number;
  /** Pledges that are new. */
  pledges: number;
  mistakes: Mistake[];
}

/**
 * Loads a plan or amends it: every open unit of the levels asked gets its assignments, every member their pledge, and an amended due is applied to those that
 * exist. Repeating it changes nothing, and after a crash the same call finishes the work. An obligation that disappeared, or became another thing under
 * the same key, is a mistake: nothing is changed then.
 */
export async function loadPlan(core: Core, plan: Plan): Promise<PlanLoad> {
  const mistakes = amendmentMistakes(await core.store.plans.get(plan.plan), plan);
  if (mistakes.length > 0) return { created: 0, amended: 0, pledges: 0, mistakes };
  await core.store.plans.put(plan, core.clock());
  // Waves first: a wave nobody belongs to does no harm, an assignment without its wave would never be reminded of.
  await core.store.waves.ensure(wavesFor(plan, core.calendar, core.clock()));
  let amended = 0;
  for (const obligation of plan.obligations) amended += await applyObligation(core, plan, obligation);
  const created = await createAssignments(core, plan);
  const pledges = await createPledges(core, plan);
  core.log.info('plan loaded', { plan: plan.plan, created, amended, pledges });
  return { created, amended, pledges, mistakes: [] };
}

function amendmentMistakes(before: Plan | null, plan: Plan): Mistake[] {
  return (before?.obligations ?? []).flatMap((old): Mistake[] => {
    const now = obligationOf(plan, old.key);
    if (!now) return [{ key: 'plan-file.obligation-gone', params: { name: old.key } }];
    const what = brokenPart(old, now);
    return what ? [{ key: 'plan-file.obligation-changed', params: { name: old.key, what } }] : [];
  });
}

async function createAssignments(core: Core, plan: Plan): Promise<number> {
  const act = { by: 'system', at: core.clock() };
  let created = 0;
  let batch: Assignment[] = [];
  for await (const unit of core.store.units.stream(null)) {
    batch.push(...assignmentsFor(plan, unit, core.calendar, act));
    if (batch.length < batchSize) continue;
    created += await core.store.assignments.insertMissing(batch);
    batch = [];
  }
  return batch.length > 0 ? created + (await core.store.assignments.insertMissing(batch)) : created;
}

/** Gives a newly opened unit what the loaded plans still ask of it; to be called before the unit is stored, so that a crash between the two is repaired by repeating. */
export async function openUnits(core: Core, units: readonly Unit[]): Promise<void> {
  const act = { by: 'system', at: core.clock() };
  for (const plan of await core.store.plans.list()) {
    const assignments = units.flatMap((unit) => assignmentsFor(plan, unit, core.calendar, act));
    if (assignments.length > 0) await core.store.assignments.insertMissing(assignments);
  }
}

async function createPledges(core: Core, plan: Plan): Promise<number> {
  const obligation = pledgeObligation(plan);
  if (!obligation) return 0;
  const due = dueOf(obligation.due, core.calendar);
  const today = core.calendar.dayOf(core.clock());
  let created = 0;
  let batch: { person: string; unit: string }[] = [];
  const flush = async (): Promise<void> => {
    const units = new Map((await core.store.units.many([...new Set(batch.map((member) => member.unit))])).map((unit) => [unit.code, unit]));
    const pledges = batch.flatMap(({ person, unit }): Pledge[] => {
      const place = units.get(unit);
      return place && isOpenOn(place, today) ? [openPledge({ plan: plan.plan, obligation: obligation.key, unit, level: place.level, path: place.path, person, due })] : [];
    });
    if (pledges.length > 0) created += await core.store.pledges.insertMissing(pledges);
    batch = [];
  };
  for await (const person of core.store.people.stream('member', null)) {
    const member = person.roles.find((held) => held.role === 'member');
    if (member) batch.push({ person: person.id, unit: member.unit });
    if (batch.length >= batchSize) await flush();
  }
  await flush();
  return created;
}

/**
 * Brings what exists in line with the obligation's present due and stages. A mark remembers what was applied last, so that loading the same plan again does not
 * read a million assignments; it is taken away while the work is under way, so that a crash makes the next load do it again.
 */
async function applyObligation(core: Core, plan: Plan, obligation: Obligation): Promise<number> {
  const mark = `plan-applied/${plan.plan}/${obligation.key}`;
  const wanted = JSON.stringify([obligation.due, obligation.stages ?? null]);
  const applied = await core.store.settings.get<string>(mark);
  if (applied === wanted) return 0;
  // Never applied: nothing of it exists yet, and what will be created is as wanted.
  await core.store.settings.set(mark, applied === null ? wanted : '');
  if (applied === null) return 0;
  const waves = new Set<string>();
  const amended = obligation.deliverable === 'pledge' ? await amendPledges(core, plan, obligation, waves) : await amendAssignments(core, plan, obligation, waves);
  for (const id of waves) await refreshWave(core, obligation, id);
  await core.store.settings.set(mark, wanted);
  return amended;
}

async function amendAssignments(core: Core, plan: Plan, obligation: Obligation, waves: Set<string>): Promise<number> {
  const due = dueOf(obligation.due, core.calendar);
  const act = { by: 'system', at: core.clock() };
  return changeEach(core.store.assignments.stream(plan.plan, obligation.key), async (assignment) => {
    // Days to act on carry no due; a day is an assignment of its own.
    const isAmended = assignment.day === null && amendDue(assignment, due, core.calendar, act) !== assignment;
    const current = isAmended ? await core.store.assignments.change(assignment.id, (stored) => amendDue(stored, due, core.calendar, act)) : assignment;
    if (current.wave !== null && current.state === 'open') waves.add(current.wave);
    return isAmended;
  });
}

async function amendPledges(core: Core, plan: Plan, obligation: Obligation, waves: Set<string>): Promise<number> {
  const due = dueOf(obligation.due, core.calendar);
  return changeEach(core.store.pledges.stream(plan.plan), async (pledge) => {
    const isAmended = amendPledge(pledge, due) !== pledge;
    const current = isAmended ? await core.store.pledges.change(pledge.id, (stored) => amendPledge(stored, due)) : pledge;
    if (current.wave !== null) waves.add(current.wave);
    return isAmended;
  });
}

/** Changes side by side: writes that wait at the same time share the database's commit. */
const changesAtOnce = 64;

/** Looks at each item, some of them at a time; answers how many were changed. */
async function changeEach<T>(items: AsyncIterable<T>, change: (item: T) => Promise<boolean>): Promise<number> {
  let changed = 0;
  let batch: T[] = [];
  const flush = async (): Promise<void> => {
    // All of them settle before a failure is told: nothing goes on changing behind a load that has ended.
    const settled = await Promise.allSettled(batch.map(change));
    for (const one of settled) {
      if (one.status === 'rejected') throw one.reason;
      if (one.value) changed += 1;
    }
    batch = [];
  };
  for await (const item of items) {
    batch.push(item);
    if (batch.length >= changesAtOnce) await flush();
  }
  await flush();
  return changed;
}

/** Gives a wave the stages the plan lists now. A look that is due already stays due: it is the tick that decides what it means. */
async function refreshWave(core: Core, obligation: Obligation, id: string): Promise<void> {
  const wave: Wave | null = await core.store.waves.get(id);
  if (!wave || wave.kind === 'correction') return;
  const offsets = stageOffsets(obligation, wave.lastDay);
  if (JSON.stringify(offsets) === JSON.stringify(wave.offsets)) return;
  const now = core.clock();
  const next = wave.nextAt !== null && wave.nextAt <= now ? wave.nextAt : (nextStage(allStages(offsets, wave, core.calendar), now)?.at ?? null);
  await core.store.waves.setOffsets(id, offsets, next);
}
