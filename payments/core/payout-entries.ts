// What a batch posts to the ledger: balances become promises when it is planned, promises become balances
// again when it is released, and become paid money and network fee when its transaction is final.
import { invariant } from '../../shared/errors.js';
import { satoshis, type Satoshis } from '../../shared/units.js';
import type { LedgerEntry } from './ledger.js';

export interface Promised {
  readonly user_id: number;
  readonly planned_sats: Satoshis;
}

export interface Paid extends Promised {
  readonly network_fee_sats: Satoshis;
}

export const reserveEntries = (payouts: readonly Promised[]): LedgerEntry[] =>
  payouts.flatMap(({ user_id, planned_sats }) => [
    entry('miner', user_id, 0n - planned_sats),
    entry('reserved', user_id, planned_sats),
  ]);

export const releaseEntries = (payouts: readonly Promised[]): LedgerEntry[] =>
  payouts.flatMap(({ user_id, planned_sats }) => [
    entry('reserved', user_id, 0n - planned_sats),
    entry('miner', user_id, planned_sats),
  ]);

/**
 * The network fee comes from the users' own amounts, or from the pool's fee account; never from both.
 * @throws InvariantBroken when what was withheld is not what the transaction paid.
 */
export function payEntries(
  payouts: readonly Paid[], network_fee_from: 'miners' | 'pool', network_fee_sats: Satoshis,
): LedgerEntry[] {
  const withheld = payouts.reduce((sum, payout) => sum + payout.network_fee_sats, 0n);
  const expected = network_fee_from === 'miners' ? network_fee_sats : 0n;
  invariant(
    withheld === expected,
    `${withheld} satoshis were withheld for a network fee of ${expected}; nothing was posted.`,
  );
  const users = payouts.flatMap(({ user_id, planned_sats, network_fee_sats: fee }) => [
    entry('reserved', user_id, 0n - planned_sats),
    entry('paid', user_id, planned_sats - fee),
    entry('network_fee', user_id, fee),
  ]);
  if (network_fee_from === 'miners') return users;
  return [
    ...users,
    entry('pool_fee', null, 0n - network_fee_sats),
    entry('network_fee', null, network_fee_sats),
  ];
}

/** The exact contrary of `payEntries`. */
export const unpayEntries = (...paid: Parameters<typeof payEntries>): LedgerEntry[] =>
  payEntries(...paid).map((one) => ({ ...one, amount_sats: satoshis(0n - one.amount_sats) }));

const entry = (account: LedgerEntry['account'], user_id: number | null, amount: bigint): LedgerEntry =>
  ({ account, user_id, amount_sats: satoshis(amount) });
