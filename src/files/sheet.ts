import { PassThrough, type Readable } from 'node:stream';
import type { Sheet } from '../ports.ts';

/** What Excel takes in the name of a sheet: 31 characters, without : \ / ? * [ ]. */
function sheetName(title: string): string {
  return Array.from(title.replace(/[:\\/?*[\]]/g, ' ')).slice(0, 31).join('').trim() || 'Sheet';
}

/**
 * Writes rows as an xlsx file, streamed: a row leaves memory once it is written, and a slow reader slows the rows down. A text is written as a
 * text cell, whatever it begins with: `=1+1` in a unit's name stays those four characters and is never calculated.
 * The stream fails when the rows fail: what came before is then no file.
 */
export function writeSheet(sheet: Sheet): Readable {
  const stream = new PassThrough({ highWaterMark: 1 << 18 });
  fill(sheet, stream).catch((error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error))));
  return stream;
}

async function fill(sheet: Sheet, stream: PassThrough): Promise<void> {
  // Loaded with the first sheet: it is heavy, and most days nobody exports anything.
  const { default: exceljs } = await import('exceljs');
  const workbook = new exceljs.stream.xlsx.WorkbookWriter({ stream, useStyles: true, useSharedStrings: false });
  const worksheet = workbook.addWorksheet(sheetName(sheet.title), { views: [{ state: 'frozen', ySplit: 1 }] });
  worksheet.columns = sheet.columns.map((column) => ({ header: column.title, width: column.width }));
  worksheet.getRow(1).font = { bold: true };
  for await (const cells of sheet.rows) {
    // Marked as text as well, so that it stays one when somebody edits the cell later.
    const row = worksheet.addRow([...cells]);
    cells.forEach((cell, index) => {
      if (typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell)) row.getCell(index + 1).numFmt = '@';
    });
    row.commit();
    if (stream.writableNeedDrain) await drained(stream);
  }
  worksheet.commit();
  await workbook.commit();
}

function drained(stream: PassThrough): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      stream.off('drain', settle).off('close', settle);
      if (stream.destroyed) reject(new Error('the reader went away'));
      else resolve();
    };
    stream.on('drain', settle).on('close', settle);
  });
}
