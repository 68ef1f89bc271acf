// One move: promise the next batch. Batch, payouts and the reserve event commit together; dying before leaves
// nothing, after it the batch is there and `prepare` goes on. Never while another batch is not accepted by
// the node yet, while an incident stops paying, or on a node that is catching up.
import { formatCoins } from '../../shared/amount.js';
import { timeText } from '../../shared/database/database.js';
import type { PaymentsContext } from '../context.js';
import { unaccepted_states } from '../core/payout-state.js';
import { batchesIn, reserveBatch } from '../edges/batch-store.js';
import { payingStopped } from '../edges/incident-store.js';
import { lastEventId } from '../edges/ledger-store.js';
import { nextBatch, type NextBatch } from './next-batch.js';

/**
 * After which event of the ledger nobody reached the minimum. Balances change with events alone, and what may be paid
 * with the names' answers (`planAnew`): until then it need not be read again who has what.
 */
const nobody_after = new WeakMap<PaymentsContext, number>();

/** A name that could not be paid can be now. */
export const planAnew = (context: PaymentsContext): void => { nobody_after.delete(context); };

export async function plan(context: PaymentsContext): Promise<'progress' | 'idle'> {
  const { config, database, lease, clock, log, waits } = context;
  const wait = (sentence: string | null): 'idle' => {
    waits.because('plan', sentence);
    return 'idle';
  };
  const event_id = await lastEventId(database.knex);
  const nobody = nobody_after.get(context) === event_id;
  // What holds up an unaccepted batch is said by the move that is at work on it.
  if (!nobody && (await batchesIn(database.knex, unaccepted_states)).length > 0) return wait(null);
  const incident = await incidentInTheWay(context);
  if (incident !== null) return wait(incident);
  if (nobody) return wait(null);
  const next = await nextBatch(context);
  const { draft } = next;
  if (draft === null && next.fee_rate === null && next.postponed === null) nobody_after.set(context, event_id);
  if (draft === null) return wait(whyNobody(next));
  const stopped = await whyPayingStopped(context);
  if (stopped !== null) return wait(stopped);
  const now = timeText(clock.now_ms());
  const batch_id = await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    return reserveBatch(transaction, draft.outputs, config.network_fee_from, now);
  });
  waits.because('plan', null);
  log.info(
    `batch ${batch_id} planned: ${draft.outputs.length} outputs, ${formatCoins(draft.planned_sats)}`,
    { batch_id },
  );
  return 'progress';
}

/** One sentence when nothing new may be signed or sent now, whatever the balances. */
export async function whyPayingStopped(context: PaymentsContext): Promise<string | null> {
  const incident = await incidentInTheWay(context);
  if (incident !== null) return incident;
  const { synced } = await context.node.chainInfo();
  return synced ? null : 'The node is still catching up with the chain; nothing is paid until it has.';
}

/** Who is merely below the minimum payout is nothing to report. */
function whyNobody({ postponed, waiting, fee_rate }: NextBatch): string | null {
  if (postponed !== null) return postponed;
  return fee_rate === null ? null : (waiting[0]?.reason ?? null);
}

async function incidentInTheWay({ database }: PaymentsContext): Promise<string | null> {
  const [incident] = await payingStopped(database.knex);
  return incident
    ? `Incident ${incident.id} (${incident.kind}) stops paying: see \`obtc-payments resolve ${incident.id}\`.`
    : null;
}
