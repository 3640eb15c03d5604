import pino from 'pino';
import type { Log } from './ports.ts';

/**
 * A log of JSON lines on stderr. Whatever a caller hands over, the given secrets never come out, neither as they are nor url-encoded;
 * an error is reduced to its name, message and stack. Shapes that are always secret (a bot token in an address) are masked too.
 * @example createLog({ level: 'info', secrets: [token] }).info('started', { port: 8080 })
 */
export function createLog(options: { level: string; secrets: readonly string[] }): Log {
  const needles = options.secrets.filter((secret) => secret.length >= 4).flatMap((secret) => [secret, encodeURIComponent(secret)]);

  function mask(text: string): string {
    const masked = needles.reduce((left, needle) => left.replaceAll(needle, '•••'), text);
    return masked.replace(/\b\d{5,}(:|%3A)[\w-]{20,}/gi, '•••').replace(/(\/bot)[^/\s"']{10,}/g, '$1•••');
  }

  function clean(value: unknown, depth = 0): unknown {
    if (typeof value === 'string') return mask(value);
    if (value instanceof Error) return { name: value.name, message: mask(value.message), stack: mask(value.stack ?? '') };
    if (value instanceof Date || typeof value !== 'object' || value === null) return value;
    if (depth > 4) return '…';
    if (Array.isArray(value)) return value.map((item) => clean(item, depth + 1));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, clean(item, depth + 1)]));
  }

  const log = pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, pino.destination({ fd: 2, sync: true }));
  return {
    info: (event, facts = {}) => log.info(clean(facts) as object, event),
    warn: (event, facts = {}) => log.warn(clean(facts) as object, event),
    error: (event, facts = {}) => log.error(clean(facts) as object, event),
  };
}
