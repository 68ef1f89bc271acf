// Which chain, which script and which floor: decided once, at the first look at the chain, and checked ever
// after. Order: the address is asked for its script, the floor is chosen, one commit writes all of it; a
// crash before that commit leaves nothing, and the next look decides anew. A later scan_from_height moves
// the floor. It never looks into a block: what is above the floor is follow-chain.ts's.
import type { ChainInfo } from '../shared/bitcoind/node.js';
import { ConfigurationFault, OutsideFailure } from '../shared/errors.js';
import { blockHeight, type BlockHash, type BlockHeight } from '../shared/units.js';
import type { AccountingContext } from './context.js';
import { floorAbove, namesTipAtStart } from './core/floor.js';
import * as store from './edges/scan-store.js';

/** Anybody can forge anchors: no more of them than these are asked about. */
const floor_anchors_max = 1000;

/** @throws ConfigurationFault when the node's chain has no such address, or no block below the floor. */
export async function startScan(context: AccountingContext, tip: ChainInfo): Promise<void> {
  const { config, clock, database, lease, node } = context;
  const address = await node.address(config.pool_address);
  if (!address.valid || address.script === null) {
    throw new ConfigurationFault([
      `${config.file}: btcaddress ${JSON.stringify(config.pool_address)} is no address of the node's chain `
      + `(${tip.chain}): correct it, or point btcd[0].url at the pool's own node.`,
    ]);
  }
  const genesis_hash = await node.blockHashAt(blockHeight(0));
  if (genesis_hash === null) {
    throw new OutsideFailure('retry', 'node', 'the node does not answer for block 0');
  }
  const { floor, reason } = await chooseFloor(context, tip);
  const below = blockBelow(floor);
  const cursor_hash = await node.blockHashAt(below);
  if (cursor_hash === null) throw floorAboveTip(config.file, floor, ` ${tip.tip_height}`);
  await store.startScan(database, lease, {
    genesis_hash, pool_script: address.script, floor_height: floor, floor_reason: reason,
    cursor_height: below, cursor_hash,
  }, clock.now_ms());
  context.log.info(`blocks from height ${floor} on are the pool's (${reason})`);
}

async function chooseFloor(
  { config, database, node }: AccountingContext, tip: ChainInfo,
): Promise<{ floor: BlockHeight; reason: string }> {
  if (config.scan_from_height !== null) return { floor: config.scan_from_height, reason: 'scan_from_height' };
  for (const anchor of await store.firstAnchors(database, floor_anchors_max)) {
    const header = await node.header(anchor.hash);
    if (header && namesTipAtStart({ ...anchor, header })) {
      return { floor: floorAbove(header.height), reason: 'the tip when ckpool started, by its log' };
    }
  }
  return { floor: floorAbove(tip.tip_height), reason: 'the tip at the first start' };
}

/**
 * The same chain and the same script as at the first start; anything else is another pool's database.
 *
 * @throws ConfigurationFault when it is another
 */
export async function checkChain({ config, node }: AccountingContext, scan: store.ChainScan): Promise<void> {
  if ((await node.blockHashAt(blockHeight(0))) !== scan.genesis_hash) {
    throw new ConfigurationFault([
      `${config.file}: the node at btcd[0].url is on another chain than this database (genesis differs): `
      + 'point it at the pool\'s node, or use another sql.database.',
    ]);
  }
  const address = await node.address(config.pool_address);
  if (address.script !== scan.pool_script) {
    throw new ConfigurationFault([
      `${config.file}: btcaddress ${JSON.stringify(config.pool_address)} is not the address this database `
      + `was begun with (its script is ${scan.pool_script}): set it back, or begin a new database.`,
    ]);
  }
}

/** An operator set another floor: the chain is looked at again from there. */
export async function moveFloor(
  { config, clock, database, lease, node }: AccountingContext, scan: store.ChainScan, floor: BlockHeight,
): Promise<void> {
  const below: BlockHash | null = await node.blockHashAt(blockBelow(floor));
  if (below === null) throw floorAboveTip(config.file, floor, '');
  await store.moveFloor(database, lease, scan, floor, below, clock.now_ms());
}

/** Where a scan from this floor starts: the cursor stands on a block that was looked at. */
export const blockBelow = (floor: BlockHeight): BlockHeight => blockHeight(Math.max(floor - 1, 0));

const floorAboveTip = (file: string, floor: BlockHeight, tip: string): ConfigurationFault =>
  new ConfigurationFault([
    `${file}: parser.scan_from_height ${floor} is above the node's tip${tip}: `
    + 'set it to the height of the pool\'s first block.',
  ]);
