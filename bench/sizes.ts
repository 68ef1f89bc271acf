// What may be chosen on the command line. `512M`, `1G`, `4096`: powers of 1024.
import { ConfigurationFault } from '../shared/errors.js';

const powers: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3 };

/** @throws ConfigurationFault when the text is no size, or one outside of 1 MB to 1 TB. */
export function parseSize(text: string): number {
  const [, number, letter = ''] = /^(\d{1,12})([kmg]?)b?$/i.exec(text) ?? [];
  const bytes = Number(number) * 1024 ** (powers[letter.toLowerCase()] ?? 0);
  if (number === undefined || bytes < 2 ** 20 || bytes > 2 ** 40) {
    throw new ConfigurationFault([`--size ${JSON.stringify(text)} is no size from 1M to 1024G, such as 512M.`]);
  }
  return bytes;
}

/** @throws ConfigurationFault */
export function parseUsers(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) {
    throw new ConfigurationFault([`--users ${JSON.stringify(text)} is no number from 1 to 9999999.`]);
  }
  return Number(text);
}

/** How long a history is. @throws ConfigurationFault */
export function parseCount(option: string, text: string, least: number): number {
  const count = /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0;
  if (count < least) {
    throw new ConfigurationFault([`${option} ${JSON.stringify(text)} is no number from ${least} to 999999999.`]);
  }
  return count;
}

/** The rows named, in the order in which they stand. @throws ConfigurationFault at a name that is none. */
export function chooseRows<Named extends { readonly name: string }>(
  rows: readonly Named[], text: string | undefined,
): readonly Named[] {
  if (text === undefined) return rows;
  const wanted = text.split(',').map((name) => name.trim()).filter((name) => name !== '');
  const unknown = wanted.filter((name) => !rows.some((row) => row.name === name));
  if (unknown.length > 0 || wanted.length === 0) {
    const names = rows.map(({ name }) => name).join(', ');
    throw new ConfigurationFault([`--rows ${JSON.stringify(text)} names none of ${names}.`]);
  }
  return rows.filter(({ name }) => wanted.includes(name));
}
