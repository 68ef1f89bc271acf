// What each miner should have, counted from what the miners saw and what the chain pays, by the rule as a
// person would say it. Every division is rounded down here; the daemons hand out the remainder, so that each
// user may have up to one satoshi more for each round.
import type { NameBytes } from '../../shared/username.js';
import type { FoundBlock } from './miners.js';

export interface ExpectedRound {
  readonly block: FoundBlock;
  readonly orphaned: boolean;
  readonly reward: bigint;
  readonly round_shares: bigint;
  readonly pool_fee: bigint;
  readonly carried_in: bigint;
  readonly carried_out: bigint;
  readonly credits: ReadonlyMap<NameBytes, bigint>;
}

/** @param rewards of the blocks in the chain, by hash, in satoshis; a block without one is an orphan. */
export function expectedRounds(found: readonly FoundBlock[], rewards: ReadonlyMap<string, bigint>, pool_fee_ppm: bigint): ExpectedRound[] {
  let settled: ReadonlyMap<NameBytes, bigint> = new Map();
  let carried_in = 0n;
  return found.map((block): ExpectedRound => {
    const reward = rewards.get(block.hash);
    if (reward === undefined) {
      return { block, orphaned: true, reward: 0n, round_shares: 0n, pool_fee: 0n, carried_in: 0n, carried_out: 0n, credits: new Map() };
    }
    const pool_fee = reward * pool_fee_ppm / 1_000_000n;
    const pot = reward - pool_fee + carried_in;
    const work = [...block.counts].map(([user, count]) => [user, count - (settled.get(user) ?? 0n)] as const);
    const round_shares = work.reduce((sum, [, difference]) => sum + difference, 0n);
    const round = {
      block, orphaned: false, reward, round_shares, pool_fee, carried_in, carried_out: round_shares === 0n ? pot : 0n,
      credits: new Map(round_shares === 0n ? [] : work.map(([user, difference]) => [user, pot * difference / round_shares])),
    };
    carried_in = round.carried_out;
    settled = block.counts;
    return round;
  });
}
