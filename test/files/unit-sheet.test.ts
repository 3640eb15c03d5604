import { describe, expect, test } from '@jest/globals';
import exceljs from 'exceljs';
import fc from 'fast-check';
import { readCsv } from '../../src/files/csv.ts';
import { sampleTree, sampleUnits } from '../../src/files/sample-tree.ts';
import { readUnitSheet, type UnitSheet } from '../../src/files/unit-sheet.ts';
import { createText } from '../../src/text.ts';
import { calendar } from '../support/builders.ts';

const read = (source: string): Promise<UnitSheet> => readUnitSheet(Buffer.from(source));
const mistakes = async (source: string): Promise<string[]> => (await read(source)).mistakes.map((mistake) => `${mistake.row} ${mistake.key.replace('unit-sheet.', '')}`);
const head = 'code,name,level,parent,members\n';
const two = [
  { row: 2, code: 'T', name: 'Tỉnh', level: 'tinh', parent: null, members: 0 },
  { row: 3, code: 'CĐ-1', name: 'Công đoàn, số 1', level: 'co-so', parent: 'T', members: 12 },
];

describe('a units sheet', () => {
  test.each<[string, string]>([
    ['commas', `${head}T,Tỉnh,tinh,,\nCĐ-1,"Công đoàn, số 1",co-so,T,12\n`],
    ['semicolons', 'code;name;level;parent;members\nT;Tỉnh;tinh;;0\nCĐ-1;Công đoàn, số 1;co-so;T;12'],
    ['a byte order mark and CRLF', `\uFEFF${head.trim()}\r\nT,Tỉnh,tinh,,\r\nCĐ-1,"Công đoàn, số 1",co-so,T,12\r\n`],
    ['old line ends', `${head.trim()}\rT,Tỉnh,tinh,,\rCĐ-1,"Công đoàn, số 1",co-so,T,12`],
    ['the header in another order', 'members,parent,code,level,name\n,,T,tinh,Tỉnh\n12,T,CĐ-1,co-so,"Công đoàn, số 1"\n'],
    ['spaces around the cells and empty columns behind', 'code , Name,level,parent,members,,\nT, Tỉnh ,tinh,,,,\n CĐ-1 ,"Công đoàn,  số 1",co-so, T ,12,,\n'],
    ['decomposed letters', `${head}T,Tỉnh,tinh,,\nCĐ-1,"Công đoàn, số 1",co-so,T,12\n`.normalize('NFD')],
    ['every cell in quotes', '"code";"name";"level";"parent";"members"\n"T";"Tỉnh";"tinh";"";""\n"CĐ-1";"Công đoàn, số 1";"co-so";"T";"12"\n'],
  ])('is read with %s', async (_words, source) => expect(await read(source)).toEqual({ rows: two, mistakes: [] }));

  test('blank rows are passed over, row numbers stay those of the sheet', async () => {
    const { rows } = await read(`${head}T,Tỉnh,tinh,,\n\n,,,,\nA,B,co-so,T,1\n`);
    expect(rows.map((row) => row.row)).toEqual([2, 5]);
  });

  test('cells that begin like a formula stay text', async () => {
    const { rows } = await read(`${head}T,"=HYPERLINK(""http://x"")",tinh,,\n@a,+1,co-so,T,\n-b,-1,co-so,T,\n`);
    expect(rows.map((row) => [row.code, row.name])).toEqual([['T', '=HYPERLINK("http://x")'], ['@a', '+1'], ['-b', '-1']]);
  });

  test.each<[string, string, string[]]>([
    ['a column too many', 'code,name,level,parent,members,phone\nT,x,tinh,,,0\n', ['1 unknown-column']],
    ['a column missing', 'code,name,level,parent\nT,x,tinh,\n', ['1 column-missing']],
    ['a column twice', 'code,name,level,parent,members,name\nT,x,tinh,,,y\n', ['1 column-twice']],
    ['no header', 'T,x,tinh,,0\n', ['1 unknown-column', '1 unknown-column', '1 unknown-column', '1 unknown-column', '1 unknown-column', '1 column-missing', '1 column-missing', '1 column-missing', '1 column-missing', '1 column-missing']],
    ['nothing but a header', head, ['1 empty']],
    ['an empty file', '', ['1 column-missing', '1 column-missing', '1 column-missing', '1 column-missing', '1 column-missing']],
    ['a cell too many', `${head}T,x,tinh,,0,extra\n`, ['2 cell-too-many']],
    ['no code, no name, no level', `${head},x,tinh,,\nA,,tinh,,\nB,x,,,\n`, ['2 code-missing', '3 name-missing', '4 level-missing']],
    ['a code with a space', `${head}A B,x,tinh,,\n`, ['2 code-shape']],
    ['members that are no whole number', `${head}A,x,tinh,,1.5\nB,x,tinh,,-1\nC,x,tinh,,mười\nD,x,tinh,,1e3\n`, ['2 members-shape', '3 members-shape', '4 members-shape', '5 members-shape']],
    ['a quote that never closes', `${head}A,"x,tinh,,\nB,y,tinh,,\n`, ['2 open-quote']],
  ])('%s is told with its row, and no rows are handed on where the header is wrong', async (_words, source, expected) => expect(await mistakes(source)).toEqual(expected));

  test('bytes that are not UTF-8 are told with their row', async () => {
    const bytes = Buffer.concat([Buffer.from(`${head}T,T`), Buffer.from([0xec]), Buffer.from('nh,tinh,,\n')]);
    expect((await readUnitSheet(bytes)).mistakes).toEqual([{ row: 2, key: 'unit-sheet.not-utf8', params: {} }]);
  });
});

describe('an xlsx sheet', () => {
  async function sheet(rows: unknown[][]): Promise<Uint8Array> {
    const book = new exceljs.Workbook();
    book.addWorksheet('Đơn vị').addRows(rows);
    return new Uint8Array(await book.xlsx.writeBuffer());
  }

  test('is known by its content; numbers, rich text and links are text, a formula stays the formula', async () => {
    const bytes = await sheet([
      ['code', 'name', 'level', 'parent', 'members'],
      ['T', { richText: [{ text: 'Liên ' }, { text: 'đoàn' }] }, 'tinh', null, null],
      [12, { formula: 'A1&"x"', result: 'evil' }, 'co-so', 'T', 34],
      [],
      ['L', { text: 'Công đoàn', hyperlink: 'https://example.org' }, 'co-so', 'T', '5'],
    ]);
    expect(await readUnitSheet(bytes)).toEqual({
      rows: [
        { row: 2, code: 'T', name: 'Liên đoàn', level: 'tinh', parent: null, members: 0 }, { row: 3, code: '12', name: '=A1&"x"', level: 'co-so', parent: 'T', members: 34 },
        { row: 5, code: 'L', name: 'Công đoàn', level: 'co-so', parent: 'T', members: 5 },
      ],
      mistakes: [],
    });
  });

  test('that is damaged gives one sentence', async () => {
    expect((await readUnitSheet(Buffer.from('PK\u0003\u0004 no zip at all'))).mistakes).toEqual([{ row: 1, key: 'unit-sheet.unreadable', params: {} }]);
  });
});

describe('csv', () => {
  test('whatever is written with quotes comes back', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', 'đ', ',', ';', '"', '\n', ' ', '=') });
    fc.assert(fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 6 }), fc.constantFrom(',', ';'), fc.constantFrom('\n', '\r\n'), (rows, separator, end) => {
      const header = ['h1', 'h2'];
      const source = [header, ...rows].map((row) => row.map((one) => `"${one.replaceAll('"', '""')}"`).join(separator)).join(end);
      expect(readCsv(source)).toEqual({ cells: [header, ...rows] });
    }));
  });

  test('every mistake has words in both languages', async () => {
    const text = await createText(calendar);
    for (const source of ['x,y\n', `${head}A B,,,,x,y\n`, `${head}A,"`, head]) {
      for (const mistake of (await read(source)).mistakes) for (const language of ['vi', 'en'] as const) expect(text.say(language, mistake.key, mistake.params)).not.toMatch(/\{\{|undefined/);
    }
  });
});

describe('the sample tree', () => {
  test.each([1, 5, 1200, 120_000])('of %d units has as many, one root, parents before children, and is the same again', (size) => {
    const rows = [...sampleTree(size)];
    const seen = new Set<string>();
    for (const row of rows) {
      if (row.parent !== null && !seen.has(row.parent)) throw new Error(`${row.code} before its parent`);
      seen.add(row.code);
    }
    expect([rows.length, seen.size, rows.filter((row) => row.parent === null).length]).toEqual([size, size, 1]);
    expect(rows.at(-1)).toEqual([...sampleTree(size)].at(-1));
    expect([...sampleUnits(size)].at(-1)).toMatchObject({ code: rows.at(-1)?.code, path: [...(size > 1 ? ['LDLD-TINH'] : []), ...(size > 11 ? [rows.at(-1)?.parent] : []), rows.at(-1)?.code] });
  });
});
