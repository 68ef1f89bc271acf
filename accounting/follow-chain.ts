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
import type { BlockHeader, BlockWithCoinbase, ChainInfo } from '../shared/bitcoind/node.js';
import { timeFromText } from '../shared/database/database.js';
import { ConfigurationFault, OutsideFailure } from '../shared/errors.js';
import { blockHeight, type BlockHash, type BlockHeight } from '../shared/units.js';
import type { AccountingContext, Outcome } from './context.js';
import { floorAbove, namesTipAtStart } from './core/floor.js';
import { pairBlocks } from './core/pairing.js';
import * as store from './edges/chain-store.js';
import type { ChainScan, OwnBlock } from './edges/chain-store.js';
import type { LogReader } from './read-log.js';

const blocks_per_move = 200;
const side_blocks_per_move = 50;
const floor_anchors_max = 1000;
/** While something is waited for, the node is asked this often. */
const ask_again_ms = 1_000;
/** A line or block that still has no partner after this long does not hold up the others. */
const pairing_wait_factor = 5;

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
  const foreign = new Set<string>(); // Side-branch blocks looked at and not ours.

  async function move(): Promise<Outcome> {
    if (!target) return noteTip();
    const scan = await store.loadScan(database);
    if (!scan) return startScan(target);
    await checkChain(scan);
    if (config.scan_from_height !== null && config.scan_from_height !== scan.floor_height) return moveFloor(scan);
    if ((await node.blockHashAt(blockHeight(Math.max(scan.cursor_height, 0)))) !== scan.cursor_hash) return walkBack(scan);
    if (scan.cursor_height < target.tip_height) return scanForward(scan, target);
    return (await lookAtSideBranches(scan)) ?? (await pair()) ?? publish(scan, target);
  }

  async function noteTip(): Promise<Outcome> {
    const period_ms = waits_for === null ? options.chain_period_ms : ask_again_ms;
    const due = looked_at_ms === null || reader.news.fresh || clock.monotonic_ms() - looked_at_ms >= period_ms;
    if (!due) return 'idle';
    const info = await node.chainInfo();
    looked_at_ms = clock.monotonic_ms();
    if (!info.synced) {
      waits_for = 'the node is still catching up with the chain (blocks < headers, or initial download)';
      if (options.once) throw new OutsideFailure('retry', 'node', waits_for);
      return 'idle';
    }
    const noted_ms = clock.now_ms();
    reader.news.fresh = false;
    forgetOld(reader.news.tips, noted_ms - options.pairing_wait_ms * pairing_wait_factor);
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

  async function walkBack(scan: ChainScan): Promise<Outcome> {
    let header: BlockHeader | null = await node.header(scan.cursor_hash);
    while (header && header.height > 0 && (await node.blockHashAt(header.height)) !== header.hash) {
      header = header.previous_hash === null ? null : await node.header(header.previous_hash);
    }
    if (!header) {
      throw new OutsideFailure('retry', 'node', `the node does not know block ${scan.cursor_hash} at height ${scan.cursor_height}, which it knew before: it may be restoring its chain`);
    }
    await store.walkBack(database, lease, scan, header, clock.now_ms());
    context.log.info(`the chain was reorganised: back to height ${header.height}`);
    target = null;
    return 'progress';
  }

  async function scanForward(scan: ChainScan, tip: ChainInfo): Promise<Outcome> {
    const own: OwnBlock[] = [];
    const seen: { hash: BlockHash; height: BlockHeight }[] = [];
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
    if (!cursor) {
      target = null;
      return 'progress';
    }
    await store.recordScan(database, lease, scan, { own, seen, cursor }, clock.now_ms());
    for (const block of own) context.log.info(`block ${block.height} ${block.hash} is ours`);
    return 'progress';
  }

  async function lookAtSideBranches(scan: ChainScan): Promise<Outcome | null> {
    const known = await store.knownBlocks(database, scan.floor_height);
    const own: OwnBlock[] = [];
    const seen: { hash: BlockHash; height: BlockHeight }[] = [];
    for (const tip of await node.chainTips()) {
      if (tip.status === 'active') continue;
      let hash: BlockHash | null = tip.hash;
      for (let depth = 0; hash !== null && depth < tip.branch_length; depth++) {
        if (tip.height - depth < scan.floor_height || seen.length >= side_blocks_per_move) break;
        const block: BlockWithCoinbase | null = known.has(hash) || foreign.has(hash) ? null : await node.blockWithCoinbase(hash);
        const next: BlockHash | null = block ? block.previous_hash : (await node.header(hash))?.previous_hash ?? null;
        const ours = block && ownBlock(block, scan.pool_script);
        if (ours) own.push(ours);
        else if (block) foreign.add(hash);
        if (block) seen.push({ hash: block.hash, height: block.height });
        hash = next;
      }
    }
    if (seen.length === 0) return null;
    await store.recordSideBranches(database, lease, own, seen, clock.now_ms());
    for (const block of own) context.log.info(`block ${block.height} ${block.hash} is ours, on a side branch`);
    return 'progress';
  }

  async function pair(): Promise<Outcome | null> {
    const unpaired = await store.loadUnpaired(database);
    const now_ms = clock.now_ms();
    const wait_ms = options.pairing_wait_ms;
    const youngest = new Map<number, number>();
    const oldest = new Map<number, number>();
    const note = (height: number, at_ms: number): void => {
      youngest.set(height, Math.max(at_ms, youngest.get(height) ?? at_ms));
      oldest.set(height, Math.min(at_ms, oldest.get(height) ?? at_ms));
    };
    for (const block of unpaired.blocks) {
      note(block.height, timeFromText(block.discovered_at));
      const anchored_ms = reader.news.tips.get(block.hash);
      if (anchored_ms !== undefined) note(block.height, anchored_ms);
    }
    for (const line of unpaired.lines) note(line.height, timeFromText(line.taken_at));
    const ripe = (height: number): boolean =>
      now_ms - youngest.get(height)! >= wait_ms || now_ms - oldest.get(height)! >= wait_ms * pairing_wait_factor;
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

  return {
    move: async () => {
      try {
        return await move();
      } catch (failure) {
        target = null;
        throw failure;
      }
    },
    get waits_for() { return waits_for; },
  };
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
