// Where the active chain left the branch that was scanned: the last block that both share. Asks the node and
// reads our own blocks; it never writes, and takes a node that lacks blocks it once had for one that restores
// its chain, not for a reorganisation.
import type { ChainInfo, ChainNode } from '../shared/bitcoind/node.js';
import type { Database } from '../shared/database/database.js';
import { OutsideFailure } from '../shared/errors.js';
import type { BlockHash, BlockHeight } from '../shared/units.js';
import { ownBlocks, type ChainScan } from './edges/scan-store.js';
import { blockBelow } from './first-scan.js';

interface SharedBlock {
  readonly hash: BlockHash;
  readonly height: BlockHeight;
}

/** @throws OutsideFailure retry when the node knows less of the chain than it did. */
export async function findFork(
  node: ChainNode, database: Database, scan: ChainScan, tip: ChainInfo,
): Promise<SharedBlock> {
  return (await forkBelow(node, scan.cursor_hash)) ?? (await lastKnownBelow(node, database, scan, tip));
}

/** Down the cursor's branch to the active chain; null when the node does not know the branch. */
async function forkBelow(node: ChainNode, cursor: BlockHash): Promise<SharedBlock | null> {
  let header = await node.header(cursor);
  while (header && header.height > 0 && (await node.blockHashAt(header.height)) !== header.hash) {
    header = header.previous_hash === null ? null : await node.header(header.previous_hash);
  }
  return header;
}

/** An orphan is unknown to a node with a new data directory: back to a block of ours that both know. */
async function lastKnownBelow(
  node: ChainNode, database: Database, scan: ChainScan, tip: ChainInfo,
): Promise<SharedBlock> {
  if (tip.tip_height < scan.cursor_height) {
    throw new OutsideFailure(
      'retry',
      'node',
      `the node does not know block ${scan.cursor_hash} at height ${scan.cursor_height}, `
      + 'which it knew before: '
        + 'it may be restoring its chain',
    );
  }
  for (const block of await ownBlocks(database, scan.floor_height)) {
    if ((await node.blockHashAt(block.height)) === block.hash) return block;
  }
  const height = blockBelow(scan.floor_height);
  const hash = await node.blockHashAt(height);
  if (hash === null) {
    throw new OutsideFailure('retry', 'node', `the node has no block at height ${height}, below its tip`);
  }
  return { height, hash };
}
