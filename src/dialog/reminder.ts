import { can } from '../domain/access.ts';
import { dueOf } from '../domain/deadline.ts';
import { readOwnAssignment, viewAssignment } from '../services/assignments.ts';
import { readOwnPledge, viewOpenPledge } from '../services/pledges.ts';
import { sayDaysLeft, sayDue } from './deadline.ts';
import { actionOfDuty, dueOfDuty, stateOfDuty, titleOfDuty } from './duty.ts';
import { factsOf } from './facts.ts';
import { button, screen } from './screen.ts';
import type { DialogPart } from './turn.ts';

/** Reminders in words, at the moment they leave: dropped when nothing is owed any more, or under another deadline; and the button that says "received". */
export const reminderDialog: DialogPart = {
  choices: {
    async 'nhan'(turn, [id = '']) {
      const view = await readOwnAssignment(turn.core, turn.person, id);
      await turn.core.store.outbox.acknowledge(id, turn.person.id, turn.core.clock());
      return { text: turn.say('reminder.acknowledged', { title: titleOfDuty(turn, view) }) };
    },
    async 'nhan-ck'(turn) {
      const { pledge, obligation } = await readOwnPledge(turn.core, turn.person);
      await turn.core.store.outbox.acknowledge(pledge.id, turn.person.id, turn.core.clock());
      return { text: turn.say('reminder.acknowledged', { title: obligation.title[turn.language] }) };
    },
  },
  notices: {
    async 'reminder'(notice, to) {
      const assignment = await to.core.store.assignments.get(notice.assignment);
      // Handed in, waived, void, extended, returned: it belongs to another wave now, or to none.
      if (!assignment || assignment.wave !== notice.wave) return null;
      const view = await viewAssignment(to.core, assignment);
      if (!view || !can(to.person, 'unit.submit', view.unit)) return null;
      const lines = [
        to.again ? to.say('reminder.again') : null,
        to.say(view.overdue ? 'reminder.late' : 'reminder.title', { title: titleOfDuty(to, view) }),
        to.say('receipt.unit', { unit: view.unit.name }), to.say(`status.wants-${view.obligation.deliverable}`), to.say('submission.due', { due: dueOfDuty(to, view) }), stateOfDuty(to, view),
        assignment.loadedLate ? to.say('status.loaded-late') : null,
        assignment.correction ? to.say('status.reason', { reason: assignment.correction.reason }) : null,
      ];
      const due = assignment.correction?.due ?? assignment.due;
      const reply = screen({ pressedOn: null }, lines, [
        [actionOfDuty(to, view), button(to.say('reminder.acknowledge'), 'nhan', assignment.id)].filter((choice) => choice !== null),
        [...(assignment.due ? [button(to.say('status.do-extension'), 'xin', assignment.id)] : []), button(to.say('status.do-quote'), 'trich', assignment.id)],
      ]);
      return { ...reply, facts: factsOf(to, { unit: view.unit.name, duty: titleOfDuty(to, view), due }) };
    },
    async 'pledge-reminder'(notice, to) {
      const view = await viewOpenPledge(to.core, notice.pledge);
      if (!view || view.pledge.wave !== notice.wave || view.pledge.person !== to.person.id) return null;
      const due = dueOf(view.obligation.due, to.core.calendar);
      const lines = [
        to.again ? to.say('reminder.again') : null,
        // By the clock of the moment it leaves: what waited past the deadline does not sound as if there were time.
        to.say(due && to.core.clock() >= due.deadline ? 'reminder.pledge-late' : 'reminder.title', { title: view.obligation.title[to.language] }),
        to.say('submission.due', { due: sayDue(to.say, view.obligation, due) }),
        due ? sayDaysLeft(to.say, due, to.core.clock(), to.core.calendar) : null,
        view.pledge.state === 'draft' ? to.say('reminder.pledge-draft') : to.say('reminder.pledge-open'),
      ];
      const reply = screen({ pressedOn: null }, lines, [[button(to.say(view.pledge.state === 'draft' ? 'reminder.pledge-read' : 'pledge.write'), 'ck'), button(to.say('reminder.acknowledge'), 'nhan-ck')]]);
      return { ...reply, facts: factsOf(to, { duty: view.obligation.title[to.language], due }) };
    },
  },
};
