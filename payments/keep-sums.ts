// One move: bring the kept sums of the ledger up to its last event, in one transaction that begins with the fence.
// Dying before the commit leaves them where they were, and what was not added is read from the entries: nobody
// sees a difference. With nothing to add, a handful of users is compared with their entries, others at each look,
// so that in time all are; a sum that is wrong stops the daemon. It writes nothing else and decides nothing.
import { invariant } from '../shared/errors.js';
import type { Move } from './context.js';
import { lastEventId } from './edges/ledger-store.js';
import { bringSums, nextReach, sumsReach, wrongSumsAfter } from './edges/sums-store.js';

const users_at_once = 50;

/** A move with the memory of whom it has compared. */
export function createSumKeeper(): Move {
  let compared_to = 0;
  return async ({ database, lease }) => {
    const reach = await sumsReach(database.knex);
    const next = await nextReach(database.knex, reach, await lastEventId(database.knex));
    if (next.event_id > reach.event_id || next.decided_block_id > reach.decided_block_id || next.spent_block_id > reach.spent_block_id) {
      await database.transaction(async (transaction) => {
        await lease.fence(transaction);
        await bringSums(transaction, database.engine, reach, next);
      });
      return 'progress';
    }
    const { wrong, last } = await database.snapshot((view) => wrongSumsAfter(view, compared_to, users_at_once));
    invariant(
      wrong.length === 0,
      `A kept sum differs from the ledger: ${wrong[0] ?? ''}. Nothing is paid by it; see \`obtc-payments audit\`.`,
    );
    compared_to = last ?? 0;
    return 'idle';
  };
}
