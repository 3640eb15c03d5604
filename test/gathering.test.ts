import { describe, expect, test } from '@jest/globals';
import { createGathering } from '../src/gathering.ts';

describe('gathering', () => {
  test('those of one moment go together, the rest with the next, each with its own result', async () => {
    const batches: number[][] = [];
    const double = createGathering(async (items: readonly number[]) => {
      batches.push([...items]);
      await Promise.resolve();
      return items.map((item) => item * 2);
    }, 3);
    expect(await Promise.all([1, 2, 3, 4, 5].map((item) => double(item)))).toEqual([2, 4, 6, 8, 10]);
    expect(batches).toEqual([[1, 2, 3], [4, 5]]);
  });

  test('a batch that fails fails for all of it, and the next one is tried', async () => {
    let fail = true;
    const run = createGathering(async (items: readonly number[]) => {
      if (fail) throw new Error('down');
      return items;
    }, 10);
    await expect(run(1)).rejects.toThrow('down');
    fail = false;
    expect(await run(2)).toBe(2);
  });
});
