// What the node says, one move at a time. Order:
//   1. the tip is read; the log is read to its end once more before anything rests on that tip (the daemon
//      reads the log first in every step, so a tip is used only in a later step than it was read in);
//   2. back to the fork if the active chain left the cursor, then forward, block by block, looking for
//      coinbases that pay our script; then the side branches (getchaintips);
//   3. lines and blocks are paired once both had time to appear;
//   4. the tip is published as complete, and lines that no block belongs to become unverified.
// Each numbered part is one commit; a crash between two repeats the reads. Lines cost the node nothing: it
// is asked about blocks, never about lines, so that forged ones cannot make us ask.
import { sumSatoshis } from '../shared/amount.js';
import type { BlockWithCoinbase, ChainInfo } from '../shared/bitcoind/node.js';
import { timeFromText } from '../shared/database/database.js';
import { ConfigurationFault, OutsideFailure } from '../shared/errors.js';
import { blockHeight, type BlockHash, type BlockHeight } from '../shared/units.js';
import type { AccountingContext, Outcome } from './context.js';
import { floorAbove, namesTipAtStart } from './core/floor.js';
import { pairBlocks } from './core/pairing.js';
import { createRipeness, patience } from './core/ripeness.js';
import * as store from './edges/chain-store.js';
import type { ChainScan, OwnBlock } from './edges/chain-store.js';
import type { LogReader } from './read-log.js';
import { followSideBranches } from './side-branches.js';

const blocks_per_move = 200;
const floor_anchors_max = 1000;
/** While something is waited for, the node is asked this often. */
const ask_again_ms = 1_000;
/** However many lines there are (anybody can forge them), they make us look no more often than this. */
const fresh_period_ms = 500;
/** Blocks seen before their `Block hash changed to` line: it comes within a second. */
const unanchored_max = 1_000;

export interface ChainFollower {
  move(): Promise<Outcome>;
  /** Why the tip is not published, if it is not. */
  readonly waits_for: string | null;
}

export function createChainFollower(context: AccountingContext, reader: LogReader): ChainFollower {
  const { config, clock, database, lease, node, options } = context;
  let target: (ChainInfo & { readonly noted_ms: number }) | null = null;
  let looked_at_ms: number | null = null;
  let waits_for: string | null = null;
  let genesis_checked = false;
  const branches = followSideBranches(node);
  const unanchored = new Map<string, BlockHeight>();

  async function move(): Promise<Outcome> {
    if (!target) return noteTip();
    const scan = await store.loadScan(database);
    if (!scan) return startScan(target);
    await checkChain(scan);
    if (config.scan_from_height !== null && config.scan_from_height !== scan.floor_height) return moveFloor(scan);
    if ((await node.blockHashAt(blockHeight(Math.max(scan.cursor_height, 0)))) !== scan.cursor_hash) return walkBack(scan, target);
    if (scan.cursor_height < target.tip_height) return scanForward(scan, target);
    if (scan.cursor_hash !== target.tip_hash) return lookAgain(); // The chain moved on while it was scanned.
    return (await lookAtSideBranches(scan)) ?? (await confirmLateAnchors()) ?? (await pair()) ?? publish(scan, target);
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
    const noted_ms = clock.now_ms();
    reader.news.fresh = false;
    forgetOld(reader.news.tips, noted_ms - options.pairing_wait_ms * patience);
    target = { ...info, noted_ms };
    return 'progress';
  }

  async function startScan(tip: ChainInfo): Promise<Outcome> {
    const address = await node.address(config.pool_address);
    if (!address.valid || address.script === null) {
      throw new ConfigurationFault([`${config.file}: btcaddress ${JSON.stringify(config.pool_address)} is no address of the node's chain (${tip.chain}): correct it, or point btcd[0].url at the pool's own node.`]);
    }
    const genesis_hash = await node.blockHashAt(blockHeight(0));
    if (genesis_hash === null) throw new OutsideFailure('retry', 'node', 'the node does not answer for block 0');
    const { floor, reason } = await chooseFloor(tip);
    const below = blockHeight(Math.max(floor - 1, 0));
    const cursor_hash = await node.blockHashAt(below);
    if (cursor_hash === null) {
      throw new ConfigurationFault([`${config.file}: parser.scan_from_height ${floor} is above the node's tip ${tip.tip_height}: set it to the height of the pool's first block.`]);
    }
    await store.startScan(database, lease, {
      genesis_hash, pool_script: address.script, floor_height: floor, floor_reason: reason,
      cursor_height: below, cursor_hash,
    }, clock.now_ms());
    context.log.info(`blocks from height ${floor} on are the pool's (${reason})`);
    return 'progress';
  }

  async function chooseFloor(tip: ChainInfo): Promise<{ floor: BlockHeight; reason: string }> {
    if (config.scan_from_height !== null) return { floor: config.scan_from_height, reason: 'scan_from_height' };
    for (const anchor of await store.firstAnchors(database, floor_anchors_max)) {
      const header = await node.header(anchor.hash);
      if (header && namesTipAtStart({ ...anchor, header })) {
        return { floor: floorAbove(header.height), reason: 'the tip when ckpool started, by its log' };
      }
    }
    return { floor: floorAbove(tip.tip_height), reason: 'the tip at the first start' };
  }

  /** The same chain and the same script as at the first start; anything else is another pool's database. */
  async function checkChain(scan: ChainScan): Promise<void> {
    if (genesis_checked) return;
    if ((await node.blockHashAt(blockHeight(0))) !== scan.genesis_hash) {
      throw new ConfigurationFault([`${config.file}: the node at btcd[0].url is on another chain than this database (genesis differs): point it at the pool's node, or use another sql.database.`]);
    }
    const address = await node.address(config.pool_address);
    if (address.script !== scan.pool_script) {
      throw new ConfigurationFault([`${config.file}: btcaddress ${JSON.stringify(config.pool_address)} is not the address this database was begun with (its script is ${scan.pool_script}): set it back, or begin a new database.`]);
    }
    genesis_checked = true;
  }

  async function moveFloor(scan: ChainScan): Promise<Outcome> {
    const floor = config.scan_from_height!;
    const below = await node.blockHashAt(blockHeight(Math.max(floor - 1, 0)));
    if (below === null) {
      throw new ConfigurationFault([`${config.file}: parser.scan_from_height ${floor} is above the node's tip: set it to the height of the pool's first block.`]);
    }
    await store.moveFloor(database, lease, scan, floor, below, clock.now_ms());
    return 'progress';
  }

  async function walkBack(scan: ChainScan, tip: ChainInfo): Promise<Outcome> {
    genesis_checked = false; // The node may have been replaced by another: that is no reorg.
    await checkChain(scan);
    const fork = (await forkBelow(scan.cursor_hash)) ?? (await lastKnownBelow(scan, tip));
    await store.walkBack(database, lease, scan, fork, clock.now_ms());
    context.log.info(`the chain was reorganised: back to height ${fork.height}`);
    return lookAgain();
  }

  /** Down the cursor's branch to the active chain; null when the node does not know the branch. */
  async function forkBelow(cursor: BlockHash): Promise<SeenBlock | null> {
    let header = await node.header(cursor);
    while (header && header.height > 0 && (await node.blockHashAt(header.height)) !== header.hash) {
      header = header.previous_hash === null ? null : await node.header(header.previous_hash);
    }
    return header;
  }

  /** An orphan is unknown to a node with a new data directory: back to a block of ours that both know. */
  async function lastKnownBelow(scan: ChainScan, tip: ChainInfo): Promise<SeenBlock> {
    if (tip.tip_height < scan.cursor_height) {
      throw new OutsideFailure('retry', 'node', `the node does not know block ${scan.cursor_hash} at height ${scan.cursor_height}, which it knew before: it may be restoring its chain`);
    }
    for (const block of await store.ownBlocks(database, scan.floor_height)) {
      if ((await node.blockHashAt(block.height)) === block.hash) return block;
    }
    const height = blockHeight(Math.max(scan.floor_height - 1, 0));
    const hash = await node.blockHashAt(height);
    if (hash === null) throw new OutsideFailure('retry', 'node', `the node has no block at height ${height}, below its tip`);
    return { height, hash };
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
    awaitAnchors(seen);
    for (const block of own) context.log.info(`block ${block.height} ${block.hash} is ours`);
    return 'progress';
  }

  async function lookAtSideBranches(scan: ChainScan): Promise<Outcome | null> {
    const known = await store.ownBlocks(database, scan.floor_height);
    const seen = await branches.look(scan.floor_height, new Map(known.map((block) => [block.hash, block.previous_hash])));
    if (seen.length === 0) return null;
    const own = seen.map((block) => ownBlock(block, scan.pool_script)).filter((block) => block !== null);
    await store.recordSideBranches(database, lease, own, seen, clock.now_ms());
    branches.remember(seen);
    awaitAnchors(seen);
    for (const block of own) context.log.info(`block ${block.height} ${block.hash} is ours, on a side branch`);
    return 'progress';
  }

  /** Blocks whose anchor was not read yet when they were scanned: the scan could not mark it as real. */
  function awaitAnchors(seen: readonly SeenBlock[]): void {
    for (const block of seen) if (!reader.news.tips.has(block.hash)) unanchored.set(block.hash, block.height);
    while (unanchored.size > unanchored_max) unanchored.delete(unanchored.keys().next().value!);
  }

  async function confirmLateAnchors(): Promise<Outcome | null> {
    const late: SeenBlock[] = [];
    for (const hash of reader.news.tips.keys()) {
      const height = unanchored.get(hash);
      if (height !== undefined) late.push({ hash: hash as BlockHash, height });
    }
    if (late.length === 0) return null;
    await store.recordAnchors(database, lease, late);
    for (const { hash } of late) unanchored.delete(hash);
    return 'progress';
  }

  async function pair(): Promise<Outcome | null> {
    if (logIsUnread() !== null) return null; // A true line may stand where we may not read yet.
    const unpaired = await store.loadUnpaired(database);
    const ripe = createRipeness([
      ...unpaired.lines.map(({ height, taken_at }) => ({ height, at_ms: timeFromText(taken_at) })),
      ...unpaired.blocks.map(({ height, discovered_at }) => ({ height, at_ms: timeFromText(discovered_at) })),
      ...unpaired.blocks.flatMap(({ height, hash }) => (reader.news.tips.has(hash) ? [{ height, at_ms: reader.news.tips.get(hash)! }] : [])),
    ], clock.now_ms(), options.pairing_wait_ms);
    const pairs = pairBlocks(
      unpaired.blocks.filter((block) => ripe(block.height)),
      unpaired.lines.filter((line) => ripe(line.height)),
    );
    if (pairs.length > 0) {
      await store.recordPairs(database, lease, pairs);
      return 'progress';
    }
    const waiting = unpaired.blocks.find((block) => !ripe(block.height));
    if (!waiting) return null;
    waits_for = `block ${waiting.height} was found just now; its line in the log may still come`;
    return 'idle';
  }

  async function publish(scan: ChainScan, tip: ChainInfo & { readonly noted_ms: number }): Promise<Outcome> {
    const unread = logIsUnread();
    if (unread !== null) {
      waits_for = unread;
      target = null;
      return 'idle';
    }
    const pending = await store.pendingLines(database);
    const judged = pending.filter((line) => timeFromText(line.taken_at) + options.pairing_wait_ms <= tip.noted_ms);
    const moved = scan.complete_hash !== tip.tip_hash || scan.complete_height !== tip.tip_height;
    if (moved || judged.length > 0) {
      await store.publishComplete(database, lease, scan, { height: tip.tip_height, hash: tip.tip_hash }, judged.map((line) => line.id), clock.now_ms());
      if (judged.length > 0) context.log.warn(`${judged.length} block line(s) that no block of the node belongs to: unverified`);
    }
    target = null;
    waits_for = judged.length < pending.length ? 'a block line was read just now; the node is asked again' : null;
    return moved || judged.length > 0 ? 'progress' : 'idle';
  }

  const logIsUnread = (): string | null => reader.behind ?? reader.waits_for;

  return {
    move: async () => {
      try {
        return await move();
      } catch (failure) {
        lookAgain();
        genesis_checked = false; // Another node may answer next.
        throw failure;
      }
    },
    get waits_for() { return waits_for; },
  };
}

interface SeenBlock {
  readonly hash: BlockHash;
  readonly height: BlockHeight;
}

/** Ours if any output of the coinbase pays our script; all of them together are the reward. */
function ownBlock(block: BlockWithCoinbase, script: string): OwnBlock | null {
  const outputs = block.coinbase_outputs.filter((output) => output.script === script);
  const reward = sumSatoshis(outputs.map((output) => output.amount));
  return reward > 0n ? { ...block, reward } : null;
}

function forgetOld(tips: ReadonlyMap<string, number>, before_ms: number): void {
  for (const [hash, at_ms] of tips) if (at_ms < before_ms) (tips as Map<string, number>).delete(hash);
}
