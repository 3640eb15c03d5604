import { choiceId } from '../domain/choice.ts';
import type { Choice, Reply } from '../domain/message.ts';
import { languageSchema, type Language } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import { issueLinkCode, linkMinutes } from '../services/linking.ts';
import { chooseLanguage, deletePerson, exportPersonalData, readPersonalData } from '../services/people.ts';
import type { DialogPart, PersonTurn, Turn } from './turn.ts';

/** One's own data, one's language, one's second channel, and the tap that keeps a channel open. */
export const peopleDialog: DialogPart = {
  commands: [
    { name: 'dulieu', aliases: ['du lieu', 'du lieu ca nhan', 'my data', 'mydata'], roles: null, run: (turn) => showData(turn) },
    { name: 'ngonngu', aliases: ['ngon ngu', 'language', 'tieng viet', 'english', 'tieng anh'], roles: null, run: async (turn) => askLanguage(turn) },
    { name: 'lienket', aliases: ['lien ket', 'link'], roles: null, run: (turn) => giveLinkCode(turn) },
  ],
  openChoices: {
    data: (turn, [what]) => answerData(turn, what ?? ''),
    language: (turn, [language]) => answerLanguage(turn, language ?? ''),
    // The tap itself is what counts: it was noted as the person's last word when the message was taken in.
    keep: async (turn) => ({ text: turn.say('people.window-kept') }),
  },
  notices: {
    'keep-window': async (notice, to) => {
      if (to.core.clock() >= notice.closesAt) return null;
      return { text: to.say('people.window', { until: notice.closesAt }), choices: [[{ id: choiceId('keep'), label: to.say('people.window-keep') }]] };
    },
  },
};

const channelNames = { 'telegram': 'Telegram', 'zalo-bot': 'Zalo Bot', 'zalo-oa': 'Zalo OA', 'web': 'Web' } as const;

function personTurn(turn: Turn): PersonTurn | null {
  const { person } = turn;
  return person ? { ...turn, person } : null;
}

async function showData(turn: Turn): Promise<Reply> {
  const paired = personTurn(turn);
  if (!paired) return { text: turn.say('people.nothing-kept') };
  const { person, units, pledges } = await readPersonalData(turn.core, paired.person);
  const roles = person.roles.map((held) => turn.say('people.role-line', { role: turn.say(`help.role.${held.role}`), unit: units.find((unit) => unit.code === held.unit)?.name ?? held.unit }));
  const text = turn.say('people.data', {
    name: person.name, roles: roles.join('\n') || turn.say('people.no-role'), channels: [...new Set(person.addresses.map((address) => channelNames[address.channel]))].join(', '),
    agreed: person.consent.at, version: person.consent.version, pledges: pledges.length,
  });
  return { text, choices: [[{ id: choiceId('data', 'export'), label: turn.say('people.export') }], [{ id: choiceId('data', 'delete'), label: turn.say('people.delete') }]] };
}

async function answerData(turn: Turn, what: string): Promise<Reply> {
  const paired = personTurn(turn);
  // Pressed again after the deletion, or handled again after a kill: it is done, and that is the answer.
  if (!paired) return { text: turn.say(what === 'delete-yes' ? 'people.deleted' : 'people.nothing-kept') };
  if (what === 'export') return { text: turn.say('people.exported'), document: await exportPersonalData(turn.core, paired.person) };
  if (what === 'delete') {
    const sure: Choice[] = [{ id: choiceId('data', 'delete-yes'), label: turn.say('people.delete-yes') }, { id: choiceId('data', 'delete-no'), label: turn.say('people.delete-no') }];
    return { text: turn.say('people.delete-ask'), choices: [sure] };
  }
  if (what === 'delete-no') return { text: turn.say('people.delete-kept') };
  if (what !== 'delete-yes') throw new Refusal('choice-unknown');
  await deletePerson(turn.core, paired.person);
  return { text: turn.say('people.deleted') };
}

function askLanguage(turn: Turn): Reply {
  const choices = languageSchema.options.map((language): Choice => ({ id: choiceId('language', language), label: turn.say(`people.language-${language}`) }));
  return { text: turn.say('people.language'), choices: [choices] };
}

async function answerLanguage(turn: Turn, wanted: string): Promise<Reply> {
  const parsed = languageSchema.safeParse(wanted);
  if (!parsed.success) throw new Refusal('choice-unknown');
  const language: Language = parsed.data;
  const paired = personTurn(turn);
  // Before agreement nothing is kept, a wish for a language neither: the notice itself can be read in both.
  if (!paired) return { text: turn.text.say(language, 'pairing.start') };
  await chooseLanguage(turn.core, paired.person, language);
  return { text: turn.text.say(language, 'people.language-chosen') };
}

async function giveLinkCode(turn: Turn): Promise<Reply> {
  const paired = personTurn(turn);
  if (!paired) throw new Refusal('not-paired');
  const { code, links } = await issueLinkCode(turn.core, paired.person);
  const elsewhere = links.filter((link) => link.channel !== turn.incoming.channel).map((link) => `${channelNames[link.channel]}: ${link.url}`);
  return { text: [turn.say('people.link', { code, minutes: linkMinutes }), ...elsewhere].join('\n') };
}
