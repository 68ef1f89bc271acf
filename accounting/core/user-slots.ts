// Finds a user's number by the bytes of the name, without making a string of it: a hash table of names that are
// known. The hash has no secret, so names can be chosen that collide; therefore only a few places are looked at and
// a name that fits into none of them simply has no number. Names are never removed one by one; the table is bounded.
import { nameFromBuffer, username_bytes_max, type NameBytes } from '../../shared/username.js';
import { isUserName } from './log-line.js';

/** Unless it is made for more. */
export const user_slots_max = 65_536;
const places_looked_at = 16;

export interface UserSlots {
  /**
   * The number (0, 1, ...) of the user whose name these bytes are, as they stand in a string of JSON: UTF-8, escapes
   * and all. -1 when it has and gets none. A name that is written in two ways has two numbers.
   * @param is_plain it is known to consist of letters and digits
   */
  find(view: DataView, start: number, end: number, is_plain?: boolean): number;
  /** The end of that slot's name, if these bytes are its name, else -1. */
  endOf(slot: number, view: DataView, start: number): number;
  readonly name: (slot: number) => NameBytes;
  readonly count: number;
}

/** @param slots_max a power of two */
export function createUserSlots(slots_max = user_slots_max): UserSlots {
  // Half of the places stay free.
  const places = 2 * slots_max;
  /** Slot + 1 at each place, 0 where it is free. */
  const table = new Int32Array(places);
  const names: NameBytes[] = [];
  let known = new Uint8Array(1 << 16);
  let known_view = new DataView(known.buffer);
  const starts: number[] = [0];

  function isName(slot: number, view: DataView, start: number, length: number): boolean {
    const known_start = starts[slot]!;
    if (starts[slot + 1]! - known_start !== length) return false;
    return isSame(known_start, view, start, length);
  }

  function isSame(known_start: number, view: DataView, start: number, length: number): boolean {
    let index = 0;
    for (; index + 4 <= length; index += 4) {
      if (known_view.getInt32(known_start + index, true) !== view.getInt32(start + index, true)) return false;
    }
    for (; index < length; index++) {
      if (known[known_start + index] !== view.getUint8(start + index)) return false;
    }
    return true;
  }

  function add(place: number, bytes: Uint8Array, is_plain: boolean): number {
    const name = is_plain ? nameFromBuffer(bytes) : unescaped(bytes);
    if (names.length >= slots_max || (!is_plain && !isUserName(name))) return -1;
    const start = starts[names.length]!;
    if (start + bytes.length > known.length) {
      const larger = new Uint8Array(known.length * 2);
      larger.set(known);
      known = larger;
      known_view = new DataView(known.buffer);
    }
    known.set(bytes, start);
    starts.push(start + bytes.length);
    names.push(name);
    table[place] = names.length;
    return names.length - 1;
  }

  return {
    find(view, start, end, is_plain = false) {
      const length = end - start;
      if (length > username_bytes_max) return -1;
      const hash = hashOf(view, start, end);
      for (let step = 0; step < places_looked_at; step++) {
        const place = (hash + step) & (places - 1);
        const slot = table[place]! - 1;
        if (slot < 0) return add(place, new Uint8Array(view.buffer, view.byteOffset + start, length), is_plain);
        if (isName(slot, view, start, length)) return slot;
      }
      return -1;
    },
    endOf(slot, view, start) {
      if (slot < 0 || slot >= names.length) return -1;
      const end = start + starts[slot + 1]! - starts[slot]!;
      return end <= view.byteLength && isSame(starts[slot]!, view, start, end - start) ? end : -1;
    },
    name: (slot) => names[slot]!,
    get count() {
      return names.length;
    },
  };
}

const backslash = 0x5c;

function unescaped(bytes: Uint8Array): NameBytes {
  if (!bytes.includes(backslash)) return nameFromBuffer(bytes);
  const text = JSON.parse(`"${Buffer.from(bytes).toString('utf8')}"`) as string;
  return nameFromBuffer(Buffer.from(text, 'utf8'));
}

/** FNV-1a over four bytes at a time, with its high bits folded in. */
function hashOf(view: DataView, start: number, end: number): number {
  let hash = 0x811c9dc5;
  let at = start;
  for (; at + 4 <= end; at += 4) hash = Math.imul(hash ^ view.getInt32(at, true), 0x01000193);
  for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x01000193);
  return hash ^ (hash >>> 15);
}
