// Where the work of each found block ends, and in which order that is decided. A block whose solving share is
// known ends with that share, to the nanosecond. One whose share no share log holds (it was lost with a full
// disk, or -L was off) ends at the time of its line, between the proven blocks before and after it.
import type { BlockHash, BlockHeight, LogPosition } from '../../shared/units.js';
import type { NameBytes } from '../../shared/username.js';
import { stampMs } from './log-stamp.js';
import { comparePlaces, type SharePlace } from './share-order.js';

export interface Solver {
  readonly place: SharePlace;
  readonly worker: NameBytes;
}

/** A block of ours whose counts are not decided: it has a line, a proof, or both. */
export interface UndecidedBlock {
  readonly id: number;
  readonly hash: BlockHash;
  readonly height: BlockHeight;
  readonly line: {
    readonly snapshot_id: number;
    readonly position: LogPosition;
    readonly logged_at: string;
    readonly quality: string;
  } | null;
  readonly solver: Solver | null;
}

export interface PlannedCut {
  readonly block: UndecidedBlock;
  readonly at: SharePlace;
}

/** A place in the order of shares and, where there is one, its line in the log. */
interface Landmark {
  readonly at: SharePlace;
  readonly line: { readonly position: LogPosition; readonly logged_at: string } | null;
}

/**
 * All of them in the order of their cuts.
 * @param decided the latest proven block whose counts are decided, if there is one
 * @param local_zone_ms what to add to a stamp of the log to get UTC, where no proven block tells
 */
export function planCuts(
  blocks: readonly UndecidedBlock[], decided: Landmark | null, local_zone_ms: number,
): PlannedCut[] {
  const proven = blocks.flatMap((block) => (block.solver ? [{ block, at: block.solver.place }] : []));
  const landmarks: Landmark[] = [
    ...proven.map(({ block, at }) => ({ at, line: block.line })), ...(decided ? [decided] : []),
  ];
  const zone_ms = zoneOf(landmarks) ?? local_zone_ms;
  const estimated = blocks.flatMap((block) =>
    block.solver || !block.line ? [] : [{ block, at: estimate(block.line, landmarks, zone_ms) }]);
  return [...proven, ...estimated].sort((a, b) =>
    comparePlaces(a.at, b.at) || a.block.height - b.block.height || (a.block.hash < b.block.hash ? -1 : 1));
}

const quarter_hour_ms = 15 * 60 * 1000;
const zone_max_ms = 15 * 60 * 60 * 1000;

/** Stamps are local time: a proven block with a line tells how far that is from UTC. */
function zoneOf(landmarks: readonly Landmark[]): number | null {
  for (const { line, at } of landmarks) {
    const stamp_ms = line ? stampMs(line.logged_at) : null;
    if (stamp_ms === null) continue;
    const zone_ms = Math.round((at.seconds * 1000 - stamp_ms) / quarter_hour_ms) * quarter_hour_ms;
    // A stamp can be forged; no place on Earth is further from UTC.
    if (Math.abs(zone_ms) <= zone_max_ms) return zone_ms;
  }
  return null;
}

function estimate(
  line: NonNullable<UndecidedBlock['line']>, landmarks: readonly Landmark[], zone_ms: number,
): SharePlace {
  const before = landmarks.filter((other) => other.line !== null && other.line.position < line.position);
  const after = landmarks.filter((other) => other.line !== null && other.line.position > line.position);
  const least = before.map(({ at }) => at).reduce<SharePlace | null>(later, null);
  const most = after.map(({ at }) => at).reduce<SharePlace | null>(earlier, null);
  const stamp_ms = stampMs(line.logged_at);
  const guess = stamp_ms === null ? (most ?? least ?? beforeAll) : placeAt(stamp_ms + zone_ms);
  if (least && comparePlaces(guess, least) < 0) return least;
  return most && comparePlaces(guess, most) > 0 ? most : guess;
}

const later = (a: SharePlace | null, b: SharePlace): SharePlace => (a && comparePlaces(a, b) > 0 ? a : b);
const earlier = (a: SharePlace | null, b: SharePlace): SharePlace => (a && comparePlaces(a, b) < 0 ? a : b);

const beforeAll: SharePlace = { seconds: 0, nanoseconds: 0, height: 0, workinfoid: '', offset: 0 };

/** Behind every share of that millisecond. */
function placeAt(at_ms: number): SharePlace {
  const seconds = Math.floor(at_ms / 1000);
  const nanoseconds = Math.floor(at_ms - seconds * 1000) * 1_000_000 + 999_999;
  return { seconds, nanoseconds, height: Number.MAX_SAFE_INTEGER, workinfoid: '~', offset: 0 };
}
