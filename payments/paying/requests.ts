// An operator's word, acted on by whoever holds the lease: this only reads and decides; what is to be written
// commits together with the request's outcome. A batch is released only when its transaction is proved dead and
// no other one pays its users from its coins; no word of an operator can replace that proof, because it is what
// keeps a miner from being paid twice.
import type { Knex } from 'knex';
import { timeText } from '../../shared/database/database.js';
import { z } from 'zod';
import type { PaymentsContext, RequestDecision, RequestHandler } from '../context.js';
import { batchById, changeState, payoutsOf, releasePayouts, type Batch } from '../edges/batch-store.js';
import { incidentById, resolveIncident, type Incident } from '../edges/incident-store.js';
import { freeCoins } from '../edges/transaction-store.js';
import { disputedNow } from '../settle.js';
import { bookInsteadOf, bookLostPayout, type BookDecision } from './book.js';
import { readSent } from './broadcast.js';
import { choicesFor, type ChoiceName } from './choices.js';
import { heldBatchOf } from './hold.js';
import { recoverLosses } from './recover.js';
import { confirmationOf, obstacleOf, rivalThatPaysUsers } from './sightings.js';

const resolveArguments = z.object({ incident_id: z.number().int(), choice: z.string() });

export const payoutRequests: Readonly<Record<string, RequestHandler>> = {
  resolve: async (context, request) => {
    const parsed = resolveArguments.safeParse(request.arguments);
    if (!parsed.success) return refuse('The request names no incident and choice.');
    return resolve(context, parsed.data.incident_id, parsed.data.choice);
  },
};

const refuse = (detail: string): RequestDecision => ({ outcome: 'refused', detail });

async function resolve(
  context: PaymentsContext,
  incident_id: number,
  choice: string,
): Promise<RequestDecision> {
  const incident = await incidentById(context.database.knex, incident_id);
  if (!incident) return refuse(`There is no incident ${incident_id}.`);
  if (incident.state !== 'open') {
    return refuse(`Incident ${incident_id} is resolved already: ${incident.resolution ?? ''}`);
  }
  const choices = choicesFor(incident).map((one) => one.choice);
  if (!choices.includes(choice as ChoiceName)) {
    return refuse(`Incident ${incident_id} (${incident.kind}) leaves these choices: ${choices.join(', ')}.`);
  }
  const batch_id = heldBatchOf(incident);
  if (batch_id === null) {
    return choice === 'book' ? booked(context, incident, await bookLostPayout(context, incident)) : resume(context, incident);
  }
  const batch = await batchById(context.database.knex, batch_id);
  if (batch?.state !== 'held') return closing(context, incident, `Batch ${batch_id} is not held any more.`);
  if (choice === 'book') return booked(context, incident, await bookInsteadOf(context, incident, batch));
  return choice === 'retry' ? retry(context, incident, batch) : release(context, incident, batch);
}

function booked(context: PaymentsContext, incident: Incident, decision: BookDecision): RequestDecision {
  if ('refused' in decision) return refuse(decision.refused);
  if (!decision.closes) return { outcome: 'done', detail: decision.detail, write: decision.write };
  return closing(context, incident, decision.detail, decision.write);
}

/**
 * Disputed counts are accounting's to decide: closing the incident before would only hide why settling waits.
 */
async function resume(context: PaymentsContext, incident: Incident): Promise<RequestDecision> {
  const waits = incident.kind === 'disputed_counts' ? await disputedNow(context, incident.subject) : null;
  if (waits === null) return closing(context, incident, 'An operator has looked and lets paying go on.');
  return refuse(
    `${waits}: decide with \`obtc-accounting resolve <snapshot>\`, and settling goes on by itself.`,
  );
}

/** Closes the incident in the same transaction as `more`. */
function closing(
  context: PaymentsContext, incident: Incident, detail: string,
  more: (transaction: Knex.Transaction, now: string) => Promise<void> = async () => undefined,
): RequestDecision {
  const now = timeText(context.clock.now_ms());
  return {
    outcome: 'done',
    detail,
    write: async (transaction) => {
      await more(transaction, now);
      await resolveIncident(transaction, incident.id, detail, now);
    },
  };
}

const retry = (context: PaymentsContext, incident: Incident, batch: Batch): RequestDecision =>
  closing(
    context,
    incident,
    `Batch ${batch.id} is ${batch.held_from ?? ''} again and its stored transaction is sent again.`,
    (transaction, now) => changeState(transaction, batch, 'retry', now),
  );

async function release(context: PaymentsContext, incident: Incident, batch: Batch): Promise<RequestDecision> {
  const { stored, outputs } = await readSent(context, batch);
  if (await confirmationOf(context, stored, outputs)) {
    return refuse(
      `The transaction of batch ${batch.id} is in the chain: `
        + 'its users are paid. Choose retry, and it is followed.',
    );
  }
  const obstacle = await obstacleOf(context, stored);
  if (!obstacle?.dead) {
    const sentence = obstacle?.sentence ?? 'Remove the reason why the node refuses it '
      + '(for too low a fee, `prioritisetransaction` helps) and choose retry.';
    return refuse(
      `The transaction of batch ${batch.id} could still confirm, `
        + `so releasing it could pay its users twice. ${sentence}`,
    );
  }
  const rival = await rivalThatPaysUsers(context, stored);
  if (rival) {
    return refuse(
      `Transaction ${rival.txid} spends a coin of batch ${batch.id} and pays users of it `
        + `(${rival.confirmations} confirmations), so releasing the batch could pay them twice. Choose book when it has `
        + `${context.config.payout_confirmations}: it becomes the payout.`,
    );
  }
  const payouts = await payoutsOf(context.database.knex, batch.id);
  const detail = `Batch ${batch.id} is released and its amounts are balances again. ${obstacle.sentence}`;
  return closing(context, incident, detail, async (transaction, now) => {
    await releasePayouts(transaction, batch, payouts, [], detail, now);
    await recoverLosses(transaction, batch, payouts, now);
    await freeCoins(transaction, stored);
  });
}
