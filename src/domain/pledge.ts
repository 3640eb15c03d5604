import { z } from 'zod';
import { localDateSchema } from './calendar.ts';
import { judge, type Due, type Verdict } from './deadline.ts';
import { waveId } from './reminder.ts';

/**
 * One member's personal registration for one plan. It exists (`open`) from the day the member joined or the plan opened, so that who has
 * not pledged is a stored fact; a paper one is recorded by the chair for a member without a phone and kept apart.
 */
export const pledgeSchema = z.strictObject({
  id: z.string(),
  plan: z.string(),
  obligation: z.string(),
  unit: z.string(),
  level: z.string(),
  path: z.array(z.string()),
  /** Null for a paper pledge. */
  person: z.string().nullable(),
  /** The member's name on a paper pledge; for a person's own pledge the name lives with the person. */
  paperName: z.string().nullable(),
  text: z.string(),
  state: z.enum(['open', 'draft', 'confirmed']),
  /** The stamp of the confirmation, or the start of a paper pledge's declared day. */
  countedAt: z.date().nullable(),
  confirmedAt: z.date().nullable(),
  declaredDay: localDateSchema.nullable(),
  /** A declared day more than 30 days back. */
  awaitsReview: z.boolean(),
  deadline: z.date().nullable(),
  verdict: z.enum(['on-time', 'late']).nullable(),
  /** The wave that reminds of it while it is not confirmed; null otherwise. */
  wave: z.string().nullable(),
  receipt: z.string().nullable(),
  /** Every text with the stamp it was given at; `source` is the message that was the text as a whole, so that its edit can be told. */
  versions: z.array(z.strictObject({ text: z.string(), at: z.date(), source: z.string().optional() })),
  /** Counted up by every change; a change based on an older one is tried again. */
  rev: z.number().int(),
});
/** See {@link pledgeSchema}. */
export type Pledge = z.infer<typeof pledgeSchema>;

/** The id of a person's own pledge. */
export function pledgeId(plan: string, person: string): string {
  return `${plan}/${person}`;
}

/** A member's pledge before anything is written, with the wave that reminds of it. */
export function openPledge(what: { plan: string; obligation: string; unit: string; level: string; path: string[]; person: string; due: Due | null }): Pledge {
  const { plan, obligation, unit, level, path, person, due } = what;
  return {
    id: pledgeId(plan, person), plan, obligation, unit, level, path, person, paperName: null, text: '', state: 'open', countedAt: null, confirmedAt: null, declaredDay: null,
    awaitsReview: false, deadline: due?.deadline ?? null, verdict: null, wave: due ? waveId(plan, obligation, 'pledge', due) : null, receipt: null, versions: [], rev: 0,
  };
}

/** Applies an amended plan: what was confirmed keeps the better verdict. */
export function amendPledge(pledge: Pledge, due: Due | null): Pledge {
  if (pledge.countedAt !== null && judge(pledge.countedAt, due?.deadline ?? null) === 'late') return pledge;
  const deadline = due?.deadline ?? null;
  if (pledge.deadline?.getTime() === deadline?.getTime()) return pledge;
  const open = pledge.state !== 'confirmed';
  return { ...pledge, deadline, verdict: open ? null : 'on-time', wave: open && due ? waveId(pledge.plan, pledge.obligation, 'pledge', due) : null };
}

/** Whether the pledge may still be written or changed: until the deadline, and before the first confirmation at any time (late is late, not locked). */
export function mayChange(pledge: Pick<Pledge, 'state' | 'deadline'>, at: Date): boolean {
  return pledge.state !== 'confirmed' || pledge.deadline === null || at < pledge.deadline;
}

/** Writes or rewrites the text: what stood before is kept as a version, a confirmed pledge stays confirmed at its first stamp. */
export function writePledge(pledge: Pledge, text: string, at: Date, source: string | null = null): Pledge {
  const versions = [...pledge.versions, { text, at, ...(source === null ? {} : { source }) }];
  return { ...pledge, text, versions, state: pledge.state === 'confirmed' ? 'confirmed' : 'draft' };
}

/** Confirms the text; the first confirmation's stamp counts. Confirming again changes nothing. */
export function confirmPledge(pledge: Pledge, at: Date, receipt: string): Pledge {
  if (pledge.state === 'confirmed') return pledge;
  return { ...pledge, state: 'confirmed', confirmedAt: at, countedAt: at, verdict: judge(at, pledge.deadline) satisfies Verdict, wave: null, receipt };
}
