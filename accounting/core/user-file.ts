// What ckpool writes about a user: one flat JSON object, the same in users/<name> and after `User name:` in
// the log. Only `shares` is taken from it, and when it was written. ckpool counts in 64 bits, JSON.parse in 53: the digits are read
// from the text. Nothing here throws: torn and empty texts are everyday (the file is rewritten in place).
import { shares, type Shares } from '../../shared/units.js';

/** Real files have about 200 bytes, and ckpool itself reads 511 of them. */
export const user_file_bytes_max = 65_536;
/** ckpool's counter is an int64. */
const counter_max = 2n ** 63n - 1n;

/** `updated_seconds`: when ckpool wrote it, unix time; absent when it does not say. */
export type UserText = { counter: Shares; updated_seconds?: number } | { fault: string };

/** The share counter in the content of a users/<name> file, or why there is none in it. */
export function parseUserFile(bytes: Uint8Array): UserText {
  if (bytes.length === 0) return { fault: 'empty' };
  if (bytes.length > user_file_bytes_max) return { fault: `longer than ${user_file_bytes_max} bytes` };
  return parseUserJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'));
}

/** The same for text that is already decoded as latin1. */
export function parseUserJson(text: string): UserText {
  const object = parseObject(text);
  if (object === null) return { fault: 'not a JSON object' };
  if (!Object.hasOwn(object, 'shares')) return { fault: 'without "shares"' };
  // With a flat object the key can stand only after `{`, `,` or space: an unescaped quote ends a string.
  if (Object.values(object).some((value) => typeof value === 'object' && value !== null)) {
    return { fault: 'not a flat JSON object' };
  }
  const digits = [...text.matchAll(/(?<=[{,\s])"shares"\s*:\s*(0|[1-9]\d{0,18})(?=\s*[,}])/g)].at(-1)?.[1];
  // The comparison catches a second "shares" in a form that the pattern does not see.
  if (digits === undefined || Number(digits) !== object['shares']) {
    return { fault: '"shares" is not a whole number from 0 to 2^63 - 1' };
  }
  const counter = BigInt(digits);
  if (counter > counter_max) return { fault: '"shares" is larger than 2^63 - 1' };
  const updated = object['lastupdate'];
  const dated = typeof updated === 'number' && Number.isSafeInteger(updated) && updated > 0;
  return { counter: shares(counter), ...(dated ? { updated_seconds: updated } : {}) };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}
