import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createWebChannel, type WebChannel } from './channels/web/adapter.ts';
import { BadConfig, type Config } from './config.ts';
import type { Assignment } from './domain/assignment.ts';
import type { Role } from './domain/person.ts';
import { readPlanFile } from './files/plan-file.ts';
import { readUnitSheet } from './files/unit-sheet.ts';
import { serveDemo, type Demo, type DemoState } from './http/demo.ts';
import { databaseFolder, openHouse, startHouse, type House, type Service } from './house.ts';
import { linkForDocument } from './services/links.ts';
import { offerNumbers } from './services/offers.ts';
import { issueCode } from './services/pairing.ts';
import { loadPlan } from './services/plans.ts';
import { importUnits } from './services/units.ts';

/** Where the demo's clock starts: ten minutes before the reminders of the day before the pledges are due. */
const demoStart = new Date('2024-04-08T07:55:00+07:00');
const seedsFolder = join(import.meta.dirname, '..', 'seeds');
const markKey = 'demo';
const clockKey = 'demo/clock';

/** The people of the demo. The last one is paired and never answers: somebody has to be late. */
const cast: readonly { chat: string; role: Role; unit: string; name: string; pairedByStory: boolean }[] = [
  { chat: 'staff', role: 'staff', unit: 'LDLD-BT', name: 'Lê Hồng Phúc', pairedByStory: false },
  { chat: 'chair', role: 'chair', unit: 'LDLD-PT', name: 'Nguyễn Thị Lan', pairedByStory: true },
  { chat: 'member', role: 'member', unit: 'CS-PT-01', name: 'Trần Văn Minh', pairedByStory: false },
  { chat: 'silent', role: 'chair', unit: 'LDLD-LG', name: 'Phạm Quốc Dũng', pairedByStory: false },
];
const phones = ['chair', 'member', 'staff'] as const;

/** A running demo. */
export interface RunningDemo {
  address: string;
  stop(): Promise<void>;
}

/**
 * Starts the demo: the real service on the embedded database with the seeds, the web chat and a clock that can be moved, whatever channels the
 * environment names. Refuses a data folder that holds real data (BadConfig): the demo may delete what it made, never anything else.
 */
export async function startDemo(given: Config): Promise<RunningDemo> {
  const config: Config = { ...given, telegram: null, zaloBot: null, zaloOa: null, mongodbUri: null, publicUrl: null, host: isLoopback(given.host) ? given.host : '127.0.0.1', now: given.now ?? demoStart };
  let running = await startOnce(config, restart);
  // The port that was found free stays the same when the demo begins again.
  config.port = Number(new URL(running.service.address).port);

  async function restart(): Promise<void> {
    await running.service.stop();
    await rm(databaseFolder(config), { recursive: true, force: true });
    running = await startOnce(config, restart);
  }

  return { address: running.service.address, stop: () => running.stop() };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

async function startOnce(config: Config, restart: () => Promise<void>): Promise<{ service: Service; stop(): Promise<void> }> {
  const house = await openHouse(config);
  const { core } = house;
  try {
    await refuseRealData(house);
    const kept = await core.store.settings.get<string>(clockKey);
    if (kept !== null) house.clock.set(new Date(kept));
    const web = createWebChannel({
      transcripts: core.store.transcripts, files: core.store.files, clock: core.clock,
      nameOf: (chat) => cast.find((person) => person.chat === chat)?.name ?? '',
      offer: (chat, choices) => offerNumbers(core, 'web', chat, choices),
      linkFor: (chat, document) => linkForDocument(core, 'web', chat, document),
    });
    house.channels.set('web', web);
    await plant(house);
    const changes = new Set<() => void>();
    const service = await startHouse(house, { routes: (running) => [(app) => serveDemo(app, createDemo(running, web, changes, restart))] });
    await introduce(service, web);
    const keepClock = (): Promise<void> => core.store.settings.set(clockKey, core.clock().toISOString()).catch(() => undefined);
    const timer = setInterval(() => void keepClock(), 10_000);
    return {
      service,
      async stop() {
        clearInterval(timer);
        await keepClock();
        await service.stop();
      },
    };
  } catch (error) {
    await house.close().catch(() => undefined);
    throw error;
  }
}

async function refuseRealData({ core, config }: House): Promise<void> {
  const isDemo = (await core.store.settings.get<boolean>(markKey)) === true;
  if (!isDemo && (await core.store.units.root()) !== null) throw new BadConfig([`${config.dataDir} holds real data, and the demo may delete what it finds: set DATA_DIR to another folder`]);
  await core.store.settings.set(markKey, true);
}

/** Whether a database was made by the demo: the real service must not run on it. */
export async function isDemoData(house: House): Promise<boolean> {
  return (await house.core.store.settings.get<boolean>(markKey)) === true;
}

/** Loads the seeds; what is there already stays as it is. */
export async function plant({ core }: Pick<House, 'core'>): Promise<void> {
  if ((await core.store.units.root()) === null) {
    const sheet = await readUnitSheet(await readFile(join(seedsFolder, 'units.csv')));
    const { errors } = await importUnits(core, sheet.rows, { dryRun: false });
    if (sheet.mistakes.length > 0 || errors.length > 0) throw new Error('the seeds do not fit together');
  }
  const { plan } = readPlanFile(await readFile(join(seedsFolder, 'plans', '2024.yaml')), core.levels);
  if (!plan) throw new Error('the seeds do not fit together');
  if ((await core.store.plans.get(plan.plan)) === null) await loadPlan(core, plan);
}

/** Pairs the people whose pairing the story does not show, through the same dialog as everybody. */
async function introduce(service: Service, web: WebChannel): Promise<void> {
  for (const person of cast) {
    if (person.pairedByStory || (await service.house.core.store.people.byAddress('web', person.chat))) continue;
    await pairByDialog(service, web, person);
  }
}

async function pairByDialog({ house, handle }: Service, web: WebChannel, person: (typeof cast)[number]): Promise<void> {
  const { code } = await issueCode(house.core, { unit: person.unit, role: person.role, use: 'once', by: null });
  await web.say(person.chat, randomUUID(), code);
  await handle.idle();
  await web.say(person.chat, randomUUID(), house.text.say('vi', 'pairing.agree'));
  await handle.idle();
}

function createDemo(service: Service, web: WebChannel, changes: Set<() => void>, restart: () => Promise<void>): Demo {
  const { house, handle } = service;
  const { core, text, clock } = house;
  const changed = (): void => changes.forEach((tell) => tell());

  async function moveTo(now: Date): Promise<void> {
    clock.set(now);
    await core.store.settings.set(clockKey, now.toISOString());
    await service.look();
    core.wakeOutbox();
    changed();
  }

  async function nextMoment(): Promise<Date | null> {
    return core.store.waves.nextAt();
  }

  const demo: Demo = {
    text, timeZone: core.calendar.timeZone, files: core.store.files,
    async phones() {
      const units = await core.store.units.many(cast.map((person) => person.unit));
      return phones.map((chat) => {
        const person = cast.find((found) => found.chat === chat);
        return { chat, place: `${person?.name ?? ''} · ${units.find((unit) => unit.code === person?.unit)?.name ?? ''}` };
      });
    },
    async state() {
      const now = core.clock();
      const next = await nextMoment();
      return {
        now: now.toISOString(), nowText: text.say('vi', 'demo.now', { at: now }), nextText: next ? text.say('vi', 'demo.next-at', { at: next }) : null,
        story: await readStory(service, web), outbox: await core.store.outbox.counts(), assignments: await readAssignments(house),
      };
    },
    async moveClock(move) {
      const now = core.clock().getTime();
      const next = move === 'next' ? await nextMoment() : null;
      const day = 86_400_000;
      await moveTo(move === 'hour' ? new Date(now + 3_600_000) : next ? new Date(Math.max(now, next.getTime())) : new Date(now + day));
    },
    async play(step) {
      const person = cast.find((found) => found.chat === 'chair');
      if (step === 'pair' && person) await pairByDialog(service, web, person);
      if (step === 'remind') await demo.moveClock('next');
      if (step === 'submit') await web.upload('chair', randomUUID(), text.say('vi', 'demo.sample-name'), Readable.from([samplePdf()]));
      if (step === 'pledge') await web.say('member', randomUUID(), '/camket');
      if (step === 'late') await web.say('staff', randomUUID(), '/quahan');
      await handle.idle();
      changed();
    },
    async reset() {
      // Answered first: the server itself begins anew.
      setTimeout(() => void restart().catch((error: unknown) => house.log.error('the demo could not begin again', { error })), 100);
    },
    say: (chat, id, said) => web.say(chat, id, said).then(changed),
    press: (chat, id, choice, on) => web.press(chat, id, choice, on).then(changed),
    upload: (chat, id, name, stream) => web.upload(chat, id, name, stream).then(changed),
    history: (chat) => web.history(chat),
    watch: (listener) => web.watch(listener),
    watchState(listener) {
      changes.add(listener);
      return () => changes.delete(listener);
    },
  };
  return demo;
}

async function readStory({ house }: Service, web: WebChannel): Promise<DemoState['story']> {
  const { store } = house.core;
  const chair = cast.find((person) => person.chat === 'chair');
  const [paired, member] = [await store.people.byAddress('web', 'chair'), await store.people.byAddress('web', 'member')];
  const duties = await store.assignments.ofUnit(chair?.unit ?? '', null);
  const reminded = paired ? await store.outbox.countReminders(duties.map((duty) => duty.id)) : new Map<string, number>();
  const pledges = member ? await Promise.all((await store.plans.list()).map((plan) => store.pledges.get(`${plan.plan}/${member.id}`))) : [];
  const asked = (await web.history('staff')).some((entry) => entry.from === 'person' && entry.text.startsWith('/quahan'));
  return [
    { key: 'pair', done: paired !== null, ready: true },
    { key: 'remind', done: [...reminded.values()].some((count) => count > 0), ready: paired !== null },
    { key: 'submit', done: duties.some((duty) => duty.version > 0), ready: paired !== null },
    { key: 'pledge', done: pledges.some((pledge) => pledge?.state === 'confirmed'), ready: member !== null },
    { key: 'late', done: asked, ready: true },
  ];
}

async function readAssignments({ core, text }: House): Promise<DemoState['assignments']> {
  const units = await core.store.units.many(['LDLD-PT', 'LDLD-LG']);
  const plans = await core.store.plans.list();
  const rows: DemoState['assignments'] = [];
  for (const unit of units) {
    for (const duty of await core.store.assignments.ofUnit(unit.code, null)) rows.push({ unit: unit.name, title: titleOf(plans, duty), due: dueOf(text, duty), state: text.say('vi', `demo.inside.states.${duty.state}`) });
  }
  return rows;
}

function titleOf(plans: Awaited<ReturnType<House['core']['store']['plans']['list']>>, duty: Assignment): string {
  return plans.find((plan) => plan.plan === duty.plan)?.obligations.find((obligation) => obligation.key === duty.obligation)?.title.vi ?? duty.obligation;
}

function dueOf(text: House['text'], duty: Assignment): string {
  const day = duty.due?.lastDay ?? duty.day;
  return day === null ? text.say('vi', 'demo.inside.no-due') : text.say('vi', 'demo.inside.last-day', { day });
}

/** A small true PDF of one page, for somebody who has no file at hand. */
function samplePdf(): Buffer {
  const page = 'BT /F1 18 Tf 72 760 Td (Bao cao ket qua hoc tap chuyen de nam 2024) Tj ET';
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${page.length} >>\nstream\n${page}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];
  let body = '%PDF-1.4\n';
  const places = objects.map((object, index) => {
    const place = body.length;
    body += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return place;
  });
  const table = body.length;
  body += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${places.map((place) => `${String(place).padStart(10, '0')} 00000 n \n`).join('')}`;
  return Buffer.from(`${body}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${table}\n%%EOF\n`, 'latin1');
}
