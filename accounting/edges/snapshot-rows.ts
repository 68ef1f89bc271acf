// The rows of snapshots with their shares: those of block lines, and baselines. Statements inside a
// transaction that is fenced already, and never one of their own: a snapshot stands or falls with the
// cursor or the request that it came from. A row once written is never changed here.
import type { Knex } from 'knex';
import { smallInteger, timeText } from '../../shared/database/database.js';
import { inOrderOf, insertRows, rowsOfEach } from '../../shared/database/many-rows.js';
import { invariant } from '../../shared/errors.js';
import { shares, type LogPosition } from '../../shared/units.js';
import { nameToBuffer } from '../../shared/username.js';
import { noShares } from '../core/counter-lines.js';
import type { ShareMoment } from '../core/share-order.js';
import type { NewSnapshot, SnapshotRow, UserCount } from '../core/stretch.js';
import type { StoredCursor } from './log-files.js';
import { withIds, writeCounts, type KnownId } from './user-rows.js';

/** Whether payments has cut work already: from then on a baseline would move nothing. */
export async function workWasSettled(transaction: Knex.Transaction): Promise<boolean> {
  const cut: unknown = await transaction('rounds').whereRaw('cut_to > cut_from').first('id');
  return cut !== undefined;
}

/** A position holds one snapshot at most. */
export async function isPlaceTaken(transaction: Knex.Transaction, position: LogPosition): Promise<boolean> {
  const taken: unknown = await transaction('snapshots').where('log_position', position.toString()).first('id');
  return taken !== undefined;
}

/** The first round starts here, not at zero: a snapshot without a block. */
export async function recordBaseline(
  transaction: Knex.Transaction, cursor: StoredCursor, position: LogPosition,
  changed: readonly UserCount[], now_ms: number,
): Promise<void> {
  const rows = changed.map((user) => ({
    user: user.name, share_count: user.ledger_count,
    difference: shares(user.ledger_count - user.snapshot_count), disputed_difference: user.disputed_count,
  }));
  const now = timeText(now_ms);
  const id = await insertSnapshot(transaction, {
    kind: 'baseline', log_position: position.toString(), log_sequence: cursor.sequence,
    log_offset: (position - cursor.log_start).toString(), height: null, finder: null, logged_at: null,
    quality: 'minute', state: 'confirmed', rows, taken_at: now,
  });
  invariant(id > 0, 'a baseline needs an id');
  await writeCut(transaction, id, position, null, now);
  const settled = changed.map((user) => ({
    ...user, snapshot_count: user.ledger_count, disputed_count: noShares,
  }));
  await writeCounts(transaction, settled, new Map());
}

/**
 * A block line's snapshot: pending until the node was asked for its block. Where share logs are read its counts
 * are decided with the block (cut-store.ts), and what the counters give is kept beside them.
 */
export async function writeSnapshot(
  transaction: Knex.Transaction, snapshot: NewSnapshot, cursor: StoredCursor, now: string, deferred: boolean,
  known: KnownId,
): Promise<void> {
  const snapshot_id = await insertSnapshot(transaction, {
    kind: 'block',
    log_position: snapshot.position.toString(),
    log_sequence: cursor.sequence,
    log_offset: (snapshot.position - cursor.log_start).toString(),
    height: snapshot.height,
    finder: nameToBuffer(snapshot.finder),
    logged_at: snapshot.logged_at,
    quality: snapshot.quality,
    state: 'pending',
    rows: deferred ? [] : snapshot.rows,
    taken_at: now,
  }, known);
  if (deferred) await writeShareRows(transaction, 'counter_shares', snapshot_id, snapshot.rows, known);
  else await writeCut(transaction, snapshot_id, snapshot.position, null, now);
}

/** The place of a snapshot in the order in which work is cut; with share logs also the moment. */
export async function writeCut(
  transaction: Knex.Transaction, snapshot_id: number, place: bigint, at: ShareMoment | null, now: string,
): Promise<void> {
  await transaction('cuts').insert({
    snapshot_id, place: place.toString(), cut_seconds: at?.seconds ?? null,
    cut_nanoseconds: at?.nanoseconds ?? null, decided_at: now,
  });
}

interface SnapshotInsert {
  readonly rows: readonly SnapshotRow[];
  readonly [column: string]: unknown;
}

/** Returns its id. `known`: ids of users that need not be looked up. */
export async function insertSnapshot(
  transaction: Knex.Transaction,
  { rows, ...columns }: SnapshotInsert,
  known: KnownId = () => undefined,
): Promise<number> {
  const total = rows.reduce((sum, row) => sum + row.difference, 0n);
  const disputed = rows.some((row) => row.disputed_difference > 0n);
  const [id] = await transaction('snapshots').insert({
    ...columns,
    dispute: disputed ? 'open' : 'none',
    changed_users: rows.length,
    total_difference: total.toString(),
  });
  const snapshot_id = smallInteger(id);
  await writeSnapshotShares(transaction, snapshot_id, rows, known);
  return snapshot_id;
}

export const writeSnapshotShares = (
  transaction: Knex.Transaction, snapshot_id: number, rows: readonly SnapshotRow[],
  known: KnownId = () => undefined,
): Promise<void> => writeShareRows(transaction, 'snapshot_shares', snapshot_id, rows, known);

/** In the order of the key, so that the engine adds them at its end. */
async function writeShareRows(
  transaction: Knex.Transaction, table: 'snapshot_shares' | 'counter_shares', snapshot_id: number,
  rows: readonly SnapshotRow[], known: KnownId,
): Promise<void> {
  const idOf = await withIds(transaction, rows.map(({ user }) => user), known);
  const ids = rows.map(({ user }) => {
    const user_id = idOf(user);
    invariant(user_id !== undefined, 'a user without a row has no shares');
    return user_id;
  });
  await insertRows(transaction, {
    table, columns: ['snapshot_id', 'user_id', 'share_count', 'difference', 'disputed_difference'],
  }, rowsOfEach(inOrderOf(ids), (index) => {
    const { share_count, difference, disputed_difference } = rows[index]!;
    return [snapshot_id, ids[index]!, share_count, difference, disputed_difference];
  }));
}
