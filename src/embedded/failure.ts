/** MongoDB's own numbers and names for what the engine refuses; source: MongoDB's error_codes. */
const CODE_NAMES = {
  1: 'InternalError',
  2: 'BadValue',
  8: 'UnknownError',
  9: 'FailedToParse',
  13: 'Unauthorized',
  14: 'TypeMismatch',
  15: 'Overflow',
  16: 'InvalidLength',
  17: 'ProtocolError',
  20: 'IllegalOperation',
  22: 'InvalidBSON',
  26: 'NamespaceNotFound',
  27: 'IndexNotFound',
  28: 'PathNotViable',
  40: 'ConflictingUpdateOperators',
  43: 'CursorNotFound',
  48: 'NamespaceExists',
  50: 'MaxTimeMSExpired',
  52: 'DollarPrefixedFieldName',
  54: 'NotSingleValueField',
  59: 'CommandNotFound',
  66: 'ImmutableField',
  67: 'CannotCreateIndex',
  72: 'InvalidOptions',
  73: 'InvalidNamespace',
  85: 'IndexOptionsConflict',
  86: 'IndexKeySpecsConflict',
  115: 'CommandNotSupported',
  168: 'InvalidPipelineOperator',
  171: 'CannotIndexParallelArrays',
  197: 'InvalidIndexSpecificationOption',
  238: 'NotImplemented',
  241: 'ConversionFailure',
  292: 'QueryExceededMemoryLimitNoDiskUseAllowed',
  334: 'ExceededMemoryLimit',
  5107201: 'Location5107201',
  10334: 'BSONObjectTooLarge',
  11000: 'DuplicateKey',
  14031: 'OutOfDiskSpace',
  17280: 'KeyTooLong',
} as const;

type KnownCode = keyof typeof CODE_NAMES;

/**
 * A refusal the client sees: MongoDB's code, code name and a message. Codes above without a name of their own
 * (the five-digit ones of the server's assertions) are called `Location<code>`, as MongoDB does.
 */
export class CommandFailure extends Error {
  readonly code: number;
  readonly codeName: string;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
    this.codeName = CODE_NAMES[code as KnownCode] ?? `Location${code}`;
  }
}

/** A unique index said no: code 11000 with the key that was already there. */
export class DuplicateKeyFailure extends CommandFailure {
  readonly keyPattern: ReadonlyMap<string, unknown>;
  readonly keyValue: ReadonlyMap<string, unknown>;
  constructor(message: string, keyPattern: ReadonlyMap<string, unknown>, keyValue: ReadonlyMap<string, unknown>) {
    super(11000, message);
    this.keyPattern = keyPattern;
    this.keyValue = keyValue;
  }
}

/** The engine cannot open or keep its folder: one readable line, and the exit code the process should end with. */
export class EmbeddedFailure extends Error {
  /** 69: the place is unusable just now (disk full, in use); 78: it has to be put right (rights, version, damage). */
  readonly exitCode: 69 | 78;
  constructor(message: string, exitCode: 69 | 78) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Shorthand for the commonest refusal, code 2. `badValue('limit must be ≥ 0')` */
export function badValue(message: string): CommandFailure {
  return new CommandFailure(2, message);
}
