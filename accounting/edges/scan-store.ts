// What is known of the chain: which one it is and how far it has been looked at (chain_scan), which blocks
// are ours (blocks), and which anchors of the log are real blocks. One transaction for each decision, the
// lease's fence first; the scan moves by compare-and-set on its cursor, so a crash leaves all of a move or
// none of it. It never says which line belongs to which block: that is pairing-store.ts.
import type { Knex } from 'knex';
import { smallInteger, timeText, type Database, type Lease } from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';
import { blockHash, blockHeight, type BlockHash, type BlockHeight } from '../../shared/units.js';
import type { OwnBlock } from '../core/own-block.js';

export interface ChainScan {
  readonly genesis_hash: BlockHash;
  readonly pool_script: string;
  readonly floor_height: BlockHeight;
  readonly cursor_height: number;
  readonly cursor_hash: BlockHash;
  readonly complete_height: number | null;
  readonly complete_hash: BlockHash | null;
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

/**
 * An operator set another floor: the chain is looked at again from there, and nothing is complete until then.
 */
export async function moveFloor(
  database: Database, lease: Lease, scan: ChainScan, floor: BlockHeight,
  below: BlockHash, now_ms: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await updateScan(transaction, scan, {
      floor_height: floor,
      floor_reason: 'scan_from_height',
      cursor_height: Math.max(floor - 1, 0),
      cursor_hash: below,
      complete_height: null,
      complete_hash: null,
      updated_at: timeText(now_ms),
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

/** A block that was looked at, ours or not. */
export interface SeenBlock {
  readonly hash: BlockHash;
  readonly height: BlockHeight;
}

export interface ScanPiece {
  readonly own: readonly OwnBlock[];
  /** Every block looked at: an anchor that names one is real. */
  readonly seen: readonly SeenBlock[];
  readonly cursor: SeenBlock;
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
  database: Database, lease: Lease, own: readonly OwnBlock[], seen: readonly SeenBlock[], now_ms: number,
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await writeBlocks(transaction, own, 0, now_ms);
    await confirmAnchors(transaction, seen);
  });
}

/** Anchors that were read only after their blocks had been looked at. */
export async function recordAnchors(
  database: Database, lease: Lease, seen: readonly SeenBlock[],
): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await confirmAnchors(transaction, seen);
  });
}

/**
 * Inside a transaction that is fenced already. @throws InvariantBroken when the scan is not where it was
 * read.
 */
export async function updateScan(
  transaction: Knex.Transaction, scan: ChainScan, columns: object,
): Promise<void> {
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

async function confirmAnchors(transaction: Knex.Transaction, seen: readonly SeenBlock[]): Promise<void> {
  for (const block of seen) {
    await transaction('log_anchors')
      .where('hash', block.hash)
      .whereNull('height')
      .update({ height: block.height });
  }
}

export interface StoredAnchor {
  readonly hash: BlockHash;
  readonly logged_at: string;
  readonly before_login: boolean;
}

/** Anchors in log order, for the floor. Bounded: forged ones could be many. */
export async function firstAnchors(database: Database, limit: number): Promise<StoredAnchor[]> {
  const rows = await database
    .knex<Record<string, unknown>>('log_anchors')
    .orderBy('log_position')
    .limit(limit);
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
