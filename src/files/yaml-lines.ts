import { isMap, isNode, isSeq, LineCounter, parseDocument, visit, type Document, type YAMLMap } from 'yaml';
import type { LineMistake } from '../domain/mistake.ts';
import { decodeText } from './bytes.ts';

/** Where something stands in a YAML file: keys of maps and indexes of lists. */
export type YamlPath = readonly (string | number)[];

/** A YAML file with the line of everything in it. */
export interface YamlFile {
  /** The plain value; undefined when the file cannot be read as YAML. */
  value: unknown;
  /** What makes it no YAML at all, and keys written twice. */
  mistakes: LineMistake[];
  /** The line of a value, or of the nearest thing around it. */
  lineOf(path: YamlPath): number;
  /** The line of a key in the map at `path`. */
  lineOfKey(path: YamlPath, key: string): number;
}

/**
 * Writes a path the way people read it.
 * @example fieldName(['obligations', 3, 'due']) → 'obligations[3].due'
 */
export function fieldName(path: YamlPath): string {
  return path.reduce<string>((name, step) => (typeof step === 'number' ? `${name}[${step}]` : name === '' ? step : `${name}.${step}`), '');
}

/** Reads a YAML file in the core schema: days and hours without quotes stay the text that was written. */
export function readYaml(bytes: Uint8Array): YamlFile {
  const decoded = decodeText(bytes);
  if ('badLine' in decoded) return unreadable({ line: decoded.badLine, field: '', key: 'plan-file.not-utf8', params: {} });
  const lines = new LineCounter();
  const document = parseDocument(decoded.text, { lineCounter: lines, prettyErrors: false, version: '1.2', schema: 'core' });
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  const mistakes = [...document.errors, ...document.warnings].map((error): LineMistake => {
    const line = lineAt(error.pos[0]);
    if (error.code === 'DUPLICATE_KEY') return { line, field: /^[\p{L}\p{N}_-]+/u.exec(decoded.text.slice(error.pos[0]))?.[0] ?? '', key: 'plan-file.key-twice', params: {} };
    return { line, field: '', key: 'plan-file.not-yaml', params: { detail: error.message.split('\n')[0] ?? error.code } };
  });
  let value: unknown;
  try {
    value = mistakes.some((mistake) => mistake.key === 'plan-file.not-yaml') ? undefined : document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    // Aliases that point nowhere, or that blow up.
    return unreadable({ line: lineAt(lostAlias(document)), field: '', key: 'plan-file.not-yaml', params: { detail: error instanceof Error ? error.message : String(error) } });
  }
  return {
    value,
    mistakes,
    lineOf: (path) => lineAt(offsetOf(document, path)),
    lineOfKey(path, key) {
      const map = path.length === 0 ? document.contents : document.getIn(path, true);
      const found = isMap(map) ? keyOffset(map, key) : null;
      return lineAt(found ?? offsetOf(document, path));
    },
  };
}

/** Where the first alias stands that points nowhere; the start of the file when each points somewhere. */
function lostAlias(document: Document): number {
  let offset = 0;
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document)) return undefined;
      offset = alias.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return offset;
}

function unreadable(mistake: LineMistake): YamlFile {
  return { value: undefined, mistakes: [mistake], lineOf: () => mistake.line, lineOfKey: () => mistake.line };
}

function keyOffset(map: YAMLMap, key: string): number | null {
  const pair = map.items.find((item) => isNode(item.key) && String((item.key as { value?: unknown }).value) === key);
  return isNode(pair?.key) ? (pair.key.range?.[0] ?? null) : null;
}

function offsetOf(document: Document, path: YamlPath): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (!isNode(node) || !node.range) continue;
    // A block map or list begins where its first entry does; for a person that is the line of its own key.
    const parent = length === 0 ? null : length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    if ((isMap(node) || isSeq(node)) && isMap(parent) && typeof key === 'string') return keyOffset(parent, key) ?? node.range[0];
    return node.range[0];
  }
  return 0;
}
