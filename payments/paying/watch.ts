// One move: follow a sent transaction through the chain. broadcast -> confirmed when it is in a block of the
// active chain; confirmed -> broadcast when that block is not any more (the transaction is given to the node
// again by itself); confirmed -> final, together with the ledger event that books it as paid, when it is
// buried `payout_confirmations` deep. Each is one compare-and-set; dying before it means reading again.
import { timeText } from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';
import type { PaymentsContext } from '../context.js';
import { batchesIn, changeState, payoutsOf, postPaid, type Batch } from '../edges/batch-store.js';
import { recordConfirmation, type PayoutTransaction } from '../edges/transaction-store.js';
import { readSent } from './broadcast.js';
import { confirmationOf } from './sightings.js';

export async function watch(context: PaymentsContext): Promise<'progress' | 'idle'> {
  const batches = await batchesIn(context.database.knex, ['broadcast', 'confirmed']);
  if (batches.length === 0 || !(await context.node.chainInfo()).synced) return 'idle';
  for (const batch of batches) {
    const { stored, outputs } = await readSent(context, batch);
    const outcome = batch.state === 'broadcast'
      ? await lookForBlock(context, batch, stored, outputs)
      : await lookAtDepth(context, batch, stored);
    if (outcome === 'progress') return 'progress';
  }
  return 'idle';
}

async function lookForBlock(
  context: PaymentsContext, batch: Batch, stored: PayoutTransaction, outputs: number,
): Promise<'progress' | 'idle'> {
  const found = await confirmationOf(context, stored, outputs);
  if (!found) return 'idle';
  const { database, lease, clock, log } = context;
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await recordConfirmation(transaction, stored, found);
    await changeState(transaction, batch, 'confirm', timeText(clock.now_ms()));
  });
  log.info(`batch ${batch.id} confirmed in block ${found.height}`, { batch_id: batch.id, txid: stored.txid, hash: found.hash });
  return 'progress';
}

async function lookAtDepth(context: PaymentsContext, batch: Batch, stored: PayoutTransaction): Promise<'progress' | 'idle'> {
  invariant(stored.confirmed, `Batch ${batch.id} is confirmed and has no block recorded.`);
  const { config, database, lease, node, clock, log } = context;
  const { height, hash } = stored.confirmed;
  const header = await node.header(hash);
  const now = timeText(clock.now_ms());
  if (!header || header.confirmations < 1) {
    await database.transaction(async (transaction) => {
      await lease.fence(transaction);
      await recordConfirmation(transaction, stored, null);
      await changeState(transaction, batch, 'reorg', now);
    });
    log.warn(`block ${height} left the chain, and batch ${batch.id} with it: it is sent again`, { batch_id: batch.id, hash });
    return 'progress';
  }
  if (header.confirmations < config.payout_confirmations) return 'idle';
  const payouts = await payoutsOf(database.knex, batch.id);
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await changeState(transaction, batch, 'bury', now);
    await postPaid(transaction, batch, payouts, stored.network_fee_sats, now);
  });
  log.info(`batch ${batch.id} final: ${payouts.length} users are paid`, { batch_id: batch.id, txid: stored.txid });
  return 'progress';
}
