import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { choiceIdLimit, shortRef } from '../../src/domain/choice.ts';
import { scopeRef } from '../../src/services/scopes.ts';
import { openHouse, type Actor, type House } from '../support/house.ts';

describe('/quahan', () => {
  let house: House;
  let staff: Actor;

  beforeEach(async () => {
    house = await openHouse({ at: '2024-04-02T09:00' });
    staff = await house.pair('cán bộ', 'staff', 'LDLD-BT');
  });
  afterEach(() => house.close());

  /** Every screen the product shows must fit a phone, every button its 64 bytes. */
  function expectPhoneScreen(actor: Actor): void {
    for (const reply of actor.replies()) {
      expect(reply.text.split('\n').length).toBeLessThanOrEqual(13);
      for (const choice of (reply.choices ?? []).flat()) expect(Buffer.byteLength(choice.id)).toBeLessThanOrEqual(choiceIdLimit);
    }
  }

  test('groups what is overdue by the unit above, and drills down to the list and the evidence', async () => {
    const [groups] = await staff.says('/quahan');
    expect(groups).toContain('Liên đoàn Lao động thành phố Phan Thiết: 3');
    expect(groups).toContain('Liên đoàn Lao động huyện Hàm Tân: 3');
    expectPhoneScreen(staff);
    const [list] = await staff.presses('Phan Thiết: 3');
    expect(list).toContain('Công đoàn Trường Trung học cơ sở Trần Phú: Học tập chuyên đề');
    expect(list).toContain('quá hạn 2 ngày');
    expect(staff.replies()[0]?.edits).toBeDefined();
    expectPhoneScreen(staff);
    const [evidence] = await staff.presses('Bằng chứng: Công đoàn Trường');
    expect(evidence).toContain('trong tháng 3/2024 — hạn cuối: hết ngày 31/3/2024');
    expect(evidence).toContain('Liên lạc: chưa ghép nối');
    expectPhoneScreen(staff);
  });

  test('"late" and "we never reached them" are different answers', async () => {
    house.goTo('2024-03-31T20:00');
    await house.pair('chủ tịch', 'chair', 'CS-01');
    house.goTo('2024-04-01T08:00');
    await house.tick();
    house.goTo('2024-04-02T09:00');
    const [list] = await staff.says('/quahan hoc tap phan thiet');
    const lines = (list ?? '').split('\n');
    const stateOf = (name: string) => lines[lines.findIndex((line) => line.includes(name)) + 1];
    expect(stateOf('Trần Phú')).toBe('   quá hạn 2 ngày; đã nhắc 1 lần');
    expect(stateOf('Công ty May')).toBe('   quá hạn 2 ngày; ⚠️ chưa ghép nối, chưa nhắc lần nào');
  });

  test('a unit whose only chair blocked the bot is unreachable, not silent', async () => {
    const chair = await house.pair('chủ tịch', 'chair', 'CS-01');
    await house.store.people.markGone('telegram', chair.chat, 'blocked');
    const [list] = await staff.says('quahan cs-01');
    expect(list).toContain('không liên lạc được');
  });

  test('understands an obligation and a unit without diacritics, in either order and any case', async () => {
    expect((await staff.says('QUA HAN hoc tap HAM TAN'))[0]).toContain('Liên đoàn Lao động huyện Hàm Tân');
    expect((await staff.says('/quahan ham tan hoc tap'))[0]).toContain('Học tập chuyên đề');
    expect((await staff.says('/quahan bệnh viện'))[0]).toContain('Công đoàn Bệnh viện Hàm Tân');
    expect((await staff.says('/quahan sao hoa'))[0]).toContain('Không tìm thấy');
  });

  test('asks back with buttons when several units fit', async () => {
    const [asked] = await staff.says('/quahan cong doan');
    expect(asked).toContain('Xin chọn đơn vị');
    const [chosen] = await staff.presses('Tân Thắng');
    expect(chosen).toContain('Công đoàn Ủy ban nhân dân xã Tân Thắng');
  });

  test('of several units of one name the one that has the others under it is meant', async () => {
    expect((await staff.says('/quahan phan thiet'))[0]).toContain('Quá hạn — Liên đoàn Lao động thành phố Phan Thiết');
  });

  test('nothing is overdue before its instant has passed', async () => {
    house.goTo('2024-03-31T23:59');
    expect((await staff.says('/quahan'))[0]).toContain('Không có việc nào quá hạn');
    house.goTo('2024-04-01T00:00');
    expect((await staff.says('/quahan'))[0]).toContain('6 việc quá hạn');
  });

  test('a chair above sees the own subtree and nothing else: not by words, not by a forged button', async () => {
    const chair = await house.pair('chủ tịch PT', 'chair', 'LDLD-PT');
    expect((await chair.says('/quahan'))[0]).toContain('Liên đoàn Lao động thành phố Phan Thiết');
    expect((await chair.says('/quahan ham tan'))[0]).toContain('Không tìm thấy');
    const scope = scopeRef('2024', null);
    const own = (await chair.presses(`#qh:${scope}:${shortRef('LDLD-PT')}`))[0];
    expect(own).toContain('3 việc quá hạn');
    const foreign = [`#qh:${scope}:${shortRef('LDLD-HT')}`, `#qh-ds:${scope}:${shortRef('LDLD-HT')}`, `#qh:${scope}:${shortRef('LDLD-BT')}`, `#qh:${scope}:${shortRef('LDLD-PT')}:${shortRef('LDLD-HT')}`];
    for (const id of foreign) {
      const [answer] = await chair.presses(id);
      expect(answer).not.toContain('Hàm Tân');
      expect(answer).toBe(house.text.say('vi', 'refusal.not-allowed'));
    }
  });

  test('the evidence of a foreign assignment stays closed', async () => {
    const chair = await house.pair('chủ tịch PT', 'chair', 'LDLD-PT');
    const [foreign] = await house.store.assignments.ofUnit('CS-03', '2024');
    expect((await chair.presses(`#bc:${foreign?.id}:0`))[0]).toBe(house.text.say('vi', 'refusal.not-allowed'));
    const [own] = await house.store.assignments.ofUnit('CS-01', '2024');
    expect((await chair.presses(`#bc:${own?.id}:0`))[0]).toContain('Trần Phú');
  });

  test('forged and outdated buttons get a short answer', async () => {
    for (const id of ['#qh', '#qh:a:b', `#qh:${scopeRef('2023', null)}:${shortRef('LDLD-BT')}`, '#bc', '#bc:nothing:0', '#qh-ds:x', '#dv:x', '#dy:x', '#nhac:x', '#nhac-gui:x:y', '#tk:x:y', '#ma:x:staff', '#tb-gui:99', '#xu:x:y', '#gh-duoc:x:2024-05-05', '#dv-tim:x:y', '#dv-viec:x']) {
      const [answer] = await staff.presses(id);
      expect(['choice-old', 'choice-unknown', 'assignment-unknown', 'unit-unknown'].map((code) => house.text.say('vi', `refusal.${code}`, { unit: '' }))).toContain(answer);
    }
    expect(house.logged.filter((line) => line.level === 'error')).toEqual([]);
  });
});
