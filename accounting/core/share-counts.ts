// A user's work where share logs are read, and how it comes about: shares are counted when their lines are
// read; ckpool's counter follows up to a minute later and tells the same work a second time, so its rises
// first use up what the shares told before. What is left of a rise no share log holds (the disk was full, -L was
// off): it is counted by the counter. Each unit of work is so counted once, by whoever told it first.
// Pure: one state and one fact give the next state.
import { shares, type LogPosition, type Shares } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { noWork, wholeShares, type Work } from './share-work.js';

export interface ShareCount {
  /** Row of `users`; null until it exists. */
  readonly user_id: number | null;
  readonly name: NameBytes;
  /** All accepted shares read, fractions included. Only grows. */
  readonly logged: Work;
  /** The part of it (whole) that is in snapshots. */
  readonly cut_count: Shares;
  /** Work that only the counter told of, in no snapshot yet. */
  readonly fallback_count: Shares;
  /** The part of it that rests on a users/ file that fell. */
  readonly fallback_disputed: Shares;
  /** Where in the log it was seen; null when there is none. */
  readonly fallback_position: LogPosition | null;
  /** Counter and logged work up to which both had agreed before the fallback began. */
  readonly fallback_counter: Shares;
  readonly fallback_logged: Shares;
  /** What of the fallback is in snapshots since then. */
  readonly fallback_given: Shares;
  /** Told by share logs, not by the counter yet. */
  readonly surplus_count: Shares;
  /** The counter's own ledger count when both were last compared. */
  readonly counter_count: Shares;
  /** The part of the counter's rise since then that is disputed. */
  readonly disputed_count: Shares;
  /** The count in the latest cut. */
  readonly snapshot_count: Shares;
}

const none = shares(0n);

export const newShareCount = (name: NameBytes, user_id: number | null): ShareCount => ({
  user_id, name, logged: noWork, cut_count: none, fallback_count: none, fallback_disputed: none,
  fallback_position: null, fallback_counter: none, fallback_logged: none, fallback_given: none, surplus_count: none, counter_count: none, disputed_count: none, snapshot_count: none,
});

/** Everything counted so far, in a snapshot or not. */
export const ledgerCount = (count: ShareCount): Shares =>
  shares(count.snapshot_count + wholeShares(count.logged) - count.cut_count + count.fallback_count);

/** Accepted shares were read. */
export function addWork(count: ShareCount, work: Work): ShareCount {
  const logged = (count.logged + work) as Work;
  const told = wholeShares(logged) - wholeShares(count.logged);
  return { ...count, logged, surplus_count: shares(count.surplus_count + told) };
}

export interface CounterReading {
  /** users.ledger_count, its file read before the share logs were read to their end. */
  readonly counter_count: Shares;
  /**
   * Whole work of the shares behind the pass that wrote the counter: of those that it cannot hold for sure (0 where
   * clocks are not to be trusted), and of those that it may not hold. Null when the time of the pass is not known.
   */
  readonly after: { readonly sure: Shares; readonly possible: Shares } | null;
  /** Share logs were being written: they decide what is disputed. */
  readonly logs_told: boolean;
  readonly position: LogPosition;
}

export interface Comparison {
  readonly count: ShareCount;
  /** Work that no share log holds and that is counted now. */
  readonly gap: Shares;
  /** A disputed rise that share logs do not bear out: not counted. */
  readonly dropped: Shares;
  /** Work of shares older than the counter that the counter never told: it stays counted. */
  readonly untold: Shares;
}

/** The counter was read, and the share logs behind it: what does each tell that the other does not? */
export function compareCounter(count: ShareCount, reading: CounterReading): Comparison {
  const rise = reading.counter_count > count.counter_count ? reading.counter_count - count.counter_count : 0n;
  const behind = least(count.surplus_count, reading.after?.sure ?? 0n);
  const used = least(rise, count.surplus_count - behind);
  const beyond = rise - used;
  const disputed = least(count.disputed_count, beyond);
  const dropped = reading.logs_told ? disputed : 0n;
  const gap = beyond - dropped;
  const left = count.surplus_count - used;
  const fresh = reading.after === null ? left : least(left, reading.after.possible);
  return {
    count: {
      ...count,
      ...(gap > 0n ? fallenBack(count, gap, disputed - dropped, reading.position) : {}),
      surplus_count: shares(fresh),
      counter_count: shares(count.counter_count + rise),
      disputed_count: none,
    },
    gap: shares(gap), dropped: shares(dropped), untold: shares(left - fresh),
  };
}

function fallenBack(count: ShareCount, gap: bigint, disputed: bigint, position: LogPosition): Partial<ShareCount> {
  const more = {
    fallback_count: shares(count.fallback_count + gap),
    fallback_disputed: shares(count.fallback_disputed + disputed),
    fallback_position: position,
  };
  if (count.fallback_count > 0n) return more;
  return {
    ...more,
    fallback_counter: count.counter_count,
    fallback_logged: shares(wholeShares(count.logged) - count.surplus_count),
    fallback_given: none,
  };
}

/**
 * How much of the fallback belongs before a cut whose line stands before the place where the fallback was seen: as
 * far as the counter at that line runs ahead of the shares up to the cut.
 * @param counter the counter's ledger count at that line
 */
export function fallbackBefore(count: ShareCount, after: Work, counter: Shares): Shares {
  const by_counter = counter - count.fallback_counter;
  const logged_to = wholeShares((count.logged - after) as Work) - count.fallback_logged;
  const ahead = by_counter - (logged_to > 0n ? logged_to : 0n) - count.fallback_given;
  return shares(ahead > 0n ? least(ahead, count.fallback_count) : 0n);
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);

export interface CutPart {
  readonly count: ShareCount;
  readonly difference: Shares;
  readonly disputed_difference: Shares;
}

/**
 * A cut: work up to it goes to its snapshot.
 * @param after work of the shares behind the cut
 * @param fallback how much of what only the counter told belongs before the cut
 */
export function cutAt(count: ShareCount, after: Work, fallback: Shares): CutPart {
  const logged_to = wholeShares((count.logged - after) as Work);
  // A cut before one that was made already: its work went there.
  const from_logs = logged_to > count.cut_count ? logged_to - count.cut_count : 0n;
  const taken = least(fallback, count.fallback_count);
  const disputed = least(count.fallback_disputed, taken);
  const difference = shares(from_logs + taken);
  const rest = shares(count.fallback_count - taken);
  return {
    count: {
      ...count,
      cut_count: shares(count.cut_count + from_logs),
      fallback_count: rest,
      fallback_disputed: shares(count.fallback_disputed - disputed),
      fallback_position: rest > 0n ? count.fallback_position : null,
      fallback_given: shares(count.fallback_given + taken),
      snapshot_count: shares(count.snapshot_count + difference),
    },
    difference, disputed_difference: shares(disputed),
  };
}
