import { requireAccess, type Viewer } from '../domain/access.ts';
import { shortRef } from '../domain/choice.ts';
import type { OutgoingDocument } from '../domain/message.ts';
import type { Language } from '../domain/person.ts';
import type { Plan } from '../domain/plan.ts';
import type { Core, Sheet } from '../ports.ts';
import { countOverdue, streamOverdue, type OverdueQuery, type OverdueRow } from './overdue.ts';
import { titleOf } from './scopes.ts';

const mime = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
/** More than a chat carries: such a list is asked for unit by unit. */
const sheetSizeLimit = 50 * 1024 * 1024;

/** The words of the sheet: its title, its columns in order, and what reach and state are called. */
export interface SheetWords {
  title: string;
  name: string;
  columns: readonly string[];
  reach(row: OverdueRow): string;
  state(row: OverdueRow): string;
}

const widths = [16, 44, 48, 18, 12, 14, 18, 12, 30];

/**
 * Writes everything overdue in a unit's subtree as a spreadsheet and keeps it as a file to send. The same question of the same person at
 * the same moment is the same file. Null when nothing is overdue. Throws Refusal `not-allowed` or `unit-unknown`.
 */
export async function exportOverdue(core: Core, viewer: Viewer, plan: Plan, query: OverdueQuery, words: SheetWords, language: Language, at: Date): Promise<OutgoingDocument | null> {
  requireAccess(viewer, 'office');
  if ((await countOverdue(core, viewer, query)).count === 0) return null;
  const fileId = `export-${shortRef([viewer.id, at.toISOString(), query.plan, query.obligation ?? '', query.unit].join('/'))}`;
  const kept = await core.store.files.describe(fileId);
  if (kept) return { fileId, name: kept.name, mime: kept.mime, size: kept.size };
  async function* cells(): AsyncGenerator<(string | number)[]> {
    for await (const row of streamOverdue(core, viewer, query)) yield overdueCells(row, plan, words, language);
  }
  const sheet: Sheet = { title: words.title, columns: words.columns.map((title, index) => ({ title, width: widths[index] ?? 16 })), rows: cells() };
  const { size } = await core.store.files.save(fileId, core.writeSheet(sheet), { name: words.name, mime }, sheetSizeLimit);
  return { fileId, name: words.name, mime, size };
}

function overdueCells(row: OverdueRow, plan: Plan, words: SheetWords, language: Language): (string | number)[] {
  return [
    row.unit.code, row.unit.name, titleOf(plan, row.assignment.obligation, language), row.since.lastDay, row.daysLate, words.state(row), words.reach(row), row.reminders,
    row.assignment.asked?.why ?? '',
  ];
}
