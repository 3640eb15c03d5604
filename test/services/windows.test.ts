import { afterEach, describe, expect, test } from '@jest/globals';
import type { Channel, Reach } from '../../src/ports.ts';
import { alertStaff } from '../../src/services/alerts.ts';
import { describeOverdue } from '../../src/services/overdue.ts';
import { createMonthlyQuota } from '../../src/services/quota.ts';
import { keepWindows } from '../../src/services/windows.ts';
import type { ChannelName } from '../../src/domain/person.ts';
import { openHouse, type House, type HouseOptions } from '../support/house.ts';
import { seat } from '../support/seats.ts';

const hour = 3_600_000;
const day = 24 * hour;
let house: House;

afterEach(() => house.close());

/** A house whose Official Account may be written to for that long after a person's last word. */
async function openWindowed(options: { windowMs?: number; after?: Reach; channels?: HouseOptions['channels']; at?: string } = {}): Promise<House> {
  house = await openHouse({ at: options.at ?? '2024-04-10T09:00', channels: options.channels ?? { 'zalo-oa': { buttons: 5 } } });
  const windowMs = options.windowMs ?? 7 * day;
  const after = options.after ?? { kind: 'closed', reason: 'no word within 7 days' };
  change('zalo-oa', { windowMs, reach: (to, at) => (at.getTime() - to.lastAt.getTime() <= windowMs ? { kind: 'free' } : after) });
  return house;
}

function change(name: ChannelName, how: Partial<Channel>): void {
  Object.assign(house.core.channels.get(name) as Channel, how);
}

describe('a window that is about to close', () => {
  test('is asked about once, in the morning of the last day, and the tap opens it again', async () => {
    await openWindowed();
    const chair = await seat(house, 'lan', 'chair', 'LDLD-PT');
    for (const morning of ['2024-04-11', '2024-04-15', '2024-04-16']) {
      house.goTo(`${morning}T08:00`);
      expect([morning, await keepWindows(house.core, house.now())]).toEqual([morning, 0]);
    }
    house.goTo('2024-04-17T07:59');
    expect(await keepWindows(house.core, house.now())).toBe(0);
    house.goTo('2024-04-17T08:00');
    expect(await keepWindows(house.core, house.now())).toBe(1);
    expect(await keepWindows(house.core, house.now())).toBe(0);
    await house.deliver();
    expect(chair.news()).toEqual([expect.stringMatching(/đến 09:00.*17\/4\/2024/)]);
    house.goTo('2024-04-17T08:30');
    expect(await chair.presses('Tiếp tục nhận')).toEqual([expect.stringContaining('tiếp tục nhắc việc')]);
    expect((await chair.person())?.addresses[0]?.lastAt).toEqual(house.now());
    // The reminder of that morning has its own button; before the next one the window would close again.
    house.goTo('2024-04-24T08:00');
    await house.tick();
    expect(chair.news()).toContainEqual(expect.stringMatching(/đến 08:30.*24\/4\/2024/));
  });

  test.each([
    ['08:00', '07:59'], ['08:00', '00:10'], ['08:00', '23:00'],
  ])('whatever the hour of the last word, a window that closes at %s or %s is seen before', async (...times) => {
    await openWindowed();
    for (const [index, time] of times.entries()) {
      house.goTo(`2024-04-10T${time}`);
      await seat(house, `chair ${index}`, 'chair', 'LDLD-PT');
    }
    let asked = 0;
    for (let date = 11; date <= 18; date += 1) {
      house.goTo(`2024-04-${date}T08:00`);
      asked += await keepWindows(house.core, house.now());
    }
    expect(asked).toBe(2);
  });

  test('nobody is asked whom a template reaches afterwards', async () => {
    await openWindowed({ after: { kind: 'template', class: 'template', cost: 300 } });
    await seat(house, 'lan', 'chair', 'LDLD-PT');
    house.goTo('2024-04-17T08:00');
    expect(await keepWindows(house.core, house.now())).toBe(0);
  });

  test('nobody is asked whom another channel reaches, who stands for no unit, or who will not be reminded of anything', async () => {
    await openWindowed({ channels: { 'zalo-oa': { buttons: 5 }, 'telegram': { buttons: 100 } } });
    const linked = await seat(house, 'lan', 'chair', 'LDLD-PT');
    await house.store.people.addAddress((await linked.person())?.id ?? '', { channel: 'telegram', id: '42', lastAt: new Date(house.now().getTime() - day), state: 'active', reason: null });
    await seat(house, 'dung', 'staff', 'LDLD-BT');
    // The base owes only what was due in March; the last reminder of that was on its way already.
    const done = await seat(house, 'minh', 'chair', 'CS-01');
    for (const assignment of await house.store.assignments.ofUnit('CS-01', null)) await house.store.assignments.change(assignment.id, (one) => ({ ...one, wave: null }));
    house.goTo('2024-04-17T08:00');
    expect(await keepWindows(house.core, house.now())).toBe(0);
    expect(done.news()).toEqual([]);
  });
});

describe('a window that is closed', () => {
  test('is told to the staff as that: in the list, on the unit\'s card and in the evidence, never as "late and not reminded" alone', async () => {
    await openWindowed({ at: '2024-04-20T09:00' });
    await seat(house, 'lan', 'chair', 'LDLD-PT');
    const staff = await seat(house, 'dung', 'staff', 'LDLD-BT');
    house.goTo('2024-05-07T08:00');
    await house.tick();
    await staff.says('da doc');
    const [text = ''] = await staff.says('qua han bao cao phan thiet');
    expect(text).toContain('đã hết thời gian kênh cho phép nhắn');
    expect((await staff.says('don vi LDLD-PT')).join('\n')).toContain('đã hết thời gian kênh cho phép nhắn');
    const [assignment] = (await house.store.assignments.ofUnit('LDLD-PT', null)).filter((one) => one.obligation === 'bao-cao-6-thang');
    const [row] = (await house.store.outbox.evidence(assignment?.id ?? '', { after: null, limit: 10 })).items;
    expect(row).toMatchObject({ state: 'dead', reason: 'window closed: no word within 7 days' });
    expect((await staff.presses(`#bc:${assignment?.id}:0`)).join('\n')).toContain('không gửi được: đã hết thời gian kênh cho phép nhắn, chờ người nhận nhắn lại');
    const [described] = await describeOverdue(house.core, assignment ? [assignment] : [], house.now());
    expect(described).toMatchObject({ reach: 'window-closed', reminders: 0 });
  });

  test('opens with the person\'s next word: the unit is reachable again', async () => {
    await openWindowed();
    const chair = await seat(house, 'lan', 'chair', 'LDLD-PT');
    const overdue = async (): Promise<unknown> => (await describeOverdue(house.core, (await house.store.assignments.ofUnit('LDLD-PT', null)).filter((one) => one.obligation === 'bao-cao-6-thang'), house.now()))[0]?.reach;
    house.goTo('2024-05-07T08:00');
    expect(await overdue()).toBe('window-closed');
    await chair.says('trang thai');
    expect(await overdue()).toBe('reachable');
  });
});

describe('the month\'s quota', () => {
  test('is counted by local months; at four fifths and at the end the staff hears of it, once each', async () => {
    house = await openHouse({ at: '2024-04-30T23:59' });
    const staff = await seat(house, 'dung', 'staff', 'LDLD-BT');
    await seat(house, 'lan', 'chair', 'LDLD-PT');
    const quota = createMonthlyQuota(house.core, 'zalo-bot', 10);
    expect([await quota.add(7), await quota.used(), quota.untilNextMonth()]).toEqual([7, 7, 60_000]);
    await house.deliver();
    expect(staff.news()).toEqual([]);
    for (let count = 0; count < 3; count += 1) await quota.add(1);
    // Another process counts too, and has said nothing yet.
    await createMonthlyQuota(house.core, 'zalo-bot', 10).add(1);
    await house.deliver();
    expect(staff.news()).toEqual([expect.stringMatching(/⚠️ Kênh zalo-bot đã dùng 8 trên 10 tin/), expect.stringMatching(/⚠️ Kênh zalo-bot đã dùng hết 10 tin/)]);
    house.goTo('2024-05-01T00:00');
    expect([await quota.used(), await quota.add(1)]).toEqual([0, 1]);
  });

  test('of a channel that used it up, the evidence says what the reminders wait for', async () => {
    house = await openHouse({ at: '2024-05-06T09:00' });
    await seat(house, 'lan', 'chair', 'LDLD-PT');
    const staff = await seat(house, 'dung', 'staff', 'LDLD-BT');
    const [assignment] = (await house.store.assignments.ofUnit('LDLD-PT', null)).filter((one) => one.obligation === 'bao-cao-6-thang');
    await staff.presses(`#nhac:${assignment?.id}`);
    const [row] = (await house.store.outbox.evidence(assignment?.id ?? '', { after: null, limit: 10 })).items;
    const attempt = { id: 'p/1', at: house.now(), answeredAt: house.now(), answer: 'retry' as const, channel: 'telegram' as const, reason: 'monthly quota used up' };
    await house.store.outbox.settle([{ key: row?.key ?? '', owner: 'house', attempt: null, change: { state: 'pending', attempts: [attempt] } }]);
    expect((await staff.presses(`#bc:${assignment?.id}:0`)).join('\n')).toContain('đang chờ: kênh đã hết số tin của tháng');
  });
});

describe('an alarm', () => {
  test('reaches every staff person once a day for each cause, and nobody else', async () => {
    house = await openHouse();
    const staff = await seat(house, 'dung', 'staff', 'LDLD-BT');
    const other = await seat(house, 'hoa', 'staff', 'LDLD-BT');
    const chair = await seat(house, 'lan', 'chair', 'LDLD-PT');
    for (let times = 0; times < 3; times += 1) await alertStaff(house.core, 'zalo-oa-refused', { reason: '-14014 Invalid refresh token' });
    await alertStaff(house.core, 'zalo-oa-template', { kind: 'reminder', reason: '-131' });
    await house.deliver();
    for (const person of [staff, other]) expect(person.news()).toEqual([expect.stringMatching(/-14014.*dondoc zalo login/), expect.stringContaining('“reminder” (-131)')]);
    expect(chair.news()).toEqual([]);
    house.wait(day);
    await alertStaff(house.core, 'zalo-oa-refused', { reason: 'x' });
    await house.deliver();
    expect(staff.news()).toHaveLength(1);
  });
});
