// When a payout is given up that had been promised before a block was lost: the loss could not take
// back what was promised, and booked it as the pool's. Now that it is a balance again and nobody was
// paid, it is taken back, in the transaction of the release. What was planned after the loss is not touched.
import type { Knex } from 'knex';
import { recoverEntries } from '../core/ledger.js';
import type { Batch, Payout } from '../edges/batch-store.js';
import { balancesOf, postEvent, reservedBy, roundLedger } from '../edges/ledger-store.js';
import { lostRounds } from '../edges/round-store.js';

export async function recoverLosses(
  transaction: Knex.Transaction, batch: Batch, payouts: readonly Payout[], now: string,
): Promise<void> {
  const promised_at = await reservedBy(transaction, batch.id);
  const users = payouts.map(({ user_id }) => user_id);
  for (const round of await lostRounds(transaction)) {
    const ledger = await roundLedger(transaction, round.id);
    if (!ledger || ledger.event_id < promised_at) continue;
    const entries = recoverEntries(ledger.net, await balancesOf(transaction, users));
    if (entries.length === 0) continue;
    await postEvent(transaction, {
      kind: 'reverse',
      cause: `reverse:${round.block_hash}:${ledger.events}`,
      round_id: round.id,
      batch_id: batch.id,
      occurred_at: now,
      detail:
        `block ${round.height} left the active chain and batch ${batch.id} paid nobody: `
        + 'its credits are taken back',
      entries,
    });
  }
}
