// What accounting keeps in memory of the log is brought up to date here, after each commit and never
// before it: memory that ran ahead of the database would count a line twice, or not at all. It never reads
// nor writes anything outside the state that it is given; edges/log-state.ts reads that state back
// after a failure.
import type { Clock } from '../shared/clock.js';
import type { NameBytes } from '../shared/username.js';
import type { AccountingContext } from './context.js';
import type { Reading } from './core/counter-lines.js';
import type { StretchOutcome } from './core/stretch.js';
import type { ReadingClock } from './core/what-to-read.js';
import type { StoredCursor } from './edges/log-files.js';
import type { LogState } from './edges/log-state.js';

/** ckpool rewrites the files once a minute: one that is empty or torn is not asked for more often. */
const unread_period_ms = 60_000;

/**
 * A stretch was committed: the cursor rows as they are now, its effects, and the ids of users that are new.
 */
export function remember(
  known: LogState, after: readonly StoredCursor[], outcome: StretchOutcome,
  ids: ReadonlyMap<NameBytes, number>, clock: Clock,
): void {
  for (const cursor of after) {
    const at = known.cursors.findIndex((other) => other.sequence === cursor.sequence);
    if (at >= 0) known.cursors[at] = cursor;
    else known.cursors.push(cursor);
  }
  known.cursor = after.at(-1)!;
  for (const user of outcome.changed) {
    known.users.set(user.name, user.id === null ? { ...user, id: ids.get(user.name) ?? null } : user);
  }
  known.risen = outcome.risen;
  known.login_seen = outcome.login_seen;
  if (known.notice_seen || outcome.notice_seen) known.noticed_ms = clock.now_ms();
  known.notice_seen = outcome.notice_seen;
  known.committed_ms = clock.monotonic_ms();
}

/** Whose files could not be read in this reading, and when they are asked for again. */
export function noteUnread(known: LogState, readings: ReadonlyMap<NameBytes, Reading>, clock: Clock): void {
  for (const [name, reading] of readings) {
    if ('unreadable' in reading) known.unread.add(name);
    else known.unread.delete(name);
  }
  if (readings.size > 0) known.unread_due_ms = clock.monotonic_ms() + unread_period_ms;
}

/** These readings were applied: share logs that are read to their end from now on hold all that they count. */
export function noteTold(
  known: LogState, readings: ReadonlyMap<NameBytes, Reading>, disputed: boolean, clock: Clock,
): void {
  if (!known.deferred) return;
  for (const [name, reading] of readings) {
    if ('counter' in reading) known.told.users.set(name, reading.updated_seconds ?? null);
  }
  if (known.told.users.size > 0) known.told.since_ms ??= clock.monotonic_ms();
  known.told.disputed ||= disputed;
}

/** The times by which core/what-to-read.ts decides whose files are due. */
export function readingClock({ clock, options }: AccountingContext, known: LogState): ReadingClock {
  const now_ms = clock.now_ms();
  // A time to come was told by a clock that has been set back since: it says nothing.
  const past = (at_ms: number | null) => (at_ms === null || at_ms > now_ms ? null : at_ms);
  return {
    now_ms, everyone_read_ms: past(known.last_full_reading?.at_ms ?? null), noticed_ms: past(known.noticed_ms),
    sample_period_ms: options.sample_period_ms,
  };
}
