// Which coins a batch spends. We choose, not the wallet: only coinbase outputs of credited rounds and our own
// confirmed change, so that a coin the operator keeps in the same wallet is never spent (`isOurs`). Oldest
// first, until they cover the target; what is over goes back to the pool's address. Change below its dust
// limit is never made: another coin is added; where none is left the target is not covered.
import { satoshis, type Satoshis, type TransactionId } from '../../shared/units.js';
import { dustLimit } from './output-script.js';
import type { UnspentOutput } from '../../shared/bitcoind/node.js';

export interface Coin {
  readonly txid: TransactionId;
  readonly index: number;
  readonly amount: Satoshis;
  readonly confirmations: number;
}

export interface CoinChoice {
  readonly coins: readonly Coin[];
  /** Zero, or at least the dust limit of the pool's script. */
  readonly change_sats: Satoshis;
}

/** A coinbase can be spent once a hundred blocks stand on it: at 101 confirmations. */
export const coinbase_confirmations_min = 101;

export const coinKey = (coin: { readonly txid: string; readonly index: number }): string =>
  `${coin.txid}:${coin.index}`;

/** What the ledger knows of coins: where income comes from, what our own change is, what is promised. */
export interface CoinKnowledge {
  readonly pool_script: string;
  /** Coinbase transactions of credited rounds. */
  readonly coinbases: ReadonlySet<string>;
  /** Change of confirmed and final payouts, by `coinKey`. */
  readonly own_change: ReadonlySet<string>;
  /** Inputs of every transaction of ours that is not proved dead, by `coinKey`. */
  readonly promised: ReadonlySet<string>;
}

/** May payments spend it now? */
export function isOurs(coin: UnspentOutput, known: CoinKnowledge): boolean {
  if (coin.amount <= 0n || coin.script !== known.pool_script || known.promised.has(coinKey(coin))) {
    return false;
  }
  if (known.own_change.has(coinKey(coin))) return coin.confirmations >= 1;
  return known.coinbases.has(coin.txid) && coin.coinbase && coin.confirmations >= coinbase_confirmations_min;
}

/** Oldest first, ties by txid and index: the same coins always come in the same order. */
export function oldestFirst(coins: readonly Coin[]): Coin[] {
  return [...coins].sort((a, b) =>
    b.confirmations - a.confirmations || (a.txid < b.txid ? -1 : a.txid > b.txid ? 1 : a.index - b.index));
}

/**
 * The first of the coins, in the order given, that cover the target without change below dust.
 * @returns null when all of them do not.
 */
export function chooseCoins(
  coins: readonly Coin[],
  target_sats: Satoshis,
  pool_script: string,
): CoinChoice | null {
  const change_min = dustLimit(pool_script);
  let sum = 0n;
  for (const [position, coin] of coins.entries()) {
    sum += coin.amount;
    const change = sum - target_sats;
    if (change === 0n || change >= change_min) {
      return { coins: coins.slice(0, position + 1), change_sats: satoshis(change) };
    }
  }
  return null;
}
