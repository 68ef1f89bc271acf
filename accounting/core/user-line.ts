// Reads a `User` line of ckpool.log straight from its bytes, where it is as ckpool writes nearly all of them: its
// stamp, a name of letters and digits (every address is one), its keys in its order. Anything else is "unusual",
// never a guess, and is left to log-line.ts. What is read here is what log-line.ts says of the same bytes; a property
// in log-piece.test.ts and a fuzz target hold the two together.
//
// With 100,000 users these lines are 20 MB a minute: there is one pass, and no string and no object for each line.
import { fixedText, readInteger, skipInteger, skipReal, skipText } from './line-text.js';
import { stampAt } from './log-stamp.js';

/** What the scanner found in a line. One such value is used again and again. */
export interface ScannedUser {
  /** Whole shares, below 10^15: a number that is exact. */
  number: number;
}

/** `[2026-11-20 09:32:15.378] User `, up to where the name begins. */
export const name_offset = 31;
/** Its first bytes up to the full seconds: the same in all lines of a second. */
const second_bytes = 21;

const to_hashrate1m = fixedText('{"hashrate1m": ');
const to_hashrate5m = fixedText(' "hashrate5m": ');
const to_hashrate1hr = fixedText(' "hashrate1hr": ');
const to_hashrate1d = fixedText(' "hashrate1d": ');
const to_hashrate7d = fixedText(' "hashrate7d": ');
const to_lastupdate = fixedText(' "lastupdate": ');
const to_workers = fixedText(', "workers": ');
const to_shares = fixedText(', "shares": ');
const to_bestshare = fixedText(', "bestshare": ');

const quote = 0x22;
const comma = 0x2c;
const dot = 0x2e;
const colon = 0x3a;
const brace = 0x7d;
const newline = 0x0a;
const name_bytes_max = 127;

/** Letters and digits. */
const plain = new Uint8Array(256);
for (const byte of Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz')) plain[byte] = 1;

/**
 * Where the name begins, when a usual stamp and `User ` stand at `start`, else -1.
 * @param earlier where a usual stamp stands in the same bytes; -1: nowhere. Mostly it is of the same second.
 */
export function nameAt(view: DataView, limit: number, start: number, earlier: number): number {
  const name = start + name_offset;
  if (start < 0 || name >= limit || !isUser(view, start)) return -1;
  const same_second = earlier >= 0
    && view.getFloat64(start, true) === view.getFloat64(earlier, true)
    && view.getFloat64(start + 8, true) === view.getFloat64(earlier + 8, true)
    && view.getFloat64(start + second_bytes - 8, true) === view.getFloat64(earlier + second_bytes - 8, true)
    && isDigit(view.getUint8(start + 21)) && isDigit(view.getUint8(start + 22)) && isDigit(view.getUint8(start + 23));
  if (same_second) return name;
  return stampAt(new Uint8Array(view.buffer, view.byteOffset + start, name_offset), 0) ? name : -1;
}

/** `] User ` stands where the stamp ends. */
const isUser = (view: DataView, start: number): boolean =>
  view.getInt32(start + 24, true) === user_first && view.getInt32(start + 27, true) === user_last;
const user_view = Buffer.from('] User ');
const user_first = user_view.readInt32LE(0);
const user_last = user_view.readInt32LE(3);

/** Where a plain name that begins there ends, before its colon, or -1. */
export function nameEnd(view: DataView, limit: number, start: number): number {
  let at = start;
  while (at < limit && plain[view.getUint8(at)] === 1) at += 1;
  const is_name = at > start && at - start <= name_bytes_max && at < limit && view.getUint8(at) === colon;
  return is_name ? at : -1;
}

/** From the colon behind the name to behind the newline, or -1. The counter is in `found`. */
export function scanCounter(view: DataView, limit: number, colon_at: number, found: ScannedUser): number {
  let at = skipRate(view, limit, skipText(view, limit, colon_at + 1, to_hashrate1m));
  at = skipRate(view, limit, skipText(view, limit, at, to_hashrate5m));
  at = skipRate(view, limit, skipText(view, limit, at, to_hashrate1hr));
  at = skipRate(view, limit, skipText(view, limit, at, to_hashrate1d));
  at = skipRate(view, limit, skipText(view, limit, at, to_hashrate7d));
  at = skipInteger(view, limit, skipText(view, limit, at, to_lastupdate));
  at = skipInteger(view, limit, skipText(view, limit, at, to_workers));
  const shares_end = readInteger(view, limit, skipText(view, limit, at, to_shares), 15, found);
  const end = skipReal(view, limit, skipText(view, limit, shares_end, to_bestshare));
  const is_end = end >= 0 && end + 1 < limit && view.getUint8(end) === brace && view.getUint8(end + 1) === newline;
  return is_end ? end + 2 : -1;
}

/** Over `"16.3G",`: digits, a dot and a capital are all that ckpool writes there. */
function skipRate(view: DataView, limit: number, start: number): number {
  if (start < 0 || start + 2 >= limit || view.getUint8(start) !== quote) return -1;
  let at = start + 1;
  for (; at + 1 < limit; at++) {
    const byte = view.getUint8(at);
    if (byte === quote) break;
    if (plain[byte] !== 1 && byte !== dot) return -1;
  }
  return at + 1 < limit && view.getUint8(at) === quote && view.getUint8(at + 1) === comma ? at + 2 : -1;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
