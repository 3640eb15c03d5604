import type { Assignment } from '../domain/assignment.ts';
import { addDays } from '../domain/calendar.ts';
import type { Notice } from '../domain/notice.ts';
import type { Person, Recipient } from '../domain/person.ts';
import type { Pledge } from '../domain/pledge.ts';
import { allStages, latestStage, nextStage, type Stage, type Wave } from '../domain/reminder.ts';
import type { Core, Page } from '../ports.ts';
import { closeUnits } from './closures.ts';
import { sendDigests } from './digests.ts';
import { sweepKept } from './kept-files.ts';
import { notify, type NoticeRequest } from './notify.ts';
import { keepWindows } from './windows.ts';

/** What one look at the clock did. */
export interface TickReport {
  /** Waves whose stage was reached, and reminders that were new. */
  waves: number;
  reminders: number;
  /** Digests that were new. */
  digests: number;
  /** Assignments ended with their unit. */
  voided: number;
}

/**
 * Looks what is due at this moment and puts it into the outbox: units that close today, the waves whose next stage was reached (of each only
 * the latest stage, so that downtime makes no flood), the digests of this morning, files nobody said the purpose of. Repeating it, several processes doing it at once and a
 * crash in the middle are harmless: every notice has its own key, and a wave moves on only when all of its notices are in.
 */
export async function tick(core: Core): Promise<TickReport> {
  const now = core.clock();
  const voided = await closeUnits(core, now);
  const waves = await core.store.waves.due(now);
  let reminders = 0;
  for (const wave of waves) reminders += await sendWave(core, wave, now);
  const digests = await sendDigests(core, now);
  await keepWindows(core, now);
  await sweepKept(core, now);
  if (waves.length > 0) core.log.info('reminders', { waves: waves.length, reminders, digests });
  return { waves: waves.length, reminders, digests, voided };
}

/** Rows read and written at a time, and how many such pages at once: memory stays small, and neither we nor the database waits for the other. */
const batchSize = 500;
const pagesAtOnce = 6;

/** A stage that was reached, with the moment from which on it is of no more use. */
interface Reached extends Stage {
  expiresAt: Date | null;
}

async function sendWave(core: Core, wave: Wave, now: Date): Promise<number> {
  if (wave.nextAt === null) return 0;
  const stages = allStages(wave.offsets, { lastDay: wave.lastDay, deadline: wave.deadline }, core.calendar);
  const latest = latestStage(stages, now);
  const next = nextStage(stages, now);
  const expiresAt = next?.at ?? endOf(core, wave);
  let added = 0;
  // A stage from before the wave was last set (it was created or amended since) is history and stays unsaid.
  if (latest && latest.at >= wave.nextAt && (expiresAt === null || expiresAt > now)) {
    const reached = { ...latest, expiresAt };
    added = wave.kind === 'pledge' ? await remindMembers(core, wave, reached) : await remindChairs(core, wave, reached);
  }
  await core.store.waves.advance(wave.id, wave.nextAt, next?.at ?? null);
  return added;
}

/** A day to act on is over at its midnight; whoever owes a report goes on owing it. */
function endOf(core: Core, wave: Wave): Date | null {
  return wave.kind === 'day' ? core.calendar.instantOf(addDays(wave.lastDay, 1)) : null;
}

async function remindChairs(core: Core, wave: Wave, stage: Reached): Promise<number> {
  return streamWave(core, (after) => core.store.assignments.ofWave(wave.id, { after, limit: batchSize }), async (assignments) => {
    const chairs = await core.store.people.recipientsOf([...new Set(assignments.map((assignment) => assignment.unit))]);
    const byUnit = pairedBefore(chairs, stage.at);
    return assignments.flatMap((assignment) => (byUnit.get(assignment.unit) ?? []).map((chair) => reminderOf(wave, stage, assignment, chair)));
  });
}

/** The chairs of each unit who were paired when the stage was reached: who came later does not get what was due before. */
function pairedBefore(chairs: readonly Recipient[], at: Date): Map<string, Recipient[]> {
  const byUnit = new Map<string, Recipient[]>();
  for (const chair of chairs) {
    for (const role of chair.roles) {
      if (role.role !== 'chair' || role.since > at) continue;
      const of = byUnit.get(role.unit);
      if (of) of.push(chair);
      else byUnit.set(role.unit, [chair]);
    }
  }
  return byUnit;
}

function reminderOf(wave: Wave, stage: Reached, assignment: Pick<Assignment, 'id'>, person: Recipient): NoticeRequest {
  return request(wave, stage, assignment.id, person, { kind: 'reminder', assignment: assignment.id, wave: wave.id, offset: stage.offset });
}

async function remindMembers(core: Core, wave: Wave, stage: Reached): Promise<number> {
  return streamWave(core, (after) => core.store.pledges.ofWave(wave.id, { after, limit: batchSize }), async (pledges) => {
    const people = await core.store.people.many(pledges.flatMap((pledge) => (pledge.person === null ? [] : [pledge.person])));
    const byId = new Map(people.map((person) => [person.id, person]));
    return pledges.flatMap((pledge) => {
      const person = byId.get(pledge.person ?? '');
      return person && joinedBefore(person, pledge, stage.at) ? [pledgeReminderOf(wave, stage, pledge, person)] : [];
    });
  });
}

function joinedBefore(person: Person, pledge: Pledge, at: Date): boolean {
  return person.roles.some((role) => role.unit === pledge.unit && role.since <= at);
}

function pledgeReminderOf(wave: Wave, stage: Reached, pledge: Pledge, person: Person): NoticeRequest {
  return request(wave, stage, pledge.id, person, { kind: 'pledge-reminder', pledge: pledge.id, wave: wave.id, offset: stage.offset });
}

/** The key names the due by its kind and last day: the stages of an extended deadline are new ones, those of an amended hour are not. */
function request(wave: Wave, stage: Reached, about: string, person: Recipient, notice: Notice): NoticeRequest {
  return { key: `${notice.kind}/${about}/${wave.kind}-${wave.lastDay}/${stage.offset}/${person.id}`, notice, person, about, ...(stage.expiresAt ? { expiresAt: stage.expiresAt } : {}) };
}

/** Works through a wave page by page; while one page's people are found and its reminders are written, the next ones are read. */
async function streamWave<Item>(core: Core, read: (after: string | null) => Promise<Page<Item>>, remind: (items: readonly Item[]) => Promise<NoticeRequest[]>): Promise<number> {
  let added = 0;
  const work = async (items: readonly Item[]): Promise<void> => {
    const fresh = await notify(core, await remind(items));
    added += fresh;
  };
  const underWay = new Set<Promise<void>>();
  let after: string | null = null;
  do {
    const page: Page<Item> = await read(after);
    // One that failed stays in the set, where the next wait finds it.
    const task: Promise<void> = work(page.items).then(() => void underWay.delete(task));
    task.catch(() => undefined);
    underWay.add(task);
    if (underWay.size >= pagesAtOnce) await Promise.race(underWay);
    after = page.next;
  } while (after !== null);
  await Promise.all(underWay);
  return added;
}
