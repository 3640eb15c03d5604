import { z } from 'zod';
import { shortRef } from '../domain/choice.ts';
import type { Reply } from '../domain/message.ts';
import { roleSchema, type Role } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Draft } from '../ports.ts';
import { audienceSchema, checkAudience, dropBroadcast, findBroadcast, prepareBroadcast, readProgress, sendBroadcast, type Audience } from '../services/broadcasts.ts';
import { findUnits, readUnit, unitByRef } from '../services/unit-cards.ts';
import { button, requirePerson, screen, typedText } from './screen.ts';
import { draftOwner, type DialogPart, type PersonTurn } from './turn.ts';

const draftSchema = z.object({ audience: audienceSchema });
/** `-` stands for the whole tree, `moi-nguoi` for every role. */
const wholeTree = '-';
const everybody = 'moi-nguoi';

/** `/thongbao [unit]`: audience, text, preview with the number of people, sending, progress. */
export const broadcastDialog: DialogPart = {
  commands: [{ name: 'thongbao', aliases: ['thong bao', 'broadcast'], roles: ['staff'], run: (turn, rest) => askAudience(requirePerson(turn), rest) }],
  choices: {
    'tb-nhom': (turn, [role, unit]) => askText(turn, role, unit),
    'tb-gui': async (turn, [id]) => {
      const sent = await sendBroadcast(turn.core, turn.person, id ?? '');
      return screen(turn, [turn.say('broadcast.started', { people: sent.people })], [button(turn.say('broadcast.progress'), 'tb-xem', sent.id)]);
    },
    'tb-bo': async (turn, [id]) => {
      await dropBroadcast(turn.core, turn.person, id ?? '');
      return screen(turn, [turn.say('broadcast.dropped')]);
    },
    'tb-xem': (turn, [id]) => showProgress(turn, id ?? ''),
  },
  drafts: { 'broadcast-text': takeText },
  notices: {
    async 'broadcast'(notice, to) {
      const broadcast = await findBroadcast(to.core, notice.broadcast);
      return broadcast && broadcast.state !== 'dropped' ? { text: `${to.say('broadcast.from')}\n\n${broadcast.text}` } : null;
    },
  },
};

async function askAudience(turn: PersonTurn, rest: string): Promise<Reply> {
  let place = wholeTree;
  if (rest !== '') {
    const found = await findUnits(turn.core, turn.person, rest, { after: null, limit: 1 });
    const [unit] = found.items;
    if (!unit || found.next !== null) throw new Refusal('unit-unknown', { unit: rest.slice(0, 60) });
    place = shortRef(unit.code);
  }
  const roles: (Role | typeof everybody)[] = ['chair', 'member', 'staff', everybody];
  return screen(turn, [turn.say('broadcast.ask-audience')], roles.map((role) => button(turn.say(`broadcast.audience.${role === everybody ? 'everybody' : role}`), 'tb-nhom', role, place)));
}

async function askText(turn: PersonTurn, role: string | undefined, place: string | undefined): Promise<Reply> {
  const asked = role === everybody ? null : roleSchema.safeParse(role).data;
  if (asked === undefined || !place) throw new Refusal('choice-unknown');
  const audience: Audience = { role: asked, unit: place === wholeTree ? null : (await unitByRef(turn.core, turn.person, place)).code };
  await checkAudience(turn.core, turn.person, audience);
  await turn.core.store.drafts.set(draftOwner(turn), { flow: 'broadcast-text', data: { audience }, at: turn.incoming.at });
  return screen(turn, [turn.say('broadcast.ask-text', { who: await audienceWords(turn, audience) })]);
}

async function takeText(turn: PersonTurn, draft: Draft): Promise<Reply[]> {
  const { audience } = draftSchema.parse(draft.data);
  const broadcast = await prepareBroadcast(turn.core, turn.person, audience, typedText(turn) ?? '', turn.incoming.at);
  await turn.core.store.drafts.clear(draftOwner(turn));
  if (broadcast.people === 0) return [screen(turn, [turn.say('broadcast.nobody')])];
  const who = await audienceWords(turn, audience);
  return [
    { text: turn.say('broadcast.preview', { people: broadcast.people, who }) },
    { text: `${turn.say('broadcast.from')}\n\n${broadcast.text}`, choices: [[button(turn.say('broadcast.send', { people: broadcast.people }), 'tb-gui', broadcast.id)], [button(turn.say('screen.cancel'), 'tb-bo', broadcast.id)]] },
  ];
}

async function showProgress(turn: PersonTurn, id: string): Promise<Reply> {
  const { broadcast, counts } = await readProgress(turn.core, turn.person, id);
  const { sent, pending, sending, unknown, dead } = counts;
  return screen(turn, [turn.say('broadcast.state', { id, sent, waiting: pending + sending, unknown, dead, all: broadcast.people })], [button(turn.say('broadcast.refresh'), 'tb-xem', id)]);
}

async function audienceWords(turn: PersonTurn, audience: Audience): Promise<string> {
  const who = turn.say(`broadcast.audience.${audience.role ?? 'everybody'}`);
  return audience.unit === null ? who : turn.say('broadcast.within', { who, unit: (await readUnit(turn.core, turn.person, audience.unit)).name });
}
