// One look at the chain for one decision: all answers from the same active chain, or none. Reads only.
import type { WalletNode } from '../shared/bitcoind/node.js';
import type { Config } from '../shared/config.js';
import type { Database } from '../shared/database/database.js';
import { ConfigurationFault, OutsideFailure } from '../shared/errors.js';
import {
  satoshis, type BlockHash, type BlockHeight, type Satoshis, type TransactionId,
} from '../shared/units.js';
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
  // Mostly accounting is at the tip, and the node need not be asked again.
  const complete_in_chain = complete !== null
    && (complete.hash === tip_hash || (await node.blockHashAt(complete.height)) === complete.hash);
  return {
    tip_height,
    tip_hash,
    view: { tip_height, synced, complete_height: complete?.height ?? null, complete_in_chain },
  };
}

/** Whether a block stands in the active chain, read at its height: the node knows stale blocks as well. */
export async function standingOf(
  node: Chain,
  block: { hash: BlockHash; height: BlockHeight },
): Promise<Standing> {
  return standing(block.hash, await node.blockHashAt(block.height));
}

/**
 * To be called after the last read of a decision.
 * @throws OutsideFailure retry when the chain was reorganised since the look: its answers do not belong
 * together.
 */
export async function requireSameChain(
  node: Chain,
  look: Pick<Look, 'tip_height' | 'tip_hash'>,
): Promise<void> {
  if ((await node.blockHashAt(look.tip_height)) === look.tip_hash) return;
  throw new OutsideFailure(
    'retry',
    'node',
    'The chain was reorganised while it was being read; it is read again.',
  );
}

export interface CoinbaseReading {
  readonly txid: TransactionId;
  /** The sum of all outputs to the pool's script: the donation and the witness commitment are not in it. */
  readonly reward_sats: Satoshis;
}

/** null when the node does not have the block's content. */
export async function readCoinbase(
  node: WalletNode,
  hash: BlockHash,
  pool_script: string,
): Promise<CoinbaseReading | null> {
  const block = await node.blockWithCoinbase(hash);
  if (!block || block.hash !== hash) return null;
  let reward = 0n;
  for (const { script, amount } of block.coinbase_outputs) if (script === pool_script) reward += amount;
  return { txid: block.coinbase_txid, reward_sats: satoshis(reward) };
}

/**
 * scriptPubKey of the pool's address in hex.
 * @throws ConfigurationFault when it is no address of the node's chain.
 */
export async function poolScript(
  node: Pick<WalletNode, 'address'>, { file, pool_address }: Pick<Config, 'file' | 'pool_address'>,
): Promise<string> {
  const { valid, script } = await node.address(pool_address);
  if (valid && script !== null) return script;
  throw new ConfigurationFault([
    `${file}: btcaddress ${JSON.stringify(pool_address)} is no address of the node's chain: `
      + "correct it, or point btcd[0].url at the pool's own node.",
  ]);
}
