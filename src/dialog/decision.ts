import { can } from '../domain/access.ts';
import type { Assignment } from '../domain/assignment.ts';
import type { Notice } from '../domain/notice.ts';
import { viewAssignment } from '../services/assignments.ts';
import { actionOfDuty, dueOfDuty, stateOfDuty, titleOfDuty, verdictOfDuty } from './duty.ts';
import { factsOf } from './facts.ts';
import { button, screen } from './screen.ts';
import type { DialogPart } from './turn.ts';

type Decision = Extract<Notice, { kind: 'decision' }>;

/** What the office decided, told to the unit's chairs; dropped when something else was decided meanwhile. */
export const decisionDialog: DialogPart = {
  notices: {
    async decision(notice, to) {
      const assignment = await to.core.store.assignments.get(notice.assignment);
      if (!assignment || !stillTrue(assignment, notice)) return null;
      const view = await viewAssignment(to.core, assignment);
      if (!view || !can(to.person, 'unit.read', view.unit)) return null;
      const { facts } = notice;
      const verdictTurned = notice.did === 'extended' && facts.before === 'late' && facts.after === 'on-time';
      const owed = assignment.state === 'open' || assignment.state === 'returned';
      const lines = [
        to.again ? to.say('reminder.again') : null,
        to.say(`decision.${notice.did}`, { title: titleOfDuty(to, view), receipt: assignment.receipt ?? '', day: facts.lastDay ?? '' }),
        to.say('receipt.unit', { unit: view.unit.name }),
        facts.reason ? to.say('status.reason', { reason: facts.reason }) : null,
        facts.why ? to.say('status.reason', { reason: facts.why }) : null,
        verdictTurned ? to.say('decision.verdict-turned', { receipt: assignment.receipt ?? '', verdict: verdictOfDuty(to, assignment) }) : null,
        owed ? to.say('submission.due', { due: dueOfDuty(to, view) }) : null, owed ? stateOfDuty(to, view) : null,
      ];
      const reply = screen({ pressedOn: null }, lines, [owed ? actionOfDuty(to, view) : null, button(to.say('receipt.view'), 'viec', assignment.id, 'm')]);
      return { ...reply, facts: factsOf(to, { unit: view.unit.name, duty: titleOfDuty(to, view), due: assignment.correction?.due ?? assignment.due }) };
    },
  },
};

function stillTrue(assignment: Assignment, { did, facts }: Decision): boolean {
  switch (did) {
    case 'accepted': return assignment.state === 'accepted';
    case 'returned': return assignment.state === 'returned' && assignment.correction?.due.lastDay === facts.lastDay;
    case 'extended': return assignment.state !== 'void' && assignment.extension?.lastDay === facts.lastDay;
    case 'waived': return assignment.state === 'waived';
    case 'waiver-taken-back': return assignment.state !== 'waived' && assignment.state !== 'void';
    case 'refused-extension': return true;
  }
}
