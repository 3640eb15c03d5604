import { z } from 'zod';
import type { Draft, DraftStore } from '../ports.ts';

const draftLifeMs = 24 * 3_600_000;

const keptSchema = z.object({
  by: z.string(),
  before: z.object({ flow: z.string(), data: z.record(z.string(), z.unknown()), at: z.date() }).nullable(),
  now: z.record(z.string(), z.unknown()).nullable(),
});

/** Drafts as one message sees them. */
export interface GuardedDrafts extends DraftStore {
  /** Removes what is left of the drafts this message ended; to be called once the message is done and cannot be handled again. */
  settle(): Promise<void>;
}

/**
 * Drafts as the message of that inbox key finds them. A draft decides what the same words mean, so a message that is handled a second time
 * (killed after the draft moved on, before the answer was stored) must find the draft it found the first time: every change keeps, in the same
 * write, which message made it and what stood there before.
 * @example the day "28/3" moved the draft on to "how many?"; handled again, "28/3" is still the day
 */
export function guardDrafts(drafts: DraftStore, key: string): GuardedDrafts {
  const changed = new Map<string, 'set' | 'cleared'>();

  async function found(owner: string): Promise<{ before: Draft | null; now: Draft | null }> {
    const stored = await drafts.get(owner);
    if (!stored) return { before: null, now: null };
    const parsed = keptSchema.safeParse(stored.data);
    if (!parsed.success) return { before: stored, now: stored };
    const kept = parsed.data;
    const now = kept.now === null ? null : { flow: stored.flow, data: kept.now, at: stored.at };
    return kept.by === key && !changed.has(owner) ? { before: kept.before, now: kept.before } : { before: kept.by === key ? kept.before : now, now };
  }

  async function change(owner: string, draft: Draft | null): Promise<void> {
    const { before } = await found(owner);
    const at = draft?.at ?? before?.at;
    if (!at) return;
    await drafts.set(owner, { flow: draft?.flow ?? '', data: { by: key, before, now: draft?.data ?? null }, at });
    changed.set(owner, draft ? 'set' : 'cleared');
  }

  return {
    get: async (owner) => (await found(owner)).now,
    set: change,
    clear: (owner) => change(owner, null),
    forget: (owner) => drafts.forget(owner),
    old: (prefix, before, limit) => drafts.old(prefix, before, limit),
    offerNumbers: (owner, choices, at) => drafts.offerNumbers(owner, choices, at),
    numbered: (owner, number) => drafts.numbered(owner, number),
    async settle() {
      for (const [owner, what] of changed) {
        const kept = what === 'cleared' ? keptSchema.safeParse((await drafts.get(owner))?.data) : null;
        if (kept?.success && kept.data.by === key) await drafts.clear(owner);
      }
    },
  };
}

/** Whether a draft still waits: what was begun more than a day before the message is forgotten, so that a greeting next week is not taken for a reason. */
export function isWaiting(draft: Draft, at: Date): boolean {
  return at.getTime() - draft.at.getTime() < draftLifeMs;
}
