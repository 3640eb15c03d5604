import type { Accumulator } from './accumulator.ts';
import { ACCUMULATORS, ORDERLESS, roughSize } from './accumulator.ts';
import type { Expression } from './expression.ts';
import { compileExpression } from './expression.ts';
import { CommandFailure } from './failure.ts';
import { hashKey } from './key.ts';
import { MOST_SORTED_BYTES } from './sort.ts';
import type { Doc, Value } from './value.ts';
import { isDoc } from './value.ts';

/** Documents on their way through a pipeline, a group at a time. */
export type Flow = AsyncGenerator<Doc[]>;

/** A compiled `$group`. */
export interface Group {
  /** Dotted paths it reads; nothing when it reads whole documents. */
  paths: string[] | undefined;
  /** True when the order in which documents come cannot change the result. */
  orderless: boolean;
  start: () => Collector;
}

/** Takes documents (each `times` times) and gives the groups. */
export interface Collector {
  add(doc: Doc, times: number): void;
  finish(): Doc[];
}

/** Compiles a `$group`. Codes 15955 (no `_id`), 15952 (unknown accumulator), 40234, 40238 as MongoDB has them. */
export function compileGroup(argument: Doc): Group {
  const id = argument.get('_id');
  if (id === undefined) throw new CommandFailure(15955, 'a group specification must include an _id');
  const idExpression = compileExpression(id);
  const fields: { name: string; accumulator: string; expression: Expression }[] = [];
  for (const [name, value] of argument) {
    if (name === '_id') continue;
    if (name.includes('.')) throw new CommandFailure(40235, `The field name '${name}' cannot contain '.'`);
    if (name.startsWith('$')) throw new CommandFailure(40236, `The field name '${name}' cannot be an operator name`);
    if (!isDoc(value)) throw new CommandFailure(40234, `The field '${name}' must be an accumulator object`);
    if (value.size !== 1) throw new CommandFailure(40238, `The field '${name}' must specify one accumulator`);
    const [accumulator, inner] = [...value][0] as [string, Value];
    if (accumulator === '$count') {
      fields.push({ name, accumulator: '$sum', expression: compileExpression(1) });
      continue;
    }
    if (!ACCUMULATORS.has(accumulator)) throw new CommandFailure(15952, `unknown group operator '${accumulator}'`);
    if (Array.isArray(inner)) throw new CommandFailure(40237, `The ${accumulator} accumulator is a unary operator`);
    fields.push({ name, accumulator, expression: compileExpression(inner) });
  }
  const expressions = [idExpression, ...fields.map((field) => field.expression)];
  const whole = expressions.some((expression) => expression.paths === undefined);
  return {
    paths: whole ? undefined : [...new Set(expressions.flatMap((expression) => expression.paths ?? []))],
    orderless: fields.every((field) => ORDERLESS.has(field.accumulator)),
    start: () => {
      const groups = new Map<string, { id: Value | undefined; accumulators: Accumulator[] }>();
      let bytes = 0;
      return {
        add: (doc, times) => {
          const value = idExpression.evaluate(doc);
          const key = hashKey(value ?? null);
          let group = groups.get(key);
          if (!group) {
            group = { id: value, accumulators: fields.map((field) => (ACCUMULATORS.get(field.accumulator) as () => Accumulator)()) };
            groups.set(key, group);
            bytes += key.length + roughSize(value ?? null) + 100 * fields.length;
            if (bytes > MOST_SORTED_BYTES) {
              throw new CommandFailure(292, "Exceeded memory limit for $group, but didn't allow external sort. Pass allowDiskUse:true to opt in.");
            }
          }
          for (let i = 0; i < fields.length; i++) (group.accumulators[i] as Accumulator).add(fields[i]?.expression.evaluate(doc), times);
        },
        finish: () =>
          [...groups.values()].map((group) => {
            const doc: Doc = new Map([['_id', group.id ?? null]]);
            fields.forEach((field, i) => doc.set(field.name, (group.accumulators[i] as Accumulator).result()));
            return doc;
          }),
      };
    },
  };
}
