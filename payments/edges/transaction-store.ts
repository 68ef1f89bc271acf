// The signed transaction of a batch and the coins it spends. It is stored before it is first sent, and its
// bytes are never changed afterwards: whoever sends it again sends the same. A coin belongs to one live
// transaction of ours at most, by unique key.
import type { Knex } from 'knex';
import { integer, smallInteger } from '../../shared/database/database.js';
import { inBatches } from '../../shared/database/rows.js';
import { invariant } from '../../shared/errors.js';
import {
  blockHash, blockHeight, satoshis, transactionId, type BlockHash, type BlockHeight, type Satoshis,
  type TransactionId,
} from '../../shared/units.js';
import { coinKey } from '../core/coin-choice.js';
import type { BatchState } from '../core/payout-state.js';
import type { Draft } from '../core/payout-draft.js';
import type { Payout } from './batch-store.js';

export interface PayoutInput {
  readonly txid: TransactionId;
  readonly index: number;
  readonly amount: Satoshis;
}

export interface PayoutTransaction {
  readonly id: number;
  readonly batch_id: number;
  readonly txid: TransactionId;
  readonly raw_hex: string;
  readonly network_fee_sats: Satoshis;
  readonly change: { readonly index: number; readonly amount: Satoshis } | null;
  /** Where it was last seen in the active chain; null while it is not. */
  readonly confirmed: { readonly height: BlockHeight; readonly hash: BlockHash } | null;
  readonly inputs: readonly PayoutInput[];
  readonly prepared_at: string;
}

const rows_per_insert = 100;

/** Stores what was signed for a batch, its coins, and what was withheld from each user. */
export async function storeTransaction(
  transaction: Knex.Transaction,
  batch_id: number,
  signed: { readonly txid: TransactionId; readonly raw_hex: string },
  draft: Draft,
  payouts: readonly Payout[],
  now: string,
): Promise<void> {
  const with_change = draft.change_sats > 0n;
  const [inserted] = await transaction('payout_transactions').insert({
    batch_id, txid: signed.txid, raw_hex: signed.raw_hex, network_fee_sats: draft.network_fee_sats, prepared_at: now,
    change_index: with_change ? draft.outputs.length : null,
    change_sats: with_change ? draft.change_sats : null,
  });
  const transaction_id = smallInteger(inserted);
  const inputs = draft.coins.map(({ txid, index, amount }) =>
    ({ transaction_id, txid, output_index: index, amount_sats: amount, live: 1 }));
  for (let start = 0; start < inputs.length; start += rows_per_insert) {
    await transaction('payout_inputs').insert(inputs.slice(start, start + rows_per_insert));
  }
  const fees = new Map(draft.outputs.flatMap(({ users, fees: withheld }) =>
    users.map(({ user_id }, position) => [user_id, withheld[position]] as const)));
  for (const payout of payouts) {
    const network_fee_sats = fees.get(payout.user_id);
    invariant(
      network_fee_sats !== undefined,
      `Payout ${payout.id} is not in the transaction of batch ${batch_id}.`,
    );
    const changed = await transaction('payouts')
      .where({ id: payout.id, state: 'active' })
      .update({ network_fee_sats });
    invariant(changed === 1, `Payout ${payout.id} was no longer part of batch ${batch_id}.`);
  }
}

export async function transactionOf(knex: Knex, batch_id: number): Promise<PayoutTransaction | null> {
  const [found] = await transactions(knex, (rows) => rows.where({ batch_id }));
  return found ?? null;
}

/** Every transaction ever signed, released ones too, oldest first. */
export const allTransactions = (knex: Knex): Promise<PayoutTransaction[]> =>
  transactions(knex, (rows) => rows);

/** Which batch's transaction it is and how that batch stands; null for a transaction that is not ours. */
export async function batchOfTransaction(
  knex: Knex, txid: TransactionId,
): Promise<{ readonly batch_id: number; readonly state: BatchState } | null> {
  const row = await knex('payout_transactions')
    .join('payout_batches', 'payout_batches.id', 'payout_transactions.batch_id')
    .where({ txid })
    .first<{ id: unknown; state: BatchState } | undefined>('payout_batches.id', 'payout_batches.state');
  return row ? { batch_id: smallInteger(row.id), state: row.state } : null;
}

/** Transactions of final batches, the one that was confirmed highest first. */
export async function finalFromTheTop(knex: Knex, limit: number): Promise<PayoutTransaction[]> {
  const final = knex('payout_batches').where({ state: 'final' }).select('id');
  return transactions(knex, (rows) => rows.whereIn('batch_id', final).whereNotNull('confirmed_height')
    .clearOrder().orderBy('confirmed_height', 'desc').orderBy('id', 'desc').limit(limit));
}

/** Is it a transaction of ours, in whatever state? */
export async function knownTransaction(knex: Knex, txid: TransactionId): Promise<boolean> {
  return (await knex('payout_transactions').where({ txid }).first('id')) !== undefined;
}

/**
 * Where it is in the active chain; null when it was reorganised out. Belongs with the change of the
 * batch's state.
 */
export async function recordConfirmation(
  transaction: Knex.Transaction, stored: PayoutTransaction, confirmed: PayoutTransaction['confirmed'],
): Promise<void> {
  const changed = await transaction('payout_transactions').where({ id: stored.id, txid: stored.txid })
    .update({ confirmed_height: confirmed?.height ?? null, confirmed_hash: confirmed?.hash ?? null });
  invariant(changed === 1, `The transaction of batch ${stored.batch_id} is not stored as it was read.`);
}

/** The transaction is proved dead: its other coins may be spent by another one. */
export async function freeCoins(transaction: Knex.Transaction, stored: PayoutTransaction): Promise<void> {
  await transaction('payout_inputs').where({ transaction_id: stored.id }).update({ live: null });
}

/** The rows that name one of these in `column`, asked for a handful at a time; undefined: all rows. */
async function rowsNaming(
  query: () => Knex.QueryBuilder, column: string, names: readonly (string | number)[] | undefined,
): Promise<Record<string, unknown>[]> {
  if (names === undefined) return await query() as Record<string, unknown>[];
  const rows: Record<string, unknown>[] = [];
  for (const some of inBatches(names)) rows.push(...await query().whereIn(column, some) as Record<string, unknown>[]);
  return rows;
}

/** Coins (of these transactions) that a live transaction of ours spends or has spent, by `coinKey`. */
export async function promisedCoins(knex: Knex, txids?: readonly string[]): Promise<Set<string>> {
  const rows = await rowsNaming(
    () => knex('payout_inputs').where({ live: 1 }).select('txid', 'output_index'), 'txid', txids);
  return new Set(
    rows.map((row) => coinKey({ txid: String(row.txid), index: smallInteger(row.output_index) })),
  );
}

/**
 * Coins of these transactions that one of the ledger was made to spend, by `coinKey`, and whether it may still be.
 */
export async function coinsOfTheLedger(
  knex: Knex, txids: readonly string[],
): Promise<Map<string, PayoutInput & { readonly live: boolean }>> {
  const rows = await rowsNaming(() => knex('payout_inputs').orderBy('transaction_id')
    .select('txid', 'output_index', 'amount_sats', 'live'), 'txid', txids);
  return new Map(rows.map((row) => {
    const coin = {
      txid: transactionId(String(row.txid)),
      index: smallInteger(row.output_index),
      amount: satoshis(integer(row.amount_sats)),
    };
    return [coinKey(coin), { ...coin, live: row.live !== null }];
  }));
}

/** Coins of transactions that were given up and of no other that may be in the chain, by `coinKey`. */
export async function abandonedCoins(knex: Knex): Promise<Set<string>> {
  const rows = await knex('payout_inputs').whereNull('live')
    .whereNotExists(knex('payout_inputs AS again').select(knex.raw('1')).where('again.live', 1)
      .whereRaw('again.txid = payout_inputs.txid').whereRaw('again.output_index = payout_inputs.output_index'))
    .select<Record<string, unknown>[]>('txid', 'output_index');
  return new Set(rows.map((row) => coinKey({ txid: String(row.txid), index: smallInteger(row.output_index) })));
}

/** Change of every transaction that may be in the chain. */
export const changeOutputs = (knex: Knex): Promise<PayoutInput[]> => changeOf(knex, (rows) => rows);

/** The same, without what a live transaction of ours spends. */
export const unspentChange = (knex: Knex): Promise<PayoutInput[]> => changeOf(knex, (rows) => rows.whereNotExists(
  knex('payout_inputs').select(knex.raw('1')).where('payout_inputs.live', 1)
    .whereRaw('payout_inputs.txid = payout_transactions.txid')
    .whereRaw('payout_inputs.output_index = payout_transactions.change_index'),
));

async function changeOf(
  knex: Knex, which: (rows: Knex.QueryBuilder) => Knex.QueryBuilder,
): Promise<PayoutInput[]> {
  const rows = await which(knex('payout_transactions')
    .join('payout_batches', 'payout_batches.id', 'payout_transactions.batch_id')
    .whereNot('payout_batches.state', 'released')
    .whereNotNull('change_index')
    .orderBy('payout_transactions.id')
    .select('payout_transactions.txid', 'change_index', 'change_sats')) as Record<string, unknown>[];
  return rows.map((row) => ({
    txid: transactionId(String(row.txid)),
    index: smallInteger(row.change_index),
    amount: satoshis(integer(row.change_sats)),
  }));
}

/** Change outputs of confirmed and final payouts (these), by `coinKey`. */
export async function ownChange(knex: Knex, txids?: readonly string[]): Promise<Set<string>> {
  const rows = await rowsNaming(() => knex('payout_transactions')
    .join('payout_batches', 'payout_batches.id', 'payout_transactions.batch_id')
    .whereIn('payout_batches.state', ['confirmed', 'final'])
    .whereNotNull('change_index')
    .select('txid', 'change_index'), 'txid', txids);
  return new Set(
    rows.map((row) => coinKey({ txid: String(row.txid), index: smallInteger(row.change_index) })),
  );
}

/** Coinbase transactions of credited rounds (those among these): the pool's income. */
export async function creditedCoinbases(knex: Knex, txids?: readonly string[]): Promise<Set<string>> {
  const rows = await rowsNaming(
    () => knex('rounds').where({ state: 'credited' }).select('coinbase_txid'), 'coinbase_txid', txids);
  return new Set(rows.map(({ coinbase_txid }) => String(coinbase_txid)));
}

/** Network fees that signed but not yet final batches will take from the pool's fee account. */
export async function poolFeesUnderway(knex: Knex): Promise<Satoshis> {
  const rows = await knex('payout_transactions')
    .join('payout_batches', 'payout_batches.id', 'payout_transactions.batch_id')
    .whereIn('payout_batches.state', ['prepared', 'broadcast', 'confirmed', 'held'])
    .where('payout_batches.network_fee_from', 'pool')
    .select<{ network_fee_sats: unknown }[]>('network_fee_sats');
  return satoshis(rows.reduce((sum, row) => sum + integer(row.network_fee_sats), 0n));
}

async function transactions(
  knex: Knex, which: (rows: Knex.QueryBuilder) => Knex.QueryBuilder,
): Promise<PayoutTransaction[]> {
  const rows = await which(knex('payout_transactions').orderBy('id')) as Record<string, unknown>[];
  const ids = rows.map((row) => smallInteger(row.id));
  const inputs = new Map<number, PayoutInput[]>(ids.map((id) => [id, []]));
  const query = () => knex('payout_inputs').orderBy(['txid', 'output_index']);
  for (const row of await rowsNaming(query, 'transaction_id', ids)) {
    inputs.get(smallInteger(row.transaction_id))?.push({
      txid: transactionId(String(row.txid)),
      index: smallInteger(row.output_index),
      amount: satoshis(integer(row.amount_sats)),
    });
  }
  return rows.map((row) => ({
    id: smallInteger(row.id),
    batch_id: smallInteger(row.batch_id),
    txid: transactionId(String(row.txid)),
    raw_hex: String(row.raw_hex),
    network_fee_sats: satoshis(integer(row.network_fee_sats)),
    change:
      row.change_index === null
        ? null
        : { index: smallInteger(row.change_index), amount: satoshis(integer(row.change_sats)) },
    confirmed:
      row.confirmed_height === null
        ? null
        : {
            height: blockHeight(smallInteger(row.confirmed_height)),
            hash: blockHash(String(row.confirmed_hash)),
          },
    inputs: inputs.get(smallInteger(row.id)) ?? [],
    prepared_at: String(row.prepared_at),
  }));
}

/** The decided block whose coinbase this is; null for any other transaction. */
export async function roundOfCoinbase(
  knex: Knex, txid: TransactionId,
): Promise<{ readonly block_hash: BlockHash; readonly height: BlockHeight } | null> {
  const row = await knex('rounds')
    .where({ coinbase_txid: txid })
    .first<Record<string, unknown> | undefined>('block_hash', 'height');
  return row
    ? { block_hash: blockHash(String(row.block_hash)), height: blockHeight(smallInteger(row.height)) }
    : null;
}

/** Coinbase transactions of every block that was ever credited, and of the pool's blocks not settled yet. */
export async function poolCoinbases(knex: Knex): Promise<Set<string>> {
  const decided = await knex('rounds')
    .whereIn('state', ['credited', 'lost'])
    .select<{ coinbase_txid: unknown }[]>('coinbase_txid');
  const found = await knex('blocks').select<{ coinbase_txid: unknown }[]>('coinbase_txid');
  return new Set([...decided, ...found].map(({ coinbase_txid }) => String(coinbase_txid)));
}
