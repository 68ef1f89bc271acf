import { describe, expect, it } from 'vitest';
import { satoshis } from '../../shared/units.js';
import { chooseFeeRate, feeForSize } from './network-fee.js';

const rates = (estimate: bigint | null, fallback: bigint, relay: bigint, cap: bigint | null) => chooseFeeRate({
  estimate: estimate === null ? null : satoshis(estimate), fallback: satoshis(fallback), relay: satoshis(relay),
  cap: cap === null ? null : satoshis(cap),
});

describe('the fee rate', () => {
  it.each([
    ['the estimate where there is one', rates(5_000n, 9_000n, 1_000n, null), 5_000n],
    ['the configured one where the estimator is silent', rates(null, 9_000n, 1_000n, null), 9_000n],
    ['never below what nodes relay', rates(10n, 9_000n, 1_000n, null), 1_000n],
    ['the cap itself is allowed', rates(5_000n, 1n, 1n, 5_000n), 5_000n],
  ])('is %s', (_, found, wanted) => { expect(found).toEqual({ rate: wanted }); });

  it('above the cap postpones, and says what to do (D-13)', () => {
    expect(rates(5_001n, 1n, 1n, 5_000n)).toMatchObject({ postponed: expect.stringContaining('max_fee_rate') });
    expect(rates(1n, 1n, 6_000n, 5_000n)).toHaveProperty('postponed');
  });
});

it('a fee is rounded up to the satoshi and never zero', () => {
  expect(feeForSize(141n, satoshis(1_000n))).toBe(141n);
  expect(feeForSize(141n, satoshis(1_001n))).toBe(142n);
  expect(feeForSize(141n, satoshis(0n))).toBe(1n);
});
