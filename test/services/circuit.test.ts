import { describe, expect, test } from '@jest/globals';
import { createCircuit } from '../../src/services/circuit.ts';
import { createGathering } from '../../src/services/gathering.ts';

describe('circuit', () => {
  test('a channel that is down is tried by one call at a time, after pauses that grow', () => {
    const circuit = createCircuit(() => 0.999, 60_000);
    expect(circuit.allows(0, 20)).toBe(true);
    circuit.failed(circuit.round(), 0, 0);
    expect(circuit.state(0)).toBe('open');
    expect(circuit.allows(999, 0)).toBe(false);
    expect(circuit.waitFor(0)).toBeGreaterThan(990);
    expect(circuit.state(1000)).toBe('probing');
    expect(circuit.allows(1000, 0)).toBe(true);
    expect(circuit.allows(1000, 1)).toBe(false);
    circuit.failed(circuit.round(), 1000, 0);
    expect(circuit.waitFor(1000)).toBeGreaterThan(1990);
    circuit.worked();
    expect(circuit.state(1001)).toBe('closed');
    expect(circuit.allows(1001, 20)).toBe(true);
  });

  test('twenty calls that fail together count as one failure', () => {
    const circuit = createCircuit(() => 0.999, 60_000);
    const round = circuit.round();
    for (let call = 0; call < 20; call += 1) circuit.failed(round, 10, 0);
    expect(circuit.failures()).toBe(1);
  });

  test('it rests as long as the channel asks', () => {
    const circuit = createCircuit(() => 0, 60_000);
    circuit.failed(circuit.round(), 0, 30_000);
    expect(circuit.waitFor(0)).toBe(30_000);
  });

  test('single answers may be lost, three in a row mean that the channel is down', () => {
    const circuit = createCircuit(() => 0, 60_000);
    circuit.fellSilent(circuit.round(), 0);
    circuit.fellSilent(circuit.round(), 0);
    circuit.worked();
    circuit.fellSilent(circuit.round(), 0);
    circuit.fellSilent(circuit.round(), 0);
    expect(circuit.state(0)).toBe('closed');
    circuit.fellSilent(circuit.round(), 0);
    expect(circuit.state(0)).toBe('open');
  });
});

describe('gathering', () => {
  test('the first goes at once, the rest share the next write, each with its own result', async () => {
    const batches: number[][] = [];
    const double = createGathering(async (items: readonly number[]) => {
      batches.push([...items]);
      await Promise.resolve();
      return items.map((item) => item * 2);
    }, 3);
    expect(await Promise.all([1, 2, 3, 4, 5].map((item) => double(item)))).toEqual([2, 4, 6, 8, 10]);
    expect(batches).toEqual([[1], [2, 3, 4], [5]]);
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
