// What replay-shares.ts reads of the rows that were written live: how far the share logs were read, what the users'
// work came to, where each cut was made and what it gave. One view of the database, so that a daemon that goes on
// meanwhile moves nothing of it. Never writes.
import type { Knex } from 'knex';
import { integer, smallInteger, type Database } from '../../shared/database/database.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';
import { compareMoments, type ShareMoment, type SharePlace } from '../core/share-order.js';
import { joinWork, type Work } from '../core/share-work.js';
import type { ReadShareLog } from './share-state.js';

type Row = Record<string, unknown>;

export interface StoredCount {
  readonly logged: Work;
  readonly snapshot_count: bigint;
  /** A part of what is counted stands in no share log that was counted. */
  readonly counters_told: boolean;
}

/** A snapshot that was decided where share logs are read. */
export interface StoredCut {
  readonly snapshot_id: number;
  readonly height: number | null;
  readonly exact: boolean;
  /** It was made at the solving share of its block. */
  readonly at_solver: boolean;
  /** Null: it took everything there was (a baseline, or share logs were paused). */
  readonly at: SharePlace | null;
  readonly decided_at: string;
  /** Rows, about. */
  readonly users: number;
}

export interface StoredSolver {
  readonly height: number;
  readonly place: SharePlace;
  readonly worker: NameBytes;
  readonly accepted: boolean;
}

export interface StoredShareFacts {
  /** When share logs were last turned to: sums are kept without what was passed over then. */
  readonly counted_since: string;
  readonly files: readonly ReadShareLog[];
  readonly counts: ReadonlyMap<NameBytes, StoredCount>;
  /** In the order of work. */
  readonly cuts: readonly StoredCut[];
  /** By file and offset. */
  readonly solvers: readonly StoredSolver[];
}

/** Null: share logs play no part in this database. */
export async function storedShareFacts(database: Database): Promise<StoredShareFacts | null> {
  return database.snapshot(async (transaction) => {
    const source = await transaction<Row>('share_log_source').where('id', 1).first();
    if (!source) return null;
    return {
      counted_since: await countedSince(transaction, source),
      files: (await transaction<Row>('share_log_files').orderBy(['height', 'workinfoid'])).map(fileFromRow),
      counts: await loadCounts(transaction),
      cuts: await loadCuts(transaction),
      solvers: await loadSolvers(transaction),
    };
  });
}

/** A pause passes nothing over: the turn to share logs before it counts. */
async function countedSince(transaction: Knex.Transaction, source: Row): Promise<string> {
  const changed_at = String(source['changed_at']);
  if (source['state'] === 'active') return changed_at;
  const turn = await transaction<Row>('incidents').where('kind', 'share_source')
    .where('occurred_at', '<', changed_at).orderBy('occurred_at', 'desc').first();
  return turn ? String(turn['occurred_at']) : '';
}

async function loadCounts(transaction: Knex.Transaction): Promise<Map<NameBytes, StoredCount>> {
  const rows: Row[] = await transaction('share_counts').join('users', 'users.id', 'share_counts.user_id')
    .select('share_counts.*', 'users.name');
  return new Map(rows.map((row) => {
    const snapshot_count = integer(row['snapshot_count']);
    return [nameFromBuffer(row['name'] as Buffer), {
      logged: joinWork(integer(row['logged_count']), integer(row['logged_fraction'])),
      snapshot_count,
      counters_told: integer(row['cut_count']) !== snapshot_count || integer(row['fallback_count']) > 0n,
    }];
  }));
}

async function loadCuts(transaction: Knex.Transaction): Promise<StoredCut[]> {
  const rows: Row[] = await transaction('cuts')
    .join('snapshots', 'snapshots.id', 'cuts.snapshot_id')
    .leftJoin('blocks', 'blocks.snapshot_id', 'snapshots.id')
    .leftJoin('solving_shares', 'solving_shares.block_hash', 'blocks.hash')
    .whereRaw('cuts.place <> snapshots.log_position')
    .orderBy('cuts.place')
    .select('snapshots.id as id', 'snapshots.height as height', 'quality', 'changed_users', 'cut_seconds',
      'cut_nanoseconds', 'decided_at', 'solving_shares.height as share_height', 'workinfoid', 'file_offset',
      'created_seconds', 'created_nanoseconds');
  return rows.map((row) => ({
    snapshot_id: smallInteger(row['id']),
    height: row['height'] === null ? null : smallInteger(row['height']),
    exact: row['quality'] === 'exact',
    at: cutPlace(row),
    at_solver: isAtSolver(row),
    decided_at: String(row['decided_at']),
    users: smallInteger(row['changed_users']),
  }));
}

/** Of a cut without a solving share only the moment is known: it lies behind every share of that moment. */
function cutPlace(row: Row): SharePlace | null {
  const moment = momentOf(row['cut_seconds'], row['cut_nanoseconds']);
  if (moment === null || isAtSolver(row)) return moment && { ...moment, ...fileOf(row, 'share_height') };
  return { ...moment, height: Number.MAX_SAFE_INTEGER, workinfoid: '~', offset: 0 };
}

function isAtSolver(row: Row): boolean {
  const cut = momentOf(row['cut_seconds'], row['cut_nanoseconds']);
  const solver = momentOf(row['created_seconds'], row['created_nanoseconds']);
  return cut !== null && solver !== null && compareMoments(cut, solver) === 0;
}

const fileOf = (row: Row, height: string) => ({
  height: smallInteger(row[height]), workinfoid: String(row['workinfoid']), offset: smallInteger(row['file_offset']),
});

async function loadSolvers(transaction: Knex.Transaction): Promise<StoredSolver[]> {
  const rows: Row[] = await transaction('solving_shares').join('blocks', 'blocks.hash', 'solving_shares.block_hash')
    .orderBy(['solving_shares.height', 'workinfoid', 'file_offset'])
    .select('solving_shares.*', 'blocks.height as block_height');
  return rows.map((row) => ({
    height: smallInteger(row['block_height']),
    place: { ...momentOf(row['created_seconds'], row['created_nanoseconds'])!, ...fileOf(row, 'height') },
    worker: nameFromBuffer(row['worker'] as Buffer),
    accepted: smallInteger(row['accepted']) === 1,
  }));
}

const fileFromRow = (row: Row): ReadShareLog => ({
  ...fileOf(row, 'height'),
  first: momentOf(row['first_seconds'], row['first_nanoseconds']),
  last: momentOf(row['last_seconds'], row['last_nanoseconds']),
});

const momentOf = (seconds: unknown, nanoseconds: unknown): ShareMoment | null =>
  (seconds === null ? null : { seconds: smallInteger(seconds), nanoseconds: smallInteger(nanoseconds) });
