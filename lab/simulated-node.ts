// A node in memory with the behaviour that the contract suite (shared/bitcoind/contract.test.ts) holds real
// nodes to: a block tree with reorgs, a mempool, a wallet. Deterministic: no clock, no randomness, no timers;
// every control takes effect at once. What no real node does, it does not do either; faults are injected in
// front of it (simulated-node/faults.ts).
import type { WalletNode } from '../shared/bitcoind/node.js';
import { satoshis, type BlockHash, type Satoshis, type TransactionId } from '../shared/units.js';
import { pushHeight, pushNumber, scriptHex } from './block-miner/script.js';
import { simulatedAddress, type SimulatedAddressType } from './simulated-node/addresses.js';
import {
  chainCalls, scriptOf, walletCalls, type SimulatedConditions, type SimulatedState,
} from './simulated-node/calls.js';
import { createChain } from './simulated-node/chain.js';
import { withFaults, type FaultPlan, type NodeFault } from './simulated-node/faults.js';
import { createMempool } from './simulated-node/mempool.js';
import {
  decode, digest, makeTransaction, outpointKey, type Outpoint, type Transaction,
} from './simulated-node/transactions.js';
import { createWallet } from './simulated-node/wallet.js';

export type { SimulatedConditions } from './simulated-node/calls.js';

/** Who is paid by a coinbase: one address gets all, or outputs as given. */
export type CoinbasePays = string | readonly { readonly address: string; readonly amount: Satoshis }[];

export interface SimulatedBlock {
  readonly on?: BlockHash;
  readonly pays?: CoinbasePays;
  readonly transactions?: readonly string[];
  /** scriptSig of the coinbase, 2 to 100 bytes in lower-case hex, unlike that of any other block. */
  readonly coinbase_script?: string;
  readonly nonce?: number;
  /** Header time; above the median of the eleven blocks before. Default: ten minutes after the parent. */
  readonly time_seconds?: number;
}

export interface SimulatedNode {
  readonly node: WalletNode;
  readonly conditions: SimulatedConditions;
  /** An address of the wallet, unless it is a witness version that no wallet has. */
  newAddress(type?: SimulatedAddressType): string;
  /** A valid address that belongs to nobody here. */
  foreignAddress(type?: SimulatedAddressType): string;
  mine(blocks: number, pays?: CoinbasePays): BlockHash[];
  /**
   * One block on any block; default: on the tip, with all that the mempool has.
   * @throws RangeError for a block that no node takes.
   */
  mineBlock(options?: SimulatedBlock): BlockHash;
  invalidate(hash: BlockHash): void;
  reconsider(hash: BlockHash): void;
  /** Replaces the last `depth` blocks by `length` others, which stay as a side branch; `length` > `depth`. */
  reorg(depth: number, length?: number, pays?: CoinbasePays): BlockHash[];
  /** The node knows the header of a block, but not (or no longer) the block. */
  hide(hash: BlockHash): void;
  evict(txid: TransactionId): void;
  /** The wallet's transactions stay, as on disk; the mempool only if it is persisted. */
  restart(options?: { keep_mempool?: boolean }): void;
}

const subsidy_sats = 5_000_000_000n;
const halving_blocks = 150;

export function createSimulatedNode(name = 'regtest'): SimulatedNode {
  const conditions: SimulatedConditions = {
    down: false, initial_download: false, headers_ahead: false, locked: false, passphrase_known: false,
    fee_rate: null, relay_fee_rate: satoshis(1000n), faults: null,
  };
  const chain = createChain(name);
  const mempool = createMempool(chain, conditions);
  const wallet = createWallet(chain, mempool);
  const state: SimulatedState = { chain, mempool, wallet, hidden: new Set(), conditions, wallet_open: false };
  const plan: FaultPlan = (method): NodeFault | null =>
    (conditions.down ? 'connection_refused' : (conditions.faults?.(method) ?? null));
  const node = withFaults({ ...chainCalls(state), ...walletCalls(state) }, plan);
  return { node, conditions, ...controls(state) };
}

function controls(state: SimulatedState): Omit<SimulatedNode, 'node' | 'conditions'> {
  const { chain, mempool, wallet } = state;
  let addresses = 0;
  const foreignAddress = (type: SimulatedAddressType = 'bech32') => simulatedAddress(type, ++addresses);
  const newAddress = (type: SimulatedAddressType = 'bech32') => {
    const address = foreignAddress(type);
    wallet.own(scriptOf(address));
    return address;
  };
  const tip = () => chain.active[chain.active.length - 1] as BlockHash;
  const mineBlock: SimulatedNode['mineBlock'] = (
    { on = tip(), pays = newAddress(), transactions, coinbase_script, nonce, time_seconds } = {},
  ) => {
    const waiting = on === tip() ? [...mempool.transactions.values()] : [];
    const included = transactions?.map((raw) => pick(state, raw)) ?? waiting;
    const coinbase = makeCoinbase(state, on, { pays, included, coinbase_script });
    const { block, disconnected } = chain.add(on, [coinbase, ...included], { nonce, time_seconds });
    mempool.follow(disconnected);
    for (const transaction of block.transactions) wallet.notice(transaction);
    return block.hash;
  };
  const mine = (blocks: number, pays?: CoinbasePays) =>
    Array.from({ length: blocks }, () => mineBlock(pays === undefined ? {} : { pays }));
  return {
    newAddress, foreignAddress, mineBlock, mine,
    invalidate: (hash) => { mempool.follow(chain.mark(hash, true)); },
    reconsider: (hash) => { mempool.follow(chain.mark(hash, false)); },
    reorg: (depth, length = depth + 1, pays) => {
      if (length <= depth) throw new RangeError('the new branch must be longer than the old one');
      const first = chain.active[chain.active.length - depth];
      if (first === undefined) throw new RangeError(`the chain is not ${depth} deep`);
      mempool.follow(chain.mark(first, true));
      const hashes = mine(length, pays);
      mempool.follow(chain.mark(first, false));
      return hashes;
    },
    hide: (hash) => { state.hidden.add(hash); },
    evict: (txid) => { mempool.evict(txid); },
    restart: ({ keep_mempool = true } = {}) => {
      state.wallet_open = false;
      if (!keep_mempool) mempool.clear();
    },
  };
}

/** A transaction for a block: raw hex, or a txid of the mempool. */
function pick({ mempool }: SimulatedState, text: string): Transaction {
  const transaction = mempool.transactions.get(text as TransactionId) ?? decode(text);
  if (!transaction) throw new RangeError('neither a raw transaction nor one of the mempool');
  return transaction;
}

function makeCoinbase(
  { chain }: SimulatedState,
  on: BlockHash,
  { pays, included, coinbase_script }: {
    pays: CoinbasePays; included: readonly Transaction[]; coinbase_script: string | undefined;
  },
): Transaction {
  const height = (chain.blocks.get(on)?.height ?? 0) + 1;
  const made = new Map(included.map((transaction) => [transaction.txid, transaction]));
  const taken = ({ txid, index }: Outpoint): bigint =>
    made.get(txid)?.outputs[index]?.amount ?? chain.coins.get(outpointKey({ txid, index }))?.amount ?? 0n;
  const fees = included.reduce((sum, { inputs, outputs }) => sum
    + inputs.reduce((total, input) => total + taken(input), 0n)
    - outputs.reduce((total, { amount }) => total + amount, 0n), 0n);
  const reward = satoshis((subsidy_sats >> BigInt(Math.floor(height / halving_blocks))) + fees);
  const paid = typeof pays === 'string' ? [{ address: pays, amount: reward }] : pays;
  // The height alone would give two blocks of one height and address the same coinbase, as in real chains
  // before the pool adds its own marks; the number of blocks seen so far plays that part.
  const coinbase = coinbase_script ?? scriptHex(pushHeight(height), pushNumber(chain.blocks.size));
  if (!/^(?:[0-9a-f]{2}){2,100}$/.test(coinbase)) throw new RangeError('bad-cb-length');
  const commitment = { script: `6a24aa21a9ed${digest(coinbase)}`, amount: satoshis(0n) };
  const outputs = [...paid.map(({ address, amount }) => ({ script: scriptOf(address), amount })), commitment];
  return makeTransaction({ inputs: [], outputs, coinbase, signed: true });
}
