// Where a signed transaction of ours is, and whether it can still get there. Reads only. A wallet that does
// not know it, an output that is spent, a node that has forgotten its mempool: none of these is a no. Only
// a coin that a stranger's transaction has spent, or that is gone with its block, kills it, and only once
// that is buried deep.
import type { BlockHash, BlockHeight, TransactionId } from '../../shared/units.js';
import { blockHeight } from '../../shared/units.js';
import type { PaymentsContext } from '../context.js';
import { coinbase_confirmations_min, coinKey } from '../core/coin-choice.js';
import { payoutsOf } from '../edges/batch-store.js';
import { batchOfTransaction, roundOfCoinbase, type PayoutTransaction } from '../edges/transaction-store.js';

/** In which block of the active chain it is; null when it is not seen in one. */
export async function confirmationOf(
  { node }: PaymentsContext, stored: PayoutTransaction, outputs: number,
): Promise<{ readonly height: BlockHeight; readonly hash: BlockHash } | null> {
  const known = await node.walletTransaction(stored.txid);
  if (known && known.confirmations > 0 && known.block_hash !== null) {
    const header = await node.header(known.block_hash);
    return header && header.confirmations > 0 ? { height: header.height, hash: header.hash } : null;
  }
  // A wallet restored from a copy may not know it although the chain does.
  const before = await node.chainInfo();
  const confirmations = await outputConfirmations(node, stored, outputs);
  if (confirmations === null || confirmations === 0) return null;
  const at = before.tip_height - confirmations + 1;
  if (at < 0) return null; // The chain has grown meanwhile by more than it had.
  const height = blockHeight(at);
  const hash = await node.blockHashAt(height);
  const after = await node.chainInfo();
  return hash !== null && after.tip_hash === before.tip_hash ? { height, hash } : null;
}

/** Is it in the mempool or the chain, as far as one of its outputs shows? */
export async function isSeen(
  { node }: PaymentsContext,
  stored: PayoutTransaction,
  outputs: number,
): Promise<boolean> {
  const known = await node.walletTransaction(stored.txid);
  if (known && known.confirmations > 0) return true;
  return (await outputConfirmations(node, stored, outputs)) !== null;
}

/**
 * Confirmations of the first output that is unspent (0: in the mempool); null when none is. Change is
 * asked for first.
 */
async function outputConfirmations(
  node: PaymentsContext['node'], stored: PayoutTransaction, outputs: number,
): Promise<number | null> {
  for (let index = outputs - 1; index >= 0; index -= 1) {
    const output = await node.unspentOutput(stored.txid, index, true);
    if (output) return output.confirmations;
  }
  return null;
}

export interface Obstacle {
  readonly sentence: string;
  /** Proved: the obstacle is buried so deep that the transaction will never confirm. */
  readonly dead: boolean;
}

/**
 * What keeps a transaction out of the chain whose inputs the node does not have; null when nothing is known.
 */
export async function obstacleOf(
  context: PaymentsContext,
  stored: PayoutTransaction,
): Promise<Obstacle | null> {
  return (
    (await foreignSpender(context, stored))
    ?? (await goneCoin(context, stored))
    ?? goneChange(context, stored)
  );
}

/** Another transaction of the wallet that spends a coin of it, in a block or perhaps on its way into one. */
interface Rival {
  readonly txid: TransactionId;
  readonly confirmations: number;
  /** By `coinKey`. */
  readonly coin: string;
  readonly pays_users: boolean;
}

async function rivalsOf({ database: { knex }, node }: PaymentsContext, stored: PayoutTransaction): Promise<Rival[]> {
  const own = new Set(stored.inputs.map(coinKey));
  const users = new Set((await payoutsOf(knex, stored.batch_id)).map(({ script }) => script));
  const found: Rival[] = [];
  for (const { txid, confirmations, raw_hex } of await node.walletSpends(null)) {
    if (txid === stored.txid || confirmations < 0) continue;
    const { inputs, outputs } = await node.decode(raw_hex);
    const coin = inputs.map(coinKey).find((key) => own.has(key));
    if (coin === undefined) continue;
    found.push({ txid, confirmations, coin, pays_users: outputs.some(({ script }) => users.has(script)) });
  }
  return found;
}

/**
 * A copy of it with other signatures, or with another fee: dead as it may be itself, its users have their
 * money or may get it. null when no such transaction is known.
 */
export async function rivalThatPaysUsers(
  context: PaymentsContext, stored: PayoutTransaction,
): Promise<Pick<Rival, 'txid' | 'confirmations'> | null> {
  return (await rivalsOf(context, stored)).find(({ pays_users }) => pays_users) ?? null;
}

async function foreignSpender(context: PaymentsContext, stored: PayoutTransaction): Promise<Obstacle | null> {
  const { payout_confirmations } = context.config;
  const rival = (await rivalsOf(context, stored)).find(({ confirmations }) => confirmations > 0);
  if (!rival) return null;
  return {
    sentence:
      `Its coin ${rival.coin} was spent by ${rival.txid}, `
      + `which ${rival.pays_users ? 'pays users' : 'is no payout'} of this batch, ${rival.confirmations} of `
      + `${payout_confirmations} confirmations ago.`,
    dead: rival.confirmations >= payout_confirmations,
  };
}

/**
 * The block that a coin came from has left the chain: dead once the chain above the gap is as deep as
 * maturity.
 */
async function goneCoin(
  { database, node }: PaymentsContext,
  stored: PayoutTransaction,
): Promise<Obstacle | null> {
  const { tip_height } = await node.chainInfo();
  for (const coin of stored.inputs) {
    const round = await roundOfCoinbase(database.knex, coin.txid);
    if (!round || await stands(node, round)) continue;
    const depth = tip_height - round.height + 1;
    return {
      sentence:
        `Its coin ${coinKey(coin)} comes from block ${round.block_hash} `
        + `at height ${round.height}, which left the chain.`,
      dead: depth >= coinbase_confirmations_min,
    };
  }
  return null;
}

/**
 * The change that it spends was made by a payout that is not in the chain: dead once that one was given
 * up as dead.
 */
async function goneChange(
  { database: { knex } }: PaymentsContext,
  stored: PayoutTransaction,
): Promise<Obstacle | null> {
  for (const coin of stored.inputs) {
    const parent = await batchOfTransaction(knex, coin.txid);
    if (!parent || parent.state === 'confirmed' || parent.state === 'final') continue;
    return {
      sentence:
        `Its coin ${coinKey(coin)} is the change of batch ${parent.batch_id}, `
        + `which is ${parent.state}.`,
      dead: parent.state === 'released',
    };
  }
  return null;
}

/** Only another block at its height proves that a block is gone. */
async function stands(
  node: PaymentsContext['node'], round: { readonly block_hash: BlockHash; readonly height: BlockHeight },
): Promise<boolean> {
  const now = await node.blockHashAt(round.height);
  return now === null || now === round.block_hash;
}

