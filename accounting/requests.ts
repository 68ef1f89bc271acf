// What commands ask of the accounting daemon: `baseline` and `resolve`. A command inserts a row; only the
// holder of the lease acts on it; the decision and its outcome row commit together, so that a request is
// acted upon once.
import type { Knex } from 'knex';
import { smallInteger } from '../shared/database/database.js';
import { openRequests, recordOutcome, type Request } from '../shared/database/requests.js';
import { logPosition } from '../shared/units.js';
import type { AccountingContext, Outcome } from './context.js';
import { decideDispute } from './edges/dispute-store.js';
import { recordShareBaseline } from './edges/cut-store.js';
import { positionOf } from './edges/log-state.js';
import { isPlaceTaken, recordBaseline, workWasSettled } from './edges/snapshot-rows.js';
import type { LogReader } from './read-log.js';
import type { ShareReader } from './read-shares.js';

interface Decision {
  readonly outcome: 'done' | 'refused';
  readonly detail: string;
}

/** Answers the oldest open request, if there is one. */
export async function answerRequests(
  context: AccountingContext, reader: LogReader, share_reader: ShareReader,
): Promise<Outcome> {
  const { database, lease } = context;
  const [request] = await openRequests(database, 'accounting');
  if (!request) return 'idle';
  const state = await reader.state();
  const share_state = await share_reader.state();
  const decision = await database.transaction(async (transaction) => {
    await lease.fence(transaction);
    const made = await decide(transaction, request);
    await recordOutcome(transaction, 'accounting', request.id, made.outcome, made.detail);
    return made;
  }).finally(() => {
    reader.forget(); // A baseline changes the users' counts, and it may be there though its COMMIT got no answer.
    share_reader.forget();
  });
  context.log.info(`request ${request.id} (${request.action}): ${decision.outcome}: ${decision.detail}`);
  return 'progress';

  async function decide(transaction: Knex.Transaction, asked: Request): Promise<Decision> {
    switch (asked.action) {
      case 'baseline': {
        if (!state.cursor) {
          return { outcome: 'refused', detail: 'no log has been read yet; a baseline needs a place in it' };
        }
        // On the last byte of what was read: a block line that follows at once has its own place.
        const position = logPosition(positionOf(state.cursor) - 1n);
        if (position < state.cursor.log_start) {
          return {
            outcome: 'refused',
            detail: 'no line of this log has been read yet; a baseline needs a place in it',
          };
        }
        if (await workWasSettled(transaction)) {
          return {
            outcome: 'refused',
            detail: 'payments has settled rounds with work already: a baseline would move nothing',
          };
        }
        if (await isPlaceTaken(transaction, position)) {
          return {
            outcome: 'refused',
            detail: `there is a snapshot at this very place (${position}) already`,
          };
        }
        if (share_state) {
          await recordShareBaseline(transaction, share_state, state, position, context.clock.now_ms());
          return { outcome: 'done', detail: 'the first round begins with the next share' };
        }
        const risen = [...state.risen].map((name) => state.users.get(name)!);
        await recordBaseline(transaction, state.cursor, position, risen, context.clock.now_ms());
        return { outcome: 'done', detail: `the first round begins at log position ${position}` };
      }
      case 'resolve':
        return resolveDispute(transaction, asked);
      default:
        return { outcome: 'refused', detail: `unknown action ${JSON.stringify(asked.action)}` };
    }
  }
}

/** The operator's word on disputed counts of one snapshot: they count, or they do not. */
async function resolveDispute(transaction: Knex.Transaction, asked: Request): Promise<Decision> {
  const { snapshot, choice } = asked.arguments as { snapshot?: unknown; choice?: unknown };
  if (
    (choice !== 'taken' && choice !== 'dropped')
    || (typeof snapshot !== 'number' && typeof snapshot !== 'string')
  ) {
    return { outcome: 'refused', detail: 'a dispute is resolved with --take or --drop' };
  }
  const id = smallInteger(snapshot);
  return (await decideDispute(transaction, id, choice))
    ? { outcome: 'done', detail: `the disputed counts of snapshot ${id} are ${choice}` }
    : { outcome: 'refused', detail: `snapshot ${id} holds no open dispute` };
}
