import type { z } from 'zod';
import type { LineMistake } from '../domain/mistake.ts';
import { planSchema, type Plan } from '../domain/plan.ts';
import type { Level } from '../domain/unit.ts';
import { fieldName, readYaml, type YamlFile, type YamlPath } from './yaml-lines.ts';

/** A plan file as read: the plan, or every mistake with its line; never both. */
export type PlanFile = { plan: Plan; mistakes: [] } | { plan: null; mistakes: LineMistake[] };

/** What each field must be: the sentence that is shown when it is something else. Every other field is a text. */
const expected: Record<string, string> = {
  plan: 'plan-file.expected-plan-key', year: 'plan-file.expected-year', url: 'plan-file.expected-url', key: 'plan-file.expected-key', audience: 'plan-file.expected-audience',
  members: 'plan-file.expected-true', levels: 'plan-file.expected-levels', deliverable: 'plan-file.expected-deliverable', due: 'plan-file.expected-due',
  before: 'plan-file.expected-day-or-hour', by: 'plan-file.expected-day-or-hour', in: 'plan-file.expected-month', on: 'plan-file.expected-days', none: 'plan-file.expected-true',
  stages: 'plan-file.expected-stages', review: 'plan-file.expected-yes-or-no', obligations: 'plan-file.expected-obligations', materials: 'plan-file.expected-materials',
  title: 'plan-file.expected-words', issuer: 'plan-file.expected-words',
};

/**
 * Reads a plan file (YAML, UTF-8). Every mistake is found in one go, with its line and field: wrong and unknown keys, keys written twice, days that do not
 * exist, levels that are not declared, rules that contradict each other. A file with one mistake gives no plan.
 */
export function readPlanFile(bytes: Uint8Array, levels: readonly Level[]): PlanFile {
  const file = readYaml(bytes);
  if (file.value === undefined) return { plan: null, mistakes: file.mistakes };
  const parsed = planSchema.safeParse(file.value);
  const issues = parsed.success ? [] : parsed.error.issues.flatMap((issue) => readIssue(file, issue, []));
  const mistakes = inOrder([...file.mistakes, ...crossMistakes(file, levels), ...issues]);
  return parsed.success && mistakes.length === 0 ? { plan: parsed.data, mistakes: [] } : { plan: null, mistakes };
}

/** One mistake for one field: where the same is found twice, the first and most exact one is told. */
function inOrder(mistakes: readonly LineMistake[]): LineMistake[] {
  const seen = new Set<string>();
  return mistakes
    .filter((mistake) => {
      const key = `${mistake.line} ${mistake.field} ${mistake.field === '' ? mistake.key : ''}`;
      return seen.has(key) ? false : seen.add(key);
    })
    .sort((a, b) => a.line - b.line);
}

function valueAt(value: unknown, path: YamlPath): unknown {
  return path.reduce<unknown>((inner, step) => (typeof inner === 'object' && inner !== null ? (inner as Record<string | number, unknown>)[step] : undefined), value);
}

function showValue(value: unknown): string {
  if (typeof value === 'string') return `"${value.length > 60 ? `${value.slice(0, 60)}…` : value}"`;
  const shown = JSON.stringify(value) ?? '';
  return shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
}

/** A zod issue as mistakes; of a union the branch whose key was written is looked into. `base` is where the issue's own path starts. */
function readIssue(file: YamlFile, issue: z.core.$ZodIssue, base: YamlPath): LineMistake[] {
  const path = [...base, ...(issue.path as (string | number)[])];
  const value = valueAt(file.value, path);
  // What several fields make together is told by `crossMistakes`, which sees it even where another field is wrong.
  if (issue.code === 'custom' && ['on', 'key', 'audience', 'deliverable', 'due'].includes(String(path.at(-1)))) return [];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ line: file.lineOfKey(path, key), field: fieldName([...path, key]), key: 'plan-file.unknown-key', params: { name: key } }));
  }
  const field = path.findLast((step) => typeof step === 'string') as string | undefined;
  if (value === undefined && path.length > 0) return [{ line: file.lineOf(path.slice(0, -1)), field: fieldName(path), key: 'plan-file.missing', params: { name: String(path.at(-1)) } }];
  if (issue.code === 'invalid_union') {
    const branch = branchOf(value, field);
    const inner = branch === null ? undefined : issue.errors[branch];
    if (inner && inner.length > 0) return inner.flatMap((one) => readIssue(file, one, path));
  }
  const key = typeof path.at(-1) === 'number' && field === 'materials' ? 'plan-file.expected-materials' : (expected[field ?? ''] ?? 'plan-file.expected-text');
  return [{ line: file.lineOf(path), field: fieldName(path), key: path.length === 0 ? 'plan-file.expected-plan' : key, params: { value: showValue(value) } }];
}

/** Which branch of a union was meant, by the one key that is written; null when none or several are. */
function branchOf(value: unknown, field: string | undefined): number | null {
  if (typeof value !== 'object' || value === null) return null;
  const branches = field === 'due' ? ['before', 'by', 'in', 'on', 'none'] : ['levels', 'members'];
  const written = branches.flatMap((name, index) => (Object.hasOwn(value, name) ? [index] : []));
  return written.length === 1 ? (written[0] as number) : null;
}

/** What no single field shows: looked for on the values as written, so that one mistake does not hide another. */
function crossMistakes(file: YamlFile, levels: readonly Level[]): LineMistake[] {
  const obligations = valueAt(file.value, ['obligations']);
  if (!Array.isArray(obligations)) return [];
  const known = levels.map((level) => level.key);
  const at = (path: YamlPath, key: string, params: LineMistake['params'] = {}): LineMistake => ({ line: file.lineOf(path), field: fieldName(path), key, params });
  const keys = obligations.map((obligation: unknown) => valueAt(obligation, ['key']));
  const firstPledge = obligations.findIndex((obligation: unknown) => valueAt(obligation, ['deliverable']) === 'pledge');
  return obligations.flatMap((obligation: unknown, index): LineMistake[] => {
    const here = ['obligations', index];
    const get = (...path: (string | number)[]): unknown => valueAt(obligation, path);
    const found: LineMistake[] = [];
    const first = keys.indexOf(keys[index]);
    if (typeof keys[index] === 'string' && first < index) found.push(at([...here, 'key'], 'plan-file.obligation-twice', { name: keys[index], line: file.lineOf(['obligations', first, 'key']) }));
    const asked = get('audience', 'levels');
    if (Array.isArray(asked)) {
      asked.forEach((level: unknown, position) => {
        const path = [...here, 'audience', 'levels', position];
        if (typeof level !== 'string') return;
        if (!known.includes(level)) found.push(at(path, 'plan-file.unknown-level', { name: level, known: known.join(', ') }));
        else if (asked.indexOf(level) < position) found.push(at(path, 'plan-file.level-twice', { name: level }));
      });
    }
    const days = get('due', 'on');
    if (Array.isArray(days)) days.forEach((day: unknown, position) => days.indexOf(day) < position && found.push(at([...here, 'due', 'on', position], 'plan-file.day-twice', { day: String(day) })));
    const deliverable = get('deliverable');
    const ofMembers = get('audience', 'members') !== undefined;
    if (get('stages') !== undefined && get('due', 'none') !== undefined) found.push(at([...here, 'stages'], 'plan-file.stages-without-date'));
    if (deliverable === 'pledge' && !ofMembers) found.push(at([...here, 'audience'], 'plan-file.pledge-of-members'));
    if (ofMembers && typeof deliverable === 'string' && ['report', 'confirmation', 'text'].includes(deliverable)) found.push(at([...here, 'deliverable'], 'plan-file.members-pledge-only'));
    if (deliverable === 'pledge' && get('due', 'on') !== undefined) found.push(at([...here, 'due'], 'plan-file.pledge-on-days'));
    if (deliverable === 'pledge' && firstPledge < index) found.push(at([...here, 'deliverable'], 'plan-file.second-pledge'));
    return found;
  });
}
