// Who should have earned what, from the miners' own view: counters before each block that is in the chain,
// its reward, the pool's fee. Each block's division is off by less than a satoshi for each user, because it
// rounds down where the daemons hand out the remainder.
import { satoshis, type Satoshis } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import type { Solve } from './mining.js';

const million = 1_000_000n;

export interface ExpectedEarnings {
  readonly earned: ReadonlyMap<NameBytes, Satoshis>;
  readonly pool_fee: Satoshis;
  /** How many divisions stand behind it. */
  readonly rounds: number;
}

/** @param rewards by block hash; a block that has none is an orphan, whose work goes to the next round. */
export function expectedEarnings(
  solves: readonly Solve[], rewards: ReadonlyMap<string, Satoshis>, pool_fee_ppm: bigint,
): ExpectedEarnings {
  const earned = new Map<NameBytes, Satoshis>();
  let settled: ReadonlyMap<NameBytes, bigint> = new Map();
  let pool_fee = 0n;
  let carried = 0n;
  let rounds = 0;
  for (const { hash, counts } of solves) {
    const reward = rewards.get(hash);
    if (reward === undefined) continue;
    const fee = reward * pool_fee_ppm / million;
    pool_fee += fee;
    const pot = reward - fee + carried;
    const differences = [...counts].map(
      ([user, count]) => [user, count - (settled.get(user) ?? 0n)] as const,
    );
    const total = differences.reduce((sum, [, difference]) => sum + difference, 0n);
    carried = total === 0n ? pot : 0n;
    if (total === 0n) continue;
    for (const [user, difference] of differences) {
      earned.set(user, satoshis((earned.get(user) ?? 0n) + (pot * difference) / total));
    }
    settled = counts;
    rounds += 1;
  }
  return { earned, pool_fee: satoshis(pool_fee), rounds };
}
