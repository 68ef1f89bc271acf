// Payout batches and the users' amounts in them. Every function that writes runs inside the caller's one
// transaction, after the fence: reserving a batch, changing its state (compare-and-set: exactly one row) and
// giving money back are each one decision together with their ledger event. Nothing is deleted.
import type { Knex } from 'knex';
import { integer, smallInteger } from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import { nameFromBuffer, type NameBytes } from '../../shared/username.js';
import { sumSatoshis } from '../../shared/amount.js';
import { payEntries, releaseEntries, reserveEntries, unpayEntries } from '../core/payout-entries.js';
import { totalPlanned, type PlannedOutput } from '../core/payout-plan.js';
import {
  nextState, unaccepted_states, type BatchEvent, type BatchState, type HeldFrom,
} from '../core/payout-state.js';
import { balancesOf, postEvent } from './ledger-store.js';
import { forgetSpentCoins } from './sums-store.js';

export interface Batch {
  readonly id: number;
  readonly state: BatchState;
  readonly network_fee_from: 'miners' | 'pool';
  readonly planned_sats: Satoshis;
  readonly held_from: HeldFrom | null;
  readonly held_reason: string | null;
  readonly planned_at: string;
  readonly state_at: string;
}

/** One user's amount in one batch. */
export interface Payout {
  readonly id: number;
  readonly batch_id: number;
  readonly user_id: number;
  readonly name: NameBytes;
  readonly address: string;
  readonly script: string;
  readonly planned_sats: Satoshis;
  /** null until the batch is prepared. */
  readonly network_fee_sats: Satoshis | null;
}

const rows_per_insert = 100;

/**
 * Promises these amounts to a new batch: batch, payouts and the reserve event, or nothing. Returns its id. A batch
 * that is planned takes whole balances; one that is booked afterwards takes what it paid.
 */
export async function reserveBatch(
  transaction: Knex.Transaction,
  outputs: readonly PlannedOutput[],
  network_fee_from: Batch['network_fee_from'],
  now: string,
  takes: 'the whole balance' | 'part of the balance' = 'the whole balance',
): Promise<number> {
  const users = outputs.flatMap((output) => output.users);
  const balances = await balancesOf(transaction, users.map(({ user_id }) => user_id));
  for (const { user_id, planned_sats } of users) {
    const balance_sats = balances.get(user_id) ?? 0n;
    invariant(
      takes === 'the whole balance' ? balance_sats === planned_sats : balance_sats >= planned_sats,
      `The balance of user ${user_id} changed while a batch was planned.`,
    );
  }
  const rivals = await transaction('payout_batches').whereIn('state', [...unaccepted_states]).select('id');
  invariant(
    rivals.length === 0,
    'A batch that the node has not accepted exists; a second one was about to be planned.',
  );
  const [inserted] = await transaction('payout_batches').insert({
    state: 'planned', network_fee_from, planned_sats: totalPlanned(outputs), planned_at: now, state_at: now,
  });
  const batch_id = smallInteger(inserted);
  const rows = outputs.flatMap(({ script, users: members }) =>
    members.map(({ user_id, address, planned_sats }) => ({
      batch_id,
      user_id,
      address,
      script,
      planned_sats,
      state: 'active',
    })),
  );
  for (let start = 0; start < rows.length; start += rows_per_insert) {
    await transaction('payouts').insert(rows.slice(start, start + rows_per_insert));
  }
  await postEvent(transaction, {
    kind: 'reserve', cause: `reserve:batch:${batch_id}`, round_id: null, batch_id, occurred_at: now,
    detail: `batch ${batch_id} planned: ${rows.length} users, ${outputs.length} outputs`,
    entries: reserveEntries(users),
  });
  return batch_id;
}

/** @throws InvariantBroken when the event is not permitted, or the batch is no longer as it was read. */
export async function changeState(
  transaction: Knex.Transaction, batch: Batch, event: Exclude<BatchEvent, 'hold'>, now: string,
): Promise<void> {
  const state = nextState(batch.state, event, batch.held_from);
  invariant(state !== null, `Batch ${batch.id} is ${batch.state}: ${event} is not permitted.`);
  const changed = await transaction('payout_batches').where({ id: batch.id, state: batch.state })
    .update({ state, state_at: now, held_from: null, held_reason: null });
  invariant(changed === 1, `Batch ${batch.id} was not ${batch.state} any more; nothing was changed.`);
  if (batch.state === 'final') await forgetSpentCoins(transaction);
}

/** Sets a batch aside for a person. */
export async function holdBatch(
  transaction: Knex.Transaction,
  batch: Batch,
  reason: string,
  now: string,
): Promise<void> {
  invariant(
    nextState(batch.state, 'hold') === 'held',
    `Batch ${batch.id} is ${batch.state} and cannot be held.`,
  );
  const changed = await transaction('payout_batches').where({ id: batch.id, state: batch.state })
    .update({ state: 'held', held_from: batch.state, held_reason: reason, state_at: now });
  invariant(changed === 1, `Batch ${batch.id} was not ${batch.state} any more; nothing was changed.`);
}

/** Gives these payouts back to their users' balances; the batch too when none is left. */
export async function releasePayouts(
  transaction: Knex.Transaction, batch: Batch, released: readonly Payout[], remaining: readonly Payout[],
  why: string, now: string,
): Promise<void> {
  const changed = await transaction('payouts').where({ batch_id: batch.id, state: 'active' })
    .whereIn('id', released.map(({ id }) => id)).update({ state: 'released' });
  invariant(
    released.length > 0 && changed === released.length,
    `Batch ${batch.id}: payouts changed while being released.`,
  );
  if (remaining.length === 0) {
    await changeState(transaction, batch, 'release', now);
  } else {
    invariant(
      batch.state === 'planned',
      `Batch ${batch.id} is ${batch.state}: it can only be released whole.`,
    );
    const planned_sats = sumSatoshis(remaining.map((payout) => payout.planned_sats));
    const kept = await transaction('payout_batches')
      .where({ id: batch.id, state: 'planned' })
      .update({ planned_sats });
    invariant(kept === 1, `Batch ${batch.id} was not planned any more; nothing was changed.`);
  }
  await postEvent(transaction, {
    kind: 'release', cause: `release:batch:${batch.id}:payout:${released[0]?.id ?? 0}`, round_id: null,
    batch_id: batch.id, detail: why, occurred_at: now,
    entries: releaseEntries(released),
  });
}

/** The transaction is final: what was promised is paid, and the fee is what it paid the network. */
export async function postPaid(
  transaction: Knex.Transaction,
  batch: Batch,
  payouts: readonly Payout[],
  network_fee_sats: Satoshis,
  now: string,
): Promise<void> {
  const times = await timesPaid(transaction, batch.id);
  await postEvent(transaction, {
    kind: 'pay', cause: times === 0 ? `pay:batch:${batch.id}` : `pay:batch:${batch.id}:${times}`,
    round_id: null, batch_id: batch.id, occurred_at: now,
    detail: `batch ${batch.id} final: ${payouts.length} users paid`,
    entries: payEntries(paidAmounts(payouts), batch.network_fee_from, network_fee_sats),
  });
}

/** A reorganisation has thrown out a final transaction: what was paid is a promise again. */
export async function postUnpaid(
  transaction: Knex.Transaction,
  batch: Batch,
  payouts: readonly Payout[],
  network_fee_sats: Satoshis,
  now: string,
): Promise<void> {
  await postEvent(transaction, {
    kind: 'reverse', cause: `unpay:batch:${batch.id}:${await timesPaid(transaction, batch.id)}`,
    round_id: null, batch_id: batch.id, occurred_at: now,
    detail: `batch ${batch.id} was final and left the active chain: ${payouts.length} users are not paid yet`,
    entries: unpayEntries(paidAmounts(payouts), batch.network_fee_from, network_fee_sats),
  });
}

const paidAmounts = (payouts: readonly Payout[]) =>
  payouts.map(({ id, user_id, planned_sats, network_fee_sats: fee }) => {
    invariant(fee !== null, `Payout ${id} of a signed batch has no network fee recorded.`);
    return { user_id, planned_sats, network_fee_sats: fee };
  });

async function timesPaid(transaction: Knex.Transaction, batch_id: number): Promise<number> {
  return (await transaction('ledger_events').where({ batch_id, kind: 'pay' }).select('id')).length;
}

/** Oldest first. */
export async function batchesIn(knex: Knex, states: readonly BatchState[]): Promise<Batch[]> {
  const rows = await knex('payout_batches')
    .whereIn('state', [...states])
    .orderBy('id')
    .select<Record<string, unknown>[]>();
  return rows.map(batchOfRow);
}

export async function batchById(knex: Knex, id: number): Promise<Batch | null> {
  const row = await knex('payout_batches').where({ id }).first<Record<string, unknown> | undefined>();
  return row ? batchOfRow(row) : null;
}

/** The payouts of a batch that are not released, by id. */
export async function payoutsOf(knex: Knex, batch_id: number): Promise<Payout[]> {
  const rows = await knex('payouts').join('users', 'users.id', 'payouts.user_id')
    .where({ batch_id, state: 'active' }).orderBy('payouts.id')
    .select<Record<string, unknown>[]>('payouts.*', 'users.name');
  return rows.map((row) => ({
    id: smallInteger(row.id),
    batch_id: smallInteger(row.batch_id),
    user_id: smallInteger(row.user_id),
    name: nameFromBuffer(row.name as Uint8Array),
    address: String(row.address),
    script: String(row.script),
    planned_sats: satoshis(integer(row.planned_sats)),
    network_fee_sats: row.network_fee_sats === null ? null : satoshis(integer(row.network_fee_sats)),
  }));
}

const batchOfRow = (row: Record<string, unknown>): Batch => ({
  id: smallInteger(row.id),
  state: row.state as BatchState,
  network_fee_from: row.network_fee_from as Batch['network_fee_from'],
  planned_sats: satoshis(integer(row.planned_sats)),
  held_from: row.held_from as HeldFrom | null,
  held_reason: row.held_reason as string | null,
  planned_at: String(row.planned_at),
  state_at: String(row.state_at),
});
