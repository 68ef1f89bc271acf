// The counts of blocks where share logs are read: which blocks wait for their cut, what the counters gave in
// between, and the commit that decides one or more of them. One transaction for each decision, the lease's fence first
// and the revision of the share logs moved; a cut once made is never changed. It calculates nothing: cut-rounds.ts
// does.
import type { Knex } from 'knex';
import { integer, smallInteger, timeText, type Database, type Lease } from '../../shared/database/database.js';
import { inBatches } from '../../shared/database/rows.js';
import {
  blockHash, blockHeight, logPosition, shares, type BlockHash, type BlockHeight, type LogPosition, type Shares,
} from '../../shared/units.js';
import { nameFromBuffer, nameToBuffer, type NameBytes } from '../../shared/username.js';
import type { UndecidedBlock } from '../core/cut-order.js';
import { compareCounter, cutAt, newShareCount, type ShareCount } from '../core/share-counts.js';
import type { ShareMoment, SharePlace } from '../core/share-order.js';
import { noWork } from '../core/share-work.js';
import type { SnapshotRow } from '../core/stretch.js';
import type { StoredCursor } from './log-files.js';
import type { LogState } from './log-state.js';
import { moveRevision, writeShareCounts } from './share-store.js';
import type { ShareState } from './share-state.js';
import { insertSnapshot, writeCut, writeSnapshotShares } from './snapshot-rows.js';

type Row = Record<string, unknown>;

export interface UnsolvedBlock {
  readonly hash: BlockHash;
  readonly height: BlockHeight;
}

/** Blocks of ours, not decided yet, whose solving share is not known. */
export async function unsolvedBlocks(database: Database): Promise<UnsolvedBlock[]> {
  const rows: Row[] = await waitingBlocks(database.knex).whereNull('solving_shares.block_hash')
    .select('blocks.hash as hash', 'blocks.height as height');
  return rows.map((row) => ({
    hash: blockHash(String(row['hash'])), height: blockHeight(smallInteger(row['height'])),
  }));
}

const waitingBlocks = (knex: Knex): Knex.QueryBuilder => knex('blocks')
  .leftJoin('cuts', 'cuts.snapshot_id', 'blocks.snapshot_id')
  .leftJoin('solving_shares', 'solving_shares.block_hash', 'blocks.hash')
  .whereNull('cuts.snapshot_id')
  .orderBy('blocks.height');

/** Blocks with a line, a proof or both, whose counts are not decided. */
export async function undecidedBlocks(database: Database): Promise<UndecidedBlock[]> {
  const rows: Row[] = await waitingBlocks(database.knex)
    .leftJoin('snapshots', 'snapshots.id', 'blocks.snapshot_id')
    .where((known) => void known.whereNotNull('snapshots.id').orWhereNotNull('solving_shares.block_hash'))
    .select('blocks.id as id', 'blocks.hash as hash', 'blocks.height as height',
      'snapshots.id as snapshot_id', 'snapshots.log_position as log_position', 'snapshots.logged_at as logged_at',
      'snapshots.quality as quality', 'solving_shares.height as share_height', 'workinfoid', 'file_offset',
      'created_seconds', 'created_nanoseconds', 'worker');
  return rows.map(undecided);
}

function undecided(row: Row): UndecidedBlock {
  const proven = row['worker'] !== null;
  return {
    id: smallInteger(row['id']),
    hash: blockHash(String(row['hash'])),
    height: blockHeight(smallInteger(row['height'])),
    line: row['snapshot_id'] === null ? null : {
      snapshot_id: smallInteger(row['snapshot_id']),
      position: logPosition(integer(row['log_position'])),
      logged_at: String(row['logged_at']),
      quality: String(row['quality']),
    },
    solver: !proven ? null : {
      worker: nameFromBuffer(row['worker'] as Buffer),
      place: placeFromRow(row),
    },
  };
}

/** The counters' own ledger counts at a line, of these users; without those whom no line up to it changed. */
export async function counterCounts(
  database: Database, at: LogPosition, users: readonly ShareCount[],
): Promise<Map<NameBytes, Shares>> {
  const counters = new Map<NameBytes, Shares>();
  const names = new Map(users.flatMap(({ user_id, name }) => (user_id === null ? [] : [[user_id, name] as const])));
  for (const batch of inBatches([...names.keys()])) {
    const rows: Row[] = await database.knex('counter_shares')
      .join('snapshots', 'snapshots.id', 'counter_shares.snapshot_id')
      .whereIn('user_id', batch).where('log_position', '<=', at.toString())
      .groupBy('user_id').select('user_id').max({ share_count: 'share_count' });
    for (const row of rows) counters.set(names.get(smallInteger(row['user_id']))!, shares(integer(row['share_count'])));
  }
  return counters;
}

export interface DecidedProof {
  readonly at: SharePlace;
  readonly line: { readonly position: LogPosition; readonly logged_at: string };
}

/** The latest block with both a line and a proof that is decided: it tells the time zone of the log's stamps. */
export async function latestDecidedProof(database: Database): Promise<DecidedProof | null> {
  const row: Row | undefined = await database.knex('solving_shares')
    .join('blocks', 'blocks.hash', 'solving_shares.block_hash')
    .join('snapshots', 'snapshots.id', 'blocks.snapshot_id').join('cuts', 'cuts.snapshot_id', 'snapshots.id')
    .where('log_position', '>=', 0).orderBy('place', 'desc')
    .first('solving_shares.height as share_height', 'workinfoid', 'file_offset', 'created_seconds',
      'created_nanoseconds', 'log_position', 'logged_at');
  if (!row) return null;
  return {
    at: placeFromRow(row),
    line: { position: logPosition(integer(row['log_position'])), logged_at: String(row['logged_at']) },
  };
}

/** Where the latest cut ends; null: none yet that share logs decided. */
export async function latestCutMoment(database: Database): Promise<ShareMoment | null> {
  const row: Row | undefined = await database.knex<Row>('cuts').whereNotNull('cut_seconds')
    .orderBy([{ column: 'cut_seconds', order: 'desc' }, { column: 'cut_nanoseconds', order: 'desc' }]).first();
  if (!row) return null;
  return { seconds: smallInteger(row['cut_seconds']), nanoseconds: smallInteger(row['cut_nanoseconds']) };
}

const placeFromRow = (row: Row): SharePlace => ({
  seconds: smallInteger(row['created_seconds']), nanoseconds: smallInteger(row['created_nanoseconds']),
  height: smallInteger(row['share_height']), workinfoid: String(row['workinfoid']), offset: smallInteger(row['file_offset']),
});

export interface NewCut {
  readonly block: UndecidedBlock;
  /** Where the work ends; null where no share log is read. */
  readonly at: ShareMoment | null;
  readonly quality: string;
  readonly rows: readonly SnapshotRow[];
}

export interface CutCommit {
  readonly cuts: readonly NewCut[];
  readonly changed: readonly ShareCount[];
  /** Where the log is read to: a block without a line needs a file to belong to. */
  readonly cursor: StoredCursor;
  readonly now_ms: number;
}

/** The counts of these blocks are decided, in this order. */
export async function recordCuts(
  database: Database, lease: Lease, state: ShareState, commit: CutCommit,
): Promise<void> {
  const now = timeText(commit.now_ms);
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await moveRevision(transaction, state);
    let place = await nextPlace(transaction, commit.cursor);
    for (const cut of commit.cuts) {
      const snapshot_id = cut.block.line
        ? await fillSnapshot(transaction, cut.block.line.snapshot_id, cut)
        : await addSnapshot(transaction, cut, commit.cursor, now);
      await writeCut(transaction, snapshot_id, place, cut.at, now);
      place += 1n;
    }
    await writeShareCounts(transaction, commit.changed);
  });
  state.revision += 1;
}

/**
 * The first round begins here: everything counted so far is in a snapshot without a block, what the counters told and
 * nobody compared yet included.
 */
export async function recordShareBaseline(
  transaction: Knex.Transaction, state: ShareState, known: Pick<LogState, 'cursor' | 'users'>, position: LogPosition,
  now_ms: number,
): Promise<void> {
  const now = timeText(now_ms);
  const cursor = known.cursor!;
  await moveRevision(transaction, state);
  const counts = new Map(state.counts);
  for (const user of known.users.values()) {
    const count = counts.get(user.name) ?? newShareCount(user.name, user.id);
    counts.set(user.name, compareCounter(count, {
      counter_count: user.ledger_count, after: null, logs_told: false, position,
    }).count);
  }
  const parts = [...counts.values()].map((count) => cutAt(count, noWork, count.fallback_count));
  const rows = parts.filter(({ difference }) => difference > 0n).map((part) => ({
    user: part.count.name, share_count: part.count.snapshot_count, difference: part.difference,
    disputed_difference: part.disputed_difference,
  }));
  const snapshot_id = await insertSnapshot(transaction, {
    kind: 'baseline', log_position: position.toString(), log_sequence: cursor.sequence,
    log_offset: (position - cursor.log_start).toString(), height: null, finder: null, logged_at: null,
    quality: 'exact', state: 'confirmed', rows, taken_at: now,
  });
  await writeCut(transaction, snapshot_id, await nextPlace(transaction, cursor), null, now);
  await writeShareCounts(transaction, parts.map(({ count }) => count));
}

/** Behind every place so far, and never behind a line that is still to be read. */
export async function nextPlace(transaction: Knex.Transaction, cursor: StoredCursor): Promise<bigint> {
  const [row] = await transaction('cuts').max<{ place: unknown }[]>({ place: 'place' });
  // A round begins behind its first place: nothing ever stands at zero.
  const last = (row?.place ?? null) === null ? 0n : integer(row!.place);
  const read_to = cursor.log_start + cursor.file_offset;
  return last + 1n > read_to ? last + 1n : read_to;
}

async function fillSnapshot(transaction: Knex.Transaction, snapshot_id: number, cut: NewCut): Promise<number> {
  await transaction('snapshots').where({ id: snapshot_id }).update(summary(cut));
  await writeSnapshotShares(transaction, snapshot_id, cut.rows);
  return snapshot_id;
}

function summary({ rows, quality }: NewCut) {
  return {
    quality,
    dispute: rows.some((row) => row.disputed_difference > 0n) ? 'open' : 'none',
    changed_users: rows.length,
    total_difference: rows.reduce((sum, row) => sum + row.difference, 0n).toString(),
  };
}

/** A block that the log never named: its share says who and when. */
async function addSnapshot(
  transaction: Knex.Transaction, cut: NewCut, cursor: StoredCursor, now: string,
): Promise<number> {
  const { id, height, solver } = cut.block;
  const { seconds, nanoseconds } = solver!.place;
  const snapshot_id = await insertSnapshot(transaction, {
    kind: 'block',
    log_position: (-id).toString(),
    log_sequence: cursor.sequence,
    log_offset: 0,
    height,
    finder: nameToBuffer(solver!.worker),
    logged_at: timeText(seconds * 1000 + Math.floor(nanoseconds / 1_000_000)),
    quality: cut.quality,
    state: 'confirmed',
    rows: cut.rows,
    taken_at: now,
  });
  const hit = await transaction('blocks').where({ id }).whereNull('snapshot_id').update({ snapshot_id });
  if (hit !== 1) throw new Error(`block ${cut.block.hash} has a line after all`);
  return snapshot_id;
}
