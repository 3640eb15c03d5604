import type { Due } from '../domain/deadline.ts';
import { sayDaysLeft } from './deadline.ts';
import type { Delivery } from './turn.ts';

/**
 * The short facts of a notice, for channels that may only send an approved template at that moment: `name` (whom it is for), `unit`, `duty`, `due`, `left`.
 * A template must ask for these names and no others; where there is nothing to say stands a dash, because a parameter may not be empty.
 * @example factsOf(to, { unit: 'CĐCS xã Tân Thắng', duty: 'Báo cáo 6 tháng', due }) → { name: 'Lan', …, due: '06/5/2024', left: 'còn 3 ngày' }
 */
export function factsOf(to: Delivery, about: { unit?: string; duty?: string; due?: Due | null } = {}): Record<string, string> {
  const { due } = about;
  const facts = {
    name: to.person.name, unit: about.unit ?? '', duty: about.duty ?? '',
    due: due ? to.say('deadline.day', { day: due.lastDay }) : '', left: due ? sayDaysLeft(to.say, due, to.core.clock(), to.core.calendar) : '',
  };
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, value.trim() || '–']));
}
