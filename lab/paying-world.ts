// A pool on the simulated node with two miners, and what must hold of it after whatever a test did. For tests
// of paying.
import { expect } from 'vitest';
import { sumSatoshis } from '../shared/amount.js';
import type { Config } from '../shared/config.js';
import type { Database } from '../shared/database/database.js';
import type { PaymentsContext } from '../payments/context.js';
import { batchById, batchesIn } from '../payments/edges/batch-store.js';
import { accountBalances, minerBalances } from '../payments/edges/ledger-store.js';
import { createPayablePool, payingStep, type PayablePool } from './payable-pool.js';
import { createSimulatedNode, type SimulatedNode } from './simulated-node.js';

export interface PayingWorld extends PayablePool {
  readonly sim: SimulatedNode;
  readonly alice: string;
  readonly bob: string;
  readonly operator: string;
}

export async function createPayingWorld(
  database: Database, change: Partial<Config> = {}, facts_database: Database = database,
): Promise<PayingWorld> {
  const sim = createSimulatedNode();
  const chain = {
    node: sim.node,
    mine: async (blocks: number, address: string) => sim.mine(blocks, address),
  };
  const pool = await createPayablePool(
    database,
    chain,
    { pool: sim.newAddress(), nobody: sim.foreignAddress() },
    change,
    facts_database,
  );
  return {
    ...pool,
    sim,
    alice: sim.foreignAddress(),
    bob: sim.foreignAddress('legacy'),
    operator: sim.newAddress(),
  };
}

/** Alice and Bob have earned two blocks, three to one. */
export async function earnedWorld(database: Database, change: Partial<Config> = {}): Promise<PayingWorld> {
  const world = await createPayingWorld(database, change);
  for (let block = 0; block < 2; block += 1) await world.earn({ [world.alice]: 300, [world.bob]: 101 });
  await world.mature();
  return world;
}

export const spendsOnChain = async (sim: SimulatedNode) =>
  (await sim.node.walletSpends(null)).filter(({ confirmations }) => confirmations > 0);

export async function stateOf({ context }: PayingWorld, batch_id = 1): Promise<string | undefined> {
  return (await batchById(context.database.knex, batch_id))?.state;
}

export const until = async (context: PaymentsContext, name: string): Promise<void> => {
  for (let limit = 0; limit < 20; limit += 1) if ((await payingStep(context)) === name) return;
  throw new Error(`paying never came to ${name}`);
};

/** What must hold whatever happened, from ledger and chain alone. */
export async function expectBooksAndChainAgree(world: PayingWorld): Promise<void> {
  const { context: { database }, sim } = world;
  const balances = await accountBalances(database.knex);
  expect(sumSatoshis(Object.values(balances))).toBe(0n);
  const live = await batchesIn(database.knex, ['planned', 'prepared', 'broadcast', 'confirmed', 'held']);
  expect(balances.reserved).toBe(sumSatoshis(live.map(({ planned_sats }) => planned_sats)));
  const paid = new Map<string, bigint>();
  for (const spend of await spendsOnChain(sim)) {
    for (const { script, amount } of (await sim.node.decode(spend.raw_hex)).outputs) {
      paid.set(script, (paid.get(script) ?? 0n) + amount);
    }
  }
  const earned = new Map<string, bigint>();
  for (const {
    name,
    earned_sats,
    paid_sats,
    network_fee_sats,
    reserved_sats,
    balance_sats,
  } of await minerBalances(database.knex)) {
    expect(earned_sats).toBe(paid_sats + network_fee_sats + reserved_sats + balance_sats);
    const { script } = await sim.node.address(name);
    if (script !== null) earned.set(script, (earned.get(script) ?? 0n) + earned_sats);
  }
  for (const [script, sum] of earned) expect((paid.get(script) ?? 0n) <= sum).toBe(true);
}
