// What payments reads of accounting's tables. Nothing here writes: facts belong to accounting. Sums are made
// in bigint here, never in SQL, where SQLite would overflow.
import type { Knex } from 'knex';
import { integer, smallInteger, timeFromText } from '../../shared/database/database.js';
import { inBatches } from '../../shared/database/rows.js';
import {
  blockHash, blockHeight, place, satoshis, shares, transactionId, type BlockHash,
  type BlockHeight, type Place, type Satoshis, type TransactionId,
} from '../../shared/units.js';
import { nameFromBuffer, nameToBuffer, type NameBytes } from '../../shared/username.js';
import type { Dispute, StoredDifference } from '../core/round.js';

export interface FactBlock {
  readonly hash: BlockHash;
  readonly height: BlockHeight;
  readonly coinbase_txid: TransactionId;
  /** As accounting read it. Payments reads the coinbase itself and compares. */
  readonly reward_sats: Satoshis;
  /** Where its work was cut. null: it has no snapshot, or the counts of its snapshot are not decided yet. */
  readonly place: Place | null;
  /** It has a snapshot, and accounting has not decided that one's counts yet. */
  readonly counts_undecided: boolean;
  readonly found_at_ms: number;
}

export type FactCoinbase = Pick<FactBlock, 'hash' | 'height' | 'coinbase_txid' | 'reward_sats'>;

type BlockRow = Record<
  'hash' | 'height' | 'coinbase_txid' | 'reward_sats' | 'snapshot_id' | 'place' | 'header_at',
  unknown
>;

const blockOfRow = (row: BlockRow): FactBlock => ({
  hash: blockHash(String(row.hash)),
  height: blockHeight(smallInteger(row.height)),
  coinbase_txid: transactionId(String(row.coinbase_txid)),
  reward_sats: satoshis(integer(row.reward_sats)),
  place: row.place === null ? null : place(integer(row.place)),
  counts_undecided: row.snapshot_id !== null && row.place === null,
  found_at_ms: timeFromText(String(row.header_at)),
});

const blocksWithPlace = (knex: Knex): Knex.QueryBuilder =>
  knex('blocks').leftJoin('cuts', 'cuts.snapshot_id', 'blocks.snapshot_id')
    .select('blocks.hash', 'blocks.height', 'blocks.coinbase_txid', 'blocks.reward_sats', 'blocks.header_at')
    .select('blocks.snapshot_id', 'cuts.place');

/**
 * Blocks without a round, lowest first; of two at one height the one whose work was cut first, one without a
 * place last.
 */
export async function undecidedBlocks(knex: Knex, limit?: number): Promise<FactBlock[]> {
  const query = blocksWithPlace(knex)
    .leftJoin('rounds', 'rounds.block_hash', 'blocks.hash')
    .whereNull('rounds.id')
    // Up to there all are decided, and a decided block stays so: only what was found later is looked through.
    .where('blocks.id', '>', knex('ledger_sums').where('ledger_sums.id', 1).select('decided_block_id'))
    .orderBy('blocks.height')
    .orderByRaw('case when cuts.place is null then 1 else 0 end')
    .orderBy('cuts.place')
    .orderBy('blocks.hash');
  if (limit !== undefined) void query.limit(limit);
  return (await query as BlockRow[]).map(blockOfRow);
}

export async function factBlock(knex: Knex, hash: BlockHash): Promise<FactBlock | null> {
  const row = await blocksWithPlace(knex).where('blocks.hash', hash).first() as BlockRow | undefined;
  return row ? blockOfRow(row) : null;
}

/**
 * Blocks up to this height of whose coinbase some is left by the payouts of the ledger, lowest first. Those that were
 * decided not to stand in the active chain have no coins there; when one returns it is decided anew.
 */
export async function blocksWithCoins(knex: Knex, up_to: BlockHeight): Promise<FactCoinbase[]> {
  const rows = await knex('blocks').leftJoin('rounds', 'rounds.block_hash', 'blocks.hash')
    .where('blocks.height', '<=', up_to)
    .where('blocks.id', '>', knex('ledger_sums').where('ledger_sums.id', 1).select('spent_block_id'))
    .where((standing) => void standing.whereNull('rounds.id').orWhere('rounds.state', 'credited'))
    .where('blocks.reward_sats', '>', knex('payout_inputs').whereRaw('payout_inputs.txid = blocks.coinbase_txid')
      .where('payout_inputs.live', 1).select(knex.raw('coalesce(sum(payout_inputs.amount_sats), 0)')))
    .orderBy(['blocks.height', 'blocks.hash'])
    .select<BlockRow[]>('blocks.hash', 'blocks.height', 'blocks.coinbase_txid', 'blocks.reward_sats');
  return rows.map(({ hash, height, coinbase_txid, reward_sats }) => ({
    hash: blockHash(String(hash)),
    height: blockHeight(smallInteger(height)),
    coinbase_txid: transactionId(String(coinbase_txid)),
    reward_sats: satoshis(integer(reward_sats)),
  }));
}

/** Coinbase transactions of the pool's blocks with these hashes; what is no hash of one is left out. */
export async function coinbaseOfBlocks(knex: Knex, hashes: ReadonlySet<string>): Promise<Set<string>> {
  if (hashes.size === 0) return new Set();
  const found = new Set<string>();
  for (const some of inBatches([...hashes])) {
    const rows = await knex('blocks').whereIn('hash', some).select<{ coinbase_txid: unknown }[]>('coinbase_txid');
    for (const { coinbase_txid } of rows) found.add(String(coinbase_txid));
  }
  return found;
}

export interface ChainScan {
  readonly genesis_hash: BlockHash;
  /** scriptPubKey in hex whose outputs accounting takes for the pool's. */
  readonly pool_script: string;
  /** Nothing below it is ever the pool's. */
  readonly floor_height: number;
  readonly complete: { readonly height: BlockHeight; readonly hash: BlockHash } | null;
}

/** null until accounting has looked at the chain for the first time. */
export async function chainScan(knex: Knex): Promise<ChainScan | null> {
  const row = await knex('chain_scan').where({ id: 1 }).first<
    | {
        genesis_hash: string;
        pool_script: string;
        floor_height: unknown;
        complete_height: unknown;
        complete_hash: string | null;
      }
    | undefined
  >();
  if (!row) return null;
  return {
    genesis_hash: blockHash(row.genesis_hash),
    pool_script: row.pool_script,
    floor_height: smallInteger(row.floor_height),
    complete: row.complete_height === null || row.complete_hash === null ? null : {
      height: blockHeight(smallInteger(row.complete_height)),
      hash: blockHash(row.complete_hash),
    },
  };
}

const snapshotsThatAreCut = (knex: Knex): Knex.QueryBuilder =>
  knex('snapshots').join('cuts', 'cuts.snapshot_id', 'snapshots.id');

/** Where the work of the latest baseline was cut; null when none was taken. */
export async function baselinePlace(knex: Knex): Promise<Place | null> {
  const [row] = await snapshotsThatAreCut(knex).where('snapshots.kind', 'baseline')
    .max<{ place: unknown }[]>({ place: 'cuts.place' });
  const latest = row?.place ?? null;
  return latest === null ? null : place(integer(latest));
}

export async function isBaseline(knex: Knex, at: Place): Promise<boolean> {
  const baseline: unknown = await snapshotsThatAreCut(knex)
    .where({ 'snapshots.kind': 'baseline', 'cuts.place': at })
    .first('snapshots.id');
  return baseline !== undefined;
}

export interface RoundDifference extends StoredDifference {
  readonly name: NameBytes;
}

/** Every stored difference of the snapshots cut in (from, to], whatever their state. */
export async function differencesIn(
  knex: Knex,
  from: Place,
  to: Place,
): Promise<RoundDifference[]> {
  if (to <= from) return [];
  const rows = await snapshotsThatAreCut(knex)
    .join('snapshot_shares', 'snapshot_shares.snapshot_id', 'snapshots.id')
    .join('users', 'users.id', 'snapshot_shares.user_id')
    .where('cuts.place', '>', from)
    .where('cuts.place', '<=', to)
    .orderBy(['cuts.place', 'users.id'])
    .select<Record<string, unknown>[]>('users.id', 'users.name', 'snapshot_shares.difference',
      'snapshot_shares.disputed_difference', 'snapshots.dispute');
  return rows.map((row) => ({
    user_id: smallInteger(row.id),
    name: nameFromBuffer(row.name as Uint8Array),
    difference: shares(integer(row.difference)),
    disputed_difference: shares(integer(row.disputed_difference)),
    dispute: row.dispute as Dispute,
  }));
}

/** The snapshots cut in (from, to] whose counts are disputed and undecided, by id. */
export async function openDisputes(knex: Knex, from: Place, to: Place): Promise<number[]> {
  const rows = await snapshotsThatAreCut(knex).where('snapshots.dispute', 'open')
    .where('cuts.place', '>', from).where('cuts.place', '<=', to)
    .orderBy('snapshots.id').select<{ id: unknown }[]>('snapshots.id');
  return rows.map(({ id }) => smallInteger(id));
}

export interface User {
  readonly user_id: number;
  readonly name: NameBytes;
}

export async function allUsers(knex: Knex): Promise<User[]> {
  const rows = await knex('users').orderBy('name').select<{ id: unknown; name: Uint8Array }[]>('id', 'name');
  return rows.map(({ id, name }) => ({ user_id: smallInteger(id), name: nameFromBuffer(name) }));
}

export async function userNamed(knex: Knex, name: NameBytes): Promise<User | null> {
  const row = await knex('users')
    .where({ name: nameToBuffer(name) })
    .first<{ id: unknown } | undefined>('id');
  return row ? { user_id: smallInteger(row.id), name } : null;
}
