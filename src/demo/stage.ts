import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import type { WebChannel } from '../channels/web/adapter.ts';
import type { Assignment } from '../domain/assignment.ts';
import type { Language } from '../domain/person.ts';
import type { Plan } from '../domain/plan.ts';
import type { Demo, DemoState } from '../http/demo.ts';
import type { House, Service } from '../house.ts';
import { issueCode } from '../services/pairing.ts';
import { cast, castOf, phones, type CastMember } from './cast.ts';
import { keepDemoClock, readBirth } from './data.ts';
import { samplePdf } from './sample.ts';

const hourMs = 3_600_000;
const dayMs = 86_400_000;
/** How long an answer is waited for before the story goes on without it, in milliseconds. */
const answerMs = 5_000;
/** The units whose state is shown inside: the one of the story, and the one that never answers. */
const shownUnits = ['chair', 'silent'].map((chat) => castOf(chat).unit);

/** Pairs the people whose pairing the story does not show, through the same dialog as everybody. */
export async function introduceCast(service: Service, web: WebChannel): Promise<void> {
  for (const person of cast) {
    if (person.pairedByStory || (await service.house.core.store.people.byAddress('web', person.chat))) continue;
    await pairByDialog(service, web, person);
  }
}

async function pairByDialog({ house }: Service, web: WebChannel, person: CastMember): Promise<void> {
  const { code } = await issueCode(house.core, { unit: person.unit, role: person.role, use: 'once', by: null });
  for (const words of [code, house.text.say('vi', 'pairing.agree')]) {
    const answered = nextAnswer(web, person.chat);
    await web.say(person.chat, randomUUID(), words);
    await answered;
  }
}

/** Resolves at the bot's next word in a chat: the next sentence of the story comes after it, as from somebody who reads. */
function nextAnswer(web: WebChannel, chat: string): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      unwatch();
      resolve();
    };
    const timer = setTimeout(end, answerMs);
    const unwatch = web.watch((entry) => {
      if (entry.chat === chat && entry.from === 'bot') end();
    });
  });
}

/**
 * The demo as its page sees it: three chats, a clock, a story, and what happens inside.
 * `reset` begins anew with empty data; false when another process works on the same data.
 */
export function createStage(service: Service, web: WebChannel, reset: () => Promise<boolean>): Demo {
  const { house, handle } = service;
  const { core, text, clock } = house;
  const changes = new Set<() => void>();
  const changed = (): void => changes.forEach((tell) => tell());

  async function moveTo(now: Date): Promise<void> {
    clock.set(now);
    await keepDemoClock(house);
    await service.look();
    core.wakeOutbox();
    changed();
  }

  async function moveClock(move: 'hour' | 'day' | 'next'): Promise<void> {
    const now = core.clock().getTime();
    const next = move === 'next' ? await core.store.waves.nextAt() : null;
    await moveTo(next ? new Date(Math.max(now, next.getTime())) : new Date(now + (move === 'hour' ? hourMs : dayMs)));
  }

  return {
    text, timeZone: core.calendar.timeZone, files: core.store.files, reset, moveClock,
    async phones() {
      const units = await core.store.units.many(cast.map((person) => person.unit));
      return phones.map((chat) => {
        const person = castOf(chat);
        return { chat, place: `${person.name} · ${units.find((unit) => unit.code === person.unit)?.name ?? ''}` };
      });
    },
    async state(language) {
      const say = (key: string, params?: Record<string, unknown>): string => text.say(language, key, params);
      const now = core.clock();
      const next = await core.store.waves.nextAt();
      return {
        birth: await readBirth(house), now: now.toISOString(), nowText: say('demo.now', { at: now }), nextText: next ? say('demo.next-at', { at: next }) : null,
        story: await readStory(service, web), outbox: await core.store.outbox.counts(), inside: await readInside(house, language),
      };
    },
    async play(step) {
      if (step === 'pair') await pairByDialog(service, web, castOf('chair'));
      if (step === 'remind') await moveClock('next');
      if (step === 'submit') await web.upload('chair', randomUUID(), text.say('vi', 'demo.sample-name'), Readable.from([samplePdf()]));
      if (step === 'pledge') await web.say('member', randomUUID(), '/camket');
      if (step === 'late') await web.say('staff', randomUUID(), '/quahan');
      await handle.idle();
      changed();
    },
    say: (chat, id, said) => web.say(chat, id, said),
    press: (chat, id, choice, on) => web.press(chat, id, choice, on),
    upload: (chat, id, name, stream) => web.upload(chat, id, name, stream),
    history: (chat) => web.history(chat),
    watch: (listener) => web.watch(listener),
    watchState(listener) {
      changes.add(listener);
      return () => changes.delete(listener);
    },
  };
}

async function readStory({ house }: Service, web: WebChannel): Promise<DemoState['story']> {
  const { store } = house.core;
  const [paired, member] = [await store.people.byAddress('web', 'chair'), await store.people.byAddress('web', 'member')];
  const duties = await store.assignments.ofUnit(castOf('chair').unit, null);
  const reminded = paired ? await store.outbox.countReminders(duties.map((duty) => duty.id)) : new Map<string, number>();
  const pledges = member ? await Promise.all((await store.plans.list()).map((plan) => store.pledges.get(`${plan.plan}/${member.id}`))) : [];
  const asked = (await web.history('staff')).some((entry) => entry.from === 'person' && /quahan|quá hạn|overdue/i.test(entry.text));
  return [
    { key: 'pair', done: paired !== null, ready: true },
    { key: 'remind', done: [...reminded.values()].some((count) => count > 0), ready: paired !== null },
    { key: 'submit', done: duties.some((duty) => duty.version > 0), ready: paired !== null },
    { key: 'pledge', done: pledges.some((pledge) => pledge?.state === 'confirmed'), ready: member !== null },
    { key: 'late', done: asked, ready: true },
  ];
}

/** What the two units of the story owe, side by side: dated first, by their days. */
async function readInside({ core, text }: House, language: Language): Promise<DemoState['inside']> {
  const { store } = core;
  const say = (key: string, params?: Record<string, unknown>): string => text.say(language, key, params);
  const plans = await store.plans.list();
  const units = await store.units.many(shownUnits);
  const duties = await Promise.all(shownUnits.map((unit) => store.assignments.ofUnit(unit, null)));
  const reminded = await store.outbox.countReminders(duties.flat().map((duty) => duty.id));
  const rowKey = (duty: Assignment): string => `${duty.plan}/${duty.obligation}/${duty.day ?? ''}`;
  const dayOf = (duty: Assignment): string | null => duty.due?.lastDay ?? duty.day;
  const rows = new Map(duties.flat().map((duty) => [rowKey(duty), duty]));
  return {
    units: shownUnits.map((code) => units.find((unit) => unit.code === code)?.name ?? code),
    rows: [...rows.values()].sort((one, other) => (dayOf(one) ?? '9999').localeCompare(dayOf(other) ?? '9999')).map((row) => {
      const day = dayOf(row);
      return {
        title: titleOf(plans, row, language),
        due: day === null ? say('demo.inside.no-due') : say('demo.inside.last-day', { day }),
        states: duties.map((ofUnit) => {
          const duty = ofUnit.find((other) => rowKey(other) === rowKey(row));
          if (!duty) return null;
          const count = reminded.get(duty.id) ?? 0;
          return { state: duty.state, text: say(`demo.inside.states.${duty.state}`), reminded: count === 0 ? '' : say('demo.inside.reminded', { count }) };
        }),
      };
    }),
  };
}

function titleOf(plans: readonly Plan[], duty: Assignment, language: Language): string {
  return plans.find((plan) => plan.plan === duty.plan)?.obligations.find((obligation) => obligation.key === duty.obligation)?.title[language] ?? duty.obligation;
}
