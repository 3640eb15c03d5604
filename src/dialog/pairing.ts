import { choiceId } from '../domain/choice.ts';
import { inboxKey, type Choice, type Reply } from '../domain/message.ts';
import { findCode, looksLikeCode } from '../domain/pairing.ts';
import { addressKey, languageSchema, type Language, type Role } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import { foldText } from '../domain/spelling.ts';
import type { Draft } from '../ports.ts';
import { linkAddress, tellLinked } from '../services/linking.ts';
import { checkCode, findOffer, redeemCode, type Attempter, type CodeOffer } from '../services/pairing.ts';
import { homeChoices } from './home.ts';
import { describeOwed } from './owed.ts';
import type { DialogPart, PersonTurn, Turn } from './turn.ts';

const flow = 'pairing';
const takeoverAnswers = ['replace', 'join', 'no'] as const;
const yesWords = new Set(['dong y a', 'vang','dong y', 'toi dong y', 'yes', 'i agree', 'agree', 'ok', 'co', 'da dong y']);
const noWords = new Set(['khong a','khong', 'khong dong y', 'ko', 'no', 'toi khong dong y', 'disagree']);

/** Pairing by link, QR or typed code; the notice a person agrees to; who has a unit in hand. */
export const pairingDialog: DialogPart = {
  commands: [
    {
      name: 'batdau', aliases: ['bat dau', 'start', 'ghepnoi', 'ghep noi'], roles: null,
      run: (turn, rest) => (looksLikeCode(rest) || findCode(rest) !== null || (rest !== '' && !turn.person) ? answerCode(turn, findCode(rest) ?? rest) : greet(turn)),
    },
    { name: 'xinchao', aliases: ['xin chao', 'chao', 'hello', 'hi', 'alo'], roles: null, run: (turn) => greet(turn) },
  ],
  openChoices: {
    consent: (turn, [answer]) => answerConsent(turn, answer ?? ''),
    takeover: (turn, [answer]) => answerTakeover(turn, answer ?? ''),
  },
  openDrafts: { [flow]: continueDraft },
  notices: {
    'chair-replaced': async (notice, to) => {
      const unit = await to.core.store.units.get(notice.unit);
      return { text: to.say('pairing.replaced', { unit: unit?.name ?? notice.unit }) };
    },
  },
};

/** What the draft of a pairing holds: the hash of the code, never the code, and the language the notice was asked in. */
interface Pairing {
  hash: string;
  /** Agreed already; only the question whether the present chair gives way is open. */
  agreed: boolean;
}

/** A code, typed or handed over by a link: of a unit and role, or of a person's other channel. */
export async function answerCode(turn: Turn, typed: string): Promise<Reply | Reply[]> {
  const linked = await linkAddress(turn.core, typed, attempter(turn), inboxKey(turn.incoming));
  if (linked) {
    if (linked.already) return { text: turn.say('pairing.linked-already') };
    await tellLinked(turn.core, linked.person, inboxKey(turn.incoming), turn.text.say(linked.person.language, 'pairing.linked-elsewhere'));
    return { text: turn.text.say(linked.person.language, 'pairing.linked', { name: linked.person.name }), choices: homeChoices({ ...turn, person: linked.person, language: linked.person.language }) };
  }
  const offer = await checkCode(turn.core, typed, attempter(turn));
  if (offer.held) return { text: turn.say('pairing.held', { unit: offer.unit.name, role: roleName(turn, offer.role) }), choices: homeChoices(turn) };
  if (!turn.person) {
    await keepPairing(turn, { hash: offer.hash, agreed: false }, turn.language);
    return askConsent(turn, offer);
  }
  return offer.chaired ? askTakeover(turn, offer) : finish(turn, offer.hash, 'join');
}

async function greet(turn: Turn): Promise<Reply | Reply[]> {
  const pending = await pendingPairing(turn);
  if (!turn.person && pending) return answerPending(turn, pending);
  if (!turn.person || turn.person.roles.length === 0) return { text: turn.say('pairing.start') };
  return { text: turn.say('pairing.hello', { name: turn.person.name, roles: await roleLines(turn) }), choices: homeChoices(turn) };
}

async function roleLines(turn: Turn): Promise<string> {
  const roles = turn.person?.roles ?? [];
  const units = await turn.core.store.units.many([...new Set(roles.map((held) => held.unit))]);
  return roles.map((held) => turn.say('pairing.role-line', { role: roleName(turn, held.role), unit: units.find((unit) => unit.code === held.unit)?.name ?? held.unit })).join('\n');
}

function roleName(turn: Turn, role: Role): string {
  return turn.say(`help.role.${role}`);
}

async function answerPending(turn: Turn, pending: Pairing): Promise<Reply | Reply[]> {
  const offer = await requireOffer(turn, pending.hash);
  return pending.agreed ? askTakeover(turn, offer) : askConsent(turn, offer);
}

async function askConsent(turn: Turn, offer: CodeOffer): Promise<Reply> {
  const root = await turn.core.store.units.root();
  return {
    text: turn.say('pairing.consent', { unit: offer.unit.name, role: roleName(turn, offer.role), office: root?.name ?? offer.unit.name }),
    choices: [
      [{ id: choiceId('consent', 'yes'), label: turn.say('pairing.agree') }, { id: choiceId('consent', 'no'), label: turn.say('pairing.disagree') }],
      [{ id: choiceId('consent', turn.language === 'vi' ? 'en' : 'vi'), label: turn.say('pairing.other-language') }],
    ],
  };
}

async function askTakeover(turn: Turn, offer: CodeOffer): Promise<Reply> {
  await keepPairing(turn, { hash: offer.hash, agreed: true }, turn.language);
  const choices = takeoverAnswers.map((answer): Choice[] => [{ id: choiceId('takeover', answer), label: turn.say(`pairing.takeover-${answer}`) }]);
  return { text: turn.say('pairing.takeover', { unit: offer.unit.name }), choices };
}

async function answerConsent(turn: Turn, answer: string): Promise<Reply | Reply[]> {
  const pending = await pendingPairing(turn);
  if (!pending) return greet(turn);
  const language = languageSchema.safeParse(answer);
  if (language.success) {
    await keepPairing(turn, pending, language.data);
    const { data } = language;
    return answerPending({ ...turn, language: data, say: (key, params) => turn.text.say(data, key, params) }, pending);
  }
  if (answer === 'no') return decline(turn);
  if (answer !== 'yes') throw new Refusal('choice-unknown');
  const offer = await requireOffer(turn, pending.hash);
  return offer.chaired ? askTakeover(turn, offer) : finish(turn, pending.hash, 'join');
}

async function answerTakeover(turn: Turn, answer: string): Promise<Reply | Reply[]> {
  const pending = await pendingPairing(turn);
  if (!pending) return greet(turn);
  if (!pending.agreed) return answerPending(turn, pending);
  if (answer === 'no') return decline(turn);
  if (answer !== 'replace' && answer !== 'join') throw new Refusal('choice-unknown');
  return finish(turn, pending.hash, answer);
}

async function decline(turn: Turn): Promise<Reply> {
  await turn.core.store.drafts.clear(pairingOwner(turn));
  return { text: turn.say(turn.person ? 'pairing.left-as-it-was' : 'pairing.declined') };
}

/** Typed words while the notice waits for an answer. */
async function continueDraft(turn: Turn, draft: Draft): Promise<Reply | Reply[]> {
  const pending = readPairing(draft);
  const { content } = turn.incoming;
  if (!pending || content.kind !== 'text') throw new Refusal(turn.person ? 'choice-old' : 'consent-needed');
  const said = foldText(content.text);
  if (noWords.has(said)) return decline(turn);
  if (!pending.agreed && yesWords.has(said)) return answerConsent(turn, 'yes');
  const code = findCode(content.text);
  if (code !== null || looksLikeCode(content.text)) return answerCode(turn, code ?? content.text);
  const meant = takeoverAnswers.find((answer) => said === foldText(turn.say(`pairing.takeover-${answer}`)));
  return pending.agreed && meant ? answerTakeover(turn, meant) : answerPending(turn, pending);
}

async function finish(turn: Turn, hash: string, chairs: 'replace' | 'join'): Promise<Reply[]> {
  const result = await redeemCode(turn.core, {
    ...attempter(turn), hash, chairs, message: inboxKey(turn.incoming), language: turn.language,
    name: turn.incoming.senderName.normalize('NFC').trim().slice(0, 100) || turn.say('pairing.no-name'),
  });
  await turn.core.store.drafts.clear(pairingOwner(turn));
  const paired: PersonTurn = { ...turn, person: result.person };
  const welcome = [turn.say(`pairing.welcome-${result.role}`, { unit: result.unit.name })];
  if (result.replaced > 0) welcome.push(turn.say('pairing.took-over'));
  if (result.role === 'chair') welcome.push(await describeOwed(paired, result.unit));
  return [{ text: welcome.join('\n\n'), choices: homeChoices(paired) }];
}

/** The same draft before and after there is a person: an agreement handled again must find it although the person exists by then. */
function pairingOwner({ incoming }: Turn): string {
  return addressKey(incoming.channel, incoming.chat);
}

async function keepPairing(turn: Turn, pairing: Pairing, language: Language): Promise<void> {
  await turn.core.store.drafts.set(pairingOwner(turn), { flow, data: { ...pairing, language }, at: turn.incoming.at });
}

async function pendingPairing(turn: Turn): Promise<Pairing | null> {
  const draft = await turn.core.store.drafts.get(pairingOwner(turn));
  return draft && draft.flow === flow ? readPairing(draft) : null;
}

function readPairing(draft: Draft): Pairing | null {
  const { hash, agreed } = draft.data;
  return typeof hash === 'string' ? { hash, agreed: agreed === true } : null;
}

async function requireOffer(turn: Turn, hash: string): Promise<CodeOffer> {
  const offer = await findOffer(turn.core, hash, attempter(turn), inboxKey(turn.incoming));
  if (!offer) throw new Refusal('choice-old');
  return offer;
}

function attempter({ incoming, person }: Turn): Attempter {
  return { channel: incoming.channel, chat: incoming.chat, person, at: incoming.at };
}
