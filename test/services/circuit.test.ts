import { describe, expect, test } from '@jest/globals';
import { createCircuit } from '../../src/services/circuit.ts';

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
