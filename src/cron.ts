import { schedule } from 'node-cron';
import type { Log } from './ports.ts';

/** A running timetable; `stop` waits for the look that is under way. */
export interface Timetable {
  stop(): Promise<void>;
}

/**
 * Says "look now" once at the start and then every minute. A look that takes longer than a minute is not overlapped by the next one; one that
 * fails is logged and the next minute tries again: what was due stays due in the store.
 */
export function startTimetable(look: () => Promise<void>, log: Log): Timetable {
  let underWay: Promise<void> | null = null;
  const lookOnce = (): void => {
    underWay ??= look()
      .catch((error: unknown) => log.error('look failed', { error }))
      .finally(() => {
        underWay = null;
      });
  };
  lookOnce();
  const task = schedule('* * * * *', lookOnce);
  return {
    async stop() {
      await task.stop();
      await underWay;
    },
  };
}
