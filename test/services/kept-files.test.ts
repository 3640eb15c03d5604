import { Readable } from 'node:stream';
import { afterEach, expect, test } from '@jest/globals';
import { shortRef } from '../../src/domain/choice.ts';
import { planSchema, type Plan } from '../../src/domain/plan.ts';
import { keptDraft, keptOwner, sweepKept, type KeptFiles } from '../../src/services/kept-files.ts';
import { buildPlan } from '../support/builders.ts';
import { openHouse, type Actor, type House } from '../support/house.ts';
import { pdfFile } from '../support/sample-files.ts';
import { seat } from '../support/seats.ts';

const words = (vi: string) => ({ vi, en: `${vi} (en)` });
const report = (key: string, title: string) => ({ key, title: words(title), clause: 'II.2', quote: 'trước ngày 03/5/2024', audience: { levels: ['cap-tren'] }, deliverable: 'report', due: { before: '2024-05-03' } });
/** Two reports are owed at the same time: a file alone does not say which it is. */
const plan: Plan = planSchema.parse({ ...buildPlan(), obligations: [report('bao-cao-hoc-tap', 'Báo cáo học tập'), report('bao-cao-6-thang', 'Báo cáo 6 tháng')] });

let house: House;
afterEach(() => house.close());

/** A chair who sent a file on 10/4 and was asked which report it is. */
async function askedChair(): Promise<{ chair: Actor; fileId: string }> {
  house = await openHouse({ plan, at: '2024-04-10T09:00' });
  const chair = await seat(house, 'Hoa', 'chair', 'LDLD-PT');
  expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile() }))[0]).toContain('Tệp này nộp cho việc nào?');
  const [asked] = await house.store.drafts.old('kept/', new Date('2030-01-01'), 10);
  return { chair, fileId: (asked?.draft?.data.now as KeptFiles | undefined)?.files[0]?.fileId ?? '' };
}

const isThere = async (fileId: string): Promise<boolean> => (await house.store.files.describe(fileId)) !== null;
const leftOver = async (): Promise<number> => (await house.store.drafts.old('kept/', new Date('2030-01-01'), 1000)).length;

test('a file nobody said the purpose of waits a month for the answer, and is removed with its question after that', async () => {
  const { chair, fileId } = await askedChair();
  house.goTo('2024-05-10T08:59');
  await house.tick();
  expect(await isThere(fileId)).toBe(true);
  house.goTo('2024-05-10T09:00');
  expect((await chair.presses('Báo cáo 6 tháng'))[0]).toContain('Nút này đã cũ');
  house.goTo('2024-05-12T08:00');
  await house.tick();
  expect(await isThere(fileId)).toBe(false);
  expect(await leftOver()).toBe(0);
  expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile() }))[0]).toContain('Tệp này nộp cho việc nào?');
});

test('the answer within the month hands it in; the file then stays with the version, withdrawn or not', async () => {
  const { chair, fileId } = await askedChair();
  house.goTo('2024-05-10T08:59');
  expect((await chair.presses('Báo cáo 6 tháng'))[0]).toContain('BN-2024-000001');
  house.goTo('2024-05-30T08:00');
  await house.tick();
  expect([await isThere(fileId), await leftOver()]).toEqual([true, 0]);
});

test('a file that was handed in stays although its question was left behind by a crash', async () => {
  const { chair, fileId } = await askedChair();
  const [before] = await house.store.drafts.old('kept/', new Date('2030-01-01'), 1);
  await chair.presses('Báo cáo 6 tháng');
  await house.store.drafts.set(before?.owner ?? '', before?.draft ?? { flow: '', data: {}, at: new Date(0) });
  house.goTo('2024-05-30T08:00');
  await house.tick();
  expect([await isThere(fileId), await leftOver()]).toEqual([true, 0]);
});

test('of hundreds all are removed, batch by batch, and a kill in the middle is made up for; what cannot be read is in nobody\'s way', async () => {
  house = await openHouse({ plan, at: '2024-04-10T09:00' });
  const fileIds = Array.from({ length: 230 }, (_, index) => `in-${shortRef(`telegram:${index}`)}`);
  for (const [index, fileId] of fileIds.entries()) {
    const { size, sha256 } = await house.store.files.save(fileId, Readable.from([pdfFile(String(index))]), { name: 'a.pdf', mime: 'application/pdf' }, 1_000_000);
    const kept: KeptFiles = { person: 'p1', files: [{ fileId, name: 'a.pdf', kind: 'pdf', size, sha256 }], note: '', at: house.now(), source: `telegram:${index}`, channel: 'telegram' };
    await house.store.drafts.set(keptOwner(fileId), keptDraft(kept, house.now()));
  }
  await house.store.drafts.set(keptOwner('broken'), { flow: 'kept-files', data: { files: 7 }, at: house.now() });
  house.goTo('2024-05-11T09:01');
  const { forget } = house.store.drafts;
  let calls = 0;
  house.store.drafts.forget = (owner) => ((calls += 1) === 150 ? Promise.reject(new Error('killed')) : forget(owner));
  await expect(sweepKept(house.core, house.now())).rejects.toThrow('killed');
  house.store.drafts.forget = forget;
  expect(await sweepKept(house.core, house.now())).toBe(231 - 149);
  expect((await Promise.all(fileIds.map(isThere))).filter(Boolean)).toEqual([]);
  expect([await leftOver(), await sweepKept(house.core, house.now())]).toEqual([0, 0]);
});
