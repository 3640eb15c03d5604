import { assignmentSchema, overdueFrom, type Assignment } from '../domain/assignment.ts';
import type { Row } from './model.ts';

/** An assignment with what only the indexes need; all of it is derived again by every write. */
export interface AssignmentRow extends Omit<Assignment, 'id'>, Row {
  /** From this instant on it is overdue; not there at all when it never will be as it stands. */
  overdueAt?: Date;
  /** The deadline in force, for the figures. */
  deadline: Date | null;
  /** When more time was asked for; not there otherwise. */
  askedAt?: Date;
  /** When what waits for a review counts from; not there otherwise. */
  reviewFrom?: Date;
}

/** The stored form of an assignment, with everything derived for the indexes. */
export function toRow(assignment: Assignment): AssignmentRow {
  const { id, ...rest } = assignment;
  const overdueAt = overdueFrom(assignment)?.deadline;
  return {
    _id: id, ...rest, deadline: assignment.due?.deadline ?? null,
    ...(overdueAt ? { overdueAt } : {}),
    ...(assignment.asked ? { askedAt: assignment.asked.at } : {}),
    ...(assignment.state === 'submitted' && assignment.awaitsReview && assignment.countedAt ? { reviewFrom: assignment.countedAt } : {}),
  };
}

/** The assignment as the domain knows it. */
export function toAssignment(row: AssignmentRow): Assignment {
  const { _id, overdueAt: _overdueAt, deadline: _deadline, askedAt: _askedAt, reviewFrom: _reviewFrom, ...rest } = row;
  return assignmentSchema.parse({ id: _id, ...rest });
}
