// The stamp at the head of every line that ckpool writes: `[2026-11-20 09:32:15.378] `, local time without a
// zone. It says when for people; it never orders or names anything but whole log files.

export const newline = 0x0a;
/** ckpool cuts texts at 999 bytes; a line this long is none of its own and is not looked at. */
export const line_bytes_max = 65_536;

/** Source of a regular expression for the stamp without its brackets. Older ckpools print no milliseconds. */
export const stamp_pattern = '\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d(?:\\.\\d{3})?';

/** `0` stands for any digit. */
const form = Buffer.from('[0000-00-00 00:00:00.000] ');
export const stamp_bytes = form.length;

/** Whether a stamp with its brackets and the space after it stands at that place. */
export function stampAt(bytes: Uint8Array, at: number): boolean {
  if (at + form.length > bytes.length) return false;
  for (let index = 0; index < form.length; index++) {
    const expected = form[index]!;
    const byte = bytes[at + index]!;
    if (expected === 0x30 ? byte < 0x30 || byte > 0x39 : byte !== expected) return false;
  }
  return true;
}

const whole_stamp = new RegExp(`^\\[(${stamp_pattern})\\] `);

/** The first stamp in these bytes, without brackets, at the start of a line or anywhere; null if none. */
export function firstStamp(bytes: Uint8Array): string | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = buffer.indexOf('['); at >= 0; at = buffer.indexOf('[', at + 1)) {
    const stamp = whole_stamp.exec(buffer.toString('latin1', at, at + form.length));
    if (stamp?.[1]) return stamp[1];
  }
  return null;
}

/** A stamp as if it were UTC, in milliseconds since 1970: its zone is not in the log. Null when it is none. */
export function stampMs(stamp: string): number | null {
  const at_ms = Date.parse(`${stamp.replace(' ', 'T')}Z`);
  return Number.isNaN(at_ms) ? null : at_ms;
}
