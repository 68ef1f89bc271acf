// The answers of the simulated node: each method of the port over chain, mempool and wallet.
import type { WalletNode } from '../../shared/bitcoind/node.js';
import { OutsideFailure } from '../../shared/errors.js';
import type { BlockHash, Satoshis } from '../../shared/units.js';
import { readAddress } from './addresses.js';
import type { Block, Chain } from './chain.js';
import type { FaultPlan } from './faults.js';
import type { Mempool } from './mempool.js';
import { decode, encode, outpointKey, virtualSize, type Transaction } from './transactions.js';
import type { Wallet } from './wallet.js';

/** What a test may set at any time. */
export interface SimulatedConditions {
  /** Connections are refused. */
  down: boolean;
  initial_download: boolean;
  /** Headers are known that have no block yet. */
  headers_ahead: boolean;
  /** The wallet is encrypted: it signs only within `unlocked`, and there only if `passphrase_known`. */
  locked: boolean;
  passphrase_known: boolean;
  /** estimatesmartfee; null on a quiet chain. */
  fee_rate: Satoshis | null;
  relay_fee_rate: Satoshis;
  /** Asked at every call; null: nothing goes wrong. */
  faults: FaultPlan | null;
}

export interface SimulatedState {
  readonly chain: Chain;
  readonly mempool: Mempool;
  readonly wallet: Wallet;
  readonly hidden: Set<BlockHash>;
  readonly conditions: SimulatedConditions;
  wallet_open: boolean;
}

type ChainCalls = Pick<
  WalletNode,
  'chainInfo' | 'blockHashAt' | 'header' | 'blockWithCoinbase' | 'chainTips' | 'address'
>;

export function chainCalls({ chain, hidden, conditions }: SimulatedState): ChainCalls {
  const tip_height = () => chain.active.length - 1;
  const header = ({ hash, height, previous_hash, time_seconds }: Block) => ({
    hash, height, previous_hash, time_seconds,
    confirmations: chain.active[height] === hash ? tip_height() - height + 1 : -1,
  });
  const activeBlock = (height: number) => chain.blocks.get(chain.active[height] as BlockHash) as Block;
  return {
    chainInfo: async () => {
      const tip = activeBlock(tip_height());
      const synced = !conditions.initial_download && !conditions.headers_ahead;
      return { chain: 'regtest', tip_height: tip.height, tip_hash: tip.hash, synced };
    },
    blockHashAt: async (height) => chain.active[height] ?? null,
    header: async (hash) => {
      const block = chain.blocks.get(hash);
      return block ? header(block) : null;
    },
    blockWithCoinbase: async (hash) => {
      const block = hidden.has(hash) ? undefined : chain.blocks.get(hash);
      const coinbase = block?.transactions[0];
      if (!block || !coinbase) return null;
      return {
        ...header(block), nonce: block.nonce, coinbase_txid: coinbase.txid,
        coinbase_script: coinbase.coinbase ?? '', coinbase_outputs: numbered(coinbase),
      };
    },
    chainTips: async () => chain.tips()
      .sort((one, other) => other.height - one.height || one.sequence - other.sequence)
      .map((block) => ({
        height: block.height, hash: block.hash,
        branch_length: chain.branchLength(block), status: statusOf(chain, hidden, block),
      })),
    address: async (address) => {
      const facts = readAddress(address);
      return facts ? { valid: true, ...facts } : { valid: false, script: null, witness_version: null };
    },
  };
}

function statusOf(chain: Chain, hidden: ReadonlySet<BlockHash>, block: Block): string {
  if (chain.active.at(-1) === block.hash) return 'active';
  if (chain.isInvalid(block.hash)) return 'invalid';
  return hidden.has(block.hash) ? 'headers-only' : 'valid-fork';
}

const numbered = ({ outputs }: Transaction) =>
  outputs.map(({ script, amount }, index) => ({ index, amount, script }));

export function walletCalls(state: SimulatedState): Omit<WalletNode, keyof ChainCalls> {
  const { chain, mempool, wallet, conditions } = state;
  return {
    isMine: async (address) => {
      const facts = readAddress(address);
      return facts !== null && wallet.owns(facts.script);
    },
    unspentOutput: async (txid, index, include_mempool = true) => {
      const outpoint = { txid, index };
      if (include_mempool && mempool.spenderOf(outpoint)) return null;
      const coin = chain.coins.get(outpointKey(outpoint));
      if (coin) {
        const { height, ...facts } = coin;
        return { ...facts, confirmations: chain.active.length - height };
      }
      const pending = include_mempool ? mempool.transactions.get(txid)?.outputs[index] : undefined;
      return pending ? { ...outpoint, ...pending, confirmations: 0, coinbase: false } : null;
    },
    walletCoins: async () => wallet.coins(),
    createTransaction: async (inputs, outputs) => {
      const paid = outputs.map(({ address, amount }) => ({ script: scriptOf(address), amount }));
      if (new Set(paid.map(({ script }) => script)).size < paid.length) {
        throw refused('createrawtransaction: two outputs have the same address.', -8);
      }
      return encode({ inputs, outputs: paid, coinbase: null, signed: false });
    },
    sign: async (raw_hex) => {
      if (conditions.locked && !state.wallet_open) {
        throw new OutsideFailure('retry', 'node', 'The wallet is locked; set the wallet passphrase.', -13);
      }
      const transaction = decoded(raw_hex);
      if (!wallet.canSign(transaction)) {
        throw refused('The wallet cannot sign this transaction completely (input not found).', 'incomplete');
      }
      return encode({ ...transaction, signed: true });
    },
    unlocked: async (work) => {
      state.wallet_open = conditions.passphrase_known;
      try {
        return await work();
      } finally {
        state.wallet_open = false;
      }
    },
    decode: async (raw_hex) => {
      const transaction = decoded(raw_hex);
      const virtual_size = virtualSize(transaction);
      const { txid, inputs } = transaction;
      return { txid, virtual_size, weight: virtual_size * 4, inputs, outputs: numbered(transaction) };
    },
    broadcast: async (raw_hex) => {
      const transaction = decode(raw_hex);
      if (!transaction) return { outcome: 'rejected', reason: 'TX decode failed' };
      const outcome = mempool.submit(transaction);
      if (outcome.outcome === 'accepted') wallet.notice(transaction);
      return outcome;
    },
    walletTransaction: async (txid) => wallet.transaction(txid),
    feeRate: async () => conditions.fee_rate,
    relayFeeRate: async () => conditions.relay_fee_rate,
    balances: async () => wallet.balances(),
    walletSpends: async (since) => {
      if (since !== null && !chain.blocks.has(since)) {
        throw refused('listsinceblock: the node does not know this block.', -5);
      }
      return wallet.spends(since);
    },
  };
}

function decoded(raw_hex: string): Transaction {
  const transaction = decode(raw_hex);
  if (!transaction) throw refused('decoderawtransaction: the node cannot decode these bytes.', -22);
  return transaction;
}

/** @throws OutsideFailure refused -5 when it is no address of this network. */
export function scriptOf(address: string): string {
  const facts = readAddress(address);
  if (!facts) throw refused(`"${address}" is not an address of this network.`, -5);
  return facts.script;
}

const refused = (sentence: string, code: number | string) =>
  new OutsideFailure('refused', 'node', sentence, code);
