// Which stretch of the share logs each decided round is made of, and which rounds can be rebuilt from them today.
// Rounds follow each other in the order in which they were decided; a cut that lies before an earlier one took
// nothing. Work is rebuilt from the end: what a user has in all share logs read, less what lies behind the cut. So a
// cut is known when every share log behind it is still there, and nothing behind it was passed over.
import { compareMoments, comparePlaces, type ShareMoment, type SharePlace } from './share-order.js';

export interface DecidedCut {
  /** Null: it took everything that was read by then. */
  readonly at: SharePlace | null;
  readonly decided_at: string;
  /** Rows, about. */
  readonly users: number;
}

export type NotRebuilt = 'gone' | 'passed_over' | 'no_place';

export interface RoundStretch<Cut extends DecidedCut> {
  readonly cut: Cut;
  /** 'nothing': no share log was counted before. */
  readonly from: SharePlace | 'nothing' | null;
  readonly to: SharePlace | null;
  /** Null: the round can be rebuilt, and `from` and `to` are known. */
  readonly not_rebuilt: NotRebuilt | null;
}

/** @param gone_last the latest share in any share log that is gone; null: all are there */
export function roundStretches<Cut extends DecidedCut>(
  cuts: readonly Cut[], counted_since: string, gone_last: ShareMoment | null,
): RoundStretch<Cut>[] {
  let latest: SharePlace | null = null;
  let before: { to: SharePlace | 'nothing' | null; reason: NotRebuilt } = { to: 'nothing', reason: 'no_place' };
  return cuts.map((cut) => {
    if (cut.at && (latest === null || comparePlaces(cut.at, latest) > 0)) latest = cut.at;
    const reason = whyUnknown(cut, latest, counted_since, gone_last);
    const to = reason === null ? latest : null;
    const not_rebuilt = reason ?? (before.to === null ? before.reason : null);
    const stretch = { cut, from: before.to, to, not_rebuilt };
    before = { to, reason: reason ?? 'no_place' };
    return stretch;
  });
}

function whyUnknown(
  cut: DecidedCut, latest: SharePlace | null, counted_since: string, gone_last: ShareMoment | null,
): NotRebuilt | null {
  if (cut.decided_at < counted_since) return 'passed_over';
  if (cut.at === null || latest === null) return 'no_place';
  return gone_last && compareMoments(latest, gone_last) < 0 ? 'gone' : null;
}

/** Latest first; each holds about so many rows, and at least one round. */
export function batchesFromTheEnd<Cut extends DecidedCut>(
  rounds: readonly RoundStretch<Cut>[], rows_max: number, rounds_max: number,
): RoundStretch<Cut>[][] {
  const batches: RoundStretch<Cut>[][] = [];
  let rows = 0;
  for (const round of [...rounds].reverse()) {
    const batch = batches.at(-1);
    rows += round.cut.users;
    if (batch && rows <= rows_max && batch.length < rounds_max) batch.push(round);
    else {
      batches.push([round]);
      rows = round.cut.users;
    }
  }
  return batches;
}

/** The known places of these rounds, ascending, each once. */
export function placesOf<Cut extends DecidedCut>(rounds: readonly RoundStretch<Cut>[]): SharePlace[] {
  const places = rounds.flatMap(({ from, to }) => [from, to]
    .filter((place): place is SharePlace => place !== null && place !== 'nothing'));
  return places.sort(comparePlaces)
    .filter((place, index) => index === 0 || comparePlaces(places[index - 1]!, place) < 0);
}
