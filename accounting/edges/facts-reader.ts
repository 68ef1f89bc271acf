// Reads the facts for people and programs: `blocks`, `snapshot`. Never writes; needs no lease.
import { integer, smallInteger, timeFromText, type Database } from '../../shared/database/database.js';
import { nameFromBuffer, userOfWorker, type NameBytes } from '../../shared/username.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import type { ListedBlock } from '../core/block-list.js';

export interface BlockFact extends ListedBlock {
  readonly finder: NameBytes | null;
  readonly user: NameBytes | null;
  readonly logged_at: string | null;
  /** Header time (the miner's clock), ISO, UTC. */
  readonly found_at: string | null;
  readonly state: 'confirmed' | 'pending' | 'unverified';
  readonly active: boolean | null;
  readonly reward: Satoshis | null;
  readonly quality: string | null;
  readonly disputed: boolean;
  readonly snapshot_id: number | null;
}

type Row = Record<string, unknown>;

/** Every block line and every block of ours, lines without a block and blocks without a line included. */
export async function readBlocks(database: Database): Promise<BlockFact[]> {
  return database.snapshot(async (transaction) => {
    const lines = await transaction<Row>('snapshots').where('kind', 'block').orderBy('log_position');
    const blocks = await transaction<Row>('blocks').orderBy('height');
    const bySnapshot = new Map(
      blocks.map((row) => [row['snapshot_id'] === null ? null : smallInteger(row['snapshot_id']), row]),
    );
    return [
      ...lines.map((line) => blockFact(line, bySnapshot.get(smallInteger(line['id'])) ?? null)),
      ...blocks.filter((row) => row['snapshot_id'] === null).map((row) => blockFact(null, row)),
    ];
  });
}

function blockFact(line: Row | null, block: Row | null): BlockFact {
  const finder = line ? nameFromBuffer(line['finder'] as Buffer) : null;
  return {
    height: smallInteger((block ?? line)!['height']),
    hash: block ? String(block['hash']) : null,
    log_position: line ? integer(line['log_position']) : null,
    finder,
    user: finder === null ? null : userOfWorker(finder),
    logged_at: line ? String(line['logged_at']) : null,
    found_at: block ? new Date(timeFromText(String(block['header_at']))).toISOString() : null,
    state: line ? (line['state'] as BlockFact['state']) : 'confirmed',
    active: block ? smallInteger(block['active']) === 1 : null,
    reward: block ? satoshis(integer(block['reward_sats'])) : null,
    quality: line ? String(line['quality']) : null,
    disputed: line !== null && line['dispute'] === 'open',
    snapshot_id: line ? smallInteger(line['id']) : null,
  };
}

export interface SnapshotFact {
  readonly snapshot_id: number;
  readonly height: number;
  readonly hash: string | null;
  readonly quality: string;
  readonly dispute: string;
}

/** Snapshots that a height or the beginning of a block hash names. */
export async function findSnapshots(database: Database, block: string): Promise<SnapshotFact[]> {
  const query = database.knex<Row>('snapshots').leftJoin('blocks', 'blocks.snapshot_id', 'snapshots.id')
    .where('snapshots.kind', 'block').orderBy('snapshots.log_position')
    .select('snapshots.id as snapshot_id', 'snapshots.height as height', 'blocks.hash as hash',
      'snapshots.quality as quality', 'snapshots.dispute as dispute');
  const rows = /^\d{1,10}$/.test(block)
    ? (await query.where('snapshots.height', Number(block))) as Row[]
    : (await query.where('blocks.hash', 'like', `${block.replace(/[^0-9a-f]/g, '')}%`)) as Row[];
  return rows.map((row) => ({
    snapshot_id: smallInteger(row['snapshot_id']),
    height: smallInteger(row['height']),
    hash: row['hash'] as string | null,
    quality: String(row['quality']),
    dispute: String(row['dispute']),
  }));
}

/** A block of ours that has no line, hence no snapshot. */
export async function isLineless(database: Database, block: string): Promise<boolean> {
  const query = database.knex<Row>('blocks').whereNull('snapshot_id');
  const row: unknown = /^\d{1,10}$/.test(block)
    ? await query.where('height', Number(block)).first('id')
    : await query.where('hash', 'like', `${block.replace(/[^0-9a-f]/g, '')}%`).first('id');
  return row !== undefined;
}

export interface ShareFact {
  readonly user: NameBytes;
  readonly count: bigint;
  readonly difference: bigint;
  readonly disputed_difference: bigint;
}

/** Every user with a count at that snapshot: rows are sparse, so each user's latest one counts. */
export async function readShares(database: Database, snapshot_id: number): Promise<ShareFact[]> {
  const rows: Row[] = await database
    .knex<Row>('snapshot_shares as shares')
    .join('users', 'users.id', 'shares.user_id')
    .join('snapshots as taken', 'taken.id', 'shares.snapshot_id')
    .where(
      'taken.log_position',
      '<=',
      database.knex('snapshots').where('id', snapshot_id).select('log_position'),
    )
    .orderBy('taken.log_position')
    .select(
      'users.name as name',
      'shares.snapshot_id as snapshot_id',
      'shares.share_count as share_count',
      'shares.difference as difference',
      'shares.disputed_difference as disputed_difference',
    );
  const latest = new Map<NameBytes, ShareFact>();
  for (const row of rows) {
    const user = nameFromBuffer(row['name'] as Buffer);
    const here = smallInteger(row['snapshot_id']) === snapshot_id;
    latest.set(user, {
      user,
      count: integer(row['share_count']),
      difference: here ? integer(row['difference']) : 0n,
      disputed_difference: here ? integer(row['disputed_difference']) : 0n,
    });
  }
  return [...latest.values()].sort((a, b) =>
    a.count > b.count ? -1 : a.count < b.count ? 1 : a.user < b.user ? -1 : 1,
  );
}
