// What the node says, one move at a time. Order:
//   1. the tip is read; the log is read to its end once more before anything rests on that tip (the daemon
//      reads the log first in every step, so a tip is used only in a later step than it was read in);
//   2. back to the fork if the active chain left the cursor, then forward, block by block, looking for
//      coinbases that pay our script; then the side branches (getchaintips);
//   3. where share logs are read, the shares that solved our blocks are looked for; lines and blocks are paired once
//      both had time to appear; the counts of blocks are decided (cut-rounds.ts);
//   4. the tip is published as complete, and lines that no block belongs to become unverified.
// Each numbered part is one commit; a crash between two repeats the reads. Lines cost the node nothing: it
// is asked about blocks, never about lines, so that forged ones cannot make us ask.
import type { ChainInfo } from '../shared/bitcoind/node.js';
import { timeFromText } from '../shared/database/database.js';
import { OutsideFailure } from '../shared/errors.js';
import { blockHeight, type BlockHeight } from '../shared/units.js';
import { createAges } from './ages.js';
import type { AccountingContext, Outcome } from './context.js';
import { ownBlock, type OwnBlock } from './core/own-block.js';
import { pairBlocks } from './core/pairing.js';
import { createRipeness, patience } from './core/ripeness.js';
import { loadUnpaired, pendingLines, publishComplete, recordPairs } from './edges/pairing-store.js';
import * as store from './edges/scan-store.js';
import type { ChainScan, SeenBlock } from './edges/scan-store.js';
import { checkChain, moveFloor, startScan } from './first-scan.js';
import { findFork } from './fork.js';
import type { LogReader } from './read-log.js';
import type { RoundCutter } from './cut-rounds.js';
import type { SolverFinder } from './find-solvers.js';
import type { ShareReader } from './read-shares.js';
import { followSideBranches } from './side-branches.js';
import { createUnanchored } from './unanchored.js';

const blocks_per_move = 200;
/** While something is waited for, the node is asked this often. */
const ask_again_ms = 1_000;
/** However many lines there are (anybody can forge them), they make us look no more often than this. */
const fresh_period_ms = 500;
/** With --once, between two looks while a block waits for shares. */
const once_pause_ms = 100;

export interface ChainFollower {
  move(): Promise<Outcome>;
  /** Why the tip is not published, if it is not. */
  readonly waits_for: string | null;
}

interface NotedTip extends ChainInfo {
  /** On the monotonic clock. */
  readonly noted_ms: number;
}

export interface ShareParts {
  readonly reader: ShareReader;
  readonly solvers: SolverFinder;
  readonly cutter: RoundCutter;
}

export function createChainFollower(
  context: AccountingContext, reader: LogReader, shares: ShareParts,
): ChainFollower {
  const { config, clock, database, lease, node, options } = context;
  let target: NotedTip | null = null;
  let looked_at_ms: number | null = null;
  let waits_for: string | null = null;
  let chain_checked = false;
  /** The lowest height whose line may still come, if there is one. */
  let unripe: BlockHeight | null = null;
  let lineMayCome: (height: BlockHeight) => boolean = () => true;
  const ages = createAges(clock);
  const branches = followSideBranches(node);
  const unanchored = createUnanchored();

  async function move(): Promise<Outcome> {
    if (!target) return noteTip();
    const scan = await store.loadScan(database);
    if (!scan) {
      await startScan(context, target);
      return 'progress';
    }
    await checkChainOnce(scan);
    if (config.scan_from_height !== null && config.scan_from_height !== scan.floor_height) {
      await moveFloor(context, scan, config.scan_from_height);
      return 'progress';
    }
    const at_cursor = await node.blockHashAt(blockHeight(Math.max(scan.cursor_height, 0)));
    if (at_cursor !== scan.cursor_hash) return walkBack(scan, target);
    if (scan.cursor_height < target.tip_height) return scanForward(scan, target);
    if (scan.cursor_hash !== target.tip_hash) return lookAgain(); // The chain moved on while it was scanned.
    return (await lookAtSideBranches(scan)) ?? (await confirmLateAnchors()) ?? (await shares.solvers.move())
      ?? (await pair()) ?? (await decide(target)) ?? publish(scan, target);
  }

  /** The tip is read anew, now and not at the next period. */
  function lookAgain(): Outcome {
    target = null;
    looked_at_ms = null;
    return 'progress';
  }

  async function noteTip(): Promise<Outcome> {
    const period_ms = waits_for === null ? options.chain_period_ms : ask_again_ms;
    const since_ms = looked_at_ms === null ? Infinity : clock.monotonic_ms() - looked_at_ms;
    const fresh_ms = options.once ? 0 : Math.min(fresh_period_ms, options.pairing_wait_ms / 4);
    if (since_ms < (reader.news.fresh ? Math.min(fresh_ms, period_ms) : period_ms)) return 'idle';
    const info = await node.chainInfo();
    looked_at_ms = clock.monotonic_ms();
    if (!info.synced) {
      waits_for = 'the node is still catching up with the chain (blocks < headers, or initial download)';
      if (options.once) throw new OutsideFailure('retry', 'node', waits_for);
      return 'idle';
    }
    reader.news.fresh = false;
    reader.forgetTipsBefore(looked_at_ms - options.pairing_wait_ms * patience);
    target = { ...info, noted_ms: looked_at_ms };
    return 'progress';
  }

  async function checkChainOnce(scan: ChainScan): Promise<void> {
    if (chain_checked) return;
    await checkChain(context, scan);
    chain_checked = true;
  }

  async function walkBack(scan: ChainScan, tip: ChainInfo): Promise<Outcome> {
    chain_checked = false; // The node may have been replaced by another: that is no reorg.
    await checkChainOnce(scan);
    const fork = await findFork(node, database, scan, tip);
    await store.walkBack(database, lease, scan, fork, clock.now_ms());
    context.log.info(`the chain was reorganised: back to height ${fork.height}`);
    return lookAgain();
  }

  async function scanForward(scan: ChainScan, tip: ChainInfo): Promise<Outcome> {
    const own: OwnBlock[] = [];
    const seen: SeenBlock[] = [];
    let below = scan.cursor_hash;
    const last = Math.min(tip.tip_height, scan.cursor_height + blocks_per_move);
    for (let height = scan.cursor_height + 1; height <= last; height++) {
      const hash = await node.blockHashAt(blockHeight(height));
      const block = hash === null ? null : await node.blockWithCoinbase(hash);
      if (!block || block.previous_hash !== below) break; // The chain moved while we looked.
      const ours = ownBlock(block, scan.pool_script);
      if (ours) own.push(ours);
      seen.push({ hash: block.hash, height: block.height });
      below = block.hash;
    }
    const cursor = seen.at(-1);
    if (!cursor) return lookAgain();
    await store.recordScan(database, lease, scan, { own, seen, cursor }, clock.now_ms());
    unanchored.add(seen, reader.news.tips);
    for (const block of own) context.log.info(`block ${block.height} ${block.hash} is ours`);
    return 'progress';
  }

  async function lookAtSideBranches(scan: ChainScan): Promise<Outcome | null> {
    const known = await store.ownBlocks(database, scan.floor_height);
    const below = new Map(known.map((block) => [block.hash, block.previous_hash]));
    const seen = await branches.look(scan.floor_height, below);
    if (seen.length === 0) return null;
    const own = seen.map((block) => ownBlock(block, scan.pool_script)).filter((block) => block !== null);
    await store.recordSideBranches(database, lease, own, seen, clock.now_ms());
    branches.remember(seen);
    unanchored.add(seen, reader.news.tips);
    for (const { height, hash } of own) {
      context.log.info(`block ${height} ${hash} is ours, on a side branch`);
    }
    return 'progress';
  }

  async function confirmLateAnchors(): Promise<Outcome | null> {
    const late = unanchored.found(reader.news.tips);
    if (late.length === 0) return null;
    await store.recordAnchors(database, lease, late);
    unanchored.confirmed(late);
    return 'progress';
  }

  async function pair(): Promise<Outcome | null> {
    lineMayCome = () => true;
    unripe = null;
    if (logIsUnread() !== null) return null; // A true line may stand where we may not read yet.
    const unpaired = await loadUnpaired(database);
    const named = unpaired.blocks.flatMap(({ height, hash }) => {
      const at_ms = reader.news.tips.get(hash);
      return at_ms === undefined ? [] : [{ height, age_ms: clock.monotonic_ms() - at_ms }];
    });
    const ripe = createRipeness([
      ...unpaired.lines.map(({ height, taken_at }) => ({ height, age_ms: ages.of(timeFromText(taken_at)) })),
      ...unpaired.blocks.map(({ height, discovered_at }) => ({ height, age_ms: ages.of(timeFromText(discovered_at)) })),
      ...named,
    ], options.pairing_wait_ms);
    const pairs = pairBlocks(
      unpaired.blocks.filter((block) => ripe(block.height)),
      unpaired.lines.filter((line) => ripe(line.height)),
    );
    if (pairs.length > 0) {
      await recordPairs(database, lease, pairs);
      return 'progress';
    }
    lineMayCome = (height) => !ripe(height);
    unripe = unpaired.blocks.find((block) => !ripe(block.height))?.height ?? null;
    return null;
  }

  async function decide(tip: NotedTip): Promise<Outcome | null> {
    const outcome = await shares.cutter.move({ began_ms: tip.noted_ms, lineMayCome });
    if (outcome !== 'idle' || !options.once || logIsUnread() !== null) return outcome === 'idle' ? null : outcome;
    // With a newer tip, and the share logs read after it, no block and no share before these can be missing.
    await clock.sleep(once_pause_ms);
    return lookAgain();
  }

  /** Null: log and chain are both known up to the tip. */
  async function whyIncomplete(tip: NotedTip): Promise<string | null> {
    const unread = logIsUnread();
    if (unread !== null) return unread;
    if ((await shares.reader.state())?.source !== 'active') return null;
    const read_at_ms = shares.reader.complete_at_ms;
    const read = read_at_ms !== null && (options.once || read_at_ms >= tip.noted_ms);
    return read ? null : 'the share logs are still being read';
  }

  async function publish(scan: ChainScan, tip: NotedTip): Promise<Outcome> {
    const incomplete = await whyIncomplete(tip);
    if (incomplete !== null) {
      waits_for = incomplete;
      // A look at the share logs takes a moment: the tip is good until then.
      if (clock.monotonic_ms() - tip.noted_ms >= ask_again_ms) target = null;
      return 'idle';
    }
    const waiting = [unripe, shares.cutter.waiting_height].filter((height) => height !== null);
    const pending = await pendingLines(database);
    const judged_ms = clock.monotonic_ms() - tip.noted_ms + options.pairing_wait_ms;
    const old = pending.filter((line) => ages.of(timeFromText(line.taken_at)) >= judged_ms);
    if (waiting.length > 0) return publishBelow(scan, blockHeight(Math.min(...waiting)), old);
    const moved = scan.complete_hash !== tip.tip_hash || scan.complete_height !== tip.tip_height;
    if (moved || old.length > 0) {
      const complete = { height: tip.tip_height, hash: tip.tip_hash };
      const unverified = old.map((line) => line.id);
      await publishComplete(database, lease, scan, complete, unverified, clock.now_ms());
    }
    if (old.length > 0) {
      context.log.warn(`${old.length} block line(s) that no block of the node belongs to: unverified`);
    }
    target = null;
    waits_for =
      old.length < pending.length ? 'a block line was read just now; the node is asked again' : null;
    return moved || old.length > 0 ? 'progress' : 'idle';
  }

  /** A block that was found just now must not hold up those below it: on a busy pool there always is one. */
  async function publishBelow(
    scan: ChainScan, waiting: BlockHeight, old: readonly { readonly id: number; readonly height: number }[],
  ): Promise<Outcome> {
    target = null;
    waits_for = unripe === waiting
      ? `block ${waiting} was found just now; its line in the log may still come`
      : shares.cutter.waits_for;
    const below = waiting - 1;
    if (below < scan.floor_height) return 'idle';
    const { complete_height: height, complete_hash: hash } = scan;
    const stands = height !== null && height >= below && (await node.blockHashAt(blockHeight(height))) === hash;
    const judged = old.filter((line) => line.height < waiting).map((line) => line.id);
    if (stands && judged.length === 0) return 'idle';
    const below_hash = await node.blockHashAt(blockHeight(below));
    // A hash of another branch than was looked at would vouch for blocks that nobody saw.
    const at_cursor = await node.blockHashAt(blockHeight(scan.cursor_height));
    if (below_hash === null || at_cursor !== scan.cursor_hash) return lookAgain();
    const complete = stands ? { height: blockHeight(height), hash: hash! } : { height: blockHeight(below), hash: below_hash };
    await publishComplete(database, lease, scan, complete, judged, clock.now_ms());
    return 'progress';
  }

  const logIsUnread = (): string | null => reader.behind ?? reader.waits_for;

  return {
    move: async () => {
      try {
        return await move();
      } catch (failure) {
        lookAgain();
        chain_checked = false; // Another node may answer next.
        throw failure;
      }
    },
    get waits_for() { return waits_for; },
  };
}
