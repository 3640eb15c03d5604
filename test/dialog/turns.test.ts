import { afterEach, describe, expect, test } from '@jest/globals';
import { dialogParts } from '../../src/dialog/parts.ts';
import { createTurns } from '../../src/dialog/turns.ts';
import type { Command, DialogPart } from '../../src/dialog/turn.ts';
import { noticeSchema } from '../../src/domain/notice.ts';
import { foldText } from '../../src/domain/spelling.ts';
import type { Role } from '../../src/domain/person.ts';
import { openHouse, type House } from '../support/house.ts';

const command = (name: string, aliases: string[] = [], roles: Role[] | null = null): Command => ({ name, aliases, roles, run: async (_turn, rest) => ({ text: `${name}(${rest})` }) });
const answer = async (): Promise<{ text: string }> => ({ text: 'x' });

describe('one table', () => {
  test("the product's parts fit together", () => {
    const turns = createTurns(dialogParts);
    expect(turns.commands.map((each) => each.name)).toEqual(expect.arrayContaining(['batdau', 'trogiup', 'tailieu', 'ngonngu', 'dulieu', 'lienket', 'huy']));
    for (const each of turns.commands) expect(each.name).toMatch(/^[a-z0-9_]{1,32}$/);
  });

  test('no alias says again what another form of the same word says', () => {
    for (const each of createTurns(dialogParts).commands) {
      const words = [each.name, ...each.aliases].map(foldText);
      expect(new Set(words).size).toBe(words.length);
    }
  });

  test('every notice kind the product can send has words', () => {
    const kinds = noticeSchema.options.map((option) => option.shape.kind.value).filter((kind) => kind !== 'answer');
    const rendered = dialogParts.flatMap((part) => Object.keys(part.notices ?? {}));
    expect(rendered.sort()).toEqual(kinds.sort());
  });

  test.each<[string, DialogPart[]]>([
    ['a command twice', [{ commands: [command('nop')] }, { commands: [command('nop')] }]],
    ['an alias that is another command, however it is spelled', [{ commands: [command('nop', ['Trạng thái'])] }, { commands: [command('xem', ['trang thai'])] }]],
    ['a command of all and of some', [{ commands: [command('nop')] }, { commands: [command('nop', [], ['chair'])] }]],
    ['two commands of one role', [{ commands: [command('nop', [], ['chair', 'member'])] }, { commands: [command('nop', [], ['chair'])] }]],
    ['a verb twice', [{ choices: { nop: answer } }, { choices: { nop: answer } }]],
    ['a verb for all and for the paired', [{ choices: { nop: answer } }, { openChoices: { nop: answer } }]],
    ['a verb of the table itself', [{ choices: { do: answer } }]],
    ['a flow twice', [{ drafts: { nop: answer } }, { openDrafts: { nop: answer } }]],
    ['two takers of files', [{ document: answer }, { document: answer }]],
    ['two who render a notice', [{ notices: { nudge: answer } }, { notices: { nudge: answer } }]],
  ])('a conflict stops the start: %s', (_what, parts) => {
    expect(() => createTurns(parts)).toThrow(/two (commands|parts)/);
  });

  test('the same word for different roles is no conflict', () => {
    expect(() => createTurns([{ commands: [command('giahan', [], ['chair'])] }, { commands: [command('giahan', [], ['staff'])] }])).not.toThrow();
  });
});

describe('words', () => {
  let house: House;
  afterEach(() => house.close());
  const parts: DialogPart[] = [
    ...dialogParts.filter((part) => part.commands?.some((each) => ['batdau', 'trogiup'].includes(each.name))),
    { commands: [command('xemviec', ['xem viec', 'xem']), command('xemnguoi', ['xem nguoi', 'people'], ['chair']), command('donduyet', ['don duyet'], ['staff'])] },
  ];

  test.each([
    ['/xemviec', 'xemviec()'],
    ['/xemviec@dondoc_bot', 'xemviec()'],
    ['/XEMVIEC quý 1', 'xemviec(quý 1)'],
    ['xem viec', 'xemviec()'],
    ['Xem  Việc', 'xemviec()'],
    ['XEM VIỆC 🙏', 'xemviec()'],
    ['xemviec!!!', 'xemviec()'],
    ['/xem_viec', 'xemviec()'],
    ['  /xem   Công đoàn “Hàm Tân” ', 'xemviec(Công đoàn “Hàm Tân”)'],
    ['xem người', 'xemnguoi()'],
    ['xem nguoi Lan', 'xemnguoi(Lan)'],
    ['👉 xem người', 'xemnguoi()'],
  ])('%s is understood, the longest words first', async (typed, expected) => {
    house = await openHouse({ parts });
    const chair = await house.pair('Hoa', 'chair', 'CS-01');
    expect(await chair.says(typed)).toEqual([expected]);
  });

  test('a command of another role is refused; the same words in a sentence are not taken for it', async () => {
    house = await openHouse({ parts });
    const chair = await house.pair('Hoa', 'chair', 'CS-01');
    expect(await chair.says('/donduyet')).toEqual([expect.stringContaining('không thuộc vai trò')]);
    expect(await chair.says('đơn duyệt của tôi đâu')).toEqual([expect.stringContaining('chưa hiểu')]);
    expect(await chair.says('/khongco')).toEqual([expect.stringContaining('Không có lệnh này')]);
  });

  test('somebody with two roles is asked which one is meant', async () => {
    house = await openHouse({ parts: [...parts, { commands: [{ ...command('giahan', [], ['chair']), run: async () => ({ text: 'xin' }) }] }, { commands: [{ ...command('giahan', [], ['staff']), run: async () => ({ text: 'quyết' }) }] }] });
    const person = await house.pair('Hoa', 'chair', 'CS-01');
    expect(await person.says('/giahan')).toEqual(['xin']);
    await person.says(await house.issue('staff', 'LDLD-BT'));
    await person.says('/giahan');
    expect(person.buttons()).toEqual(['Chủ tịch công đoàn', 'Cán bộ theo dõi']);
    expect(await person.presses('Cán bộ theo dõi')).toEqual(['quyết']);
  });

  test('while a draft waits, bare words alone are a command and anything more is the awaited sentence; a slash is always a command', async () => {
    house = await openHouse({ parts: [...parts, { drafts: { thu: async (turn) => ({ text: turn.incoming.content.kind === 'text' ? `chờ: ${turn.incoming.content.text}` : '' }) } }] });
    const chair = await house.pair('Hoa', 'chair', 'CS-01');
    const person = await chair.person();
    await house.store.drafts.set(person?.id ?? '', { flow: 'thu', data: {}, at: house.now() });
    expect(await chair.says('Xem việc làm của cán bộ')).toEqual(['chờ: Xem việc làm của cán bộ']);
    expect(await chair.says('xem việc')).toEqual(['xemviec()']);
    expect(await chair.says('/xem việc làm')).toEqual(['xemviec(làm)']);
    house.wait(25 * 3_600_000);
    expect(await chair.says('Chúc một ngày tốt lành')).toEqual([expect.stringContaining('chưa hiểu')]);
  });
});
