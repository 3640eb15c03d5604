import { CommandFailure } from './failure.ts';
import { OPERATORS } from './expression-operators.ts';
import { splitPath } from './path.ts';
import type { Doc, Value } from './value.ts';
import { DateValue, isDoc } from './value.ts';
import type { Evaluate } from './operator.ts';
import { isTrue } from './operator.ts';

export { isTrue } from './operator.ts';

/** An aggregation expression, ready to run. */
export interface Expression {
  evaluate: (doc: Doc) => Value | undefined;
  /** The value as a condition: false for false, null, missing and zero. */
  truth: (doc: Doc) => boolean;
  /** Top-level dotted paths it reads; nothing when it reads the whole document. */
  paths: readonly string[] | undefined;
  /** The value when it reads nothing at all, e.g. `{ $sum: 1 }`. */
  constant: Value | undefined;
}

const NO_VARIABLES: ReadonlyMap<string, Value | undefined> = new Map();

/**
 * Compiles an aggregation expression (`{ $add: ['$a', 1] }`). `now` answers `$$NOW`.
 * Throws code 168 (InvalidPipelineOperator) for an operator the engine does not serve.
 */
export function compileExpression(value: Value, now: () => number = () => Date.now()): Expression {
  const paths = new Set<string>();
  let whole = false;
  const started = new DateValue(now());

  const compile = (part: Value, names: readonly string[] = []): Evaluate => {
    if (typeof part === 'string' && part.startsWith('$$')) return variable(part.slice(2), names);
    if (typeof part === 'string' && part.startsWith('$')) {
      if (part.length === 1) throw new CommandFailure(16872, "'$' by itself is not a valid FieldPath");
      paths.add(part.slice(1));
      const fields = checkPath(part.slice(1));
      if (fields.length === 1) return (scope) => scope.root.get(fields[0] as string);
      return (scope) => getExpressionPath(scope.root, fields, 0);
    }
    if (Array.isArray(part)) {
      const items = part.map((item) => compile(item, names));
      return (scope) => items.map((item) => item(scope) ?? null);
    }
    if (!isDoc(part)) return () => part;
    const first = part.keys().next().value;
    if (first?.startsWith('$')) {
      if (part.size !== 1) throw new CommandFailure(15983, `An object representing an expression must have exactly one field: ${[...part.keys()].join(', ')}`);
      const argument = part.get(first) as Value;
      if (first === '$literal' || first === '$const') return () => argument;
      const operator = OPERATORS.get(first);
      if (!operator) throw new CommandFailure(168, `Unrecognized expression '${first}'`);
      return operator(argument, { compile: (inner, more = []) => compile(inner, [...names, ...more]) });
    }
    const fields = [...part].map(([name, inner]): [string, Evaluate] => {
      if (name.includes('.')) throw new CommandFailure(16412, `FieldPath field names may not contain '.'. Consider using $getField or $setField.`);
      return [name, compile(inner, names)];
    });
    return (scope) => {
      const made: Doc = new Map();
      for (const [name, inner] of fields) {
        const result = inner(scope);
        if (result !== undefined) made.set(name, result);
      }
      return made;
    };
  };

  const variable = (text: string, names: readonly string[]): Evaluate => {
    const [name, ...fields] = splitPath(text) as [string, ...string[]];
    const rest = (base: Evaluate): Evaluate =>
      fields.length === 0
        ? base
        : (scope) => {
            const from = base(scope);
            return from === undefined ? undefined : getExpressionPath(from, fields, 0);
          };
    if (name === 'ROOT' || name === 'CURRENT') {
      if (fields.length === 0) whole = true;
      else paths.add(fields.join('.'));
      return rest((scope) => scope.root);
    }
    if (name === 'NOW') return rest(() => started);
    if (name === 'REMOVE') return () => undefined;
    if (!names.includes(name)) throw new CommandFailure(17276, `Use of undefined variable: ${name}`);
    return rest((scope) => scope.variables.get(name));
  };

  const run = compile(value);
  const readsNothing = !whole && paths.size === 0;
  const evaluate = (doc: Doc): Value | undefined => run({ root: doc, variables: NO_VARIABLES });
  return {
    evaluate,
    truth: (doc) => isTrue(evaluate(doc)),
    paths: whole ? undefined : [...paths],
    constant: readsNothing ? evaluate(new Map()) : undefined,
  };
}

/** The value at an expression's path: an array on the way gives the array of what its documents hold there. */
export function getExpressionPath(value: Value, fields: readonly string[], at: number): Value | undefined {
  if (at === fields.length) return value;
  if (isDoc(value)) {
    const child = value.get(fields[at] as string);
    return child === undefined ? undefined : getExpressionPath(child, fields, at + 1);
  }
  if (!Array.isArray(value)) return undefined;
  const found: Value[] = [];
  for (const item of value) {
    const inner = isDoc(item) || Array.isArray(item) ? getExpressionPath(item, fields, at) : undefined;
    if (inner !== undefined) found.push(inner);
  }
  return found;
}

function checkPath(path: string): string[] {
  const fields = splitPath(path);
  for (const field of fields) {
    if (field === '') throw new CommandFailure(15998, 'FieldPath field names may not be empty strings.');
    if (field.startsWith('$')) throw new CommandFailure(16410, `FieldPath field names may not start with '$'. Consider using $getField or $setField.`);
  }
  return fields;
}
