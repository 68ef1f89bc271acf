// The numbers of one block's settlement: from the stored differences, the carry and the coinbase to the
// round's row and its credits. Reads within the caller's transaction, writes nothing.
import type { Knex } from 'knex';
import type { Config } from '../shared/config.js';
import { satoshis, shares, type Place } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';
import type { CoinbaseReading, Look } from './chain-view.js';
import { poolFee, splitReward, type Credit, type ShareOfRound } from './core/reward-split.js';
import { roundOf, sumDifferences, type Cut } from './core/round.js';
import { differencesIn, type FactBlock } from './edges/facts.js';
import { poolBalance } from './edges/ledger-store.js';
import type { RoundDecision } from './edges/round-store.js';

const nothing = satoshis(0n);

/** `takes_no_work`: its work has gone on to another round already, or it paid the pool nothing. */
export const cutForBlock = (place: Place | null, start: Place, takes_no_work: boolean): Cut =>
  roundOf(takes_no_work ? null : place, start);

export interface Settlement {
  readonly block: FactBlock;
  readonly coinbase: CoinbaseReading;
  readonly cut: Cut;
  readonly look: Look;
  readonly config: Pick<Config, 'scheme' | 'pool_fee_ppm'>;
  readonly settled_at: string;
}

/** Reward + carried in = credits + pool fee + carried out; without work everything but the fee is carried. */
export async function divideReward(
  knex: Knex, { block, coinbase, cut, look, config, settled_at }: Settlement,
): Promise<{ readonly decision: RoundDecision; readonly credits: readonly Credit[] }> {
  const work = await workOf(knex, cut);
  const pool_fee_sats = poolFee(coinbase.reward_sats, config.pool_fee_ppm);
  // While lost blocks are being put right the carry may be below zero; then there is nothing to take.
  const carry = await poolBalance(knex, 'carry');
  const carried_in_sats = carry > 0n ? carry : nothing;
  const divisible = satoshis(coinbase.reward_sats - pool_fee_sats + carried_in_sats);
  const has_work = work.total > 0n;
  const credits = has_work
    ? splitReward(divisible, work.users, block.hash).filter(({ amount_sats }) => amount_sats > 0n)
    : [];
  const decision: RoundDecision = {
    block_hash: block.hash, height: block.height, state: 'credited', scheme: config.scheme,
    coinbase_txid: coinbase.txid, reward_sats: coinbase.reward_sats, round_shares: work.total,
    pool_fee_ppm: config.pool_fee_ppm, pool_fee_sats, carried_in_sats,
    credited_sats: has_work ? divisible : nothing,
    carried_out_sats: has_work ? nothing : divisible,
    ...cut, tip_height: look.tip_height, tip_hash: look.tip_hash, settled_at,
  };
  return { decision, credits };
}

async function workOf(
  knex: Knex,
  cut: Cut,
): Promise<{ users: ShareOfRound[]; total: RoundDecision['round_shares'] }> {
  const rows = await differencesIn(knex, cut.cut_from, cut.cut_to);
  const names = new Map<number, NameBytes>(rows.map(({ user_id, name }) => [user_id, name]));
  const { by_user, total } = sumDifferences(rows);
  const users = [...by_user].map(([user_id, counted]) =>
    ({ user_id, name: names.get(user_id) ?? ('' as NameBytes), shares: counted }));
  return { users, total };
}

/** The row of an orphan: no money, no cut. Its reward is what it would have been, as accounting read it. */
export const orphanDecision = (
  block: FactBlock, start: Place, look: Look, config: Settlement['config'], settled_at: string,
): RoundDecision => ({
  block_hash: block.hash, height: block.height, state: 'orphaned', scheme: config.scheme,
  coinbase_txid: block.coinbase_txid, reward_sats: block.reward_sats, round_shares: shares(0n),
  pool_fee_ppm: config.pool_fee_ppm, pool_fee_sats: nothing, carried_in_sats: nothing, credited_sats: nothing,
  carried_out_sats: nothing, cut_from: start, cut_to: start,
  tip_height: look.tip_height, tip_hash: look.tip_hash, settled_at,
});
