// Which work a block's reward is split over. A round is a stretch of the order in which work was cut,
// (cut_from, cut_to]: everything that stands in it and in no round before, so each share difference is credited
// to exactly one settled block. Whether a block line was believed plays no part: the work before it was done
// all the same.
import { invariant } from '../../shared/errors.js';
import { shares, type Place, type Shares } from '../../shared/units.js';

export interface Cut {
  readonly cut_from: Place;
  readonly cut_to: Place;
}

export interface CutSoFar {
  /** Highest end of any round cut so far; null before the first. */
  readonly highest_cut: Place | null;
  /** Whether any of them held a stretch of work at all. From then on a baseline moves nothing. */
  readonly work_was_cut: boolean;
  /** The latest baseline snapshot: where the first round starts. Null: from zero. */
  readonly baseline: Place | null;
}

/** Where the next round starts. */
export function roundStart({ highest_cut, work_was_cut, baseline }: CutSoFar): Place {
  const cut = highest_cut ?? (0n as Place);
  if (work_was_cut || baseline === null) return cut;
  return baseline > cut ? baseline : cut;
}

/**
 * The round of a block that is in the active chain. Empty (both ends equal) when the block has no place in the
 * order of work or one not later than what has been cut already.
 */
export function roundOf(place: Place | null, start: Place): Cut {
  if (place === null || place <= start) return { cut_from: start, cut_to: start };
  return { cut_from: start, cut_to: place };
}

export type Dispute = 'none' | 'open' | 'taken' | 'dropped';

export interface StoredDifference {
  readonly user_id: number;
  readonly difference: Shares;
  /** The part of it that rests on a users/ file that fell. */
  readonly disputed_difference: Shares;
  readonly dispute: Dispute;
}

export interface RoundShares {
  /** Only users whose part is above zero. */
  readonly by_user: ReadonlyMap<number, Shares>;
  readonly total: Shares;
}

/**
 * Sums the stored differences of a round. A dispute that was dropped takes the disputed part away.
 * @throws InvariantBroken for a dispute that is still open: such a round is not settled.
 */
export function sumDifferences(rows: Iterable<StoredDifference>): RoundShares {
  const by_user = new Map<number, Shares>();
  let total = 0n;
  for (const row of rows) {
    const counted = countedDifference(row);
    if (counted === 0n) continue;
    by_user.set(row.user_id, shares((by_user.get(row.user_id) ?? 0n) + counted));
    total += counted;
  }
  return { by_user, total: shares(total) };
}

function countedDifference({ difference, disputed_difference, dispute }: StoredDifference): bigint {
  const valid = difference >= 0n && disputed_difference >= 0n && disputed_difference <= difference;
  invariant(
    valid,
    `A stored share difference of ${difference} with ${disputed_difference} disputed is impossible.`,
  );
  invariant(dispute !== 'open', 'A round with an open dispute must wait and was about to be settled.');
  return dispute === 'dropped' ? difference - disputed_difference : difference;
}
