// Reorganisations that reach what was decided, promised or paid already.
import { expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { payUntilIdle } from '../../lab/payable-pool.js';
import { createPayingWorld, earnedWorld, expectBooksAndChainAgree, spendsOnChain, stateOf, until, type PayingWorld } from '../../lab/paying-world.js';
import { blockHeight, satoshis } from '../../shared/units.js';
import { auditLines } from '../commands/audit.js';
import { openIncidents } from '../edges/incident-store.js';
import { accountBalances, minerBalances } from '../edges/ledger-store.js';
import { transactionOf } from '../edges/transaction-store.js';
import { payoutRequests } from './requests.js';
import { createBlockWatch } from '../watch-blocks.js';

async function untilQuiet(world: PayingWorld): Promise<void> {
  const watch = createBlockWatch();
  for (let limit = 0; limit < 50; limit += 1) {
    if ((await watch(world.context)) === 'progress') continue;
    if ((await payUntilIdle(world.context)).length === 0) return;
  }
  throw new Error('payments finds no rest');
}

const violations = async ({ context }: PayingWorld): Promise<string[]> =>
  (await auditLines(context)).filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);

async function resolve({ context }: PayingWorld, choice: string): Promise<void> {
  for (const { id } of await openIncidents(context.database.knex)) {
    const decision = await payoutRequests['resolve']!(context, {
      id: 1, action: 'resolve', arguments: { incident_id: id, choice }, requested_by: 'test', requested_at: '',
    });
    expect(decision).toMatchObject({ outcome: 'done' });
    await context.database.transaction(async (transaction) => {
      await context.lease.fence(transaction);
      await decision.write?.(transaction);
    });
  }
}

const paidFinal = async (world: PayingWorld): Promise<void> => {
  await untilQuiet(world);
  await world.bury(6);
  await untilQuiet(world);
  expect(await stateOf(world)).toBe('final');
};

forEachDatabase('deep reorganisations', (open) => {
  it('a final payout that a reorg moves to another block is followed there, and booked as paid once', async () => {
    const world = await earnedWorld(await open());
    const { context, sim, facts } = world;
    await paidFinal(world);
    const before = await transactionOf(context.database.knex, 1);
    sim.reorg(6, 14, sim.foreignAddress());
    await facts.complete();
    await untilQuiet(world);
    expect(await stateOf(world)).toBe('final');
    expect((await transactionOf(context.database.knex, 1))?.confirmed?.hash).not.toBe(before?.confirmed?.hash);
    for (const user of await minerBalances(context.database.knex)) {
      expect(user.paid_sats + user.network_fee_sats).toBe(user.earned_sats);
    }
    await expectBooksAndChainAgree(world);
    expect(await violations(world)).toEqual([]);
  });

  it('a final payout that a reorg throws out of the chain is a promise again, sent again, and paid once', async () => {
    const world = await earnedWorld(await open());
    const { context, sim, facts } = world;
    await paidFinal(world);
    const stored = (await transactionOf(context.database.knex, 1))!;
    const fork = await sim.node.header(stored.confirmed!.hash);
    let tip = fork!.previous_hash!;
    for (let blocks = 0; blocks < 9; blocks += 1) tip = sim.mineBlock({ on: tip, transactions: [], pays: sim.foreignAddress() });
    sim.evict(stored.txid);
    await facts.complete();
    await untilQuiet(world);
    expect(await stateOf(world)).toBe('broadcast');
    expect((await accountBalances(context.database.knex)).paid).toBe(0n);
    await expectBooksAndChainAgree(world);
    expect(await violations(world)).toEqual([]);
    await paidFinal(world);
    expect(await spendsOnChain(sim)).toHaveLength(1);
    await expectBooksAndChainAgree(world);
    expect(await violations(world)).toEqual([]);
  });

  it('a batch that was promised and not signed is given back before the credits of a lost block are taken back', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await until(context, 'plan');
    sim.reorg(102, 103, sim.foreignAddress());
    const watch = createBlockWatch();
    while ((await watch(context)) === 'progress');
    expect(await stateOf(world)).toBe('released');
    const balances = await accountBalances(context.database.knex);
    expect(balances).toMatchObject({ orphan_loss: 0n, miner: 0n, reserved: 0n, coinbase: 0n });
    await expectBooksAndChainAgree(world);
  });

  it('a lost block does not take from the fee account what signed payouts will take from it', async () => {
    const world = await earnedWorld(await open(), { network_fee_from: 'pool', pool_fee_ppm: 10_000n });
    const { context, sim } = world;
    await until(context, 'prepare');
    sim.reorg(102, 103, sim.foreignAddress());
    const watch = createBlockWatch();
    while ((await watch(context)) === 'progress');
    const stored = (await transactionOf(context.database.knex, 1))!;
    expect((await accountBalances(context.database.knex)).pool_fee).toBe(stored.network_fee_sats);
  });

  it('a payout that died with the block it was to pay for leaves neither a loss nor a debt once it is released', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await until(context, 'prepare');
    sim.reorg(102, 103, sim.foreignAddress());
    await world.facts.complete();
    await untilQuiet(world);
    expect((await accountBalances(context.database.knex)).orphan_loss).toBe(-10_000_000_000n);
    await resolve(world, 'resume');
    await untilQuiet(world);
    expect(await stateOf(world)).toBe('held');
    await resolve(world, 'release');
    expect(await accountBalances(context.database.knex)).toMatchObject({ orphan_loss: 0n, miner: 0n, reserved: 0n, coinbase: 0n });
    await expectBooksAndChainAgree(world);
    expect(await violations(world)).toEqual([]);
  });

  it('fault 26: a lost block whose miners were paid from other coins is the pool\'s loss, and the audit holds with it', async () => {
    const world = await createPayingWorld(await open());
    const { context, sim, facts, alice } = world;
    // What the second block gave is paid with the coin of the first, whose miner waits.
    await facts.work({ 'no address': 1 });
    await facts.line(sim.mineBlock({ pays: world.pool_address }));
    await facts.work({ [alice]: 1 });
    await facts.line(sim.mineBlock({ pays: world.pool_address }));
    await world.mature();
    await paidFinal(world);
    const lost = await sim.node.blockHashAt(blockHeight(2));
    const parent = (await sim.node.header(lost!))!.previous_hash!;
    const stored = (await transactionOf(context.database.knex, 1))!;
    const spends = new Set(stored.inputs.map(({ txid }) => String(txid)));
    expect(spends.size).toBe(1);
    let tip = parent;
    for (let blocks = 0; blocks < 103; blocks += 1) tip = sim.mineBlock({ on: tip, transactions: [], pays: sim.foreignAddress() });
    for (let blocks = 0; blocks < 10; blocks += 1) tip = sim.mineBlock({ on: tip, pays: sim.foreignAddress() });
    await facts.complete();
    await untilQuiet(world);
    await resolve(world, 'resume');
    await world.bury(6);
    await untilQuiet(world);
    expect((await accountBalances(context.database.knex)).orphan_loss).toBe(-5_000_000_000n);
    expect(await stateOf(world)).toBe('final');
    expect(await violations(world)).toEqual([]);
    await expectBooksAndChainAgree(world);

    // A later payout of hers is given up: what the pool has lost is not taken from what she earned since.
    await facts.work({ [alice]: 1 });
    await facts.line(sim.mineBlock({ pays: world.pool_address }));
    await world.mature();
    await until(context, 'prepare');
    const [coin] = (await transactionOf(context.database.knex, 2))!.inputs;
    sim.mineBlock({ transactions: [await sim.node.sign(await sim.node.createTransaction([coin!],
      [{ address: sim.foreignAddress(), amount: satoshis(coin!.amount - 10_000n) }]))] });
    await world.bury(6);
    await untilQuiet(world);
    expect(await stateOf(world, 2)).toBe('held');
    await resolve(world, 'release');
    expect(await accountBalances(context.database.knex)).toMatchObject({ orphan_loss: -5_000_000_000n, reserved: 0n });
    expect((await minerBalances(context.database.knex)).find(({ name }) => name === alice)?.balance_sats).toBe(5_000_000_000n);
  });

  it('a payout that spends the change of a payout proved dead is dead as well, and a person is asked', async () => {
    const world = await createPayingWorld(await open());
    const { context, alice, bob } = world;
    // Bob waits below the minimum, so the first payout leaves change, and the second one needs it.
    await world.earn({ [alice]: 1_000_000, [bob]: 1 });
    await world.mature();
    await paidFinal(world);
    await world.earn({ [alice]: 1, [bob]: 1 });
    await world.mature();
    await until(context, 'prepare');
    const [parent, child] = [await transactionOf(context.database.knex, 1), await transactionOf(context.database.knex, 2)];
    expect(child?.inputs.map(({ txid }) => txid)).toContain(parent?.txid);
    await context.database.knex('payout_batches').where({ id: 1 }).update({ state: 'released' });
    const node = {
      ...context.node, broadcast: async () => ({ outcome: 'inputs_missing' as const }), walletSpends: async () => [],
    };
    await payUntilIdle({ ...context, node });
    expect(await stateOf(world, 2)).toBe('held');
    expect(await openIncidents(context.database.knex)).toMatchObject([{ kind: 'payout_conflicted', detail: expect.stringContaining('change of batch 1') }]);
  });

  it('a payout whose coins are missing for a day without a known reason is held for a person, not tried in silence', async () => {
    const world = await earnedWorld(await open());
    const { context } = world;
    await until(context, 'prepare');
    const absent = { ...context, node: { ...context.node, broadcast: async () => ({ outcome: 'inputs_missing' as const }) } };
    expect(await payUntilIdle(absent)).toEqual([]);
    expect(context.waits.current()[0]?.sentence).toMatch(/nothing is known that spent them/);
    context.clock.advance(25 * 60 * 60 * 1000);
    expect(await payUntilIdle(absent)).toEqual(['broadcast']);
    expect(await stateOf(world)).toBe('held');
    expect((await openIncidents(context.database.knex))[0]).toMatchObject({ stops_paying: true, detail: expect.stringContaining('24 hours') });
  });

  it('a carry that went on while its block was away does not leave a negative carry when the block returns', async () => {
    const world = await earnedWorld(await open());
    const { context, sim, facts, pool_address, alice } = world;
    // A block without work, then one that takes its carry, on the chain of the world.
    const [carried] = sim.mine(1, pool_address);
    await facts.line(carried!);
    await facts.work({ [alice]: 5 });
    const taker = sim.mineBlock({ pays: pool_address });
    await facts.line(taker);
    await world.mature();
    const watch = createBlockWatch();
    const { tip_height } = await sim.node.chainInfo();
    const header = (await sim.node.header(taker))!;
    sim.reorg(tip_height - header.height + 1, tip_height - header.height + 2, sim.foreignAddress());
    while ((await watch(context)) === 'progress');
    await facts.work({ [alice]: 5 });
    await facts.line(sim.mineBlock({ pays: pool_address }));
    await world.mature();
    expect((await accountBalances(context.database.knex)).carry).toBe(0n);
    let tip = taker;
    for (let blocks = 0; blocks < 330; blocks += 1) tip = sim.mineBlock({ on: tip, pays: sim.foreignAddress() });
    await facts.complete();
    while ((await watch(context)) === 'progress');
    expect((await accountBalances(context.database.knex)).carry >= satoshis(0n)).toBe(true);
    await expectBooksAndChainAgree(world);
  });
});
