import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import i18next from 'i18next';
import type { Calendar } from './domain/calendar.ts';
import { languageSchema, type Language } from './domain/person.ts';
import type { Text } from './ports.ts';

const localesFolder = join(import.meta.dirname, '..', 'locales');

/** Every locale as it lies in `locales/<language>/<noun>.json`: the file's name is the first part of the key. */
export function readLocales(): Record<Language, Record<string, unknown>> {
  const read = (language: Language) =>
    Object.fromEntries(
      readdirSync(join(localesFolder, language))
        .filter((file) => file.endsWith('.json'))
        .map((file) => [basename(file, '.json'), JSON.parse(readFileSync(join(localesFolder, language, file), 'utf8')) as unknown]),
    );
  return { vi: read('vi'), en: read('en') };
}

/**
 * A day as Vietnamese offices write it: the day with a leading zero, months 1 and 2 too.
 * @example formatDay('2024-05-02') → '02/5/2024'; formatDay('2024-02-07') → '07/02/2024'
 */
export function formatDay(day: string): string {
  const [year, month, date] = day.split('-') as [string, string, string];
  return `${date}/${Number(month) <= 2 ? month : Number(month)}/${year}`;
}

/**
 * Words from `locales/`. Placeholders: `{{x}}` as it is, `{{x, day}}` a local date (or the local day of an instant), `{{x, moment}}` time and day
 * of an instant, `{{x, number}}` a number in the language's writing. `count` chooses the plural. Throws for a key the language lacks.
 * @example text.say('vi', 'receipt.title', { number: 'BN-2024-000001' })
 */
export async function createText(calendar: Calendar): Promise<Text> {
  const i18n = i18next.createInstance();
  const locales = readLocales();
  await i18n.init({
    lng: 'vi', fallbackLng: false, supportedLngs: languageSchema.options, defaultNS: 'words', ns: ['words'], nsSeparator: false, initAsync: false,
    resources: Object.fromEntries(Object.entries(locales).map(([language, words]) => [language, { words }])),
    interpolation: { escapeValue: false, skipOnVariables: true },
    returnNull: false,
  });
  const dayText = (value: unknown) => formatDay(value instanceof Date ? calendar.dayOf(value) : String(value));
  i18n.services.formatter?.add('day', dayText);
  i18n.services.formatter?.add('moment', (value: unknown, language) => {
    const at = value instanceof Date ? value : new Date(String(value));
    return language === 'en' ? `${calendar.timeOf(at)} on ${dayText(at)}` : `${calendar.timeOf(at)} ngày ${dayText(at)}`;
  });
  i18n.services.formatter?.add('number', (value: unknown, language) => Number(value).toLocaleString(language === 'en' ? 'en-GB' : 'vi-VN'));
  return {
    say(language, key, params = {}) {
      if (!i18n.exists(key, { lng: language, ...params })) throw new Error(`no words for ${key} in ${language}`);
      return i18n.t(key, { lng: language, ...params });
    },
    has: (key) => i18n.exists(key, { lng: 'vi' }),
  };
}
