import { z } from 'zod';
import { channelNameSchema } from '../domain/person.ts';
import { keptFileSchema } from '../domain/submission.ts';
import type { Core, Draft } from '../ports.ts';
import { doOncePerDay } from './daily.ts';
import { dropFiles } from './files.ts';

const dayMs = 86_400_000;
const answerMs = 30 * dayMs;
/** A day longer than they can be given to a report: an answer that is being handled never loses its files. */
const sweepMs = 31 * dayMs;
const batchSize = 100;
const prefix = 'kept/';

const keptFilesSchema = z.object({
  person: z.string(), files: z.array(keptFileSchema).min(1), note: z.string(), at: z.coerce.date(), source: z.string(), channel: channelNameSchema,
});
/** Files kept until the person says what they are for. `at` is the sender's stamp, `source` what the version they become is known by. */
export type KeptFiles = z.infer<typeof keptFilesSchema>;

/** As the store holds it, with the message that changed it last beside it; ended drafts still say what they were. */
const storedSchema = z.union([
  keptFilesSchema,
  z.object({ now: keptFilesSchema.nullable(), before: z.object({ data: keptFilesSchema }).nullable() }).transform(({ now, before }) => now ?? before?.data ?? null),
]);

/** The name kept files wait under: a name of their own, so that other commands in between do not lose them. `ref` is the id of the version they become. */
export function keptOwner(ref: string): string {
  return `${prefix}${ref}`;
}

/** Kept files as a draft, asked about at `now`. */
export function keptDraft(kept: KeptFiles, now: Date): Draft {
  return { flow: 'kept-files', data: { ...kept }, at: now };
}

/** The files of such a draft; null when there are none, or when they were asked about more than thirty days before `now`: they are about to be removed. */
export function openKept(draft: Draft | null, now: Date): KeptFiles | null {
  return draft && now.getTime() - draft.at.getTime() < answerMs ? keptFilesSchema.parse(draft.data) : null;
}

/**
 * Removes files that were kept for the question which report they are, and that nobody answered, with what is left of answered questions. Once a day, a batch at a
 * time; what a crash cuts off is found again by its draft, which goes last. What was handed in stays. Answers how many questions were removed.
 */
export async function sweepKept(core: Core, now: Date): Promise<number> {
  let swept = 0;
  await doOncePerDay(core, 'kept-files', core.calendar.dayOf(now), async () => {
    const before = new Date(now.getTime() - sweepMs);
    for (;;) {
      const old = await core.store.drafts.old(prefix, before, batchSize);
      for (const { owner, draft } of old) {
        if (draft) await dropUnused(core, owner, draft);
        await core.store.drafts.forget(owner);
      }
      swept += old.length;
      if (old.length < batchSize) return;
    }
  });
  if (swept > 0) core.log.info('kept files swept', { questions: swept });
  return swept;
}

async function dropUnused(core: Core, owner: string, draft: Draft): Promise<void> {
  const { data: kept, error } = storedSchema.safeParse(draft.data);
  // What cannot be read can never be answered either, and must not stand in the way of every look.
  if (error) core.log.warn('kept files unreadable', { owner });
  if (!kept) return;
  const used = await core.store.submissions.bySource(kept.source);
  await dropFiles(core, kept.files, used?.content.kind === 'files' ? used.content.files : []);
}
