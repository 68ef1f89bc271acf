// The simulator's time and its only scheduler: a queue of moments. Nothing happens between two moments; the
// earliest is taken, time jumps to it, and what was waiting for it goes on until it waits again. So any number
// of daemons and everything around them run one at a time, in an order that the seed alone decides. Reading a
// real file takes no simulated time. It knows nothing of daemons.

export interface Moment {
  /** Brings the moment forward; later ones stay where they are. */
  hasten(due_ms: number): void;
}

export interface Timeline {
  now_ms(): number;
  /** Something of the world: it runs to its end before anything else. */
  at(due_ms: number, act: () => Promise<void> | void): Moment;
  /** Takes the next moment up to that time; false, and it is that time, when there is none before it. */
  next(until_ms: number): Promise<boolean>;
}

interface Entry {
  due_ms: number;
  readonly order: number;
  readonly act: () => Promise<void> | void;
}

export function createTimeline(start_ms: number): Timeline {
  let now_ms = start_ms;
  let orders = 0;
  let entries: Entry[] = [];

  const isBefore = (one: Entry, other: Entry): boolean =>
    one.due_ms < other.due_ms || (one.due_ms === other.due_ms && one.order < other.order);

  /** A dozen moments at most: a scan is cheaper than a heap. */
  function take(until_ms: number): Entry | null {
    let first: Entry | null = null;
    for (const entry of entries) if (entry.due_ms <= until_ms && (!first || isBefore(entry, first))) first = entry;
    if (first) entries = entries.filter((entry) => entry !== first);
    return first;
  }

  return {
    now_ms: () => now_ms,
    at(due_ms, act) {
      const entry: Entry = { due_ms: Math.max(due_ms, now_ms), order: orders, act };
      orders += 1;
      entries.push(entry);
      return {
        hasten: (earlier_ms) => { entry.due_ms = Math.max(now_ms, Math.min(entry.due_ms, earlier_ms)); },
      };
    },
    async next(until_ms) {
      const entry = take(until_ms);
      if (!entry) {
        now_ms = Math.max(now_ms, until_ms);
        return false;
      }
      now_ms = Math.max(now_ms, entry.due_ms);
      await entry.act();
      return true;
    },
  };
}
