// What every move of the payments daemon is given, and the shapes by which daemon.ts, settling and paying
// meet. Types only, besides `createWaits`, so that each side can be read and tested without the other.
import type { Knex } from 'knex';
import type { ChainInfo, WalletNode } from '../shared/bitcoind/node.js';
import type { Clock } from '../shared/clock.js';
import type { Config } from '../shared/config.js';
import type { Database, Lease } from '../shared/database/database.js';
import type { Request } from '../shared/database/requests.js';
import type { Logger } from '../shared/logger.js';

export interface PaymentsContext {
  readonly config: Config;
  readonly database: Database;
  /** Every write transaction begins with `await lease.fence(transaction)`. */
  readonly lease: Lease;
  readonly node: WalletNode;
  readonly clock: Clock;
  readonly log: Logger;
  readonly waits: Waits;
}

/**
 * One bounded move with at most one effect. 'progress': something was changed, ask again at once. 'idle':
 * there is nothing to do now. A failed call throws and has changed no state.
 * `begun_at`: what the node said when the pass began, a moment ago; not given, a move asks for itself.
 */
export type Move = (context: PaymentsContext, begun_at?: ChainInfo) => Promise<'progress' | 'idle'>;

export interface NamedMove {
  readonly name: string;
  readonly move: Move;
}

/** What payments waits for and why; said once, and again only when it changes. */
export interface Waits {
  /** Called by a move each time it looked: one sentence, or null when it waits for nothing. */
  because(move: string, sentence: string | null): void;
  /** The sentences that hold now, for `status` and tests. */
  current(): readonly { readonly move: string; readonly sentence: string }[];
}

export function createWaits(log: Logger): Waits {
  const sentences = new Map<string, string>();
  return {
    because(move, sentence) {
      if (sentence === (sentences.get(move) ?? null)) return;
      if (sentence === null) {
        sentences.delete(move);
        return;
      }
      sentences.set(move, sentence);
      log.info(sentence, { waits: move });
    },
    current: () => [...sentences].map(([move, sentence]) => ({ move, sentence })),
  };
}

/**
 * What an operator's request comes to. The handler reads and decides; `write` is run by requests.ts inside
 * the one transaction that also holds the fence and the outcome row, so that both commit or neither does.
 */
export interface RequestDecision {
  readonly outcome: 'done' | 'refused';
  /** One sentence for the operator. */
  readonly detail: string;
  readonly write?: (transaction: Knex.Transaction) => Promise<void>;
}

/** A throw leaves the request open, to be tried again; a wrong argument is a decision 'refused'. */
export type RequestHandler = (context: PaymentsContext, request: Request) => Promise<RequestDecision>;

/** One check of `audit`. Read-only, without the lease; may throw OutsideFailure. */
export interface AuditCheck {
  readonly name: string;
  readonly run: (context: PaymentsContext) => Promise<{ readonly ok: boolean; readonly detail: string }>;
}
