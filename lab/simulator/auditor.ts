// The naive auditor: who should have what, from what the miners did and what the chain holds, and from nothing else.
// It shares no code with core/: sums over the whole record each time, fractions instead of the split's rules. It
// answers within a satoshi for each round, because who gets the last satoshi of a round is the split's own rule.
import type { NameBytes } from '../../shared/username.js';
import type { PoolRecord, TrueBlock, TrueShare } from './pool.js';

/** By which of ckpool's two tellings the work of this pool is counted. */
export type Counting = 'share_logs' | 'counters';

export interface ChainView {
  /** Null: not in the active chain. */
  confirmations(hash: string): number | null;
  /** What the block's coinbase pays to the pool, in satoshis. */
  reward(hash: string): bigint;
}

export interface Expectation {
  /** Of all blocks that are due, together. */
  readonly reward_sats: bigint;
  readonly pool_fee_sats: bigint;
  /** Waits for a round with work. */
  readonly carried_sats: bigint;
  readonly users: ReadonlyMap<NameBytes, { readonly work: bigint; readonly earned: Fraction }>;
  readonly rounds: number;
}

export interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}

export function expectation(
  record: PoolRecord, counting: Counting, chain: ChainView, terms: { maturity: number; pool_fee_ppm: bigint },
): Expectation {
  const due = record.blocks
    .filter(({ hash }) => (chain.confirmations(hash) ?? 0) > terms.maturity)
    .sort((one, other) => one.height - other.height);
  const users = new Map<NameBytes, { work: bigint; earned: Fraction }>();
  let before: ReadonlySet<TrueShare> = new Set();
  let carried_sats = 0n;
  let reward_sats = 0n;
  let pool_fee_sats = 0n;
  for (const block of due) {
    const reward = chain.reward(block.hash);
    const fee = (reward * terms.pool_fee_ppm) / 1_000_000n;
    const told = new Set([...before, ...workUpTo(record, block, counting)]);
    const round = [...told].filter((share) => !before.has(share));
    before = told;
    reward_sats += reward;
    pool_fee_sats += fee;
    const pot = reward - fee + carried_sats;
    const total = sum(round.map(({ work }) => work));
    carried_sats = total === 0n ? pot : 0n;
    for (const [user, work] of sumByUser(round)) {
      const now = users.get(user) ?? { work: 0n, earned: { over: 0n, under: 1n } };
      users.set(user, { work: now.work + work, earned: plus(now.earned, { over: pot * work, under: total }) });
    }
  }
  return { reward_sats, pool_fee_sats, carried_sats, users, rounds: due.length };
}

/** All work that a block's round may hold: whatever was told before it, less what older rounds took. */
function workUpTo(record: PoolRecord, block: TrueBlock, counting: Counting): readonly TrueShare[] {
  if (counting === 'share_logs') return record.shares.slice(0, block.shares);
  // A block without a line in the log ends no round of its own.
  if (!block.line) return [];
  return record.shares.filter(({ pass }) => pass !== null && pass <= block.passes);
}

function sumByUser(round: readonly TrueShare[]): Map<NameBytes, bigint> {
  const sums = new Map<NameBytes, bigint>();
  for (const { user, work } of round) sums.set(user, (sums.get(user) ?? 0n) + work);
  return sums;
}

function plus(one: Fraction, other: Fraction): Fraction {
  const over = one.over * other.under + other.over * one.under;
  const under = one.under * other.under;
  const divisor = greatestDivisor(over, under);
  return { over: over / divisor, under: under / divisor };
}

function greatestDivisor(one: bigint, other: bigint): bigint {
  while (other !== 0n) [one, other] = [other, one % other];
  return one === 0n ? 1n : one;
}

/** Is the amount within so many satoshis of the fraction? */
export const isNear = (amount: bigint, { over, under }: Fraction, tolerance: bigint): boolean =>
  amount * under >= over - tolerance * under && amount * under <= over + tolerance * under;

const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n);
