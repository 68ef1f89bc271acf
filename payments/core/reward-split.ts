// Splits one block's reward. The pool fee is taken once, then the rest goes to the users in proportion to
// their share differences: whole satoshis by integer division, and the few that remain by largest fraction.
// The parts sum to the whole exactly, whatever the order of the users.
import { createHash } from 'node:crypto';
import { invariant } from '../../shared/errors.js';
import { satoshis, type BlockHash, type Satoshis, type Shares } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';

const millionth = 1_000_000n;

/** The pool's part of a reward, rounded down. `fee_ppm` is in millionths, 0 to 1 000 000. */
export function poolFee(reward: Satoshis, fee_ppm: bigint): Satoshis {
  invariant(
    reward >= 0n && fee_ppm >= 0n && fee_ppm <= millionth,
    `No fee of ${fee_ppm} ppm on ${reward} satoshis.`,
  );
  return satoshis((reward * fee_ppm) / millionth);
}

export interface ShareOfRound {
  readonly user_id: number;
  readonly name: NameBytes;
  readonly shares: Shares;
}

export interface Credit {
  readonly user_id: number;
  readonly amount_sats: Satoshis;
}

/**
 * amount × shares / total for each user. A satoshi left over goes to the largest fraction, and between equal
 * fractions to the smallest SHA-256 of (the block hash's 32 bytes as displayed, the user's name), which
 * anybody can compute again. Nobody's part is off by a satoshi or more.
 * @throws InvariantBroken when there is no work to split over.
 */
export function splitReward(amount: Satoshis, work: readonly ShareOfRound[], block: BlockHash): Credit[] {
  const total = work.reduce((sum, { shares }) => sum + shares, 0n);
  invariant(amount >= 0n && total > 0n, `${amount} satoshis cannot be split over ${total} shares.`);
  const whole = new Array<bigint>(work.length);
  const fractions = new BigUint64Array(work.length);
  let left = amount as bigint;
  work.forEach(({ shares }, index) => {
    invariant(shares >= 0n, `A user cannot have ${shares} shares in a round.`);
    const product = amount * shares;
    const part = product / total;
    whole[index] = part;
    fractions[index] = product - part * total;
    left -= part;
  });
  for (const index of largestFractions(fractions, Number(left), work, block)) {
    whole[index] = (whole[index] ?? 0n) + 1n;
  }
  return work.map(({ user_id }, index) => ({ user_id, amount_sats: satoshis(whole[index] ?? 0n) }));
}

/** The `count` indexes with the largest fractions. Always fewer than there are fractions above zero. */
function largestFractions(
  fractions: BigUint64Array, count: number, work: readonly ShareOfRound[], block: BlockHash,
): number[] {
  if (count === 0) return [];
  const least = fractions.slice().sort()[fractions.length - count] ?? 0n;
  const chosen: number[] = [];
  const tied: number[] = [];
  fractions.forEach((fraction, index) => {
    if (fraction > least) chosen.push(index);
    else if (fraction === least) tied.push(index);
  });
  const missing = count - chosen.length;
  if (missing === tied.length) return [...chosen, ...tied];
  return [...chosen, ...smallestHashes(tied, missing, work, block)];
}

/** Hex digits of a hash that a float holds exactly; where they are equal the whole hash is looked at. */
const head_digits = 13;

/** The `count` of these indexes with the smallest hashes. */
function smallestHashes(
  tied: readonly number[], count: number, work: readonly ShareOfRound[], block: BlockHash,
): number[] {
  const hashOf = (index: number): string => tieHash(block, work[index]?.name);
  const heads = Float64Array.from(tied, (index) => parseInt(hashOf(index).slice(0, head_digits), 16));
  const last = heads.slice().sort()[count - 1] ?? 0;
  const below = tied.filter((_, at) => (heads[at] ?? 0) < last);
  const equal = tied.filter((_, at) => heads[at] === last);
  if (equal.length > 1) equal.sort((left, right) => (hashOf(left) < hashOf(right) ? -1 : 1));
  return [...below, ...equal.slice(0, count - below.length)];
}

function tieHash(block: BlockHash, name: NameBytes | undefined): string {
  return createHash('sha256').update(block, 'hex').update(name ?? '', 'latin1').digest('hex');
}
