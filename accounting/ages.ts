// How long ago something was written down, by the wall clock; where that clock was set back since, and the time lies in
// the future, as long as this process has known of it. So nothing ever waits for a time that a wrong clock named.
import type { Clock } from '../shared/clock.js';

export interface Ages {
  /** Milliseconds, never negative. */
  of(at_ms: number): number;
}

export function createAges(clock: Clock): Ages {
  /** Times in the future, and when on the monotonic clock they were first seen. */
  const ahead = new Map<number, number>();
  return {
    of(at_ms) {
      const age_ms = clock.now_ms() - at_ms;
      if (age_ms >= 0) {
        ahead.delete(at_ms);
        return age_ms;
      }
      const now_ms = clock.monotonic_ms();
      const known_ms = ahead.get(at_ms) ?? now_ms;
      ahead.set(at_ms, known_ms);
      return now_ms - known_ms;
    },
  };
}
