/** Something wrong in what an operator handed over: a locale key with what it needs, so that it is said in the reader's language. */
export interface Mistake {
  /** @example 'plan-file.unknown-level' */
  key: string;
  params: Record<string, string | number>;
}

/** A mistake in a file of lines. `line` counts from 1; `field` is the path to it, empty for the file itself. */
export interface LineMistake extends Mistake {
  line: number;
  /** @example 'obligations[3].due.before' */
  field: string;
}

/** A mistake in a sheet. `row` counts from 1, the header is row 1. */
export interface RowMistake extends Mistake {
  row: number;
}
