// A pool whose miners have something to be paid: blocks mined to its address, facts as accounting would have
// written them, settled by the real move. On the simulated or a real node; payments' own moves are the
// caller's to run.
import { payingMoves } from '../payments/paying/moves.js';
import type { PaymentsContext } from '../payments/context.js';
import { settle } from '../payments/settle.js';
import type { Config } from '../shared/config.js';
import type { WalletNode } from '../shared/bitcoind/node.js';
import type { Database } from '../shared/database/database.js';
import type { BlockHash } from '../shared/units.js';
import { createFacts, type FactsBuilder } from './facts.js';
import { openPayments, type TestPayments } from './payments-context.js';

/** What both kinds of node can do. */
export interface PoolNode {
  readonly node: WalletNode;
  mine(blocks: number, address: string): Promise<readonly BlockHash[]>;
}

export interface PayablePool {
  readonly context: TestPayments;
  readonly facts: FactsBuilder;
  readonly pool_address: string;
  /** One block to the pool for this work; nothing is settled yet. */
  readonly earn: (shares: Readonly<Record<string, number>>) => Promise<BlockHash>;
  /** Buries what was earned, and settles it. */
  readonly mature: () => Promise<void>;
  /** Blocks for nobody here, with what the mempool has. */
  readonly bury: (blocks: number) => Promise<void>;
}

export async function createPayablePool(
  database: Database,
  chain: PoolNode,
  addresses: { readonly pool: string; readonly nobody: string },
  change: Partial<Config> = {},
  /** Where accounting's login writes, if payments has one of its own. */
  facts_database: Database = database,
): Promise<PayablePool> {
  const context = await openPayments(database, chain.node, addresses.pool, change);
  const facts = createFacts(facts_database, chain.node, addresses.pool);
  const bury = async (blocks: number) => {
    await chain.mine(blocks, addresses.nobody);
  };
  return {
    context,
    facts,
    bury,
    pool_address: addresses.pool,
    earn: async (shares) => {
      await facts.work(shares);
      const [hash] = await chain.mine(1, addresses.pool);
      if (hash === undefined) throw new Error('no block was mined');
      await facts.line(hash);
      return hash;
    },
    mature: async () => {
      await bury(100);
      await facts.complete();
      while ((await settle(context)) === 'progress');
    },
  };
}

/**
 * One step of the daemon, as far as paying goes: the name of the first move that had something to do,
 * or 'idle'.
 */
export async function payingStep(context: PaymentsContext): Promise<string> {
  for (const { name, move } of payingMoves) if ((await move(context)) === 'progress') return name;
  return 'idle';
}

/** Steps until there is nothing to do; the names of the moves that did something. */
export async function payUntilIdle(context: PaymentsContext): Promise<string[]> {
  const done: string[] = [];
  for (let limit = 0; limit < 100; limit += 1) {
    const name = await payingStep(context);
    if (name === 'idle') return done;
    done.push(name);
  }
  throw new Error(`paying finds no rest: ${done.join(', ')}`);
}
