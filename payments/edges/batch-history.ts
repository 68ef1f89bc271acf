// What the ledger says happened to a batch, for people.
import type { Knex } from 'knex';

export interface BatchEventLine {
  readonly kind: string;
  readonly detail: string;
  readonly occurred_at: string;
}

/** Oldest first. */
export async function eventsOfBatch(knex: Knex, batch_id: number): Promise<BatchEventLine[]> {
  const rows = await knex('ledger_events').where({ batch_id }).orderBy('id')
    .select<Record<keyof BatchEventLine, unknown>[]>('kind', 'detail', 'occurred_at');
  return rows.map(({ kind, detail, occurred_at }) =>
    ({ kind: String(kind), detail: String(detail), occurred_at: String(occurred_at) }));
}
