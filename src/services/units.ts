import { moveWithUnit } from '../domain/assignment.ts';
import type { RowMistake } from '../domain/mistake.ts';
import type { Unit, UnitRow } from '../domain/unit.ts';
import type { Core } from '../ports.ts';
import { openUnits } from './plans.ts';
import { plantTree, type Tree } from './tree.ts';

const batchSize = 500;
/** Says that the very first import began and has not finished: its units are open since always, also when a crash cuts it in two. */
const firstImport = 'units/first-import';

/** What an import did, or with `dryRun` would do. With errors nothing was changed and all counts are 0. */
export interface UnitImport {
  created: number;
  updated: number;
  unchanged: number;
  errors: RowMistake[];
}

/**
 * Imports a units sheet. All rows are checked before any is written: duplicates, levels, parents, circles, the one root. A moved unit takes its subtree and what is
 * still owed there with it; a unit that is new while a plan runs opens today. Repeating it changes nothing, and after a crash the same call finishes the work.
 */
export async function importUnits(core: Core, rows: readonly UnitRow[], options: { dryRun: boolean }): Promise<UnitImport> {
  const { tree, errors } = await plantTree(core, rows);
  if (errors.length > 0) return { created: 0, updated: 0, unchanged: 0, errors };
  const opened = await openingDay(core);
  const created = rows.filter((row) => !tree.stored.has(row.code));
  const updated = rows.filter((row) => isChanged(tree.stored.get(row.code), row));
  const result: UnitImport = { created: created.length, updated: updated.length, unchanged: rows.length - created.length - updated.length, errors: [] };
  if (options.dryRun) return result;
  if (opened === null) await core.store.settings.set(firstImport, 'begun');
  await createUnits(core, tree, created, opened);
  await moveUnits(core, tree, updated);
  await core.store.settings.set(firstImport, 'done');
  core.log.info('units imported', { created: result.created, updated: result.updated, unchanged: result.unchanged });
  return result;
}

/** Today for units that appear while a plan runs; null (since always) for the first import and while no plan is loaded. */
async function openingDay(core: Core): Promise<string | null> {
  const isFirst = (await core.store.settings.get<string>(firstImport)) !== 'done';
  return isFirst || (await core.store.plans.list()).length === 0 ? null : core.calendar.dayOf(core.clock());
}

function isChanged(stored: Unit | undefined, row: UnitRow): boolean {
  return stored !== undefined && (stored.name !== row.name || stored.level !== row.level || stored.parent !== row.parent || stored.members !== row.members);
}

/** Parents before children. What a unit owes is written before the unit itself, so that a crash between the two is repaired by repeating. */
async function createUnits(core: Core, tree: Tree, rows: readonly UnitRow[], opened: string | null): Promise<void> {
  const units = rows
    .map((row): Unit => ({ code: row.code, name: row.name, level: row.level, parent: row.parent, path: tree.pathOf(row.code), members: row.members, opened, closed: null }))
    .sort((a, b) => a.path.length - b.path.length);
  for (let start = 0; start < units.length; start += batchSize) {
    const batch = units.slice(start, start + batchSize);
    await openUnits(core, batch);
    await core.store.units.put(batch);
  }
}

/** Whatever lies below goes first and the changed unit last: as long as it is stored unchanged, repeating the import finds the rest of the work. */
async function moveUnits(core: Core, tree: Tree, rows: readonly UnitRow[]): Promise<void> {
  const changed = new Set(rows.map((row) => row.code));
  const deepestFirst = rows.toSorted((a, b) => tree.pathOf(b.code).length - tree.pathOf(a.code).length);
  for (const row of deepestFirst) {
    const stored = tree.stored.get(row.code) as Unit;
    if (stored.path.join('/') !== tree.pathOf(row.code).join('/')) {
      let batch: Unit[] = [];
      for await (const below of core.store.units.stream(row.code)) {
        const path = tree.pathBelow(below);
        if (changed.has(below.code) || below.path.join('/') === path.join('/')) continue;
        batch.push({ ...below, path });
        if (batch.length < batchSize) continue;
        await settleUnits(core, batch);
        batch = [];
      }
      await settleUnits(core, batch);
    }
    const unit: Unit = { ...stored, name: row.name, level: row.level, parent: row.parent, members: row.members, path: tree.pathOf(row.code) };
    if (unit.level !== stored.level) await openUnits(core, [{ ...unit, opened: core.calendar.dayOf(core.clock()) }]);
    await settleUnits(core, [unit]);
  }
}

/** Writes units at their place, after what is still owed there has moved with them. */
async function settleUnits(core: Core, units: readonly Unit[]): Promise<void> {
  if (units.length === 0) return;
  const plans = await core.store.plans.list();
  for (const unit of units) {
    const place = { level: unit.level, path: unit.path };
    const isElsewhere = (held: { level: string; path: string[] }): boolean => held.level !== place.level || held.path.join('/') !== place.path.join('/');
    for (const assignment of await core.store.assignments.ofUnit(unit.code, null)) {
      if (isElsewhere(moveWithUnit(assignment, place)) || !isElsewhere(assignment)) continue;
      await core.store.assignments.change(assignment.id, (current) => moveWithUnit(current, place));
    }
    for (const plan of plans) {
      let after: string | null = null;
      do {
        const page: Awaited<ReturnType<Core['store']['pledges']['ofUnit']>> = await core.store.pledges.ofUnit(plan.plan, unit.code, { after, limit: batchSize });
        for (const pledge of page.items) {
          if (pledge.state === 'confirmed' || !isElsewhere(pledge)) continue;
          await core.store.pledges.change(pledge.id, (current) => (current.state === 'confirmed' ? current : { ...current, ...place }));
        }
        after = page.next;
      } while (after !== null);
    }
  }
  await core.store.units.put(units);
}
