// One look at the chain for one decision: all answers from the same active chain, or none. Reads only.
import type { WalletNode } from '../shared/bitcoind/node.js';
import type { Database } from '../shared/database/database.js';
import { OutsideFailure } from '../shared/errors.js';
import { satoshis, type BlockHash, type BlockHeight, type Satoshis, type TransactionId } from '../shared/units.js';
import { standing, type ChainView, type Standing } from './core/block-state.js';
import { chainScan } from './edges/facts.js';

export interface Look {
  readonly tip_height: BlockHeight;
  readonly tip_hash: BlockHash;
  readonly view: ChainView;
}

type Chain = Pick<WalletNode, 'chainInfo' | 'blockHashAt'>;

/** The node's tip, and whether accounting's last complete tip stands in the same chain. */
export async function lookAtChain(node: Chain, database: Database): Promise<Look> {
  const scan = await chainScan(database.knex);
  const { tip_height, tip_hash, synced } = await node.chainInfo();
  const complete = scan?.complete ?? null;
  const complete_in_chain = complete !== null && (await node.blockHashAt(complete.height)) === complete.hash;
  return {
    tip_height,
    tip_hash,
    view: { tip_height, synced, complete_height: complete?.height ?? null, complete_in_chain },
  };
}

/** Whether a block stands in the active chain, read at its height: the node knows stale blocks as well. */
export async function standingOf(node: Chain, block: { hash: BlockHash; height: BlockHeight }): Promise<Standing> {
  return standing(block.hash, await node.blockHashAt(block.height));
}

/**
 * To be called after the last read of a decision.
 * @throws OutsideFailure retry when the chain was reorganised since the look: its answers do not belong together.
 */
export async function requireSameChain(node: Chain, look: Look): Promise<void> {
  if ((await node.blockHashAt(look.tip_height)) === look.tip_hash) return;
  throw new OutsideFailure('retry', 'node', 'The chain was reorganised while it was being read; it is read again.');
}

export interface CoinbaseReading {
  readonly txid: TransactionId;
  /** The sum of all outputs to the pool's script: the donation and the witness commitment are not in it. */
  readonly reward_sats: Satoshis;
}

/** null when the node does not have the block's content. */
export async function readCoinbase(node: WalletNode, hash: BlockHash, pool_script: string): Promise<CoinbaseReading | null> {
  const block = await node.blockWithCoinbase(hash);
  if (!block || block.hash !== hash) return null;
  let reward = 0n;
  for (const { script, amount } of block.coinbase_outputs) if (script === pool_script) reward += amount;
  return { txid: block.coinbase_txid, reward_sats: satoshis(reward) };
}

/** scriptPubKey of the pool's address in hex. @throws OutsideFailure refused when the node rejects the address. */
export async function poolScript(node: Pick<WalletNode, 'address'>, pool_address: string): Promise<string> {
  const { valid, script } = await node.address(pool_address);
  if (valid && script !== null) return script;
  throw new OutsideFailure('refused', 'node',
    `The node rejects btcaddress ${pool_address}: it is no address of this node's network.`);
}
