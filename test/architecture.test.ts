import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const source = join(import.meta.dirname, '..', 'src');

/** The table of docs/architecture.md: what each room may import from the house, and which libraries it may use. */
const rooms: Record<string, { rooms: string[]; libraries: string[] }> = {
  'domain': { rooms: ['domain'], libraries: ['zod'] },
  'ports.ts': { rooms: ['domain'], libraries: [] },
  'gathering.ts': { rooms: [], libraries: [] },
  'services': { rooms: ['domain', 'ports.ts', 'gathering.ts', 'services'], libraries: ['zod'] },
  'dialog': { rooms: ['domain', 'ports.ts', 'services', 'dialog'], libraries: ['zod'] },
  'store': { rooms: ['domain', 'ports.ts', 'gathering.ts', 'store'], libraries: ['zod', 'mongoose'] },
  'channels': { rooms: ['domain', 'ports.ts', 'channels'], libraries: ['zod', 'telegraf'] },
  'http': { rooms: ['domain', 'ports.ts', 'http'], libraries: ['zod', 'fastify', '@fastify/multipart', '@fastify/static', '@fastify/rate-limit', 'prom-client'] },
  'embedded': { rooms: ['embedded'], libraries: ['lmdb'] },
  'files': { rooms: ['domain', 'ports.ts', 'files'], libraries: ['zod', 'yaml', 'exceljs', 'file-type'] },
  'pictures.ts': { rooms: ['domain', 'ports.ts'], libraries: ['qrcode', 'echarts', '@resvg/resvg-js'] },
  'text.ts': { rooms: ['domain', 'ports.ts'], libraries: ['i18next'] },
  'cron.ts': { rooms: ['ports.ts'], libraries: ['node-cron'] },
  'config.ts': { rooms: ['domain', 'ports.ts'], libraries: ['zod'] },
  'log.ts': { rooms: ['ports.ts'], libraries: ['pino'] },
  'bench': { rooms: ['*'], libraries: ['zod', 'lmdb', 'bson', 'mongoose', 'fastify', 'grammy', '@grammyjs/auto-retry', '@grammyjs/transformer-throttler'] },
  'switchboard.ts': { rooms: ['*'], libraries: ['fastify'] },
  'house.ts': { rooms: ['*'], libraries: ['fastify'] },
  'main.ts': { rooms: ['*'], libraries: [] },
  'demo.ts': { rooms: ['*'], libraries: [] },
  'demo': { rooms: ['*'], libraries: [] },
  'cli.ts': { rooms: ['*'], libraries: ['commander', 'zod'] },
  'cli': { rooms: ['*'], libraries: ['commander', 'zod'] },
};
const core = ['domain', 'ports.ts', 'gathering.ts', 'services', 'dialog'];

interface SourceFile {
  path: string;
  room: string;
  text: string;
  imports: string[];
}

function readSource(): SourceFile[] {
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => {
      const text = readFileSync(join(source, path), 'utf8');
      const imports = [...text.matchAll(/^(?:import|export)\s[^;]*?from '([^']+)';|import\('([^']+)'\)|^import '([^']+)';/gm)].map((match) => (match[1] ?? match[2] ?? match[3]) as string);
      return { path, room: path.split(sep)[0] as string, text, imports };
    });
}

const files = readSource();
const inside = (file: SourceFile) => file.imports.filter((name) => name.startsWith('.')).map((name) => relative(source, join(source, dirname(file.path), name)));
const libraryOf = (name: string) => name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/');

describe('the house keeps its plan', () => {
  test('every file stands in a room of the plan', () => {
    expect(files.filter((file) => !rooms[file.room]).map((file) => file.path)).toEqual([]);
    expect(files.length).toBeGreaterThan(20);
  });

  test('imports follow the arrows between rooms', () => {
    const wrong = files.flatMap((file) => {
      const allowed = rooms[file.room]?.rooms ?? [];
      if (allowed.includes('*')) return [];
      return inside(file).filter((target) => !allowed.includes(target.split(sep)[0] as string) && target.split(sep)[0] !== file.room).map((target) => `${file.path} → ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  test('a library is used only in its room', () => {
    const wrong = files.flatMap((file) =>
      file.imports.filter((name) => !name.startsWith('.') && !name.startsWith('node:') && !rooms[file.room]?.libraries.includes(libraryOf(name))).map((name) => `${file.path} → ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test('the core touches no file, no network, no process and no clock', () => {
    const wrong = files.filter((file) => core.includes(file.room)).flatMap((file) => [
      ...file.imports.filter((name) => name.startsWith('node:') && !['node:crypto', 'node:stream'].includes(name)).map((name) => `${file.path} → ${name}`),
      ...[...file.text.matchAll(/new Date\(\)|Date\.now\(\)|performance\.now\(\)|process\.(env|hrtime)|Math\.random\(\)/g)].map((match) => `${file.path}: ${match[0]}`),
    ]);
    expect(wrong).toEqual([]);
  });

  test('the environment is read in config.ts only', () => {
    expect(files.filter((file) => file.path !== 'config.ts' && /process\.env/.test(file.text)).map((file) => file.path)).toEqual([]);
  });

  test('no import cycles', () => {
    const targets = new Map(files.map((file) => [file.path, inside(file)]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: string[]): void => {
      if (trail.includes(path)) {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
        return;
      }
      if (done.has(path)) return;
      for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
      done.add(path);
    };
    for (const file of files) visit(file.path, []);
    expect(cycles).toEqual([]);
  });

  test('every exported thing has a doc comment', () => {
    const bare = files.flatMap((file) => {
      const lines = file.text.split('\n');
      return lines.flatMap((line, index) =>
        /^export (async function|function|const|let|class|abstract class|interface|type|enum)\b/.test(line) && !/\*\/\s*$/.test(lines[index - 1] ?? '') ? [`${file.path}:${index + 1} ${line.slice(0, 60)}`] : [],
      );
    });
    expect(bare).toEqual([]);
  });

  test('names are kebab-case nouns, no default exports, no rooms for odds and ends', () => {
    const wrong = files.flatMap((file) => [
      ...file.path.split(sep).filter((part) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.ts)?$/.test(part) || /^(utils?|helpers?|lib|types|common|misc)(\.ts)?$/.test(part)).map((part) => `${file.path}: ${part}`),
      ...(/^export default/m.test(file.text) ? [`${file.path}: export default`] : []),
    ]);
    expect(wrong).toEqual([]);
  });

  test('the plan of the house in the docs names every room', () => {
    const page = readFileSync(join(source, '..', 'docs', 'architecture.md'), 'utf8');
    expect([...new Set(files.map((file) => file.room))].filter((room) => !page.includes(`src/${room}`))).toEqual([]);
  });
});
