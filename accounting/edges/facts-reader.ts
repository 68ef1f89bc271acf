// Reads the facts for people and programs: `blocks`, `snapshot`. Never writes; needs no lease.
import { integer, smallInteger, timeFromText, type Database } from '../../shared/database/database.js';
import { nameFromBuffer, userOfWorker, type NameBytes } from '../../shared/username.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import type { ListedBlock } from '../core/block-list.js';

export interface BlockFact extends ListedBlock {
  readonly finder: NameBytes | null;
  /** By the share that solved it; else the finder is what a line of the log claims. */
  readonly finder_proven: boolean;
  readonly user: NameBytes | null;
  readonly logged_at: string | null;
  /** Header time (the miner's clock), ISO, UTC. */
  readonly found_at: string | null;
  readonly state: 'confirmed' | 'pending' | 'unverified';
  readonly active: boolean | null;
  readonly reward: Satoshis | null;
  /** Null: its counts are not decided, or it has none. */
  readonly quality: string | null;
  readonly disputed: boolean;
  readonly snapshot_id: number | null;
}

type Row = Record<string, unknown>;

/** Every block line and every block of ours, lines without a block and blocks without a line included. */
export async function readBlocks(database: Database): Promise<BlockFact[]> {
  return database.snapshot(async (transaction) => {
    const lines = await transaction<Row>('snapshots').where('kind', 'block').orderBy('log_position');
    const blocks: Row[] = await transaction('blocks')
      .leftJoin('solving_shares', 'solving_shares.block_hash', 'blocks.hash')
      .orderBy('blocks.height')
      .select('blocks.*', 'solving_shares.worker as worker');
    const decided = new Set((await transaction<Row>('cuts').select('snapshot_id'))
      .map((row) => smallInteger(row['snapshot_id'])));
    const bySnapshot = new Map(
      blocks.map((row) => [row['snapshot_id'] === null ? null : smallInteger(row['snapshot_id']), row]),
    );
    return [
      ...lines.map((line) => blockFact(line, bySnapshot.get(smallInteger(line['id'])) ?? null, decided)),
      ...blocks.filter((row) => row['snapshot_id'] === null).map((row) => blockFact(null, row, decided)),
    ];
  });
}

function blockFact(line: Row | null, block: Row | null, decided: ReadonlySet<number>): BlockFact {
  const worker = (block?.['worker'] ?? null) as Buffer | null;
  const finder = worker ?? (line ? line['finder'] as Buffer : null);
  const position = line ? integer(line['log_position']) : -1n;
  const snapshot_id = line ? smallInteger(line['id']) : null;
  return {
    height: smallInteger((block ?? line)!['height']),
    hash: block ? String(block['hash']) : null,
    // A block that the log never named has a snapshot before the log's beginning.
    log_position: position < 0n ? null : position,
    finder: finder === null ? null : nameFromBuffer(finder),
    finder_proven: worker !== null,
    user: finder === null ? null : userOfWorker(nameFromBuffer(finder)),
    logged_at: position < 0n ? null : String(line!['logged_at']),
    found_at: block ? new Date(timeFromText(String(block['header_at']))).toISOString() : null,
    state: line ? (line['state'] as BlockFact['state']) : 'confirmed',
    active: block ? smallInteger(block['active']) === 1 : null,
    reward: block ? satoshis(integer(block['reward_sats'])) : null,
    quality: snapshot_id !== null && decided.has(snapshot_id) ? String(line!['quality']) : null,
    disputed: line !== null && line['dispute'] === 'open',
    snapshot_id,
  };
}

export interface SnapshotFact {
  readonly snapshot_id: number;
  readonly height: number;
  readonly hash: string | null;
  readonly quality: string;
  readonly dispute: string;
  /** Where share logs are read a line's counts are decided with its block. */
  readonly decided: boolean;
}

/** Snapshots that a height or the beginning of a block hash names. */
export async function findSnapshots(database: Database, block: string): Promise<SnapshotFact[]> {
  const query = database.knex<Row>('snapshots').leftJoin('blocks', 'blocks.snapshot_id', 'snapshots.id')
    .leftJoin('cuts', 'cuts.snapshot_id', 'snapshots.id')
    .where('snapshots.kind', 'block').orderBy('snapshots.log_position')
    .select('snapshots.id as snapshot_id', 'snapshots.height as height', 'blocks.hash as hash',
      'snapshots.quality as quality', 'snapshots.dispute as dispute', 'cuts.place as place');
  const rows = /^\d{1,10}$/.test(block)
    ? (await query.where('snapshots.height', Number(block))) as Row[]
    : (await query.where('blocks.hash', 'like', `${block.replace(/[^0-9a-f]/g, '')}%`)) as Row[];
  return rows.map((row) => ({
    snapshot_id: smallInteger(row['snapshot_id']),
    height: smallInteger(row['height']),
    hash: row['hash'] as string | null,
    quality: String(row['quality']),
    dispute: String(row['dispute']),
    decided: row['place'] !== null,
  }));
}

/** What becomes of a block of ours that has no snapshot: its share may be known, so that it will have one. */
export async function withoutSnapshot(database: Database, block: string): Promise<'proven' | 'lineless' | null> {
  const query = database.knex<Row>('blocks').leftJoin('solving_shares', 'solving_shares.block_hash', 'blocks.hash')
    .whereNull('snapshot_id');
  const named = /^\d{1,10}$/.test(block)
    ? query.where('blocks.height', Number(block))
    : query.where('hash', 'like', `${block.replace(/[^0-9a-f]/g, '')}%`);
  const row: Row | undefined = await named.first('blocks.id as id', 'solving_shares.worker as worker');
  if (!row) return null;
  return row['worker'] === null ? 'lineless' : 'proven';
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
    .join('cuts as taken', 'taken.snapshot_id', 'shares.snapshot_id')
    .where('taken.place', '<=', database.knex('cuts').where({ snapshot_id }).select('place'))
    .orderBy('taken.place')
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
