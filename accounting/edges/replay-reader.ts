// What replay.ts reads of the rows that were written live: the readings to rebuild from, and the snapshots to
// compare with. Never writes.
import { integer, smallInteger, type Database } from '../../shared/database/database.js';
import { logPosition, shares, type LogPosition } from '../../shared/units.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';
import type { Reading } from '../core/counter-lines.js';

export interface StoredReading {
  readonly position: LogPosition;
  readonly all: boolean;
  readonly counts: ReadonlyMap<NameBytes, Reading>;
}

export async function storedReadings(database: Database): Promise<StoredReading[]> {
  const stored = await database.knex<Record<string, unknown>>('share_readings').orderBy('id');
  // One that stands further on than a later one was given up, because the log up to there was lost.
  let least: bigint | null = null;
  const readings: Record<string, unknown>[] = [];
  for (const row of stored.reverse()) {
    const position = integer(row['log_position']);
    if (least === null || position <= least) readings.unshift(row);
    if (least === null || position < least) least = position;
  }
  const counts: Record<string, unknown>[] = await database
    .knex<Record<string, unknown>>('share_reading_counts')
    .join('users', 'users.id', 'share_reading_counts.user_id')
    .select('reading_id', 'users.name as name', 'share_reading_counts.counter as file_counter');
  const byReading = new Map<number, Map<NameBytes, Reading>>();
  for (const row of counts) {
    const id = smallInteger(row['reading_id']);
    if (!byReading.has(id)) byReading.set(id, new Map());
    byReading.get(id)!.set(nameFromBuffer(row['name'] as Buffer), row['file_counter'] === null
      ? { unreadable: 'no readable file' } : { counter: shares(integer(row['file_counter'])) });
  }
  return readings.map((row) => ({
    position: logPosition(integer(row['log_position'])),
    all: row['kind'] !== 'named',
    counts: byReading.get(smallInteger(row['id'])) ?? new Map<NameBytes, Reading>(),
  }));
}

/**
 * Where the lines behind each baseline begin: it stands on the byte before them. One that was taken where share
 * logs are read leaves what the counters gave alone.
 */
export async function baselineEnds(database: Database): Promise<bigint[]> {
  const rows: Record<string, unknown>[] = await database
    .knex('snapshots')
    .join('cuts', 'cuts.snapshot_id', 'snapshots.id')
    .where('kind', 'baseline')
    .whereRaw('cuts.place = snapshots.log_position')
    .orderBy('log_position')
    .select('log_position');
  return rows.map((row) => integer(row['log_position']) + 1n);
}

export interface StoredSnapshot {
  readonly id: number;
  /** Share logs were read: what the counters gave stands in counter_shares. */
  readonly deferred: boolean;
}

/**
 * The snapshots of block lines from a position on, by position. Blocks without a line have a negative one and are
 * not among them.
 */
export async function storedSnapshots(database: Database, from: bigint): Promise<Map<bigint, StoredSnapshot>> {
  const rows: Record<string, unknown>[] = await database
    .knex('snapshots')
    .leftJoin('cuts', 'cuts.snapshot_id', 'snapshots.id')
    .where('kind', 'block')
    .where('log_position', '>=', from.toString())
    .orderBy('log_position')
    .select('snapshots.id as id', 'log_position', 'place');
  return new Map(rows.map((row) => {
    const position = integer(row['log_position']);
    // A line that is decided when it is read is cut at its own place, any other behind it or not at all.
    const deferred = row['place'] === null || integer(row['place']) !== position;
    return [position, { id: smallInteger(row['id']), deferred }];
  }));
}

export interface StoredShare {
  readonly share_count: bigint;
  readonly difference: bigint;
}

/** What ckpool's counters gave at a block line. */
export async function storedCounterView(
  database: Database, { id, deferred }: StoredSnapshot,
): Promise<Map<NameBytes, StoredShare>> {
  return rowsOf(database, deferred ? 'counter_shares' : 'snapshot_shares', id);
}

/** What a snapshot holds. */
export async function storedShares(
  database: Database, snapshot_id: number,
): Promise<Map<NameBytes, StoredShare>> {
  return rowsOf(database, 'snapshot_shares', snapshot_id);
}

async function rowsOf(
  database: Database, table: 'counter_shares' | 'snapshot_shares', snapshot_id: number,
): Promise<Map<NameBytes, StoredShare>> {
  const rows: Record<string, unknown>[] = await database.knex(table)
    .join('users', 'users.id', `${table}.user_id`)
    .where({ snapshot_id })
    .select('users.name as name', 'share_count', 'difference');
  return new Map(rows.map((row) => [
    nameFromBuffer(row['name'] as Buffer),
    { share_count: integer(row['share_count']), difference: integer(row['difference']) },
  ]));
}
