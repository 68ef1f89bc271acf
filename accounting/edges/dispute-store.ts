// Disputed counts of one snapshot: what is stored of them, and the operator's word on them. The word is a
// compare-and-set inside a transaction that is fenced already; once given it is never taken back here.
import type { Knex } from 'knex';
import { integer, smallInteger, type Database } from '../../shared/database/database.js';
import { InvariantBroken } from '../../shared/errors.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';

export type DisputeChoice = 'taken' | 'dropped';

/** False when the snapshot holds no open dispute. */
export async function decideDispute(
  transaction: Knex.Transaction, snapshot_id: number, choice: DisputeChoice,
): Promise<boolean> {
  const hit = await transaction('snapshots')
    .where({ id: snapshot_id, dispute: 'open' })
    .update({ dispute: choice });
  if (hit > 1) throw new InvariantBroken(`snapshot ${snapshot_id} is there ${hit} times`);
  return hit === 1;
}

export interface DisputeFact {
  readonly height: number | null;
  /** none | open | taken | dropped */
  readonly dispute: string;
  readonly users: readonly {
    readonly user: NameBytes;
    readonly difference: bigint;
    readonly disputed_difference: bigint;
  }[];
}

/** null when there is no such snapshot. */
export async function readDispute(database: Database, snapshot_id: number): Promise<DisputeFact | null> {
  const row = await database.knex<Record<string, unknown>>('snapshots').where('id', snapshot_id).first();
  if (!row) return null;
  const rows: Record<string, unknown>[] = await database
    .knex<Record<string, unknown>>('snapshot_shares')
    .join('users', 'users.id', 'snapshot_shares.user_id')
    .where('snapshot_id', snapshot_id)
    .where('disputed_difference', '>', 0)
    .select('users.name as name', 'difference', 'disputed_difference');
  return {
    height: row['height'] === null ? null : smallInteger(row['height']),
    dispute: String(row['dispute']),
    users: rows.map((one) => ({
      user: nameFromBuffer(one['name'] as Buffer),
      difference: integer(one['difference']),
      disputed_difference: integer(one['disputed_difference']),
    })),
  };
}
