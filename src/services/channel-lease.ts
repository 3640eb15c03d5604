import type { Core, Timing } from '../ports.ts';

/** What a lease needs: its name, who asks, and what to do each time it was taken or renewed (the first time before anything is sent) and when it comes or goes. */
export interface ChannelLeaseOptions {
  core: Core;
  timing: Timing;
  name: string;
  instance: string;
  onHeld(): Promise<void>;
  onChange(mine: boolean): void;
}

/** The right to be the one sender of a channel: taken and renewed in the store, watched here by a clock that nobody sets. */
export interface ChannelLease {
  start(): void;
  /** Whether it is ours at this very moment, without asking the store. False as soon as a renewal is overdue. */
  mine(): boolean;
  /** Whether the store says so too: finds out a holder whose clock differs from ours. */
  confirm(): Promise<boolean>;
  stop(): Promise<void>;
}

/** How long nobody sends after a process was killed; it is renewed three times as often. */
const leaseMs = 6000;
const margin = 500;

/** Creates a {@link ChannelLease}. */
export function createChannelLease(options: ChannelLeaseOptions): ChannelLease {
  const { core, timing, name, instance } = options;
  let fence: number | null = null;
  let goodUntil = Number.NEGATIVE_INFINITY;
  let cancel = (): void => {};
  let stopped = false;
  let underWay: Promise<void> = Promise.resolve();
  let told = false;

  const mine = (): boolean => fence !== null && timing.monotonic() < goodUntil;

  async function keep(): Promise<void> {
    const asked = timing.monotonic();
    const now = core.clock();
    try {
      const taken = await core.store.leases.take(name, instance, now, new Date(now.getTime() + leaseMs));
      if (taken === null) fence = null;
      else {
        if (taken === fence) goodUntil = asked + leaseMs - margin;
        await options.onHeld();
        fence = taken;
        goodUntil = asked + leaseMs - margin;
      }
    } catch (error) {
      core.log.warn('lease not renewed', { name, error });
    }
    if (told !== mine()) {
      told = mine();
      core.log.info(told ? 'lease taken' : 'lease lost', { name });
      if (!stopped) options.onChange(told);
    }
  }

  function keepOn(): void {
    if (stopped) return;
    underWay = keep().then(() => {
      if (!stopped) cancel = timing.after(leaseMs / 3, keepOn);
    });
  }

  return {
    start: keepOn,
    mine,
    async confirm() {
      return mine() && fence !== null && (await core.store.leases.holds(name, instance, fence)) && mine();
    },
    async stop() {
      stopped = true;
      cancel();
      await underWay;
      fence = null;
      await core.store.leases.release(name, instance).catch((error: unknown) => core.log.warn('lease not released', { name, error }));
    },
  };
}
