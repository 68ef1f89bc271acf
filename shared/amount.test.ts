import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCoins, parseCoins, sumSatoshis } from './amount.js';
import { satoshis } from './units.js';

describe('an amount in coin', () => {
  test.each<[string | number, bigint]>([
    ['47.75000000', 4_775_000_000n],
    ['0.001', 100_000n],
    ['-0.00000001', -1n],
    ['21000000', 2_100_000_000_000_000n],
    ['123456789012.12345678', 12_345_678_901_212_345_678n],
    [0, 0n],
    [47.75001634, 4_775_001_634n],
    [1e-8, 1n],
    [1.5e-7, 15n],
  ])('%s is %s satoshis (D-11)', (text, expected) => {
    expect(parseCoins(text)).toBe(expected);
  });

  test.each(['', ' 1', '1 ', '1.', '.5', '0.000000001', '1e3', '1,5', '+1', '--1', '0x10', 'NaN', '1234567890123', '1_000'])(
    '%j is refused', (text) => { expect(() => parseCoins(text)).toThrow(RangeError); });

  test.each([Number.NaN, Infinity, 1e21, 1e-9])('the number %s is refused', (value) => {
    expect(() => parseCoins(value)).toThrow(RangeError);
  });

  test('reads back what it wrote, and always writes eight decimals', () => {
    fc.assert(fc.property(fc.bigInt({ min: -(10n ** 19n), max: 10n ** 19n }), (amount) => {
      const text = formatCoins(satoshis(amount));
      expect(text).toMatch(/^-?\d+\.\d{8}$/);
      expect(parseCoins(text)).toBe(amount);
    }));
  });

  test('survives a node that writes JSON numbers, up to all the coins there will be', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }), (amount) => {
      expect(parseCoins(Number(formatCoins(satoshis(amount))))).toBe(amount);
    }));
  });

  test('a sum is exact beyond 53 bits', () => {
    expect(sumSatoshis([satoshis(9_007_199_254_740_993n), satoshis(1n)])).toBe(9_007_199_254_740_994n);
  });
});
