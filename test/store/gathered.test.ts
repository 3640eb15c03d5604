import { describe, expect, test } from '@jest/globals';
import { gather } from '../../src/store/gathered.ts';

describe('calls that go to the database together', () => {
  test('one that the database refuses fails alone; the others are answered', async () => {
    const asked: number[][] = [];
    const half = gather(async (items: readonly number[]) => {
      asked.push([...items]);
      if (items.some((item) => item % 2 === 1)) throw new RangeError('odd');
      return items.map((item) => item / 2);
    });
    const answers = await Promise.allSettled([2, 3, 4].map((item) => half(item)));
    expect(answers).toMatchObject([{ value: 1 }, { reason: expect.any(RangeError) }, { value: 2 }]);
    expect(asked).toEqual([[2, 3, 4], [2], [3], [4]]);
  });

  test('one alone that fails is not asked twice', async () => {
    let asked = 0;
    const fail = gather(async (): Promise<never> => {
      asked += 1;
      throw new Error('away');
    });
    await expect(fail(1)).rejects.toThrow('away');
    expect(asked).toBe(1);
  });
});
