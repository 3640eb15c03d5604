import { hasRole } from '../domain/person.ts';
import type { Reply } from '../domain/message.ts';
import { currentPlan } from '../services/current-plan.ts';
import { homeChoices } from './home.ts';
import { draftOwner, type DialogPart, type Turn } from './turn.ts';

/** Help by role, study materials, leaving a question unanswered. */
export const helpDialog: DialogPart = {
  commands: [
    { name: 'trogiup', aliases: ['tro giup', 'help', 'giup', 'huong dan', 'huongdan', 'menu'], roles: null, run: async (turn) => showHelp(turn) },
    { name: 'tailieu', aliases: ['tai lieu', 'materials'], roles: null, run: (turn) => showMaterials(turn) },
    { name: 'huy', aliases: ['huy bo', 'cancel', 'thoi'], roles: null, run: (turn) => cancel(turn) },
  ],
};

/**
 * The short useful answer to what the dialog cannot use: words that are no command (`text`), a telephone number (`contact`), or a kind of message by its name
 * (`sticker`, `voice`, `location`, …).
 */
export async function suggestHelp(turn: Turn, what: string): Promise<Reply> {
  const key = `help.kind.${what}`;
  const said = what === 'text' ? 'help.not-understood' : what === 'contact' ? 'help.contact' : 'help.unsupported';
  const text = turn.say(said, { kind: turn.say(turn.text.has(key) ? key : 'help.kind.other') });
  if (!turn.person || turn.person.roles.length === 0) return { text: [...(what === 'text' ? [] : [text]), turn.say('pairing.start')].join('\n\n') };
  return { text, choices: homeChoices(turn) };
}

function showHelp(turn: Turn): Reply {
  const { person } = turn;
  if (!person || person.roles.length === 0) return { text: [turn.say('pairing.start'), turn.say('help.everyone')].join('\n\n') };
  const blocks = (['chair', 'member', 'staff'] as const).filter((role) => hasRole(person, role)).map((role) => turn.say(`help.for-${role}`));
  return { text: [...blocks, turn.say('help.everyone')].join('\n\n'), choices: homeChoices(turn) };
}

async function showMaterials(turn: Turn): Promise<Reply> {
  const plan = await currentPlan(turn.core);
  if (plan.materials.length === 0) return { text: turn.say('help.no-materials') };
  const lines = plan.materials.map((material) => `${material.title[turn.language]}\n${material.url}`);
  return { text: [turn.say('help.materials', { title: plan.title[turn.language] }), ...lines].join('\n\n') };
}

async function cancel(turn: Turn): Promise<Reply> {
  const { core, incoming, person } = turn;
  const owners = [...new Set([draftOwner(turn), draftOwner({ incoming, person: null })])];
  const drafts = await Promise.all(owners.map((owner) => core.store.drafts.get(owner)));
  for (const owner of owners) await core.store.drafts.clear(owner);
  const text = turn.say(drafts.some((draft) => draft !== null) ? 'help.cancelled' : 'help.nothing-to-cancel');
  return { text, ...(person ? { choices: homeChoices(turn) } : {}) };
}
