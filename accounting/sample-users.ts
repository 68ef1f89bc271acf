// Below log level 5 no line says what a user's count is: all files are read every minute, and what rose is
// counted where the log ends. One commit a sample; a crash before it leaves nothing, and the next step
// samples again. It reads no line, moves no cursor, and does nothing while a stored reading waits for its
// stretch.
import path from 'node:path';
import type { AccountingContext, Outcome } from './context.js';
import { applyStretch } from './core/stretch.js';
import { isSampleDue, telling } from './core/what-to-read.js';
import { positionOf, type LogState } from './edges/log-state.js';
import { recordStretch, type NewReading } from './edges/log-store.js';
import { readAllUsers } from './edges/users-directory.js';
import { noteTold, noteUnread, readingClock, remember } from './log-memory.js';

/** To be called only when the log is read to its end. */
export async function sampleWhenDue(context: AccountingContext, known: LogState): Promise<Outcome> {
  const { config, clock, database, lease } = context;
  const { cursor, last_full_reading: last } = known;
  if (!cursor || known.open_reading) return 'idle';
  if (!isSampleDue(known.notice_seen, readingClock(context, known))) return 'idle';
  const position = positionOf(cursor);
  if (last && position <= last.position) return 'idle';
  const now_ms = clock.now_ms();
  const readings = await readAllUsers(path.join(config.log_directory, 'users'), clock);
  const outcome = applyStretch(known, { lines: [], readings, reading_position: position, sampled: true });
  const reading: NewReading = { position, kind: 'sample', counts: telling(known.users, [], readings) };
  const ids = await recordStretch(database, lease, {
    users: known.users, before: cursor, after: [cursor], reading, outcome, incidents: [], deferred: known.deferred, now_ms,
  });
  remember(known, [cursor], outcome, ids, clock);
  known.last_full_reading = { position, at_ms: now_ms };
  noteUnread(known, readings, clock);
  noteTold(known, readings, false, clock);
  return 'progress';
}
