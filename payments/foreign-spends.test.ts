import { expect, it } from 'vitest';
import { forEachDatabase } from '../lab/databases.js';
import { createPayablePool, payUntilIdle } from '../lab/payable-pool.js';
import { earnedWorld, createPayingWorld, expectBooksAndChainAgree, stateOf, until, type PayingWorld } from '../lab/paying-world.js';
import { blockHeight, satoshis } from '../shared/units.js';
import type { UnspentOutput, WalletNode } from '../shared/bitcoind/node.js';
import { auditLines } from './commands/audit.js';
import { createPaymentsDaemon } from './daemon.js';
import { openIncidents } from './edges/incident-store.js';
import { batchesIn } from './edges/batch-store.js';
import { batch_states } from './core/payout-state.js';
import { changeOutputs, transactionOf } from './edges/transaction-store.js';
import { watchForeignSpends } from './foreign-spends.js';
import { payingMoves } from './paying/moves.js';
import { payoutRequests } from './paying/requests.js';

type Outpoint = Pick<UnspentOutput, 'txid' | 'index' | 'amount'>;

/** The wallet's owner spends a coin of the pool by hand. */
async function spendByHand({ sim }: PayingWorld, coin: Outpoint, transactions = true): Promise<void> {
  const raw = await sim.node.createTransaction([coin], [{ address: sim.foreignAddress(), amount: satoshis(coin.amount - 10_000n) }]);
  const signed = await sim.node.sign(raw);
  if (transactions) sim.mineBlock({ transactions: [signed] });
  else await sim.node.broadcast(signed);
}

const violations = async ({ context }: PayingWorld): Promise<string[]> =>
  (await auditLines(context)).filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);

async function resolveAll({ context }: PayingWorld, choice = 'resume'): Promise<void> {
  for (const incident of await openIncidents(context.database.knex)) {
    const decision = await payoutRequests['resolve']!(context, {
      id: 1, action: 'resolve', arguments: { incident_id: incident.id, choice }, requested_by: 'test', requested_at: '',
    });
    expect(decision.outcome).toBe('done');
    await context.database.transaction(async (transaction) => { await decision.write?.(transaction); });
  }
}

/** What accounting has said of the chain when it had read up to this height. */
async function scanOf({ sim, context }: PayingWorld, height: number): Promise<Record<string, unknown>> {
  const hash = await sim.node.blockHashAt(blockHeight(height));
  const known = await context.database.knex('chain_scan').first<Record<string, unknown>>();
  return { ...known, cursor_height: height, cursor_hash: hash, complete_height: height, complete_hash: hash };
}

const matureCoins = async ({ sim }: PayingWorld) =>
  (await sim.node.walletCoins()).filter(({ coinbase, confirmations }) => coinbase && confirmations > 100);

forEachDatabase('coins of the pool that somebody else spends', (open) => {
  it('a spend of our change stops paying: a restored database may owe what that transaction paid (D-2)', async () => {
    const world = await createPayingWorld(await open());
    const { context } = world;
    await world.earn({ [world.alice]: 3, 'no address': 1 });
    await world.mature();
    await payUntilIdle(context);
    await world.bury(6);
    await payUntilIdle(context);
    await world.earn({ [world.alice]: 7 });
    await world.mature();
    expect(await stateOf(world)).toBe('final');
    const changes = await changeOutputs(context.database.knex);
    expect(changes).toHaveLength(1);
    expect(await watchForeignSpends(context)).toBe('idle');
    await spendByHand(world, changes[0]!);
    expect(await watchForeignSpends(context)).toBe('progress');
    expect(await openIncidents(context.database.knex)).toMatchObject([{ kind: 'foreign_spend', stops_paying: true }]);
    expect(await payUntilIdle(context)).not.toContain('plan');
  });

  it('fault 13: a restored ledger that looked before accounting caught up looks again before it pays, at the same tip too (D-2)', async () => {
    const world = await createPayingWorld(await open());
    const { sim, alice, bob, pool_address } = world;
    const carol = sim.foreignAddress();
    const paid = await world.earn({ [alice]: 3, [bob]: 1 });
    await world.mature();
    await payUntilIdle(world.context);
    await world.bury(6);
    await payUntilIdle(world.context);
    expect(await stateOf(world)).toBe('final');
    const later = await world.earn({ [carol]: 2 });
    await world.bury(100);

    const restored = await createPayablePool(await open(), { node: sim.node, mine: async () => [] }, { pool: pool_address, nobody: bob });
    const { context, facts } = restored;
    const daemon = createPaymentsDaemon(context, { lease: context.lease, paying: payingMoves, requests: {} });
    const pass = async () => { while ((await daemon.step()) === 'progress'); context.clock.advance(context.config.check_mature_period_ms); };
    await context.database.knex('chain_scan').insert(await scanOf(world, 0));
    await pass();
    await facts.work({ [alice]: 3, [bob]: 1 });
    await facts.line(paid);
    await facts.work({ [carol]: 2 });
    await facts.line(later);
    await facts.complete();
    await pass();
    expect(await batchesIn(context.database.knex, batch_states)).toEqual([]);
    expect(await openIncidents(context.database.knex)).toMatchObject([{ kind: 'foreign_spend', subject: paid, stops_paying: true }]);
  });

  it('fault 13: a payout that only the wallet still knows stops a restored ledger, before the node is given it again (D-2)', async () => {
    const world = await createPayingWorld(await open());
    const { sim, alice, bob, pool_address } = world;
    const paid = await world.earn({ [alice]: 3, [bob]: 1 });
    const more = await world.earn({ [alice]: 1, [bob]: 1 });
    await world.mature();
    await until(world.context, 'broadcast');
    const [sent] = await sim.node.walletSpends(null);
    sim.evict(sent!.txid);

    const restored = await createPayablePool(await open(), { node: sim.node, mine: async () => [] }, { pool: pool_address, nobody: bob });
    const { context, facts } = restored;
    for (const [hash, work] of [[paid, { [alice]: 3, [bob]: 1 }], [more, { [alice]: 1, [bob]: 1 }]] as const) {
      await facts.work(work);
      await facts.line(hash);
    }
    await facts.complete();
    const daemon = createPaymentsDaemon(context, { lease: context.lease, paying: payingMoves, requests: {} });
    while ((await daemon.step()) === 'progress');
    expect(await batchesIn(context.database.knex, batch_states)).toEqual([]);
    expect((await openIncidents(context.database.knex)).map(({ kind }) => kind)).toContain('foreign_spend');
  });

  it('is noticed when only one of several outputs of a coinbase is spent', async () => {
    const world = await createPayingWorld(await open());
    const { context, sim, facts, pool_address, alice } = world;
    await facts.work({ [alice]: 1 });
    const two = sim.mineBlock({ pays: [
      { address: pool_address, amount: satoshis(3_000_000_000n) }, { address: pool_address, amount: satoshis(2_000_000_000n) },
    ] });
    await facts.line(two);
    await world.mature();
    expect(await watchForeignSpends(context)).toBe('idle');
    const [coin] = await matureCoins(world);
    await spendByHand(world, coin!, false);
    expect(await watchForeignSpends(context)).toBe('progress');
    expect(await openIncidents(context.database.knex)).toMatchObject([{ kind: 'foreign_spend', subject: two }]);
  });

  it('are all told at once, and after an operator\'s word the audit reports them as acknowledged and holds', async () => {
    const world = await earnedWorld(await open());
    const { context } = world;
    for (const coin of await matureCoins(world)) await spendByHand(world, coin);
    expect((await violations(world)).length).toBeGreaterThan(0);
    expect(await watchForeignSpends(context)).toBe('progress');
    expect(await openIncidents(context.database.knex)).toHaveLength(2);
    expect(await watchForeignSpends(context)).toBe('idle');
    await resolveAll(world);
    expect(await violations(world)).toEqual([]);
    expect((await auditLines(context)).map(({ detail }) => detail).join()).toMatch(/acknowledged/);
    await expectBooksAndChainAgree(world);
  });

  it('the coins of a payout that died: the one that was told with it is no news, the others are', async () => {
    const world = await earnedWorld(await open());
    const { context } = world;
    await until(context, 'prepare');
    const { inputs } = (await transactionOf(context.database.knex, 1))!;
    expect(inputs).toHaveLength(2);
    await spendByHand(world, inputs[0]!);
    await world.bury(6);
    await payUntilIdle(context);
    expect(await stateOf(world)).toBe('held');
    await resolveAll(world, 'release');
    expect(await watchForeignSpends(context)).toBe('idle');
    await spendByHand(world, inputs[1]!);
    expect(await watchForeignSpends(context)).toBe('progress');
    expect(await openIncidents(context.database.knex)).toMatchObject([{ kind: 'foreign_spend', stops_paying: true }]);
  });

  it('a coinbase that vanishes in a reorganisation while it is looked at accuses nobody', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    const node = { ...context.node, walletCoins: async () => [], unspentOutput: async () => {
      sim.reorg(102, 103, sim.foreignAddress());
      return null;
    } };
    expect(await watchForeignSpends({ ...context, node })).toBe('idle');
    expect(await openIncidents(context.database.knex)).toEqual([]);
  });

  it('is noticed by a daemon that runs, at the next block, before it pays anybody', async () => {
    const world = await earnedWorld(await open());
    const { context, facts } = world;
    const daemon = createPaymentsDaemon(context, { lease: context.lease, paying: payingMoves.slice(0, 2), requests: {} });
    const pass = async (one: typeof daemon) => {
      await facts.complete();
      while ((await one.step()) === 'progress');
      context.clock.advance(context.config.check_mature_period_ms);
    };
    await pass(daemon);
    await world.bury(1);
    await pass(daemon);
    expect(await openIncidents(context.database.knex)).toEqual([]);
    const [coin] = await matureCoins(world);
    await spendByHand(world, coin!);
    await pass(daemon);
    expect(await openIncidents(context.database.knex)).toMatchObject([{ kind: 'foreign_spend' }]);
    await pass(createPaymentsDaemon(context, { lease: context.lease, paying: payingMoves, requests: {} }));
    expect(await stateOf(world)).toBeUndefined();
  });

  it('a pass in which nothing has changed asks the node three times at most', async () => {
    const world = await earnedWorld(await open());
    const { context, facts } = world;
    await world.earn({ [world.alice]: 1 });
    await facts.complete();
    let calls = 0;
    const node = new Proxy(context.node, { get: (target, name: keyof WalletNode) => {
      const call = target[name].bind(target) as (...parameters: unknown[]) => unknown;
      return (...parameters: unknown[]) => {
        calls += 1;
        return call(...parameters);
      };
    } });
    const daemon = createPaymentsDaemon({ ...context, node }, { lease: context.lease, paying: payingMoves, requests: {} });
    const pass = async () => { while ((await daemon.step()) === 'progress'); context.clock.advance(context.config.check_mature_period_ms); };
    await pass();
    for (let blocks = 0; blocks < 7; blocks += 1) {
      await world.bury(1);
      await facts.complete();
      await pass();
    }
    expect(await stateOf(world)).toBe('final');
    await pass();
    calls = 0;
    await pass();
    expect(calls).toBeLessThanOrEqual(3);
  });
});
