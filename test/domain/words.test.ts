import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { choiceId, choiceIdLimit, parseChoiceId, shortRef } from '../../src/domain/choice.ts';
import { codeAlphabet, codeFromBytes, looksLikeCode, readCode } from '../../src/domain/pairing.ts';
import { foldText, nameSortKey } from '../../src/domain/spelling.ts';

describe('folding what people type', () => {
  test.each([
    [' Đôn  Đốc ', 'don doc'], ['ĐOÀN VIÊN', 'doan vien'], ['Hòa', 'hoa'], ['Hoà', 'hoa'], ['Tuy Phong.', 'tuy phong'], ['trạng thái 🙂', 'trang thai'], ['ƯỠN ẹo', 'uon eo'], ['Công ty TNHH "A&B"', 'cong ty tnhh a b'], ['', ''],
    ['Phú Quý'.normalize('NFD'), 'phu quy'],
  ])('%j → %j', (text, folded) => expect(foldText(text)).toBe(folded));

  test('folding twice changes nothing, composed or not, in any case', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(foldText(foldText(text))).toBe(foldText(text));
      expect(foldText(text.normalize('NFD'))).toBe(foldText(text.normalize('NFC')));
    }));
  });

  test('names sort by their last word', () => {
    const names = ['Nguyễn Văn Ý', 'Trần Thị Ánh', 'Lê Bình', 'Phạm Thị Bình'];
    expect(names.toSorted((a, b) => (nameSortKey(a) < nameSortKey(b) ? -1 : 1))).toEqual(['Trần Thị Ánh', 'Lê Bình', 'Phạm Thị Bình', 'Nguyễn Văn Ý']);
    expect(nameSortKey('Hoa')).toBe('hoa hoa');
  });
});

describe('choice ids', () => {
  test('come back as they were put together, within 64 bytes', () => {
    const word = fc.stringMatching(/^[a-z0-9-]{0,12}$/);
    fc.assert(fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/), fc.array(word, { maxLength: 3 }), (verb, args) => {
      const id = choiceId(verb, ...args);
      expect(Buffer.byteLength(id)).toBeLessThanOrEqual(choiceIdLimit);
      expect(parseChoiceId(id)).toEqual({ verb, args });
    }));
  });
  test.each([['nop', 'a:b'], ['nop', 'a b'], ['', 'x'], ['Nộp', 'x'], ['nop', 'x'.repeat(64)], ['nop', 'ư'.repeat(32)]])('%j with %j is a bug of ours and is said so', (verb, argument) => expect(() => choiceId(verb, argument)).toThrow(RangeError));
  test.each(['', ':', 'nop nop', 'NOP:1', `nop:${'x'.repeat(61)}`, 'nop:\n', '{"a":1}', '../x'])('%j cannot be one', (id) => expect(parseChoiceId(id)).toBeNull());
  test('a forged one never throws', () => fc.assert(fc.property(fc.string(), (id) => void parseChoiceId(id))));
  test('a short reference is 16 letters, the same for composed and decomposed keys', () => {
    expect(shortRef('2024/báo-cáo/A'.normalize('NFD'))).toBe(shortRef('2024/báo-cáo/A'.normalize('NFC')));
    fc.assert(fc.property(fc.string(), (key) => expect(shortRef(key)).toMatch(/^[0-9a-v]{16}$/)));
    expect(new Set(Array.from({ length: 5000 }, (_, index) => shortRef(`2024/x/${index}`))).size).toBe(5000);
  });
});

describe('pairing codes', () => {
  test('are eight of twenty consonants, each as likely as the next', () => {
    const counts = new Map<string, number>();
    for (let byte = 0; byte < 256; byte += 1) {
      const code = codeFromBytes(new Uint8Array(16).fill(byte));
      expect(code === null).toBe(byte >= 240);
      if (code) counts.set(code[0] as string, (counts.get(code[0] as string) ?? 0) + 1);
    }
    expect([...counts.keys()].sort().join('')).toBe(codeAlphabet);
    expect(new Set(counts.values())).toEqual(new Set([12]));
  });
  test('too few fair bytes give none', () => expect(codeFromBytes(new Uint8Array(7))).toBeNull());
  test('are read back however they are typed', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.constantFrom('', ' ', '-', '–', '_', ' - '), fc.boolean(), fc.constantFrom('', 'GN ', 'gn', '#', ' '), (bytes, joint, lower, before) => {
      const code = codeFromBytes(bytes);
      fc.pre(code !== null);
      const typed = `${before}${(code as string).replace('-', joint)} `;
      expect(readCode(lower ? typed.toLowerCase() : typed)).toBe(code);
      expect(looksLikeCode(lower ? typed.toLowerCase() : typed)).toBe(true);
    }));
  });
  test.each(['BCDF-GHJ', 'BCDF-GHJKL', 'ABCD-FGHJ', 'BCDF-GHJ1', 'đoàn viên', '', '12345678'])('%j is none', (typed) => expect(readCode(typed)).toBeNull());
  test('a mistyped one is still seen as meant', () => {
    expect([looksLikeCode('BCDF-GHJA'), looksLikeCode('gn abcd efgh'), looksLikeCode('trạng thái'), looksLikeCode('nop')]).toEqual([true, true, false, false]);
  });
});
