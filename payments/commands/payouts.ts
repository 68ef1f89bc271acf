// `payouts`: every batch that is or may become money on the chain, with its transaction and outputs. Released
// batches paid nobody and are not listed; `payout <id>` shows them.
import { formatCoins } from '../../shared/amount.js';
import { printJson, printTable, type Action } from '../../shared/command.js';
import { satoshis } from '../../shared/units.js';
import { printable } from '../../shared/username.js';
import type { PaymentsContext } from '../context.js';
import { live_states } from '../core/payout-state.js';
import { batchesIn, payoutsOf, type Batch } from '../edges/batch-store.js';
import { transactionOf } from '../edges/transaction-store.js';
import { plannedOutputs } from '../paying/prepare.js';
import { withPayments } from './open.js';

export interface PayoutLine {
  readonly id: number;
  readonly state: string;
  readonly txid: string | null;
  /** Zero until the batch is prepared. */
  readonly network_fee: string;
  readonly network_fee_from: 'miners' | 'pool';
  readonly planned: string;
  readonly confirmed_height: number | null;
  readonly outputs: readonly {
    readonly address: string;
    readonly amount: string;
    readonly users: readonly string[];
  }[];
}

export async function payoutLines({ database }: Pick<PaymentsContext, 'database'>): Promise<PayoutLine[]> {
  return database.snapshot(async (transaction) => {
    const lines: PayoutLine[] = [];
    for (const batch of await batchesIn(transaction, [...live_states, 'final'])) {
      lines.push(await payoutLine(transaction, batch));
    }
    return lines;
  });
}

export async function payoutLine(knex: Parameters<typeof payoutsOf>[0], batch: Batch): Promise<PayoutLine> {
  const stored = await transactionOf(knex, batch.id);
  const payouts = await payoutsOf(knex, batch.id);
  const fees = new Map(payouts.map(({ user_id, network_fee_sats }) => [user_id, network_fee_sats ?? 0n]));
  return {
    id: batch.id,
    state: batch.state,
    txid: stored?.txid ?? null,
    network_fee: formatCoins(stored?.network_fee_sats ?? satoshis(0n)),
    network_fee_from: batch.network_fee_from,
    planned: formatCoins(batch.planned_sats),
    confirmed_height: stored?.confirmed?.height ?? null,
    outputs: plannedOutputs(payouts).map(({ address, planned_sats, users }) => ({
      address,
      amount: formatCoins(
        satoshis(planned_sats - users.reduce((sum, { user_id }) => sum + (fees.get(user_id) ?? 0n), 0n)),
      ),
      users: users.map(({ name }) => printable(name)),
    })),
  };
}

export const payouts: Action = (command) => withPayments(command, async (context) => {
  const lines = await payoutLines(context);
  if (command.json) return printJson(lines);
  printTable(
    [
      { heading: 'id', align: 'right' },
      { heading: 'state' },
      { heading: 'txid' },
      { heading: 'outputs', align: 'right' },
      { heading: 'planned', align: 'right' },
      { heading: 'network fee', align: 'right' },
      { heading: 'block', align: 'right' },
    ],
    lines.map((line) => [
      line.id,
      line.state,
      line.txid,
      line.outputs.length,
      line.planned,
      line.network_fee,
      line.confirmed_height,
    ]),
  );
});
