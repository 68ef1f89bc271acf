// Which block line belongs to which block of the node. A line has a height and a place in the log but no
// hash; a block has a hash, and an anchor: the first `Block hash changed to` line that names it, printed
// when ckpool learnt of the new tip, within a second of the block line, before it in about a third of cases.
//
// A block whose solving share is known takes the line that names its worker, the nearest in time: that is certain,
// and such a block takes no other. A block with an anchor takes the line of its height nearest to the anchor, among lines after the anchor of
// its parent. A block without one was never the tip that ckpool saw: it takes the last line of its height
// before the next tip. Line or block may be missing (full disk, crash, forgery): then nothing is paired.
// A pair, once confirmed, never changes, so only unpaired blocks and lines come in here.
import type { BlockHash, BlockHeight, LogPosition } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { stampMs } from './log-stamp.js';
import type { ShareMoment } from './share-order.js';

export interface UnpairedBlock {
  readonly hash: BlockHash;
  readonly height: BlockHeight;
  readonly active: boolean;
  /** Miner's clock; only orders blocks of one height that have no anchor. */
  readonly header_at: string;
  readonly anchor: LogPosition | null;
  readonly parent_anchor: LogPosition | null;
  /** The first anchor of any known block after the parent's: where ckpool left this height behind. */
  readonly next_anchor: LogPosition | null;
  /** Who solved it and when, by the share logs. */
  readonly solver: { readonly worker: NameBytes; readonly created: ShareMoment } | null;
}

export interface UnpairedLine {
  readonly snapshot_id: number;
  readonly height: BlockHeight;
  readonly position: LogPosition;
  readonly finder: NameBytes;
  readonly logged_at: string;
}

export interface Pair {
  readonly hash: BlockHash;
  readonly snapshot_id: number;
}

/** Pairs within one height or over many; each line and each block at most once. */
export function pairBlocks(blocks: readonly UnpairedBlock[], lines: readonly UnpairedLine[]): Pair[] {
  const pairs: Pair[] = [];
  const taken = new Set<number>();
  const done = new Set<BlockHash>();
  const take = (block: UnpairedBlock, line: UnpairedLine): void => {
    taken.add(line.snapshot_id);
    done.add(block.hash);
    pairs.push({ hash: block.hash, snapshot_id: line.snapshot_id });
  };
  const proven = blocks.filter((block) => block.solver !== null);
  const others = blocks.filter((block) => block.solver === null);
  for (const { block, line } of [...byMoment(proven, lines), ...byDistance(others, lines)]) {
    if (!taken.has(line.snapshot_id) && !done.has(block.hash)) take(block, line);
  }
  for (const block of withoutAnchor(others, lines)) {
    const line = lines
      .filter((candidate) => !taken.has(candidate.snapshot_id) && inReach(block, candidate))
      .reduce<UnpairedLine | null>(
        (last, next) => (last && last.position > next.position ? last : next),
        null,
      );
    if (line) take(block, line);
  }
  return pairs;
}

const quarter_hour_ms = 15 * 60 * 1000;

/** Every possible pair of a proven block, the nearest in time first. */
function byMoment(blocks: readonly UnpairedBlock[], lines: readonly UnpairedLine[]) {
  const possible = blocks.flatMap((block) => lines
    .filter((line) => line.height === block.height && line.finder === block.solver!.worker)
    .map((line) => ({ block, line, apart_ms: apartMs(block.solver!.created, line.logged_at) })));
  return possible.sort((a, b) => a.apart_ms - b.apart_ms || compare(a.line.position, b.line.position));
}

/** A stamp has no zone, and zones are quarters of an hour: only what is left of one is compared. */
function apartMs(created: ShareMoment, logged_at: string): number {
  const stamp_ms = stampMs(logged_at);
  if (stamp_ms === null) return quarter_hour_ms;
  const share_ms = created.seconds * 1000 + created.nanoseconds / 1_000_000;
  const rest_ms = (((stamp_ms - share_ms) % quarter_hour_ms) + quarter_hour_ms) % quarter_hour_ms;
  return Math.min(rest_ms, quarter_hour_ms - rest_ms);
}

/** Every possible pair of an anchored block, the nearest first, so that no block takes its sibling's line. */
function byDistance(blocks: readonly UnpairedBlock[], lines: readonly UnpairedLine[]) {
  const possible = blocks.flatMap((block) => {
    const { anchor } = block;
    if (anchor === null) return [];
    return lines
      .filter((line) => line.height === block.height && afterParent(block, line))
      .map((line) => ({ block, line, distance: distance(anchor, line.position) }));
  });
  return possible.sort(
    (a, b) => compare(a.distance, b.distance) || compare(a.line.position, b.line.position),
  );
}

/**
 * Blocks that never were ckpool's tip, those of one height in the order in which they may take the last
 * line: where there are fewer lines than blocks the active block comes first, else the latest header.
 */
function withoutAnchor(blocks: readonly UnpairedBlock[], lines: readonly UnpairedLine[]): UnpairedBlock[] {
  const scarce = (block: UnpairedBlock): boolean =>
    lines.filter((line) => line.height === block.height).length <
    blocks.filter((other) => other.height === block.height).length;
  return blocks
    .filter((block) => block.anchor === null)
    .sort((a, b) =>
      a.height - b.height ||
      (scarce(a) ? Number(b.active) - Number(a.active) : 0) ||
      compare(b.header_at, a.header_at) ||
      compare(a.hash, b.hash));
}

const inReach = (block: UnpairedBlock, line: UnpairedLine): boolean =>
  line.height === block.height &&
  afterParent(block, line) &&
  (block.next_anchor === null || line.position < block.next_anchor);

const afterParent = (block: UnpairedBlock, line: UnpairedLine): boolean =>
  block.parent_anchor === null || line.position > block.parent_anchor;

const distance = (a: bigint, b: bigint): bigint => (a > b ? a - b : b - a);
const compare = <T extends bigint | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);
