// The wallet's view of chain and mempool. It remembers every transaction that touches it, for ever, as a real
// wallet does; a coin counts as spent while a remembered transaction that is not conflicted spends it.
import type { Balances, UnspentOutput, WalletTransaction } from '../../shared/bitcoind/node.js';
import { satoshis, type BlockHash, type TransactionId } from '../../shared/units.js';
import type { Chain } from './chain.js';
import { coinbase_maturity, type Mempool } from './mempool.js';
import { encode, outpointKey, type Outpoint, type Transaction } from './transactions.js';

export interface Wallet {
  own(script: string): void;
  owns(script: string): boolean;
  /** To be called with every transaction that enters mempool or chain. */
  notice(transaction: Transaction): void;
  /** Can the wallet sign for all inputs, as coins that exist now? */
  canSign(transaction: Transaction): boolean;
  transaction(txid: TransactionId): WalletTransaction | null;
  spends(since: BlockHash | null): WalletTransaction[];
  coins(): UnspentOutput[];
  balances(): Balances;
}

export function createWallet(chain: Chain, mempool: Mempool): Wallet {
  const scripts = new Set<string>();
  const remembered = new Map<TransactionId, Transaction>();
  /** All remembered transactions that spend an outpoint. */
  const spenders = new Map<string, Transaction[]>();

  const owns = (script: string) => scripts.has(script);
  const tip_height = () => chain.active.length - 1;

  const ownOutput = ({ txid, index }: Outpoint) => {
    const output = remembered.get(txid)?.outputs[index];
    return output && owns(output.script) ? output : null;
  };

  const confirmations = (transaction: Transaction): number => {
    const height = chain.heightOf(transaction.txid);
    if (height !== null) return tip_height() - height + 1;
    if (mempool.transactions.has(transaction.txid)) return 0;
    const conflicts = transaction.inputs.flatMap((input) => {
      const spender = chain.spenderOf(input);
      const spent_at = spender === null || spender === transaction.txid ? null : chain.heightOf(spender);
      return spent_at === null ? [] : [tip_height() - spent_at + 1];
    });
    return conflicts.length === 0 ? 0 : -Math.max(...conflicts);
  };

  const isSpent = (outpoint: Outpoint): boolean =>
    chain.spenderOf(outpoint) !== null || mempool.spenderOf(outpoint) !== null
    || (spenders.get(outpointKey(outpoint)) ?? []).some((transaction) => confirmations(transaction) >= 0);

  const view = (transaction: Transaction): WalletTransaction => {
    const height = chain.heightOf(transaction.txid);
    return {
      txid: transaction.txid,
      confirmations: confirmations(transaction),
      block_hash: height === null ? null : (chain.active[height] ?? null),
      raw_hex: encode(transaction),
    };
  };

  const isSpend = (transaction: Transaction) => transaction.inputs.some((input) => ownOutput(input));

  /** Own outputs that are in chain or mempool and not spent. */
  const unspent = (): (UnspentOutput & { readonly mature: boolean })[] =>
    [...remembered.values()].flatMap((transaction) => {
      const depth = confirmations(transaction);
      if (depth < 0 || (depth === 0 && !mempool.transactions.has(transaction.txid))) return [];
      const coinbase = transaction.coinbase !== null;
      return transaction.outputs.flatMap(({ script, amount }, index) => {
        if (!owns(script) || isSpent({ txid: transaction.txid, index })) return [];
        // The wallet waits one block longer than consensus asks for.
        const mature = !coinbase || depth > coinbase_maturity;
        return [{ txid: transaction.txid, index, amount, script, confirmations: depth, coinbase, mature }];
      });
    });

  return {
    owns,
    own: (script) => { scripts.add(script); },
    notice(transaction) {
      if (remembered.has(transaction.txid)) return;
      if (!isSpend(transaction) && !transaction.outputs.some(({ script }) => owns(script))) return;
      remembered.set(transaction.txid, transaction);
      for (const input of transaction.inputs) {
        spenders.set(outpointKey(input), [...(spenders.get(outpointKey(input)) ?? []), transaction]);
      }
    },
    canSign: ({ inputs }) => inputs.every((input) => {
      const pending = mempool.transactions.get(input.txid)?.outputs[input.index];
      const output = chain.coins.get(outpointKey(input)) ?? pending;
      return output !== undefined && owns(output.script);
    }),
    transaction: (txid) => {
      const transaction = remembered.get(txid);
      return transaction ? view(transaction) : null;
    },
    spends(since) {
      // As listsinceblock: everything less deep than the block, or than the fork when it is on a side branch.
      let at = since === null ? null : (chain.blocks.get(since) ?? null);
      while (at && chain.active[at.height] !== at.hash) {
        at = at.previous_hash && (chain.blocks.get(at.previous_hash) ?? null);
      }
      const depth = at ? tip_height() - at.height + 1 : Infinity;
      const spends = [...remembered.values()].filter(isSpend).map(view);
      return spends.filter((found) => Math.abs(found.confirmations) < depth);
    },
    coins: () => unspent().filter(({ mature }) => mature).map(({ mature: _, ...coin }) => coin),
    balances() {
      const sum = (coins: readonly UnspentOutput[]) =>
        satoshis(coins.reduce((total, { amount }) => total + amount, 0n));
      const all = unspent();
      const trusted = ({ txid, confirmations: depth }: UnspentOutput) =>
        depth > 0 || (remembered.get(txid)?.inputs.every((input) => ownOutput(input)) ?? false);
      return {
        trusted: sum(all.filter((coin) => coin.mature && trusted(coin))),
        untrusted_pending: sum(all.filter((coin) => coin.mature && !trusted(coin))),
        immature: sum(all.filter(({ mature }) => !mature)),
      };
    },
  };
}
