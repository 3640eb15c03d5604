import { expect, test } from '@jest/globals';
import { dialogParts } from '../../src/dialog/parts.ts';
import { readLocales } from '../../src/text.ts';

test('every command has a line in the slash menu, in both languages and within Telegram\'s limits', () => {
  const names = [...new Set(dialogParts.flatMap((part) => part.commands ?? []).map((command) => command.name))].sort();
  expect(names.length).toBeGreaterThan(10);
  expect(names.length).toBeLessThanOrEqual(100);
  for (const name of names) expect(name).toMatch(/^[a-z0-9_]{1,32}$/);
  for (const locale of Object.values(readLocales())) {
    const words = locale.commands as Record<string, string>;
    // A greeting needs no line of its own.
    expect(Object.keys(words).sort()).toEqual(names.filter((name) => name !== 'xinchao'));
    for (const line of Object.values(words)) expect(line.length).toBeLessThanOrEqual(256);
  }
});
