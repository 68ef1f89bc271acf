// The counts of a block where share logs are read: all accepted work up to the share that solved it, itself
// included, and what only ckpool's counters told. Blocks are decided in the order of their cuts, once each had time
// to be paired with its line, and after that both the chain was looked at and the share logs were read to their end, so
// that no earlier block and no earlier share is still to come; a share that comes even later counts for the next block.
// Order: the work behind each cut is read once more from the share logs (reads only); then one commit writes the
// snapshots, their places in the order of work, and the users' counts. A crash before it leaves nothing.
// A cut is never changed, and no block waits for a share for ever: one that no share log holds is cut by its line.
import type { CountComparer } from './compare-counts.js';
import type { AccountingContext, Outcome } from './context.js';
import { planCuts, type PlannedCut, type UndecidedBlock } from './core/cut-order.js';
import { cutAt, fallbackBefore, type ShareCount } from './core/share-counts.js';
import { compareMoments, comparePlaces, type ShareMoment, type SharePlace } from './core/share-order.js';
import type { ShareTally } from './core/share-tally.js';
import { noWork, type Work } from './core/share-work.js';
import type { SnapshotRow } from './core/stretch.js';
import {
  counterCounts, latestCutMoment, latestDecidedProof, recordCuts, undecidedBlocks, type NewCut,
} from './edges/cut-store.js';
import { tallyFiles } from './edges/share-log-search.js';
import { filesAfter, type ShareState } from './edges/share-state.js';
import type { LogReader } from './read-log.js';
import type { ShareReader } from './read-shares.js';
import { OutsideFailure } from '../shared/errors.js';
import { logPosition, shares, type BlockHash, type BlockHeight, type Shares } from '../shared/units.js';
import type { NameBytes } from '../shared/username.js';

/** Rows of one commit, about. The cuts of many blocks share one reading of the share logs. */
const rows_per_move = 200_000;
const cuts_per_move = 64;

/** What is known of the chain. */
export interface ChainLook {
  /** When the look was begun that found all blocks known now, on the monotonic clock. */
  readonly began_ms: number;
  /** A block of that height may still be paired with a line. */
  lineMayCome(height: BlockHeight): boolean;
}

export interface RoundCutter {
  /** Null: nothing waits for its cut. */
  move(look: ChainLook): Promise<Outcome | null>;
  /** Why a block waits. */
  readonly waits_for: string | null;
  /** The lowest block that waits. */
  readonly waiting_height: BlockHeight | null;
}

export function createRoundCutter(
  context: AccountingContext, reader: LogReader, share_reader: ShareReader, comparer: CountComparer,
): RoundCutter {
  const { clock, database, lease, log, options, share_logs } = context;
  /** Since when a block could be decided, on the monotonic clock. */
  const since = new Map<BlockHash, number>();
  let waits_for: string | null = null;
  let waiting_height: BlockHeight | null = null;

  async function move(look: ChainLook): Promise<Outcome | null> {
    const state = await share_reader.state();
    if (!state) return null;
    const waiting = await undecidedBlocks(database);
    if (waiting.length === 0) return settled();
    const now_ms = clock.monotonic_ms();
    for (const { hash } of waiting) if (!since.has(hash)) since.set(hash, now_ms);
    const planned = planCuts(waiting, await latestDecidedProof(database), localZoneMs(clock.now_ms()));
    // In the order of their cuts: who is not ready lets those behind him wait.
    let unready = 0;
    while (unready < planned.length && await isReady(planned[unready]!.block, state, look)) unready += 1;
    const ready = planned.slice(0, unready);
    waits_for = unready === planned.length ? null
      : `block ${planned[unready]!.block.height} was found just now; late shares may still be written`;
    waiting_height = unready === planned.length ? null : lowest(planned.slice(unready));
    if (ready.length === 0) return 'idle';
    return cut(state, ready.slice(0, cuts_per_move));
  }

  function settled(): null {
    since.clear();
    waits_for = null;
    waiting_height = null;
    return null;
  }

  /** A block with a proof and without a line: the line comes within seconds, or not at all. */
  function hadTimeForItsLine({ line, hash, height }: UndecidedBlock, look: ChainLook): boolean {
    if (line) return true;
    if (look.lineMayCome(height)) return false;
    // What counts is not how late it is, but how late the log was found read to its end.
    const { complete_at_ms } = reader;
    return options.once || (complete_at_ms !== null && complete_at_ms >= since.get(hash)! + options.pairing_wait_ms);
  }

  /** Every share and every block before this one is known: both were looked for again after it was found. */
  async function isReady(block: UndecidedBlock, state: ShareState, look: ChainLook): Promise<boolean> {
    if (!hadTimeForItsLine(block, look)) return false;
    const from_ms = since.get(block.hash)! + options.pairing_wait_ms;
    if (look.began_ms < from_ms || !(await comparer.isDoneUntil(from_ms))) return false;
    if (state.source === 'paused') return true;
    return share_reader.complete_at_ms !== null && share_reader.complete_at_ms >= from_ms;
  }

  async function cut(state: ShareState, batch: readonly PlannedCut[]): Promise<Outcome> {
    const known = await reader.state();
    const planned = await notBefore(batch, state);
    const behind = await workBehind(planned).catch((failure: unknown) => unlessGivenUp(failure, state));
    const counts = new Map(state.counts);
    const changed = new Set<NameBytes>();
    const cuts: NewCut[] = [];
    let rows_made = 0;
    for (const [index, { block, at, moved }] of planned.entries()) {
      if (rows_made > rows_per_move) break;
      const fallback = await fallbackOf(block, counts, behind, index);
      const rows = cutUsers(counts, changed, fallback, (name) => behind?.after(name, index) ?? noWork);
      rows_made += rows.length;
      const exact = block.solver !== null && moved === null && fallback.size === 0 && state.source === 'active';
      const quality = exact ? 'exact' : moved === 'behind a later cut' ? 'late' : (block.line?.quality ?? 'minute');
      cuts.push({ block, at: behind ? at : null, quality, rows });
    }
    try {
      await recordCuts(database, lease, state, {
        cuts, changed: [...changed].map((name) => counts.get(name)!), cursor: known.cursor!, now_ms: clock.now_ms(),
      });
    } catch (failure) {
      share_reader.forget();
      throw failure;
    }
    for (const name of changed) state.counts.set(name, counts.get(name)!);
    for (const { block, quality, rows } of cuts) {
      since.delete(block.hash);
      log.info(`block ${block.height} ${block.hash}: counts of ${rows.length} users are decided (${quality})`);
    }
    return 'progress';
  }

  /**
   * No cut ends before the one made last: after a share that came before its time (a clock that was ahead) all work
   * that is counted goes to the next block. Nor before the boundary at which share logs began to be read.
   */
  async function notBefore(batch: readonly PlannedCut[], state: ShareState): Promise<(PlannedCut & { moved: Moved })[]> {
    const last = await latestCutMoment(database);
    const boundary = state.boundary_seconds === null ? null : { seconds: state.boundary_seconds, nanoseconds: 0 };
    return batch.map(({ block, at }) => {
      if (last && compareMoments(at, last) < 0) return { block, at: behindAll(last), moved: 'behind a later cut' };
      if (boundary && compareMoments(at, boundary) < 0) return { block, at: behindAll(boundary), moved: 'to the boundary' };
      return { block, at: last && comparePlaces(at, behindAll(last)) < 0 ? behindAll(last) : at, moved: null };
    });
  }

  /** A share log that is gone holds up everything, until an operator turns away from share logs. */
  function unlessGivenUp(failure: unknown, state: ShareState): null {
    const gone = failure instanceof OutsideFailure && failure.code === 'ENOENT';
    if (gone && state.source === 'paused') return null;
    throw failure;
  }

  /** The work of all shares read that lie behind the cuts. */
  async function workBehind(batch: readonly PlannedCut[]) {
    const places = batch.map(({ at }) => at);
    const files = (await filesAfter(database, places[0]!))
      .map(({ height, workinfoid, offset: until }) => ({ height, workinfoid, until }));
    return createWorkBehind(await tallyFiles(share_logs, files, places), places.length);
  }

  /** How much of what only the counters told belongs before this cut, by user. */
  async function fallbackOf(
    block: PlannedCut['block'], counts: ReadonlyMap<NameBytes, ShareCount>,
    behind: WorkBehind | null, index: number,
  ): Promise<Map<NameBytes, Shares>> {
    const told = [...counts.values()].filter((count) => count.fallback_count > 0n);
    const { line } = block;
    if (told.length === 0 || !line) return new Map();
    const position = logPosition(line.position);
    const early = told.filter((count) => count.fallback_position === null || count.fallback_position <= position);
    const fallback = new Map<NameBytes, Shares>(early.map((count) => [count.name, count.fallback_count]));
    if (early.length === told.length) return fallback;
    // Seen only after this line (a catch-up): as far as the counter at the line ran ahead of the shares.
    const later = told.filter((count) => !fallback.has(count.name));
    const counters = await counterCounts(database, position, later);
    for (const count of later) {
      const before = fallbackBefore(count, behind?.after(count.name, index) ?? noWork, counters.get(count.name) ?? shares(0n));
      if (before > 0n) fallback.set(count.name, before);
    }
    return fallback;
  }

  return {
    move,
    get waits_for() { return waits_for; },
    get waiting_height() { return waiting_height; },
  };
}

type Moved = 'behind a later cut' | 'to the boundary' | null;

const behindAll = (moment: ShareMoment): SharePlace =>
  ({ ...moment, height: Number.MAX_SAFE_INTEGER, workinfoid: '~', offset: 0 });

const lowest = (cuts: readonly PlannedCut[]): BlockHeight =>
  cuts.map(({ block }) => block.height).reduce((least, height) => (height < least ? height : least));

function cutUsers(
  counts: Map<NameBytes, ShareCount>, changed: Set<NameBytes>, fallback: ReadonlyMap<NameBytes, Shares>,
  after: (name: NameBytes) => Work,
): SnapshotRow[] {
  const rows: SnapshotRow[] = [];
  for (const before of counts.values()) {
    const { count, difference, disputed_difference } = cutAt(before, after(before.name), fallback.get(before.name) ?? shares(0n));
    if (difference === 0n) continue;
    rows.push({ user: count.name, share_count: count.snapshot_count, difference, disputed_difference });
    counts.set(count.name, count);
    changed.add(count.name);
  }
  return rows;
}

interface WorkBehind {
  /** The work of this user behind the cut with that index. */
  after(name: NameBytes, index: number): Work;
}

function createWorkBehind(tally: ShareTally, cuts: number): WorkBehind {
  /** By user, the sums of the stretches behind each cut. */
  const sums = new Map<NameBytes, Work[]>();
  for (let bucket = cuts; bucket > 0; bucket--) {
    for (const [name, work] of tally.work(bucket)) {
      const behind = sums.get(name) ?? Array.from({ length: cuts }, () => noWork);
      for (let index = 0; index < bucket; index++) behind[index] = (behind[index]! + work) as Work;
      sums.set(name, behind);
    }
  }
  return { after: (name, index) => sums.get(name)?.[index] ?? noWork };
}

/** What to add to a stamp in this machine's local time to get UTC. */
const localZoneMs = (now_ms: number): number => new Date(now_ms).getTimezoneOffset() * 60_000;
