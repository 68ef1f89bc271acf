// The only decimal code: coins as decimal text on the outside, satoshis as bigint on the inside. Never a
// floating point number on the way out; on the way in a JSON number is taken by its shortest decimal text,
// which is exact for every amount below 2^53 satoshis.
import { satoshis, type Satoshis } from './units.js';

const decimals = 8;
const unit = 10n ** BigInt(decimals);
const pattern = /^(-?)(\d{1,12})(?:\.(\d{1,8}))?$/;
const exponent = /^(-?)(\d)(?:\.(\d+))?e-(\d{1,2})$/i;

/**
 * Parses an amount in coin, such as "47.75000000", "0.001" or the number 1e-8 of a node's answer.
 * @throws RangeError with the value and the rule when it is no amount or has more than 8 decimals.
 */
export function parseCoins(value: string | number): Satoshis {
  const text = typeof value === 'number' ? plainDecimal(value) : value;
  const match = pattern.exec(text);
  if (!match) throw new RangeError(`not an amount in coin with at most 8 decimals: ${JSON.stringify(value)}`);
  const [, sign, whole = '0', fraction = ''] = match;
  const amount = BigInt(whole) * unit + BigInt(fraction.padEnd(decimals, '0'));
  return satoshis(sign === '-' ? -amount : amount);
}

/** JavaScript writes small numbers with an exponent (1e-8); JSON may do so as well. */
function plainDecimal(value: number): string {
  const text = String(value);
  const match = exponent.exec(text);
  if (!match) return text;
  const [, sign = '', head = '', tail = '', power = '0'] = match;
  return `${sign}0.${'0'.repeat(Number(power) - 1)}${head}${tail}`;
}

/** Always eight decimals: "47.75000000", "-0.00000001". */
export function formatCoins(amount: Satoshis): string {
  const magnitude: bigint = amount < 0n ? 0n - amount : amount;
  const fraction = (magnitude % unit).toString().padStart(decimals, '0');
  return `${amount < 0n ? '-' : ''}${magnitude / unit}.${fraction}`;
}

export function sumSatoshis(amounts: Iterable<Satoshis>): Satoshis {
  let total = 0n;
  for (const amount of amounts) total += amount;
  return satoshis(total);
}
