import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { createRecogniser, recogniseBytes } from '../../src/files/recognise.ts';
import { compoundFile, docFile, docxFile, openDocumentFile, pdfFile, pictureFile, programFile, xlsFile, xlsxFile, zipFile } from '../support/sample-files.ts';

const text = (words: string) => Buffer.from(words);

describe('files are recognised by content', () => {
  test.each([
    ['pdf', pdfFile()], ['pdf', Buffer.concat([text('\ufeff\n'), pdfFile()])], ['doc', docFile()], ['docx', docxFile()], ['xls', xlsFile()], ['xlsx', xlsxFile()],
    ['odt', openDocumentFile('text')], ['ods', openDocumentFile('spreadsheet')], ['jpg', pictureFile('jpg')], ['png', pictureFile('png')], ['heic', pictureFile('heic')],
    ['zip', zipFile([{ name: 'Báo cáo.pdf', content: pdfFile() }, { name: 'ảnh/1.jpg', content: pictureFile('jpg') }])],
    // A workbook with a Word document inside it is still a workbook.
    ['xls', compoundFile({ Workbook: text('x'), WordDocument: text('x') }, '2008020000000000c000000000000046')],
  ] as const)('%s', async (kind, bytes) => expect(await recogniseBytes(bytes)).toEqual({ kind }));

  test.each([
    ['file-empty', text('')], ['file-program', programFile()], ['file-program', text('#!/bin/sh\nrm -rf /\n')], ['file-program', Buffer.concat([text('\u007fELF\u0002\u0001\u0001\u0000'), Buffer.alloc(64)])],
    ['file-program', zipFile([{ name: 'bao-cao.pdf.exe', content: 'x' }])], ['file-program', zipFile([{ name: 'bao-cao.pdf', content: programFile() }])],
    ['file-program', zipFile([{ name: 'macro.vbs. ', content: 'x' }])], ['file-program', docxFile('x', { macros: true })], ['file-program', zipFile([{ name: 'META-INF/MANIFEST.MF', content: 'x' }])],
    ['file-encrypted', pdfFile('x', { encrypted: true })], ['file-encrypted', docFile({ locked: true })], ['file-encrypted', xlsFile({ locked: true })],
    ['file-encrypted', compoundFile({ EncryptionInfo: text('x'), EncryptedPackage: text('x') })], ['file-encrypted', zipFile([{ name: 'a.pdf', content: 'x', encrypted: true }])],
    ['file-encrypted', openDocumentFile('text', { encrypted: true })],
    ['file-kind', text('Báo cáo kết quả')], ['file-kind', text('<html><script>alert(1)</script></html>')], ['file-kind', text('a,b,c\n1,2,3\n')], ['file-kind', text('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['file-kind', pictureFile('gif')], ['file-kind', openDocumentFile('presentation')], ['file-kind', zipFile([])], ['file-kind', zipFile([{ name: 'a.txt', content: 'x' }]).subarray(0, 40)],
    ['file-kind', compoundFile({ 'PowerPoint Document': text('x') })], ['file-kind', text('P')], ['file-kind', text('%PD')],
  ] as const)('refused as %s', async (refused, bytes) => expect(await recogniseBytes(bytes)).toEqual({ refused }));

  test('the words "/Encrypt" on a page do not make a PDF encrypted', async () => expect(await recogniseBytes(Buffer.concat([pdfFile(), text('(see /Encryption and /Encrypt in the manual)')]))).toEqual({ kind: 'pdf' }));

  test('a hundred megabytes packed into nothing are not unpacked', async () => {
    const bomb = zipFile([{ name: 'a.txt', content: Buffer.alloc(100_000_000) }]);
    const before = process.memoryUsage().arrayBuffers;
    expect(await recogniseBytes(bomb)).toEqual({ kind: 'zip' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
  });

  test('one at a time, and a failed reading does not stop the next one', async () => {
    const recognise = createRecogniser();
    let open = 0;
    let most = 0;
    const read = (bytes: Buffer) => recognise(async () => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setTimeout(resolve, 5));
      open -= 1;
      if (bytes.length === 0) throw new Error('gone');
      return Readable.from([bytes.subarray(0, 3), bytes.subarray(3)]);
    });
    const results = await Promise.allSettled([read(pdfFile()), read(Buffer.alloc(0)), read(docxFile())]);
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : 'failed'))).toEqual([{ kind: 'pdf' }, 'failed', { kind: 'docx' }]);
    expect(most).toBe(1);
  });
});
