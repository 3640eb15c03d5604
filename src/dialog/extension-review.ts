import { localDateSchema } from '../domain/calendar.ts';
import { readDay } from '../domain/day.ts';
import type { Choice, Reply } from '../domain/message.ts';
import { hasRole } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Draft } from '../ports.ts';
import { currentPlan } from '../services/current-plan.ts';
import { declineExtension, grantExtension, listAskedExtensions, readReview } from '../services/reviews.ts';
import { titleOf } from '../services/scopes.ts';
import { readDelivered } from '../services/unit-cards.ts';
import { assignmentLines } from './evidence.ts';
import { button, longListSize, requirePerson, screen, shorten, typedText } from './screen.ts';
import { draftOwner, type Delivery, type DialogPart, type PersonTurn, type Turn } from './turn.ts';

const reasonLimit = 500;

/** The staff's half of `/giahan`: wishes for more time, decided by buttons or with another day. */
export const extensionReviewDialog: DialogPart = {
  commands: [{ name: 'giahan', aliases: ['gia han', 'extension'], roles: ['staff'], run: (turn) => decideExtensions(turn) }],
  choices: {
    'gh-ds': (turn, [after]) => showList(turn, after || null),
    'gh-xem': (turn, [id]) => showRequest(turn, known(id)),
    'gh-duoc': async (turn, [id, day]) => grant(turn, known(id), localDateSchema.safeParse(day).data ?? null, null),
    'gh-ngay': (turn, [id]) => ask(turn, 'grant-day', known(id), 'extension-review.ask-day'),
    'gh-khong': (turn, [id]) => ask(turn, 'grant-refusal', known(id), 'extension-review.ask-why'),
  },
  drafts: {
    async 'grant-day'(turn, draft) {
      const day = readDay(typedText(turn) ?? '', turn.core.calendar.dayOf(turn.incoming.at));
      if (!day) throw new Refusal('day-malformed');
      const reply = await grant(turn, String(draft.data.assignment), day, typedText(turn));
      await turn.core.store.drafts.clear(draftOwner(turn));
      return reply;
    },
    'grant-refusal': takeRefusal,
  },
  notices: {
    async 'extension-asked'(notice, to) {
      const found = await readDelivered(to.core, notice.assignment);
      const asked = found?.assignment.asked;
      // Decided meanwhile by a colleague, or asked anew for another day: this one is not true any more.
      if (!found || !asked || asked.lastDay !== notice.lastDay || !hasRole(to.person, 'staff')) return null;
      const plan = await currentPlan(to.core, found.assignment.plan);
      return {
        text: [
          to.say('extension-review.notice', { unit: found.unit.name }), titleOf(plan, found.assignment.obligation, to.language),
          to.say('extension-review.asked', { day: asked.lastDay }), to.say('extension-review.why', { why: shorten(asked.why, 300) }), ...(to.again ? [to.say('digest.again')] : []),
        ].join('\n'),
        choices: decisionChoices(to, notice.assignment, asked.lastDay).map((choice) => [choice]),
      };
    },
  },
};

/** The wishes for more time that wait, for the command both roles share. */
export async function decideExtensions(turn: Turn): Promise<Reply> {
  return showList(requirePerson(turn), null);
}

function known(id: string | undefined): string {
  if (!id) throw new Refusal('choice-unknown');
  return id;
}

function decisionChoices(words: Pick<Delivery, 'say'>, id: string, day: string): Choice[] {
  return [button(words.say('review.grant', { day }), 'gh-duoc', id, day), button(words.say('review.grant-other'), 'gh-ngay', id), button(words.say('review.refuse'), 'gh-khong', id)];
}

async function showList(turn: PersonTurn, after: string | null): Promise<Reply> {
  const plan = await currentPlan(turn.core);
  const page = await listAskedExtensions(turn.core, turn.person, plan.plan, { after, limit: longListSize });
  if (page.items.length === 0) return screen(turn, [turn.say('extension-review.none')]);
  return screen(
    turn,
    [
      turn.say('extension-review.title', { plan: plan.plan }),
      ...page.items.map(({ assignment, unit }, index) => turn.say('extension-review.entry', { n: index + 1, unit: unit.name, obligation: titleOf(plan, assignment.obligation, turn.language), day: assignment.asked?.lastDay ?? '' })),
    ],
    [
      ...page.items.map(({ assignment, unit }, index) => button(turn.say('extension-review.open', { n: index + 1, unit: unit.name }), 'gh-xem', assignment.id)),
      [
        ...(after === null ? [] : [button(turn.say('screen.first'), 'gh-ds')]),
        ...(page.next === null ? [] : [button(turn.say('screen.next'), 'gh-ds', page.next)]),
      ],
    ],
  );
}

async function showRequest(turn: PersonTurn, id: string): Promise<Reply> {
  const { assignment, unit } = await readReview(turn.core, turn.person, id);
  const { asked } = assignment;
  const back = button(turn.say('extension-review.list'), 'gh-ds');
  if (!asked) return screen(turn, [turn.say('extension-review.decided')], [back]);
  return screen(
    turn,
    [...(await assignmentLines(turn, assignment, unit)), turn.say('extension-review.asked', { day: asked.lastDay }), turn.say('extension-review.why', { why: shorten(asked.why, 300) })],
    [...decisionChoices(turn, id, asked.lastDay), back],
  );
}

async function grant(turn: PersonTurn, id: string, day: string | null, words: string | null): Promise<Reply> {
  if (!day) throw new Refusal('choice-unknown');
  const { assignment: before } = await readReview(turn.core, turn.person, id);
  const why = before.asked?.why ?? words ?? turn.say('extension-review.granted-why');
  const extended = await grantExtension(turn.core, turn.person, id, day, why, turn.incoming.at);
  return screen(turn, [turn.say(extended.extended ? 'extension-review.granted-on-time' : 'extension-review.granted', { day })], [button(turn.say('extension-review.list'), 'gh-ds')]);
}

async function ask(turn: PersonTurn, flow: string, id: string, key: string): Promise<Reply> {
  const { unit } = await readReview(turn.core, turn.person, id);
  await turn.core.store.drafts.set(draftOwner(turn), { flow, data: { assignment: id }, at: turn.incoming.at });
  return { text: turn.say(key, { unit: unit.name }) };
}

async function takeRefusal(turn: PersonTurn, draft: Draft): Promise<Reply> {
  const why = typedText(turn);
  if (!why) throw new Refusal('text-empty');
  const length = why.length;
  if (length > reasonLimit) throw new Refusal('text-too-long', { limit: reasonLimit, length });
  await declineExtension(turn.core, turn.person, String(draft.data.assignment), why, turn.incoming.at);
  await turn.core.store.drafts.clear(draftOwner(turn));
  return screen(turn, [turn.say('extension-review.refused')], [button(turn.say('extension-review.list'), 'gh-ds')]);
}
