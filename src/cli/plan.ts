import { writtenRule } from '../dialog/deadline.ts';
import type { Calendar } from '../domain/calendar.ts';
import { dueKindOf, dueOf } from '../domain/deadline.ts';
import type { LineMistake } from '../domain/mistake.ts';
import { stageOffsets, type Obligation } from '../domain/obligation.ts';
import type { Plan } from '../domain/plan.ts';
import { listedStages, stageBase } from '../domain/reminder.ts';
import { readPlanFile } from '../files/plan-file.ts';
import { loadPlan } from '../services/plans.ts';
import { openDesk, putOut, putWords, readGiven, tableLine, withCore, type Desk } from './desk.ts';
import { CliFailure, exitCodes } from './exit.ts';

/** `dondoc plan check`: every mistake of the file, or what the plan asks for and when it is reminded of. */
export async function checkPlanFile(file: string, options: { json?: boolean }): Promise<void> {
  const desk = await openDesk();
  const bytes = await readGiven(file);
  const { plan, mistakes } = readPlanFile(bytes, desk.levels);
  for (const mistake of mistakes) putWords(sayMistake(desk, file, mistake));
  if (plan) warnOfYears(desk, file, plan);
  const obligations = (plan?.obligations ?? []).map((obligation) => describeObligation(desk, obligation));
  if (options.json) {
    const errors = mistakes.map((mistake) => ({ line: mistake.line, field: mistake.field, message: desk.sayMistake(mistake) }));
    await putOut(JSON.stringify({ plan: plan?.plan ?? null, obligations, errors }));
  } else {
    for (const obligation of obligations) await putOut(tableLine([obligation.key, obligation.clause, obligation.written, obligation.lastDay, obligation.stages.map((stage) => stage.offset).join(' ')]));
    if (plan) putWords(desk.say('plan-file.checked', { plan: plan.plan, count: plan.obligations.length }));
  }
  if (mistakes.length > 0) throw new CliFailure(exitCodes.badData);
}

/** `dondoc plan load`: loads or amends; a file with a mistake changes nothing. */
export async function loadPlanFile(file: string): Promise<void> {
  const desk = await openDesk();
  const { plan, mistakes } = readPlanFile(await readGiven(file), desk.levels);
  if (!plan) throw new CliFailure(exitCodes.badData, mistakes.map((mistake) => sayMistake(desk, file, mistake)));
  warnOfYears(desk, file, plan);
  const loaded = await withCore(desk, (core) => loadPlan(core, plan));
  if (loaded.mistakes.length > 0) throw new CliFailure(exitCodes.badData, loaded.mistakes.map((mistake) => `${file}: ${desk.sayMistake(mistake)}`));
  putWords(desk.say('plan-file.loaded', { plan: plan.plan, created: loaded.created, amended: loaded.amended, pledges: loaded.pledges }));
}

function sayMistake(desk: Desk, file: string, mistake: LineMistake): string {
  return `${file}:${mistake.line}: ${mistake.field === '' ? '' : `${mistake.field}: `}${desk.sayMistake(mistake)}`;
}

/** One obligation as `plan check --json` shows it; see operator.md. */
interface ObligationView {
  key: string;
  clause: string;
  rule: string;
  written: string;
  lastDay: string | null;
  deadline: string | null;
  stages: { offset: number; at: string; date?: string }[];
}

function describeObligation(desk: Pick<Desk, 'calendar' | 'say'>, obligation: Obligation): ObligationView {
  const due = dueOf(obligation.due, desk.calendar);
  return {
    key: obligation.key, clause: obligation.clause, rule: dueKindOf(obligation.due), written: writtenRule(desk.say, obligation.due),
    lastDay: due?.lastDay ?? null, deadline: due?.deadline.toISOString() ?? null, stages: stagesOf(obligation, desk.calendar),
  };
}

function stagesOf(obligation: Obligation, calendar: Calendar): ObligationView['stages'] {
  const due = dueOf(obligation.due, calendar);
  if (due) return listedStages(stageOffsets(obligation, due.lastDay), stageBase(due), calendar).map((stage) => ({ offset: stage.offset, at: stage.at.toISOString() }));
  const days = 'on' in obligation.due ? [...obligation.due.on].sort() : [];
  return days
    .flatMap((date) => listedStages(stageOffsets(obligation), { lastDay: date, deadline: null }, calendar).map((stage) => ({ offset: stage.offset, at: stage.at.toISOString(), date })))
    .sort((a, b) => a.at.localeCompare(b.at));
}

/** The years the plan's days and reminders lie in, where the holiday table ends. */
function warnOfYears(desk: Desk, file: string, plan: Plan): void {
  const years = plan.obligations.flatMap((obligation) => {
    const view = describeObligation(desk, obligation);
    return [view.lastDay, ...view.stages.flatMap((stage) => [stage.at, stage.date ?? null])].flatMap((day) => (day === null ? [] : [Number(day.slice(0, 4))]));
  });
  for (const year of [...new Set(years)].sort((a, b) => a - b)) if (!desk.calendar.knowsYear(year)) putWords(`${file}: ${desk.say('plan-file.no-holidays', { year })}`);
}
