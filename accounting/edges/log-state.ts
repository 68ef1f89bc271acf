// What accounting remembers between two moves, read back from its own tables: after a restart, and after
// any failure of the database (whose last commit may or may not have happened).
import { integer, smallInteger, timeFromText, type Database } from '../../shared/database/database.js';
import { logPosition, shares, type LogPosition } from '../../shared/units.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';
import type { Reading } from '../core/counter-lines.js';
import type { UserCount } from '../core/stretch.js';
import type { StoredCursor } from './log-files.js';
import { loadSource } from './share-state.js';

export interface LogState {
  /** Share logs are read: the counts of block lines are decided with their blocks. */
  readonly deferred: boolean;
  readonly cursors: StoredCursor[];
  /** The file being read; null before the first start. */
  cursor: StoredCursor | null;
  readonly users: Map<NameBytes, UserCount>;
  risen: ReadonlySet<NameBytes>;
  login_seen: boolean;
  notice_seen: boolean;
  /** A reading stored ahead of the lines that it bounds: the stretch being applied. */
  open_reading: OpenReading | null;
  /** When and where all user files were last read. */
  last_full_reading: { readonly position: LogPosition; readonly at_ms: number } | null;
  /** All files are to be read with the next stretch: this process has not yet, or lines were lost. */
  everyone_due: boolean;
  /** When a line of log level 5 was last seen by this process. */
  noticed_ms: number | null;
  /**
   * Users whose file could not be read when it was needed: asked again a minute later, and by the next
   * process.
   */
  readonly unread: Set<NameBytes>;
  /** On the monotonic clock. */
  unread_due_ms: number;
  /** When the cursor last moved, on the monotonic clock. */
  committed_ms: number | null;
  /** Users whose files were applied since they were last compared with the share logs. */
  readonly told: Told;
}

export interface Told {
  /** By user, when ckpool wrote the file (unix time); null when it does not say. */
  readonly users: Map<NameBytes, number | null>;
  /** When the first of them was applied, on the monotonic clock; null: none was. */
  since_ms: number | null;
  /** Nothing was compared since this state was loaded: every user may differ. */
  everybody: boolean;
  /** Rises are disputed: what is in memory of the share logs is out of date. */
  disputed: boolean;
}

export interface OpenReading {
  readonly position: LogPosition;
  readonly readings: ReadonlyMap<NameBytes, Reading>;
}

/** Where the next byte of the log will stand. */
export const positionOf = (cursor: StoredCursor | null): LogPosition =>
  logPosition(cursor === null ? 0n : cursor.log_start + cursor.file_offset);

export async function loadLogState(database: Database): Promise<LogState> {
  const rows = await database.knex<Record<string, unknown>>('log_cursors').orderBy('sequence');
  const cursors = rows.map(cursorFromRow);
  const cursor = cursors.at(-1) ?? null;
  const last = rows.at(-1);
  const users = await loadUsers(database);
  const risen = new Set<NameBytes>();
  for (const user of users.values()) if (user.ledger_count > user.snapshot_count) risen.add(user.name);
  return {
    deferred: (await loadSource(database)) !== null,
    cursors,
    cursor,
    users,
    risen,
    login_seen: last !== undefined && smallInteger(last['login_seen']) === 1,
    notice_seen: last !== undefined && smallInteger(last['notice_seen']) === 1,
    open_reading: await loadOpenReading(database, positionOf(cursor)),
    last_full_reading: await loadLastFullReading(database),
    everyone_due: true,
    noticed_ms: null,
    unread: new Set(),
    unread_due_ms: 0,
    committed_ms: null,
    told: { users: new Map(), since_ms: null, everybody: true, disputed: false },
  };
}

function cursorFromRow(row: Record<string, unknown>): StoredCursor {
  return {
    sequence: smallInteger(row['sequence']),
    path: String(row['path']),
    device: String(row['device']),
    inode: String(row['inode']),
    log_start: integer(row['log_start']),
    file_offset: integer(row['file_offset']),
    fingerprint_length: smallInteger(row['fingerprint_length']),
    fingerprint: String(row['fingerprint']),
    state: row['state'] === 'finished' ? 'finished' : 'current',
  };
}

async function loadUsers(database: Database): Promise<Map<NameBytes, UserCount>> {
  const rows = await database.knex<Record<string, unknown>>('users');
  return new Map(rows.map((row) => {
    const name = nameFromBuffer(row['name'] as Buffer);
    return [name, {
      id: smallInteger(row['id']),
      name,
      counter: shares(integer(row['counter'])),
      ledger_count: shares(integer(row['ledger_count'])),
      snapshot_count: shares(integer(row['snapshot_count'])),
      disputed_count: shares(integer(row['disputed_count'])),
    }];
  }));
}

async function loadOpenReading(database: Database, position: LogPosition): Promise<OpenReading | null> {
  // Only the latest: an earlier one further on was given up when its stretch was lost.
  const reading = await database
    .knex<Record<string, unknown>>('share_readings')
    .orderBy('id', 'desc')
    .first();
  if (!reading || integer(reading['log_position']) <= position) return null;
  const rows: Record<string, unknown>[] = await database.knex<Record<string, unknown>>('share_reading_counts')
    .join('users', 'users.id', 'share_reading_counts.user_id')
    .where('reading_id', smallInteger(reading['id']))
    .select('users.name', 'share_reading_counts.counter as file_counter');
  const readings = new Map(rows.map((row): [NameBytes, Reading] => [
    nameFromBuffer(row['name'] as Buffer),
    row['file_counter'] === null
      ? { unreadable: 'no readable file' }
      : { counter: shares(integer(row['file_counter'])) },
  ]));
  return { position: logPosition(integer(reading['log_position'])), readings };
}

async function loadLastFullReading(database: Database): Promise<LogState['last_full_reading']> {
  const row = await database.knex<Record<string, unknown>>('share_readings')
    .whereIn('kind', ['all', 'sample']).orderBy('id', 'desc').first();
  if (!row) return null;
  return {
    position: logPosition(integer(row['log_position'])),
    at_ms: timeFromText(String(row['read_at'])),
  };
}
