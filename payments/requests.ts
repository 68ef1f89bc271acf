// What operators asked of this daemon by command. One request at a time: its handler reads and decides, then
// one transaction with the fence, the handler's writes and the outcome row. Dying before the commit
// leaves the request open; after it, it is never acted on again. What the database refuses to write certainly did not
// happen and never will: the request is refused with its sentence, since an open one stands before everything else.
import { OutsideFailure } from '../shared/errors.js';
import { openRequests, recordOutcome, type Request } from '../shared/database/requests.js';
import type { PaymentsContext, RequestDecision, RequestHandler } from './context.js';

/** Acts on the oldest open request. */
export async function actOnRequest(
  context: PaymentsContext, handlers: Readonly<Record<string, RequestHandler>>,
): Promise<'progress' | 'idle'> {
  const [request] = await openRequests(context.database, 'payments');
  if (!request) return 'idle';
  const decision = await carryOut(context, request, await decide(context, request, handlers));
  context.log.info(`Request ${request.id} (${request.action}) is ${decision.outcome}: ${decision.detail}`, {
    requested_by: request.requested_by,
  });
  return 'progress';
}

async function carryOut(
  context: PaymentsContext, request: Request, decision: RequestDecision,
): Promise<RequestDecision> {
  try {
    await context.database.transaction(async (transaction) => {
      await context.lease.fence(transaction);
      await decision.write?.(transaction);
      await recordOutcome(transaction, 'payments', request.id, decision.outcome, decision.detail);
    });
    return decision;
  } catch (failure) {
    if (!decision.write || !(failure instanceof OutsideFailure) || failure.kind !== 'refused') throw failure;
    return carryOut(context, request, { outcome: 'refused', detail: `It was not carried out. ${failure.message}` });
  }
}

async function decide(
  context: PaymentsContext, request: Request, handlers: Readonly<Record<string, RequestHandler>>,
): Promise<RequestDecision> {
  const handler = Object.hasOwn(handlers, request.action) ? handlers[request.action] : undefined;
  if (handler) return handler(context, request);
  return {
    outcome: 'refused',
    detail: `This version of payments does not know the action ${JSON.stringify(request.action)}.`,
  };
}
