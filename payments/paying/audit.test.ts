import { expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { createPayablePool, payUntilIdle } from '../../lab/payable-pool.js';
import { createSimulatedNode } from '../../lab/simulated-node.js';
import type { Database } from '../../shared/database/database.js';
import { satoshis } from '../../shared/units.js';
import { payoutDetail } from '../commands/payout.js';
import { payoutLines } from '../commands/payouts.js';
import { planReport } from '../commands/plan.js';
import { batchById } from '../edges/batch-store.js';
import { payoutChecks } from './audit.js';
import { checkAddresses } from './check-addresses.js';

async function createWorld(database: Database) {
  const sim = createSimulatedNode();
  const chain = { node: sim.node, mine: async (blocks: number, address: string) => sim.mine(blocks, address) };
  const pool = await createPayablePool(database, chain, { pool: sim.newAddress(), nobody: sim.foreignAddress() });
  const alice = sim.foreignAddress();
  const small = sim.foreignAddress();
  await pool.earn({ [alice]: 1_000_000, [small]: 1, 'no address': 500_000 });
  await pool.mature();
  return { ...pool, sim, alice, small };
}

async function faults(context: Parameters<typeof payUntilIdle>[0]): Promise<string[]> {
  const found: string[] = [];
  for (const { name, run } of payoutChecks) {
    const { ok, detail } = await run(context);
    if (!ok) found.push(`${name}: ${detail}`);
  }
  return found;
}

forEachDatabase('audit and listings of payouts', (open) => {
  it('the plan is what is then paid, to the satoshi, and says who waits and why; the audit holds at every state (D-15)', async () => {
    const world = await createWorld(await open());
    const { context, alice, small } = world;
    expect((await planReport(context)).unchecked_names).toBe(3);
    await checkAddresses(context);
    const plan = await planReport(context);
    expect(plan.outputs.map(({ address }) => address)).toEqual([alice]);
    expect(plan.excluded.map(({ users }) => users[0])).toEqual([small, 'no\\x20address']);
    expect(plan.excluded[0]?.reason).toMatch(/minimum payout/);
    expect(await payoutLines(context)).toEqual([]);
    expect(await faults(context)).toEqual([]);

    expect(await payUntilIdle(context)).toEqual(['plan', 'prepare', 'broadcast']);
    const [line] = await payoutLines(context);
    expect(line).toMatchObject({
      id: 1, state: 'broadcast', network_fee: plan.network_fee,
      outputs: [{ address: alice, amount: plan.outputs[0]?.amount, users: [alice] }],
    });
    expect(line?.txid).toMatch(/^[0-9a-f]{64}$/);
    expect(await faults(context)).toEqual([]);
    await world.bury(6);
    await payUntilIdle(context);
    expect(await faults(context)).toEqual([]);
    const detail = await payoutDetail(context, (await batchById(context.database.knex, 1))!);
    expect(detail).toMatchObject({ state: 'final', confirmations: 6, inputs: plan.coins, change: plan.change });
    expect(detail.history.map(({ what }) => what).join()).toMatch(/planned.*signed.*final/);
  });

  it('a ledger restored from an older copy is found out: the chain holds a payout that it does not know (D-2)', async () => {
    const world = await createWorld(await open());
    const { context } = world;
    await payUntilIdle(context);
    await world.bury(6);
    const { knex } = context.database;
    await knex('payout_inputs').del();
    await knex('payout_transactions').del();
    expect((await faults(context)).join()).toMatch(/is no payout of this ledger/);
  });

  it('amounts that were changed behind our back are found out', async () => {
    const world = await createWorld(await open());
    const { context } = world;
    await payUntilIdle(context);
    await context.database.knex('payouts').increment('planned_sats', 1);
    expect((await faults(context)).join()).toMatch(/outputs differ from its payouts/);
  });

  it('change that stands elsewhere than was recorded is found out', async () => {
    const world = await createWorld(await open());
    const { context } = world;
    await payUntilIdle(context);
    expect(await context.database.knex('payout_transactions').where({ change_index: 1 }).update({ change_index: 0 })).toBe(1);
    expect((await faults(context)).join()).toMatch(/outputs differ from its payouts/);
  });

  it("the operator's own coins in the wallet are listed and never a violation", async () => {
    const world = await createWorld(await open());
    const { context, sim, pool_address } = world;
    const operator = sim.newAddress();
    sim.mine(1, operator);
    await world.bury(100);
    const [coin] = (await sim.node.walletCoins()).filter(({ script, coinbase }) => coinbase && script.includes(operator.slice(5)));
    const own = await sim.node.sign(await sim.node.createTransaction([coin!], [{ address: pool_address, amount: satoshis(coin!.amount - 10_000n) }]));
    sim.mineBlock({ transactions: [own] });
    await payUntilIdle(context);
    await world.bury(6);
    await payUntilIdle(context);
    expect(await faults(context)).toEqual([]);
    const details = await Promise.all(payoutChecks.map(async ({ run }) => (await run(context)).detail));
    expect(details.join()).toMatch(/1 other coins/);
  });
});
