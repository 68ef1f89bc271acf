// The node over JSON-RPC. One method of the port for each call; what the node says in error codes about
// things that it does not know becomes null, all other errors stay failures. Only `broadcast` changes
// anything outside, and it may be repeated with the same bytes; `unlocked` opens the wallet for the time
// of the work and closes it again, and if we die between, the node closes it after a minute.
import type { z } from 'zod';
import { formatCoins } from '../amount.js';
import { OutsideFailure } from '../errors.js';
import { satoshis, type BlockHash, type BlockHeight, type TransactionId } from '../units.js';
import { shown } from './errors.js';
import type {
  BlockHeader, BroadcastOutcome, ChainInfo, ChainNode, UnspentOutput, WalletNode, WalletTransaction,
} from './node.js';
import { createRpc, type NodeLogin, type Rpc } from './rpc.js';
import * as shape from './shapes.js';

export type { NodeLogin } from './rpc.js';

/** How long the node leaves the wallet open should we die while we work. */
const unlock_seconds = 60;

/**
 * Does not connect: a node that is down is found at the first call.
 * @throws ConfigurationFault when the URL is none.
 */
export function createNode(login: NodeLogin): WalletNode {
  const rpc = createRpc(login);
  return { ...chainCalls(rpc), ...walletReads(rpc), ...walletActs(rpc, login.passphrase) };
}

function chainCalls(rpc: Rpc): ChainNode {
  return {
    chainInfo: () => chainInfo(rpc),
    blockHashAt: (height) => nullOn([-8], rpc.call(shape.hashText, 'getblockhash', height)),
    header: async (hash) => {
      const header = await nullOn([-5], rpc.call(shape.headerShape, 'getblockheader', hash, true));
      return header && toHeader(header);
    },
    blockWithCoinbase: (hash) => blockWithCoinbase(rpc, hash),
    chainTips: async () => {
      const tips = await rpc.call(shape.chainTipsShape, 'getchaintips');
      return tips.map(({ branchlen, ...tip }) => ({ ...tip, branch_length: branchlen }));
    },
    address: async (address) => {
      const facts = await rpc.call(shape.addressShape, 'validateaddress', address);
      const script = facts.isvalid ? (facts.scriptPubKey ?? null) : null;
      const witness_version = facts.isvalid ? (facts.witness_version ?? null) : null;
      return { valid: facts.isvalid, script, witness_version };
    },
  };
}

async function chainInfo(rpc: Rpc): Promise<ChainInfo> {
  const info = await rpc.call(shape.chainInfoShape, 'getblockchaininfo');
  const tip = info.blocks !== undefined && info.bestblockhash !== undefined
    ? { height: info.blocks, hash: info.bestblockhash }
    : await activeTip(rpc);
  const headers = info.headers ?? tip.height;
  return {
    chain: info.chain, tip_height: tip.height, tip_hash: tip.hash,
    synced: !info.initialblockdownload && headers === tip.height,
  };
}

/** For a node whose getblockchaininfo does not name its tip. */
async function activeTip(rpc: Rpc): Promise<{ height: BlockHeight; hash: BlockHash }> {
  const tips = await rpc.call(shape.chainTipsShape, 'getchaintips');
  const tip = tips.find(({ status }) => status === 'active');
  if (!tip) throw new OutsideFailure('retry', 'node', 'The node names no active chain; waiting may help.');
  return tip;
}

async function blockWithCoinbase(rpc: Rpc, hash: BlockHash): ReturnType<ChainNode['blockWithCoinbase']> {
  const block = await rpc.call(shape.blockShape, 'getblock', hash, 2).catch((failure: unknown) => {
    if (!(failure instanceof OutsideFailure)) throw failure;
    if (failure.code === -5) return null;
    if (failure.code !== -1 && failure.code !== -32603) throw failure;
    // The header is known, the block is not here. Pruned away, it will never be: a person must act.
    if (/pruned/i.test(failure.message)) {
      throw new OutsideFailure('refused', 'node',
        `The node has pruned block ${hash}, but every block since the pool's start is needed: `
        + 'set prune=0 and run bitcoind with -reindex.',
        failure.code, { cause: failure });
    }
    if (/not found on disk|not fully downloaded|not available/i.test(failure.message)) return null;
    throw failure;
  });
  if (!block) return null;
  const [coinbase] = block.tx;
  return {
    ...toHeader(block),
    nonce: block.nonce,
    coinbase_txid: coinbase.txid,
    coinbase_script: coinbase.vin[0].coinbase,
    coinbase_outputs: coinbase.vout.map(shape.toOutput),
  };
}

type WalletReads = Pick<WalletNode, 'isMine' | 'unspentOutput' | 'walletCoins' | 'walletTransaction'
  | 'feeRate' | 'relayFeeRate' | 'balances' | 'walletSpends' | 'decode'>;

function walletReads(rpc: Rpc): WalletReads {
  return {
    isMine: async (address) =>
      (await nullOn([-5], rpc.call(shape.addressInfoShape, 'getaddressinfo', address)))?.ismine ?? false,
    unspentOutput: (txid, index, include_mempool = true) => unspentOutput(rpc, txid, index, include_mempool),
    walletCoins: () => walletCoins(rpc),
    walletTransaction: (txid) => walletTransaction(rpc, txid),
    feeRate: async (target_blocks) => {
      const { feerate } = await rpc.call(shape.feeEstimateShape, 'estimatesmartfee', target_blocks);
      return feerate !== undefined && feerate > 0n ? feerate : null;
    },
    relayFeeRate: async () => {
      const { relayfee } = await rpc.call(shape.relayFeeShape, 'getnetworkinfo');
      const { mempoolminfee } = await rpc.call(shape.mempoolFeeShape, 'getmempoolinfo');
      return relayfee > mempoolminfee ? relayfee : mempoolminfee;
    },
    balances: async () => (await rpc.call(shape.balancesShape, 'getbalances')).mine,
    walletSpends: (since) => walletSpends(rpc, since),
    decode: async (raw_hex) => {
      const { txid, vsize, weight, vin, vout } = await rpc.call(
        shape.decodedShape,
        'decoderawtransaction',
        raw_hex,
      );
      const inputs = vin.map((input) => ({ txid: input.txid, index: input.vout }));
      return { txid, virtual_size: vsize, weight, inputs, outputs: vout.map(shape.toOutput) };
    },
  };
}

async function unspentOutput(
  rpc: Rpc, txid: TransactionId, index: number, include_mempool: boolean,
): Promise<UnspentOutput | null> {
  const found = await rpc.call(shape.unspentOutputShape, 'gettxout', txid, index, include_mempool);
  if (!found) return null;
  const { value, confirmations, coinbase, scriptPubKey } = found;
  return { txid, index, amount: value, script: scriptPubKey.hex, confirmations, coinbase };
}

/** listunspent does not say which coins are coinbases, so every confirmed one is looked up with gettxout. */
async function walletCoins(rpc: Rpc): Promise<UnspentOutput[]> {
  const coins: UnspentOutput[] = [];
  for (const coin of await rpc.call(shape.walletCoinsShape, 'listunspent', 0, 9_999_999, [], true)) {
    const output = coin.confirmations > 0 ? await unspentOutput(rpc, coin.txid, coin.vout, false) : null;
    coins.push({
      txid: coin.txid, index: coin.vout, amount: coin.amount, script: coin.scriptPubKey,
      confirmations: coin.confirmations, coinbase: output?.coinbase ?? false,
    });
  }
  return coins;
}

async function walletTransaction(rpc: Rpc, txid: TransactionId): Promise<WalletTransaction | null> {
  const found = await nullOn([-5], rpc.call(shape.walletTransactionShape, 'gettransaction', txid));
  if (!found) return null;
  const { confirmations, blockhash, hex } = found;
  return { txid, confirmations, block_hash: blockhash ?? null, raw_hex: hex };
}

async function walletSpends(rpc: Rpc, since: BlockHash | null): Promise<WalletTransaction[]> {
  const after = since === null ? [] : [since];
  const { transactions } = await rpc.call(shape.sinceBlockShape, 'listsinceblock', ...after);
  const txids = new Set(
    transactions.flatMap(({ category, txid }) => (category === 'send' && txid ? [txid] : [])),
  );
  const spends: WalletTransaction[] = [];
  for (const txid of txids) {
    const transaction = await walletTransaction(rpc, txid);
    if (transaction) spends.push(transaction);
  }
  return spends;
}

type WalletActs = Pick<WalletNode, 'createTransaction' | 'sign' | 'unlocked' | 'broadcast'>;

function walletActs(rpc: Rpc, passphrase: string | null): WalletActs {
  return {
    createTransaction: (inputs, outputs) => rpc.call(
      shape.hexText, 'createrawtransaction',
      inputs.map(({ txid, index }) => ({ txid, vout: index })),
      // A list, not an object: only a list keeps the order, and amounts as text need no float.
      outputs.map(({ address, amount }) => ({ [address]: formatCoins(satoshis(amount)) })),
      0,
      // Said explicitly because the default changed in version 24.
      false,
    ),
    sign: async (raw_hex) => {
      const signed = await rpc.call(shape.signedShape, 'signrawtransactionwithwallet', raw_hex);
      if (signed.complete) return signed.hex;
      const reason = shown(signed.errors?.[0]?.error ?? 'no reason given');
      throw new OutsideFailure(
        'refused',
        'node',
        `The wallet cannot sign this transaction completely (${reason}); `
        + 'is every input an unspent coin of it?',
        'incomplete',
      );
    },
    unlocked: async (work) => {
      if (passphrase === null || !(await unlock(rpc, passphrase))) return work();
      try {
        return await work();
      } finally {
        // The outcome of the work is what counts; the node locks the wallet by itself a little later.
        await rpc.call(shape.anything, 'walletlock').catch(() => undefined);
      }
    },
    broadcast: (raw_hex) => broadcast(rpc, raw_hex),
  };
}

/** False for a wallet without encryption (-15). */
async function unlock(rpc: Rpc, passphrase: string): Promise<boolean> {
  const answer = rpc.call(shape.anything, 'walletpassphrase', passphrase, unlock_seconds);
  return (await nullOn([-15], answer.then(() => true))) ?? false;
}

async function broadcast(rpc: Rpc, raw_hex: string): Promise<BroadcastOutcome> {
  try {
    await rpc.call(shape.txidText, 'sendrawtransaction', raw_hex);
    return { outcome: 'accepted' };
  } catch (failure) {
    if (!(failure instanceof OutsideFailure)) throw failure;
    const reason = typeof failure.cause === 'string' ? failure.cause : failure.message;
    if (failure.code === -27) return { outcome: 'already_in_chain' };
    if (failure.code === -22) return { outcome: 'rejected', reason };
    // -25 is also how a node refuses a fee above its own maximum; nothing is missing then.
    const fee_too_high = failure.code === -25 && /exceed/i.test(reason);
    if (failure.code === -25 && !fee_too_high) return { outcome: 'inputs_missing' };
    if (failure.code !== -26 && !fee_too_high) throw failure;
    if (/already-in-mempool/.test(reason)) return { outcome: 'accepted' };
    if (/already-known/.test(reason)) return { outcome: 'already_in_chain' };
    return { outcome: 'rejected', reason };
  }
}

function toHeader(header: z.infer<typeof shape.headerShape>): BlockHeader {
  const { hash, height, confirmations, time, previousblockhash } = header;
  return { hash, height, confirmations, time_seconds: time, previous_hash: previousblockhash ?? null };
}

/** What the node does not know is an answer. */
async function nullOn<T>(codes: readonly number[], answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (failure) {
    if (failure instanceof OutsideFailure && codes.some((code) => code === failure.code)) return null;
    throw failure;
  }
}
