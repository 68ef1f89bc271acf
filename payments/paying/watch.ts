// One move: follow a sent transaction through the chain. broadcast -> confirmed when it is in a block of the
// active chain; confirmed -> broadcast when that block is not any more (the transaction is given to the node
// again by itself); confirmed -> final, together with the ledger event that books it as paid, when it is
// buried `payout_confirmations` deep. Each is one compare-and-set; dying before it means reading again.
// A final payout is looked at again only after a reorganisation (watch-blocks.ts asks): thrown out by
// one, it is broadcast again, and what was booked as paid is a promise again, in one transaction.
import { timeText } from '../../shared/database/database.js';
import { invariant } from '../../shared/errors.js';
import type { BlockHeight } from '../../shared/units.js';
import type { PaymentsContext } from '../context.js';
import {
  batchById, batchesIn, changeState, payoutsOf, postPaid, postUnpaid, type Batch,
} from '../edges/batch-store.js';
import { finalFromTheTop, recordConfirmation, type PayoutTransaction } from '../edges/transaction-store.js';
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
  log.info(`batch ${batch.id} confirmed in block ${found.height}`, {
    batch_id: batch.id,
    txid: stored.txid,
    hash: found.hash,
  });
  return 'progress';
}

async function lookAtDepth(
  context: PaymentsContext,
  batch: Batch,
  stored: PayoutTransaction,
): Promise<'progress' | 'idle'> {
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
    log.warn(`block ${height} left the chain, and batch ${batch.id} with it: it is sent again`, {
      batch_id: batch.id,
      hash,
    });
    return 'progress';
  }
  if (header.confirmations < config.payout_confirmations) return 'idle';
  const payouts = await payoutsOf(database.knex, batch.id);
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await changeState(transaction, batch, 'bury', now);
    await postPaid(transaction, batch, payouts, stored.network_fee_sats, now);
  });
  log.info(`batch ${batch.id} final: ${payouts.length} users are paid`, {
    batch_id: batch.id,
    txid: stored.txid,
  });
  return 'progress';
}

const finals_at_once = 100;

/**
 * The highest final payout whose block has left the chain. Where one stands, all below it stand, and so
 * do those up to `verified_to`, below which the chain has not changed (null: anything may have).
 */
export async function returnFinalPayout(
  context: PaymentsContext,
  verified_to: BlockHeight | null,
): Promise<'progress' | 'idle'> {
  const { database, lease, node, clock, log } = context;
  for (const stored of await finalFromTheTop(database.knex, finals_at_once)) {
    const { confirmed } = stored;
    if (confirmed && verified_to !== null && confirmed.height <= verified_to) return 'idle';
    const now_there = confirmed && await node.blockHashAt(confirmed.height);
    if (confirmed && now_there === confirmed.hash) return 'idle';
    // A chain that does not reach up to its height says nothing.
    const batch = await batchById(database.knex, stored.batch_id);
    if (!confirmed || now_there === null || !batch) continue;
    const payouts = await payoutsOf(database.knex, batch.id);
    const now = timeText(clock.now_ms());
    await database.transaction(async (transaction) => {
      await lease.fence(transaction);
      await recordConfirmation(transaction, stored, null);
      await changeState(transaction, batch, 'reorg', now);
      await postUnpaid(transaction, batch, payouts, stored.network_fee_sats, now);
    });
    log.error(
      `block ${confirmed.height} left the chain, `
        + `and with it batch ${batch.id}, which was final: it is sent again`,
      { batch_id: batch.id, txid: stored.txid, hash: confirmed.hash },
    );
    return 'progress';
  }
  return 'idle';
}
