// Sums and lists over payments' own tables that only commands need: for `status` and `balances`.
import type { Knex } from 'knex';
import { integer, smallInteger, timeFromText } from '../../shared/database/database.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import { owedUsers } from './ledger-store.js';

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
  // The batch that last promised the user something, and the event by which it did.
  const last_reserved = knex('ledger_events AS reservation').where('reservation.kind', 'reserve')
    .where('reservation.batch_id', knex('payouts').where('payouts.id',
      knex('payouts AS last').whereRaw('last.user_id = owed.user_id').max('last.id')).select('payouts.batch_id'))
    .max('reservation.id');
  const first_credit = knex('ledger_entries AS credit')
    .join('ledger_events AS event', 'event.id', 'credit.event_id')
    .whereRaw('credit.user_id = owed.user_id')
    .where({ 'credit.account': 'miner', 'event.kind': 'settle' })
    .whereRaw('credit.event_id > coalesce((?), 0)', [last_reserved])
    .orderBy('credit.event_id')
    .limit(1)
    .select('credit.event_id');
  const owed = knex.from(owedUsers(knex).as('owed')).select('owed.user_id', first_credit.as('event_id'));
  const row = await knex.from(owed.as('oldest')).join('ledger_events', 'ledger_events.id', 'oldest.event_id')
    .orderBy(['oldest.event_id', 'oldest.user_id'])
    .select('oldest.user_id', 'ledger_events.occurred_at')
    .first<{ user_id: unknown; occurred_at: unknown } | undefined>();
  return row
    ? { user_id: smallInteger(row.user_id), credited_at_ms: timeFromText(String(row.occurred_at)) }
    : null;
}
