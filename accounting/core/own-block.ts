// Whether a block is the pool's, and what it brought. The coinbase alone says so: never a line of the log,
// nor who claims to have found it.
import { sumSatoshis } from '../../shared/amount.js';
import type { BlockWithCoinbase } from '../../shared/bitcoind/node.js';
import type { Satoshis } from '../../shared/units.js';

export interface OwnBlock extends BlockWithCoinbase {
  /** The sum of all outputs of the coinbase that pay our script. */
  readonly reward: Satoshis;
}

/** Ours if any output of the coinbase pays our script; all of them together are the reward. */
export function ownBlock(block: BlockWithCoinbase, script: string): OwnBlock | null {
  const outputs = block.coinbase_outputs.filter((output) => output.script === script);
  const reward = sumSatoshis(outputs.map((output) => output.amount));
  return reward > 0n ? { ...block, reward } : null;
}
