import type { Flow } from './aggregate.ts';
import type { Group } from './group.ts';
import type { Index } from './index-entries.ts';
import { KIND } from './index-entries.ts';
import { afterPrefix, KeyReader } from './key.ts';
import { isNumeric, toFloat } from './number.ts';
import { createPacer } from './pace.ts';
import { setPlain, splitPath } from './path.ts';
import type { Plan } from './plan.ts';
import type { Examined } from './scan.ts';
import type { Range, Storage } from './storage.ts';
import type { Doc, Value } from './value.ts';
import { Double } from './value.ts';

/** Distinct leading values of an index and how many entries share them, read without touching a document. */
export interface Run {
  values: (Value | undefined)[];
  count: number;
}

/**
 * Answers a `$group` from an index alone: for every distinct combination of the leading fields one seek and one count
 * inside LMDB, however many documents share it. Nothing when the plan or the index cannot promise the exact values.
 */
export function readCoveredGroups(storage: Storage, plan: Plan, group: Group, examined: Examined): (() => Flow) | undefined {
  const part = plan.parts[0];
  if (!part || plan.parts.length !== 1 || part.rest || plan.scan || part.index.clustered || !group.paths || !group.orderless) return undefined;
  const depth = coveredDepth(part.index, group.paths);
  if (depth === undefined) return undefined;
  const { index, ranges } = part;
  const fields = index.fields.slice(0, depth).map((field) => splitPath(field.path));
  return async function* covered() {
    const collector = group.start();
    const pace = createPacer();
    for (const range of ranges) {
      for (const run of readRuns(storage, index, range, depth)) {
        examined.keys += run.count;
        const doc: Doc = new Map();
        run.values.forEach((value, i) => {
          if (value !== undefined) setPlain(doc, fields[i] as string[], value);
        });
        collector.add(doc, run.count);
        await pace();
      }
    }
    yield collector.finish();
  };
}

/** How many leading fields of the index hold all these paths with values that can be read back exactly. */
export function coveredDepth(index: Index, paths: readonly string[]): number | undefined {
  let depth = 0;
  for (const path of paths) {
    const at = index.fields.findIndex((field) => field.path === path);
    if (at < 0) return undefined;
    depth = Math.max(depth, at + 1);
  }
  // A path inside another one (a and a.b) would be written over when the document is put together.
  for (let i = 0; i < depth; i++) if (index.multikey[i] || !readable(index.kinds[i] as number)) return undefined;
  const names = index.fields.slice(0, depth).map((field) => field.path);
  if (names.some((name) => names.some((other) => other !== name && name.startsWith(`${other}.`)))) return undefined;
  return index.sparse ? undefined : depth;
}

/** The distinct combinations of the first `depth` fields within a range. */
export function* readRuns(storage: Storage, index: Index, range: Range, depth: number): Generator<Run> {
  let from = range.start;
  for (;;) {
    const [key] = storage.readKeys({ start: from, end: range.end }, 1, false, undefined);
    if (!key) return;
    const reader = new KeyReader(key, 4);
    const values: (Value | undefined)[] = [];
    for (let i = 0; i < depth; i++) values.push(typed(index, i, reader.field(index.fields[i]?.descending === true)));
    const behind = afterPrefix(key.subarray(0, reader.at)) ?? range.end;
    const end = Buffer.compare(behind, range.end) < 0 ? behind : range.end;
    const count = storage.count({ start: key, end });
    if (count > 0) yield { values, count };
    from = end;
    if (Buffer.compare(from, range.end) >= 0) return;
  }
}

/** One kind of number at most, and not both null and missing: then the key tells the stored value. */
function readable(kinds: number): boolean {
  if (kinds & KIND.unreadable) return false;
  const numbers = kinds & (KIND.int | KIND.double | KIND.long);
  if ((numbers & (numbers - 1)) !== 0) return false;
  return !(kinds & KIND.null && kinds & KIND.missing);
}

function typed(index: Index, i: number, value: Value | undefined): Value | undefined {
  const kinds = index.kinds[i] as number;
  if (value === null) return kinds & KIND.missing ? undefined : null;
  if (!isNumeric(value) || kinds & KIND.double) return value;
  const float = toFloat(value);
  if (kinds & KIND.long) return BigInt(float);
  return kinds & KIND.int ? float : new Double(float);
}
