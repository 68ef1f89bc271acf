// Delays that double from a second to half a minute. No jitter: there are two daemons, not a thousand.

export interface Backoff {
  /** The next delay; each is twice the last, up to the cap. */
  next_ms(): number;
  /** The outside answered: begin again with the shortest delay. */
  reset(): void;
}

export function createBackoff({ first_ms = 1_000, most_ms = 30_000 } = {}): Backoff {
  let delay_ms = first_ms;
  return {
    next_ms() {
      const now_ms = delay_ms;
      delay_ms = Math.min(delay_ms * 2, most_ms);
      return now_ms;
    },
    reset() {
      delay_ms = first_ms;
    },
  };
}
