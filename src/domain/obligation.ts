import { z } from 'zod';
import type { LocalDate } from './calendar.ts';
import { dueKindOf, dueRuleSchema } from './deadline.ts';
import { defaultDayStages, defaultStages, reminderTime } from './reminder.ts';

/** A sentence in both languages. */
export const wordsSchema = z.strictObject({ vi: z.string().trim().min(1), en: z.string().trim().min(1) });
/** See {@link wordsSchema}. */
export type Words = z.infer<typeof wordsSchema>;

/** Keys of plans' obligations: a-z, 0-9 and hyphens. */
export const obligationKeySchema = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, { error: 'expected a-z, 0-9 and single hyphens' });

/** What is handed in. `notice` asks for nothing and is in no figure. */
export const deliverableSchema = z.enum(['report', 'confirmation', 'text', 'pledge', 'notice']);
/** See {@link deliverableSchema}. */
export type Deliverable = z.infer<typeof deliverableSchema>;

/** One thing the plan asks for, with the clause and the sentence it comes from. */
export const obligationSchema = z
  .strictObject({
    key: obligationKeySchema,
    title: wordsSchema,
    clause: z.string().trim().min(1),
    quote: z.string().trim().min(1),
    audience: z.union([z.strictObject({ levels: z.array(z.string()).min(1) }), z.strictObject({ members: z.literal(true) })]),
    deliverable: deliverableSchema,
    due: dueRuleSchema,
    stages: z
      .array(z.int().min(-365).max(365))
      .min(1)
      .refine((offsets) => offsets.every((offset, index) => index === 0 || offset > (offsets[index - 1] as number)), { error: 'stages must ascend without doubles' })
      .optional(),
    review: z.boolean().default(false),
  })
  .refine((obligation) => !(obligation.stages && 'none' in obligation.due), { error: 'stages are not allowed where there is no date', path: ['stages'] })
  .refine((obligation) => obligation.deliverable !== 'pledge' || 'members' in obligation.audience, { error: 'a pledge is asked of members: audience must be { members: true }', path: ['audience'] })
  .refine((obligation) => !('members' in obligation.audience) || ['pledge', 'notice'].includes(obligation.deliverable), { error: 'members are asked for a pledge or given a notice, nothing else', path: ['deliverable'] })
  .refine((obligation) => !(obligation.deliverable === 'pledge' && 'on' in obligation.due), { error: 'a pledge has one deadline or none, not days to act on', path: ['due'] });
/** See {@link obligationSchema}. */
export type Obligation = z.infer<typeof obligationSchema>;

/**
 * The stage offsets of an obligation: its own, else the default of its kind; none where there is no date. `lastDay` is the last valid day they
 * are counted from, where that may be another than the plan's (an extension).
 * "Chậm nhất 8 giờ" ends with the minute the reminder of that morning leaves in, so that stage 0 falls away; every other hour tells by its instant.
 */
export function stageOffsets(obligation: Pick<Obligation, 'due' | 'stages'>, lastDay: LocalDate | null = null): readonly number[] {
  const { due } = obligation;
  const kind = dueKindOf(due);
  if (kind === 'none') return [];
  const offsets = obligation.stages ?? (kind === 'on' ? defaultDayStages : defaultStages);
  const [day, time] = 'by' in due ? due.by.split('T') : [];
  return time === reminderTime && (lastDay === null || lastDay === day) ? offsets.filter((offset) => offset !== 0) : offsets;
}

/** Whether the obligation makes an assignment for units of that level. */
export function asksLevel(obligation: Pick<Obligation, 'audience' | 'deliverable'>, level: string): boolean {
  return obligation.deliverable !== 'notice' && 'levels' in obligation.audience && obligation.audience.levels.includes(level);
}
