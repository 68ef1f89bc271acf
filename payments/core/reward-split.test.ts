import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockHash, satoshis, shares } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { poolFee, splitReward, type ShareOfRound } from './reward-split.js';

const block = blockHash('ab'.repeat(32));
const anyAmount = fc.bigInt({ min: 0n, max: 21_000_000n * 100_000_000n }).map(satoshis);
const anyWork = fc
  .array(fc.oneof(fc.bigInt({ min: 0n, max: 5n }), fc.bigInt({ min: 0n, max: 1n << 56n })), { minLength: 1, maxLength: 60 })
  .filter((counts) => counts.some((count) => count > 0n))
  .map((counts) => counts.map((count, index) => user(index, count)));

function user(index: number, count: bigint): ShareOfRound {
  return { user_id: index + 1, name: `user${index}` as NameBytes, shares: shares(count) };
}
const sum = (credits: readonly { amount_sats: bigint }[]): bigint =>
  credits.reduce((total, { amount_sats }) => total + amount_sats, 0n);

describe('the split of a reward', () => {
  it('gives out exactly what there is, to the satoshi (D-11)', () => {
    fc.assert(fc.property(anyAmount, anyWork, (amount, work) => {
      expect(sum(splitReward(amount, work, block))).toBe(amount);
    }));
  });

  it('fault 35: leaves nobody a satoshi or more away from the exact share (D-11)', () => {
    fc.assert(fc.property(anyAmount, anyWork, (amount, work) => {
      const total = work.reduce((all, each) => all + each.shares, 0n);
      splitReward(amount, work, block).forEach(({ amount_sats }, index) => {
        const off = amount_sats * total - amount * (work[index]?.shares ?? 0n);
        expect(off < total && off > -total).toBe(true);
      });
    }));
  });

  it('does not depend on the order in which users are read', () => {
    fc.assert(fc.property(
      anyAmount,
      anyWork.chain((work) => fc.tuple(
        fc.constant(work), fc.shuffledSubarray(work, { minLength: work.length, maxLength: work.length }))),
      (amount, [work, shuffled]) => {
        const byUser = (credits: ReturnType<typeof splitReward>) =>
          [...credits].sort((left, right) => left.user_id - right.user_id);
        expect(byUser(splitReward(amount, shuffled, block))).toEqual(byUser(splitReward(amount, work, block)));
      },
    ));
  });

  it('fault 35: never pays more for less work, and nothing for none', () => {
    fc.assert(fc.property(anyAmount, anyWork, (amount, work) => {
      const credits = splitReward(amount, work, block).map(({ amount_sats }, index) =>
        ({ amount_sats, shares: work[index]?.shares ?? 0n }));
      credits.sort((left, right) => (left.shares < right.shares ? -1 : left.shares > right.shares ? 1 : 0));
      credits.forEach((credit, index) => {
        if (credit.shares === 0n) expect(credit.amount_sats).toBe(0n);
        const before = credits[index - 1];
        if (before && before.shares < credit.shares) expect(before.amount_sats <= credit.amount_sats).toBe(true);
      });
    }));
  });

  it('gives what is left over between equal fractions to the smallest hashes of block and name, as anybody can compute', () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 300 }), fc.bigInt({ min: 1n, max: 299n }), (users, left) => {
      const work = Array.from({ length: users }, (_, index) => user(index, 5n));
      const amount = satoshis(BigInt(users) * 7n + (left % BigInt(users)));
      const hashOf = ({ name }: ShareOfRound) => createHash('sha256').update(Buffer.from(block, 'hex')).update(name).digest('hex');
      const lucky = [...work].sort((one, other) => (hashOf(one) < hashOf(other) ? -1 : 1))
        .slice(0, Number(left % BigInt(users))).map(({ user_id }) => user_id);
      const given = splitReward(amount, work, block).filter(({ amount_sats }) => amount_sats === 8n).map(({ user_id }) => user_id);
      expect(new Set(given)).toEqual(new Set(lucky));
    }));
  });

  it('favours another user at each block when equal work leaves a satoshi over', () => {
    const work = Array.from({ length: 3 }, (_, index) => user(index, 7n));
    const winners = new Set(Array.from({ length: 40 }, (_, index) => {
      const hash = blockHash(index.toString(16).padStart(64, '0'));
      return splitReward(satoshis(100n), work, hash).find(({ amount_sats }) => amount_sats === 34n)?.user_id;
    }));
    expect(winners).toEqual(new Set([1, 2, 3]));
  });

  it.each([
    ['two equal miners', 100n, [1n, 1n], [50n, 50n]],
    ['two thirds and one third', 100n, [2n, 1n], [67n, 33n]],
    ['a reward of nothing', 0n, [2n, 1n], [0n, 0n]],
    ['one satoshi goes to the largest part', 1n, [1n, 3n, 2n], [0n, 1n, 0n]],
    ['counts beyond 32 bits (D-27)', 10n, [1n << 60n, 1n << 62n], [2n, 8n]],
  ])('%s', (_, amount, counts, expected) => {
    const work = counts.map((count, index) => user(index, count));
    expect(splitReward(satoshis(amount), work, block).map(({ amount_sats }) => amount_sats)).toEqual(expected);
  });

  it('refuses to split over no work at all (D-5)', () => {
    expect(() => splitReward(satoshis(1n), [], block)).toThrow('cannot be split');
    expect(() => splitReward(satoshis(1n), [user(0, 0n)], block)).toThrow('cannot be split');
  });

  it('splits over a million users in seconds, exactly', () => {
    const work = Array.from({ length: 1_000_000 }, (_, index) => user(index, BigInt((index * 7919) % 1000)));
    const amount = satoshis(5_000_000_001n);
    const started = performance.now();
    expect(sum(splitReward(amount, work, block))).toBe(amount);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('the pool fee', () => {
  it.each([
    [4_775_000_000n, 10_000n, 47_750_000n],
    [99n, 10_000n, 0n],
    [101n, 1_000_000n, 101n],
    [5_000_000_000n, 0n, 0n],
  ])('of %s satoshis at %s ppm is %s', (reward, ppm, fee) => {
    expect(poolFee(satoshis(reward), ppm)).toBe(fee);
  });

  it('refuses more than everything', () => {
    expect(() => poolFee(satoshis(1n), 1_000_001n)).toThrow('No fee');
  });
});
