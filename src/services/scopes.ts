import { visibleRoots, type Action, type Viewer } from '../domain/access.ts';
import { shortRef } from '../domain/choice.ts';
import type { Obligation } from '../domain/obligation.ts';
import type { Language } from '../domain/person.ts';
import { obligationOf, type Plan } from '../domain/plan.ts';
import { Refusal } from '../domain/refusal.ts';
import { foldText } from '../domain/spelling.ts';
import type { Unit } from '../domain/unit.ts';
import type { Core } from '../ports.ts';

/** What a question is about: a whole plan, or one obligation of it. */
export interface Scope {
  plan: Plan;
  obligation: Obligation | null;
}

/** How many units of a name are looked at; more are left to further typing. */
const lookedAt = 30;
/** Longer questions are not taken apart: each word costs a look into the index. */
const mostWords = 12;

/** A scope as it travels in a choice id. @example scopeRef('2024', null).length → 16 */
export function scopeRef(plan: string, obligation: string | null): string {
  return shortRef(obligation === null ? `plan/${plan}` : `plan/${plan}/${obligation}`);
}

/** The scope of a reference that came back. Throws Refusal `choice-old` when no plan knows it (any more). */
export async function scopeByRef(core: Core, ref: string): Promise<Scope> {
  for (const plan of await core.store.plans.list()) {
    if (scopeRef(plan.plan, null) === ref) return { plan, obligation: null };
    const obligation = plan.obligations.find((candidate) => scopeRef(plan.plan, candidate.key) === ref);
    if (obligation) return { plan, obligation };
  }
  throw new Refusal('choice-old');
}

/** The title of an obligation; its key where an amended plan does not know it any more. */
export function titleOf(plan: Plan, obligation: string, language: Language): string {
  return obligationOf(plan, obligation)?.title[language] ?? obligation;
}

/** What typed words mean: one obligation or all, and the units they fit (`null`: no unit was named). */
export interface Meant {
  obligation: Obligation | null;
  /** Obligations the words fit equally well; more than one asks back. */
  obligations: Obligation[];
  units: Unit[] | null;
  /** More units fit than are listed. */
  more: boolean;
}

/**
 * Reads "[obligation] [unit]" in either order, without diacritics, in any case: the whole first as a unit (a name is the rarer thing),
 * then as an obligation, then every way of cutting it in two, the longer obligation first. Units come from what the viewer may see.
 * Null when nothing fits.
 * @example meantBy(core, staff, 'overdue.read', plan, 'bao cao phan thiet') → { obligation: bao-cao-6-thang, units: [Phan Thiết], … }
 */
export async function meantBy(core: Core, viewer: Viewer, action: Action, plan: Plan, typed: string): Promise<Meant | null> {
  const words = foldText(typed).split(' ').filter(Boolean);
  if (words.length === 0 || words.length > mostWords) return null;
  const roots = visibleRoots(viewer, action);
  const whole = await unitsMeant(core, roots, typed, words);
  if (whole) return { obligation: null, obligations: [], ...whole };
  const all = obligationsMeant(plan, words);
  if (all.length > 0) return { ...oneOf(all), units: null, more: false };
  for (let count = words.length - 1; count > 0; count -= 1) {
    for (const [asked, place] of [[words.slice(0, count), words.slice(count)], [words.slice(-count), words.slice(0, -count)]] as const) {
      const obligations = obligationsMeant(plan, asked);
      const units = obligations.length > 0 ? await unitsMeant(core, roots, place.join(' '), place) : null;
      if (units) return { ...oneOf(obligations), ...units };
    }
  }
  return null;
}

function oneOf(obligations: Obligation[]): Pick<Meant, 'obligation' | 'obligations'> {
  return obligations.length === 1 ? { obligation: obligations[0] as Obligation, obligations: [] } : { obligation: null, obligations };
}

/** The units of a name, those nearest the root first. One that has all the others under it is the one that is meant: its list leads to them. */
async function unitsMeant(core: Core, roots: string[] | null, typed: string, words: readonly string[]): Promise<Pick<Meant, 'more'> & { units: Unit[] } | null> {
  const found = await core.store.units.search(words.join(' '), roots, { after: null, limit: lookedAt });
  if (found.items.length === 0) return null;
  const exact = found.items.filter((unit) => unit.code === typed.trim() || foldText(unit.code) === words.join(' ') || foldText(unit.name) === words.join(' '));
  if (exact.length === 1) return { units: exact, more: false };
  const units = found.items.toSorted((a, b) => a.path.length - b.path.length);
  const [top] = units;
  if (top && found.next === null && units.every((unit) => unit.path.includes(top.code))) return { units: [top], more: false };
  return { units, more: found.next !== null };
}

/** Obligations whose key or titles hold every typed word, as a word or its beginning; the key itself wins. */
function obligationsMeant(plan: Plan, words: readonly string[]): Obligation[] {
  const asked = plan.obligations.filter((obligation) => obligation.deliverable !== 'notice');
  const exact = asked.filter((obligation) => foldText(obligation.key) === words.join(' '));
  if (exact.length > 0) return exact;
  return asked.filter((obligation) => {
    const known = foldText(`${obligation.key} ${obligation.title.vi} ${obligation.title.en}`).split(' ');
    return words.every((word) => known.some((candidate) => (word.length > 1 ? candidate.startsWith(word) : candidate === word)));
  });
}
