import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { levelSchema, type Level } from '../domain/unit.ts';
import { readYaml, fieldName } from './yaml-lines.ts';

/** The levels of 2024 as they lie in the project. */
export const defaultLevelsFile = join(import.meta.dirname, '..', '..', 'seeds', 'levels.yaml');

const levelsSchema = z
  .strictObject({ levels: z.array(levelSchema).min(1) })
  .refine((file) => new Set(file.levels.map((level) => level.key)).size === file.levels.length, { error: 'a level is declared twice', path: ['levels'] })
  .refine((file) => new Set(file.levels.map((level) => level.rank)).size === file.levels.length, { error: 'two levels have one rank', path: ['levels'] });

/** A settings file that cannot be used: the message holds one readable line per mistake. */
export class BadSettingsFile extends Error {
  constructor(file: string, lines: readonly string[]) {
    super(lines.map((line) => `${file}: ${line}`).join('\n'));
    this.name = 'BadSettingsFile';
  }
}

/** The levels of the union tree, top first. Throws {@link BadSettingsFile}. */
export async function readLevels(file: string = defaultLevelsFile): Promise<Level[]> {
  const yaml = readYaml(await readSettings(file));
  const parsed = levelsSchema.safeParse(yaml.value);
  const lines = [
    ...yaml.mistakes.map((mistake) => `line ${mistake.line}: not readable as YAML ${String(mistake.params.detail ?? mistake.field)}`),
    ...(parsed.success || yaml.value === undefined ? [] : parsed.error.issues.map((issue) => `line ${yaml.lineOf(issue.path as string[])}: ${fieldName(issue.path as string[])}: ${issue.message}`)),
  ];
  if (!parsed.success || lines.length > 0) throw new BadSettingsFile(file, lines);
  return parsed.data.levels.toSorted((a, b) => a.rank - b.rank);
}

/** The bytes of a settings file. Throws {@link BadSettingsFile} when it cannot be read. */
export async function readSettings(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new BadSettingsFile(file, [`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`]);
  }
}
