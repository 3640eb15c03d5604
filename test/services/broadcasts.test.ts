import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Person } from '../../src/domain/person.ts';
import type { Core } from '../../src/ports.ts';
import { findBroadcast, prepareBroadcast, readProgress, resumeBroadcasts, sendBroadcast } from '../../src/services/broadcasts.ts';
import { at, buildPerson } from '../support/builders.ts';
import { openHouse, type House } from '../support/house.ts';

const staff = { id: 's', roles: [{ role: 'staff' as const, unit: 'LDLD-BT', since: at('2024-03-01') }] };
const chairs = { role: 'chair' as const, unit: null };

describe('a broadcast', () => {
  let house: House;
  beforeEach(async () => {
    house = await openHouse({ at: '2024-04-08T09:00' });
    for (let index = 0; index < 7; index += 1) await addChair(index);
  });
  afterEach(() => house.close());

  async function addChair(index: number): Promise<void> {
    const { id: _id, ...person } = buildPerson(`p${index}`, { unit: `CS-0${1 + (index % 4)}` });
    await house.store.people.create(person);
  }

  /** The same core, killed after so many people were read. */
  function killedAfter(core: Core, people: number): Core {
    async function* interrupted(source: AsyncIterable<Person>): AsyncGenerator<Person> {
      let read = 0;
      for await (const person of source) {
        if ((read += 1) > people) throw new Error('killed');
        yield person;
      }
    }
    const { store } = core;
    return { ...core, store: { ...store, people: { ...store.people, stream: (role, roots) => interrupted(store.people.stream(role, roots)) }, outbox: { ...store.outbox } } };
  }

  test('killed while its rows were put, it is completed at the next start and nobody gets it twice', async () => {
    const { id, people } = await prepareBroadcast(house.core, staff, chairs, 'Họp giao ban', house.now());
    expect(people).toBe(7);
    await expect(sendBroadcast(killedAfter(house.core, 4), staff, id)).rejects.toThrow('killed');
    expect((await findBroadcast(house.core, id))?.state).toBe('filling');
    expect(await resumeBroadcasts(house.core)).toBe(1);
    expect((await readProgress(house.core, staff, id)).counts).toMatchObject({ pending: 7, sent: 0 });
    expect(await resumeBroadcasts(house.core)).toBe(0);
    await sendBroadcast(house.core, staff, id);
    expect((await readProgress(house.core, staff, id)).counts.pending).toBe(7);
  });

  test('one that was only prepared is not sent by a restart', async () => {
    const { id } = await prepareBroadcast(house.core, staff, chairs, 'Chưa gửi', house.now());
    expect(await resumeBroadcasts(house.core)).toBe(0);
    expect((await readProgress(house.core, staff, id)).counts.pending).toBe(0);
    await sendBroadcast(house.core, staff, id);
    expect((await readProgress(house.core, staff, id)).counts.pending).toBe(7);
  });

  test('within a unit it reaches the people of that subtree only', async () => {
    const { people } = await prepareBroadcast(house.core, staff, { role: 'chair', unit: 'LDLD-PT' }, 'Riêng Phan Thiết', house.now());
    expect(people).toBe(4);
  });

  test('is for the office alone, and says what is wrong with its text', async () => {
    const chair = { id: 'c', roles: [{ role: 'chair' as const, unit: 'LDLD-BT', since: at('2024-03-01') }] };
    await expect(prepareBroadcast(house.core, chair, chairs, 'x', house.now())).rejects.toMatchObject({ code: 'not-allowed' });
    await expect(sendBroadcast(house.core, chair, '1')).rejects.toMatchObject({ code: 'not-allowed' });
    await expect(prepareBroadcast(house.core, staff, chairs, '   ', house.now())).rejects.toMatchObject({ code: 'text-empty' });
    await expect(prepareBroadcast(house.core, staff, chairs, 'a'.repeat(2001), house.now())).rejects.toMatchObject({ code: 'text-too-long' });
    await expect(prepareBroadcast(house.core, staff, { role: null, unit: 'NO-SUCH' }, 'x', house.now())).rejects.toMatchObject({ code: 'unit-unknown' });
  });
});
