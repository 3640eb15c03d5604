import type { Calendar } from '../../domain/calendar.ts';
import type { Clock, SettingStore } from '../../ports.ts';

/** Money spent on messages today, by price class, with the cap the operator set. All sums are đồng. */
export interface Budget {
  /** The cap of a day. */
  limit: number;
  /** Whether that much may still be spent today; answered from memory, for a quick look before sending. */
  allows(cost: number): boolean;
  /** Takes the money before the call, so that several processes together never pass the cap; false when it is used up. */
  take(priceClass: string, cost: number): Promise<boolean>;
  /** Gives back what was taken for a message that surely was not sent. */
  giveBack(priceClass: string, cost: number): Promise<void>;
  /** Spent today. */
  spent(): number;
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
    allows: (cost) => cost === 0 || today() + cost <= limit,
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
    spent: today,
    refresh,
  };
}
