// What the daemons ask of a node, one method per RPC that is used, answers already validated. The adapter
// (client.ts) speaks JSON-RPC; the lab has a recorded and a simulated node behind the same interface.
// Every method may throw OutsideFailure (refused | retry | unknown). "The node does not know it" is an
// answer, not a failure: it is returned as null.
import type { BlockHash, BlockHeight, Satoshis, TransactionId } from '../units.js';

export interface ChainInfo {
  readonly chain: string;
  readonly tip_height: BlockHeight;
  readonly tip_hash: BlockHash;
  /** Not in initial download and blocks = headers. Never the age of the tip. */
  readonly synced: boolean;
}

export interface BlockHeader {
  readonly hash: BlockHash;
  readonly height: BlockHeight;
  /** null for the genesis block. */
  readonly previous_hash: BlockHash | null;
  /** -1 on a side branch, 1 at the tip. */
  readonly confirmations: number;
  /** Header time, unix seconds: the miner's clock. */
  readonly time_seconds: number;
}

export interface TransactionOutput {
  readonly index: number;
  readonly amount: Satoshis;
  /** scriptPubKey, lower-case hex. */
  readonly script: string;
}

export interface BlockWithCoinbase extends BlockHeader {
  /** Header nonce, 0 to 2^32 - 1: the miner's choice. */
  readonly nonce: number;
  readonly coinbase_txid: TransactionId;
  /** scriptSig of the coinbase, lower-case hex: whoever made the block wrote it. */
  readonly coinbase_script: string;
  readonly coinbase_outputs: readonly TransactionOutput[];
}

export interface ChainTip {
  readonly height: BlockHeight;
  readonly hash: BlockHash;
  readonly branch_length: number;
  /** active | valid-fork | valid-headers | headers-only | invalid, or what a newer node may say. */
  readonly status: string;
}

export interface AddressFacts {
  readonly valid: boolean;
  /** scriptPubKey in hex when valid. */
  readonly script: string | null;
  /** Version of the witness program; null when it is none. */
  readonly witness_version: number | null;
}

/** The chain: all that accounting needs. */
export interface ChainNode {
  /** getblockchaininfo */
  chainInfo(): Promise<ChainInfo>;
  /** getblockhash; null above the tip (RPC error -8). */
  blockHashAt(height: BlockHeight): Promise<BlockHash | null>;
  /** getblockheader, verbose; null when the node does not know the block (-5). */
  header(hash: BlockHash): Promise<BlockHeader | null>;
  /**
   * getblock, verbosity 2; null when the node does not know it (-5) or has only its header (-1, -32603).
   * @throws OutsideFailure refused when the node has pruned it: that is not "unknown".
   */
  blockWithCoinbase(hash: BlockHash): Promise<BlockWithCoinbase | null>;
  /** getchaintips */
  chainTips(): Promise<readonly ChainTip[]>;
  /** validateaddress */
  address(address: string): Promise<AddressFacts>;
}

export interface UnspentOutput {
  readonly txid: TransactionId;
  readonly index: number;
  readonly amount: Satoshis;
  readonly script: string;
  readonly confirmations: number;
  readonly coinbase: boolean;
}

export interface WalletTransaction {
  readonly txid: TransactionId;
  /** Negative: conflicted by a transaction that deep. 0: in the mempool or abandoned. */
  readonly confirmations: number;
  readonly block_hash: BlockHash | null;
  readonly raw_hex: string;
}

export interface DecodedTransaction {
  readonly txid: TransactionId;
  readonly virtual_size: number;
  readonly weight: number;
  readonly inputs: readonly { readonly txid: TransactionId; readonly index: number }[];
  readonly outputs: readonly TransactionOutput[];
}

/** What sendrawtransaction came to. Anything else is thrown. */
export type BroadcastOutcome =
  | { readonly outcome: 'accepted' }
  /** -27: in a block already. */
  | { readonly outcome: 'already_in_chain' }
  /** -25: inputs missing or spent. Ambiguous: confirmed and spent long ago, or conflicted. */
  | { readonly outcome: 'inputs_missing' }
  /** -26 and the like: the mempool refuses these bytes, with its reason. */
  | { readonly outcome: 'rejected'; readonly reason: string };

export interface Balances {
  readonly trusted: Satoshis;
  readonly untrusted_pending: Satoshis;
  readonly immature: Satoshis;
}

/** Chain and wallet: what payments needs. */
export interface WalletNode extends ChainNode {
  /** getaddressinfo: is the address ours to spend from? False also for what is no address. */
  isMine(address: string): Promise<boolean>;
  /** gettxout including the mempool; null when spent or unknown. */
  unspentOutput(txid: TransactionId, index: number, include_mempool?: boolean): Promise<UnspentOutput | null>;
  /**
   * listunspent with at least 0 confirmations: every coin of the wallet, ours to use or not. A coinbase is
   * offered from 101 confirmations on. What a signed transaction reserves is known to our ledger only.
   */
  walletCoins(): Promise<readonly UnspentOutput[]>;
  /** createrawtransaction: amounts go out as decimal text; output order is kept. */
  createTransaction(
    inputs: readonly { readonly txid: TransactionId; readonly index: number }[],
    outputs: readonly { readonly address: string; readonly amount: Satoshis }[],
  ): Promise<string>;
  /**
   * signrawtransactionwithwallet.
   * @throws OutsideFailure retry -13 when the wallet is locked; refused when incomplete.
   */
  sign(raw_hex: string): Promise<string>;
  /** walletpassphrase, then the work, then walletlock. Does nothing for a wallet without a passphrase. */
  unlocked<T>(work: () => Promise<T>): Promise<T>;
  /** decoderawtransaction */
  decode(raw_hex: string): Promise<DecodedTransaction>;
  /** sendrawtransaction: the same bytes may be sent again without harm. */
  broadcast(raw_hex: string): Promise<BroadcastOutcome>;
  /** gettransaction; null when the wallet does not know it (-5). */
  walletTransaction(txid: TransactionId): Promise<WalletTransaction | null>;
  /** estimatesmartfee in satoshis per 1000 virtual bytes; null when the estimator is silent. */
  feeRate(target_blocks: number): Promise<Satoshis | null>;
  /**
   * getnetworkinfo relayfee and getmempoolinfo mempoolminfee, the larger: satoshis per 1000 virtual bytes.
   */
  relayFeeRate(): Promise<Satoshis>;
  /** getbalances, `mine`. */
  balances(): Promise<Balances>;
  /**
   * listsinceblock after the given block (or all): wallet transactions that spend (`send`), unconfirmed and
   * conflicted ones included. @throws OutsideFailure refused -5 when the node does not know the block.
   */
  walletSpends(since: BlockHash | null): Promise<readonly WalletTransaction[]>;
}
