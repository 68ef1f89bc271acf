// Steps along one line of text that stands among many in memory: over fixed text, digits, a string of JSON. Each is
// given a place and gives the place behind what it passed, or -1, which every step passes on. Several bytes are taken
// at a time, and nothing is made: no string, no object, no part of the bytes.

const quote = 0x22;
const space = 0x20;
const minus = 0x2d;
const dot = 0x2e;
const zero = 0x30;
const backslash = 0x5c;
const letter_u = 0x75;
/** The highest bit of each byte. */
const marks_mask = 0x80808080 | 0;
/** What may follow a backslash, `u` aside. */
const escapes: readonly number[] = [...Buffer.from('"\\/bfnrt')];

/**
 * Text of 8 to 16 bytes, as its first eight and its last. Eight bytes of ASCII taken as a double are never NaN and
 * never zero: equal doubles are then equal bytes. There is no loop: where a loop ends is hard for a processor to
 * foresee, and waiting for that would take most of the time.
 */
export interface FixedText {
  readonly length: number;
  readonly first: number;
  readonly last: number;
}

export function fixedText(text: string): FixedText {
  const bytes = Buffer.from(text);
  if (bytes.length < 8 || bytes.length > 16) throw new RangeError(`${text} is no text of 8 to 16 bytes`);
  return { length: bytes.length, first: bytes.readDoubleLE(0), last: bytes.readDoubleLE(bytes.length - 8) };
}

export function skipText(view: DataView, limit: number, at: number, text: FixedText): number {
  const end = at + text.length;
  if (at < 0 || end > limit) return -1;
  return view.getFloat64(at, true) === text.first && view.getFloat64(end - 8, true) === text.last ? end : -1;
}

/** Text of any length from 8 on, in parts of about the same length. */
export function fixedTexts(text: string): readonly FixedText[] {
  const count = Math.ceil(text.length / 16);
  const starts = Array.from({ length: count + 1 }, (_, index) => Math.round((index * text.length) / count));
  return starts.slice(1).map((end, index) => fixedText(text.slice(starts[index], end)));
}

export function skipTexts(view: DataView, limit: number, start: number, texts: readonly FixedText[]): number {
  let at = start;
  for (const text of texts) at = skipText(view, limit, at, text);
  return at;
}

/**
 * Over a string of ASCII and the text behind it, which begins with the closing quote. Nearly all strings before the
 * names are hex: digits and small letters are passed four at a time. Of such a byte the bits 0xa0 are 0x20, and at
 * least one of 0x50 is set, which is never so of a quote, a backslash or a control character.
 */
export function skipHexString(view: DataView, limit: number, start: number, behind: FixedText): number {
  if (start < 0) return -1;
  let at = start;
  for (; at + 4 <= limit; at += 4) {
    const word = view.getInt32(at, true);
    if (((word ^ 0x20202020) & 0xa0a0a0a0) | (~(word | (word << 2)) & 0x40404040)) break;
  }
  const end = at + behind.length;
  const is_usual = end <= limit && view.getFloat64(at, true) === behind.first
    && view.getFloat64(end - 8, true) === behind.last;
  return is_usual ? end : skipText(view, limit, skipAsciiString(view, limit, at), behind);
}

export function skipAsciiString(view: DataView, limit: number, start: number): number {
  const end = skipString(view, limit, start);
  return isAscii(view, start, end) ? end : -1;
}

export function isAscii(view: DataView, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (view.getUint8(at) > 0x7f) return false;
  return true;
}

/**
 * To the quote that closes a string of JSON. -1 at a control character, at an escape that ckpool does not write, and
 * at the end. Four bytes at a time: the lowest bit that a subtraction carries into marks the first byte below 0x23 or
 * the first backslash.
 */
export function skipString(view: DataView, limit: number, start: number): number {
  if (start < 0) return -1;
  for (let at = start; at < limit;) {
    if (at + 4 <= limit) {
      const word = view.getInt32(at, true);
      const slashed = word ^ 0x5c5c5c5c;
      const marks = (((word - 0x23232323) & ~word) | ((slashed - 0x01010101) & ~slashed)) & marks_mask;
      if (marks === 0) {
        at += 4;
        continue;
      }
      at += (31 - Math.clz32(marks & -marks)) >> 3;
    }
    const byte = view.getUint8(at);
    if (byte === quote) return at;
    if (byte < space) return -1;
    at = byte === backslash ? skipEscape(view, limit, at) : at + 1;
    if (at < 0) return -1;
  }
  return -1;
}

/** `\n` and the like, or `\u00xx`: never half of a character. */
function skipEscape(view: DataView, limit: number, at: number): number {
  if (at + 2 > limit) return -1;
  const kind = view.getUint8(at + 1);
  if (kind !== letter_u) return escapes.includes(kind) ? at + 2 : -1;
  if (at + 6 > limit) return -1;
  const is_plain = view.getUint8(at + 2) === zero && view.getUint8(at + 3) === zero
    && isHexDigit(view.getUint8(at + 4)) && isHexDigit(view.getUint8(at + 5));
  return is_plain ? at + 6 : -1;
}

const isDigit = (byte: number): boolean => byte >= zero && byte <= zero + 9;
const isHexDigit = (byte: number): boolean => isDigit(byte)
  || (byte >= 0x61 && byte <= 0x66) || (byte >= 0x41 && byte <= 0x46);

/** Four at a time: each byte of the sum stays below 0x80 only if that of `digits` is at most 9. */
export function skipDigits(view: DataView, limit: number, start: number): number {
  let at = start;
  for (; at + 4 <= limit; at += 4) {
    const digits = view.getInt32(at, true) ^ 0x30303030;
    if (((digits + 0x76767676) | digits) & marks_mask) break;
  }
  while (at < limit && isDigit(view.getUint8(at))) at += 1;
  return at;
}

/** A whole number as JSON writes it: no zero in front, no sign. */
export function skipInteger(view: DataView, limit: number, start: number): number {
  if (start < 0) return -1;
  const end = skipDigits(view, limit, start);
  const ill_formed = end === start || (end > start + 1 && view.getUint8(start) === zero);
  return ill_formed ? -1 : end;
}

/** Over a whole number of at most so many digits, up to 15, which is then in `read`. */
export function readInteger(
  view: DataView, limit: number, start: number, digits_max: number, read: { number: number },
): number {
  if (start < 0) return -1;
  let number = 0;
  let at = start;
  for (; at < limit; at++) {
    const digit = view.getUint8(at) - zero;
    if (digit < 0 || digit > 9) break;
    number = number * 10 + digit;
  }
  const digits = at - start;
  if (digits === 0 || digits > digits_max || (digits > 1 && view.getUint8(start) === zero)) return -1;
  read.number = number;
  return at;
}

/** `18.25` or `-1.0`; with an exponent it is unusual. */
export function skipReal(view: DataView, limit: number, start: number): number {
  if (start < 0 || start >= limit) return -1;
  const whole_at = view.getUint8(start) === minus ? start + 1 : start;
  const dot_at = skipDigits(view, limit, whole_at);
  const is_whole = dot_at === whole_at + 1 || (dot_at > whole_at && view.getUint8(whole_at) !== zero);
  if (!is_whole || dot_at >= limit || view.getUint8(dot_at) !== dot) return -1;
  const end = skipDigits(view, limit, dot_at + 1);
  return end === dot_at + 1 ? -1 : end;
}

export function readDigits(view: DataView, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + view.getUint8(at) - zero;
  return value;
}
