// Looks along the side branches that the node knows for blocks of ours. A block is asked for once: what it
// was, and what it stands on, is remembered, so that branches of long ago cost nothing at each look.
import type { BlockWithCoinbase, ChainNode } from '../shared/bitcoind/node.js';
import type { BlockHash, BlockHeight } from '../shared/units.js';

const blocks_per_look = 50;

export interface SideBranches {
  /** Blocks not looked at before, at most fifty; none means that all branches are known down to the floor. */
  look(floor: BlockHeight, own: ReadonlyMap<string, BlockHash>): Promise<BlockWithCoinbase[]>;
  /** These were committed: they are not looked at again. */
  remember(blocks: readonly BlockWithCoinbase[]): void;
}

/** `own` in look(): blocks of ours that are known already, with the block below each. */
export function followSideBranches(node: ChainNode): SideBranches {
  const below = new Map<string, BlockHash | null>();

  async function look(floor: BlockHeight, own: ReadonlyMap<string, BlockHash>): Promise<BlockWithCoinbase[]> {
    const found = new Map<string, BlockWithCoinbase>();
    for (const tip of await node.chainTips()) {
      if (tip.status === 'active') continue;
      let hash: BlockHash | null = tip.hash;
      for (
        let depth = 0;
        hash !== null && depth < tip.branch_length && tip.height - depth >= floor;
        depth++
      ) {
        const known: BlockHash | null | undefined =
          own.get(hash) ?? below.get(hash) ?? found.get(hash)?.previous_hash;
        if (known === undefined) {
          if (found.size >= blocks_per_look) return [...found.values()];
          const block: BlockWithCoinbase | null = await node.blockWithCoinbase(hash);
          if (block) found.set(hash, block);
          // Only its header is known yet: the block may still come.
          hash = block ? block.previous_hash : ((await node.header(hash))?.previous_hash ?? null);
          continue;
        }
        hash = known;
      }
    }
    return [...found.values()];
  }

  return {
    look,
    remember: (blocks) => { for (const block of blocks) below.set(block.hash, block.previous_hash); },
  };
}
