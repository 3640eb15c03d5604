import { z } from 'zod';
import { localDateSchema, type LocalDate } from './calendar.ts';

/** A unit's stable code, compared in NFC, case matters. */
export const unitCodeSchema = z.string().trim().min(1).max(40).regex(/^[^\s/:|]+$/).transform((code) => code.normalize('NFC'));

/** One level of the union tree as `seeds/levels.yaml` declares it; `rank` 0 is the top. */
export const levelSchema = z.strictObject({
  key: z.string().regex(/^[a-z0-9-]+$/),
  rank: z.int().min(0),
  name: z.strictObject({ vi: z.string().min(1), en: z.string().min(1) }),
});
/** See {@link levelSchema}. */
export type Level = z.infer<typeof levelSchema>;

/** A node of the union tree. `path` runs from the root to the unit itself, so that a subtree is one indexed question. */
export const unitSchema = z.strictObject({
  code: z.string(),
  name: z.string(),
  level: z.string(),
  parent: z.string().nullable(),
  path: z.array(z.string()),
  members: z.int().min(0),
  /** The day it opens, at 00:00; null: since always. */
  opened: localDateSchema.nullable(),
  /** From this day on it is closed; null: open. */
  closed: localDateSchema.nullable(),
});
/** See {@link unitSchema}. */
export type Unit = z.infer<typeof unitSchema>;

/**
 * Whether the unit exists on that day (from its opening day, until the day before its closing day).
 * @example isOpenOn({ opened: null, closed: '2024-06-01' }, '2024-06-01') → false
 */
export function isOpenOn(unit: Pick<Unit, 'opened' | 'closed'>, day: LocalDate): boolean {
  return (unit.opened === null || unit.opened <= day) && (unit.closed === null || day < unit.closed);
}

/** One row of a units sheet as an operator writes it, not yet looked at against the tree. `row` counts from 1, the header is row 1. */
export interface UnitRow {
  row: number;
  code: string;
  name: string;
  level: string;
  /** Null for the root. */
  parent: string | null;
  members: number;
}
