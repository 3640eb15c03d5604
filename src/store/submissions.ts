import type { Connection } from 'mongoose';
import { Refusal } from '../domain/refusal.ts';
import { submissionSchema, type Submission } from '../domain/submission.ts';
import type { SubmissionStore } from '../ports.ts';
import { anything, defineModel, insertOnce, type Row } from './model.ts';

type SubmissionRow = Omit<Submission, 'id'> & Row;

/** Versions handed in; see {@link SubmissionStore}. */
export function createSubmissionStore(connection: Connection): SubmissionStore {
  const model = defineModel<SubmissionRow>(
    connection,
    'submissions',
    {
      assignment: String, plan: String, unit: String, version: Number, content: anything, sentAt: Date, countedAt: Date, receivedAt: Date, by: String, source: String, channel: String,
      receipt: String, voluntary: Boolean, awaitsReview: Boolean, withdrawnAt: Date,
    },
    [
      // The same message makes one version.
      [{ source: 1 }, { unique: true }],
      // Versions in order, each number once: two at the same moment are numbered on.
      [{ assignment: 1, version: 1 }, { unique: true }],
    ],
  );

  async function bySource(source: string): Promise<Submission | null> {
    const row = await model.findOne({ source }).lean<SubmissionRow>();
    return row && toSubmission(row);
  }

  async function get(id: string): Promise<Submission | null> {
    const row = await model.findOne({ _id: id }).lean<SubmissionRow>();
    return row && toSubmission(row);
  }

  return {
    get,
    bySource,
    ofAssignment: async (assignment) => (await model.find({ assignment }).sort({ version: 1 }).lean<SubmissionRow[]>()).map(toSubmission),
    async insert(submission) {
      let numbered = submission;
      for (;;) {
        const { id, ...rest } = numbered;
        if (await insertOnce(model, { _id: id, ...rest })) return numbered;
        const before = (await bySource(submission.source)) ?? (await get(submission.id));
        if (before) return before;
        const latest = await model.findOne({ assignment: submission.assignment }, { version: 1 }).sort({ version: -1 }).lean<SubmissionRow>();
        numbered = { ...submission, version: (latest?.version ?? 0) + 1 };
      }
    },
    async addFile(id, file) {
      await model.updateOne({ _id: id, 'content.kind': 'files', 'content.files.fileId': { $ne: file.fileId } }, { $push: { 'content.files': file } });
      const stored = await get(id);
      if (!stored) throw new Refusal('file-gone');
      return stored;
    },
    async withBytes(assignment, sha256) {
      const row = await model.findOne({ assignment, withdrawnAt: null, 'content.files.sha256': sha256 }).sort({ version: 1 }).lean<SubmissionRow>();
      return row && toSubmission(row);
    },
    async withdraw(assignment, at) {
      await model.updateMany({ assignment, withdrawnAt: null }, { $set: { withdrawnAt: at } });
    },
  };
}

function toSubmission(row: SubmissionRow): Submission {
  const { _id, ...rest } = row;
  return submissionSchema.parse({ id: _id, ...rest });
}
