// Of a user's lines between two block lines only the last says anything, as long as they all rise and none exceeds
// what his file said: the lines before it are believed and overtaken. Such lines are folded into one, so that a long
// stretch of the log is gone through without a string or an object for each line. A user for whom that does not hold
// is told in full: his lines are judged one by one (counter-lines.ts).
//
// That may turn out in the middle: a line that falls or exceeds. Then nothing since the mark may be used, for his
// earlier lines are folded already: that piece is gone through again, telling him in full.
import { logPosition, shares, type LogPosition, type Shares } from '../../shared/units.js';
import { nameToBuffer, type NameBytes } from '../../shared/username.js';
import type { Reading } from './counter-lines.js';
import { line_bytes_max } from './log-stamp.js';
import type { StretchLine } from './stretch.js';
import { nameAt, nameEnd, scanCounter, type ScannedUser } from './user-line.js';
import { createUserSlots } from './user-slots.js';

/** Between what and what a user's lines may rise; null: he is told in full. Up to 2^53. */
export type Bounds = { readonly counter: number; readonly highest: number } | null;

/**
 * A line as log-line.ts gives it and as stretch.ts takes it. Its place is that of the last line that was folded,
 * whoever it was about: a line that is believed is judged by its order alone, and there are many of them.
 */
export interface FoldedLine {
  readonly kind: 'shares';
  readonly believed: true;
  /** From the bytes on that were opened last. */
  readonly offset: number;
  readonly position: LogPosition;
  readonly user: NameBytes;
  readonly counter: Shares;
}

export interface CounterFold {
  /**
   * A window begins: nothing was folded yet.
   * @param goes_on the window before was taken as it was, and what bounds the lines is still the same
   */
  begin(boundsOf: (user: NameBytes) => Bounds, goes_on: boolean): void;
  /** The bytes that are scanned next, up to the end of a line, and the place of the first of them in the log. */
  open(bytes: Uint8Array, position: bigint): void;
  /** Takes the usual lines that follow one another from there on, at most so many, and says where the next begins. */
  takeRun(start: number, lines_max: number): number;
  /** Takes a line that was read otherwise; false: it is told in full. */
  take(user: NameBytes, counter: Shares, offset: number): boolean;
  /** A block line: what was folded up to it, one line a user. */
  drain(): FoldedLine[];
  /** From here on nothing is sure before it was looked at. */
  mark(): void;
  /** Lines taken since the mark. */
  readonly taken: number;
  /** Who must be told in full after all, each once, since the mark. When there are any, it must be gone back to. */
  readonly surprises: ReadonlySet<NameBytes>;
  /** Everything since the mark is forgotten, surprises too. What was drained since is to be thrown away. */
  goBack(): void;
}

const slots_max = 262_144;
const exact_max = BigInt(Number.MAX_SAFE_INTEGER);

export const inFull: Bounds = null;

/** Of a user whose counter stood there. `reading`: what his file said; null: it is read later (unsoundUsers). */
export function boundsOf(counter: Shares, reading: Reading | undefined | null): Bounds {
  const highest = reading === null ? exact_max : reading && 'counter' in reading ? reading.counter : -1n;
  if (highest < counter || highest > exact_max) return inFull;
  return { counter: Number(counter), highest: Number(highest) };
}

/** Whose lines the files read since do not bear out: they are to be told in full. */
export function unsoundUsers(
  lines: readonly StretchLine[], readings: ReadonlyMap<NameBytes, Reading>,
): NameBytes[] {
  const unsound = new Set<NameBytes>();
  for (const line of lines) {
    if (line.kind !== 'shares') continue;
    const reading = readings.get(line.user);
    if (!reading || !('counter' in reading) || reading.counter < line.counter) unsound.add(line.user);
  }
  return [...unsound];
}

export function createCounterFold(): CounterFold {
  let slots = createUserSlots(slots_max);
  let table = emptyTable();
  let window = 0;
  /** Slots that were folded since the last block line. */
  let touched: number[] = [];
  let surprises = new Set<NameBytes>();
  let bounds: (user: NameBytes) => Bounds = () => inFull;
  let view: DataView = new DataView(new ArrayBuffer(0));
  let limit = 0;
  let base = 0;
  let stamp = -1;
  let latest = -1;
  let colon_at = -1;
  let last_at = 0;
  let taken = 0;
  /** What each line since the mark overwrote. */
  const overwritten_slots: number[] = [];
  const overwritten_counters: number[] = [];
  let marked = { touched, length: 0, last_at: 0 };
  const found: ScannedUser = { number: 0 };

  function begin(boundsOfUser: typeof bounds, goes_on: boolean): void {
    bounds = boundsOfUser;
    if (goes_on && surprises.size === 0 && touched.length === 0) return;
    surprises = new Set();
    touched = [];
    window += 1;
    if (slots.count <= slots_max * 0.75) return;
    slots = createUserSlots(slots_max);
    table = emptyTable();
    latest = -1;
  }

  function open(bytes: Uint8Array, position: bigint): void {
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    limit = bytes.length;
    base = Number(position);
    stamp = -1;
  }

  function takeRun(start: number, lines_max: number): number {
    let at = start;
    for (const end = taken + lines_max; taken < end;) {
      const name_start = nameAt(view, limit, at, stamp);
      if (name_start < 0) return at;
      stamp = at;
      const slot = slotAt(name_start);
      if (slot < 0) return at;
      const line_end = scanCounter(view, limit, colon_at, found);
      if (line_end < 0 || line_end - at > line_bytes_max || !fold(slot, found.number, base + at)) return at;
      at = line_end;
    }
    return at;
  }

  /** ckpool goes through its users in the same order each time: mostly it is the next slot. Its name ends at `colon_at`. */
  function slotAt(name_start: number): number {
    colon_at = slots.endOf(latest + 1, view, name_start);
    if (colon_at >= 0 && nameEnd(view, limit, colon_at - 1) === colon_at) return latest += 1;
    colon_at = nameEnd(view, limit, name_start);
    const slot = colon_at < 0 ? -1 : slots.find(view, name_start, colon_at, true);
    if (slot >= 0) latest = slot;
    return slot;
  }

  /** False: the line is to be told in full. */
  function fold(slot: number, counter: number, position: number): boolean {
    if (table.window[slot] !== window) enter(slot);
    if (table.in_full[slot] === 1) return false;
    const before = table.counter[slot]!;
    if (counter < before || counter > table.highest[slot]!) surprises.add(slots.name(slot));
    overwritten_slots[taken] = slot;
    overwritten_counters[taken] = before;
    taken += 1;
    table.counter[slot] = counter;
    last_at = position;
    if (table.touched[slot] === 0) {
      table.touched[slot] = 1;
      touched.push(slot);
    }
    return true;
  }

  function enter(slot: number): void {
    const found_bounds = bounds(slots.name(slot));
    table.window[slot] = window;
    table.touched[slot] = 0;
    table.in_full[slot] = found_bounds === null ? 1 : 0;
    table.counter[slot] = found_bounds?.counter ?? 0;
    table.highest[slot] = found_bounds?.highest ?? 0;
  }

  function take(user: NameBytes, counter: Shares, offset: number): boolean {
    const name = nameToBuffer(user);
    const plain = !name.includes(backslash);
    const slot = plain ? slots.find(new DataView(name.buffer, name.byteOffset, name.length), 0, name.length) : -1;
    if (slot < 0) return false;
    if (counter <= exact_max) return fold(slot, Number(counter), base + offset);
    if (table.window[slot] !== window) enter(slot);
    // A number that is not exact cannot be folded.
    if (table.in_full[slot] === 1) return false;
    surprises.add(user);
    taken += 1;
    overwritten_slots[taken - 1] = slot;
    overwritten_counters[taken - 1] = table.counter[slot]!;
    return true;
  }

  function drain(): FoldedLine[] {
    const offset = last_at - base;
    const position = logPosition(BigInt(last_at));
    const lines = touched.map((slot): FoldedLine => {
      table.touched[slot] = 0;
      const counter = shares(BigInt(table.counter[slot]!));
      return { kind: 'shares', believed: true, offset, position, user: slots.name(slot), counter };
    });
    touched = [];
    return lines;
  }

  function mark(): void {
    taken = 0;
    marked = { touched, length: touched.length, last_at };
  }

  function goBack(): void {
    while (taken > 0) {
      taken -= 1;
      const slot = overwritten_slots[taken]!;
      table.counter[slot] = overwritten_counters[taken]!;
      table.touched[slot] = 0;
    }
    touched = marked.touched.slice(0, marked.length);
    for (const slot of touched) table.touched[slot] = 1;
    last_at = marked.last_at;
    surprises = new Set();
  }

  return {
    begin, open, takeRun, take, drain, mark, goBack,
    get taken() { return taken; },
    get surprises() { return surprises; },
  };
}

const backslash = 0x5c;

/** By slot; what stands there is of the window named there. */
const emptyTable = () => ({
  window: new Int32Array(slots_max),
  in_full: new Uint8Array(slots_max),
  touched: new Uint8Array(slots_max),
  counter: new Float64Array(slots_max),
  highest: new Float64Array(slots_max),
});
