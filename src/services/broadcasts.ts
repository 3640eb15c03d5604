import { z } from 'zod';
import { requireAccess, type Viewer } from '../domain/access.ts';
import { roleSchema, type Person } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import type { Core, OutboxCounts } from '../ports.ts';
import { notify, type NoticeRequest } from './notify.ts';

/** The longest text of a broadcast, in characters. */
export const broadcastTextLimit = 2000;

const batchSize = 500;
const countKey = 'broadcasts/count';
const settledKey = 'broadcasts/settled';

/** Who a broadcast is for: everybody in a role (null: everybody) within a unit's subtree (null: the whole tree). */
export const audienceSchema = z.strictObject({ role: roleSchema.nullable(), unit: z.string().nullable() });
/** See {@link audienceSchema}. */
export type Audience = z.infer<typeof audienceSchema>;

const broadcastSchema = z.strictObject({
  id: z.string(),
  text: z.string(),
  by: z.string(),
  at: z.date(),
  audience: audienceSchema,
  /** People it was for when it was prepared. */
  people: z.number().int(),
  /** `prepared`: shown and not yet sent; `filling`: rows are being put into the outbox; `filled`: all are there; `dropped`: never sent. */
  state: z.enum(['prepared', 'filling', 'filled', 'dropped']),
});
/** A broadcast as it is kept. */
export type Broadcast = z.infer<typeof broadcastSchema>;

/** Whether the viewer may write to that audience. Throws Refusal `not-allowed` or `unit-unknown`. */
export async function checkAudience(core: Core, viewer: Viewer, audience: Audience): Promise<void> {
  requireAccess(viewer, 'office');
  if (audience.unit !== null && !(await core.store.units.get(audience.unit))) throw new Refusal('unit-unknown', { unit: audience.unit });
}

/** Counts the people of an audience. Throws like {@link checkAudience}. */
async function countAudience(core: Core, viewer: Viewer, audience: Audience): Promise<number> {
  await checkAudience(core, viewer, audience);
  let count = 0;
  for await (const person of core.store.people.stream(audience.role, audience.unit === null ? null : [audience.unit])) if (person.id !== viewer.id) count += 1;
  return count;
}

/** Keeps a text for an audience; nothing leaves before {@link sendBroadcast}. Throws Refusal `not-allowed`, `unit-unknown`, `text-empty` or `text-too-long`. */
export async function prepareBroadcast(core: Core, viewer: Viewer, audience: Audience, text: string, at: Date): Promise<Broadcast> {
  requireAccess(viewer, 'office');
  const trimmed = text.trim();
  if (trimmed === '') throw new Refusal('text-empty');
  if (trimmed.length > broadcastTextLimit) throw new Refusal('text-too-long', { limit: broadcastTextLimit, length: trimmed.length });
  const people = await countAudience(core, viewer, audience);
  const id = String(await core.store.settings.add(countKey, 1));
  const broadcast: Broadcast = { id, text: trimmed, by: viewer.id, at, audience, people, state: 'prepared' };
  await save(core, broadcast);
  return broadcast;
}

/** The broadcast of that id; null when there is none. */
export async function findBroadcast(core: Core, id: string): Promise<Broadcast | null> {
  const kept = broadcastSchema.safeParse(await core.store.settings.get(keyOf(id)));
  return kept.success ? kept.data : null;
}

/**
 * Puts one row per person into the outbox, streamed in batches. The keys hold the broadcast and the person: pressed twice, or begun again
 * after a kill, it completes and nobody gets it twice. Throws Refusal `not-allowed`, `choice-old` or `state-changed` (dropped).
 */
export async function sendBroadcast(core: Core, viewer: Viewer, id: string): Promise<Broadcast> {
  requireAccess(viewer, 'office');
  const broadcast = await findBroadcast(core, id);
  if (!broadcast) throw new Refusal('choice-old');
  if (broadcast.state === 'dropped') throw new Refusal('state-changed');
  if (broadcast.state === 'filled') return broadcast;
  await save(core, { ...broadcast, state: 'filling' });
  return fill(core, broadcast);
}

/** Drops a broadcast that was not sent yet. Throws Refusal `not-allowed`, `choice-old` or `state-changed` (it is on its way). */
export async function dropBroadcast(core: Core, viewer: Viewer, id: string): Promise<void> {
  requireAccess(viewer, 'office');
  const broadcast = await findBroadcast(core, id);
  if (!broadcast) throw new Refusal('choice-old');
  if (broadcast.state !== 'prepared' && broadcast.state !== 'dropped') throw new Refusal('state-changed');
  await save(core, { ...broadcast, state: 'dropped' });
}

/** How far a broadcast got. Throws Refusal `not-allowed` or `choice-old`. */
export async function readProgress(core: Core, viewer: Viewer, id: string): Promise<{ broadcast: Broadcast; counts: OutboxCounts }> {
  requireAccess(viewer, 'office');
  const broadcast = await findBroadcast(core, id);
  if (!broadcast) throw new Refusal('choice-old');
  return { broadcast, counts: await core.store.outbox.countsAbout(aboutOf(id)) };
}

/** Completes broadcasts whose rows were being put when the service was killed; called once when it starts. Answers how many. */
export async function resumeBroadcasts(core: Core): Promise<number> {
  const [count, settled] = await Promise.all([core.store.settings.add(countKey, 0), core.store.settings.get<number>(settledKey)]);
  let resumed = 0;
  let quiet = settled ?? 0;
  for (let number = quiet + 1; number <= count; number += 1) {
    const broadcast = await findBroadcast(core, String(number));
    if (broadcast?.state === 'filling') {
      await fill(core, broadcast);
      resumed += 1;
    }
    // A prepared one may still be sent: the next start looks at it again, and at everything after it.
    if (quiet === number - 1 && broadcast?.state !== 'prepared') quiet = number;
  }
  if (quiet !== (settled ?? 0)) await core.store.settings.set(settledKey, quiet);
  return resumed;
}

async function fill(core: Core, broadcast: Broadcast): Promise<Broadcast> {
  let batch: NoticeRequest[] = [];
  const request = (person: Person): NoticeRequest => ({ key: `broadcast/${broadcast.id}/${person.id}`, notice: { kind: 'broadcast', broadcast: broadcast.id }, person, about: aboutOf(broadcast.id) });
  const { role, unit } = broadcast.audience;
  for await (const person of core.store.people.stream(role, unit === null ? null : [unit])) {
    if (person.id === broadcast.by) continue;
    batch.push(request(person));
    if (batch.length >= batchSize) {
      await notify(core, batch);
      batch = [];
    }
  }
  if (batch.length > 0) await notify(core, batch);
  const filled: Broadcast = { ...broadcast, state: 'filled' };
  await save(core, filled);
  return filled;
}

async function save(core: Core, broadcast: Broadcast): Promise<void> {
  await core.store.settings.set(keyOf(broadcast.id), broadcast);
}

function keyOf(id: string): string {
  return `broadcast/${id}`;
}

function aboutOf(id: string): string {
  return `broadcast/${id}`;
}
