// Everything that is stored about one user's pay, for `explain`: the differences, the credits, the payouts.
import type { Knex } from 'knex';
import { integer, smallInteger } from '../../shared/database/database.js';
import { place, satoshis, shares, type Place, type Satoshis, type Shares } from '../../shared/units.js';
import type { Dispute } from '../core/round.js';

export interface UserDifference {
  readonly snapshot_id: number;
  readonly place: Place;
  readonly height: number | null;
  readonly state: string;
  readonly quality: string;
  readonly dispute: Dispute;
  readonly share_count: Shares;
  readonly difference: Shares;
  readonly disputed_difference: Shares;
}

/** In the order in which the work was cut; what is not cut yet is not there. */
export async function differencesOfUser(knex: Knex, user_id: number): Promise<UserDifference[]> {
  const rows = await knex('snapshot_shares')
    .join('snapshots', 'snapshots.id', 'snapshot_shares.snapshot_id')
    .join('cuts', 'cuts.snapshot_id', 'snapshots.id')
    .where({ user_id })
    .orderBy('cuts.place')
    .select<Record<string, unknown>[]>(
      'snapshots.*',
      'cuts.place',
      'snapshot_shares.share_count',
      'snapshot_shares.difference',
      'snapshot_shares.disputed_difference',
    );
  return rows.map((row) => ({
    snapshot_id: smallInteger(row.id),
    place: place(integer(row.place)),
    height: row.height === null ? null : smallInteger(row.height),
    state: String(row.state),
    quality: String(row.quality),
    dispute: row.dispute as Dispute,
    share_count: shares(integer(row.share_count)),
    difference: shares(integer(row.difference)),
    disputed_difference: shares(integer(row.disputed_difference)),
  }));
}

export interface UserEntry {
  readonly event_id: number;
  readonly kind: string;
  readonly cause: string;
  readonly round_id: number | null;
  readonly batch_id: number | null;
  readonly amount_sats: Satoshis;
  readonly occurred_at: string;
}

/** Every change of what the user is owed, in order; the last sum is the balance. */
export async function balanceChanges(knex: Knex, user_id: number): Promise<UserEntry[]> {
  const rows = await knex('ledger_entries')
    .join('ledger_events', 'ledger_events.id', 'ledger_entries.event_id')
    .where({ user_id, account: 'miner' })
    .orderBy('ledger_entries.event_id')
    .select<Record<string, unknown>[]>(
      'ledger_events.*',
      'ledger_entries.event_id',
      'ledger_entries.amount_sats',
    );
  const id = (value: unknown): number | null => (value === null ? null : smallInteger(value));
  return rows.map((row) => ({
    event_id: smallInteger(row.event_id),
    kind: String(row.kind),
    cause: String(row.cause),
    round_id: id(row.round_id),
    batch_id: id(row.batch_id),
    amount_sats: satoshis(integer(row.amount_sats)),
    occurred_at: String(row.occurred_at),
  }));
}

export interface UserPayout {
  readonly batch_id: number;
  readonly batch_state: string;
  readonly txid: string | null;
  readonly address: string;
  readonly planned_sats: Satoshis;
  readonly network_fee_sats: Satoshis | null;
}

/** The user's amounts in batches, released ones left out, oldest first. */
export async function payoutsOfUser(knex: Knex, user_id: number): Promise<UserPayout[]> {
  const rows = await knex('payouts').join('payout_batches', 'payout_batches.id', 'payouts.batch_id')
    .leftJoin('payout_transactions', 'payout_transactions.batch_id', 'payouts.batch_id')
    .where({ 'payouts.user_id': user_id, 'payouts.state': 'active' }).orderBy('payouts.id')
    .select<Record<string, unknown>[]>('payouts.batch_id', 'payouts.address', 'payouts.planned_sats',
      'payouts.network_fee_sats', 'payout_transactions.txid', { batch_state: 'payout_batches.state' });
  return rows.map((row) => ({
    batch_id: smallInteger(row.batch_id),
    batch_state: String(row.batch_state),
    txid: row.txid as string | null,
    address: String(row.address),
    planned_sats: satoshis(integer(row.planned_sats)),
    network_fee_sats: row.network_fee_sats === null ? null : satoshis(integer(row.network_fee_sats)),
  }));
}
