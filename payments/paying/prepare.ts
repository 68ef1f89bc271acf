// One move: sign the planned batch and store the signature before anybody else can see it. In order: read
// coins and fee, build, sign, decode, compare with the draft output by output, then one transaction: fence,
// raw bytes, txid, coins, withheld fees, planned -> prepared. Dying anywhere before the commit leaves a
// planned batch and an unsent signature that is gone with us: the next try makes another one, and only one is
// ever stored and sent. Never shrinks what was promised: who cannot be paid any more is given back first,
// which is a move of its own.
import { formatCoins } from '../../shared/amount.js';
import { timeText } from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';
import { satoshis } from '../../shared/units.js';
import type { PaymentsContext } from '../context.js';
import { feeForSize } from '../core/network-fee.js';
import { transactionWeight, virtualSize } from '../core/output-script.js';
import { draftPayout, type Draft } from '../core/payout-draft.js';
import { groupByScript, largestFirst, type PlannedOutput, type Waiting } from '../core/payout-plan.js';
import { checkTransaction } from '../core/transaction-check.js';
import {
  batchesIn, changeState, payoutsOf, releasePayouts, type Batch, type Payout,
} from '../edges/batch-store.js';
import { storeTransaction } from '../edges/transaction-store.js';
import { paymentTerms, type PaymentTerms } from './next-batch.js';
import { whyPayingStopped } from './plan.js';
import { quarantineRefused } from './quarantine.js';

export async function prepare(context: PaymentsContext): Promise<'progress' | 'idle'> {
  const [batch] = await batchesIn(context.database.knex, ['planned']);
  const wait = (sentence: string | null): 'idle' => {
    context.waits.because('prepare', sentence);
    return 'idle';
  };
  if (!batch) return wait(null);
  const stopped = await whyPayingStopped(context);
  if (stopped !== null) return wait(`Batch ${batch.id} is planned and waits. ${stopped}`);
  const terms = await paymentTerms(context, batch.network_fee_from);
  if ('postponed' in terms) return wait(`Batch ${batch.id} is planned and waits. ${terms.postponed}`);
  const payouts = await payoutsOf(context.database.knex, batch.id);
  const { draft, waiting } = draftPayout(plannedOutputs(payouts), terms);
  context.waits.because('prepare', null);
  if (draft === null || waiting.length > 0) await giveBack(context, batch, payouts, waiting);
  else await sign(context, batch, payouts, draft, terms);
  return 'progress';
}

/** The outputs that a batch promises, in the order of its transaction. */
export function plannedOutputs(payouts: readonly Payout[]): PlannedOutput[] {
  return groupByScript(
    payouts.map(({ planned_sats, ...payout }) => ({ ...payout, balance_sats: planned_sats })),
  ).sort(largestFirst);
}

/**
 * Since it was planned, coins have gone or the fee has risen: who does not fit gets the promise back as
 * balance.
 */
async function giveBack(
  { database, lease, clock, log }: PaymentsContext,
  batch: Batch,
  payouts: readonly Payout[],
  waiting: readonly Waiting[],
): Promise<void> {
  const out = new Set(waiting.map(({ output }) => output.script));
  const released = payouts.filter((payout) => out.has(payout.script));
  const remaining = payouts.filter((payout) => !out.has(payout.script));
  const why =
    `batch ${batch.id}: ${released.length} payouts wait for a later batch. `
    + `${waiting[0]?.reason ?? ''}`;
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await releasePayouts(transaction, batch, released, remaining, why, timeText(clock.now_ms()));
  });
  log.warn(why, { batch_id: batch.id });
}

async function sign(
  context: PaymentsContext, batch: Batch, payouts: readonly Payout[], draft: Draft, terms: PaymentTerms,
): Promise<void> {
  const { config, database, lease, node, clock, log } = context;
  const change = draft.change_sats > 0n ? [{ address: config.pool_address, amount: draft.change_sats }] : [];
  const unsigned = await node
    .createTransaction(draft.coins, [...draft.outputs, ...change])
    .catch(async (failure: unknown) => {
      if (await quarantineRefused(context, batch, payouts, draft, failure)) return null;
      throw failure;
    });
  if (unsigned === null) return;
  const raw_hex = await node.unlocked(() => node.sign(unsigned));
  const decoded = await node.decode(raw_hex);
  const fault = checkTransaction(decoded, {
    ...draft,
    ...terms,
    coins: draft.coins,
    network_fee_max_sats: feeCap(draft, terms, config.max_fee_rate ?? terms.fee_rate),
  });
  invariant(
    fault === null,
    `Batch ${batch.id}: the wallet signed something else than was planned. `
      + `${fault ?? ''} Nothing was sent or stored.`,
  );
  const now = timeText(clock.now_ms());
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await storeTransaction(transaction, batch.id, { txid: decoded.txid, raw_hex }, draft, payouts, now);
    await changeState(transaction, batch, 'prepare', now);
  });
  log.info(`batch ${batch.id} prepared: network fee ${formatCoins(draft.network_fee_sats)}`, {
    batch_id: batch.id,
    txid: decoded.txid,
  });
}

/** The cap as an amount for this size, counted with a change output: the pool pays for one in any case. */
function feeCap(
  draft: Draft,
  { pool_script }: PaymentTerms,
  cap_rate: PaymentTerms['fee_rate'],
): PaymentTerms['fee_rate'] {
  const scripts = [...draft.outputs.map(({ script }) => script), pool_script];
  return satoshis(
    feeForSize(virtualSize(transactionWeight(pool_script, draft.coins.length, scripts)), cap_rate),
  );
}
