// What operators asked of this daemon by command. One request at a time: its handler reads and decides, then
// one transaction with the fence, the handler's writes and the outcome row. Dying before the commit
// leaves the request open; after it, it is never acted on again.
import { openRequests, recordOutcome, type Request } from '../shared/database/requests.js';
import type { PaymentsContext, RequestDecision, RequestHandler } from './context.js';

/** Acts on the oldest open request. */
export async function actOnRequest(
  context: PaymentsContext, handlers: Readonly<Record<string, RequestHandler>>,
): Promise<'progress' | 'idle'> {
  const [request] = await openRequests(context.database, 'payments');
  if (!request) return 'idle';
  const decision = await decide(context, request, handlers);
  await context.database.transaction(async (transaction) => {
    await context.lease.fence(transaction);
    await decision.write?.(transaction);
    await recordOutcome(transaction, 'payments', request.id, decision.outcome, decision.detail);
  });
  context.log.info(`Request ${request.id} (${request.action}) is ${decision.outcome}: ${decision.detail}`, {
    requested_by: request.requested_by,
  });
  return 'progress';
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
