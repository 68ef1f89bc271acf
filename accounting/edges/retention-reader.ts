// What the database says about who still needs which share log. Reads only, tables of both daemons; needs no lease:
// a block that is decided while it is read only makes less prunable than there is.
import { integer, smallInteger, timeFromText, type Database } from '../../shared/database/database.js';
import type { ReadMark, RetainedBlock, RetentionFacts } from '../core/share-retention.js';

type Row = Record<string, unknown>;

/** One consistent view: a round that is credited meanwhile is in it with all of its cuts, or not at all. */
export async function loadRetentionFacts(
  database: Database, settings: { readonly maturity: number; readonly share_logs_count: boolean },
): Promise<RetentionFacts> {
  return database.snapshot(async (transaction) => {
    const blocks = await transaction('blocks')
      .leftJoin('rounds', 'rounds.block_hash', 'blocks.hash')
      .leftJoin('cuts', 'cuts.snapshot_id', 'blocks.snapshot_id')
      .select<Row[]>(
        'blocks.height as height', 'blocks.header_at as header_at', 'blocks.snapshot_id as snapshot_id',
        'rounds.state as round', 'cuts.place as place', 'cuts.cut_seconds as cut_seconds',
      );
    // Unverified lines belong to no block and wait for nothing.
    const lines = await transaction('snapshots')
      .where({ kind: 'block', state: 'pending' }).select<Row[]>('height');
    const credited = await transaction('rounds')
      .whereIn('state', ['credited', 'lost']).orderBy('cut_to', 'desc').first<Row | undefined>('cut_to');
    const scan = await transaction('chain_scan').where('id', 1).first<Row | undefined>('complete_height');
    return {
      ...settings,
      blocks: [...blocks.map(blockFromRow), ...lines.map(blockFromLine)],
      credited_to: credited ? integer(credited['cut_to']) : null,
      complete_height: numberOrNull(scan?.['complete_height']),
    };
  });
}

/** How far the share logs of a height were read, by workinfoid. */
export async function loadReadMarks(database: Database, height: number): Promise<Map<string, ReadMark>> {
  const rows = await database.knex<Row>('share_log_files')
    .where('height', height).select('workinfoid', 'file_offset', 'last_seconds');
  return new Map(rows.map((row) => [String(row['workinfoid']), {
    offset: smallInteger(row['file_offset']), last_seconds: numberOrNull(row['last_seconds']),
  }]));
}

function blockFromRow(row: Row): RetainedBlock {
  return {
    height: smallInteger(row['height']),
    round: row['round'] as RetainedBlock['round'],
    has_snapshot: row['snapshot_id'] !== null,
    place: row['place'] === null ? null : integer(row['place']),
    cut_seconds: numberOrNull(row['cut_seconds']),
    header_seconds: Math.floor(timeFromText(String(row['header_at'])) / 1000),
  };
}

const blockFromLine = (row: Row): RetainedBlock => ({
  height: smallInteger(row['height']), round: null, has_snapshot: true, place: null, cut_seconds: null,
  header_seconds: null,
});

const numberOrNull = (value: unknown): number | null =>
  (value === null || value === undefined ? null : smallInteger(value));
