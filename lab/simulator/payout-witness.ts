// What the chain itself says of payouts: whoever is paid from a coin of the pool, by a transaction of the wallet,
// counted output by output. Knows the pool's script and the operator's own spends, and of the database only
// whether a transaction was stored before it was sent.
import type Sqlite from 'better-sqlite3';
import type { TransactionId } from '../../shared/units.js';
import type { SimulatedNode } from '../simulated-node.js';

export interface PayoutWitness {
  /** An operator's own transaction, which is no payout. */
  excuse(txid: TransactionId): void;
  /** Called before either daemon sends: are these bytes stored, and may they be sent now? */
  beforeBroadcast(raw_hex: string): string[];
  /** By script, what payouts in the active chain and the mempool pay; change is left out. */
  paid(): Promise<ReadonlyMap<string, bigint>>;
  /** The payouts that are in the active chain or on their way. */
  transactions(): Promise<readonly TransactionId[]>;
}

export function createPayoutWitness({ chain, raw, pool_address }: {
  chain: SimulatedNode; raw: () => Sqlite.Database; pool_address: string;
}): PayoutWitness {
  const excused = new Set<TransactionId>();

  /** Every transaction of the wallet that spends, but for those of its operator and those that can never be. */
  const spends = async () =>
    (await chain.node.walletSpends(null)).filter(({ txid, confirmations }) => !excused.has(txid) && confirmations >= 0);

  return {
    excuse: (txid) => { excused.add(txid); },
    beforeBroadcast: (raw_hex) => {
      const batch = raw().prepare(`SELECT b.state AS state FROM payout_transactions AS t
        JOIN payout_batches AS b ON b.id = t.batch_id WHERE t.raw_hex = ?`).get(raw_hex) as { state: string } | undefined;
      if (!batch) return ['a transaction is sent that was not stored before'];
      const stopped = raw().prepare("SELECT 1 FROM payment_incidents WHERE state = 'open' AND stops_paying = 1").get();
      return stopped && batch.state === 'prepared' ? ['a payout is sent while an incident stops paying'] : [];
    },
    async paid() {
      const own = (await chain.node.address(pool_address)).script;
      const sums = new Map<string, bigint>();
      for (const { raw_hex } of await spends()) {
        for (const { script, amount } of (await chain.node.decode(raw_hex)).outputs) {
          if (script !== own) sums.set(script, (sums.get(script) ?? 0n) + amount);
        }
      }
      return sums;
    },
    transactions: async () => (await spends()).map(({ txid }) => txid),
  };
}
