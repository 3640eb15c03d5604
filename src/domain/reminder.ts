import { addDays, type Calendar, type LocalDate } from './calendar.ts';
import type { Due } from './deadline.ts';

/** The stages of a deadline unless the plan lists its own: days from the last valid day. */
export const defaultStages: readonly number[] = [-14, -7, -3, -1, 0, 1, 3, 7];
/** The stages of a day to act on (`on`). */
export const defaultDayStages: readonly number[] = [-3, 0];
/** The stages of a correction after a return. */
export const correctionStages: readonly number[] = [-1, 0, 1, 3, 7];
/** From this offset on the unit above is told in its digest. */
export const digestFromOffset = 3;

/** When reminders leave, local time. */
export const reminderTime = '08:00';
const quietFrom = '20:00';
const quietUntil = '07:30';
const weeklyLimit = 8;

/** One reminder moment: `offset` in days from the last valid day as the plan counts it, `at` after moving off rest days. */
export interface Stage {
  offset: number;
  at: Date;
}

/** What stages are counted from: a deadline, or a day to act on (`deadline` null, never late, so no weekly reminders). */
export interface StageBase {
  lastDay: LocalDate;
  deadline: Date | null;
}

function placeStage(offset: number, base: StageBase, calendar: Calendar): Stage | null {
  const day = addDays(base.lastDay, offset);
  const moved = offset < -1 ? calendar.workingDayOnOrBefore(day) : offset > 0 ? calendar.workingDayOnOrAfter(day) : day;
  const at = calendar.instantOf(moved, reminderTime);
  // A deadline at 08:00 or earlier: a reminder on that morning would come too late to be of use.
  if (offset === 0 && base.deadline !== null && at >= base.deadline) return null;
  return { offset, at };
}

function placeStages(offsets: readonly number[], base: StageBase, calendar: Calendar): Stage[] {
  const byMorning = new Map<number, Stage>();
  for (const offset of offsets) {
    const stage = placeStage(offset, base, calendar);
    if (stage) byMorning.set(stage.at.getTime(), stage); // Offsets ascend: the later offset of one morning stays.
  }
  return [...byMorning.values()].sort((a, b) => a.at.getTime() - b.at.getTime());
}

/**
 * The listed stages after moving, each morning once, in order. Stages before the deadline move to the working day before,
 * −1 and 0 never move, stages after it move to the next working day.
 * @example listedStages([-14], { lastDay: '2024-05-02', deadline }, calendar) → [{ offset: -14, at: 2024-04-17T01:00:00.000Z }] (18/4 is a holiday)
 */
export function listedStages(offsets: readonly number[], base: StageBase, calendar: Calendar): Stage[] {
  return placeStages(offsets, base, calendar);
}

/**
 * Listed stages followed by the weekly ones: every seven days from the last listed stage (counted before moving), eight at most,
 * only where that stage lies after a deadline.
 */
export function allStages(offsets: readonly number[], base: StageBase, calendar: Calendar): Stage[] {
  const last = offsets.at(-1);
  // A last stage on or before the last valid day lies before the instant: nothing follows it.
  const weekly = base.deadline !== null && last !== undefined && last > 0 ? Array.from({ length: weeklyLimit }, (_, week) => last + 7 * (week + 1)) : [];
  return placeStages([...offsets, ...weekly], base, calendar);
}

/** The latest stage reached at that moment; null before the first. After downtime only this one goes out. */
export function latestStage(stages: readonly Stage[], now: Date): Stage | null {
  return stages.findLast((stage) => stage.at <= now) ?? null;
}

/** The first stage still ahead; null after the last. */
export function nextStage(stages: readonly Stage[], now: Date): Stage | null {
  return stages.find((stage) => stage.at > now) ?? null;
}

/**
 * When something that need not wake anybody may go out: `now` itself, or the end of the quiet hours (20:00–07:30).
 * @example outsideQuietHours(21:15 on 2/5, calendar) → 07:30 on 3/5
 */
export function outsideQuietHours(now: Date, calendar: Calendar): Date {
  const time = calendar.timeOf(now);
  if (time >= quietUntil && time < quietFrom) return now;
  const day = calendar.dayOf(now);
  return calendar.instantOf(time >= quietFrom ? addDays(day, 1) : day, quietUntil);
}

/** The due a reminder is about, with the stages that lead to it: what a tick advances. One wave serves every assignment that shares it. */
export interface Wave {
  /** See {@link waveId}. */
  id: string;
  kind: 'deadline' | 'day' | 'correction' | 'pledge';
  plan: string;
  obligation: string;
  lastDay: LocalDate;
  deadline: Date | null;
  offsets: readonly number[];
  /** When the next stage is to be looked at; null when none is left. */
  nextAt: Date | null;
}

/**
 * The key all assignments of one obligation with the same due share.
 * @example waveId('2024', 'bao-cao-6-thang', 'deadline', { lastDay: '2024-05-06', deadline }) → '2024/bao-cao-6-thang/deadline/2024-05-06T17:00:00.000Z'
 */
export function waveId(plan: string, obligation: string, kind: Wave['kind'], base: StageBase): string {
  return `${plan}/${obligation}/${kind}/${base.deadline ? base.deadline.toISOString() : base.lastDay}`;
}

/** A new wave; its first look is the first stage still ahead: a plan loaded later does not send old stages. */
export function createWave(what: Pick<Wave, 'kind' | 'plan' | 'obligation' | 'offsets'>, base: StageBase, calendar: Calendar, now: Date): Wave {
  const next = nextStage(allStages(what.offsets, base, calendar), now);
  return {
    id: waveId(what.plan, what.obligation, what.kind, base), kind: what.kind, plan: what.plan, obligation: what.obligation,
    lastDay: base.lastDay, deadline: base.deadline, offsets: what.offsets, nextAt: next?.at ?? null,
  };
}

/** A due as the base of stages. */
export function stageBase(due: Due): StageBase {
  return { lastDay: due.lastDay, deadline: due.deadline };
}
