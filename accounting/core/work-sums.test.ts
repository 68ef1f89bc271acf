import { describe, expect, test } from 'vitest';
import type { NameBytes } from '../../shared/username.js';
import { workOfShares } from './share-work.js';
import { createWorkSums } from './work-sums.js';

const nameOf = (slot: number) => `u${slot}` as NameBytes;

describe('the sum of a user', () => {
  test('is exact far beyond 2^53, however many small difficulties make it', () => {
    const sums = createWorkSums(nameOf);
    for (let count = 0; count < 10_000_000; count++) sums.addSmall(3, 999_999_999);
    sums.addSmall(3, 1);
    expect(sums.sums()).toEqual(new Map([[nameOf(3), workOfShares(9_999_999_990_000_001n)]]));
  });

  test('does not count twice when it is asked for twice', () => {
    const sums = createWorkSums(nameOf);
    sums.addSmall(70_000, 8);
    sums.addSmall(0, 0);
    sums.add(nameOf(70_000), workOfShares(1n));
    const once = new Map(sums.sums());
    expect(sums.sums()).toEqual(once);
    sums.addSmall(70_000, 1);
    expect(sums.sums()).toEqual(new Map([[nameOf(70_000), workOfShares(10n)]]));
  });

  test('takes decimals apart, and loses none of them', () => {
    const sums = createWorkSums(nameOf);
    for (let count = 0; count < 5_000_000; count++) {
      sums.addSmall(300, 1);
      sums.addFraction(300, 999_999_999, 999_999_999);
    }
    expect(sums.sums()).toEqual(new Map([[nameOf(300), workOfShares(10_000_000n) - 5_000_000n]]));
  });
});
