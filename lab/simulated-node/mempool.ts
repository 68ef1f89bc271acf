// What the node takes into its mempool, in the order of Bitcoin Core's own checks, with its reasons.
import type { BroadcastOutcome } from '../../shared/bitcoind/node.js';
import type { TransactionId } from '../../shared/units.js';
import { dustLimit } from './addresses.js';
import type { Chain, Coin } from './chain.js';
import { outpointKey, virtualSize, type Outpoint, type Transaction } from './transactions.js';

/** A coinbase may be spent in the block that is this much higher. */
export const coinbase_maturity = 100;

export interface Mempool {
  readonly transactions: ReadonlyMap<TransactionId, Transaction>;
  /** sendrawtransaction */
  submit(transaction: Transaction): BroadcastOutcome;
  /** The transaction of the mempool that spends an output. */
  spenderOf(outpoint: Outpoint): Transaction | null;
  /** After the active chain changed: what is mined or conflicts leaves, what was disconnected comes back. */
  follow(disconnected: readonly Transaction[]): void;
  /** The transaction and all that spend its outputs are forgotten. */
  evict(txid: TransactionId): void;
  clear(): void;
}

export interface FeeRates {
  /** Satoshis per 1000 virtual bytes. */
  relay_fee_rate: bigint;
}

/** sendrawtransaction's own limit, 0.1 coin per 1000 virtual bytes. */
const fee_rate_max = 10_000_000n;

export function createMempool(chain: Chain, rates: FeeRates): Mempool {
  const transactions = new Map<TransactionId, Transaction>();
  const spenders = new Map<string, Transaction>();

  const spenderOf = (outpoint: Outpoint) => spenders.get(outpointKey(outpoint)) ?? null;

  const findCoin = (outpoint: Outpoint): Coin | { amount: bigint; coinbase: false } | null => {
    const coin = chain.coins.get(outpointKey(outpoint));
    if (coin) return coin;
    const output = transactions.get(outpoint.txid)?.outputs[outpoint.index];
    return output ? { amount: output.amount, coinbase: false } : null;
  };

  const refusal = (transaction: Transaction): BroadcastOutcome | null => {
    const rejected = (reason: string): BroadcastOutcome => ({ outcome: 'rejected', reason });
    if (transaction.coinbase !== null) return rejected('coinbase');
    if (transaction.outputs.some(({ script, amount }) => amount < dustLimit(script))) return rejected('dust');
    if (transaction.inputs.some((input) => spenderOf(input))) return rejected('txn-mempool-conflict');
    let fee = -transaction.outputs.reduce((sum, { amount }) => sum + amount, 0n);
    for (const input of transaction.inputs) {
      const coin = findCoin(input);
      if (!coin) return { outcome: 'inputs_missing' };
      if (coin.coinbase && chain.active.length - coin.height < coinbase_maturity) {
        return rejected('bad-txns-premature-spend-of-coinbase');
      }
      fee += coin.amount;
    }
    if (fee < 0n) return rejected('bad-txns-in-belowout');
    const size = BigInt(virtualSize(transaction));
    if (fee * 1000n < rates.relay_fee_rate * size) return rejected('min relay fee not met');
    if (fee * 1000n > fee_rate_max * size) return rejected('max-fee-exceeded');
    if (!transaction.signed) return rejected('mandatory-script-verify-flag-failed');
    return null;
  };

  const submit = (transaction: Transaction): BroadcastOutcome => {
    const { txid } = transaction;
    const has_confirmed_output = transaction.outputs.some((_, index) =>
      chain.coins.has(outpointKey({ txid, index })),
    );
    if (has_confirmed_output) return { outcome: 'already_in_chain' };
    if (transactions.has(transaction.txid)) return { outcome: 'accepted' };
    const refused = refusal(transaction);
    if (refused) return refused;
    transactions.set(transaction.txid, transaction);
    for (const input of transaction.inputs) spenders.set(outpointKey(input), transaction);
    return { outcome: 'accepted' };
  };

  const clear = () => {
    transactions.clear();
    spenders.clear();
  };

  return {
    transactions, submit, spenderOf, clear,
    follow(disconnected) {
      const candidates = [...disconnected, ...transactions.values()];
      clear();
      for (const transaction of candidates) submit(transaction);
    },
    evict(txid) {
      const gone = new Set([txid]);
      for (const transaction of transactions.values()) {
        if (transaction.inputs.some((input) => gone.has(input.txid))) gone.add(transaction.txid);
      }
      const kept = [...transactions.values()].filter((transaction) => !gone.has(transaction.txid));
      clear();
      for (const transaction of kept) submit(transaction);
    },
  };
}
