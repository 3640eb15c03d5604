import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..');
const program = join(root, 'dist', 'cli.js');
const folder = mkdtempSync(join(tmpdir(), 'dondoc-cli-'));
const seeds = { plan: join(root, 'seeds', 'plans', '2024.yaml'), units: join(root, 'seeds', 'units.csv') };
const environment = (change: Record<string, string> = {}): Record<string, string> => ({ PATH: process.env.PATH ?? '', DATA_DIR: join(folder, 'data'), DONDOC_NOW: '2024-05-07T09:00:00+07:00', LOG_LEVEL: 'silent', ...change });

interface Ended {
  code: number;
  out: string;
  words: string;
}

function run(args: string[], change: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env: environment(change), maxBuffer: 64 * 1024 * 1024 }, (error, out, words) => resolve({ code: error ? Number(error.code) : 0, out, words }));
  });
}
const json = (ended: Ended): unknown => JSON.parse(ended.out);
function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

beforeAll(() => {
  // `npm test` builds first; somebody who runs this file alone gets the program too.
  if (!existsSync(program)) execFileSync('npm', ['run', '--silent', 'build'], { cwd: root });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('wrong use and bad settings', () => {
  test.each<[string, string[]]>([
    ['no command', []], ['an unknown command', ['nope']], ['a group without its command', ['plan']], ['an argument missing', ['plan', 'check']], ['one too many', ['outbox', 'x']], ['an unknown option', ['stats', '--colour']], ['a file that is not there', ['plan', 'check', 'nowhere.yaml']],
    ['codes for nobody', ['codes', 'issue']], ['codes for one and all', ['codes', 'issue', '--unit', 'X', '--all']], ['a role that does not exist', ['codes', 'issue', '--all', '--role', 'boss']], ['no days', ['codes', 'issue', '--all', '--days', '0']], ['an unknown benchmark', ['bench', 'nope']],
  ])('%s ends with 64 and words on stderr', async (_words, args) => {
    const { code, out, words } = await run(args);
    expect([code, out]).toEqual([64, '']);
    expect(words).not.toBe('');
  }, 30_000);

  test('help is no mistake', async () => {
    const help = await run(['codes', 'issue', '--help']);
    expect([help.code, help.words]).toEqual([0, '']);
    expect(help.out).toContain('--role');
  });

  test('a bad environment ends with 78, a line per mistake', async () => {
    const { code, words } = await run(['stats'], { PORT: 'x', LOCALE: 'fr', SECRET: 'hush' });
    expect(code).toBe(78);
    expect(new Set(words.trim().split('\n').map((line) => line.split(' ')[0]))).toEqual(new Set(['LOCALE', 'PORT', 'SECRET']));
    expect(words).not.toContain('hush');
  });

  test('a bad file of levels ends with 78 too', async () => {
    const { code, words } = await run(['plan', 'check', seeds.plan], { LEVELS_FILE: write('levels.yaml', 'levels:\n  - { key: a, rank: 0, name: { vi: a, en: b } }\n  - { key: a, rank: x, name: { vi: a } }\n') });
    expect(code).toBe(78);
    expect(words).toMatch(/levels\.yaml: line 3: levels\[1\]\.rank/);
  });

  test('a database that is away ends with 69, an address that is none with 78 and without its password', async () => {
    const away = await run(['stats', '--json'], { MONGODB_URI: 'mongodb://127.0.0.1:9/dondoc', SECRET: 'long enough' });
    expect([away.code, away.out]).toEqual([69, '']);
    const none = await run(['stats'], { MONGODB_URI: 'mongodb://user:hush/hush@host:x:1', SECRET: 'long enough' });
    expect([none.code, none.words.includes('hush')]).toEqual([78, false]);
  }, 60_000);
});

describe('plan check', () => {
  test('shows every deadline and every reminder', async () => {
    const ended = await run(['plan', 'check', seeds.plan, '--json']);
    expect(ended.code).toBe(0);
    const checked = json(ended) as { plan: string; errors: unknown[]; obligations: { key: string; stages: unknown[] }[] };
    expect([checked.plan, checked.errors, Object.keys(checked)]).toEqual(['2024', [], ['plan', 'obligations', 'errors']]);
    expect(checked.obligations.find((one) => one.key === 'bao-cao-hoc-tap')).toEqual({
      key: 'bao-cao-hoc-tap', clause: 'II.2.2', rule: 'before', written: 'trước ngày 03/5/2024', lastDay: '2024-05-02', deadline: '2024-05-02T17:00:00.000Z',
      stages: [[-14, '17'], [-7, '25'], [-3, '26']].map(([offset, day]) => ({ offset, at: `2024-04-${day}T01:00:00.000Z` })).concat([[-1, '01'], [0, '02'], [1, '03'], [3, '06'], [7, '09']].map(([offset, day]) => ({ offset, at: `2024-05-${day}T01:00:00.000Z` }))),
    });
    expect(checked.obligations.find((one) => one.key === 'guong-dien-hinh')).toMatchObject({
      rule: 'on', lastDay: null, deadline: null, written: 'ngày 19/5/2024, ngày 28/7/2024, ngày 02/9/2024',
      stages: [{ offset: -3, at: '2024-05-16T01:00:00.000Z', date: '2024-05-19' }, { offset: 0, at: '2024-05-19T01:00:00.000Z', date: '2024-05-19' }, { offset: -3, date: '2024-07-28' }, { offset: 0, date: '2024-07-28' }, { offset: -3, at: '2024-08-30T01:00:00.000Z', date: '2024-09-02' }, { offset: 0, at: '2024-09-02T01:00:00.000Z', date: '2024-09-02' }],
    });
    expect(checked.obligations.find((one) => one.key === 'ke-hoach-tap-the')).toMatchObject({ rule: 'none', lastDay: null, deadline: null, stages: [] });
  });

  test('tells every mistake with file, line and field, ends with 65', async () => {
    const file = write('broken.yaml', 'plan: "x"\nyear: 2024\nnumber: "1"\ntitle: { vi: a, en: b }\nissuer: { vi: a, en: b }\nmaterials: []\nobligations:\n  - key: a\n    title: { vi: a, en: b }\n    clause: "1"\n    quote: q\n    audience: { levels: [huyen] }\n    deliverable: report\n    due: { by: 2024-02-30 }\n');
    const ended = await run(['plan', 'check', file, '--json']);
    expect(ended.code).toBe(65);
    expect(json(ended)).toMatchObject({ plan: null, obligations: [], errors: [{ line: 12, field: 'obligations[0].audience.levels[0]' }, { line: 14, field: 'obligations[0].due.by' }] });
    expect(ended.words).toMatch(new RegExp(`^${file}:12: obligations\\[0\\]\\.audience\\.levels\\[0\\]: Không có cấp “huyen”`, 'm'));
    expect((await run(['plan', 'load', file])).code).toBe(65);
  });

  test('a year without a holiday table is a warning, not a mistake; words come in the operator\'s language', async () => {
    const file = write('later.yaml', 'plan: "2031"\nyear: 2031\nnumber: "1"\ntitle: { vi: a, en: b }\nissuer: { vi: a, en: b }\nmaterials: []\nobligations:\n  - key: a\n    title: { vi: a, en: b }\n    clause: "1"\n    quote: q\n    audience: { levels: [co-so] }\n    deliverable: report\n    due: { by: 2031-05-06T08:00 }\n');
    const ended = await run(['plan', 'check', file, '--json'], { LOCALE: 'en' });
    expect(ended.code).toBe(0);
    expect(ended.words).toContain('There is no holiday table for 2031');
    expect(json(ended)).toMatchObject({ obligations: [{ written: 'by 08:00 on 06/5/2031', deadline: '2031-05-06T01:01:00.000Z', stages: [{ offset: -14 }, { offset: -7 }, { offset: -3 }, { offset: -1 }, { offset: 1 }, { offset: 3 }, { offset: 7 }] }] });
  });
});

describe('an office on the embedded database', () => {
  test('imports its units, loads the plan, issues codes, and sees who is late; a copy of it can be restored', async () => {
    const broken = write('units.csv', '\uFEFFcode;name;level;parent;members\r\nT;Tỉnh;tinh;;\r\nA;Cơ sở;co-so;X;1\r\nA;Cơ sở;co-so;T;1\r\n');
    const refused = await run(['units', 'import', broken, '--json']);
    expect(refused.code).toBe(65);
    expect(json(refused)).toEqual({ created: 0, updated: 0, unchanged: 0, errors: [{ row: 3, message: expect.stringContaining('“X”') }, { row: 4, message: expect.stringContaining('“A”') }] });

    expect(json(await run(['units', 'import', seeds.units, '--dry-run', '--json']))).toEqual({ created: 80, updated: 0, unchanged: 0, errors: [] });
    expect(json(await run(['units', 'import', seeds.units, '--json']))).toEqual({ created: 80, updated: 0, unchanged: 0, errors: [] });
    expect(json(await run(['units', 'import', seeds.units, '--json']))).toEqual({ created: 0, updated: 0, unchanged: 80, errors: [] });

    // Commands side by side wait for each other: none builds on the engine of one that ends in a moment.
    for (const ended of await Promise.all([1, 2, 3].map(() => run(['outbox', '--json'])))) expect(ended).toMatchObject({ code: 0, out: expect.stringContaining('"pending":0') });

    // The rest runs while another process serves the same folder.
    const served = spawn(process.execPath, [program, 'db', '--json'], { env: environment() });
    const [first] = (await once(served.stdout, 'data')) as [Buffer];
    expect(JSON.parse(first.toString())).toEqual({ uri: expect.stringMatching(/^mongodb:\/\/127\.0\.0\.1:\d+\/dondoc/) });
    expect(json(await run(['db', '--json']))).toEqual(JSON.parse(first.toString()));

    const loaded = await run(['plan', 'load', seeds.plan]);
    expect([loaded.code, loaded.out]).toEqual([0, '']);
    expect(loaded.words).toContain('503 việc mới');
    expect(await run(['codes', 'issue', '--unit', 'NOPE', '--json'])).toMatchObject({ code: 65, out: '' });
    expect(json(await run(['codes', 'issue', '--unit', 'LDLD-PT', '--days', '3', '--json']))).toEqual([{ unit: 'LDLD-PT', role: 'chair', code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/), link: expect.any(String), expiresAt: expect.stringMatching(/^2024-05-10T02:0/) }]);
    const overdue = json(await run(['overdue', '--unit', 'LDLD-PT', '--obligation', 'bao-cao-6-thang', '--json']));
    expect(overdue).toEqual([{ unit: 'LDLD-PT', unitName: 'Liên đoàn Lao động thành phố Phan Thiết', obligation: 'bao-cao-6-thang', deadline: '2024-05-06T17:00:00.000Z', state: 'open', daysLate: 1, reach: 'never-paired', reminders: 0 }]);
    const stats = json(await run(['stats', '--json'])) as Record<string, number>[];
    expect(stats.length).toBeGreaterThan(5);
    for (const row of stats) expect(row.expected).toBe((row.onTime ?? 0) + (row.late ?? 0) + (row.missing ?? 0) + (row.pending ?? 0) + (row.waived ?? 0));
    expect(json(await run(['outbox', '--json']))).toEqual({ pending: 0, sending: 0, sent: 0, unknown: 0, dead: 0 });
    expect(await run(['overdue', '--plan', '1999', '--json'])).toMatchObject({ code: 65, out: '' });

    const copy = join(folder, 'copy');
    expect((await run(['backup', copy])).code).toBe(0);
    served.kill('SIGTERM');
    expect((await once(served, 'exit'))[0]).toBe(0);
    const elsewhere = { DATA_DIR: join(folder, 'elsewhere') };
    expect((await run(['restore', copy], elsewhere)).code).toBe(0);
    expect(json(await run(['stats', '--json'], elsewhere))).toEqual(stats);
    expect(statSync(join(folder, 'elsewhere', 'secret')).mode & 0o777).toBe(0o600);
    expect((await run(['restore', copy], elsewhere)).code).toBe(78);
  }, 180_000);
});

test('a service told to stop while it is still starting ends with 0', async () => {
  const data = join(folder, 'early');
  const service = spawn(process.execPath, [program, 'demo'], { env: environment({ DATA_DIR: data, PORT: '0' }), stdio: 'ignore' });
  const ended = once(service, 'exit');
  // The engine marks its folder long before anything listens.
  while (!existsSync(join(data, 'db', 'engine.json'))) await new Promise((resolve) => setTimeout(resolve, 5));
  service.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
}, 30_000);
