// One move: bring the kept sums of the ledger up to its last event, in one transaction that begins with the fence.
// Dying before the commit leaves them where they were, and what was not added is read from the entries: nobody
// sees a difference. With nothing to add, a handful of users is compared with their entries at every few looks, others
// each time, so that in time all are; a sum that is wrong stops the daemon. It writes nothing else and decides nothing.
import { invariant } from '../shared/errors.js';
import type { Move } from './context.js';
import {
  bringSums, lastDecisions, nextReach, sumsReach, wrongSumsAfter, type SumsReach,
} from './edges/sums-store.js';

/** The first look compares, and of the later ones one in so many. */
const compare_every = 10;

/** A move with the memory of where it had nothing to add, and of whom it has compared. */
export function createSumKeeper(): Move {
  let added_at: string | null = null;
  let compared_to = 0;
  let looks = 0;
  return async ({ database, lease }) => {
    const { event_id, round_id } = await lastDecisions(database.knex);
    const reach = await sumsReach(database.knex);
    // What can be added changes with events and rounds alone; a database that was put back says so by its reach.
    const now = [event_id, round_id, reach.event_id, reach.decided_block_id, reach.spent_block_id].join(' ');
    if (now !== added_at) {
      const next = await nextReach(database.knex, reach, event_id);
      if (isFurther(next, reach)) {
        await database.transaction(async (transaction) => {
          await lease.fence(transaction);
          await bringSums(transaction, database.engine, reach, next);
        });
        return 'progress';
      }
      added_at = now;
    }
    looks += 1;
    if (looks % compare_every !== 1) return 'idle';
    const { wrong: doubtful, last } = await wrongSumsAfter(database.knex, reach, compared_to);
    // Mostly nobody else writes entries or sums. Who has lost the lease may have read two states of them.
    const wrong = doubtful.length === 0 ? [] : await database.snapshot(async (view) =>
      (await wrongSumsAfter(view, await sumsReach(view), compared_to)).wrong);
    invariant(
      wrong.length === 0,
      `A kept sum differs from the ledger: ${wrong[0] ?? ''}. Nothing is paid by it; see \`obtc-payments audit\`.`,
    );
    compared_to = last ?? 0;
    return 'idle';
  };
}

const isFurther = (next: SumsReach, reach: SumsReach): boolean =>
  next.event_id > reach.event_id || next.decided_block_id > reach.decided_block_id
  || next.spent_block_id > reach.spent_block_id;
