// Coins of the pool that somebody else has spent and of which an operator's word is recorded: an
// incident about the spend was resolved, or the payout that was to spend it was proved dead and
// released. They are gone, but no secret.
import type { Knex } from 'knex';
import { coinKey } from './core/coin-choice.js';
import { coinbaseOfBlocks } from './edges/facts.js';
import { resolvedDetails, resolvedSubjects } from './edges/incident-store.js';
import { abandonedCoins } from './edges/transaction-store.js';

/** The kind of incident: somebody else has spent a coin of ours. */
export const foreign_spend = 'foreign_spend';

export interface Acknowledged {
  /** Subjects of resolved incidents about foreign spends. */
  readonly subjects: ReadonlySet<string>;
  /** How many spends. */
  readonly count: number;
  has(coin: { readonly txid: string; readonly index: number }): boolean;
}

export async function acknowledgedSpends(knex: Knex): Promise<Acknowledged> {
  const subjects = await resolvedSubjects(knex, foreign_spend);
  const coinbases = await coinbaseOfBlocks(knex, subjects);
  const conflicted = await conflictedCoins(knex);
  return {
    subjects,
    count: subjects.size + conflicted.size,
    has: (coin) => coinbases.has(coin.txid) || subjects.has(coinKey(coin)) || conflicted.has(coinKey(coin)),
  };
}

/**
 * Coins of released payouts that a resolved incident names as spent; the others of the same payouts are
 * free again.
 */
export async function conflictedCoins(knex: Knex): Promise<Set<string>> {
  const told = (await resolvedDetails(knex, 'payout_conflicted')).join('\n');
  if (told === '') return new Set();
  return new Set([...await abandonedCoins(knex)].filter((key) => told.includes(`${key} was spent`)));
}
