import type { Compiler, Evaluate, Operator, Scope } from './operator.ts';
import { isNullish, named, textArgument } from './operator.ts';
import { CommandFailure } from './failure.ts';
import { isNumeric, toWhole } from './number.ts';
import type { Value } from './value.ts';
import { DateValue, isDoc, ObjectIdValue, TimestampValue, typeNameOf } from './value.ts';

/** Fields of a date in a time zone. */
interface Parts {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  millisecond: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Minutes the zone's clock is ahead of UTC at that moment; zones are Olson names or ±HH[:MM]. */
function offsetAt(ms: number, zone: string): number {
  if (zone === 'UTC' || zone === 'GMT' || zone === 'Z') return 0;
  const fixed = /^([+-])(\d\d):?(\d\d)?$/.exec(zone);
  if (fixed) return (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3] ?? 0));
  let format = formats.get(zone);
  if (!format) {
    try {
      format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric', era: 'short' });
    } catch {
      throw new CommandFailure(40485, `unrecognized time zone identifier: "${zone}"`);
    }
    formats.set(zone, format);
  }
  const found: Record<string, string> = {};
  for (const part of format.formatToParts(ms)) found[part.type] = part.value;
  const local = Date.UTC(Number(found.year), Number(found.month) - 1, Number(found.day), Number(found.hour), Number(found.minute), Number(found.second));
  return Math.round((local - Math.floor(ms / 1000) * 1000) / 60000);
}

function partsOf(ms: number, zone: string): Parts {
  const local = new Date(ms + offsetAt(ms, zone) * 60000);
  return {
    year: local.getUTCFullYear(),
    month: local.getUTCMonth() + 1,
    day: local.getUTCDate(),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
    second: local.getUTCSeconds(),
    millisecond: local.getUTCMilliseconds(),
  };
}

/** The moment a zone's clock shows these fields; fields may run over (month 13). */
function momentOf(parts: Parts, zone: string): number {
  const local = new Date(0);
  local.setUTCFullYear(parts.year, parts.month - 1, parts.day);
  local.setUTCHours(parts.hour, parts.minute, parts.second, parts.millisecond);
  const first = local.getTime() - offsetAt(local.getTime(), zone) * 60000;
  // The offset at the wrong side of a clock change is put right by asking once more at the moment found.
  return local.getTime() - offsetAt(first, zone) * 60000;
}

function dateArgument(name: string, value: Value): number {
  if (value instanceof DateValue) return value.ms;
  if (value instanceof ObjectIdValue) return Buffer.from(value.bytes).readUInt32BE(0) * 1000;
  if (value instanceof TimestampValue) return Number(value.bits >> 32n) * 1000;
  throw new CommandFailure(16006, `can't convert from BSON type ${typeNameOf(value)} to Date in ${name}`);
}

function isoWeek(parts: Parts): { year: number; week: number } {
  const day = new Date(Date.UTC(parts.year, parts.month - 1, parts.day));
  const weekday = day.getUTCDay() || 7;
  day.setUTCDate(day.getUTCDate() + 4 - weekday);
  const year = day.getUTCFullYear();
  return { year, week: Math.ceil(((day.getTime() - Date.UTC(year, 0, 1)) / 86400000 + 1) / 7) };
}

function dayOfYear(parts: Parts): number {
  return Math.round((Date.UTC(parts.year, parts.month - 1, parts.day) - Date.UTC(parts.year, 0, 1)) / 86400000) + 1;
}

function weekday(parts: Parts): number {
  return new Date(Date.UTC(parts.year, parts.month - 1, parts.day)).getUTCDay();
}

/** `{ $year: '$at' }` or `{ $year: { date: '$at', timezone: 'Asia/Ho_Chi_Minh' } }`. */
function datePart(name: string, take: (parts: Parts) => number): [string, Operator] {
  return [
    name,
    (argument, compiler) => {
      const single = Array.isArray(argument) && argument.length === 1 ? (argument[0] as Value) : argument;
      const split = isDoc(single) && single.has('date');
      const date = compiler.compile(split ? (single.get('date') as Value) : single);
      const zone = split ? zoneArgument(single.get('timezone'), compiler) : () => 'UTC';
      return (scope) => {
        const value = date(scope);
        const where = zone(scope);
        if (isNullish(value) || where === undefined) return null;
        return take(partsOf(dateArgument(name, value), where));
      };
    },
  ];
}

function zoneArgument(value: Value | undefined, compiler: Compiler): (scope: Scope) => string | undefined {
  if (value === undefined) return () => 'UTC';
  const zone = compiler.compile(value);
  return (scope) => {
    const found = zone(scope);
    return isNullish(found) ? undefined : textArgument('timezone', found);
  };
}

const pad = (value: number, length: number): string => String(value).padStart(length, '0');

function formatDate(ms: number, zone: string, format: string): string {
  const parts = partsOf(ms, zone);
  const minutes = offsetAt(ms, zone);
  return format.replace(/%(.)/g, (_whole, letter: string) => {
    switch (letter) {
      case 'Y':
        return pad(parts.year, 4);
      case 'm':
        return pad(parts.month, 2);
      case 'd':
        return pad(parts.day, 2);
      case 'H':
        return pad(parts.hour, 2);
      case 'M':
        return pad(parts.minute, 2);
      case 'S':
        return pad(parts.second, 2);
      case 'L':
        return pad(parts.millisecond, 3);
      case 'j':
        return pad(dayOfYear(parts), 3);
      case 'w':
        return String(weekday(parts) + 1);
      case 'u':
        return String(weekday(parts) || 7);
      case 'V':
        return pad(isoWeek(parts).week, 2);
      case 'G':
        return pad(isoWeek(parts).year, 4);
      case 'z':
        return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(minutes) / 60), 2)}${pad(Math.abs(minutes) % 60, 2)}`;
      case 'Z':
        return String(minutes);
      case '%':
        return '%';
      default:
        throw new CommandFailure(18536, `Invalid format character '%${letter}' in format string`);
    }
  });
}

const FIXED_UNITS: Record<string, number> = { millisecond: 1, second: 1000, minute: 60000, hour: 3600000 };

function addUnits(ms: number, unit: string, amount: number, zone: string): number {
  const fixed = FIXED_UNITS[unit];
  if (fixed !== undefined) return ms + amount * fixed;
  const parts = partsOf(ms, zone);
  if (unit === 'day' || unit === 'week') return momentOf({ ...parts, day: parts.day + amount * (unit === 'week' ? 7 : 1) }, zone);
  const months = unit === 'month' ? amount : unit === 'quarter' ? amount * 3 : unit === 'year' ? amount * 12 : undefined;
  if (months === undefined) throw new CommandFailure(9, `unknown time unit value: ${unit}`);
  const month = parts.month - 1 + months;
  const year = parts.year + Math.floor(month / 12);
  const inYear = ((month % 12) + 12) % 12;
  // 31 January plus a month is the last day of February.
  const last = new Date(Date.UTC(year, inYear + 1, 0)).getUTCDate();
  return momentOf({ ...parts, year, month: inYear + 1, day: Math.min(parts.day, last) }, zone);
}

/** Start of the unit the moment lies in; only one unit at a time (`binSize` 1). */
function truncate(ms: number, unit: string, zone: string, startOfWeek: string): number {
  const parts = partsOf(ms, zone);
  const midnight = { ...parts, hour: 0, minute: 0, second: 0, millisecond: 0 };
  switch (unit) {
    case 'millisecond':
      return ms;
    case 'second':
      return momentOf({ ...parts, millisecond: 0 }, zone);
    case 'minute':
      return momentOf({ ...parts, second: 0, millisecond: 0 }, zone);
    case 'hour':
      return momentOf({ ...parts, minute: 0, second: 0, millisecond: 0 }, zone);
    case 'day':
      return momentOf(midnight, zone);
    case 'week': {
      const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
      const first = days.indexOf(startOfWeek.slice(0, 3).toLowerCase());
      if (first < 0) throw new CommandFailure(9, `unknown day of week value: ${startOfWeek}`);
      return momentOf({ ...midnight, day: parts.day - ((weekday(parts) - first + 7) % 7) }, zone);
    }
    case 'month':
      return momentOf({ ...midnight, day: 1 }, zone);
    case 'quarter':
      return momentOf({ ...midnight, day: 1, month: Math.floor((parts.month - 1) / 3) * 3 + 1 }, zone);
    case 'year':
      return momentOf({ ...midnight, day: 1, month: 1 }, zone);
    default:
      throw new CommandFailure(9, `unknown time unit value: ${unit}`);
  }
}

function shifting(name: string, sign: 1 | -1): [string, Operator] {
  return named(name, ['startDate', 'unit', 'amount'], ['timezone'], (parts, compiler) => {
    const [start, unit, amount] = ['startDate', 'unit', 'amount'].map((key) => compiler.compile(parts.get(key) as Value)) as [Evaluate, Evaluate, Evaluate];
    const zone = zoneArgument(parts.get('timezone'), compiler);
    return (scope) => {
      const [from, of, by, where] = [start(scope), unit(scope), amount(scope), zone(scope)];
      if (isNullish(from) || isNullish(of) || isNullish(by) || where === undefined) return null;
      const whole = isNumeric(by) ? toWhole(by) : undefined;
      if (whole === undefined) throw new CommandFailure(5166405, `${name} expects integer amount of time units`);
      return new DateValue(addUnits(dateArgument(name, from), textArgument(name, of), sign * Number(whole), where));
    };
  });
}

/** The operators on dates. */
export const DATE_OPERATORS: [string, Operator][] = [
  datePart('$year', (parts) => parts.year),
  datePart('$month', (parts) => parts.month),
  datePart('$dayOfMonth', (parts) => parts.day),
  datePart('$hour', (parts) => parts.hour),
  datePart('$minute', (parts) => parts.minute),
  datePart('$second', (parts) => parts.second),
  datePart('$millisecond', (parts) => parts.millisecond),
  datePart('$dayOfWeek', (parts) => weekday(parts) + 1),
  datePart('$isoDayOfWeek', (parts) => weekday(parts) || 7),
  datePart('$dayOfYear', dayOfYear),
  datePart('$isoWeek', (parts) => isoWeek(parts).week),
  datePart('$isoWeekYear', (parts) => isoWeek(parts).year),
  named('$dateToString', ['date'], ['format', 'timezone', 'onNull'], (parts, compiler) => {
    const date = compiler.compile(parts.get('date') as Value);
    const format = parts.has('format') ? compiler.compile(parts.get('format') as Value) : undefined;
    const onNull = parts.has('onNull') ? compiler.compile(parts.get('onNull') as Value) : () => null;
    const zone = zoneArgument(parts.get('timezone'), compiler);
    return (scope) => {
      const value = date(scope);
      if (isNullish(value)) return onNull(scope);
      const where = zone(scope);
      if (where === undefined) return null;
      const wanted = format?.(scope);
      if (format && isNullish(wanted)) return null;
      const plainFormat = where === 'UTC' ? '%Y-%m-%dT%H:%M:%S.%LZ' : '%Y-%m-%dT%H:%M:%S.%L%z';
      return formatDate(dateArgument('$dateToString', value), where, wanted === undefined ? plainFormat : textArgument('$dateToString', wanted as Value));
    };
  }),
  named('$dateTrunc', ['date', 'unit'], ['timezone', 'startOfWeek'], (parts, compiler) => {
    const date = compiler.compile(parts.get('date') as Value);
    const unit = compiler.compile(parts.get('unit') as Value);
    const week = compiler.compile(parts.get('startOfWeek') ?? 'sunday');
    const zone = zoneArgument(parts.get('timezone'), compiler);
    return (scope) => {
      const [value, of, where] = [date(scope), unit(scope), zone(scope)];
      if (isNullish(value) || isNullish(of) || where === undefined) return null;
      return new DateValue(truncate(dateArgument('$dateTrunc', value), textArgument('$dateTrunc', of), where, textArgument('$dateTrunc', week(scope) ?? 'sunday')));
    };
  }),
  shifting('$dateAdd', 1),
  shifting('$dateSubtract', -1),
];
