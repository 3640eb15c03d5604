import type { Calendar } from '../../domain/calendar.ts';
import type { Clock, SettingStore } from '../../ports.ts';

/** What costs money: a message between 48 hours and seven days after a person's last word, and a template. */
export const priceClasses = ['message', 'template'] as const;
/** See {@link priceClasses}. */
export type PriceClass = (typeof priceClasses)[number];

/** Money spent on messages today, by price class, with the cap the operator set. All sums are đồng. */
export interface Budget {
  /** The cap of a day. */
  limit: number;
  /** Whether that much may still be spent on that day; answered from memory, for a quick look before sending. Of a day to come nothing is spent yet. */
  allows(cost: number, at: Date): boolean;
  /** Takes the money before the call, so that several processes together never pass the cap; false when it is used up. */
  take(priceClass: PriceClass, cost: number): Promise<boolean>;
  /** Gives back what was taken for a message that surely was not sent. */
  giveBack(priceClass: PriceClass, cost: number): Promise<void>;
  /** Spent today, by price class; `all` is the sum. */
  spent(): Promise<Record<string, number>>;
  /** Reads today's sum from the store; at the start and when the day changes. */
  refresh(): Promise<void>;
}

/** A budget of that many đồng a day (local days); 0: nothing paid is sent. */
export function createBudget(options: { limit: number; settings: SettingStore; calendar: Calendar; clock: Clock }): Budget {
  const { limit, settings, calendar, clock } = options;
  let day = '';
  let sum = 0;
  const keyOf = (name: string) => `zalo-oa/spent/${calendar.dayOf(clock())}/${name}`;

  async function refresh(): Promise<void> {
    day = calendar.dayOf(clock());
    sum = (await settings.get<number>(keyOf('all'))) ?? 0;
  }

  const today = () => (calendar.dayOf(clock()) === day ? sum : 0);

  return {
    limit,
    allows: (cost, at) => cost === 0 || (calendar.dayOf(at) === calendar.dayOf(clock()) ? today() : 0) + cost <= limit,
    async take(priceClass, cost) {
      if (cost === 0) return true;
      const total = await settings.add(keyOf('all'), cost);
      day = calendar.dayOf(clock());
      sum = total;
      if (total > limit) {
        sum = await settings.add(keyOf('all'), -cost);
        return false;
      }
      await settings.add(keyOf(priceClass), cost);
      return true;
    },
    async giveBack(priceClass, cost) {
      if (cost === 0) return;
      sum = await settings.add(keyOf('all'), -cost);
      await settings.add(keyOf(priceClass), -cost);
    },
    async spent() {
      const sums = await Promise.all(['all', ...priceClasses].map(async (name) => [name, (await settings.get<number>(keyOf(name))) ?? 0] as const));
      return Object.fromEntries(sums);
    },
    refresh,
  };
}
