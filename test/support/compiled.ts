import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { transformSync } from '@swc/core';

/**
 * Compiles folders of `src/` into a temporary folder, so that a test can start the very code under test as a process of
 * its own (and kill it). Returns the folder; modules lie in it as they do in `src/`, with `.js` endings.
 */
export function compileSources(...rooms: string[]): string {
  const root = resolve('src');
  const out = mkdtempSync(join(tmpdir(), 'dondoc-compiled-'));
  writeFileSync(join(out, 'package.json'), '{"type":"module"}');
  symlinkSync(resolve('node_modules'), join(out, 'node_modules'));
  for (const room of rooms) {
    for (const entry of readdirSync(join(root, room), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const file = join(entry.parentPath, entry.name);
      const target = join(out, relative(root, file)).replace(/\.ts$/, '.js');
      const { code } = transformSync(readFileSync(file, 'utf8'), { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'es6' } });
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, code.replace(/((?:from\s+|import\()['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2'));
    }
  }
  return out;
}
