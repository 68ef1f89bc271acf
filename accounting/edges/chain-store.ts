// Writes of the chain side: which blocks are ours, how far the chain has been looked at, which line belongs
// to which block. Every write begins with the lease's fence; state changes are compare-and-set.
import type { Knex } from 'knex';
import type { BlockWithCoinbase } from '../../shared/bitcoind/node.js';
import { integer, smallInteger, timeText, type Database, type Lease } from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';
import {
  blockHash, blockHeight, logPosition, type BlockHash, type BlockHeight, type LogPosition, type Satoshis,
} from '../../shared/units.js';
import type { Pair, UnpairedBlock, UnpairedLine } from '../core/pairing.js';

export interface ChainScan {
  readonly genesis_hash: BlockHash;
  readonly pool_script: string;
  readonly floor_height: BlockHeight;
  readonly cursor_height: number;
  readonly cursor_hash: BlockHash;
  readonly complete_height: number | null;
  readonly complete_hash: BlockHash | null;
}

export interface OwnBlock extends BlockWithCoinbase {
  readonly reward: Satoshis;
}

export async function loadScan(database: Database): Promise<ChainScan | null> {
  const row = await database.knex<Record<string, unknown>>('chain_scan').where('id', 1).first();
  if (!row) return null;
  const complete = row['complete_height'] !== null;
  return {
    genesis_hash: blockHash(String(row['genesis_hash'])),
    pool_script: String(row['pool_script']),
    floor_height: blockHeight(smallInteger(row['floor_height'])),
    cursor_height: smallInteger(row['cursor_height']),
    cursor_hash: blockHash(String(row['cursor_hash'])),
    complete_height: complete ? smallInteger(row['complete_height']) : null,
    complete_hash: complete ? blockHash(String(row['complete_hash'])) : null,
  };
}

/** The first decision about the chain: which one it is, which script is ours, where our blocks begin. */
export async function startScan(
  database: Database, lease: Lease,
  start: Omit<ChainScan, 'complete_height' | 'complete_hash'> & { readonly floor_reason: string },
  now_ms: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await transaction('chain_scan').insert({ id: 1, ...start, updated_at: timeText(now_ms) });
  });
}

/** An operator set another floor: the chain is looked at again from there, and nothing is complete until then. */
export async function moveFloor(
  database: Database, lease: Lease, scan: ChainScan, floor: BlockHeight,
  below: BlockHash, now_ms: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await updateScan(transaction, scan, {
      floor_height: floor, floor_reason: 'scan_from_height', cursor_height: Math.max(floor - 1, 0), cursor_hash: below,
      complete_height: null, complete_hash: null, updated_at: timeText(now_ms),
    });
  });
}

/** The chain left the cursor's branch: back to the fork; blocks above it are not in the active chain now. */
export async function walkBack(
  database: Database, lease: Lease, scan: ChainScan,
  fork: { readonly height: number; readonly hash: BlockHash }, now_ms: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await updateScan(transaction, scan, {
      cursor_height: fork.height, cursor_hash: fork.hash, updated_at: timeText(now_ms),
    });
    await transaction('blocks').where('height', '>', fork.height).where('active', 1).update({ active: 0 });
  });
}

export interface ScanPiece {
  readonly own: readonly OwnBlock[];
  /** Every block looked at: an anchor that names one is real. */
  readonly seen: readonly { readonly hash: BlockHash; readonly height: BlockHeight }[];
  readonly cursor: { readonly height: BlockHeight; readonly hash: BlockHash };
}

/** A piece of the active chain has been looked at. */
export async function recordScan(
  database: Database, lease: Lease, scan: ChainScan, piece: ScanPiece, now_ms: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await updateScan(transaction, scan, {
      cursor_height: piece.cursor.height, cursor_hash: piece.cursor.hash, updated_at: timeText(now_ms),
    });
    await writeBlocks(transaction, piece.own, 1, now_ms);
    await confirmAnchors(transaction, piece.seen);
  });
}

/** Blocks of ours on side branches: known, not in the active chain. */
export async function recordSideBranches(
  database: Database, lease: Lease, own: readonly OwnBlock[], seen: ScanPiece['seen'], now_ms: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await writeBlocks(transaction, own, 0, now_ms);
    await confirmAnchors(transaction, seen);
  });
}

/** Anchors that were read only after their blocks had been looked at. */
export async function recordAnchors(database: Database, lease: Lease, seen: ScanPiece['seen']): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await confirmAnchors(transaction, seen);
  });
}

async function updateScan(transaction: Knex.Transaction, scan: ChainScan, columns: object): Promise<void> {
  const hit = await transaction('chain_scan')
    .where({ id: 1, cursor_height: scan.cursor_height, cursor_hash: scan.cursor_hash }).update(columns);
  invariant(hit === 1, 'the chain scan was moved by somebody else');
}

async function writeBlocks(
  transaction: Knex.Transaction, own: readonly OwnBlock[], active: 0 | 1, now_ms: number,
): Promise<void> {
  for (const block of own) {
    await transaction('blocks').insert({
      hash: block.hash,
      height: block.height,
      previous_hash: block.previous_hash,
      header_at: timeText(block.time_seconds * 1000),
      coinbase_txid: block.coinbase_txid,
      reward_sats: block.reward.toString(),
      active,
      snapshot_id: null,
      discovered_at: timeText(now_ms),
    }).onConflict('hash').merge(['active']);
  }
}

async function confirmAnchors(transaction: Knex.Transaction, seen: ScanPiece['seen']): Promise<void> {
  for (const block of seen) {
    await transaction('log_anchors').where('hash', block.hash).whereNull('height').update({ height: block.height });
  }
}

export interface Unpaired {
  readonly blocks: readonly (UnpairedBlock & { readonly discovered_at: string })[];
  readonly lines: readonly (UnpairedLine & { readonly taken_at: string })[];
}

/** Blocks without a line, with what the log says of them, and the lines of their heights that nobody has. */
export async function loadUnpaired(database: Database): Promise<Unpaired> {
  return database.snapshot(async (transaction) => {
    const blocks = await transaction<Record<string, unknown>>('blocks').whereNull('snapshot_id').orderBy('height');
    const heights = [...new Set(blocks.map((row) => smallInteger(row['height'])))];
    const lines = heights.length === 0 ? [] : await transaction<Record<string, unknown>>('snapshots')
      .whereIn('height', heights).whereIn('state', ['pending', 'unverified'])
      .select('id', 'height', 'log_position', 'taken_at');
    const withLines = new Set(lines.map((row) => smallInteger(row['height'])));
    const recent: Unpaired['blocks'][number][] = [];
    for (const row of blocks) recent.push(await unpairedBlock(transaction, row, withLines));
    return {
      blocks: recent,
      lines: lines.map((row) => ({
        snapshot_id: smallInteger(row['id']),
        height: blockHeight(smallInteger(row['height'])),
        position: logPosition(integer(row['log_position'])),
        taken_at: String(row['taken_at']),
      })),
    };
  });
}

async function unpairedBlock(
  transaction: Knex.Transaction, row: Record<string, unknown>, withLines: ReadonlySet<number>,
): Promise<Unpaired['blocks'][number]> {
  const height = blockHeight(smallInteger(row['height']));
  const needed = withLines.has(height);
  const parent_anchor = needed ? await anchorOf(transaction, String(row['previous_hash'])) : null;
  return {
    hash: blockHash(String(row['hash'])),
    height,
    active: smallInteger(row['active']) === 1,
    header_at: String(row['header_at']),
    anchor: needed ? await anchorOf(transaction, String(row['hash'])) : null,
    parent_anchor,
    next_anchor: needed && parent_anchor !== null ? await anchorAfter(transaction, parent_anchor) : null,
    discovered_at: String(row['discovered_at']),
  };
}

async function anchorOf(transaction: Knex.Transaction, hash: string): Promise<LogPosition | null> {
  const row = await transaction<Record<string, unknown>>('log_anchors').where('hash', hash).first('log_position');
  return row ? logPosition(integer(row['log_position'])) : null;
}

/** Only anchors that the node has shown to be blocks: a forged one moves nothing. */
async function anchorAfter(transaction: Knex.Transaction, position: LogPosition): Promise<LogPosition | null> {
  const row = await transaction<Record<string, unknown>>('log_anchors')
    .where('log_position', '>', position.toString())
    .where((real) => void real.whereNotNull('height').orWhereIn('hash', transaction('blocks').select('hash')))
    .orderBy('log_position').first('log_position');
  return row ? logPosition(integer(row['log_position'])) : null;
}

/** Pairs of block and line, confirmed together. */
export async function recordPairs(database: Database, lease: Lease, pairs: readonly Pair[]): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    for (const { hash, snapshot_id } of pairs) {
      const block = await transaction('blocks').where({ hash }).whereNull('snapshot_id').update({ snapshot_id });
      const line = await transaction('snapshots').where({ id: snapshot_id })
        .whereIn('state', ['pending', 'unverified']).update({ state: 'confirmed' });
      invariant(block === 1 && line === 1, `block ${hash} or its line was paired by somebody else`);
    }
  });
}

/**
 * Log and chain are both known up to this tip: payments may settle below it. Lines taken before the node was
 * asked, and that no block of ours belongs to, are unverified now: a synced node has said no.
 */
export async function publishComplete(
  database: Database, lease: Lease, scan: ChainScan,
  tip: { readonly height: BlockHeight; readonly hash: BlockHash },
  unverified: readonly number[], now_ms: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    for (const id of unverified) {
      await transaction('snapshots').where({ id, state: 'pending' }).update({ state: 'unverified' });
    }
    await updateScan(transaction, scan, {
      complete_height: tip.height, complete_hash: tip.hash, updated_at: timeText(now_ms),
    });
  });
}

/** Block lines that no node has judged yet. */
export async function pendingLines(database: Database): Promise<{ id: number; taken_at: string }[]> {
  const rows = await database.knex<Record<string, unknown>>('snapshots')
    .where({ kind: 'block', state: 'pending' }).orderBy('id').select('id', 'taken_at');
  return rows.map((row) => ({ id: smallInteger(row['id']), taken_at: String(row['taken_at']) }));
}

export interface StoredAnchor {
  readonly hash: BlockHash;
  readonly logged_at: string;
  readonly before_login: boolean;
}

/** Anchors in log order, for the floor. Bounded: forged ones could be many. */
export async function firstAnchors(database: Database, limit: number): Promise<StoredAnchor[]> {
  const rows = await database.knex<Record<string, unknown>>('log_anchors').orderBy('log_position').limit(limit);
  return rows.map((row) => ({
    hash: blockHash(String(row['hash'])),
    logged_at: String(row['logged_at']),
    before_login: smallInteger(row['before_login']) === 1,
  }));
}

export interface KnownBlock {
  readonly hash: BlockHash;
  readonly height: BlockHeight;
  readonly previous_hash: BlockHash;
}

/** Our blocks at or above a height, in the active chain or not, the highest first. */
export async function ownBlocks(database: Database, from: BlockHeight): Promise<KnownBlock[]> {
  const rows = await database.knex<Record<string, unknown>>('blocks').where('height', '>=', from)
    .orderBy('height', 'desc').select('hash', 'height', 'previous_hash');
  return rows.map((row) => ({
    hash: blockHash(String(row['hash'])),
    height: blockHeight(smallInteger(row['height'])),
    previous_hash: blockHash(String(row['previous_hash'])),
  }));
}
