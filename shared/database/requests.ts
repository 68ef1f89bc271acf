// What commands ask of a daemon. A command only inserts a request; the daemon that holds the lease acts on it
// and writes the outcome in the same transaction as what it did, so a request is acted on once.
import { hostname, userInfo } from 'node:os';
import type { Knex } from 'knex';
import { smallInteger, timeText, type Database } from './database.js';

export type DaemonName = 'accounting' | 'payments';

export interface Request {
  readonly id: number;
  readonly action: string;
  readonly arguments: Record<string, unknown>;
  readonly requested_by: string;
  readonly requested_at: string;
}

export interface NewRequest {
  readonly daemon: DaemonName;
  readonly action: string;
  readonly arguments: Record<string, unknown>;
  readonly requested_by: string;
}

export interface Outcome {
  readonly outcome: 'done' | 'refused';
  readonly detail: string;
}

interface RequestRow extends Omit<Request, 'id' | 'arguments'> {
  readonly id: unknown;
  readonly arguments: string;
}

const outcomes: Record<DaemonName, string> = {
  accounting: 'accounting_outcomes',
  payments: 'payment_outcomes',
};

/** Who asks, for people: the login, or the number of a user without one, and the host. */
export function requester(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return `user ${process.getuid?.() ?? '?'}@${hostname()}`;
  }
}

/**
 * Returns the request's id, by which its outcome is found. Not repeated by itself: asking twice is two
 * requests.
 */
export async function recordRequest(database: Database, request: NewRequest): Promise<number> {
  return database.transaction(async (transaction) => {
    const [id] = await transaction('operator_requests').insert({
      daemon: request.daemon,
      action: request.action,
      arguments: JSON.stringify(request.arguments),
      requested_by: request.requested_by.slice(0, 255),
      requested_at: timeText(Date.now()),
    });
    return smallInteger(id);
  });
}

/** Requests without an outcome, oldest first. */
export async function openRequests(database: Database, daemon: DaemonName): Promise<Request[]> {
  const rows = await database.knex('operator_requests AS r')
    .leftJoin(`${outcomes[daemon]} AS o`, 'o.request_id', 'r.id')
    .where('r.daemon', daemon)
    .whereNull('o.request_id')
    .orderBy('r.id')
    .select<RequestRow[]>('r.id', 'r.action', 'r.arguments', 'r.requested_by', 'r.requested_at');
  return rows.map((row) => ({
    ...row,
    id: smallInteger(row.id),
    arguments: JSON.parse(row.arguments) as Record<string, unknown>,
  }));
}

/**
 * For the lease holder only, after its fence. @throws OutsideFailure refused when there is an outcome
 * already.
 */
export async function recordOutcome(
  transaction: Knex.Transaction,
  daemon: DaemonName,
  request_id: number,
  outcome: Outcome['outcome'],
  detail: string,
): Promise<void> {
  await transaction(outcomes[daemon]).insert({ request_id, outcome, detail, acted_at: timeText(Date.now()) });
}

/** Null while no daemon has acted on it. */
export async function outcomeOf(
  database: Database,
  daemon: DaemonName,
  request_id: number,
): Promise<Outcome | null> {
  const row = await database
    .knex(outcomes[daemon])
    .where({ request_id })
    .first<Outcome | undefined>('outcome', 'detail');
  return row ?? null;
}
