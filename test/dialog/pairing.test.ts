import { afterEach, describe, expect, test } from '@jest/globals';
import { guardDrafts } from '../../src/dialog/drafts.ts';
import { addressKey } from '../../src/domain/person.ts';
import { openHouse, type House, type HouseOptions } from '../support/house.ts';

let house: House;
const open = async (options: HouseOptions = {}): Promise<House> => (house = await openHouse(options));
afterEach(() => house.close());

describe('a chair pairs', () => {
  test('a link shows the notice first; agreement pairs, names the unit and what it owes, with buttons', async () => {
    await open();
    const code = await house.issue('chair', 'LDLD-PT');
    const chair = house.as('Nguyễn Thị Hoa');
    const [notice] = await chair.says(`/start ${code}`);
    expect(notice).toContain('91/2025/QH15');
    expect(notice).toContain('Liên đoàn Lao động thành phố Phan Thiết');
    expect(chair.buttons()).toEqual(['Đồng ý', 'Không', 'English']);
    expect(await chair.person()).toBeNull();

    const welcome = await chair.presses('Đồng ý');
    expect(welcome).toEqual([
      [
        '✅ Đã ghép nối. Đồng chí phụ trách Liên đoàn Lao động thành phố Phan Thiết.',
        '',
        'Đơn vị còn 2 việc cần làm. Gần hạn nhất:',
        '⚠️ Học tập chuyên đề: trong tháng 3/2024 — hạn cuối: hết ngày 31/3/2024 (đã quá hạn)',
        '• Báo cáo 6 tháng: chậm nhất ngày 06/5/2024 — hạn cuối: hết ngày 06/5/2024',
      ].join('\n'),
    ]);
    expect(chair.buttons()).toEqual(['Việc của đơn vị', 'Nộp báo cáo', 'Trợ giúp']);
    expect(await chair.person()).toMatchObject({
      name: 'Nguyễn Thị Hoa', language: 'vi', roles: [{ role: 'chair', unit: 'LDLD-PT' }], consent: { version: '2026-11', at: house.now() },
      addresses: [{ channel: 'telegram', id: chair.chat, state: 'active' }],
    });
  });

  test.each([
    ['small letters and spaces', (code: string) => ` ${code.toLowerCase().replace('-', ' ')} `],
    ['GN before it, as printed beside a QR code', (code: string) => `GN ${code}`],
    ['upper case, no hyphen, an emoji behind it', (code: string) => `gn ${code.replace('-', '')} 🙏`],
    ['a sentence around it', (code: string) => `Mã của tôi là ${code} nhé`],
    ['the bare word before it', (code: string) => `BẮT ĐẦU ${code}`],
  ])('a code typed by hand is read: %s', async (_how, typed) => {
    await open();
    const chair = house.as('Hoa');
    await chair.says(typed(await house.issue('chair', 'CS-01')));
    await chair.says('ĐỒNG Ý ạ 👍');
    expect((await chair.person())?.roles.map((held) => held.unit)).toEqual(['CS-01']);
  });

  test('"Không" stores nothing and explains the paper way', async () => {
    await open();
    const chair = house.as('Hoa');
    await chair.says(await house.issue('chair', 'CS-01'));
    const [answer] = await chair.presses('Không');
    expect(answer).toContain('bản giấy');
    expect(await chair.person()).toBeNull();
    expect(await house.store.drafts.get(addressKey('telegram', chair.chat))).toBeNull();
    expect(await house.store.people.chairsOf(['CS-01'])).toEqual([]);
  });

  test('before agreement only the hash of the code is kept, under the address', async () => {
    await open();
    const chair = house.as('Hoa');
    const code = await house.issue('chair', 'CS-01');
    await chair.says(code);
    const draft = JSON.stringify(await house.store.drafts.get(addressKey('telegram', chair.chat)));
    expect(draft).not.toContain(code);
    expect(draft).not.toContain(code.replace('-', ''));
    expect(draft).not.toContain('Hoa');
  });

  test('the notice can be read in English, and the person is spoken to in it from then on', async () => {
    await open();
    const chair = house.as('Hoa');
    await chair.says(await house.issue('chair', 'CS-01'));
    expect((await chair.presses('English'))[0]).toContain('Personal Data Protection Law');
    expect((await chair.presses('I agree'))[0]).toContain('You are in charge of');
    expect((await chair.person())?.language).toBe('en');
  });

  test('a file sent before agreement is not taken: the notice comes first', async () => {
    await open();
    const chair = house.as('Hoa');
    await chair.says(await house.issue('chair', 'CS-01'));
    expect(await chair.sends({ name: 'a.pdf', bytes: Buffer.from('%PDF-1.4') })).toEqual([expect.stringContaining('Đồng ý')]);
    expect(await chair.person()).toBeNull();
  });

  test('pressing the same link again is friendly and changes nothing', async () => {
    await open();
    const code = await house.issue('chair', 'CS-01');
    const chair = house.as('Hoa');
    await chair.says(`/start ${code}`);
    await chair.presses('Đồng ý');
    const before = await chair.person();
    expect(await chair.says(`/start ${code}`)).toEqual(['Đồng chí đã ghép nối rồi: Chủ tịch công đoàn — Công đoàn Trường Trung học cơ sở Trần Phú. Không cần làm gì thêm.']);
    expect((await chair.person())?.roles).toEqual(before?.roles);
  });

  test('the agreement pressed twice, or from an old message, is a greeting', async () => {
    await open();
    const chair = await house.pair('Hoa', 'chair', 'CS-01');
    const [answer] = await chair.presses('Đồng ý');
    expect(answer).toContain('Chào đồng chí Hoa');
    expect((await chair.person())?.roles).toHaveLength(1);
  });

  test('a greeting is returned, and is never taken for a wrong code', async () => {
    await open();
    const chair = house.as('Hoa');
    for (let times = 0; times < 6; times += 1) expect(await chair.says('Chào bạn 👋')).toEqual([expect.stringContaining('Kính chào đồng chí')]);
    await chair.says(await house.issue('chair', 'CS-01'));
    await chair.presses('Đồng ý');
    expect((await chair.says('XIN CHÀO'))[0]).toContain('• Chủ tịch công đoàn — Công đoàn Trường Trung học cơ sở Trần Phú');
  });

  test('one person holds several roles and several units', async () => {
    await open();
    const chair = await house.pair('Hoa', 'chair', 'CS-01');
    await chair.says(await house.issue('chair', 'CS-02'));
    await chair.says(await house.issue('member', 'CS-01', 'join'));
    await chair.says(await house.issue('staff', 'LDLD-BT'));
    expect((await chair.person())?.roles.map(({ role, unit }) => `${role} ${unit}`)).toEqual(['chair CS-01', 'chair CS-02', 'member CS-01', 'staff LDLD-BT']);
  });
});

describe('replacing a chair', () => {
  test('is asked before; the new chair takes over, the old one loses the role and is told, the history stays', async () => {
    await open();
    const former = await house.pair('Hoa', 'chair', 'CS-01');
    const history = await house.store.assignments.ofUnit('CS-01', null);
    const next = house.as('Bình');
    await next.says(await house.issue('chair', 'CS-01'));
    const [question] = await next.presses('Đồng ý');
    expect(question).toContain('đang có người khác phụ trách');
    expect(await next.person()).toBeNull();
    expect((await former.person())?.roles).toHaveLength(1);

    const [welcome] = await next.presses('Thay người cũ');
    expect(welcome).toContain('Người phụ trách trước đã được thông báo.');
    expect((await next.person())?.roles.map((held) => held.unit)).toEqual(['CS-01']);
    expect((await former.person())?.roles).toEqual([]);
    await house.deliver();
    expect(former.news()).toEqual([expect.stringContaining('Người khác đã nhận phụ trách Công đoàn Trường Trung học cơ sở Trần Phú')]);
    expect(await house.store.assignments.ofUnit('CS-01', null)).toEqual(history);
  });

  test('two may share a unit', async () => {
    await open();
    const first = await house.pair('Hoa', 'chair', 'CS-01');
    const second = house.as('Bình');
    await second.says(await house.issue('chair', 'CS-01'));
    await second.presses('Đồng ý');
    await second.says('cùng phụ trách');
    await house.deliver();
    expect((await house.store.people.chairsOf(['CS-01'])).map((chair) => chair.name).sort()).toEqual(['Bình', 'Hoa']);
    expect(first.news()).toEqual([]);
  });

  test('the former chair cannot come back with the code that was used', async () => {
    await open();
    const code = await house.issue('chair', 'CS-01');
    const former = house.as('Hoa');
    await former.says(code);
    await former.presses('Đồng ý');
    const next = house.as('Bình');
    await next.says(await house.issue('chair', 'CS-01'));
    await next.presses('Đồng ý');
    await next.presses('Thay người cũ');
    expect(await former.says(code)).toEqual([expect.stringContaining('Mã này đã được dùng')]);
    expect((await former.person())?.roles).toEqual([]);
  });

  test('somebody who is paired already is asked too, and may leave it', async () => {
    await open();
    await house.pair('Hoa', 'chair', 'CS-01');
    const other = await house.pair('Bình', 'chair', 'CS-02');
    await other.says(await house.issue('chair', 'CS-01'));
    expect(other.buttons()).toEqual(['Thay người cũ', 'Cùng phụ trách', 'Thôi']);
    await other.presses('Thôi');
    expect((await other.person())?.roles.map((held) => held.unit)).toEqual(['CS-02']);
  });
});

describe('codes that must not work', () => {
  test('a wrong code says how many tries are left; the fifth locks the account for an hour, a right code too', async () => {
    await open();
    const chair = house.as('Hoa');
    const right = await house.issue('chair', 'CS-01');
    const wrong = ['BBBB-BBBB', 'BBBB-BBBC', 'BBBB-BBBD', 'AEIO-1234'];
    const left: (string | undefined)[] = [];
    for (const code of wrong) left.push(/Còn (\d) lần thử/.exec((await chair.says(code))[0] ?? '')?.[1]);
    expect(left).toEqual(['4', '3', '2', '1']);
    expect(await chair.says('BBBB-BBBF')).toEqual([expect.stringContaining('tạm khóa việc ghép nối đến 08:55 ngày 08/4/2024')]);
    expect(await chair.says(right)).toEqual([expect.stringContaining('tạm khóa')]);
    expect(await house.as('Bình').says(right)).toEqual([expect.stringContaining('91/2025/QH15')]);
    house.wait(3_600_000);
    expect(await chair.says(right)).toEqual([expect.stringContaining('91/2025/QH15')]);
  });

  test('an expired code names a new one as the way on; one typed in time and read late is good', async () => {
    await open();
    const code = await house.issue('chair', 'CS-01');
    house.goTo('2024-05-09T08:00');
    expect(await house.as('Hoa').says(code)).toEqual(['Mã này đã hết hạn. Đồng chí xin mã mới từ công đoàn cấp trên.']);
    expect(await house.as('Bình').says(code, { at: '2024-05-01T08:00' })).toEqual([expect.stringContaining('91/2025/QH15')]);
  });

  test('a code somebody else used does not work again', async () => {
    await open();
    const code = await house.issue('chair', 'CS-01');
    await house.as('Hoa').says(code);
    await house.as('Hoa').presses('Đồng ý');
    expect(await house.as('Bình').says(code)).toEqual([expect.stringContaining('Mã này đã được dùng')]);
  });

  test('two who agreed to one code: the first pairs, the second is told', async () => {
    await open();
    const code = await house.issue('chair', 'CS-01');
    const [first, second] = [house.as('Hoa'), house.as('Bình')];
    await first.says(code);
    await second.says(code);
    await first.presses('Đồng ý');
    expect(await second.presses('Đồng ý')).toEqual([expect.stringContaining('Mã này đã được dùng')]);
    expect(await second.person()).toBeNull();
  });

  test('an expired join link sends the member to the chair', async () => {
    await open();
    const code = await house.issue('member', 'CS-01', 'join');
    house.goTo('2024-06-09T08:00');
    expect(await house.as('Lan').says(code)).toEqual([expect.stringContaining('chủ tịch công đoàn')]);
  });

  test("a closed unit's code is refused", async () => {
    await open();
    const code = await house.issue('chair', 'CS-01');
    const unit = await house.store.units.get('CS-01');
    if (unit) await house.store.units.put([{ ...unit, closed: '2024-04-01' }]);
    expect(await house.as('Hoa').says(code)).toEqual([expect.stringContaining('đã kết thúc hoạt động')]);
  });
});

describe('members join', () => {
  test('one join link serves many members, each with a pledge that waits', async () => {
    await open();
    const code = await house.issue('member', 'CS-01', 'join');
    for (const name of ['Lan', 'Minh']) {
      await house.as(name).says(`/start ${code}`);
      expect(await house.as(name).presses('Đồng ý')).toEqual([expect.stringContaining('Đồng chí là đoàn viên của Công đoàn Trường Trung học cơ sở Trần Phú')]);
      const person = await house.as(name).person();
      expect(await house.store.pledges.get(`2024/${person?.id}`)).toMatchObject({ state: 'open', unit: 'CS-01' });
    }
  });
});

describe('a kill between any two lines', () => {
  const steps = ['codes.use', 'people.create', 'people.addRole', 'outbox.put', 'drafts.set', 'inbox.done'] as const;

  test.each([...steps.flatMap((step) => [['the agreement', step], ['taking over', step]] as const), ['taking over', 'people.removeRole'] as const])('%s, killed after %s and handled again, ends as if nothing had happened', async (deed, step) => {
    await open();
    if (deed === 'taking over') await house.pair('Cũ', 'chair', 'CS-01');
    const chair = house.as('Hoa');
    await chair.says(await house.issue('chair', 'CS-01'));
    if (deed === 'taking over') await chair.presses('Đồng ý');
    const kill = killAfter(house, step);
    const killed = chair.presses(deed === 'taking over' ? 'Thay người cũ' : 'Đồng ý');
    killed.catch(() => {});
    await kill.struck;
    kill.restore();

    house.restart();
    await house.handle.resume();
    await house.handle.idle();
    await house.deliver();
    expect((await house.store.people.chairsOf(['CS-01'])).map((person) => person.name)).toEqual(['Hoa']);
    expect(chair.news()).toEqual([expect.stringContaining('✅ Đã ghép nối. Đồng chí phụ trách Công đoàn Trường Trung học cơ sở Trần Phú.')]);
    if (deed === 'taking over') expect(house.as('Cũ').news()).toEqual([expect.stringContaining('Người khác đã nhận phụ trách')]);
    expect(await guardDrafts(house.store.drafts, 'the next message').get(addressKey('telegram', chair.chat))).toBeNull();
    expect(await house.store.inbox.pending(10, null)).toEqual([]);
  });
});

/** From the first such write on, whoever writes there gets no answer: the process is dead, the write is not. */
function killAfter({ store }: House, step: string): { struck: Promise<void>; restore(): void } {
  const [group, name] = step.split('.') as [keyof typeof store, string];
  const target = store[group] as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const original = target[name] as (...args: unknown[]) => Promise<unknown>;
  let strike = (): void => {};
  const struck = new Promise<void>((resolve) => (strike = resolve));
  target[name] = async (...args) => {
    await original.apply(target, args);
    strike();
    return new Promise(() => {});
  };
  return {
    struck,
    restore() {
      target[name] = original;
    },
  };
}
