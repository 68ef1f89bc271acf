// Decides which of a stretch's `User` lines about one user are believed. The file says how much, the line
// says when: every believed line lies between the counter as it stood and what the file said afterwards.
// Where the file itself fell (ckpool began again from a torn or restored file) the lines before the fall
// have no such bound: they are taken, and marked disputed.
import { shares, type Shares } from '../../shared/units.js';
import { longestRise } from './longest-rise.js';

/** What users/<name> said when the stretch's end was noted. */
export type Reading =
  /** `updated_seconds`: the pass that wrote it, unix time. */
  | { readonly counter: Shares; readonly updated_seconds?: number }
  | { readonly absent: true }
  | { readonly unreadable: string };

export type Verdict =
  | { readonly verdict: 'rise'; readonly disputed: boolean }
  /** The counter's new base after a fall: adds nothing. */
  | { readonly verdict: 'fall' }
  | { readonly verdict: 'dropped'; readonly why: DropReason };

export type DropReason = 'above_file' | 'below_count' | 'no_file' | 'unreadable_file';

/**
 * The most that a line without a bound may add. Far more than a pool does between two readings, and so little
 * that forged lines for every user cannot exceed what the database can hold.
 */
const unbounded_rise_max = 2n ** 40n;

/**
 * One verdict for each value, in log order.
 * @param counter the counter as last accepted before these lines
 * @param values what the lines say, in log order
 * @param reading the file's content, read after the end of the stretch was noted
 */
export function judgeLines(
  counter: Shares,
  values: readonly Shares[],
  reading: Reading,
): readonly Verdict[] {
  if ('absent' in reading) return values.map(() => dropped('no_file'));
  if ('unreadable' in reading) return values.map(() => dropped('unreadable_file'));
  const file = reading.counter;
  if (file >= counter) return judgeRising(counter, values, file, false);
  // Every true line before the fall is above the file, every one after it is not.
  const fall = values.findLastIndex((value) => value > file) + 1;
  const before = judgeRising(counter, values.slice(0, fall), null, true);
  const [base, ...after] = values.slice(fall);
  if (base === undefined) return before;
  return [...before, ...judgeFallen(base, after, file)];
}

function judgeFallen(base: Shares, after: readonly Shares[], file: Shares): Verdict[] {
  // The lowest run decides which line is the base: a forged high one must not swallow the true ones.
  const values = [base, ...after];
  const run = longestRise(values);
  const first = run[0] ?? 0;
  const rest = judgeRising(values[first]!, values.slice(first + 1), file, false);
  return [...values.slice(0, first).map(() => dropped('below_count')), { verdict: 'fall' }, ...rest];
}

function judgeRising(
  counter: Shares,
  values: readonly Shares[],
  bound: Shares | null,
  disputed: boolean,
): Verdict[] {
  const highest = bound ?? counter + unbounded_rise_max;
  const verdicts = values.map<Verdict>((value) =>
    dropped(value > highest ? 'above_file' : 'below_count'));
  const candidates = values.flatMap((value, index) =>
    value >= counter && value <= highest ? [index] : []);
  for (const position of longestRise(candidates.map((index) => values[index]!))) {
    verdicts[candidates[position]!] = { verdict: 'rise', disputed };
  }
  return verdicts;
}

const dropped = (why: DropReason): Verdict => ({ verdict: 'dropped', why });

export const noShares = shares(0n);
