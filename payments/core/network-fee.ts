// What the payout transaction pays the network, and who bears it. The rate is the node's estimate, or the
// configured one where the estimator is silent (a quiet chain), never below what nodes relay; a rate above
// the cap postpones the batch and never shrinks the fee. What is withheld from the payees, pro rata to their
// amounts, equals what is paid, to the satoshi: the same rule that splits a reward.
import { formatCoins } from '../../shared/amount.js';
import { blockHash, satoshis, shares, type Satoshis, type TransactionId } from '../../shared/units.js';
import type { PlannedOutput } from './payout-plan.js';
import { splitReward } from './reward-split.js';

export type FeeRate =
  | { readonly rate: Satoshis }
  /** One sentence: why nothing is sent now. */
  | { readonly postponed: string };

/**
 * Above it (0.1 coin per 1000 bytes) a node refuses to send, and what was signed could never be taken back.
 */
const node_fee_rate_max = satoshis(10_000_000n);

/**
 * All rates in satoshis per 1000 virtual bytes; `estimate` null when the estimator is silent, `cap`
 * when there is none.
 */
export function chooseFeeRate(rates: {
  readonly estimate: Satoshis | null;
  readonly fallback: Satoshis;
  readonly relay: Satoshis;
  readonly cap: Satoshis | null;
}): FeeRate {
  const wanted = rates.estimate ?? rates.fallback;
  const rate = wanted > rates.relay ? wanted : rates.relay;
  if (rate > node_fee_rate_max) {
    return {
      postponed:
        `The network asks for a fee of ${formatCoins(rate)} per 1000 bytes and no node sends above `
        + `${formatCoins(node_fee_rate_max)}: payouts wait until it falls.`,
    };
  }
  if (rates.cap === null || rate <= rates.cap) return { rate };
  return {
    postponed: `The network asks for a fee of ${formatCoins(rate)} per 1000 bytes, above max_fee_rate ` +
      `(${formatCoins(rates.cap)}): payouts wait until it falls or max_fee_rate is raised.`,
  };
}

/** size × rate / 1000, rounded up. Never zero. */
export function feeForSize(virtual_bytes: bigint, rate: Satoshis): Satoshis {
  const fee = (virtual_bytes * rate + 999n) / 1000n;
  return satoshis(fee > 0n ? fee : 1n);
}

export interface FeeBearingOutput extends PlannedOutput {
  /** What the output pays: planned minus what is withheld from its users. */
  readonly amount: Satoshis;
  /** Withheld from each user, in the order of `users`. */
  readonly fees: readonly Satoshis[];
}

/**
 * Withholds the fee from all users of all outputs, pro rata to amount: satoshis left over go to the largest
 * fractions, and between equal ones by hash of (txid of the first coin spent, name).
 * The fee must be less than the sum of the outputs; then nobody gives more than the own amount.
 */
export function withholdFee(
  outputs: readonly PlannedOutput[],
  network_fee_sats: Satoshis,
  first_coin: TransactionId,
): FeeBearingOutput[] {
  const users = outputs.flatMap((output) => output.users);
  const work = users.map(({ user_id, name, planned_sats }) => ({
    user_id,
    name,
    shares: shares(planned_sats),
  }));
  const parts = splitReward(network_fee_sats, work, blockHash(first_coin)).map((part) => part.amount_sats);
  let start = 0;
  return outputs.map((output) => {
    const fees = parts.slice(start, start += output.users.length);
    const withheld = fees.reduce<bigint>((sum, fee) => sum + fee, 0n);
    return { ...output, fees, amount: satoshis(output.planned_sats - withheld) };
  });
}
