import { CommandFailure } from './failure.ts';

const cache = new Map<string, RegExp>();

/**
 * A JavaScript expression that finds what MongoDB's PCRE would: `$` also before a last newline, `\s` only ASCII,
 * code points instead of code units. What JavaScript cannot say the same way is refused with code 51091.
 */
export function compileRegex(pattern: string, options: string): RegExp {
  const id = `${options}/${pattern}`;
  const known = cache.get(id);
  if (known) return known;
  let source = pattern;
  let letters = options;
  const inline = /^\(\?([imsx]+)\)/.exec(source);
  if (inline) {
    source = source.slice(inline[0].length);
    letters += inline[1];
  }
  for (const letter of letters) if (!'imsxu'.includes(letter)) throw new CommandFailure(51108, `invalid flag in regex options: ${letter}`);
  const flags = `u${letters.includes('i') ? 'i' : ''}${letters.includes('m') ? 'm' : ''}${letters.includes('s') ? 's' : ''}`;
  let compiled: RegExp;
  try {
    compiled = new RegExp(translate(source, letters.includes('m'), letters.includes('x')), flags);
  } catch (error) {
    throw new CommandFailure(51091, `Regular expression is invalid: ${(error as Error).message}`);
  }
  if (cache.size > 500) cache.clear();
  cache.set(id, compiled);
  return compiled;
}

/** The text every match must begin with, e.g. `^abc` → 'abc'; nothing when the pattern does not pin its start. */
export function literalPrefix(pattern: string, options: string): string | undefined {
  if (options !== '' || !pattern.startsWith('^')) return undefined;
  let prefix = '';
  for (let i = 1; i < pattern.length; i++) {
    const char = pattern[i] as string;
    if (char === '\\') {
      const next = pattern[i + 1];
      if (next === undefined || /[a-zA-Z0-9]/.test(next)) break;
      prefix += next;
      i++;
      continue;
    }
    if ('|'.includes(char)) return undefined;
    if ('?*{'.includes(char)) {
      prefix = prefix.slice(0, -1);
      break;
    }
    if ('.^$+()[]'.includes(char)) break;
    prefix += char;
  }
  // An alternative anywhere would make the start optional: `^a|b`.
  if (pattern.includes('|')) return undefined;
  return prefix === '' || /[\ud800-\udfff]/.test(prefix) ? undefined : prefix;
}

function translate(source: string, multiline: boolean, extended: boolean): string {
  let out = '';
  let inClass = false;
  for (let i = 0; i < source.length; i++) {
    const char = source[i] as string;
    if (char === '\\') {
      const next = source[++i];
      if (next === undefined) throw new Error('\\ at end of pattern');
      out += escape(next, inClass);
    } else if (inClass) {
      if (char === ']') inClass = false;
      out += char === '[' ? '\\[' : char;
    } else if (char === '[') {
      inClass = true;
      out += char;
      if (source[i + 1] === '^') out += source[++i];
      if (source[i + 1] === ']') {
        out += '\\]';
        i++;
      }
      if (source[i + 1] === '[' && source[i + 2] === ':') throw new Error('POSIX classes are not supported');
    } else if (char === '$' && !multiline) out += '(?=\\n?(?![\\s\\S]))';
    else if (extended && /\s/.test(char)) continue;
    else if (extended && char === '#') {
      while (i < source.length && source[i] !== '\n') i++;
    } else if ((char === '{' && !/^\{\d+(,\d*)?\}/.test(source.slice(i))) || char === ']') out += `\\${char}`;
    else if (char === '}' && !/\{\d+(,\d*)?$/.test(source.slice(0, i))) out += '\\}';
    else out += char;
  }
  return out;
}

function escape(next: string, inClass: boolean): string {
  const spaces = '\\t\\n\\v\\f\\r ';
  if (next === 's') return inClass ? spaces : `[${spaces}]`;
  if (next === 'S') {
    if (inClass) throw new Error('\\S inside a class is not supported');
    return `[^${spaces}]`;
  }
  if (next === 'A' && !inClass) return '(?<![\\s\\S])';
  if (next === 'z' && !inClass) return '(?![\\s\\S])';
  if (next === 'Z' && !inClass) return '(?=\\n?(?![\\s\\S]))';
  // With the u flag JavaScript takes a backslash only before its own syntax characters.
  if (/[\^$\\.*+?()[\]{}|/]/.test(next)) return `\\${next}`;
  if (next === '-' && inClass) return '\\-';
  return /[a-zA-Z0-9]/.test(next) ? `\\${next}` : next;
}
