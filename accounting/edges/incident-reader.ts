// Reads incidents for people and programs. They are written with the stretch that they came from
// (log-store.ts) and only ever added to.
import { integer, smallInteger, type Database } from '../../shared/database/database.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';

export interface IncidentFact {
  readonly id: number;
  readonly occurred_at: string;
  readonly kind: string;
  readonly user: NameBytes | null;
  readonly occurrences: number;
  readonly log_position: bigint | null;
  readonly detail: string;
}

/** The latest ones, oldest of them first. */
export async function latestIncidents(database: Database, limit: number): Promise<IncidentFact[]> {
  const rows: Record<string, unknown>[] = await database
    .knex<Record<string, unknown>>('incidents')
    .leftJoin('users', 'users.id', 'incidents.user_id')
    .orderBy('incidents.id', 'desc')
    .limit(limit)
    .select(
      'incidents.id as id', 'kind', 'log_position', 'users.name as name', 'occurrences', 'detail', 'occurred_at',
    );
  return rows.reverse().map((row) => ({
    id: smallInteger(row['id']),
    occurred_at: String(row['occurred_at']),
    kind: String(row['kind']),
    user: row['name'] === null ? null : nameFromBuffer(row['name'] as Buffer),
    occurrences: smallInteger(row['occurrences']),
    log_position: row['log_position'] === null ? null : integer(row['log_position']),
    detail: String(row['detail']),
  }));
}
