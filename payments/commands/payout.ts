// `payout <id>`: everything about one batch: transaction, coins, outputs with their users, what
// happened when, and how deep it is now. Released batches too.
import { formatCoins } from '../../shared/amount.js';
import { printJson, printLines, printTable, type Action } from '../../shared/command.js';
import { ConfigurationFault } from '../../shared/errors.js';
import type { PaymentsContext } from '../context.js';
import { batchById, type Batch } from '../edges/batch-store.js';
import { eventsOfBatch } from '../edges/batch-history.js';
import { transactionOf } from '../edges/transaction-store.js';
import { payoutLine, type PayoutLine } from './payouts.js';
import { withPayments } from './open.js';

export interface PayoutDetail extends PayoutLine {
  readonly held_reason: string | null;
  /** In the active chain now; null when the node was not asked (nothing is confirmed) or does not see it. */
  readonly confirmations: number | null;
  readonly change: string | null;
  readonly raw_hex: string | null;
  readonly inputs: readonly { readonly txid: string; readonly index: number; readonly amount: string }[];
  readonly history: readonly { readonly at: string; readonly what: string }[];
}

export async function payoutDetail(context: PaymentsContext, batch: Batch): Promise<PayoutDetail> {
  const { database: { knex }, node } = context;
  const stored = await transactionOf(knex, batch.id);
  const header = stored?.confirmed ? await node.header(stored.confirmed.hash) : null;
  const events = (await eventsOfBatch(knex, batch.id)).map(({ occurred_at, detail }) => ({
    at: occurred_at,
    what: detail,
  }));
  const signed = stored
    ? [{ at: stored.prepared_at, what: `transaction ${stored.txid} signed and stored` }]
    : [];
  const now = {
    at: batch.state_at,
    what: `${batch.state}${batch.held_reason === null ? '' : `: ${batch.held_reason}`}`,
  };
  return {
    ...(await payoutLine(knex, batch)),
    held_reason: batch.held_reason,
    confirmations: header && header.confirmations > 0 ? header.confirmations : null,
    change: stored?.change ? formatCoins(stored.change.amount) : null,
    raw_hex: stored?.raw_hex ?? null,
    inputs: (stored?.inputs ?? []).map(({ txid, index, amount }) => ({
      txid,
      index,
      amount: formatCoins(amount),
    })),
    history: [...events, ...signed, now].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)),
  };
}

export const payout: Action = (command) => withPayments(command, async (context) => {
  const [text = ''] = command.arguments;
  const batch = /^\d{1,9}$/.test(text) ? await batchById(context.database.knex, Number(text)) : null;
  if (!batch) {
    throw new ConfigurationFault([
      `There is no payout batch ${JSON.stringify(text)}; \`obtc-payments payouts\` lists them.`,
    ]);
  }
  const detail = await payoutDetail(context, batch);
  if (command.json) return printJson(detail);
  printLines([
    `batch ${detail.id}: ${detail.state}${detail.held_reason === null ? '' : `. ${detail.held_reason}`}`,
    `transaction ${detail.txid ?? 'not signed yet'}, confirmations ${detail.confirmations ?? 0}`,
    `planned ${detail.planned}, network fee ${detail.network_fee} (from `
      + `${detail.network_fee_from}), change ${detail.change ?? 'none'}`,
  ]);
  printTable(
    [{ heading: 'coin' }, { heading: 'amount', align: 'right' }],
    detail.inputs.map(({ txid, index, amount }) => [`${txid}:${index}`, amount]),
  );
  printTable([{ heading: 'address' }, { heading: 'amount', align: 'right' }, { heading: 'users' }],
    detail.outputs.map(({ address, amount, users }) => [address, amount, users.join(' ')]));
  printTable(
    [{ heading: 'at (UTC)' }, { heading: 'what happened' }],
    detail.history.map(({ at, what }) => [at, what]),
  );
});
