// The lines of one client end all alike: where its shares come from, whose they are, what it runs. Who has scanned
// that once need only see that the bytes are the same again, which is many times faster than to scan them. A table
// with a place for each of many clients, by the last digits of clientid; whoever comes later to a place has it.
//
// Nothing is taken on trust: every byte is compared, and a clientid only says where to look.

const places = 32_768;
/** Longer origins are scanned each time. They mostly have less than 300. */
const origin_bytes_max = 320;
const words_max = origin_bytes_max / 8;

export interface KnownOrigins {
  /** The user's slot if the bytes from `at` on are the origin that is remembered at this place, else -1. */
  find(place: number, view: DataView, at: number): number;
  /** Of the origin remembered at this place. */
  length(place: number): number;
  /** @param end behind the newline of an origin that was scanned and is sound */
  remember(place: number, view: DataView, start: number, end: number, slot: number): void;
}

/** Of a client: its place is made of the digits of clientid. */
export function placeOfClient(view: DataView, start: number, end: number): number {
  let place = 0;
  for (let at = start; at < end; at++) place = (Math.imul(place, 10) + view.getUint8(at) - 0x30) | 0;
  return place & (places - 1);
}

export function createKnownOrigins(): KnownOrigins {
  // As in FixedText: eights of bytes, the last eight overlapping those before.
  const words = new Float64Array(places * words_max);
  const lengths = new Int32Array(places);
  const slots = new Int32Array(places);

  return {
    find(place, view, at) {
      const length = lengths[place]!;
      if (length === 0 || at + length > view.byteLength) return -1;
      let known_at = place * words_max;
      const last_at = at + length - 8;
      for (let step = at; step < last_at; step += 8) {
        if (view.getFloat64(step, true) !== words[known_at]) return -1;
        known_at += 1;
      }
      return view.getFloat64(last_at, true) === words[known_at] ? slots[place]! : -1;
    },
    length: (place) => lengths[place]!,
    remember(place, view, start, end, slot) {
      if (end - start > origin_bytes_max) return;
      lengths[place] = end - start;
      slots[place] = slot;
      let known_at = place * words_max;
      for (let step = start; step < end - 8; step += 8) words[known_at++] = view.getFloat64(step, true);
      words[known_at] = view.getFloat64(end - 8, true);
    },
  };
}
