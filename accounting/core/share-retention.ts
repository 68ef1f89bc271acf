// Which share logs nobody needs any more. Two limits, and a file must lie below both.
//
// Height. Work goes to the round of the next block whose cut is behind it, and an orphan's work to the next round
// after that. So a share log is done with only when a round has credited its work: it lies strictly below a block
// whose cut is part of a credited round, and below every block of the pool that is still open, in accounting (its
// counts are not decided) or in payments (no round decided it). The directory of that block itself holds shares
// after its cut. Blocks that left the chain may come back, and a node that was away may know blocks that we do not:
// what is less than `maturity` below the tip that log and chain are both known to is never touched.
//
// Time. After a reorganisation the pool works at lower heights again, so a low directory can hold late work. The
// latest share that was counted from the file must lie before the cut of that credited block, and before the
// earliest moment at which an undecided block can have been found: that cut will read such files once more.
//
// No credited round at all: nothing may be touched.

/** A block of the pool, or a block line that no synced node was asked about yet. */
export interface RetainedBlock {
  readonly height: number;
  /** What payments decided; null: nothing yet. */
  readonly round: 'credited' | 'orphaned' | 'lost' | null;
  /** It has a snapshot, so that a cut is made or to be made for it. */
  readonly has_snapshot: boolean;
  /** Where its work ends in the order of cuts; null: not decided. */
  readonly place: bigint | null;
  /** The second of the share with which its work ends; null: not decided, or decided without share logs. */
  readonly cut_seconds: number | null;
  /** The miner's clock; null: only a line says that it was found. */
  readonly header_seconds: number | null;
}

export interface RetentionFacts {
  readonly blocks: readonly RetainedBlock[];
  /** The highest end of any round that was credited, in places; null: none. */
  readonly credited_to: bigint | null;
  /** The tip that log and chain are both known to; null: none yet. */
  readonly complete_height: number | null;
  readonly maturity: number;
  /** False: share logs play no part, so nothing in them waits to be counted. */
  readonly share_logs_count: boolean;
}

/** Share logs of heights strictly below, with their latest share strictly before, are done with. */
export interface RetentionLimit {
  readonly below_height: number;
  /** null: any time will do. */
  readonly before_seconds: number | null;
}

/** A header may be this far ahead of the time at which it was found. */
const header_ahead_max_seconds = 7_200;

/** Null: nothing is done with. */
export function retentionLimit(facts: RetentionFacts): RetentionLimit | null {
  const { blocks, credited_to, complete_height, maturity } = facts;
  if (credited_to === null || complete_height === null) return null;
  const lowest_open = Math.min(...blocks.filter(isOpen).map(({ height }) => height));
  const credited = blocks
    .filter((block) => isCredited(block, credited_to) && block.height <= lowest_open)
    .reduce<RetainedBlock | null>((top, block) => (top && top.height >= block.height ? top : block), null);
  if (credited === null) return null;
  const below_height = Math.min(credited.height, complete_height - maturity + 1);
  if (below_height <= 0) return null;
  const moments = blocks.flatMap((block) => earliestCut(block) ?? []);
  // A credited cut without a moment was made by counters: what was read of share logs is not in it for sure.
  if (facts.share_logs_count) moments.push(credited.cut_seconds ?? 0);
  return { below_height, before_seconds: moments.length > 0 ? Math.min(...moments) : null };
}

function isOpen({ round, has_snapshot, place }: RetainedBlock): boolean {
  return round === null || (has_snapshot && place === null);
}

/** An empty round cut no work of its own, unless a round behind it took what lies before its cut. */
function isCredited({ round, place }: RetainedBlock, credited_to: bigint): boolean {
  return (round === 'credited' || round === 'lost') && place !== null && place <= credited_to;
}

/** When the work of a block that is not decided ends, at the earliest. */
function earliestCut(block: RetainedBlock): number | null {
  if (block.place !== null || !isOpen(block) || block.header_seconds === null) return null;
  return block.header_seconds - header_ahead_max_seconds;
}

/** Why a share log stays as it is. */
export type KeptReason =
  | 'foreign' | 'not_settled' | 'recent' | 'not_read' | 'later_work' | 'changed' | 'copy_differs' | 'compressed';

/** What each reason means, as a sentence's end: "3 share logs are kept: …". */
export const kept_because: Readonly<Record<KeptReason, string>> = {
  foreign: 'not a share log that ckpool wrote (a link, a directory or another name)',
  not_settled: 'its work may belong to a round that is not settled',
  recent: 'changed within the days to keep',
  not_read: 'accounting has not read it to its end',
  later_work: 'it holds shares after the last settled block',
  changed: 'it changed meanwhile',
  copy_differs: 'the compressed copy beside it holds something else: compare them by hand',
  compressed: 'compressed already',
};

export interface ReadMark {
  /** Bytes of the uncompressed content that were read. */
  readonly offset: number;
  /** The second of the latest share in what was read; null: no share was counted from it. */
  readonly last_seconds: number | null;
}

export interface ShareLogSeen {
  readonly height: number;
  readonly changed_ms: number;
  /** null: accounting never read it. */
  readonly mark: ReadMark | null;
}

export interface RetentionSettings {
  readonly limit: RetentionLimit | null;
  readonly keep_days: number;
  readonly now_ms: number;
  /** As in RetentionFacts. */
  readonly share_logs_count: boolean;
}

const day_ms = 86_400_000;

/** Why it stays, as far as is known without opening it; null: it may go once it is seen to be wholly read. */
export function keptBecause(file: ShareLogSeen, settings: RetentionSettings): KeptReason | null {
  const { limit, keep_days, now_ms, share_logs_count } = settings;
  if (limit === null || file.height >= limit.below_height) return 'not_settled';
  // A time in the future (a clock set back) is recent too.
  if (file.changed_ms > now_ms - keep_days * day_ms) return 'recent';
  if (share_logs_count && file.mark === null) return 'not_read';
  const last_seconds = file.mark?.last_seconds ?? null;
  if (last_seconds !== null && limit.before_seconds !== null && last_seconds >= limit.before_seconds) {
    return 'later_work';
  }
  return null;
}
