import { z } from 'zod';
import { obligationSchema, wordsSchema, type Obligation } from './obligation.ts';

/** A plan as its YAML file says it. Unknown keys are mistakes. */
export const planSchema = z.strictObject({
  plan: z.string().regex(/^[A-Za-z0-9-]{1,40}$/, { error: 'expected letters, digits and hyphens' }),
  year: z.int().min(1990).max(2200),
  number: z.string().trim().min(1),
  title: wordsSchema,
  issuer: wordsSchema,
  materials: z.array(z.strictObject({ title: wordsSchema, url: z.url() })),
  obligations: z
    .array(obligationSchema)
    .min(1)
    .superRefine((obligations, context) => {
      obligations.forEach((obligation, index) => {
        if (obligations.findIndex((other) => other.key === obligation.key) < index) {
          context.addIssue({ code: 'custom', message: `the key ${obligation.key} is used twice`, path: [index, 'key'] });
        }
        if (obligation.deliverable === 'pledge' && obligations.findIndex((other) => other.deliverable === 'pledge') < index) {
          context.addIssue({ code: 'custom', message: 'a plan asks for one pledge at most', path: [index, 'deliverable'] });
        }
      });
    }),
});
/** See {@link planSchema}. */
export type Plan = z.infer<typeof planSchema>;

/** The obligation of that key, or undefined. */
export function obligationOf(plan: Plan, key: string): Obligation | undefined {
  return plan.obligations.find((obligation) => obligation.key === key);
}

/** The plan's one personal registration, if it asks for one. */
export function pledgeObligation(plan: Plan): Obligation | undefined {
  return plan.obligations.find((obligation) => obligation.deliverable === 'pledge');
}
