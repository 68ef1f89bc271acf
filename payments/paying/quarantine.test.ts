import { expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { payUntilIdle } from '../../lab/payable-pool.js';
import { createPayingWorld, earnedWorld, expectBooksAndChainAgree, stateOf } from '../../lab/paying-world.js';
import { OutsideFailure } from '../../shared/errors.js';
import { satoshis } from '../../shared/units.js';
import { payoutsOf } from '../edges/batch-store.js';
import { payoutAddresses } from '../edges/address-store.js';
import { minerBalances } from '../edges/ledger-store.js';

forEachDatabase('what the node refuses to build', (open) => {
  it('fault 37: an address that validateaddress accepts and createrawtransaction refuses is quarantined; the others are paid (D-12)', async () => {
    const world = await earnedWorld(await open());
    const { context, alice, bob } = world;
    const node: typeof context.node = { ...context.node, createTransaction: async (inputs, outputs) => {
      if (outputs.some(({ address }) => address === bob)) throw new OutsideFailure('refused', 'node', 'Invalid address', -5);
      return context.node.createTransaction(inputs, outputs);
    } };
    expect(await payUntilIdle({ ...context, node })).toEqual(['check addresses', 'plan', 'prepare', 'prepare', 'broadcast']);
    const states = [...(await payoutAddresses(context.database.knex)).values()].map(({ name, state }) => [name, state]);
    expect(Object.fromEntries(states)).toEqual({ [alice]: 'payable', [bob]: 'quarantined' });
    const kept = (await minerBalances(context.database.knex)).find(({ name }) => name === bob);
    expect(kept).toMatchObject({ reserved_sats: 0n, balance_sats: kept?.earned_sats });
    expect((await payoutsOf(context.database.knex, 1)).map(({ name }) => name)).toEqual([alice]);
    await expectBooksAndChainAgree(world);
  });

  it('a node that is silent, or refuses the transaction for another reason, makes no name invalid', async () => {
    const world = await earnedWorld(await open());
    const { context } = world;
    const refusal = new OutsideFailure('refused', 'node', 'no', -8);
    const whole: typeof context.node = { ...context.node, createTransaction: async (inputs, outputs) => {
      if (outputs.length > 1) throw refusal;
      return context.node.createTransaction(inputs, outputs);
    } };
    await expect(payUntilIdle({ ...context, node: whole })).rejects.toBe(refusal);
    const silent: typeof context.node = { ...context.node, createTransaction: async (_, outputs) => {
      throw outputs.length > 1 ? refusal : new OutsideFailure('unknown', 'node', 'silence', 'ESOCKETTIMEDOUT');
    } };
    await expect(payUntilIdle({ ...context, node: silent })).rejects.toMatchObject({ kind: 'unknown' });
    expect([...(await payoutAddresses(context.database.knex)).values()].every(({ state }) => state === 'payable')).toBe(true);
    expect(await stateOf(world)).toBe('planned');
    expect(await payUntilIdle(context)).toEqual(['prepare', 'broadcast']);
  });

  it('a coinbase output of no value holds up nobody', async () => {
    const world = await createPayingWorld(await open());
    const { context, sim, facts, pool_address, alice } = world;
    await facts.work({ [alice]: 1 });
    await facts.line(sim.mineBlock({ pays: [
      { address: pool_address, amount: satoshis(0n) }, { address: pool_address, amount: satoshis(5_000_000_000n) },
    ] }));
    await world.mature();
    expect(await payUntilIdle(context)).toEqual(['check addresses', 'plan', 'prepare', 'broadcast']);
  });

  it('a fee rate that no node would send postpones, with or without a cap: what is signed cannot be taken back', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    sim.conditions.fee_rate = satoshis(20_000_000n);
    expect(await payUntilIdle(context)).toEqual(['check addresses']);
    expect(context.waits.current()[0]?.sentence).toMatch(/no node sends above/);
    sim.conditions.fee_rate = null;
    expect(await payUntilIdle(context)).toEqual(['plan', 'prepare', 'broadcast']);
  });
});
