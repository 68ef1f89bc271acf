// The port for time. Wall-clock time is for people and for rows (`_at`); it never orders or names anything.
// Waiting is measured on the monotonic clock.
import { setTimeout as wait } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now_ms(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic_ms(): number;
  /** Resolves after the time or as soon as the signal aborts, never rejects. */
  sleep(duration_ms: number, stop?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now_ms: () => Date.now(),
  monotonic_ms: () => performance.now(),
  sleep: async (duration_ms, stop) => {
    await wait(duration_ms, undefined, stop ? { signal: stop } : {}).catch(() => undefined);
  },
};
