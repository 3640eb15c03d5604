import { expect, test } from '@jest/globals';
import { dialogParts } from '../../src/dialog/parts.ts';
import { createTurns } from '../../src/dialog/turns.ts';

test('all parts of the dialog fit into one table: no two of them answer to the same word, verb, flow or notice', () => {
  const names = new Set(createTurns(dialogParts).commands.map((command) => command.name));
  for (const name of ['trangthai', 'nop', 'xacnhan', 'nhiemvu', 'camket', 'doanvien', 'giahan', 'quahan', 'donvi', 'thongke', 'ma', 'trogiup', 'dulieu', 'tailieu']) expect(names).toContain(name);
});
