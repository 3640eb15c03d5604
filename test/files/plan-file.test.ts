import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readHolidays } from '../../src/files/holidays.ts';
import { readLevels } from '../../src/files/levels.ts';
import { readPlanFile } from '../../src/files/plan-file.ts';
import { createText } from '../../src/text.ts';
import { calendar } from '../support/builders.ts';

const levels = await readLevels();
const text = await createText(calendar);
const seeds = join(import.meta.dirname, '..', '..', 'seeds');
const good = `plan: "2024"
year: 2024
number: "01/KH"
title: { vi: "Kế hoạch", en: "Plan" }
issuer:
  vi: "Liên đoàn"
  en: "Federation"
materials: []
obligations:
  - key: bao-cao
    title: { vi: "Báo cáo", en: "Report" }
    clause: "III.2"
    quote: "chậm nhất ngày 06/5/2024"
    audience: { levels: [cap-tren] }
    deliverable: report
    due: { by: 2024-05-06 }
    stages: [-7, 0, 1]
    review: true
`;
const read = (source: string) => readPlanFile(Buffer.from(source), levels);
const tell = (source: string): string[] => read(source).mistakes.map((mistake) => `${mistake.line} ${mistake.field} ${mistake.key.replace('plan-file.', '')}`);
const change = (from: string, to: string): string => {
  expect(good).toContain(from);
  return good.replace(from, to);
};

describe('a plan file', () => {
  test('days, hours and months stay the text that was written', () => {
    expect(read(good).plan?.obligations[0]).toMatchObject({ due: { by: '2024-05-06' }, stages: [-7, 0, 1], review: true });
    expect(read(change('by: 2024-05-06', 'before: 2024-05-03T15:00')).plan?.obligations[0]?.due).toEqual({ before: '2024-05-03T15:00' });
    expect(read(change('by: 2024-05-06', 'in: 2024-03')).plan?.obligations[0]?.due).toEqual({ in: '2024-03' });
    expect(read(change('by: 2024-05-06', 'on: [2024-05-19, 2024-07-28]')).plan?.obligations[0]?.due).toEqual({ on: ['2024-05-19', '2024-07-28'] });
  });

  test('may have a byte order mark, CRLF and decomposed letters', () => {
    const { plan } = read(`\uFEFF${good.replaceAll('\n', '\r\n').normalize('NFD')}`);
    expect(plan?.title.vi).toBe('Kế hoạch'.normalize('NFC'));
  });

  test.each<[string, string, string[]]>([
    ['a day that does not exist', change('2024-05-06 }', '2024-02-30 }'), ['16 obligations[0].due.by expected-day-or-hour']],
    ['a day written the Vietnamese way', change('2024-05-06 }', '06/5/2024 }'), ['16 obligations[0].due.by expected-day-or-hour']],
    ['an hour 25', change('2024-05-06 }', '2024-05-06T25:00 }'), ['16 obligations[0].due.by expected-day-or-hour']],
    ['a month 13', change('by: 2024-05-06', 'in: 2024-13'), ['16 obligations[0].due.in expected-month']],
    ['a wrong day among several', change('by: 2024-05-06', 'on: [2024-05-19, 2024-02-30]'), ['16 obligations[0].due.on[1] expected-days']],
    ['a day twice', change('by: 2024-05-06', 'on: [2024-05-19, 2024-05-19]'), ['16 obligations[0].due.on[1] day-twice']],
    ['no day', change('by: 2024-05-06', 'on: []'), ['16 obligations[0].due.on expected-days']],
    ['two rules', change('by: 2024-05-06', 'by: 2024-05-06, before: 2024-05-07'), ['16 obligations[0].due expected-due']],
    ['a rule that does not exist', change('by:', 'until:'), ['16 obligations[0].due expected-due']],
    ['a rule and a foreign key', change('by: 2024-05-06', 'by: 2024-05-06, hour: 17'), ['16 obligations[0].due.hour unknown-key']],
    ['none: false', change('by: 2024-05-06 }\n    stages: [-7, 0, 1]', 'none: false }'), ['16 obligations[0].due.none expected-true']],
    ['an unknown level', change('[cap-tren]', '[cap-tren, huyen]'), ['14 obligations[0].audience.levels[1] unknown-level']],
    ['a level twice', change('[cap-tren]', '[cap-tren, cap-tren]'), ['14 obligations[0].audience.levels[1] level-twice']],
    ['no level', change('[cap-tren]', '[]'), ['14 obligations[0].audience.levels expected-levels']],
    ['levels and members', change('levels: [cap-tren]', 'levels: [cap-tren], members: true'), ['14 obligations[0].audience expected-audience', '15 obligations[0].deliverable members-pledge-only']],
    ['an unknown key', change('review: true', 'reviewed: true'), ['18 obligations[0].reviewed unknown-key']],
    ['an unknown key at the top', `${good}colour: red\n`, ['19 colour unknown-key']],
    ['a key written twice', change('clause: "III.2"', 'clause: "III.2"\n    clause: "III.3"'), ['13 clause key-twice']],
    ['a missing key', change('    clause: "III.2"\n', ''), ['10 obligations[0].clause missing']],
    ['a number for a text', change('clause: "III.2"', 'clause: 3.2'), ['12 obligations[0].clause expected-text']],
    ['an empty text', change('"chậm nhất ngày 06/5/2024"', '" "'), ['13 obligations[0].quote expected-text']],
    ['a plan key without quotes', change('"2024"\nyear', '2024\nyear'), ['1 plan expected-plan-key']],
    ['a year in quotes', change('year: 2024', 'year: "2024"'), ['2 year expected-year']],
    ['a title in one language', change('title: { vi: "Báo cáo", en: "Report" }', 'title: { vi: "Báo cáo" }'), ['11 obligations[0].title.en missing']],
    ['a key with capitals', change('key: bao-cao', 'key: Bao-cao'), ['10 obligations[0].key expected-key']],
    ['an unknown deliverable', change('deliverable: report', 'deliverable: file'), ['15 obligations[0].deliverable expected-deliverable']],
    ['stages that descend', change('[-7, 0, 1]', '[1, 0, -7]'), ['17 obligations[0].stages expected-stages']],
    ['half a stage', change('[-7, 0, 1]', '[-7, 0.5]'), ['17 obligations[0].stages[1] expected-stages']],
    ['a stage of 366 days', change('[-7, 0, 1]', '[366]'), ['17 obligations[0].stages[0] expected-stages']],
    ['stages where there is no date', change('by: 2024-05-06', 'none: true'), ['17 obligations[0].stages stages-without-date']],
    ['a pledge of levels', change('deliverable: report', 'deliverable: pledge'), ['14 obligations[0].audience pledge-of-members']],
    ['yes for true', change('review: true', 'review: yes'), ['18 obligations[0].review expected-yes-or-no']],
    ['an address that is none', change('materials: []', 'materials: [{ title: { vi: a, en: b }, url: binhthuan }]'), ['8 materials[0].url expected-url']],
    ['no obligations', `${good.slice(0, good.indexOf('  - key'))}  []\n`, ['9 obligations expected-obligations']],
    ['broken YAML', change('title: { vi: "Kế hoạch", en: "Plan" }', 'title: { vi: "Kế hoạch", en: "Plan"'), ['5  not-yaml']],
    ['a list instead of a plan', '- 1\n- 2\n', ['1  expected-plan']],
    ['an empty file', '', ['1  expected-plan']],
    ['an alias that points nowhere', change('materials: []', 'materials: *nowhere'), ['8  not-yaml']],
  ])('%s is told with its line and field', (_words, source, mistakes) => {
    expect(tell(source)).toEqual(mistakes);
    expect(read(source).plan).toBeNull();
  });

  test('a key used by two obligations is told at the second, with the line of the first', () => {
    const twice = good + good.slice(good.indexOf('  - key'));
    expect(read(twice).mistakes).toEqual([{ line: 19, field: 'obligations[1].key', key: 'plan-file.obligation-twice', params: { name: 'bao-cao', line: 10 } }]);
  });

  test('every mistake is told at once, in the order of the lines', () => {
    const broken = change('year: 2024', 'year: "x"').replace('[cap-tren]', '[huyen]').replace('2024-05-06 }', '2024-05-32 }').replace('review: true', 'rewiev: true');
    expect(tell(broken)).toEqual(['2 year expected-year', '14 obligations[0].audience.levels[0] unknown-level', '16 obligations[0].due.by expected-day-or-hour', '18 obligations[0].rewiev unknown-key']);
  });

  test('a second pledge is a mistake', () => {
    const pledge = good.slice(good.indexOf('  - key')).replace('levels: [cap-tren]', 'members: true').replace('report', 'pledge');
    expect(tell(good + pledge.replace('bao-cao', 'a') + pledge.replace('bao-cao', 'b'))).toEqual(['33 obligations[2].deliverable second-pledge']);
  });

  test('bytes that are not UTF-8 are told with their line', () => {
    const bytes = Buffer.concat([Buffer.from('plan: "2024"\nyear: 2024\nnumber: "'), Buffer.from([0xd5, 0xff]), Buffer.from('"\n')]);
    expect(readPlanFile(bytes, levels).mistakes).toEqual([{ line: 3, field: '', key: 'plan-file.not-utf8', params: {} }]);
  });

  test('aliases that blow up are refused, not followed', () => {
    const bomb = `a: &a [1,1,1,1,1,1,1,1,1]\n${Array.from('bcdefgh', (name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefg'[index]}`).join(',')}]`).join('\n')}\n`;
    expect(tell(bomb)).toEqual(['1  not-yaml']);
  });

  test('whatever is in the file: a plan or at least one mistake, each with words in both languages', () => {
    const line = fc.constantFrom(...good.split('\n'), 'due: { on: 3 }', '    due: []', '    audience: 5', 'obligations: {}', '  - 7', 'x: [', '    stages: {}', '\t', '"');
    fc.assert(fc.property(fc.array(line, { maxLength: 24 }), (lines) => {
      const { plan, mistakes } = read(lines.join('\n'));
      expect(plan === null).toBe(mistakes.length > 0);
      for (const mistake of mistakes) {
        expect(mistake.line).toBeGreaterThan(0);
        for (const language of ['vi', 'en'] as const) expect(text.say(language, mistake.key, mistake.params)).not.toMatch(/\{\{|undefined/);
      }
    }), { numRuns: 300 });
  });
});

describe('the seeds', () => {
  const { plan } = readPlanFile(readFileSync(join(seeds, 'plans', '2024.yaml')), levels);
  const paper = readFileSync(join(seeds, 'plans', '2024.txt'), 'utf8').normalize('NFC').replace(/\s+/g, ' ');

  test('every quotation is the plan\'s own sentence', () => {
    expect(plan?.obligations.filter((obligation) => !paper.includes(obligation.quote)).map((obligation) => obligation.key)).toEqual([]);
    expect(plan?.obligations).toHaveLength(14);
  });

  test('every date of the plan is the date of the paper', () => {
    expect(Object.fromEntries((plan?.obligations ?? []).filter((obligation) => !('none' in obligation.due)).map((obligation) => [obligation.key, obligation.due]))).toEqual({
      'hoc-tap-chuyen-de': { in: '2024-03' }, 'bao-cao-hoc-tap': { before: '2024-05-03' }, 'dang-ky-ca-nhan': { before: '2024-04-10' }, 'guong-dien-hinh': { on: ['2024-05-19', '2024-07-28', '2024-09-02'] },
      'bao-cao-6-thang': { by: '2024-05-06' }, 'bao-cao-nam': { by: '2024-11-11' },
    });
  });

  test('the two reports are asked of the unions directly above the base only', () => {
    expect(plan?.obligations.filter((obligation) => obligation.key.startsWith('bao-cao-') && obligation.key !== 'bao-cao-hoc-tap').map((obligation) => obligation.audience)).toEqual([{ levels: ['cap-tren'] }, { levels: ['cap-tren'] }]);
  });

  test('the study materials are at the two addresses of the paper', () => {
    expect(plan?.materials).toHaveLength(2);
    for (const material of plan?.materials ?? []) expect(paper).toContain(material.url);
  });

  test('2024 to 2027 have their rest days and make-up days', async () => {
    const holidays = await readHolidays();
    expect(Object.keys(holidays)).toEqual(['2024', '2025', '2026', '2027']);
    expect([holidays['2024']?.rest.length, holidays['2025']?.rest.length, holidays['2026']?.rest.length, holidays['2027']?.rest.length]).toEqual([12, 12, 14, 12]);
    expect(Object.values(holidays).flatMap((year) => year.work)).toEqual(['2024-05-04', '2025-04-26', '2026-01-10', '2026-08-22']);
    const weekday = (day: string): number => new Date(`${day}T00:00:00Z`).getUTCDay();
    expect(Object.values(holidays).flatMap((year) => [...year.rest.filter((day) => [0, 6].includes(weekday(day))), ...year.work.filter((day) => weekday(day) !== 6)])).toEqual([]);
  });
});
