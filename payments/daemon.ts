// The payments daemon as one `step()`: renew the lease, else act on one request, else the first move that has
// something to do, in the order in which money flows:
//   preflight → foreign spends → watch decided blocks → settle the next block → what paying has to do
// Each move is one effect, so a crash between any two of them is a crash that a test can make. A whole pass
// that found nothing to do is repeated after `check_mature_period_ms`; until then only the lease and the
// operators' requests are looked at.
import type { Daemon } from '../shared/daemon.js';
import { lease_duration_ms, type DaemonLease } from '../shared/database/lease.js';
import type { NamedMove, PaymentsContext, RequestHandler } from './context.js';
import { watchForeignSpends } from './foreign-spends.js';
import { checkNode, rememberIdentity, requireSynced } from './preflight.js';
import { actOnRequest } from './requests.js';
import { settle } from './settle.js';
import { createBlockWatch } from './watch-blocks.js';

const renew_every_ms = lease_duration_ms / 4;

export interface PaymentsDaemonOptions {
  readonly lease: DaemonLease;
  /** Paying, in its own order: re-broadcast first, planning last. */
  readonly paying: readonly NamedMove[];
  readonly requests: Readonly<Record<string, RequestHandler>>;
}

export function createPaymentsDaemon(context: PaymentsContext, options: PaymentsDaemonOptions): Daemon {
  const { clock, config } = context;
  const moves: readonly NamedMove[] = [
    { name: 'watch blocks', move: createBlockWatch() },
    { name: 'settle', move: settle },
    ...options.paying,
  ];
  let renewed_at_ms = clock.monotonic_ms();
  let next_pass_ms = renewed_at_ms;
  /** Of this pass: what is expensive to look at and cannot be undone by our own moves is looked at once. */
  let node_checked = false;
  let spends_checked = false;

  async function step(): Promise<'progress' | 'idle'> {
    if (clock.monotonic_ms() - renewed_at_ms >= renew_every_ms) {
      const started_ms = clock.monotonic_ms();
      await options.lease.renew();
      renewed_at_ms = started_ms;
    }
    if ((await actOnRequest(context, options.requests)) === 'progress') {
      next_pass_ms = clock.monotonic_ms();
      return 'progress';
    }
    if (clock.monotonic_ms() < next_pass_ms) return 'idle';
    return pass();
  }

  async function pass(): Promise<'progress' | 'idle'> {
    await requireSynced(context);
    if (!node_checked) {
      const identity = await checkNode(context);
      node_checked = true;
      if ((await rememberIdentity(context, identity)) === 'progress') return 'progress';
    }
    if (!spends_checked && (await watchForeignSpends(context)) === 'progress') return 'progress';
    spends_checked = true;
    for (const { move } of moves) if ((await move(context)) === 'progress') return 'progress';
    node_checked = false;
    spends_checked = false;
    next_pass_ms = clock.monotonic_ms() + config.check_mature_period_ms;
    return 'idle';
  }

  return { idle_ms: Math.min(config.check_mature_period_ms, renew_every_ms), step };
}
