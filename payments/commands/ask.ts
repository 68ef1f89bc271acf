// How a command changes something: it inserts a request and waits for the daemon to act on it. Where no
// daemon runs, the command takes the lease itself and acts as the daemon would. Dying in between leaves
// the request, which the next start acts on.
import { hostname } from 'node:os';
import { createLease } from '../../shared/database/lease.js';
import { outcomeOf, recordRequest, requester, type Outcome } from '../../shared/database/requests.js';
import { OutsideFailure } from '../../shared/errors.js';
import type { PaymentsContext, RequestHandler } from '../context.js';
import { actOnRequest } from '../requests.js';

const wait_ms = 30_000;
const look_again_ms = 250;

export interface Ask {
  readonly action: string;
  readonly arguments: Record<string, unknown>;
  /** For acting without a daemon. */
  readonly handlers: Readonly<Record<string, RequestHandler>>;
}

/**
 * @returns what the daemon answered.
 * @throws OutsideFailure when nobody acted on it within 30 s: it stays asked.
 */
export async function askPayments(context: PaymentsContext, ask: Ask): Promise<Outcome> {
  const { database, clock } = context;
  const id = await recordRequest(database, {
    daemon: 'payments',
    action: ask.action,
    arguments: ask.arguments,
    requested_by: requester(),
  });
  const lease = createLease(database, 'payments_lease', `${hostname()} ${process.pid} ${ask.action}`);
  const until_ms = clock.monotonic_ms() + wait_ms;
  try {
    while (clock.monotonic_ms() < until_ms) {
      const outcome = await outcomeOf(database, 'payments', id);
      if (outcome) return outcome;
      if (lease.epoch !== null || (await lease.tryTake())) {
        await actOnRequest({ ...context, lease }, ask.handlers);
      } else {
        await clock.sleep(look_again_ms);
      }
    }
  } finally {
    await lease.release();
  }
  throw new OutsideFailure(
    'unknown',
    'database',
    `Request ${id} is recorded, but the payments daemon has not `
      + `acted on it within ${wait_ms / 1000} s; it will, see \`status\`.`,
  );
}
