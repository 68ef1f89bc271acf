// Names are bytes. ckpool forbids only `/`; everything else, newline and escape codes included, can reach
// us. Inside the program a name is a `latin1` string, one character a byte, so that it is exact, can be a
// Map key, and two names that differ in one bit are two names. Outside it is shown with `printable`.
// This file never lower-cases, trims or normalises.

declare const bytes: unique symbol;
/** A worker or user name: one character (U+0000..U+00FF) for each byte. */
export type NameBytes = string & { readonly [bytes]: true };

/** ckpool keeps at most this many bytes of a user name. */
export const username_bytes_max = 127;

export const nameFromBuffer = (buffer: Uint8Array): NameBytes =>
  Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString('latin1') as NameBytes;
export const nameToBuffer = (name: NameBytes): Buffer => Buffer.from(name, 'latin1');

/**
 * The user a worker belongs to: the part before the first `.` or `_`, cut at 127 bytes (ckpool splits the
 * name at either character). Empty when the worker name starts with one, which ckpool refuses at login.
 */
export function userOfWorker(worker: NameBytes): NameBytes {
  const end = worker.search(/[._]/);
  return worker.slice(0, end < 0 ? undefined : end).slice(0, username_bytes_max) as NameBytes;
}

/**
 * Printable and reversible: printable ASCII stays, any other byte, space and backslash become `\xHH`.
 * Safe in a terminal, a table, JSON and CSV.
 */
export function printable(name: NameBytes): string {
  return name.replace(/[^!-[\]-~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** The inverse of `printable`; null when the text is not of that form. */
export function parsePrintable(text: string): NameBytes | null {
  if (/[^!-~]|\\(?!x[0-9a-f]{2})/.test(text)) return null;
  return text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  ) as NameBytes;
}
