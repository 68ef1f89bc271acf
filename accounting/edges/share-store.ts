// Writes of the share side, one transaction for each decision, the lease's fence first. Each moves the
// revision of the source by compare-and-set: what was calculated from one state is never laid over another.
// Cursors and sums commit together, so that a share counts once however often its line is read; a crash leaves
// all of a decision or none. Shares themselves never come here: sums for each user do.
import type { Knex } from 'knex';
import { timeText, type Database, type Lease } from '../../shared/database/database.js';
import { inBatches } from '../../shared/database/rows.js';
import { invariant } from '../../shared/errors.js';
import { nameToBuffer, type NameBytes } from '../../shared/username.js';
import type { BlockHash } from '../../shared/units.js';
import type { Solver } from '../core/cut-order.js';
import type { ShareCount } from '../core/share-counts.js';
import { splitWork } from '../core/share-work.js';
import { writeIncidents, type IncidentRow } from './incident-rows.js';
import type { ReadShareLog, ShareState, SourceState } from './share-state.js';
import { addUsers } from './user-rows.js';

export interface ShareCommit {
  readonly files: readonly ReadShareLog[];
  /** Users whose row is new or changed. */
  readonly changed: readonly ShareCount[];
  readonly incidents: readonly IncidentRow[];
  readonly now_ms: number;
}

/** Share logs were read, or compared with the counters. Returns the ids of users that are new. */
export async function recordShares(
  database: Database, lease: Lease, state: ShareState, commit: ShareCommit,
): Promise<Map<NameBytes, number>> {
  const ids = await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await moveRevision(transaction, state);
    await writeFiles(transaction, commit.files);
    const added = await writeShareCounts(transaction, commit.changed);
    await writeIncidents(transaction, commit.incidents, timeText(commit.now_ms));
    return added;
  });
  state.revision += 1;
  return ids;
}

/** Share logs are read from now on, or again: with the counts that they begin with. */
export async function recordSource(
  database: Database, lease: Lease, before: ShareState | null, source: SourceState,
  boundary_seconds: number | null, commit: ShareCommit,
): Promise<void> {
  const changed_at = timeText(commit.now_ms);
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    const columns = { state: source, boundary_seconds, changed_at };
    if (before === null) await transaction('share_log_source').insert({ id: 1, revision: 0, ...columns });
    else await moveRevision(transaction, before, columns);
    await writeFiles(transaction, commit.files);
    await writeShareCounts(transaction, commit.changed);
    await writeIncidents(transaction, commit.incidents, changed_at);
  });
}

/** Files that were there before share logs are read: nothing in them will be counted. Without effect until then. */
export async function skipFiles(database: Database, lease: Lease, files: readonly ReadShareLog[]): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await writeFiles(transaction, files);
  });
}

/** Which share solved which block. */
export async function recordSolvers(
  database: Database, lease: Lease,
  solvers: readonly { readonly hash: BlockHash; readonly solver: Solver; readonly accepted: boolean }[],
  now_ms: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    for (const { hash, solver: { place, worker }, accepted } of solvers) {
      await transaction('solving_shares').insert({
        block_hash: hash,
        height: place.height,
        workinfoid: place.workinfoid,
        file_offset: place.offset,
        created_seconds: place.seconds,
        created_nanoseconds: place.nanoseconds,
        worker: nameToBuffer(worker),
        accepted: accepted ? 1 : 0,
        found_at: timeText(now_ms),
      });
    }
  });
}

/** Inside a transaction that is fenced already. @throws InvariantBroken when somebody else wrote since it was read. */
export async function moveRevision(
  transaction: Knex.Transaction, state: ShareState, columns: object = {},
): Promise<void> {
  const hit = await transaction('share_log_source').where({ id: 1, revision: state.revision })
    .update({ ...columns, revision: state.revision + 1 });
  invariant(hit === 1, 'the share logs were read by somebody else');
}

async function writeFiles(transaction: Knex.Transaction, files: readonly ReadShareLog[]): Promise<void> {
  for (const batch of inBatches(files)) {
    await transaction('share_log_files').insert(batch.map(({ height, workinfoid, offset, first, last }) => ({
      height, workinfoid, file_offset: offset,
      first_seconds: first?.seconds ?? null, first_nanoseconds: first?.nanoseconds ?? null,
      last_seconds: last?.seconds ?? null, last_nanoseconds: last?.nanoseconds ?? null,
    }))).onConflict(['height', 'workinfoid']).merge();
  }
}

/** Inside a transaction that is fenced already and has moved the revision. Returns the ids of users that are new. */
export async function writeShareCounts(
  transaction: Knex.Transaction, changed: readonly ShareCount[],
): Promise<Map<NameBytes, number>> {
  const fresh = changed.filter((count) => count.user_id === null);
  const ids = await addUsers(transaction, fresh.map((count) => count.name));
  for (const batch of inBatches(changed)) {
    await transaction('share_counts').insert(batch.map((count) => {
      const { count: logged_count, fraction } = splitWork(count.logged);
      return {
        user_id: count.user_id ?? ids.get(count.name),
        logged_count: logged_count.toString(),
        logged_fraction: fraction.toString(),
        cut_count: count.cut_count.toString(),
        fallback_count: count.fallback_count.toString(),
        fallback_disputed: count.fallback_disputed.toString(),
        fallback_position: count.fallback_position?.toString() ?? null,
        fallback_counter: count.fallback_counter.toString(),
        fallback_logged: count.fallback_logged.toString(),
        fallback_given: count.fallback_given.toString(),
        surplus_count: count.surplus_count.toString(),
        counter_count: count.counter_count.toString(),
        disputed_count: count.disputed_count.toString(),
        snapshot_count: count.snapshot_count.toString(),
      };
    })).onConflict('user_id').merge();
  }
  return ids;
}
