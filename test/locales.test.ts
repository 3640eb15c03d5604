import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { refusalCodes } from '../src/domain/refusal.ts';
import { readLocales } from '../src/text.ts';

type Tree = { [key: string]: string | Tree };
const root = join(import.meta.dirname, '..');

function flatten(tree: Tree, prefix = ''): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]) => (typeof value === 'string' ? [[prefix + key, value] as [string, string]] : flatten(value, `${prefix}${key}.`)));
}
const withoutPlural = (key: string) => key.replace(/_(one|other)$/, '');
const placeholders = (words: string) => [...new Set([...words.matchAll(/\{\{-?\s*([\w.]+)/g)].map((match) => match[1] as string))].sort();

const locales = readLocales();
const words = { vi: flatten(locales.vi as Tree), en: flatten(locales.en as Tree) };
const source = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(join(root, 'src', path), 'utf8'))
  .join('\n');

describe('words', () => {
  test('both languages have the same keys', () => {
    const keys = (language: 'vi' | 'en') => [...new Set(words[language].map(([key]) => withoutPlural(key)))].sort();
    expect(keys('en')).toEqual(keys('vi'));
    expect(keys('vi').length).toBeGreaterThan(50);
  });

  test('both languages have the same placeholders under each key', () => {
    const holes = (language: 'vi' | 'en') => {
      const byKey = new Map<string, Set<string>>();
      for (const [key, text] of words[language]) for (const hole of placeholders(text)) byKey.set(withoutPlural(key), (byKey.get(withoutPlural(key)) ?? new Set()).add(hole));
      // `count` chooses the plural; a singular form need not show it.
      return Object.fromEntries([...byKey].map(([key, set]) => [key, [...set].filter((hole) => hole !== 'count').sort()]).filter(([, set]) => (set as string[]).length > 0));
    };
    expect(holes('en')).toEqual(holes('vi'));
  });

  test('every key is used: by its full name, or by the stem code puts data behind', () => {
    const used = (key: string) => {
      const full = withoutPlural(key);
      if (source.includes(`'${full}'`)) return true;
      const parts = full.split('.');
      return parts.some((_, index) => index > 0 && (source.includes(`\`${parts.slice(0, index).join('.')}.\${`) || new RegExp(`\`${parts.slice(0, index).join('\\.')}[.\\w-]*-\\$\\{`).test(source)));
    };
    expect(words.vi.map(([key]) => key).filter((key) => !used(key))).toEqual([]);
  });

  test('every refusal has words', () => {
    const keys = new Set(words.vi.map(([key]) => withoutPlural(key)));
    expect(refusalCodes.filter((code) => !keys.has(`refusal.${code}`))).toEqual([]);
  });

  test('no exclamation marks, no emoji but the four signs, no empty sentence', () => {
    const loud = [...words.vi, ...words.en].filter(([, text]) => /!|\p{Extended_Pictographic}/u.test(text.replace(/[✅⏰📎]|⚠️/gu, '')) || text.trim() === '');
    expect(loud).toEqual([]);
  });

  test('texts are stored composed (NFC)', () => {
    expect([...words.vi, ...words.en].filter(([, text]) => text !== text.normalize('NFC'))).toEqual([]);
  });
});
