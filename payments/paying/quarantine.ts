// When the node refuses to build a transaction: which of its addresses does it refuse? Those are
// quarantined and their amounts given back in one transaction, so that one name never holds up the
// others. Every output is tried by itself, which changes nothing at the node; a node that stays silent
// accuses nobody.
import { timeText } from '../../shared/database/database.js';
import { OutsideFailure } from '../../shared/errors.js';
import { printable } from '../../shared/username.js';
import type { PaymentsContext } from '../context.js';
import type { Draft } from '../core/payout-draft.js';
import { recordAddress } from '../edges/address-store.js';
import { releasePayouts, type Batch, type Payout } from '../edges/batch-store.js';

const reason = 'The node takes the name for an address, but refuses to make a transaction that pays it.';

/** False when no single address is to blame: then nothing was changed. */
export async function quarantineRefused(
  { database, lease, node, clock, log }: PaymentsContext,
  batch: Batch, payouts: readonly Payout[], draft: Draft, failure: unknown,
): Promise<boolean> {
  if (!isRefusal(failure)) return false;
  const scripts = new Set<string>();
  for (const output of draft.outputs) {
    await node.createTransaction(draft.coins.slice(0, 1), [output]).catch((again: unknown) => {
      if (!isRefusal(again)) throw again;
      scripts.add(output.script);
    });
  }
  const refused = payouts.filter(({ script }) => scripts.has(script));
  if (refused.length === 0) return false;
  const now = timeText(clock.now_ms());
  const remaining = payouts.filter(({ script }) => !scripts.has(script));
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    for (const { user_id, address, script } of refused) {
      await recordAddress(transaction, user_id, { state: 'quarantined', address, script, reason }, now);
    }
    await releasePayouts(
      transaction,
      batch,
      refused,
      remaining,
      `batch ${batch.id}: ${refused.length} names cannot be paid. ${reason}`,
      now,
    );
  });
  for (const { name } of refused) {
    log.warn('a name cannot be paid; its balance is kept', { user: printable(name), reason });
  }
  return true;
}

const isRefusal = (failure: unknown): boolean =>
  failure instanceof OutsideFailure && failure.kind === 'refused';
