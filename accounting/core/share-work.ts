// Work: the sum of the difficulties (`diff`) at which shares were accepted. ckpool sums whole numbers, but prints
// a real, and forks set difficulties such as 0.001: so it is counted in units of 10^-18 shares, as bigint, from the
// decimal text itself. No floating point takes part, sums do not depend on their order.
import { shares, type Shares } from '../../shared/units.js';

declare const unit: unique symbol;
/** Work in units of 10^-18 shares; never negative. */
export type Work = bigint & { readonly [unit]: 'work' };

const decimals = 18;
const per_share = 10n ** BigInt(decimals);
/** Of one share: beyond this a real no longer tells whole numbers apart, and no pool sets such a difficulty. */
const work_max = 2n ** 53n * per_share;
/** Digits of `work_max`. */
const digits_max = work_max.toString().length;
const number_text = /^(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

export const noWork: Work = 0n as Work;

/**
 * The work in the text of a JSON number ("8.0", "1e-05"). Digits beyond 18 decimals are dropped: they are what is
 * left of binary in a decimal of 17 digits. Null when it is no such number, negative, more than 2^53 shares, or so
 * small that nothing would be left of it.
 */
export function parseWork(text: string): Work | null {
  const match = number_text.exec(text);
  if (match === null) return null;
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return noWork;
  const shift = Number(exponent) - fraction.length + decimals;
  if (digits.length + shift > digits_max || digits.length + shift <= 0) return null;
  const work = BigInt(shift >= 0 ? digits.padEnd(digits.length + shift, '0') : digits.slice(0, shift));
  return work > work_max ? null : (work as Work);
}

/** The work of that many whole shares. */
export const workOfShares = (count: bigint): Work => (count * per_share) as Work;

export const addWorks = (a: Work, b: Work): Work => (a + b) as Work;

/** Rounded down. */
export const wholeShares = (work: Work): Shares => shares(work / per_share);

/** `count` whole shares and `fraction` units of 10^-18, as the database keeps them. */
export function splitWork(work: Work): { count: bigint; fraction: bigint } {
  return { count: work / per_share, fraction: work % per_share };
}

/** The inverse of `splitWork`. */
export const joinWork = (count: bigint, fraction: bigint): Work => (count * per_share + fraction) as Work;
