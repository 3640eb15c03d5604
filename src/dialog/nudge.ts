import { shortRef } from '../domain/choice.ts';
import type { Reply } from '../domain/message.ts';
import { unitsOf } from '../domain/person.ts';
import { obligationOf } from '../domain/plan.ts';
import type { Unit } from '../domain/unit.ts';
import { currentPlan } from '../services/current-plan.ts';
import { nudgeAssignment, nudgeOverdue, type Nudged } from '../services/nudges.ts';
import { countOverdue, type OverdueQuery } from '../services/overdue.ts';
import type { Scope } from '../services/scopes.ts';
import { readDelivered } from '../services/unit-cards.ts';
import { sayDaysLeft, sayDue } from './deadline.ts';
import { factsOf } from './facts.ts';
import { countWords, readPlace, readQuestion, refOf } from './overdue.ts';
import { button, requirePerson, screen } from './screen.ts';
import type { DialogPart, PersonTurn } from './turn.ts';

/** `/nhac [obligation] [unit]`: reminds everybody overdue there now, after showing how many; a button reminds of one duty. */
export const nudgeDialog: DialogPart = {
  commands: [{
    name: 'nhac', aliases: ['nhac nho', 'nhac ngay', 'nudge'], roles: ['staff'],
    run: (turn, rest) => readQuestion(requirePerson(turn), rest, 'nhac-hoi', (scope, unit) => askNudge(requirePerson(turn), scope, unit)),
  }],
  choices: {
    'nhac': async (turn, [id]) => screen(turn, [doneWords(turn, await nudgeAssignment(turn.core, turn.person, id ?? ''))], id ? [button(turn.say('nudge.evidence'), 'bc', id, 0)] : []),
    'nhac-hoi': async (turn, [scope, unit]) => askNudge(turn, ...(await readPlace(turn, scope, unit))),
    'nhac-gui': async (turn, [ref, place]) => {
      const [scope, unit] = await readPlace(turn, ref, place);
      return screen(turn, [doneWords(turn, await nudgeOverdue(turn.core, turn.person, queryOf(scope, unit)))], [button(turn.say('nudge.overdue'), 'qh', refOf(scope), shortRef(unit.code))]);
    },
    'nhac-thoi': async (turn) => screen(turn, [turn.say('screen.done')]),
  },
  notices: {
    async 'nudge'(notice, to) {
      const found = await readDelivered(to.core, notice.assignment);
      if (!found || (found.assignment.state !== 'open' && found.assignment.state !== 'returned')) return null;
      const { assignment, unit } = found;
      // Somebody else took over the unit meanwhile: it is theirs to hear.
      if (!unitsOf(to.person, 'chair').includes(unit.code)) return null;
      const plan = await currentPlan(to.core, assignment.plan);
      const obligation = obligationOf(plan, assignment.obligation);
      if (!obligation) return null;
      const due = assignment.correction?.due ?? assignment.due;
      const lines = [
        to.say('nudge.title', { unit: unit.name }),
        obligation.title[to.language],
        sayDue(to.say, obligation, assignment.due, assignment.day),
        ...(assignment.correction ? [to.say('evidence.correction', { day: assignment.correction.due.lastDay, reason: assignment.correction.reason.slice(0, 200) })] : []),
        ...(due ? [to.say('nudge.when', { when: sayDaysLeft(to.say, due, to.core.clock(), to.core.calendar) })] : []),
        to.say('nudge.ask'),
        ...(to.again ? [to.say('digest.again')] : []),
      ];
      return { text: lines.join('\n'), facts: factsOf(to, { unit: unit.name, duty: obligation.title[to.language], due }), choices: [[button(to.say('nudge.submit'), 'do', 'nop')], [button(to.say('nudge.more-time'), 'do', 'giahan')]] };
    },
  },
};

function queryOf(scope: Scope, unit: Unit): OverdueQuery {
  return { plan: scope.plan.plan, obligation: scope.obligation?.key ?? null, unit: unit.code };
}

async function askNudge(turn: PersonTurn, scope: Scope, unit: Unit): Promise<Reply> {
  const total = await countOverdue(turn.core, turn.person, queryOf(scope, unit));
  const about = { unit: unit.name, what: scope.obligation?.title[turn.language] ?? turn.say('overdue.whole-plan', { plan: scope.plan.plan }) };
  if (total.count === 0) return screen(turn, [turn.say('nudge.nothing', about)]);
  return screen(turn, [turn.say('nudge.preview', { ...about, total: countWords(turn, total) })], [button(turn.say('nudge.send'), 'nhac-gui', refOf(scope), shortRef(unit.code)), button(turn.say('screen.cancel'), 'nhac-thoi')]);
}

function doneWords(turn: PersonTurn, done: Nudged): string {
  return [
    turn.say('nudge.queued', { n: done.queued }),
    ...(done.already > 0 ? [turn.say('nudge.already', { n: done.already })] : []),
    ...(done.unreached > 0 ? [turn.say('nudge.unreached', { n: done.unreached })] : []),
  ].join('\n');
}
