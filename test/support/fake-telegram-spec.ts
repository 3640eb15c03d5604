import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One field of a method or type; `limit` is [least, most, 'characters' | 'bytes' | 'items'] as the description says it. */
export interface SpecField {
  name: string;
  types: string[];
  required: boolean;
  limit?: [number, number, 'characters' | 'bytes' | 'items'];
}

/** A type of the Bot API: fields, or the types it can be one of. */
export interface SpecType {
  fields?: SpecField[];
  subtypes?: string[];
}

/** The part of the Bot API specification that the tests need (see the licence inside the file). */
export const botApi = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'fixtures', 'bot-api.json'), 'utf8')) as {
  methods: Record<string, { fields: SpecField[] }>;
  types: Record<string, SpecType>;
};

/** Marks an uploaded part, so that it can stand where the specification says InputFile. */
export class UploadedFile {
  readonly name: string;
  readonly mime: string;
  readonly bytes: Buffer;

  constructor(name: string, mime: string, bytes: Buffer) {
    this.name = name;
    this.mime = mime;
    this.bytes = bytes;
  }
}

/** Checks a call against the specification; the answer lists what is wrong, empty when all is well. Fields the specification does not know are wrong too. */
export function checkCall(method: string, payload: Record<string, unknown>): string[] {
  const spec = botApi.methods[method];
  if (!spec) return [`unknown method ${method}`];
  return checkFields(spec.fields, payload, method);
}

/** Checks a value against a type of the specification. @example checkValue(['Integer'], 'x', 'chat_id') → ['chat_id: not Integer'] */
export function checkValue(types: readonly string[], value: unknown, path: string): string[] {
  const attempts = types.map((type) => checkOne(type, value, path));
  if (attempts.some((problems) => problems.length === 0)) return [];
  return types.length === 1 ? (attempts[0] as string[]) : [`${path}: not ${types.join(' or ')}`];
}

/**
 * Turns the strings of a form into what they stand for, as the Bot API does: numbers and truth values as they are written, everything
 * else that is not text as JSON.
 */
export function readForm(method: string, form: Record<string, string | UploadedFile>): Record<string, unknown> {
  const fields = new Map(botApi.methods[method]?.fields.map((field) => [field.name, field.types]));
  return Object.fromEntries(Object.entries(form).filter(([name]) => name !== 'method').map(([name, value]) => {
    const types = fields.get(name) ?? [];
    if (value instanceof UploadedFile) return [name, value];
    if (types.includes('Integer') && /^-?\d+$/.test(value)) return [name, Number(value)];
    if (types.includes('String')) return [name, value];
    try {
      return [name, JSON.parse(value) as unknown];
    } catch {
      return [name, value];
    }
  }));
}

function checkFields(fields: readonly SpecField[], value: object, path: string): string[] {
  const given = new Map(Object.entries(value));
  const known = new Set(fields.map((field) => field.name));
  const foreign = [...given.keys()].filter((name) => !known.has(name)).map((name) => `${path}.${name}: unknown field`);
  const wrong = fields.flatMap((field) => {
    const item: unknown = given.get(field.name);
    if (item === undefined) return field.required ? [`${path}.${field.name}: missing`] : [];
    const problems = checkValue(field.types, item, `${path}.${field.name}`);
    return problems.length > 0 ? problems : checkLimit(field, item, path);
  });
  return [...foreign, ...wrong];
}

function checkLimit(field: SpecField, value: unknown, path: string): string[] {
  if (!field.limit) return [];
  const [least, most, unit] = field.limit;
  const size = typeof value === 'string' ? (unit === 'bytes' ? Buffer.byteLength(value) : value.length) : Array.isArray(value) ? value.length : least;
  return size < least || size > most ? [`${path}.${field.name}: ${size} ${unit}, allowed ${least}-${most}`] : [];
}

function checkOne(type: string, value: unknown, path: string): string[] {
  const wrong = [`${path}: not ${type}`];
  if (type.startsWith('Array of ')) return Array.isArray(value) ? value.flatMap((item, index) => checkValue([type.slice(9)], item, `${path}[${index}]`)) : wrong;
  if (type === 'String') return typeof value === 'string' ? [] : wrong;
  if (type === 'Integer') return Number.isSafeInteger(value) ? [] : wrong;
  if (type === 'Float') return typeof value === 'number' ? [] : wrong;
  if (type === 'Boolean') return typeof value === 'boolean' ? [] : wrong;
  if (type === 'InputFile') return value instanceof UploadedFile ? [] : wrong;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong;
  const spec = botApi.types[type];
  if (!spec) return wrong;
  return spec.subtypes ? checkValue(spec.subtypes, value, path) : checkFields(spec.fields ?? [], value, path);
}
