import type { CellValue } from 'exceljs';
import type { RowMistake } from '../domain/mistake.ts';
import { unitCodeSchema, type UnitRow } from '../domain/unit.ts';
import { decodeText } from './bytes.ts';
import { readCsv } from './csv.ts';

/** A units sheet as read: its rows, and every mistake that can be seen without the stored tree. */
export interface UnitSheet {
  rows: UnitRow[];
  mistakes: RowMistake[];
}

const columns = ['code', 'name', 'level', 'parent', 'members'] as const;
type Column = (typeof columns)[number];
const nameLimit = 300;
const membersLimit = 10_000_000;

/**
 * Reads a units sheet: csv (comma or semicolon, UTF-8 with or without a byte order mark, any line ends, quoted cells) or xlsx (first sheet), told apart by content.
 * The header stands in any order; a column too many or too few is a mistake. Cells that begin with `=`, `+`, `-` or `@` stay text. Blank rows are passed over.
 */
export async function readUnitSheet(bytes: Uint8Array): Promise<UnitSheet> {
  const isZip = bytes[0] === 0x50 && bytes[1] === 0x4b;
  const table = isZip ? await readXlsx(bytes) : readTable(bytes);
  if ('mistake' in table) return { rows: [], mistakes: [table.mistake] };
  const [header = [], ...lines] = table.cells;
  const { places, mistakes } = readHeader(header);
  if (mistakes.length > 0) return { rows: [], mistakes };
  const rows: UnitRow[] = [];
  lines.forEach((cells, index) => {
    if (cells.every((cell) => cell.trim() === '')) return;
    const read = readRow(cells, places, index + 2);
    if (read.mistakes.length > 0) mistakes.push(...read.mistakes);
    else rows.push(read.row);
  });
  if (rows.length === 0 && mistakes.length === 0) mistakes.push({ row: 1, key: 'unit-sheet.empty', params: {} });
  return { rows, mistakes };
}

type Table = { cells: string[][] } | { mistake: RowMistake };

function readTable(bytes: Uint8Array): Table {
  const decoded = decodeText(bytes);
  if ('badLine' in decoded) return { mistake: { row: decoded.badLine, key: 'unit-sheet.not-utf8', params: {} } };
  const csv = readCsv(decoded.text);
  return 'openQuoteRow' in csv ? { mistake: { row: csv.openQuoteRow, key: 'unit-sheet.open-quote', params: {} } } : csv;
}

async function readXlsx(bytes: Uint8Array): Promise<Table> {
  // Loaded with the first xlsx: it is heavy, and most sheets are csv.
  const { default: exceljs } = await import('exceljs');
  const book = new exceljs.Workbook();
  try {
    await book.xlsx.load(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);
  } catch {
    return { mistake: { row: 1, key: 'unit-sheet.unreadable', params: {} } };
  }
  const cells: string[][] = [];
  book.worksheets[0]?.eachRow({ includeEmpty: true }, (row, number) => {
    const values: string[] = [];
    row.eachCell({ includeEmpty: true }, (cell, column) => {
      values[column - 1] = cellText(cell.value).normalize('NFC');
    });
    cells[number - 1] = values;
  });
  return { cells: Array.from(cells, (row) => row ?? []) };
}

/** A cell as text. A formula stays the formula that was written: its result is whatever another program left there. */
function cellText(value: CellValue): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'object') return String(value);
  if ('richText' in value) return value.richText.map((part) => part.text).join('');
  if ('formula' in value) return `=${value.formula ?? ''}`;
  if ('sharedFormula' in value) return `=${value.sharedFormula}`;
  if ('error' in value) return value.error;
  return 'text' in value ? cellText(value.text as CellValue) : '';
}

function readHeader(header: readonly string[]): { places: Record<Column, number>; mistakes: RowMistake[] } {
  const names = header.map((cell) => cell.trim().toLowerCase());
  while (names.at(-1) === '') names.pop();
  const mistakes: RowMistake[] = [];
  const tell = (key: string, name: string): number => mistakes.push({ row: 1, key, params: { name, columns: columns.join(', ') } });
  names.forEach((name, index) => {
    if (!(columns as readonly string[]).includes(name)) tell('unit-sheet.unknown-column', header[index]?.trim() ?? '');
    else if (names.indexOf(name) < index) tell('unit-sheet.column-twice', name);
  });
  for (const column of columns) if (!names.includes(column)) tell('unit-sheet.column-missing', column);
  return { places: Object.fromEntries(columns.map((column) => [column, names.indexOf(column)])) as Record<Column, number>, mistakes };
}

function readRow(cells: readonly string[], places: Record<Column, number>, row: number): { row: UnitRow; mistakes: RowMistake[] } {
  const mistakes: RowMistake[] = [];
  const tell = (key: string, params: RowMistake['params'] = {}): number => mistakes.push({ row, key, params });
  const cell = (column: Column): string => (cells[places[column]] ?? '').trim();
  if (cells.some((value, index) => index >= columns.length && value.trim() !== '')) tell('unit-sheet.cell-too-many');
  const readCode = (text: string, missing: string): string => {
    const parsed = unitCodeSchema.safeParse(text);
    if (text === '') tell(missing);
    else if (!parsed.success) tell('unit-sheet.code-shape', { code: text.slice(0, 60) });
    return parsed.data ?? text;
  };
  const code = readCode(cell('code'), 'unit-sheet.code-missing');
  const parent = cell('parent') === '' ? null : readCode(cell('parent'), 'unit-sheet.code-missing');
  const name = cell('name').replace(/\s+/g, ' ');
  if (name === '') tell('unit-sheet.name-missing');
  if (name.length > nameLimit) tell('unit-sheet.name-long', { limit: nameLimit });
  if (cell('level') === '') tell('unit-sheet.level-missing');
  const members = cell('members');
  const isCount = /^\d{1,8}$/.test(members) && Number(members) <= membersLimit;
  if (members !== '' && !isCount) tell('unit-sheet.members-shape', { value: members.slice(0, 60) });
  return { row: { row, code, name, level: cell('level'), parent, members: isCount ? Number(members) : 0 }, mistakes };
}
