// Writes of the log side, one transaction for each decision. The cursor moves in the same transaction as
// the effects of the lines before it, by compare-and-set on its old offset: a stretch is applied once,
// whoever else tries, and a crash leaves either all of it or none.
import type { Knex } from 'knex';
import { smallInteger, timeText, type Database, type Lease } from '../../shared/database/database.js';
import { inOrderOf, insertRows, rowsOfEach } from '../../shared/database/many-rows.js';
import { inBatches } from '../../shared/database/rows.js';
import { invariant } from '../../shared/errors.js';
import type { LogPosition } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import type { Reading } from '../core/counter-lines.js';
import type { NewAnchor, NewIncident, StretchOutcome, UserCount } from '../core/stretch.js';
import { writeIncidents } from './incident-rows.js';
import type { StoredCursor } from './log-files.js';
import { writeSnapshot } from './snapshot-rows.js';
import { addUsers, settleCounts, userIds, withIds, writeCounts, type KnownId } from './user-rows.js';

export interface NewReading {
  readonly position: LogPosition;
  readonly kind: 'all' | 'named' | 'sample';
  readonly counts: ReadonlyMap<NameBytes, Reading>;
}

export interface StretchCommit {
  /** The users as they are stored. */
  readonly users: ReadonlyMap<NameBytes, UserCount>;
  /** The cursor as it was read; null at the first start. */
  readonly before: StoredCursor | null;
  /** The cursor rows as they are to be: the current one and, after a switch of files, the next. */
  readonly after: readonly StoredCursor[];
  readonly reading: NewReading | null;
  readonly outcome: StretchOutcome;
  /** Incidents of the log itself (a gap). */
  readonly incidents: readonly NewIncident[];
  /** Share logs are read: the counts of block lines are decided with their blocks. */
  readonly deferred: boolean;
  readonly now_ms: number;
}

/** One stretch of the log with all its effects. Returns the ids of users that are new. */
export async function recordStretch(
  database: Database, lease: Lease, commit: StretchCommit,
): Promise<Map<NameBytes, number>> {
  return database.transaction(async (transaction) => {
    await lease.fence(transaction);
    const now = timeText(commit.now_ms);
    await moveCursor(transaction, commit, now);
    const fresh = commit.outcome.changed.filter((user) => user.id === null);
    const ids = await addUsers(transaction, fresh.map((user) => user.name));
    await writeUsers(transaction, commit, ids);
    const known: KnownId = (name) => commit.users.get(name)?.id ?? ids.get(name);
    if (commit.reading) await writeReading(transaction, commit.reading, known, now);
    for (const snapshot of commit.outcome.snapshots) {
      const cursor = cursorAt(commit, snapshot.position);
      await writeSnapshot(transaction, snapshot, cursor, now, commit.deferred, known);
    }
    if (commit.deferred) await addDisputed(transaction, commit.outcome.disputed);
    await writeAnchors(transaction, commit.outcome.anchors);
    await writeIncidents(transaction, [...commit.incidents, ...commit.outcome.incidents], now);
    return ids;
  });
}

/** Whether this very gap has its incident already. */
export async function isGapRecorded(database: Database, detail: string): Promise<boolean> {
  const row: unknown = await database.knex('incidents').where({ kind: 'log_gap', detail }).first('id');
  return row !== undefined;
}

/** A reading of all user files, stored before the long stretch that it bounds is applied. */
export async function recordReading(
  database: Database, lease: Lease, users: StretchCommit['users'], reading: NewReading, now_ms: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    const isNew = ([name, read]: [NameBytes, Reading]): boolean => 'counter' in read && !users.get(name)?.id;
    const ids = await addUsers(transaction, [...reading.counts].filter(isNew).map(([name]) => name));
    const known: KnownId = (name) => users.get(name)?.id ?? ids.get(name);
    await writeReading(transaction, reading, known, timeText(now_ms));
  });
}

/** The first block line settles every stored rise; then only what differs from that is told user by user. */
async function writeUsers(
  transaction: Knex.Transaction, { users, outcome }: StretchCommit, ids: ReadonlyMap<NameBytes, number>,
): Promise<void> {
  const settles = outcome.snapshots.length > 0;
  const settled: number[] = [];
  const differing = outcome.changed.filter((user) => {
    const stored = users.get(user.name);
    if (!stored || stored.id === null) return true;
    const rose = stored.ledger_count > stored.snapshot_count;
    if (settles && rose) settled.push(stored.id);
    const snapshot_count = settles ? stored.ledger_count : stored.snapshot_count;
    const disputed_count = settles ? 0n : stored.disputed_count;
    return user.counter !== stored.counter || user.ledger_count !== stored.ledger_count
      || user.snapshot_count !== snapshot_count || user.disputed_count !== disputed_count;
  });
  await settleCounts(transaction, settled);
  await writeCounts(transaction, differing, ids);
}

async function moveCursor(transaction: Knex.Transaction, commit: StretchCommit, now: string): Promise<void> {
  const { before, after, outcome } = commit;
  for (const cursor of after) {
    const row = {
      ...cursor,
      log_start: cursor.log_start.toString(),
      file_offset: cursor.file_offset.toString(),
      login_seen: outcome.login_seen ? 1 : 0,
      notice_seen: outcome.notice_seen ? 1 : 0,
      updated_at: now,
    };
    if (before === null || cursor.sequence !== before.sequence) {
      await transaction('log_cursors').insert(row);
      continue;
    }
    const hit = await transaction('log_cursors')
      .where({ sequence: before.sequence, file_offset: before.file_offset.toString() }).update(row);
    invariant(hit === 1, `the log cursor ${before.sequence} was moved by somebody else`);
  }
}

async function writeReading(
  transaction: Knex.Transaction, reading: NewReading, known: KnownId, now: string,
): Promise<void> {
  const [id] = await transaction('share_readings')
    .insert({ log_position: reading.position.toString(), kind: reading.kind, read_at: now });
  const reading_id = smallInteger(id);
  const idOf = await withIds(transaction, [...reading.counts.keys()], known);
  const names = [...reading.counts.keys()];
  const ids = names.map((name) => idOf(name) ?? no_id);
  await insertRows(transaction, {
    table: 'share_reading_counts', columns: ['reading_id', 'user_id', 'counter'],
  }, rowsOfEach(inOrderOf(ids), (index) => {
    const read = reading.counts.get(names[index]!)!;
    // A user without a row has no counter either: nothing to remember about a file that is not there.
    if (ids[index] === no_id) return null;
    return [reading_id, ids[index]!, 'counter' in read ? read.counter : null];
  }));
}

const no_id = -1;

/** Disputed rises are compared with the share logs later (core/share-counts.ts). */
async function addDisputed(
  transaction: Knex.Transaction, disputed: ReadonlyMap<NameBytes, bigint>,
): Promise<void> {
  if (disputed.size === 0) return;
  const ids = await userIds(transaction, [...disputed.keys()]);
  const nothing = {
    logged_count: 0, logged_fraction: 0, cut_count: 0, fallback_count: 0, fallback_disputed: 0,
    fallback_counter: 0, fallback_logged: 0, fallback_given: 0, surplus_count: 0, counter_count: 0,
    disputed_count: 0, snapshot_count: 0,
  };
  for (const [name, by] of disputed) {
    const user_id = ids.get(name);
    await transaction('share_counts').insert({ user_id, ...nothing }).onConflict('user_id').ignore();
    await transaction('share_counts').where({ user_id })
      .update({ disputed_count: transaction.raw('disputed_count + ?', [by.toString()]) });
  }
  await transaction('share_log_source').where('id', 1).increment('revision', 1);
}

async function writeAnchors(transaction: Knex.Transaction, anchors: readonly NewAnchor[]): Promise<void> {
  // The first line that names a hash is its anchor: later ones are ignored, by the primary key.
  for (const batch of inBatches(anchors)) {
    await transaction('log_anchors').insert(batch.map((anchor) => ({
      hash: anchor.hash,
      log_position: anchor.position.toString(),
      logged_at: anchor.logged_at,
      before_login: anchor.before_login ? 1 : 0,
      height: null,
    }))).onConflict('hash').ignore();
  }
}

/** The file a position stands in: the last of the commit's cursors that starts at or before it. */
function cursorAt(commit: StretchCommit, position: LogPosition): StoredCursor {
  const cursor = commit.after.findLast((candidate) => candidate.log_start <= position);
  invariant(cursor, `no log file holds position ${position}`);
  return cursor;
}
