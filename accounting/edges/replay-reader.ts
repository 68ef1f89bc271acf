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

/** Where the lines behind each baseline begin: it stands on the byte before them. */
export async function baselineEnds(database: Database): Promise<bigint[]> {
  const rows = await database
    .knex<Record<string, unknown>>('snapshots')
    .where('kind', 'baseline')
    .orderBy('log_position');
  return rows.map((row) => integer(row['log_position']) + 1n);
}

/** Ids of the block snapshots from a position on, by position. */
export async function storedSnapshots(database: Database, from: bigint): Promise<Map<bigint, number>> {
  const rows = await database
    .knex<Record<string, unknown>>('snapshots')
    .where('kind', 'block')
    .where('log_position', '>=', from.toString())
    .orderBy('log_position');
  return new Map(rows.map((row) => [integer(row['log_position']), smallInteger(row['id'])]));
}

export interface StoredShare {
  readonly share_count: bigint;
  readonly difference: bigint;
}

export async function storedShares(
  database: Database, snapshot_id: number,
): Promise<Map<NameBytes, StoredShare>> {
  const rows: Record<string, unknown>[] = await database
    .knex<Record<string, unknown>>('snapshot_shares')
    .join('users', 'users.id', 'snapshot_shares.user_id')
    .where({ snapshot_id })
    .select('users.name as name', 'share_count', 'difference');
  return new Map(rows.map((row) => [
    nameFromBuffer(row['name'] as Buffer),
    { share_count: integer(row['share_count']), difference: integer(row['difference']) },
  ]));
}
