// Reads the rounds for `compare`: in the order of their cuts, what ckpool's counters gave at the lines of each
// and what was decided. Never writes; needs no lease. Read round by round, so that memory holds few of them.
import type { Knex } from 'knex';
import { integer, smallInteger } from '../../shared/database/database.js';
import { blockHash, satoshis, shares, type BlockHash, type Satoshis, type Shares } from '../../shared/units.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';
import type { CountedRound, WorkByUser } from '../core/compare-rounds.js';

export interface RoundFact {
  readonly height: number;
  readonly hash: BlockHash;
  readonly active: boolean;
  readonly reward_sats: Satoshis;
  /** The worker who solved it by the share logs; else whom its line names. */
  readonly finder: NameBytes;
  /** Its own snapshot comes last. Before it: those of lines that no block belongs to. */
  readonly snapshots: readonly { readonly id: number; readonly is_dropped: boolean }[];
  /** False before the latest baseline. */
  readonly is_paid: boolean;
  /** Why there is nothing to compare; null when there is. */
  readonly nothing_because: 'counters' | 'gap' | 'baseline' | null;
  /** The counters gave their differences at the lines in (from, to]; null: no line belongs to this round. */
  readonly lines: { readonly from: bigint; readonly to: bigint } | null;
}

export interface ReadRound extends RoundFact, CountedRound {}

type Row = Record<string, unknown>;

/** Every decided block in the order of the cuts. A baseline is no round: it ends what was before. */
export async function readRounds(transaction: Knex.Transaction): Promise<RoundFact[]> {
  const rows = await transaction('cuts')
    .join('snapshots', 'snapshots.id', 'cuts.snapshot_id')
    .leftJoin('blocks', 'blocks.snapshot_id', 'snapshots.id')
    .leftJoin('solving_shares', 'solving_shares.block_hash', 'blocks.hash')
    .orderBy('cuts.place')
    .select<Row[]>('snapshots.id as snapshot_id', 'kind', 'log_position', 'quality', 'dispute', 'finder', 'place',
      'cut_seconds', 'blocks.height as height', 'blocks.hash as hash', 'active', 'reward_sats', 'worker');
  const lines = linesOf(rows);
  const last_baseline = rows.findLastIndex((row) => row['kind'] === 'baseline');
  const rounds: RoundFact[] = [];
  let begins = false;
  let snapshots: RoundFact['snapshots'] = [];
  rows.forEach((row, index) => {
    if (row['kind'] === 'baseline') {
      begins = true;
      snapshots = [];
      return;
    }
    snapshots = [...snapshots, { id: smallInteger(row['snapshot_id']), is_dropped: row['dispute'] === 'dropped' }];
    // A line that no block belongs to: the work before it was done all the same, and is the next round's.
    if (row['hash'] === null) return;
    const own = lines.get(row) ?? null;
    const nothing_because = nothingBecause(row, snapshots.length > 1, begins || own?.begins === true);
    rounds.push(roundFact(row, { snapshots, nothing_because, lines: own, is_paid: index > last_baseline }));
    begins = false;
    snapshots = [];
  });
  return rounds;
}

interface Lines {
  readonly from: bigint;
  readonly to: bigint;
  /** The decided snapshot before it in the log is a baseline. */
  readonly begins: boolean;
}

/** Lines that were never decided belong to the next snapshot in the log that was. */
function linesOf(rows: readonly Row[]): Map<Row, Lines> {
  const logged = rows.map((row) => ({ row, position: integer(row['log_position']) }))
    .filter(({ position }) => position >= 0n)
    .sort((a, b) => (a.position < b.position ? -1 : 1));
  return new Map(logged.map(({ row, position }, index) => {
    const before = logged[index - 1];
    return [row, { from: before?.position ?? -1n, to: position, begins: before?.row['kind'] === 'baseline' }];
  }));
}

function nothingBecause(row: Row, holds_more: boolean, begins: boolean): RoundFact['nothing_because'] {
  // Where the counters decide, the place in the order of work is the line itself.
  if (integer(row['place']) === integer(row['log_position'])) return 'counters';
  if (row['quality'] !== 'exact' || row['cut_seconds'] === null || holds_more) return 'gap';
  // The counters have no reading at a baseline: what they tell next reaches back behind it.
  return begins ? 'baseline' : null;
}

const roundFact = (
  row: Row, more: Pick<RoundFact, 'snapshots' | 'nothing_because' | 'lines' | 'is_paid'>,
): RoundFact => ({
  ...more,
  height: smallInteger(row['height']),
  hash: blockHash(String(row['hash'])),
  active: smallInteger(row['active']) === 1,
  reward_sats: satoshis(integer(row['reward_sats'])),
  finder: nameFromBuffer((row['worker'] ?? row['finder']) as Buffer),
});

/** The work of one round by both counts. */
export async function readWork(transaction: Knex.Transaction, fact: RoundFact): Promise<ReadRound> {
  const decided: Row[][] = [];
  for (const snapshot of fact.snapshots) decided.push(await decidedRows(transaction, snapshot));
  const by_counters = fact.nothing_because === 'counters' ? decided.flat() : [
    ...decided.slice(0, -1).flat(), ...(fact.lines ? await counterRows(transaction, fact.lines) : []),
  ];
  return {
    ...fact,
    counters: sumByUser(by_counters),
    share_logs: fact.nothing_because === null ? sumByUser(decided.flat()) : null,
  };
}

async function decidedRows(
  transaction: Knex.Transaction, { id, is_dropped }: RoundFact['snapshots'][number],
): Promise<Row[]> {
  const rows = await transaction('snapshot_shares').join('users', 'users.id', 'snapshot_shares.user_id')
    .where({ snapshot_id: id }).select<Row[]>('users.name as name', 'difference', 'disputed_difference');
  if (!is_dropped) return rows;
  return rows.map((row) => ({ ...row, difference: integer(row['difference']) - integer(row['disputed_difference']) }));
}

async function counterRows(transaction: Knex.Transaction, { from, to }: NonNullable<RoundFact['lines']>): Promise<Row[]> {
  return transaction('counter_shares').join('snapshots', 'snapshots.id', 'counter_shares.snapshot_id')
    .join('users', 'users.id', 'counter_shares.user_id')
    .where('log_position', '>', from.toString()).where('log_position', '<=', to.toString())
    .select('users.name as name', 'difference');
}

function sumByUser(rows: readonly Row[]): WorkByUser {
  const sums = new Map<NameBytes, Shares>();
  for (const row of rows) {
    const difference = integer(row['difference']);
    if (difference === 0n) continue;
    const name = nameFromBuffer(row['name'] as Buffer);
    sums.set(name, shares((sums.get(name) ?? 0n) + difference));
  }
  return sums;
}
