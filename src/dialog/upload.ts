import type { Language } from '../domain/person.ts';
import type { Core, Text } from '../ports.ts';
import type { UploadOffer } from '../services/uploads.ts';
import { sayDue } from './deadline.ts';
import { titleOfDuty } from './duty.ts';
import { receiptText } from './receipt.ts';

/** What an upload page says: words only, ready to be shown. */
export interface UploadWords {
  language: Language;
  title: string;
  unit: string;
  due: string;
  quote: string;
  expires: string;
  /** The receipt, once something was handed in through the link; null before. */
  receipt: string | null;
  /** The same bytes had been taken before. */
  again: boolean;
  /** Why nothing can be handed in any more; null while it can. */
  closed: string | null;
}

/** Puts an upload link into words, in the person's language. */
export function describeUpload(core: Core, text: Text, offer: UploadOffer): UploadWords {
  const { person, view, handed } = offer;
  const { language } = person;
  const say = (key: string, params?: Record<string, unknown>): string => text.say(language, key, params);
  const { state } = view.assignment;
  return {
    language, unit: view.unit.name,
    title: titleOfDuty({ core, language, say }, view),
    due: sayDue(say, view.obligation, view.assignment.due, view.assignment.day),
    quote: `“${view.obligation.quote}”`,
    expires: say('upload.expires', { at: offer.expiresAt }),
    receipt: handed ? receiptText({ core, language, say }, handed) : null,
    again: handed?.repeat ?? false,
    closed: !handed && (state === 'accepted' || state === 'void') ? say(state === 'accepted' ? 'refusal.already-accepted' : 'refusal.assignment-void', { receipt: view.assignment.receipt ?? '' }) : null,
  };
}
