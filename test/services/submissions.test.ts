import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Person } from '../../src/domain/person.ts';
import { Refusal } from '../../src/domain/refusal.ts';
import type { KeptFile } from '../../src/domain/submission.ts';
import { listDuties, withdrawVersions } from '../../src/services/assignments.ts';
import { cleanFileName } from '../../src/services/files.ts';
import { handIn, type HandIn } from '../../src/services/submissions.ts';
import { restoreAssignment, waiveAssignment } from '../../src/services/reviews.ts';
import { openHouse, type House } from '../support/house.ts';

let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

async function personOf(name: string, role: 'chair' | 'staff', unit: string): Promise<Person> {
  const person = await (await house.pair(name, role, unit)).person();
  if (!person) throw new Error(name);
  return person;
}
const report = async (unit: string) => (await house.store.assignments.ofUnit(unit, null)).find(({ obligation }) => obligation === 'bao-cao-6-thang')?.id ?? '';
const file = (name: string): KeptFile => ({ fileId: `in-${name}`, name, kind: 'pdf', size: 1, sha256: name.codePointAt(0)?.toString(16).padStart(64, '0') ?? '' });
const sent = (assignment: string, source: string): HandIn => ({ assignment, source, channel: 'telegram', at: house.now(), content: { kind: 'files', files: [file(source)], note: '' } });
const codeOf = (work: Promise<unknown>) => work.then(() => 'done', (error: unknown) => (error instanceof Refusal ? error.code : 'bug'));

describe('handing in', () => {
  test('at the very same moment: every version is numbered, every receipt its own, none is lost', async () => {
    const chair = await personOf('Hoa', 'chair', 'LDLD-PT');
    const id = await report('LDLD-PT');
    const handed = await Promise.all(['a', 'b', 'c', 'd'].map((source) => handIn(house.core, chair, sent(id, source))));
    expect(handed.map(({ submission }) => submission.version).toSorted((one, other) => one - other)).toEqual([1, 2, 3, 4]);
    expect(new Set(handed.map(({ submission }) => submission.receipt)).size).toBe(4);
    const assignment = await house.store.assignments.get(id);
    expect(assignment).toMatchObject({ state: 'submitted', version: 4 });
    expect(assignment?.trail.filter(({ did }) => did === 'submitted')).toHaveLength(4);
  });

  test('only for one\'s own unit, and only what the duty asks for', async () => {
    const chair = await personOf('Hoa', 'chair', 'LDLD-PT');
    const above = await personOf('Tỉnh', 'chair', 'LDLD-BT');
    const id = await report('LDLD-PT');
    expect(await codeOf(handIn(house.core, above, sent(id, 'a')))).toBe('not-allowed');
    expect(await codeOf(handIn(house.core, chair, sent(await report('LDLD-HT'), 'a')))).toBe('not-allowed');
    expect(await codeOf(handIn(house.core, chair, sent('none', 'a')))).toBe('assignment-unknown');
    expect(await codeOf(handIn(house.core, chair, { ...sent(id, 'a'), content: { kind: 'text', text: 'Báo cáo' } }))).toBe('wrong-deliverable');
    expect(await house.store.submissions.ofAssignment(id)).toEqual([]);
  });

  test('after a waiver is kept as voluntary and changes no figure, and counts with its own stamp when the waiver is taken back', async () => {
    const chair = await personOf('Hoa', 'chair', 'LDLD-PT');
    const staff = await personOf('Cán bộ', 'staff', 'LDLD-BT');
    const id = await report('LDLD-PT');
    await waiveAssignment(house.core, staff, id, 'Đơn vị mới', house.now());
    const stamp = house.now();
    const { submission, assignment } = await handIn(house.core, chair, sent(id, 'a'));
    expect([submission.voluntary, assignment.state, assignment.countedAt]).toEqual([true, 'waived', null]);
    house.goTo('2024-05-20T09:00');
    expect(await restoreAssignment(house.core, staff, id, house.now())).toMatchObject({ state: 'submitted', verdict: 'on-time', countedAt: stamp });
  });

  test('taken back twice is taken back once; what came after stays', async () => {
    const chair = await personOf('Hoa', 'chair', 'LDLD-PT');
    const id = await report('LDLD-PT');
    await handIn(house.core, chair, sent(id, 'a'));
    const pressed = house.now();
    await withdrawVersions(house.core, chair, id, 1, pressed);
    house.wait(1000);
    await handIn(house.core, chair, sent(id, 'b'));
    expect(await withdrawVersions(house.core, chair, id, 1, pressed)).toMatchObject({ assignment: { state: 'submitted', version: 2 } });
    expect((await house.store.submissions.ofAssignment(id)).map(({ withdrawnAt }) => withdrawnAt === null)).toEqual([false, true]);
    expect(await codeOf(withdrawVersions(house.core, chair, id, 1, house.now()))).toBe('choice-old');
  });

  test('duties are those of one\'s own units', async () => {
    const chair = await personOf('Hoa', 'chair', 'LDLD-PT');
    expect((await listDuties(house.core, chair)).map(({ unit, obligation }) => [unit.code, obligation.key])).toEqual([['LDLD-PT', 'hoc-tap'], ['LDLD-PT', 'bao-cao-6-thang']]);
    expect(await listDuties(house.core, chair, 'LDLD-HT')).toEqual([]);
  });
});

describe('names of files', () => {
  test.each([
    ['Báo cáo.pdf', 'Báo cáo.pdf'], ['Ba\u0301o ca\u0301o.pdf', 'Báo cáo.pdf'], ['../../etc/passwd', 'passwd'], ['C:\\Users\\x\\a.docx', 'a.docx'], ['a\u202efdp.exe', 'afdp.exe'],
    ['a\n\tb\u0000.pdf', 'a b.pdf'], ['.htaccess', 'htaccess'], ['...', 'file'], ['', 'file'], ['\u200b\ufeff', 'file'],
  ])('%j is shown as %j', (name, shown) => expect(cleanFileName(name)).toBe(shown));

  test('an endless one is cut, its ending kept', () => {
    const shown = cleanFileName(`${'Báo cáo '.repeat(100)}.docx`);
    expect(shown).toMatch(/^Báo cáo .*…\.docx$/);
    expect(shown.length).toBeLessThanOrEqual(120);
  });
});
