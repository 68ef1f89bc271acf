// The payments daemon as one `step()`: renew the lease, else act on one request, else the first move that has
// something to do, in the order in which money flows:
//   preflight → foreign spends → watch decided blocks → settle the next block → what paying has to do → keep sums
// Each move is one effect, so a crash between any two of them is a crash that a test can make. A whole pass
// that found nothing to do is repeated after `check_mature_period_ms`; until then only the lease and the
// operators' requests are looked at.
import type { Daemon } from '../shared/daemon.js';
import { OutsideFailure } from '../shared/errors.js';
import { lease_duration_ms, type DaemonLease } from '../shared/database/lease.js';
import type { NamedMove, PaymentsContext, RequestHandler } from './context.js';
import { chainScan } from './edges/facts.js';
import { watchForeignSpends } from './foreign-spends.js';
import { createSumKeeper } from './keep-sums.js';
import { planAnew } from './paying/plan.js';
import { watch } from './paying/watch.js';
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
  const watch_blocks = createBlockWatch();
  const moves: readonly NamedMove[] = [
    { name: 'watch blocks', move: watch_blocks },
    { name: 'settle', move: settle },
    ...options.paying,
    { name: 'keep sums', move: createSumKeeper() },
  ];
  let renewed_at_ms = clock.monotonic_ms();
  let next_pass_ms = renewed_at_ms;
  /**
   * What is expensive to look at can change only with the chain or with what accounting has read of it: it is looked
   * at once for each tip and each complete-to. A restored database learns of blocks while the tip stands still.
   */
  let looked_at: string | null = null;
  /** A transaction of ours failed, and how it ended may not be known. */
  let undecided = false;

  async function step(): Promise<'progress' | 'idle'> {
    try {
      return await nextMove();
    } catch (failure) {
      undecided = failure instanceof OutsideFailure && failure.where === 'database';
      // Or the database is another one now: one that was restored is looked at as at a start.
      if (undecided) {
        looked_at = null;
        planAnew(context);
      }
      throw failure;
    }
  }

  async function nextMove(): Promise<'progress' | 'idle'> {
    // A COMMIT that was cut off may still arrive. Until then it holds the row of the lease, so once that is
    // renewed it has taken effect or never will, and what is read from then on holds.
    if (undecided || clock.monotonic_ms() - renewed_at_ms >= renew_every_ms) {
      const started_ms = clock.monotonic_ms();
      await options.lease.renew();
      renewed_at_ms = started_ms;
      undecided = false;
    }
    if ((await actOnRequest(context, options.requests)) === 'progress') {
      // What was booked or given up makes other coins ours, and others' spends of them foreign: look before the next plan.
      looked_at = null;
      next_pass_ms = clock.monotonic_ms();
      return 'progress';
    }
    if (clock.monotonic_ms() < next_pass_ms) return 'idle';
    return pass();
  }

  async function pass(): Promise<'progress' | 'idle'> {
    const begun_at = await requireSynced(context);
    const scan = await chainScan(context.database.knex);
    const to_look_at = `${begun_at.tip_hash} ${scan?.complete?.hash ?? ''}`;
    if (to_look_at !== looked_at) {
      if ((await rememberIdentity(context, await checkNode(context))) === 'progress') return 'progress';
      if ((await watchForeignSpends(context)) === 'progress') return 'progress';
      // Until accounting has said which chain and script are its own, they are compared at every pass.
      if (scan) looked_at = to_look_at;
    }
    for (const { move } of moves) {
      if ((await move(context, begun_at)) !== 'progress') continue;
      // A payout newly seen in the chain has change that a stranger may have spent, a block that is back in it a
      // coin: look before the next plan.
      if (move === watch || move === watch_blocks) looked_at = null;
      return 'progress';
    }
    next_pass_ms = clock.monotonic_ms() + config.check_mature_period_ms;
    return 'idle';
  }

  return { idle_ms: Math.min(config.check_mature_period_ms, renew_every_ms), step };
}
