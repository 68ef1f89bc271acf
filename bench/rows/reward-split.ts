// Splitting one reward over a million users with exact bigint: the pure function that settling calls. Once with work
// as it is, all over the place, so that few fractions are equal; once with the same work for all, where a hash for each
// user decides who gets the satoshis that are left. The parts must sum to the whole.
import { splitReward, type ShareOfRound } from '../../payments/core/reward-split.js';
import { blockHash, satoshis, shares } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import type { Measurement, Row } from '../row.js';
import { sideBySide } from '../side-by-side.js';

const users = 1_000_000;
const repetitions = 5;
const reward = satoshis(312_512_345_678n);
const block = blockHash('ab'.repeat(32));

interface Input {
  readonly uneven: readonly ShareOfRound[];
  readonly even: readonly ShareOfRound[];
}

export const rewardSplit: Row<Input> = {
  name: 'reward-split',
  async prepare({ random, say }) {
    say(`${users} users`);
    const workOf = (count: () => number): ShareOfRound[] => Array.from({ length: users }, (_, index) => ({
      user_id: index + 1, name: `bc1quser${index}` as NameBytes, shares: shares(BigInt(count())),
    }));
    return { uneven: workOf(() => random.integer(1, 1_000_000_000)), even: workOf(() => 1_000) };
  },
  async measure({ uneven, even }, { stop }) {
    const sumOf = (work: readonly ShareOfRound[]) => async (): Promise<number> => {
      const sum = splitReward(reward, work, block).reduce((total, { amount_sats }) => total + amount_sats, 0n);
      if (sum !== reward) throw new Error(`the parts sum to ${sum} and not to ${reward} satoshis`);
      return Number(sum);
    };
    const timings = await sideBySide({ uneven: sumOf(uneven), even: sumOf(even) }, repetitions, stop);
    return [
      figure('', timings.uneven.median_seconds, { of: 'value', bound: 'at most', limit: 1 }),
      figure(', all with equal work', timings.even.median_seconds, null),
    ];
  },
};

const figure = (how: string, value: number, goal: Measurement['goal']): Measurement => ({
  name: `split a reward over ${users} users${how}`, value, unit: 's', peer: null, ratio_as: 'time', goal,
});
