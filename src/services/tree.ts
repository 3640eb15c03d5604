import type { RowMistake } from '../domain/mistake.ts';
import type { Unit, UnitRow } from '../domain/unit.ts';
import type { Core } from '../ports.ts';

const batchSize = 500;

/** The tree as it will stand after an import: the sheet laid over what is stored. */
export interface Tree {
  /** Stored units that the sheet names or stands on. */
  stored: ReadonlyMap<string, Unit>;
  /** The path of a unit of the sheet, or of a stored one it stands on. */
  pathOf(code: string): string[];
  /** The path of any stored unit below: what lies under a moved unit keeps its own part of the path. */
  pathBelow(unit: Pick<Unit, 'code' | 'path'>): string[];
}

/** Lays the sheet over the stored tree and answers every mistake: twice the same code, an unknown level, a missing parent, a circle, a second root or none. */
export async function plantTree(core: Core, rows: readonly UnitRow[]): Promise<{ tree: Tree; errors: RowMistake[] }> {
  const byCode = new Map<string, UnitRow>();
  const errors: RowMistake[] = [];
  for (const row of rows) {
    const other = byCode.get(row.code);
    if (other) errors.push({ row: row.row, key: 'unit-sheet.code-twice', params: { code: row.code, other: other.row } });
    else byCode.set(row.code, row);
  }
  const stored = await readStored(core, [...byCode.values()].flatMap((row) => (row.parent === null ? [row.code] : [row.code, row.parent])));
  const known = core.levels.map((level) => level.key);
  for (const row of byCode.values()) {
    if (!known.includes(row.level)) errors.push({ row: row.row, key: 'unit-sheet.unknown-level', params: { name: row.level, known: known.join(', ') } });
    const now = stored.get(row.code);
    if (now?.closed && (now.name !== row.name || now.level !== row.level || now.parent !== row.parent || now.members !== row.members)) errors.push({ row: row.row, key: 'unit-sheet.closed', params: { code: row.code, day: now.closed } });
    errors.push(...parentMistakes(row, byCode, stored));
  }
  errors.push(...circles(byCode, stored), ...rootMistakes(byCode, await core.store.units.root()));
  return { tree: layOver(byCode, stored), errors: errors.sort((a, b) => a.row - b.row) };
}

/** The named units and everything above them, as stored. */
async function readStored(core: Core, codes: readonly string[]): Promise<Map<string, Unit>> {
  const stored = new Map<string, Unit>();
  let wanted = [...new Set(codes)];
  while (wanted.length > 0) {
    const found: Unit[] = [];
    for (let start = 0; start < wanted.length; start += batchSize) found.push(...(await core.store.units.many(wanted.slice(start, start + batchSize))));
    for (const unit of found) stored.set(unit.code, unit);
    wanted = [...new Set(found.flatMap((unit) => unit.path))].filter((code) => !stored.has(code));
  }
  return stored;
}

function parentMistakes(row: UnitRow, byCode: ReadonlyMap<string, UnitRow>, stored: ReadonlyMap<string, Unit>): RowMistake[] {
  const { parent } = row;
  if (parent === null) return [];
  if (parent === row.code) return [{ row: row.row, key: 'unit-sheet.parent-self', params: { code: row.code } }];
  const above = stored.get(parent);
  if (!byCode.has(parent) && !above) return [{ row: row.row, key: 'unit-sheet.parent-missing', params: { parent } }];
  // A closed unit keeps what it has; nothing new comes under it.
  if (above?.closed && stored.get(row.code)?.parent !== parent) return [{ row: row.row, key: 'unit-sheet.closed', params: { code: parent, day: above.closed } }];
  return [];
}

/** Each circle is told once, at its topmost row. Walks every chain of parents once, however long. */
function circles(byCode: ReadonlyMap<string, UnitRow>, stored: ReadonlyMap<string, Unit>): RowMistake[] {
  const parentOf = (code: string): string | null => (byCode.has(code) ? (byCode.get(code) as UnitRow).parent : (stored.get(code)?.parent ?? null));
  const done = new Set<string>();
  const errors: RowMistake[] = [];
  for (const start of byCode.keys()) {
    const trail = new Map<string, number>();
    let code: string | null = start;
    while (code !== null && !done.has(code) && !trail.has(code)) {
      trail.set(code, trail.size);
      const parent: string | null = parentOf(code);
      if (parent === code) break; // Told as a unit under itself.
      code = parent;
    }
    if (code !== null && trail.has(code) && parentOf(code) !== code) {
      const circle = [...trail.keys()].slice(trail.get(code));
      const row = Math.min(...circle.flatMap((one) => byCode.get(one)?.row ?? []));
      errors.push({ row, key: 'unit-sheet.cycle', params: { path: [...circle, circle[0]].join(' → ') } });
    }
    for (const one of trail.keys()) done.add(one);
  }
  return errors;
}

/** There is one root. Another one takes its place only by a sheet that puts the old root under it (that it hangs under the new one, `circles` sees to). */
function rootMistakes(byCode: ReadonlyMap<string, UnitRow>, storedRoot: Unit | null): RowMistake[] {
  const roots = [...byCode.values()].filter((row) => row.parent === null);
  const [first, ...others] = roots;
  // A stored root that the sheet puts under something else without naming another root makes a circle, which is told as one.
  if (!first) return storedRoot ? [] : [{ row: 1, key: 'unit-sheet.no-root', params: {} }];
  const errors = others.map((row): RowMistake => ({ row: row.row, key: 'unit-sheet.second-root', params: { code: row.code, other: first.code } }));
  if (storedRoot && roots.every((row) => row.code !== storedRoot.code) && (byCode.get(storedRoot.code)?.parent ?? null) === null) {
    errors.push({ row: first.row, key: 'unit-sheet.second-root', params: { code: first.code, other: storedRoot.code } });
  }
  return errors;
}

function layOver(byCode: ReadonlyMap<string, UnitRow>, stored: ReadonlyMap<string, Unit>): Tree {
  const paths = new Map<string, string[]>();
  function pathOf(code: string): string[] {
    const chain: string[] = [];
    let current: string | null = code;
    while (current !== null && !paths.has(current)) {
      chain.push(current);
      current = byCode.has(current) ? (byCode.get(current) as UnitRow).parent : (stored.get(current)?.parent ?? null);
    }
    let path = current === null ? [] : (paths.get(current) as string[]);
    for (const one of chain.reverse()) {
      path = [...path, one];
      paths.set(one, path);
    }
    return path;
  }
  return {
    stored,
    pathOf,
    pathBelow(unit) {
      const anchor = unit.path.findLastIndex((code) => byCode.has(code));
      return anchor === -1 ? unit.path : [...pathOf(unit.path[anchor] as string), ...unit.path.slice(anchor + 1)];
    },
  };
}
