// What payments reads of accounting's tables. Nothing here writes: facts belong to accounting. Sums are made
// in bigint here, never in SQL, where SQLite would overflow.
import type { Knex } from 'knex';
import { integer, smallInteger, timeFromText } from '../../shared/database/database.js';
import {
  blockHash, blockHeight, logPosition, satoshis, shares, transactionId, type BlockHash,
  type BlockHeight, type LogPosition, type Satoshis, type TransactionId,
} from '../../shared/units.js';
import { nameFromBuffer, nameToBuffer, type NameBytes } from '../../shared/username.js';
import type { Dispute, StoredDifference } from '../core/round.js';

export interface FactBlock {
  readonly hash: BlockHash;
  readonly height: BlockHeight;
  readonly coinbase_txid: TransactionId;
  /** As accounting read it. Payments reads the coinbase itself and compares. */
  readonly reward_sats: Satoshis;
  /** null: no line of the log is known for it. */
  readonly position: LogPosition | null;
  readonly found_at_ms: number;
}

type BlockRow = Record<
  'hash' | 'height' | 'coinbase_txid' | 'reward_sats' | 'position' | 'header_at',
  unknown
>;

const blockOfRow = (row: BlockRow): FactBlock => ({
  hash: blockHash(String(row.hash)),
  height: blockHeight(smallInteger(row.height)),
  coinbase_txid: transactionId(String(row.coinbase_txid)),
  reward_sats: satoshis(integer(row.reward_sats)),
  position: row.position === null ? null : logPosition(integer(row.position)),
  found_at_ms: timeFromText(String(row.header_at)),
});

const blocksWithPosition = (knex: Knex): Knex.QueryBuilder =>
  knex('blocks').leftJoin('snapshots', 'snapshots.id', 'blocks.snapshot_id')
    .select('blocks.hash', 'blocks.height', 'blocks.coinbase_txid', 'blocks.reward_sats', 'blocks.header_at')
    .select({ position: 'snapshots.log_position' });

/**
 * Blocks without a round, lowest first; of two at one height the one found first, one without a line last.
 */
export async function undecidedBlocks(knex: Knex, limit?: number): Promise<FactBlock[]> {
  const query = blocksWithPosition(knex)
    .leftJoin('rounds', 'rounds.block_hash', 'blocks.hash')
    .whereNull('rounds.id')
    .orderBy('blocks.height')
    .orderByRaw('case when snapshots.log_position is null then 1 else 0 end')
    .orderBy('snapshots.log_position')
    .orderBy('blocks.hash');
  if (limit !== undefined) void query.limit(limit);
  return (await query as BlockRow[]).map(blockOfRow);
}

export async function factBlock(knex: Knex, hash: BlockHash): Promise<FactBlock | null> {
  const row = await blocksWithPosition(knex).where('blocks.hash', hash).first() as BlockRow | undefined;
  return row ? blockOfRow(row) : null;
}

/** Blocks up to this height, whatever became of them, lowest first. */
export async function matureBlocks(knex: Knex, up_to: BlockHeight): Promise<FactBlock[]> {
  const rows = await blocksWithPosition(knex).where('blocks.height', '<=', up_to)
    .orderBy(['blocks.height', 'blocks.hash']) as BlockRow[];
  return rows.map(blockOfRow);
}

/** Coinbase transactions of the pool's blocks with these hashes; what is no hash of one is left out. */
export async function coinbaseOfBlocks(knex: Knex, hashes: ReadonlySet<string>): Promise<Set<string>> {
  if (hashes.size === 0) return new Set();
  const rows = await knex('blocks').select<{ hash: unknown; coinbase_txid: unknown }[]>(
    'hash',
    'coinbase_txid',
  );
  return new Set(
    rows.filter(({ hash }) => hashes.has(String(hash))).map(({ coinbase_txid }) => String(coinbase_txid)),
  );
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

/** Where the latest baseline was taken; null when none was. */
export async function baselinePosition(knex: Knex): Promise<LogPosition | null> {
  const row = await knex('snapshots').where({ kind: 'baseline' })
    .max<{ position: unknown }[]>({ position: 'log_position' });
  const position = row[0]?.position ?? null;
  return position === null ? null : logPosition(integer(position));
}

export async function isBaseline(knex: Knex, position: LogPosition): Promise<boolean> {
  const snapshot: unknown = await knex('snapshots')
    .where({ kind: 'baseline', log_position: position })
    .first('id');
  return snapshot !== undefined;
}

export interface RoundDifference extends StoredDifference {
  readonly name: NameBytes;
}

/** Every stored difference of the snapshots in (from, to], whatever their state. */
export async function differencesIn(
  knex: Knex,
  from: LogPosition,
  to: LogPosition,
): Promise<RoundDifference[]> {
  if (to <= from) return [];
  const rows = await knex('snapshot_shares')
    .join('snapshots', 'snapshots.id', 'snapshot_shares.snapshot_id')
    .join('users', 'users.id', 'snapshot_shares.user_id')
    .where('snapshots.log_position', '>', from)
    .where('snapshots.log_position', '<=', to)
    .orderBy(['snapshots.log_position', 'users.id'])
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

/** The snapshots in (from, to] whose counts are disputed and undecided, by id. */
export async function openDisputes(knex: Knex, from: LogPosition, to: LogPosition): Promise<number[]> {
  const rows = await knex('snapshots').where({ dispute: 'open' })
    .where('log_position', '>', from).where('log_position', '<=', to)
    .orderBy('id').select<{ id: unknown }[]>('id');
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
