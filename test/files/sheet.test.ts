import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import exceljs from 'exceljs';
import { writeSheet } from '../../src/files/sheet.ts';

async function readBack(bytes: Buffer): Promise<unknown[][]> {
  const workbook = new exceljs.Workbook();
  await workbook.xlsx.load(bytes as unknown as ArrayBuffer);
  const rows: unknown[][] = [];
  workbook.worksheets[0]?.eachRow((row) => rows.push((row.values as unknown[]).slice(1)));
  return rows;
}

describe('a sheet', () => {
  test('holds what was given, and a text that looks like a formula stays a text', async () => {
    const hostile = ['=1+1', '+84', '-5', '@SUM(A1)', '=HYPERLINK("http://x";"y")', 'Công đoàn cơ sở'];
    async function* rows() {
      for (const name of hostile) yield [name, 3];
    }
    const bytes = await buffer(writeSheet({ title: 'Quá hạn: [tất cả] đơn vị trong toàn tỉnh năm 2024', columns: [{ title: 'Tên', width: 20 }, { title: 'Số', width: 8 }], rows: rows() }));
    expect(await readBack(bytes)).toEqual([['Tên', 'Số'], ...hostile.map((name) => [name, 3])]);
  });

  test('a hundred thousand rows are written without holding them', async () => {
    let produced = 0;
    async function* rows() {
      for (; produced < 100_000; produced += 1) yield [`CS-${produced}`, `Công đoàn cơ sở số ${produced}`, produced];
    }
    const stream = writeSheet({ title: 'x', columns: [{ title: 'a', width: 9 }, { title: 'b', width: 9 }, { title: 'c', width: 9 }], rows: rows() });
    let size = 0;
    for await (const chunk of stream) size += (chunk as Buffer).byteLength;
    expect(produced).toBe(100_000);
    expect(size).toBeGreaterThan(500_000);
  });

  test('rows that fail make the stream fail: half a list is no list', async () => {
    async function* rows(): AsyncGenerator<(string | number)[]> {
      yield ['one'];
      throw new Error('the database went away');
    }
    await expect(buffer(writeSheet({ title: 'x', columns: [{ title: 'a', width: 9 }], rows: rows() }))).rejects.toThrow('went away');
  });
});
