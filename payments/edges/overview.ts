// Sums and lists over payments' own tables that only commands need: for `status` and `balances`.
import type { Knex } from 'knex';
import { integer, smallInteger, timeFromText } from '../../shared/database/database.js';
import { satoshis, type Satoshis } from '../../shared/units.js';

/** Users whose amount is in a batch that waits for a person. */
export async function usersInHeldBatches(knex: Knex): Promise<Set<number>> {
  const rows = await knex('payouts').join('payout_batches', 'payout_batches.id', 'payouts.batch_id')
    .where({ 'payout_batches.state': 'held', 'payouts.state': 'active' })
    .distinct<{ user_id: unknown }[]>('payouts.user_id');
  return new Set(rows.map(({ user_id }) => smallInteger(user_id)));
}

export interface BatchInFlight {
  readonly id: number;
  readonly state: string;
  readonly planned_sats: Satoshis;
  readonly txid: string | null;
  readonly held_reason: string | null;
  readonly since_ms: number;
}

/** Batches that are neither final nor released, oldest first. */
export async function batchesInFlight(knex: Knex): Promise<BatchInFlight[]> {
  const rows = await knex('payout_batches')
    .leftJoin('payout_transactions', 'payout_transactions.batch_id', 'payout_batches.id')
    .whereNotIn('payout_batches.state', ['final', 'released']).orderBy('payout_batches.id')
    .select<Record<string, unknown>[]>('payout_batches.*', 'payout_transactions.txid');
  return rows.map((row) => ({
    id: smallInteger(row.id),
    state: String(row.state),
    planned_sats: satoshis(integer(row.planned_sats)),
    txid: row.txid as string | null,
    held_reason: row.held_reason as string | null,
    since_ms: timeFromText(String(row.state_at)),
  }));
}

/** Among users who are owed something: the oldest credit since the user was last promised a payout. */
export async function oldestUnpaidCredit(
  knex: Knex,
): Promise<{ readonly user_id: number; readonly credited_at_ms: number } | null> {
  const owed = knex('ledger_entries').where({ account: 'miner' }).groupBy('user_id')
    .havingRaw('sum(amount_sats) > 0').select('user_id');
  const last_reserved = knex('ledger_entries AS entry')
    .join('ledger_events AS reservation', 'reservation.id', 'entry.event_id')
    .whereIn('reservation.kind', ['reserve'])
    .where('entry.account', 'miner')
    .groupBy('entry.user_id')
    .select('entry.user_id')
    .max({ event_id: 'entry.event_id' })
    .as('reserved');
  const row = await knex('ledger_entries AS credit')
    .join('ledger_events AS event', 'event.id', 'credit.event_id')
    .leftJoin(last_reserved, 'reserved.user_id', 'credit.user_id')
    .where('credit.account', 'miner')
    .where('event.kind', 'settle')
    .whereIn('credit.user_id', owed)
    .where((after) => void after
      .whereNull('reserved.event_id')
      .orWhereRaw('credit.event_id > reserved.event_id'))
    .orderBy('credit.id')
    .select('credit.user_id', 'event.occurred_at')
    .first<{ user_id: unknown; occurred_at: unknown } | undefined>();
  return row
    ? { user_id: smallInteger(row.user_id), credited_at_ms: timeFromText(String(row.occurred_at)) }
    : null;
}
