// The block tree and the coins of its active chain. The active tip is the highest valid block, of equals the
// one seen first, as in Bitcoin Core where every block has the same work.
import {
  blockHash, blockHeight, type BlockHash, type BlockHeight, type Satoshis, type TransactionId,
} from '../../shared/units.js';
import { digest, outpointKey, type Outpoint, type Transaction } from './transactions.js';

export interface Block {
  readonly hash: BlockHash;
  readonly height: BlockHeight;
  readonly previous_hash: BlockHash | null;
  readonly time_seconds: number;
  readonly nonce: number;
  /** Order in which the node saw the blocks. */
  readonly sequence: number;
  /** The coinbase first. */
  readonly transactions: readonly Transaction[];
}

export interface Coin extends Outpoint {
  readonly amount: Satoshis;
  readonly script: string;
  readonly height: BlockHeight;
  readonly coinbase: boolean;
}

/** What a miner may say of a header. */
export interface HeaderChoice {
  /** Default: ten minutes after the parent. */
  readonly time_seconds?: number | undefined;
  /** Default: drawn from the block's place, the same in each run. */
  readonly nonce?: number | undefined;
}

export interface Chain {
  readonly blocks: ReadonlyMap<BlockHash, Block>;
  readonly active: readonly BlockHash[];
  /** Unspent in the active chain, by outpointKey. */
  readonly coins: ReadonlyMap<string, Coin>;
  /** Where a transaction is in the active chain. */
  heightOf(txid: TransactionId): BlockHeight | null;
  /** The transaction of the active chain that spends a coin. */
  spenderOf(outpoint: Outpoint): TransactionId | null;
  isInvalid(hash: BlockHash): boolean;
  /**
   * Returns the transactions that left the active chain, oldest first, coinbases excepted.
   * @throws RangeError for a header that no node takes.
   */
  add(
    previous: BlockHash,
    transactions: readonly Transaction[],
    choice?: HeaderChoice,
  ): { block: Block; disconnected: Transaction[] };
  mark(hash: BlockHash, invalid: boolean): Transaction[];
  tips(): Block[];
  /** Number of blocks from the active chain to this one. */
  branchLength(block: Block): number;
}

const unspendable = '6a';

export function createChain(name: string): Chain {
  const genesis: Block = {
    hash: blockHash(digest(`genesis of ${name}`)), height: blockHeight(0), previous_hash: null,
    time_seconds: 1_700_000_000, nonce: 0, sequence: 0, transactions: [],
  };
  const blocks = new Map([[genesis.hash, genesis]]);
  const invalid = new Set<BlockHash>();
  const active: BlockHash[] = [genesis.hash];
  const coins = new Map<string, Coin>();
  const spenders = new Map<string, TransactionId>();
  const heights = new Map<TransactionId, BlockHeight>();
  /** For each block of the active chain the coins that it spent. */
  const spent = new Map<BlockHash, Coin[]>();

  const get = (hash: BlockHash): Block => {
    const block = blocks.get(hash);
    if (!block) throw new RangeError(`no block ${hash}`);
    return block;
  };
  /** Of the block and the ten before it: what the next block's time must be above. */
  const medianTime = (block: Block): number => {
    const times: number[] = [];
    for (let at: Block | null = block; at && times.length < 11;) {
      times.push(at.time_seconds);
      at = at.previous_hash && get(at.previous_hash);
    }
    return times.sort((one, other) => one - other)[Math.floor(times.length / 2)] ?? 0;
  };
  const isInvalid = (hash: BlockHash): boolean => {
    if (invalid.size === 0) return false;
    for (let at: Block | null = get(hash); at; at = at.previous_hash && get(at.previous_hash)) {
      if (invalid.has(at.hash)) return true;
    }
    return false;
  };

  const connect = (block: Block) => {
    const taken: Coin[] = [];
    for (const transaction of block.transactions) {
      for (const input of transaction.inputs) {
        const coin = coins.get(outpointKey(input));
        if (!coin) {
          throw new RangeError(`a block spends ${outpointKey(input)}, which is no coin of its chain`);
        }
        taken.push(coin);
        coins.delete(outpointKey(input));
        spenders.set(outpointKey(input), transaction.txid);
      }
      heights.set(transaction.txid, block.height);
      transaction.outputs.forEach(({ script, amount }, index) => {
        if (script.startsWith(unspendable)) return;
        const outpoint = { txid: transaction.txid, index };
        const coinbase = transaction.coinbase !== null;
        coins.set(outpointKey(outpoint), { ...outpoint, amount, script, height: block.height, coinbase });
      });
    }
    spent.set(block.hash, taken);
    active.push(block.hash);
  };

  const disconnect = (block: Block) => {
    for (const transaction of block.transactions) {
      heights.delete(transaction.txid);
      transaction.outputs.forEach((_, index) => coins.delete(outpointKey({ txid: transaction.txid, index })));
      for (const input of transaction.inputs) spenders.delete(outpointKey(input));
    }
    // A coin made and spent within the block must not come back.
    const own = new Set(block.transactions.map(({ txid }) => txid));
    for (const coin of spent.get(block.hash) ?? []) {
      if (!own.has(coin.txid)) coins.set(outpointKey(coin), coin);
    }
    active.pop();
  };

  /** Blocks stand in the order they were seen, parents first. */
  const best = (): Block => {
    const bad = new Set<BlockHash>();
    let top = genesis;
    for (const block of blocks.values()) {
      if (invalid.has(block.hash) || (block.previous_hash && bad.has(block.previous_hash))) {
        bad.add(block.hash);
      } else if (block.height > top.height) {
        top = block;
      }
    }
    return top;
  };

  const activate = (target: Block): Transaction[] => {
    const path: Block[] = [];
    for (let at = target; active[at.height] !== at.hash; at = get(at.previous_hash ?? genesis.hash)) {
      path.push(at);
    }
    const fork_height = target.height - path.length;
    const disconnected: Transaction[] = [];
    while (active.length - 1 > fork_height) {
      const tip = get(active.at(-1) ?? genesis.hash);
      disconnect(tip);
      disconnected.unshift(...tip.transactions.filter(({ coinbase }) => coinbase === null));
    }
    path.reverse().forEach(connect);
    return disconnected;
  };

  return {
    blocks, active, coins, isInvalid,
    heightOf: (txid) => heights.get(txid) ?? null,
    spenderOf: (outpoint) => spenders.get(outpointKey(outpoint)) ?? null,
    add(previous, transactions, choice = {}) {
      const parent = get(previous);
      const sequence = blocks.size;
      const { time_seconds = parent.time_seconds + 600, nonce = drawnNonce(previous, sequence) } = choice;
      requireHeader(time_seconds, nonce, medianTime(parent));
      const txids = transactions.map(({ txid }) => txid).join();
      const block: Block = {
        hash: blockHash(digest(`${previous} ${sequence} ${time_seconds} ${nonce} ${txids}`)),
        height: blockHeight(parent.height + 1), previous_hash: previous,
        time_seconds, nonce, sequence, transactions,
      };
      blocks.set(block.hash, block);
      // Only a block higher than the tip can become the tip: no search is needed here.
      const wins = block.height >= active.length && !isInvalid(block.hash);
      return { block, disconnected: wins ? activate(block) : [] };
    },
    mark(hash, is_invalid) {
      get(hash);
      if (is_invalid) invalid.add(hash);
      else invalid.delete(hash);
      return activate(best());
    },
    tips() {
      const parents = new Set([...blocks.values()].map(({ previous_hash }) => previous_hash));
      const tip_hash = active.at(-1);
      return [...blocks.values()].filter(({ hash }) => hash === tip_hash || !parents.has(hash));
    },
    branchLength(block) {
      let length = 0;
      for (let at = block; active[at.height] !== at.hash; at = get(at.previous_hash ?? genesis.hash)) {
        length += 1;
      }
      return length;
    },
  };
}

const drawnNonce = (previous: BlockHash, sequence: number): number =>
  Number.parseInt(digest(`nonce ${previous} ${sequence}`).slice(0, 8), 16);

function requireHeader(time_seconds: number, nonce: number, median_time_seconds: number): void {
  if (time_seconds <= median_time_seconds) {
    throw new RangeError(`time-too-old: ${time_seconds} is not after ${median_time_seconds}`);
  }
  if (!Number.isInteger(nonce) || nonce < 0 || nonce > 0xffffffff) {
    throw new RangeError(`${nonce} is no nonce of 32 bits`);
  }
}
