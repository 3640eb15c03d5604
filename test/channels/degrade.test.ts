import { describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { cleanText, degrade, splitText, type MakingUp } from '../../src/channels/degrade.ts';
import type { Choice } from '../../src/domain/message.ts';

const everything = { buttons: 100, textLimit: 4096, sendsFile: () => true };
const nothing = { buttons: 0, textLimit: 4096, sendsFile: () => false };

function makingUp(from = 1): MakingUp & { offered: Choice[][] } {
  const offered: Choice[][] = [];
  return {
    offered,
    offer: (choices) => {
      offered.push([...choices]);
      return choices.map((choice, index) => ({ number: from + index, choice }));
    },
    linkFor: (document) => `https://dondoc.example/t/${document.fileId}`,
    captionLimit: 1024,
  };
}

const choice = (id: string): Choice => ({ id, label: `Nút ${id}` });
const document = { fileId: 'f1', name: 'Báo cáo.pdf', mime: 'application/pdf', size: 10 };

describe('degrade', () => {
  test('a channel that can do everything gets the reply as it is', async () => {
    const parts = await degrade({ text: 'Chọn', choices: [[choice('a'), choice('b')], [choice('c')]] }, everything, makingUp());
    expect(parts).toEqual([{ text: 'Chọn', choices: [[choice('a'), choice('b')], [choice('c')]], document: null }]);
  });

  test('without buttons every choice becomes a line with the number it was offered under', async () => {
    const parts = await degrade({ text: 'Chọn', choices: [[choice('a'), choice('b')], [choice('c')]] }, nothing, makingUp(12));
    expect(parts).toEqual([{ text: 'Chọn\n12. Nút a\n13. Nút b\n14. Nút c', choices: [], document: null }]);
  });

  test('choices beyond the limit become numbered lines, the first ones stay buttons', async () => {
    const make = makingUp(5);
    const parts = await degrade({ text: 'Chọn', choices: [[choice('a'), choice('b')], [choice('c')]] }, { ...everything, buttons: 1 }, make);
    expect(parts).toEqual([{ text: 'Chọn\n5. Nút b\n6. Nút c', choices: [[choice('a')]], document: null }]);
    expect(make.offered).toEqual([[choice('b'), choice('c')]]);
  });

  test('no number is used up where nothing needs one', async () => {
    const make = { ...makingUp(), offer: jest.fn<MakingUp['offer']>() };
    await degrade({ text: 'Chọn', choices: [[choice('a')]] }, everything, make);
    await degrade({ text: 'Chọn' }, nothing, make);
    expect(make.offer).not.toHaveBeenCalled();
  });

  test('an address that no button may open is written out and gets no number', async () => {
    const page = { id: 'x', label: 'Trang nộp', url: 'http://127.0.0.1:8080/u/1' };
    const make = makingUp();
    expect(await degrade({ text: 'Nộp', choices: [[page]] }, everything, { ...make, opens: (url) => url.startsWith('https:') }))
      .toEqual([{ text: 'Nộp\nTrang nộp: http://127.0.0.1:8080/u/1', choices: [], document: null }]);
    expect(await degrade({ text: 'Nộp', choices: [[page]] }, nothing, make)).toEqual([{ text: 'Nộp\nTrang nộp: http://127.0.0.1:8080/u/1', choices: [], document: null }]);
    expect(make.offered).toEqual([]);
  });

  test('a document the channel carries stays, one it does not becomes a link', async () => {
    expect(await degrade({ text: 'Đây', document }, everything, makingUp())).toEqual([{ text: 'Đây', choices: [], document }]);
    expect(await degrade({ text: 'Đây', document }, nothing, makingUp())).toEqual([{ text: 'Đây\n📎 Báo cáo.pdf: https://dondoc.example/t/f1', choices: [], document: null }]);
  });

  test('the channel is asked with the kind the name says and the size', async () => {
    const asked: unknown[] = [];
    const capabilities = { ...everything, sendsFile: (file: unknown) => asked.push(file) > 0 };
    for (const name of ['a.PDF', 'b.jpeg', 'c.csv', 'd.exe', 'tệp']) await degrade({ text: '', document: { ...document, name } }, capabilities, makingUp());
    expect(asked).toEqual([{ kind: 'pdf', size: 10 }, { kind: 'jpg', size: 10 }, { kind: 'csv', size: 10 }, { kind: 'other', size: 10 }, { kind: 'other', size: 10 }]);
  });

  test('words too long for a caption go before the document and keep their buttons', async () => {
    const text = 'x'.repeat(1025);
    expect(await degrade({ text, choices: [[choice('a')]], document }, everything, makingUp()))
      .toEqual([{ text, choices: [[choice('a')]], document: null }, { text: '', choices: [], document }]);
  });

  test('a document without words is one part', async () => {
    expect(await degrade({ text: '', document }, everything, { ...makingUp(), captionLimit: 0 })).toEqual([{ text: '', choices: [], document }]);
  });

  test('buttons stand under the last part of a long text', async () => {
    const parts = await degrade({ text: `${'a'.repeat(30)}\n${'b'.repeat(30)}`, choices: [[choice('a')]] }, { ...everything, textLimit: 40 }, makingUp());
    expect(parts).toEqual([{ text: 'a'.repeat(30), choices: [], document: null }, { text: 'b'.repeat(30), choices: [[choice('a')]], document: null }]);
  });

  test('numbered lines count towards the limit too', async () => {
    const parts = await degrade({ text: 'a'.repeat(35), choices: [[choice('one')]] }, { ...nothing, textLimit: 40 }, makingUp());
    expect(parts.map((part) => part.text)).toEqual(['a'.repeat(35), '1. Nút one']);
  });

  test('decomposed Vietnamese leaves composed, in labels too', async () => {
    const [part] = await degrade({ text: 'Đôn đốc'.normalize('NFD'), choices: [[{ id: 'a', label: 'Nộp'.normalize('NFD') }]] }, everything, makingUp());
    expect(part?.text).toBe('Đôn đốc'.normalize('NFC'));
    expect(part?.choices[0]?.[0]?.label).toBe('Nộp'.normalize('NFC'));
  });
});

describe('splitText', () => {
  test('cuts at line ends, then at spaces, then between characters', () => {
    expect(splitText('một\nhai ba', 6)).toEqual(['một', 'hai ba']);
    expect(splitText('một hai ba', 7)).toEqual(['một hai', 'ba']);
    expect(splitText('abcdefgh', 3)).toEqual(['abc', 'def', 'gh']);
  });

  test('a line of exactly the limit is not cut', () => {
    expect(splitText('abc\ndef', 3)).toEqual(['abc', 'def']);
  });

  test('an emoji of several code points is not torn', () => {
    expect(splitText('ab👨‍👩‍👧cd', 9)).toEqual(['ab', '👨‍👩‍👧c', 'd']);
    expect(splitText('abc👍', 4)).toEqual(['abc', '👍']);
  });

  test('nothing is lost, nothing is empty, nothing is too long, no pair is torn', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('a', 'ệ', ' ', '\n', '👍', 'đ', '\u0301'), maxLength: 200 }), fc.integer({ min: 2, max: 40 }), (text, limit) => {
      const pieces = splitText(text, limit);
      const solid = (value: string) => value.replace(/\s/g, '');
      expect(solid(pieces.join(''))).toBe(solid(text));
      for (const piece of pieces) {
        expect(piece.length).toBeGreaterThan(0);
        expect(piece.length).toBeLessThanOrEqual(limit);
        expect(piece).not.toMatch(/\p{Surrogate}/u);
      }
    }));
  });
});

test('cleanText takes out what services refuse and keeps line ends', () => {
  expect(cleanText('a\u0000b\r\nc\ud800d\te')).toBe('ab\nc\ufffdd\te');
});
