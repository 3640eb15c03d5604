import { requireAccess } from '../domain/access.ts';
import { daysBetween, type LocalDate } from '../domain/calendar.ts';
import { shortRef } from '../domain/choice.ts';
import { dueOf, judge } from '../domain/deadline.ts';
import { stageOffsets, type Obligation } from '../domain/obligation.ts';
import { hasRole, unitsOf, type Person } from '../domain/person.ts';
import { pledgeObligation, type Plan } from '../domain/plan.ts';
import { confirmPledge, mayChange, openPledge, pledgeId, writePledge, type Pledge } from '../domain/pledge.ts';
import { Refusal } from '../domain/refusal.ts';
import { createWave, stageBase } from '../domain/reminder.ts';
import { nameSortKey } from '../domain/spelling.ts';
import { declaredBackLimit, textLimit } from '../domain/submission.ts';
import { isOpenOn, type Unit } from '../domain/unit.ts';
import type { Core } from '../ports.ts';

const batchSize = 200;
const nameLimit = 200;

/** A pledge with the plan and the obligation that ask for it. */
export interface PledgeView {
  pledge: Pledge;
  plan: Plan;
  obligation: Obligation;
}

/**
 * Opens the pledges a member owes: of the plan that runs, and of every plan whose deadline is still ahead. Call it whenever somebody became a
 * member of a unit; repeating it changes nothing. An unconfirmed pledge follows the person into the new unit, a confirmed one stays where it was earned.
 */
export async function openPledges(core: Core, person: Pick<Person, 'id'>, unitCode: string): Promise<void> {
  const unit = await core.store.units.get(unitCode);
  if (!unit) throw new Refusal('unit-unknown', { unit: unitCode });
  for (const plan of await pledgingPlans(core)) {
    const obligation = pledgeObligation(plan) as Obligation;
    const due = dueOf(obligation.due, core.calendar);
    const what = { kind: 'pledge', plan: plan.plan, obligation: obligation.key, offsets: stageOffsets(obligation) } as const;
    // The wave first: a wave nobody belongs to does no harm, a pledge whose wave is missing would never be reminded of.
    if (due) await core.store.waves.ensure([createWave(what, stageBase(due), core.calendar, core.clock())]);
    const pledge = openPledge({ plan: plan.plan, obligation: obligation.key, unit: unit.code, level: unit.level, path: unit.path, person: person.id, due });
    if ((await core.store.pledges.insertMissing([pledge])) > 0) continue;
    await followMember(core, pledge.id, unit);
  }
}

async function pledgingPlans(core: Core): Promise<Plan[]> {
  const now = core.clock();
  const year = Number(core.calendar.dayOf(now).slice(0, 4));
  const plans = await core.store.plans.list();
  const current = plans.find((plan) => plan.year <= year) ?? plans.at(-1);
  return plans.filter((plan) => {
    const obligation = pledgeObligation(plan);
    if (!obligation) return false;
    const due = dueOf(obligation.due, core.calendar);
    return plan === current || (due !== null && now < due.deadline);
  });
}

async function followMember(core: Core, id: string, unit: Unit): Promise<void> {
  const stored = await core.store.pledges.get(id);
  if (!stored || stored.state === 'confirmed' || stored.unit === unit.code) return;
  const person = stored.person === null ? null : await core.store.people.get(stored.person);
  if (person && unitsOf(person, 'member').includes(stored.unit)) return;
  await core.store.pledges.change(id, (pledge) => (pledge.state === 'confirmed' ? pledge : { ...pledge, unit: unit.code, level: unit.level, path: unit.path }));
}

/** The person's own pledge of the plan that runs. Throws Refusal `pledge-none` when no plan asks this person for one. */
export async function readOwnPledge(core: Core, person: Person): Promise<PledgeView> {
  const [plan] = await pledgingPlans(core);
  const obligation = plan && pledgeObligation(plan);
  if (!plan || !obligation) throw new Refusal('pledge-none');
  const pledge = await core.store.pledges.get(pledgeId(plan.plan, person.id));
  if (pledge) return { pledge, plan, obligation };
  const [unit] = unitsOf(person, 'member');
  if (!hasRole(person, 'member') || unit === undefined) throw new Refusal('pledge-none');
  await openPledges(core, person, unit);
  const opened = await core.store.pledges.get(pledgeId(plan.plan, person.id));
  if (!opened) throw new Refusal('pledge-none');
  return { pledge: opened, plan, obligation };
}

/**
 * Writes or rewrites the person's own pledge. `at` is the sender's stamp; the same words at the same stamp are one version. `source` is the message that
 * is the text as a whole, null where it was put together from answers.
 * Throws Refusal `pledge-none`, `pledge-empty`, `text-too-long`, `pledge-closed` (confirmed, and the deadline has passed).
 */
export async function writeOwnPledge(core: Core, person: Person, text: string, at: Date, source: string | null = null): Promise<PledgeView> {
  const view = await readOwnPledge(core, person);
  const words = text.normalize('NFC').trim();
  const length = words.length;
  if (length === 0) throw new Refusal('pledge-empty');
  if (length > textLimit) throw new Refusal('text-too-long', { limit: textLimit, length });
  const pledge = await core.store.pledges.change(view.pledge.id, (stored) => {
    if (stored.versions.some((version) => version.at.getTime() === at.getTime() && version.text === words)) return stored;
    if (!mayChange(stored, at)) throw new Refusal('pledge-closed');
    return writePledge(stored, words, at, source);
  });
  return { ...view, pledge };
}

/**
 * Rewrites the pledge from an edited message: when the message before the edit was a version of it, the edit is one more, with its own stamp. Null when it was none.
 * Throws like {@link writeOwnPledge}.
 */
export async function rewriteFromEdit(core: Core, person: Person, edited: string, text: string, at: Date): Promise<PledgeView | null> {
  const [plan] = await pledgingPlans(core);
  const pledge = plan && (await core.store.pledges.get(pledgeId(plan.plan, person.id)));
  return pledge?.versions.some((version) => version.source === edited) ? writeOwnPledge(core, person, text, at, edited) : null;
}

/** Confirms the person's own pledge as it stands; the first confirmation's stamp counts. Throws Refusal `pledge-none`, `pledge-empty` when nothing is written yet. */
export async function confirmOwnPledge(core: Core, person: Person, at: Date): Promise<PledgeView> {
  const view = await readOwnPledge(core, person);
  if (view.pledge.state === 'open') throw new Refusal('pledge-empty');
  if (view.pledge.state === 'confirmed') return view;
  const receipt = await core.store.receipts.issue(view.plan.year, `pledge/${view.pledge.id}`);
  const pledge = await core.store.pledges.change(view.pledge.id, (stored) => confirmPledge(stored, at, receipt), view.pledge);
  return { ...view, pledge };
}

/** Where a unit stands with its members' pledges: members expected, joined on a phone, confirmed there, on paper, and missing of the expected. */
export interface PledgeOverview {
  plan: Plan;
  obligation: Obligation;
  unit: Unit;
  expected: number;
  joined: number;
  confirmed: number;
  paper: number;
  missing: number;
}

/** One line of the unit's list; `name` is a member's or the one on the paper. */
export interface PledgeLine {
  id: string;
  name: string;
  state: Pledge['state'];
  paper: boolean;
  verdict: Pledge['verdict'];
}

/** Counts for the unit's chair. Throws Refusal `unit-unknown`, `not-allowed`, `pledge-none`. */
export async function overviewPledges(core: Core, viewer: Person, unitCode: string): Promise<PledgeOverview> {
  const { unit, plan, obligation } = await managedPledges(core, viewer, unitCode);
  let confirmed = 0;
  let paper = 0;
  for await (const pledge of pledgesOfUnit(core, plan.plan, unit.code)) {
    if (pledge.state === 'confirmed') {
      if (pledge.person === null) paper += 1;
      else confirmed += 1;
    }
  }
  const joined = await core.store.people.countMembers(unit.code);
  return { plan, obligation, unit, expected: unit.members, joined, confirmed, paper, missing: Math.max(0, unit.members - confirmed - paper) };
}

/**
 * Who has pledged, or who has not, in one's own unit, by the last word of the name. `page` counts from 0; `pages` is at least 1. Names are kept
 * with the people, so the unit's own list is read to sort it: one unit, never a subtree. Throws like {@link overviewPledges}.
 */
export async function listPledges(core: Core, viewer: Person, unitCode: string, which: 'done' | 'missing', page: number, size: number): Promise<{ unit: Unit; lines: PledgeLine[]; page: number; pages: number; total: number }> {
  const { unit, plan } = await managedPledges(core, viewer, unitCode);
  const found: Pledge[] = [];
  for await (const pledge of pledgesOfUnit(core, plan.plan, unit.code)) if ((pledge.state === 'confirmed') === (which === 'done')) found.push(pledge);
  const names = await namesOf(core, found);
  const lines = found
    .map((pledge) => ({ id: pledge.id, name: pledge.paperName ?? names.get(pledge.person ?? '') ?? '', state: pledge.state, paper: pledge.person === null, verdict: pledge.verdict }))
    .filter((line) => line.name !== '')
    .sort((a, b) => (nameSortKey(a.name) < nameSortKey(b.name) ? -1 : 1));
  const pages = Math.max(1, Math.ceil(lines.length / size));
  const shown = Math.min(Math.max(0, page), pages - 1);
  return { unit, lines: lines.slice(shown * size, (shown + 1) * size), page: shown, pages, total: lines.length };
}

/** What a paper pledge is found again by: short enough for a button. */
export function paperRef(unit: string, source: string): string {
  return shortRef(`${unit}/${source}`);
}

/** A paper pledge recorded before, for the chair of its unit. Throws Refusal `choice-old`, `not-allowed`. */
export async function readPaperPledge(core: Core, viewer: Person, ref: string): Promise<PledgeView> {
  const [plan] = await pledgingPlans(core);
  const obligation = plan && pledgeObligation(plan);
  const pledge = plan && (await core.store.pledges.get(`${plan.plan}/paper-${ref}`));
  if (!plan || !obligation || !pledge) throw new Refusal('choice-old');
  await managedPledges(core, viewer, pledge.unit);
  return { pledge, plan, obligation };
}

/** A pledge for a notice at the moment of delivery; null when it is confirmed or gone, or when its unit was closed: nobody there is asked any more. */
export async function viewOpenPledge(core: Core, id: string): Promise<PledgeView | null> {
  const pledge = await core.store.pledges.get(id);
  const plan = pledge && (await core.store.plans.get(pledge.plan));
  const obligation = plan && pledgeObligation(plan);
  if (!pledge || !plan || !obligation || pledge.state === 'confirmed') return null;
  const unit = await core.store.units.get(pledge.unit);
  return unit && isOpenOn(unit, core.calendar.dayOf(core.clock())) ? { pledge, plan, obligation } : null;
}

/** A pledge on paper as the chair declares it. `source` makes repeats harmless. */
export interface PaperPledge {
  unit: string;
  name: string;
  day: LocalDate;
  source: string;
  at: Date;
}

/**
 * Records the paper pledge of a member without a phone; it is kept apart from the others. The declared day counts; more than 30 days back it
 * waits for a review. Throws Refusal `not-allowed`, `unit-unknown`, `pledge-none`, `text-empty`, `text-too-long`, `day-in-future`.
 */
export async function recordPaperPledge(core: Core, viewer: Person, paper: PaperPledge): Promise<PledgeView> {
  const { unit, plan, obligation } = await managedPledges(core, viewer, paper.unit);
  const name = paper.name.normalize('NFC').replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  if (name === '') throw new Refusal('text-empty');
  if (name.length > nameLimit) throw new Refusal('text-too-long', { limit: nameLimit, length: name.length });
  const today = core.calendar.dayOf(paper.at);
  if (paper.day > today) throw new Refusal('day-in-future', { day: paper.day, today });
  const due = dueOf(obligation.due, core.calendar);
  const countedAt = core.calendar.instantOf(paper.day);
  const id = `${plan.plan}/paper-${paperRef(unit.code, paper.source)}`;
  const receipt = await core.store.receipts.issue(plan.year, `pledge/${id}`);
  const opened = openPledge({ plan: plan.plan, obligation: obligation.key, unit: unit.code, level: unit.level, path: unit.path, person: '', due });
  const pledge: Pledge = {
    ...opened, id, person: null, paperName: name, state: 'confirmed', countedAt, confirmedAt: paper.at, declaredDay: paper.day,
    awaitsReview: daysBetween(paper.day, today) > declaredBackLimit, verdict: judge(countedAt, due?.deadline ?? null), wave: null, receipt,
  };
  await core.store.pledges.insertMissing([pledge]);
  return { pledge: (await core.store.pledges.get(id)) ?? pledge, plan, obligation };
}

/** Ends what a removed member owes the unit: an unconfirmed pledge goes, a confirmed one stays with the unit where it was earned. */
export async function endPledges(core: Core, personId: string, unitCode: string): Promise<void> {
  for (const plan of await core.store.plans.list()) {
    const pledge = await core.store.pledges.get(pledgeId(plan.plan, personId));
    if (pledge && pledge.unit === unitCode && pledge.state !== 'confirmed') await core.store.pledges.remove(pledge.id);
  }
}

async function managedPledges(core: Core, viewer: Person, unitCode: string): Promise<{ unit: Unit; plan: Plan; obligation: Obligation }> {
  const unit = await core.store.units.get(unitCode);
  requireAccess(viewer, 'members.manage', unit ?? undefined);
  if (!unit) throw new Refusal('unit-unknown', { unit: unitCode });
  const [plan] = await pledgingPlans(core);
  const obligation = plan && pledgeObligation(plan);
  if (!plan || !obligation) throw new Refusal('pledge-none');
  return { unit, plan, obligation };
}

async function* pledgesOfUnit(core: Core, plan: string, unit: string): AsyncGenerator<Pledge> {
  let after: string | null = null;
  do {
    const page: { items: Pledge[]; next: string | null } = await core.store.pledges.ofUnit(plan, unit, { after, limit: batchSize });
    yield* page.items;
    after = page.next;
  } while (after !== null);
}

async function namesOf(core: Core, pledges: readonly Pledge[]): Promise<Map<string, string>> {
  const ids = pledges.flatMap((pledge) => (pledge.person === null ? [] : [pledge.person]));
  const names = new Map<string, string>();
  for (let start = 0; start < ids.length; start += batchSize) {
    for (const person of await core.store.people.many(ids.slice(start, start + batchSize))) names.set(person.id, person.name);
  }
  return names;
}
