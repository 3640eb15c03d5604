import { can } from '../domain/access.ts';
import type { Choice, Reply } from '../domain/message.ts';
import type { Deliverable } from '../domain/obligation.ts';
import { dueOnLastDay } from '../domain/deadline.ts';
import { foldText } from '../domain/spelling.ts';
import type { AssignmentView } from '../services/assignments.ts';
import { sayDaysLeft, sayDue } from './deadline.ts';
import { button, screen, shortListSize } from './screen.ts';
import type { Delivery, PersonTurn, Turn } from './turn.ts';

/** What is needed to put a duty into words: a turn, or a delivery. */
export type Speaker = Pick<Turn, 'core' | 'language' | 'say'> | Pick<Delivery, 'core' | 'language' | 'say'>;

const verbs: Readonly<Partial<Record<Deliverable, string>>> = { report: 'nop', confirmation: 'xn', text: 'nv' };

/** The title of what is asked for, with the day where it is one day of several. @example titleOfDuty(turn, view) → 'Báo cáo 6 tháng' */
export function titleOfDuty(speaker: Speaker, view: Pick<AssignmentView, 'obligation' | 'assignment'>): string {
  const title = view.obligation.title[speaker.language];
  return view.assignment.day === null ? title : speaker.say('status.title-day', { title, day: view.assignment.day });
}

/** The written rule with the last valid day; of a returned one the day of its correction too. */
export function dueOfDuty(speaker: Speaker, view: Pick<AssignmentView, 'obligation' | 'assignment'>): string {
  return sayDue(speaker.say, view.obligation, view.assignment.due, view.assignment.day);
}

/** One word on where it stands, with its sign: days left or late while owed, the verdict once handed in. */
export function stateOfDuty(speaker: Speaker, view: Pick<AssignmentView, 'assignment' | 'overdue'>): string {
  const { assignment, overdue } = view;
  const { core, say } = speaker;
  const now = core.clock();
  if (assignment.state === 'submitted') return say('status.submitted', { verdict: verdictOfDuty(speaker, assignment) });
  if (assignment.state === 'accepted') return say('status.accepted', { verdict: verdictOfDuty(speaker, assignment) });
  if (assignment.state === 'waived') return say('status.waived');
  if (assignment.state === 'void') return say('status.void');
  if (assignment.state === 'returned' && assignment.correction) {
    return say(overdue ? 'status.returned-late' : 'status.returned', { day: assignment.correction.due.lastDay, days: sayDaysLeft(say, assignment.correction.due, now, core.calendar) });
  }
  if (assignment.due) return say(overdue ? 'status.overdue' : 'status.pending', { days: sayDaysLeft(say, assignment.due, now, core.calendar) });
  const today = core.calendar.dayOf(now);
  if (assignment.day !== null && assignment.day >= today) return say('status.day-ahead', { days: sayDaysLeft(say, dueOnLastDay(assignment.day, core.calendar), now, core.calendar) });
  return say('status.undated');
}

/** The verdict in words: on time, on time by an extension, late; where nothing can be late, that. */
export function verdictOfDuty(speaker: Pick<Speaker, 'say'>, assignment: Pick<AssignmentView['assignment'], 'verdict' | 'extended' | 'due'>): string {
  if (!assignment.due || assignment.verdict === null) return speaker.say('status.no-verdict');
  if (assignment.verdict === 'late') return speaker.say('status.late');
  return speaker.say(assignment.extended ? 'status.extended' : 'status.on-time');
}

/** A short name for a button: the title, with the unit before it for somebody with several units. */
export function labelOfDuty(turn: PersonTurn, view: AssignmentView): string {
  const several = turn.person.roles.filter((held) => held.role === 'chair').length > 1;
  const title = titleOfDuty(turn, view);
  return several ? turn.say('status.unit-title', { unit: view.unit.name, title }) : title;
}

/** The button that hands in what the duty asks for; null for what is not handed in, or by somebody who does not stand for the unit. */
export function actionOfDuty(speaker: Speaker & Pick<PersonTurn, 'person'>, view: AssignmentView, label: string | null = null): Choice | null {
  const verb = verbs[view.obligation.deliverable];
  if (!verb || !can(speaker.person, 'unit.submit', view.unit)) return null;
  return button(label ?? speaker.say(`status.do-${verb}`), verb, view.assignment.id);
}

/** Asks which of several duties is meant; where there are more than a screen holds, the last button leads to the whole list. */
export function askWhichDuty(turn: PersonTurn, question: string, offered: readonly AssignmentView[], verb: string): Reply {
  const shown = offered.slice(0, shortListSize);
  const more = offered.length > shown.length ? button(turn.say('submission.all'), 'viec-ds', '-', 0) : null;
  return screen({ pressedOn: null }, [question, ...shown.map((view) => `• ${labelOfDuty(turn, view)} — ${dueOfDuty(turn, view)}`)], [...shown.map((view) => button(labelOfDuty(turn, view), verb, view.assignment.id)), more]);
}

/** The duties whose title holds the typed words; all of them when none does. */
export function namedDuties<View extends AssignmentView>(speaker: Speaker, views: readonly View[], typed: string): View[] {
  const found = findNamed(speaker, views, typed);
  return found.length > 0 ? found : [...views];
}

/**
 * The duties that words name, by the title or the plan's key, whole or in part; a sentence that holds the whole name names it too. None when nothing is said.
 * @example findNamed(turn, views, 'bc: bao cao 6 thang cua don vi') → those of the key 'bao-cao-6-thang'
 */
export function findNamed<View extends AssignmentView>(speaker: Speaker, views: readonly View[], typed: string): View[] {
  const words = foldName(typed);
  if (words.trim() === '') return [];
  const whole = views.filter((view) => namesOf(speaker, view).some((name) => words.includes(name)));
  return whole.length > 0 ? whole : views.filter((view) => namesOf(speaker, view).some((name) => name.includes(words.trim())));
}

function namesOf(speaker: Speaker, view: AssignmentView): string[] {
  return [titleOfDuty(speaker, view), view.obligation.title.vi, view.obligation.title.en, view.obligation.key].map(foldName);
}

/** Between spaces, so that a word is not found inside another; "06 tháng" is "6 tháng". */
function foldName(text: string): string {
  return ` ${foldText(text).replace(/\b0+(?=\d)/g, '')} `;
}
