import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addWorks, joinWork, noWork, parseWork, splitWork, wholeShares, workOfShares } from './share-work.js';

const share = 10n ** 18n;

/** Numerator and denominator, without a bound: how a decimal is read by the book. */
function rational(text: string): [bigint, bigint] {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const power = BigInt(exponent) - BigInt(fraction.length);
  const digits = BigInt(whole + fraction);
  return power >= 0n ? [digits * 10n ** power, 1n] : [digits, 10n ** -power];
}

const numberText = fc.tuple(
  fc.bigInt(0n, 10n ** 17n), fc.option(fc.stringMatching(/^\d{1,25}$/)),
  fc.option(fc.tuple(fc.constantFrom('e', 'E', 'e+', 'e-', 'E-0'), fc.nat(40))),
).map(([whole, fraction, power]) =>
  `${whole}${fraction === null ? '' : `.${fraction}`}${power === null ? '' : power.join('')}`);

describe('the work of a share', () => {
  test.each<[string, bigint]>([
    ['8.0', 8n * share],
    ['8', 8n * share],
    ['0.0', 0n],
    ['0e999999999999', 0n],
    ['0.001', share / 1000n],
    ['1e-05', share / 100_000n],
    ['2.5e3', 2500n * share],
    ['1.5E+2', 150n * share],
    ['1e-18', 1n],
    ['0.1000000000000000055', 100_000_000_000_000_005n],
    ['1.0000000000000000019', share + 1n],
    ['1.0000000000000000009', share],
    ['9007199254740991.0', (2n ** 53n - 1n) * share],
    ['9007199254740992.0', 2n ** 53n * share],
    ['900719925474099200e-2', 2n ** 53n * share],
  ])('%s is exact', (text, work) => {
    expect(parseWork(text)).toBe(work);
  });

  test.each([
    '', '-1.0', '-0.0', '+1', '01', '1.', '.5', 'NaN', 'Infinity', 'null', '0x10', '1e', '1_000', ' 1', '1 ', '1,5',
    '9007199254740992.000000000000000001', '9007199254740993', '1e16', '1e400', '1e99999999999999999999', '1e-19',
    '0.0000000000000000009', '1e-99999999999999999999', '9'.repeat(10_000), '١',
  ])('%s is none', (text) => {
    expect(parseWork(text)).toBeNull();
  });

  test('is what the decimal says, digits beyond the eighteenth dropped, or none', () => {
    fc.assert(fc.property(numberText, (text) => {
      const [numerator, denominator] = rational(text);
      const exact = (numerator * share) / denominator;
      const too_large = numerator > 2n ** 53n * denominator && exact !== 2n ** 53n * share;
      const nothing_left = exact === 0n && numerator > 0n;
      expect(parseWork(text)).toBe(too_large || nothing_left ? null : exact);
    }), { numRuns: 1000 });
  });

  test('never throws, whatever the text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'0123456789.eE+-') })), (text) => {
      const work = parseWork(text);
      expect(work === null || work >= 0n).toBe(true);
    }));
  });

  test('splits into whole shares and a fraction, and back', () => {
    fc.assert(fc.property(fc.bigInt(0n, 2n ** 150n), (units) => {
      const work = joinWork(0n, units);
      const { count, fraction } = splitWork(work);
      expect(joinWork(count, fraction)).toBe(work);
      expect(fraction < share && fraction >= 0n).toBe(true);
      expect(wholeShares(work)).toBe(count);
    }));
  });

  test('a thousand shares of 0.001 are one share, to the last digit', () => {
    const sum = Array.from({ length: 1000 }, () => parseWork('0.001')!).reduce(addWorks, noWork);
    expect(sum).toBe(workOfShares(1n));
    expect(wholeShares(joinWork(0n, sum - 1n))).toBe(0n);
  });
});
