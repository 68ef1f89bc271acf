// What accounting knows of the share logs, read back from its own tables: whether they are read, how far each
// file is, and what each user's work comes to. Reads only; share-store.ts writes.
import { integer, smallInteger, type Database } from '../../shared/database/database.js';
import { logPosition, shares } from '../../shared/units.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';
import { compareMoments, type ShareMoment } from '../core/share-order.js';
import type { ShareCount } from '../core/share-counts.js';
import { joinWork } from '../core/share-work.js';

export type SourceState = 'active' | 'paused';

/** A share log and how far it was read. */
export interface ReadShareLog {
  readonly height: number;
  readonly workinfoid: string;
  readonly offset: number;
  /** The earliest and the latest share in what was read; null: none yet. */
  readonly first: ShareMoment | null;
  readonly last: ShareMoment | null;
}

export interface ShareState {
  readonly source: SourceState;
  /** Work before this second is what the counters told, where the reading began later than the pool; null: nowhere. */
  readonly boundary_seconds: number | null;
  /** Moved by one with each commit. */
  revision: number;
  readonly counts: Map<NameBytes, ShareCount>;
}

type Row = Record<string, unknown>;

/** Null: no share log was ever read, block lines are decided when they are read. */
export async function loadSource(database: Database): Promise<SourceState | null> {
  const row = await database.knex<Row>('share_log_source').where('id', 1).first();
  if (!row) return null;
  return row['state'] === 'active' ? 'active' : 'paused';
}

/** Null as in loadSource. */
export async function loadShareState(database: Database): Promise<ShareState | null> {
  return database.snapshot(async (transaction) => {
    const source = await transaction<Row>('share_log_source').where('id', 1).first();
    if (!source) return null;
    const rows: Row[] = await transaction('share_counts')
      .join('users', 'users.id', 'share_counts.user_id')
      .select('share_counts.*', 'users.name');
    return {
      source: source['state'] === 'active' ? 'active' : 'paused',
      boundary_seconds: source['boundary_seconds'] === null ? null : smallInteger(source['boundary_seconds']),
      revision: smallInteger(source['revision']),
      counts: new Map(rows.map((row) => [nameFromBuffer(row['name'] as Buffer), countFromRow(row)])),
    };
  });
}

function countFromRow(row: Row): ShareCount {
  const position = row['fallback_position'];
  return {
    user_id: smallInteger(row['user_id']),
    name: nameFromBuffer(row['name'] as Buffer),
    logged: joinWork(integer(row['logged_count']), integer(row['logged_fraction'])),
    cut_count: shares(integer(row['cut_count'])),
    fallback_count: shares(integer(row['fallback_count'])),
    fallback_disputed: shares(integer(row['fallback_disputed'])),
    fallback_position: position === null ? null : logPosition(integer(position)),
    fallback_counter: shares(integer(row['fallback_counter'])),
    fallback_logged: shares(integer(row['fallback_logged'])),
    fallback_given: shares(integer(row['fallback_given'])),
    surplus_count: shares(integer(row['surplus_count'])),
    counter_count: shares(integer(row['counter_count'])),
    disputed_count: shares(integer(row['disputed_count'])),
    snapshot_count: shares(integer(row['snapshot_count'])),
  };
}

/** Of one height. */
export async function loadHeight(
  database: Database, height: number,
): Promise<Map<string, ReadShareLog>> {
  const rows = await database.knex<Row>('share_log_files').where('height', height);
  return new Map(rows.map((row) => [String(row['workinfoid']), fileFromRow(row)]));
}

/** Share logs in which a share later than that moment was read, oldest first. */
export async function filesAfter(database: Database, moment: ShareMoment): Promise<ReadShareLog[]> {
  const rows = await database.knex<Row>('share_log_files')
    .where('last_seconds', '>=', moment.seconds).orderBy(['height', 'workinfoid']);
  return rows.map(fileFromRow).filter((file) => file.last && compareMoments(file.last, moment) >= 0);
}

/** The second of the latest share read, of those up to that second; null: none was. */
export async function lastShareSeconds(database: Database, until_seconds: number | null): Promise<number | null> {
  const query = database.knex('share_log_files');
  if (until_seconds !== null) void query.where('last_seconds', '<=', until_seconds);
  const [row]: Row[] = await query.max({ last: 'last_seconds' });
  const last = row?.['last'] ?? null;
  return last === null ? null : smallInteger(last);
}

function fileFromRow(row: Row): ReadShareLog {
  return {
    height: smallInteger(row['height']),
    workinfoid: String(row['workinfoid']),
    offset: smallInteger(row['file_offset']),
    first: momentOf(row['first_seconds'], row['first_nanoseconds']),
    last: momentOf(row['last_seconds'], row['last_nanoseconds']),
  };
}

const momentOf = (seconds: unknown, nanoseconds: unknown): ShareMoment | null =>
  (seconds === null ? null : { seconds: smallInteger(seconds), nanoseconds: smallInteger(nanoseconds) });
