// Sets a batch aside for a person: state, reason and incident in one transaction. Nothing leaves `held` by
// itself; `obtc-payments resolve` says what can be done.
import type { Knex } from 'knex';
import { timeText } from '../../shared/database/database.js';
import type { PaymentsContext } from '../context.js';
import { holdBatch, type Batch } from '../edges/batch-store.js';
import { incidentSubjects, raiseIncident } from '../edges/incident-store.js';

export type HoldKind = 'payout_conflicted' | 'payout_rejected';

export async function hold(
  context: PaymentsContext,
  batch: Batch,
  kind: HoldKind,
  reason: string,
): Promise<void> {
  const { database, lease, clock, log } = context;
  const now = timeText(clock.now_ms());
  const detail = `Batch ${batch.id} is held. ${reason}`;
  await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    await holdBatch(transaction, batch, reason, now);
    const subject = await freshSubject(transaction, kind, batch.id);
    await raiseIncident(transaction, { kind, subject, stops_paying: true, detail, raised_at: now });
  });
  log.error(detail, { batch_id: batch.id });
}

/** The batch of an incident raised here; null for incidents about other things. */
export function heldBatchOf(incident: { readonly kind: string; readonly subject: string }): number | null {
  const match = /^batch (\d+)(?: \(\d+\))?$/.exec(incident.subject);
  return match && (incident.kind === 'payout_conflicted' || incident.kind === 'payout_rejected')
    ? Number(match[1])
    : null;
}

/**
 * `batch 3`, or `batch 3 (2)` when it was held for the same reason before: what was resolved stays as
 * it was said.
 */
async function freshSubject(
  transaction: Knex.Transaction,
  kind: HoldKind,
  batch_id: number,
): Promise<string> {
  const known = await incidentSubjects(transaction, kind);
  const first = `batch ${batch_id}`;
  if (!known.has(first)) return first;
  let times = 2;
  while (known.has(`${first} (${times})`)) times += 1;
  return `${first} (${times})`;
}
