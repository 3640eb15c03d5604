import type { Choice } from '../domain/message.ts';
import { hasRole, unitsOf } from '../domain/person.ts';
import { readDigest, readStaffDigest, type DigestContents } from '../services/digest-contents.ts';
import { titleOf } from '../services/scopes.ts';
import { factsOf } from './facts.ts';
import { countWords, overdueChoice, reachWords } from './overdue.ts';
import { shorten } from './screen.ts';
import { commandChoice, type Delivery, type DialogPart } from './turn.ts';

const shownRows = 4;

/** The daily digests and the alarms, in words as they are true at the moment of delivery. */
export const digestDialog: DialogPart = {
  notices: {
    async 'digest'(notice, to) {
      // Somebody else took over the unit meanwhile.
      if (!unitsOf(to.person, 'chair').includes(notice.unit)) return null;
      const contents = await readDigest(to.core, notice.unit, notice.day, shownRows);
      const [first] = contents;
      if (!first) return null;
      const lines = [to.say('digest.title', { unit: first.unit.name, day: notice.day }), ...contents.flatMap((content) => digestLines(to, content)), ...againLine(to)];
      return { text: lines.join('\n'), facts: factsOf(to, { unit: first.unit.name, duty: countWords(to, first.total) }), choices: contents.map((content) => [overdueChoice(to.say('digest.open', { plan: content.plan.plan }), { plan: content.plan, obligation: null }, content.unit)]) };
    },
    async 'staff-digest'(notice, to) {
      if (!hasRole(to.person, 'staff')) return null;
      const contents = await readStaffDigest(to.core, notice.day);
      if (!contents) return null;
      const { plan, root, overdue, fresh, reviews, extensions } = contents;
      const lines = [
        to.say('digest.staff-title', { day: notice.day, plan: plan.plan }),
        to.say('digest.overdue', { total: countWords(to, overdue) }),
        ...(fresh.count > 0 ? [to.say('digest.fresh', { total: countWords(to, fresh), day: fresh.since })] : []),
        ...(reviews.count > 0 ? [to.say('digest.reviews', { total: countWords(to, reviews) })] : []),
        ...(extensions.count > 0 ? [to.say('digest.extensions', { total: countWords(to, extensions) })] : []),
        ...againLine(to),
      ];
      const choices: Choice[][] = [
        ...(overdue.count > 0 ? [[overdueChoice(to.say('digest.open', { plan: plan.plan }), { plan, obligation: null }, { code: root.code })]] : []),
        ...(reviews.count > 0 ? [[commandChoice('duyet', to.say('digest.open-reviews'))]] : []),
        ...(extensions.count > 0 ? [[{ id: 'gh-ds', label: to.say('digest.open-extensions') }]] : []),
      ];
      return { text: lines.join('\n'), choices };
    },
    async 'alert'(notice, to) {
      const key = `alert.${notice.code}`;
      return { text: `⚠️ ${to.text.has(key) ? to.say(key, notice.params) : to.say('digest.alert', { code: notice.code })}` };
    },
  },
};

function digestLines(to: Delivery, content: DigestContents): string[] {
  const rest = content.total.more || content.total.count > content.rows.length;
  return [
    to.say('digest.late', { plan: content.plan.plan, total: countWords(to, content.total) }),
    ...content.rows.map((row) => to.say('digest.row', { unit: shorten(row.unit.name, 60), obligation: shorten(titleOf(content.plan, row.assignment.obligation, to.language), 60), count: row.daysLate, reach: reachWords(to, row) })),
    ...(rest ? [to.say('digest.rest')] : []),
  ];
}

function againLine(to: Delivery): string[] {
  return to.again ? [to.say('digest.again')] : [];
}
