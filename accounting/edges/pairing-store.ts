// Which line of the log belongs to which block, and up to which tip log and chain are both known. Every write
// is one transaction with the lease's fence first; pairs and states change by compare-and-set, so a crash
// leaves all of a decision or none of it. It never looks for blocks and never moves the scan's cursor.
import type { Knex } from 'knex';
import {
  integer,
  smallInteger,
  timeText,
  type Database,
  type Lease,
} from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';
import {
  blockHash, blockHeight, logPosition, type BlockHash, type BlockHeight, type LogPosition,
} from '../../shared/units.js';
import { nameFromBuffer } from '../../shared/username.js';
import type { Pair, UnpairedBlock, UnpairedLine } from '../core/pairing.js';
import { updateScan, type ChainScan } from './scan-store.js';

export interface Unpaired {
  readonly blocks: readonly (UnpairedBlock & { readonly discovered_at: string })[];
  readonly lines: readonly (UnpairedLine & { readonly taken_at: string })[];
}

/** Blocks without a line, with what the log says of them, and the lines of their heights that nobody has. */
export async function loadUnpaired(database: Database): Promise<Unpaired> {
  return database.snapshot(async (transaction) => {
    const blocks = await transaction<Record<string, unknown>>('blocks')
      .whereNull('snapshot_id')
      .orderBy('height');
    const heights = [...new Set(blocks.map((row) => smallInteger(row['height'])))];
    const lines = heights.length === 0 ? [] : await transaction<Record<string, unknown>>('snapshots')
      .whereIn('height', heights).whereIn('state', ['pending', 'unverified'])
      .select('id', 'height', 'log_position', 'finder', 'logged_at', 'taken_at');
    const withLines = new Set(lines.map((row) => smallInteger(row['height'])));
    const recent: Unpaired['blocks'][number][] = [];
    for (const row of blocks) recent.push(await unpairedBlock(transaction, row, withLines));
    return {
      blocks: recent,
      lines: lines.map((row) => ({
        snapshot_id: smallInteger(row['id']),
        height: blockHeight(smallInteger(row['height'])),
        position: logPosition(integer(row['log_position'])),
        finder: nameFromBuffer(row['finder'] as Buffer),
        logged_at: String(row['logged_at']),
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
    solver: needed ? await solverOf(transaction, String(row['hash'])) : null,
  };
}

async function solverOf(transaction: Knex.Transaction, hash: string): Promise<UnpairedBlock['solver']> {
  const row = await transaction<Record<string, unknown>>('solving_shares').where('block_hash', hash).first();
  if (!row) return null;
  return {
    worker: nameFromBuffer(row['worker'] as Buffer),
    created: { seconds: smallInteger(row['created_seconds']), nanoseconds: smallInteger(row['created_nanoseconds']) },
  };
}

async function anchorOf(transaction: Knex.Transaction, hash: string): Promise<LogPosition | null> {
  const row = await transaction<Record<string, unknown>>('log_anchors')
    .where('hash', hash)
    .first('log_position');
  return row ? logPosition(integer(row['log_position'])) : null;
}

/** Only anchors that the node has shown to be blocks: a forged one moves nothing. */
async function anchorAfter(
  transaction: Knex.Transaction,
  position: LogPosition,
): Promise<LogPosition | null> {
  const row = await transaction<Record<string, unknown>>('log_anchors')
    .where('log_position', '>', position.toString())
    .where((real) => void real.whereNotNull('height').orWhereIn('hash', transaction('blocks').select('hash')))
    .orderBy('log_position')
    .first('log_position');
  return row ? logPosition(integer(row['log_position'])) : null;
}

/** Pairs of block and line, confirmed together. */
export async function recordPairs(database: Database, lease: Lease, pairs: readonly Pair[]): Promise<void> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    for (const { hash, snapshot_id } of pairs) {
      const block = await transaction('blocks')
        .where({ hash })
        .whereNull('snapshot_id')
        .update({ snapshot_id });
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
export async function pendingLines(
  database: Database,
): Promise<{ id: number; height: number; taken_at: string }[]> {
  const rows = await database.knex<Record<string, unknown>>('snapshots')
    .where({ kind: 'block', state: 'pending' }).orderBy('id').select('id', 'height', 'taken_at');
  return rows.map((row) => ({ id: smallInteger(row['id']), height: smallInteger(row['height']), taken_at: String(row['taken_at']) }));
}
