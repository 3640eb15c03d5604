import { afterEach, describe, expect, test } from '@jest/globals';
import { shortRef } from '../../src/domain/choice.ts';
import { planSchema, type Plan } from '../../src/domain/plan.ts';
import { fileSizeLimit } from '../../src/domain/submission.ts';
import { buildPlan } from '../support/builders.ts';
import { openHouse, type Actor, type House, type HouseOptions } from '../support/house.ts';
import { docxFile, pdfFile, pictureFile, programFile, sha256 } from '../support/sample-files.ts';
import { seat } from '../support/seats.ts';

const both = { levels: ['cap-tren', 'co-so'] };
const words = (vi: string) => ({ vi, en: `${vi} (en)` });
const study = { key: 'bao-cao-hoc-tap', title: words('Báo cáo học tập'), clause: 'II.2', quote: 'trước ngày 03/5/2024', audience: both, deliverable: 'report', due: { before: '2024-05-03' } };
const half = { key: 'bao-cao-6-thang', title: words('Báo cáo 6 tháng'), clause: 'III.2', quote: 'chậm nhất ngày 06/5/2024', audience: { levels: ['cap-tren'] }, deliverable: 'report', due: { by: '2024-05-06' } };

/** A unit above the base owes two reports, a base unit one. */
const plan: Plan = planSchema.parse({ ...buildPlan(), obligations: [study, half] });

let house: House;
afterEach(() => house.close());

async function chairOf(unit: string, options: HouseOptions = {}): Promise<Actor> {
  house = await openHouse({ plan, ...options });
  return seat(house, 'Hoa', 'chair', unit);
}

const assignmentsOf = (unit: string) => house.store.assignments.ofUnit(unit, null);
async function versionsOf(unit: string) {
  return (await Promise.all((await assignmentsOf(unit)).map((assignment) => house.store.submissions.ofAssignment(assignment.id)))).flat();
}

describe('sending a file', () => {
  test('goes straight to the one report it can belong to; the receipt says number, unit, time, verdict and fingerprint', async () => {
    const chair = await chairOf('CS-01');
    const bytes = pdfFile();
    const [receipt] = await chair.sends({ name: 'Báo cáo.pdf', bytes }, { at: '2024-05-02T23:59' });
    expect(receipt).toBe(`✅ Biên nhận BN-2024-000001\nBáo cáo học tập\nĐơn vị: Công đoàn Trường Trung học cơ sở Trần Phú\nGửi lúc 23:59 ngày 02/5/2024\nKết quả: đúng hạn\n📎 Báo cáo.pdf — ${bytes.length} byte, SHA-256 ${sha256(bytes).slice(0, 8)}`);
    expect((await assignmentsOf('CS-01'))[0]).toMatchObject({ state: 'submitted', verdict: 'on-time', version: 1, receipt: 'BN-2024-000001', wave: null });
    expect(await house.store.files.describe((await versionsOf('CS-01')).flatMap(({ content }) => (content.kind === 'files' ? content.files : []))[0]?.fileId ?? '')).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
  });

  test('the sender\'s stamp counts, however late it is read', async () => {
    const chair = await chairOf('CS-01', { at: '2024-05-09T10:00' });
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile() }, { at: '2024-05-02T23:59' }))[0]).toContain('đúng hạn');
  });

  test('after the deadline it is taken at once, as late', async () => {
    const chair = await chairOf('CS-01', { at: '2024-05-10T10:00' });
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile() }))[0]).toMatch(/BN-2024-000001[^]*chậm hạn/);
    expect((await assignmentsOf('CS-01'))[0]).toMatchObject({ state: 'submitted', verdict: 'late' });
  });

  test('where several fit it is kept and asked by buttons; the stamp stays that of the file', async () => {
    const chair = await chairOf('LDLD-PT');
    const [question] = await chair.sends({ name: 'a.pdf', bytes: pdfFile() }, { at: '2024-05-02T20:00' });
    expect(question).toContain('Tệp này nộp cho việc nào?');
    expect(question).toContain('trước ngày 03/5/2024 — hạn cuối: hết ngày 02/5/2024');
    expect(chair.buttons()).toEqual(['Báo cáo học tập', 'Báo cáo 6 tháng']);
    expect(await versionsOf('LDLD-PT')).toEqual([]);
    await chair.says('/trogiup');
    house.goTo('2024-05-04T09:00');
    const [receipt] = await chair.presses('Báo cáo học tập');
    expect(receipt).toMatch(/Báo cáo học tập[^]*20:00 ngày 02\/5\/2024[^]*đúng hạn/);
    expect(await chair.presses('Báo cáo 6 tháng')).toEqual([receipt]);
    expect(await versionsOf('LDLD-PT')).toHaveLength(1);
  });

  test('a caption that names the report chooses it, a signed one sent as a picture too', async () => {
    const chair = await chairOf('LDLD-PT');
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile('1'), caption: 'Kính gửi báo cáo 06 tháng của đơn vị' }))[0]).toMatch(/BN-2024-000001\nBáo cáo 6 tháng/);
    expect((await chair.sends({ name: 'p.jpg', bytes: pictureFile('jpg'), image: true, caption: 'HOC TAP' }))[0]).toMatch(/BN-2024-000002\nBáo cáo học tập/);
    expect((await chair.sends({ name: 'b.pdf', bytes: pdfFile('2'), caption: 'Báo cáo' }))[0]).toContain('bản thay thế cho việc nào?');
  });

  test('a caption that names what was handed in already is not taken for the one still owed', async () => {
    const chair = await chairOf('LDLD-PT');
    await chair.sends({ name: 'a.pdf', bytes: pdfFile('1'), caption: 'báo cáo 6 tháng' });
    expect((await chair.sends({ name: 'b.pdf', bytes: pdfFile('2'), caption: 'bao-cao-6-thang, bản sửa' }))[0]).toMatch(/Báo cáo 6 tháng[^]*Lần nộp thứ 2/);
    expect((await assignmentsOf('LDLD-PT')).map(({ obligation, state }) => [obligation, state])).toEqual(expect.arrayContaining([['bao-cao-hoc-tap', 'open'], ['bao-cao-6-thang', 'submitted']]));
  });

  test('two files in a row each keep their own question', async () => {
    const chair = await chairOf('LDLD-PT');
    await chair.sends({ name: 'hoc-tap.pdf', bytes: pdfFile('1') });
    const first = questionChoice(chair, 'Báo cáo học tập');
    await chair.sends({ name: '6-thang.pdf', bytes: pdfFile('2') });
    expect((await chair.presses('Báo cáo 6 tháng'))[0]).toContain('6-thang.pdf');
    expect((await chair.presses(`#${first}`))[0]).toContain('hoc-tap.pdf');
    expect(new Set((await versionsOf('LDLD-PT')).map(({ content }) => content.kind === 'files' && content.files[0]?.name))).toEqual(new Set(['6-thang.pdf', 'hoc-tap.pdf']));
  });

  test('an answer pressed by somebody else, or forged, hands nothing in', async () => {
    const chair = await chairOf('LDLD-PT');
    await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
    const choice = questionChoice(chair, 'Báo cáo 6 tháng');
    const other = await seat(house, 'Lan', 'chair', 'LDLD-HT');
    expect((await other.presses(`#${choice}`))[0]).toContain('Nút này đã cũ');
    const foreign = (await assignmentsOf('LDLD-HT'))[0]?.id ?? '';
    expect((await chair.presses(`#${choice.split(':').slice(0, 2).join(':')}:${foreign}`))[0]).toContain('không thuộc vai trò');
    expect((await chair.presses('#nop-cho:xxxx:yyyy'))[0]).toContain('Nút này đã cũ');
    expect([...(await versionsOf('LDLD-PT')), ...(await versionsOf('LDLD-HT'))]).toEqual([]);
  });

  test('a picture is a file too', async () => {
    const chair = await chairOf('CS-01');
    expect((await chair.sends({ name: 'photo.jpg', bytes: pictureFile('jpg'), image: true }))[0]).toContain('BN-2024-000001');
  });

  test('a hostile or endless name is shown clean and never a path', async () => {
    const chair = await chairOf('CS-01');
    const [receipt = ''] = await chair.sends({ name: `../../etc/Báo\u202ecáo\u0000 ${'rất dài '.repeat(60)}.pdf`, bytes: pdfFile() });
    for (const hostile of ['..', '/etc', '\u202e', '\u0000']) expect(receipt).not.toContain(hostile);
    expect(receipt).toMatch(/Báocáo rất dài .*…\.pdf/);
  });
});

function questionChoice(chair: Actor, label: string): string {
  const found = chair.replies().flatMap((reply) => reply.choices ?? []).flat().find((choice) => choice.label === label);
  return found?.id ?? '';
}

describe('what is not taken is refused with what to do, and nothing is kept', () => {
  const refused: [string, { name: string; bytes: Uint8Array; size?: number | null }, string][] = [
    ['nothing in it', { name: 'a.pdf', bytes: Buffer.alloc(0) }, 'Tệp này trống'],
    ['21 MB by the channel\'s word', { name: 'a.pdf', bytes: pdfFile(), size: 21 * 1024 * 1024 }, 'lớn hơn 20 MB'],
    ['21 MB without a word', { name: 'a.pdf', bytes: Buffer.concat([pdfFile(), Buffer.alloc(fileSizeLimit)]), size: null }, 'lớn hơn 20 MB'],
    ['a program named .pdf', { name: 'a.pdf', bytes: programFile() }, 'tệp chương trình'],
    ['a locked PDF', { name: 'a.pdf', bytes: pdfFile('x', { encrypted: true }) }, 'bỏ mật khẩu'],
    ['a text', { name: 'a.txt', bytes: Buffer.from('Báo cáo') }, 'Chỉ nhận pdf'],
  ];
  test.each(refused)('%s', async (_what, file, words) => {
    const chair = await chairOf('CS-01');
    expect((await chair.sends(file))[0]).toContain(words);
    expect(await versionsOf('CS-01')).toEqual([]);
    expect((await assignmentsOf('CS-01'))[0]).toMatchObject({ state: 'open' });
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile() }))[0]).toContain('BN-2024-000001');
  });

  test('a file from somebody who is not paired, or who is a member only', async () => {
    await chairOf('CS-01');
    expect((await house.as('Ai đó').sends({ name: 'a.pdf', bytes: pdfFile() }))[0]).toContain('chưa ghép nối');
    const member = await seat(house, 'Minh', 'member', 'CS-01');
    expect((await member.sends({ name: 'a.pdf', bytes: pdfFile() }))[0]).toContain('không thuộc vai trò');
    expect(await versionsOf('CS-01')).toEqual([]);
  });

  test.each(['sticker', 'voice', 'location'])('a %s', async (what) => {
    const chair = await chairOf('CS-01');
    expect((await chair.gives({ kind: 'unsupported', what }))[0]).toContain('chưa đọc được');
    expect(await versionsOf('CS-01')).toEqual([]);
  });
});

describe('a second time', () => {
  test('the same bytes: "received already", with the first receipt', async () => {
    const chair = await chairOf('CS-01');
    await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
    const [again] = await chair.sends({ name: 'Bản khác.pdf', bytes: pdfFile() });
    expect(again).toMatch(/đã nhận rồi[^]*BN-2024-000001[^]*a\.pdf/);
    expect(await versionsOf('CS-01')).toHaveLength(1);
    expect(await house.store.files.describe(`in-${shortRef(`telegram:${chair.lastMessageId()}`)}`)).toBeNull();
  });

  test('the same bytes are not taken for another report without asking', async () => {
    const chair = await chairOf('LDLD-PT');
    await chair.sends({ name: 'a.pdf', bytes: pdfFile() });
    await chair.presses('Báo cáo học tập');
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile() }))[0]).toContain('đã nhận rồi');
    await chair.presses('Nộp tệp này cho việc khác');
    expect((await chair.presses('Báo cáo 6 tháng'))[0]).toContain('BN-2024-000002');
  });

  test('the same message twice makes one version and one answer', async () => {
    const chair = await chairOf('CS-01');
    await chair.sends({ name: 'a.pdf', bytes: pdfFile() }, { messageId: 'chat-Hoa:77' });
    expect(await chair.sends({ name: 'a.pdf', bytes: pdfFile() }, { messageId: 'chat-Hoa:77' })).toEqual([]);
    expect(await versionsOf('CS-01')).toHaveLength(1);
  });

  test('another file is a new version after a question; the first one sent keeps its verdict', async () => {
    const chair = await chairOf('CS-01');
    await chair.sends({ name: 'a.pdf', bytes: pdfFile('1') });
    house.goTo('2024-05-10T09:00');
    expect((await chair.sends({ name: 'b.docx', bytes: docxFile() }))[0]).toContain('bản thay thế cho việc nào');
    const [receipt] = await chair.presses('Bản thay thế: Báo cáo học tập');
    expect(receipt).toMatch(/BN-2024-000002[^]*đúng hạn, tính theo lần nộp đầu \(BN-2024-000001\)[^]*Lần nộp thứ 2/);
    expect((await assignmentsOf('CS-01'))[0]).toMatchObject({ version: 2, receipt: 'BN-2024-000001', verdict: 'on-time' });
  });

  test('for what is accepted already: refused, and the file is not kept', async () => {
    const chair = await chairOf('CS-01');
    await chair.sends({ name: 'a.pdf', bytes: pdfFile('1') });
    const id = (await assignmentsOf('CS-01'))[0]?.id ?? '';
    await house.store.assignments.change(id, (assignment) => ({ ...assignment, state: 'accepted' }));
    expect((await chair.sends({ name: 'b.pdf', bytes: pdfFile('2') }))[0]).toContain('đã được duyệt');
    expect(await versionsOf('CS-01')).toHaveLength(1);
  });

  test('an edited file message is a version with the stamp of the edit', async () => {
    const chair = await chairOf('LDLD-PT');
    await chair.sends({ name: 'a.pdf', bytes: pdfFile('1') });
    const sent = chair.lastMessageId();
    await chair.presses('Báo cáo học tập');
    const [receipt] = await chair.sends({ name: 'a.pdf', bytes: pdfFile('2') }, { edits: sent, at: '2024-05-08T08:00' });
    expect(receipt).toMatch(/Báo cáo học tập[^]*08:00 ngày 08\/5\/2024[^]*đúng hạn, tính theo lần nộp đầu/);
  });
});

describe('an album', () => {
  test('is one submission with one receipt', async () => {
    const chair = await chairOf('CS-01');
    expect((await chair.sends({ name: '1.jpg', bytes: pictureFile('jpg'), album: 'x', caption: 'Ảnh hội nghị' }))[0]).toContain('BN-2024-000001');
    expect((await chair.sends({ name: '2.png', bytes: pictureFile('png'), album: 'x' }))[0]).toContain('Đã thêm vào biên nhận BN-2024-000001');
    expect((await chair.sends({ name: '3.pdf', bytes: programFile(), album: 'x' }))[0]).toContain('tệp chương trình');
    const [only, ...more] = await versionsOf('CS-01');
    expect(more).toEqual([]);
    expect(only?.content).toMatchObject({ kind: 'files', note: 'Ảnh hội nghị', files: [{ name: '1.jpg' }, { name: '2.png' }] });
  });

  test('that could be for several reports waits together for one answer, and takes later files in after it', async () => {
    const chair = await chairOf('LDLD-PT');
    await chair.sends({ name: '1.jpg', bytes: pictureFile('jpg'), album: 'x' });
    expect((await chair.sends({ name: '2.png', bytes: pictureFile('png'), album: 'x' }))[0]).toContain('2 tệp');
    expect((await chair.presses('Báo cáo 6 tháng'))[0]).toMatch(/1\.jpg[^]*2\.png/);
    expect((await chair.sends({ name: '3.pdf', bytes: pdfFile(), album: 'x' }))[0]).toContain('BN-2024-000001');
    expect((await versionsOf('LDLD-PT')).map(({ content }) => (content.kind === 'files' ? content.files.length : 0))).toEqual([3]);
  });
});

describe('/nop', () => {
  test('asks which, then waits for the file of that one', async () => {
    const chair = await chairOf('LDLD-PT');
    expect((await chair.says('nop'))[0]).toContain('nộp cho việc nào');
    expect((await chair.presses('Báo cáo 6 tháng'))[0]).toMatch(/gửi tệp cho: Báo cáo 6 tháng[^]*hết ngày 06\/5\/2024/);
    expect((await chair.says('em gửi ngay'))[0]).toContain('Đang chờ tệp');
    expect((await chair.sends({ name: 'a.pdf', bytes: programFile() }))[0]).toContain('tệp chương trình');
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile() }))[0]).toMatch(/BN-2024-000001\nBáo cáo 6 tháng/);
  });

  test('for what was accepted meanwhile: refused once, and the next file finds its own way', async () => {
    const chair = await chairOf('LDLD-PT');
    await chair.says('/nop 6 thang');
    const id = (await assignmentsOf('LDLD-PT')).find(({ obligation }) => obligation === half.key)?.id ?? '';
    await house.store.assignments.change(id, (assignment) => ({ ...assignment, state: 'accepted', wave: null }));
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile('1') }))[0]).toContain('đã được duyệt');
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile('2') }))[0]).toMatch(/BN-2024-\d+\nBáo cáo học tập/);
  });

  test('named by a word of its title, without diacritics, it goes straight on', async () => {
    const chair = await chairOf('LDLD-PT');
    expect((await chair.says('/NOP hoc tap 📎'))[0]).toContain('gửi tệp cho: Báo cáo học tập');
  });
});

describe('taking back', () => {
  test('opens the duty again, cancels the receipt, keeps the trail; an old button takes nothing back', async () => {
    const chair = await chairOf('CS-01');
    await chair.sends({ name: 'a.pdf', bytes: pdfFile('1') });
    const old = questionChoice(chair, 'Rút lại');
    expect((await chair.presses('Rút lại'))[0]).toContain('BN-2024-000001 sẽ bị hủy');
    expect((await chair.presses('Rút lại'))[0]).toContain('trở lại chưa nộp');
    expect((await assignmentsOf('CS-01'))[0]).toMatchObject({ state: 'open', receipt: null, countedAt: null });
    expect((await versionsOf('CS-01'))[0]?.withdrawnAt).not.toBeNull();
    expect((await chair.sends({ name: 'a.pdf', bytes: pdfFile('1') }))[0]).toMatch(/BN-2024-000002[^]*Lần nộp thứ 2/);
    expect((await chair.presses(`#${old}`))[0]).toContain('Nút này đã cũ');
    expect((await assignmentsOf('CS-01'))[0]).toMatchObject({ state: 'submitted', version: 2 });
  });
});

describe('two chairs of one unit', () => {
  test('sending at once make two numbered versions, and each learns of the other\'s receipt', async () => {
    const first = await chairOf('CS-01');
    const second = await seat(house, 'Lan', 'chair', 'CS-01');
    await Promise.all([first.sends({ name: 'a.pdf', bytes: pdfFile('1') }), second.sends({ name: 'b.pdf', bytes: pdfFile('2') })]);
    const versions = await versionsOf('CS-01');
    // Whoever was read second is asked (a new version), or was in time for the open duty: never is anything lost or doubled.
    if (versions.length === 1) await (versions[0]?.by === (await first.person())?.id ? second : first).presses('Bản thay thế');
    expect((await versionsOf('CS-01')).map((version) => version.version).toSorted((a, b) => a - b)).toEqual([1, 2]);
    expect((await assignmentsOf('CS-01'))[0]).toMatchObject({ state: 'submitted', version: 2 });
    await house.deliver();
    expect(first.news().join('\n')).toMatch(/Lan[^]*b\.pdf/);
    expect(second.news().join('\n')).toMatch(/Hoa[^]*a\.pdf/);
  });
});

describe('where there are no buttons', () => {
  test('the question is answered by a number, an old number still means what it meant, and a number that was asked for stays a number', async () => {
    const channels = { 'zalo-bot': { buttons: 0 } };
    house = await openHouse({ plan: planSchema.parse({ ...plan, obligations: [study, half, { ...half, key: 'hoc-tap', title: words('Học tập'), deliverable: 'confirmation', due: { in: '2024-03' } }] }), channels });
    const chair = await seat(house, 'Hoa', 'chair', 'LDLD-PT');
    const [first = ''] = await chair.sends({ name: 'a.pdf', bytes: pdfFile('1') });
    const number = /(\d+)\D*Báo cáo 6 tháng\s*$/m.exec(first.slice(first.lastIndexOf('Báo cáo học tập')))?.[1] ?? '';
    await chair.sends({ name: 'b.pdf', bytes: pdfFile('2') });
    expect((await chair.says(number))[0]).toMatch(/Báo cáo 6 tháng[^]*a\.pdf/);
    await chair.says('/xacnhan');
    await chair.says('28/3');
    expect((await chair.says(number))[0]).toContain(`Số người tham gia: ${number}`);
  });
});
