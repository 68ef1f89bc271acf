// One move: give a stored transaction to the node. What is sent are always the stored bytes, so sending again
// is harmless; only after the node has it does prepared become broadcast. Dying between both sends the same
// bytes once more. A node that forgot its mempool is given what it forgot. What the node says is believed
// this far: accepted, or in the chain already, is success; missing inputs may mean "paid long ago", so the
// spender of the coin is looked for; a refusal, or coins that are missing without a reason, is tried
// again for a day, then a person has to look. It never
// signs anything, and never sends while an incident stops paying what has not been sent.
import { invariant } from '../../shared/errors.js';
import { timeText } from '../../shared/database/database.js';
import type { PaymentsContext } from '../context.js';
import { batchesIn, changeState, payoutsOf, type Batch } from '../edges/batch-store.js';
import { transactionOf, type PayoutTransaction } from '../edges/transaction-store.js';
import { hold } from './hold.js';
import { plannedOutputs } from './prepare.js';
import { whyPayingStopped } from './plan.js';
import { confirmationOf, isSeen, obstacleOf } from './sightings.js';

const refused_limit_ms = 24 * 60 * 60 * 1000;
/**
 * Since when the node has refused a batch without a break; by the monotonic clock, so a restart begins anew.
 */
const refused_since = new WeakMap<PaymentsContext, Map<number, number>>();

/** 'progress', or a sentence why this batch waits, or null when there is nothing to do for it. */
type Outcome = 'progress' | { readonly waits: string } | null;

interface Sent {
  readonly batch: Batch;
  readonly stored: PayoutTransaction;
  readonly outputs: number;
}

export async function broadcast(context: PaymentsContext): Promise<'progress' | 'idle'> {
  const sentences: string[] = [];
  for (const batch of await batchesIn(context.database.knex, ['prepared', 'broadcast'])) {
    const outcome = await advance(context, await readSent(context, batch));
    if (outcome === 'progress') return 'progress';
    if (outcome !== null) sentences.push(`Batch ${batch.id} is ${batch.state}. ${outcome.waits}`);
  }
  context.waits.because('broadcast', sentences[0] ?? null);
  return 'idle';
}

export async function readSent({ database: { knex } }: PaymentsContext, batch: Batch): Promise<Sent> {
  const stored = await transactionOf(knex, batch.id);
  invariant(stored, `Batch ${batch.id} is ${batch.state} and has no stored transaction.`);
  const outputs = plannedOutputs(await payoutsOf(knex, batch.id)).length + (stored.change === null ? 0 : 1);
  return { batch, stored, outputs };
}

async function advance(context: PaymentsContext, sent: Sent): Promise<Outcome> {
  const { batch, stored, outputs } = sent;
  if (await isSeen(context, stored, outputs)) {
    return batch.state === 'prepared' ? accept(context, sent) : null;
  }
  const stopped = batch.state === 'prepared' ? await whyPayingStopped(context) : null;
  if (stopped !== null) return { waits: stopped };

  const answer = await context.node.broadcast(stored.raw_hex);
  const refusals = refused_since.get(context) ?? new Map<number, number>();
  refused_since.set(context, refusals);
  switch (answer.outcome) {
    case 'accepted':
    case 'already_in_chain':
      refusals.delete(batch.id);
      if (batch.state === 'prepared') return accept(context, sent);
      return (await isSeen(context, stored, outputs)) ? 'progress' : null;
    case 'inputs_missing':
      return inputsMissing(context, sent, refusals);
    case 'rejected':
      return refused(context, batch, `The node refuses its transaction (${answer.reason}).`, refusals);
  }
}

async function accept(
  { database, lease, clock, log }: PaymentsContext,
  { batch, stored }: Sent,
): Promise<Outcome> {
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await changeState(transaction, batch, 'accept', timeText(clock.now_ms()));
  });
  log.info(`batch ${batch.id} broadcast`, { batch_id: batch.id, txid: stored.txid });
  return 'progress';
}

/** Ambiguous: confirmed and spent long ago, or spent by someone else, or gone with its block. */
async function inputsMissing(
  context: PaymentsContext,
  sent: Sent,
  refusals: Map<number, number>,
): Promise<Outcome> {
  if (await confirmationOf(context, sent.stored, sent.outputs)) {
    return sent.batch.state === 'prepared' ? accept(context, sent) : null;
  }
  const obstacle = await obstacleOf(context, sent.stored);
  if (obstacle === null) {
    return refused(
      context,
      sent.batch,
      'The node does not have its coins, and nothing is known that spent them.',
      refusals,
    );
  }
  refusals.delete(sent.batch.id);
  if (!obstacle.dead) return { waits: obstacle.sentence };
  await hold(
    context,
    sent.batch,
    'payout_conflicted',
    `${obstacle.sentence} Its transaction can never confirm.`,
  );
  return 'progress';
}

async function refused(
  context: PaymentsContext, batch: Batch, sentence: string, refusals: Map<number, number>,
): Promise<Outcome> {
  const now_ms = context.clock.monotonic_ms();
  const since_ms = refusals.get(batch.id) ?? now_ms;
  refusals.set(batch.id, since_ms);
  if (now_ms - since_ms < refused_limit_ms) return { waits: `${sentence} It is tried again.` };
  await hold(context, batch, 'payout_rejected', `${sentence} It was tried for 24 hours.`);
  refusals.delete(batch.id);
  return 'progress';
}
