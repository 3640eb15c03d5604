import { z } from 'zod';
import { localDateSchema } from './calendar.ts';
import { channelNameSchema } from './person.ts';

/** The largest file taken, in bytes (Telegram's own limit for bots). */
export const fileSizeLimit = 20 * 1024 * 1024;
/** The longest text taken for a text deliverable or a pledge, in characters. */
export const textLimit = 4000;
/** A deed declared further back than this many days waits for a review. */
export const declaredBackLimit = 30;

/** File kinds that are taken; recognised by content, never by name. */
export const fileKindSchema = z.enum(['pdf', 'doc', 'docx', 'xls', 'xlsx', 'odt', 'ods', 'jpg', 'png', 'heic', 'zip']);
/** See {@link fileKindSchema}. */
export type FileKind = z.infer<typeof fileKindSchema>;

/** A file kept: its id in the file store, what it is called, how large it is and its SHA-256 (hexadecimal). */
export const keptFileSchema = z.strictObject({
  fileId: z.string(),
  name: z.string(),
  kind: fileKindSchema,
  size: z.number().int(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
/** See {@link keptFileSchema}. */
export type KeptFile = z.infer<typeof keptFileSchema>;

/** What was handed in: files, a text, or a deed confirmed with its day and number of participants. */
export const submittedSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('files'), files: z.array(keptFileSchema).min(1), note: z.string() }),
  z.strictObject({ kind: z.literal('text'), text: z.string() }),
  z.strictObject({ kind: z.literal('deed'), day: localDateSchema, participants: z.number().int().min(0) }),
]);
/** See {@link submittedSchema}. */
export type Submitted = z.infer<typeof submittedSchema>;

/** One version a unit handed in for an assignment. Never deleted: withdrawing marks it. */
export const submissionSchema = z.strictObject({
  id: z.string(),
  assignment: z.string(),
  plan: z.string(),
  unit: z.string(),
  version: z.number().int().min(1),
  content: submittedSchema,
  /** The sender's stamp. */
  sentAt: z.date(),
  /** What the verdict looks at: the stamp, or for a deed the start of its declared day. */
  countedAt: z.date(),
  /** When it was stored. */
  receivedAt: z.date(),
  by: z.string(),
  /** `channel:messageId` (or the album), unique: the same message makes one version. */
  source: z.string(),
  channel: channelNameSchema,
  receipt: z.string(),
  /** Sent after a waiver: kept, changes no figure until the waiver is taken back. */
  voluntary: z.boolean(),
  /** Waits for a look by the staff: the plan asks for a review, or a deed's declared day lies far back. It counts as it was sent or declared meanwhile. */
  awaitsReview: z.boolean(),
  withdrawnAt: z.date().nullable(),
});
/** See {@link submissionSchema}. */
export type Submission = z.infer<typeof submissionSchema>;

/**
 * A receipt number.
 * @example receiptNumber(2024, 123) → 'BN-2024-000123'
 */
export function receiptNumber(year: number, count: number): string {
  return `BN-${year}-${String(count).padStart(6, '0')}`;
}
