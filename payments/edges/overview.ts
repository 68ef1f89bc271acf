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
  let oldest = await firstCreditOfTheUnpromised(knex);
  // A credit is later than the promise before it: behind the oldest credit found so far, nobody need be asked.
  for (const { user_id, promised_at } of await lastPromises(knex)) {
    if (oldest !== null && promised_at > oldest.event_id) break;
    const event_id = await firstCreditAfter(knex, user_id, promised_at);
    if (event_id !== null && (oldest === null || event_id < oldest.event_id)) oldest = { user_id, event_id };
  }
  if (oldest === null) return null;
  const event = await knex('ledger_events').where({ id: oldest.event_id }).first<{ occurred_at: unknown }>('occurred_at');
  return { user_id: oldest.user_id, credited_at_ms: timeFromText(String(event.occurred_at)) };
}

/** Somebody's first entry is a credit. */
async function firstCreditOfTheUnpromised(knex: Knex): Promise<{ user_id: number; event_id: number } | null> {
  const first = knex('ledger_entries AS entry').whereRaw('entry.user_id = owed.user_id').where('entry.account', 'miner')
    .orderBy('entry.event_id').limit(1).select('entry.event_id');
  const row = await knex.from(owedUsers(knex).as('owed'))
    .whereNotExists(knex('payouts').select(knex.raw('1')).whereRaw('payouts.user_id = owed.user_id'))
    .orderBy(['event_id', 'owed.user_id']).select('owed.user_id', first.as('event_id'))
    .first<{ user_id: unknown; event_id: unknown } | undefined>();
  return row ? { user_id: smallInteger(row.user_id), event_id: smallInteger(row.event_id) } : null;
}

/** By which event each user who is owed something was last promised a payout, the longest ago first. */
async function lastPromises(knex: Knex): Promise<{ user_id: number; promised_at: number }[]> {
  const last = knex('payouts AS later').whereRaw('later.user_id = owed.user_id').orderBy('later.id', 'desc').limit(1)
    .select('later.id');
  const rows = await knex.from(knex.from(owedUsers(knex).as('owed')).select('owed.user_id', last.as('payout_id')).as('owed'))
    .join('payouts', 'payouts.id', 'owed.payout_id')
    .join('ledger_events', 'ledger_events.batch_id', 'payouts.batch_id')
    .where('ledger_events.kind', 'reserve')
    .select<{ user_id: unknown; id: unknown }[]>('owed.user_id', 'ledger_events.id');
  return rows.map(({ user_id, id }) => ({ user_id: smallInteger(user_id), promised_at: smallInteger(id) }))
    .sort((left, right) => left.promised_at - right.promised_at);
}

async function firstCreditAfter(knex: Knex, user_id: number, event_id: number): Promise<number | null> {
  const row = await knex('ledger_entries').join('ledger_events', 'ledger_events.id', 'ledger_entries.event_id')
    .where({ user_id, account: 'miner', kind: 'settle' }).where('event_id', '>', event_id).orderBy('event_id')
    .first<{ event_id: unknown } | undefined>('event_id');
  return row ? smallInteger(row.event_id) : null;
}
