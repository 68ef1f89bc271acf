import { expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { payingStep, payUntilIdle } from '../../lab/payable-pool.js';
import { createPayingWorld, earnedWorld, expectBooksAndChainAgree, spendsOnChain, stateOf, until } from '../../lab/paying-world.js';
import { sumSatoshis } from '../../shared/amount.js';
import { OutsideFailure } from '../../shared/errors.js';
import { satoshis } from '../../shared/units.js';
import { payoutsOf } from '../edges/batch-store.js';
import { payoutAddresses } from '../edges/address-store.js';
import { openIncidents } from '../edges/incident-store.js';
import { accountBalances, minerBalances, postEvent } from '../edges/ledger-store.js';
import { transactionOf } from '../edges/transaction-store.js';
import { settle } from '../settle.js';
import { payoutRequests } from './requests.js';

forEachDatabase('paying', (open) => {
  it('goes from balances to a final payout; what is withheld equals the fee that was paid (D-1, D-13, D-15)', async () => {
    const world = await earnedWorld(await open());
    const { context, sim, alice, bob } = world;
    expect(await payUntilIdle(context)).toEqual(['check addresses', 'plan', 'prepare', 'broadcast']);
    expect(await stateOf(world)).toBe('broadcast');
    await world.bury(1);
    expect(await payUntilIdle(context)).toEqual(['watch']);
    expect(await stateOf(world)).toBe('confirmed');
    await world.bury(4);
    expect(await payUntilIdle(context)).toEqual([]);
    await world.bury(1);
    expect(await payUntilIdle(context)).toEqual(['watch']);
    expect(await stateOf(world)).toBe('final');

    const [spend] = await spendsOnChain(sim);
    const stored = await transactionOf(context.database.knex, 1);
    expect(stored?.raw_hex).toBe(spend?.raw_hex);
    const users = await minerBalances(context.database.knex);
    expect(users.map(({ balance_sats, reserved_sats }) => balance_sats + reserved_sats)).toEqual([0n, 0n]);
    expect(sumSatoshis(users.map(({ network_fee_sats }) => network_fee_sats))).toBe(stored?.network_fee_sats);
    const outputs = (await sim.node.decode(spend!.raw_hex)).outputs;
    for (const user of users) {
      const { script } = await sim.node.address(user.name);
      expect(outputs.find((output) => output.script === script)?.amount).toBe(user.paid_sats);
    }
    expect(users.map(({ name }) => name).sort()).toEqual([alice, bob].sort());
    await expectBooksAndChainAgree(world);
  });

  it('an answer to sendrawtransaction that is lost leads to the same bytes again, and one payment (D-2, D-34)', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await until(context, 'prepare');
    let sends = 0;
    sim.conditions.faults = (method) => (method === 'broadcast' && ++sends === 1 ? 'answer_lost' : null);
    await expect(payingStep(context)).rejects.toMatchObject({ kind: 'unknown' });
    expect(await stateOf(world)).toBe('prepared');
    await payUntilIdle(context);
    await world.bury(6);
    await payUntilIdle(context);
    expect(await stateOf(world)).toBe('final');
    expect(await spendsOnChain(sim)).toHaveLength(1);
    await expectBooksAndChainAgree(world);
  });

  it('a payout that confirmed and was spent on before anybody looked is paid already, whatever -25 says', async () => {
    const world = await earnedWorld(await open());
    const { sim } = world;
    await until(world.context, 'prepare');
    await sim.node.broadcast((await transactionOf(world.context.database.knex, 1))!.raw_hex);
    await world.bury(6);
    // As the node answers once its users have moved every output on.
    const node = { ...sim.node, unspentOutput: async () => null, broadcast: async () => ({ outcome: 'inputs_missing' as const }) };
    expect(await payUntilIdle({ ...world.context, node })).toEqual(['broadcast', 'watch', 'watch']);
    expect(await stateOf(world)).toBe('final');
    expect(await openIncidents(world.context.database.knex)).toEqual([]);
    await expectBooksAndChainAgree(world);
  });

  it('a payout that a restarted node has forgotten is given to it again, and nothing else is planned before (D-14)', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await payUntilIdle(context);
    sim.restart({ keep_mempool: false });
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    await world.bury(6);
    await payUntilIdle(context);
    expect(await stateOf(world)).toBe('final');
  });

  it('a payout that a reorg throws out goes back by itself and is confirmed in another block (D-14)', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await payUntilIdle(context);
    await world.bury(1);
    await payUntilIdle(context);
    const first = await transactionOf(context.database.knex, 1);
    const tip = await sim.node.chainInfo();
    const parent = await sim.node.blockHashAt(tip.tip_height - 1 as typeof tip.tip_height);
    const side = sim.mineBlock({ on: parent!, transactions: [], pays: sim.foreignAddress() });
    sim.mineBlock({ on: side, transactions: [], pays: sim.foreignAddress() });
    expect((await payUntilIdle(context))[0]).toBe('watch');
    expect(await stateOf(world)).toBe('broadcast');
    await world.bury(6);
    await payUntilIdle(context);
    const second = await transactionOf(context.database.knex, 1);
    expect(second?.confirmed?.hash).not.toBe(first?.confirmed?.hash);
    expect(await stateOf(world)).toBe('final');
    expect(await spendsOnChain(sim)).toHaveLength(1);
    await expectBooksAndChainAgree(world);
  });

  it('a foreign spend of a coin: waits while it is shallow, holds when it is deep, pays again only after a person said so (D-2)', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await until(context, 'prepare');
    const stored = (await transactionOf(context.database.knex, 1))!;
    const stolen = stored.inputs[0]!;
    const theft = await sim.node.sign(await sim.node.createTransaction([stolen], [{ address: sim.foreignAddress(), amount: satoshis(stolen.amount - 10_000n) }]));
    sim.mineBlock({ transactions: [theft] });
    expect(await payUntilIdle(context)).toEqual([]);
    expect(context.waits.current()[0]?.sentence).toMatch(/was spent by .* 1 of 6/);
    const resolve = (choice: string) => payoutRequests['resolve']!(context, {
      id: 1, action: 'resolve', arguments: { incident_id: 1, choice }, requested_by: 'test', requested_at: '',
    });
    await world.bury(5);
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    expect(await stateOf(world)).toBe('held');
    const [incident] = await openIncidents(context.database.knex);
    expect(incident).toMatchObject({ kind: 'payout_conflicted', stops_paying: true, subject: 'batch 1' });
    expect(await payUntilIdle(context)).toEqual([]);

    expect(await resolve('resume')).toMatchObject({ outcome: 'refused' });
    const decision = await resolve('release');
    expect(decision.outcome).toBe('done');
    await context.database.transaction(async (transaction) => {
      await context.lease.fence(transaction);
      await decision.write?.(transaction);
    });
    expect(await stateOf(world)).toBe('released');
    await expectBooksAndChainAgree(world);
    // What is left pays the larger one whole; the other waits for more coins.
    await payUntilIdle(context);
    expect((await payoutsOf(context.database.knex, 2)).length).toBeLessThanOrEqual(1);
    await expectBooksAndChainAgree(world);
  });

  it('a batch that could still confirm is not released, whatever the operator says (D-2)', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await until(context, 'prepare');
    sim.conditions.relay_fee_rate = satoshis(5_000_000n);
    expect(await payUntilIdle(context)).toEqual([]);
    expect(context.waits.current()[0]?.sentence).toMatch(/refuses its transaction/);
    context.clock.advance(25 * 60 * 60 * 1000);
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    expect(await stateOf(world)).toBe('held');
    const request = { id: 1, action: 'resolve', requested_by: 'test', requested_at: '' };
    const refused = await payoutRequests['resolve']!(context, { ...request, arguments: { incident_id: 1, choice: 'release' } });
    expect(refused).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('could still confirm') });
    sim.conditions.relay_fee_rate = satoshis(1_000n);
    const retry = await payoutRequests['resolve']!(context, { ...request, arguments: { incident_id: 1, choice: 'retry' } });
    await context.database.transaction(async (transaction) => {
      await context.lease.fence(transaction);
      await retry.write?.(transaction);
    });
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    expect(await stateOf(world)).toBe('broadcast');
  });

  it('a locked wallet changes nothing, and signing goes on when it is open', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await until(context, 'plan');
    sim.conditions.locked = true;
    await expect(payingStep(context)).rejects.toMatchObject({ kind: 'retry', code: -13 });
    expect(await stateOf(world)).toBe('planned');
    sim.conditions.passphrase_known = true;
    expect(await payUntilIdle(context)).toEqual(['prepare', 'broadcast']);
  });

  it('funds that have gone since the plan give the promise back whole; nobody is paid a part (D-13)', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await until(context, 'plan');
    const coins = (await sim.node.walletCoins()).filter(({ coinbase, confirmations }) => coinbase && confirmations > 100);
    const amount = satoshis(sumSatoshis(coins.map((coin) => coin.amount)) - 100_000n);
    const elsewhere = await sim.node.sign(await sim.node.createTransaction(coins, [{ address: sim.foreignAddress(), amount }]));
    sim.mineBlock({ transactions: [elsewhere] });
    expect(await payUntilIdle(context)).toEqual(['prepare']);
    expect(await stateOf(world)).toBe('released');
    expect(context.waits.current()[0]?.sentence).toMatch(/coins that can be spent now/);
    await expectBooksAndChainAgree(world);
  });

  it('a name that is no address blocks nobody and keeps its balance; a silent node makes no name invalid (D-12)', async () => {
    const world = await createPayingWorld(await open());
    const { context, sim, alice, operator } = world;
    await world.earn({ [alice]: 100, 'not an address\x1b[2J': 100, [operator]: 100, [sim.foreignAddress('witness-2')]: 100 });
    await world.mature();
    // The first call asks for the pool's own script; each later one for a miner's.
    for (const silent of [1, 2, 3, 4]) {
      for (const asked of ['address', 'isMine'] as const) {
        let calls = 0;
        sim.conditions.faults = (method) => (method === asked && ++calls === silent ? 'request_lost' : null);
        if (asked === 'isMine' && silent > 3) continue;
        await expect(payUntilIdle(context)).rejects.toBeInstanceOf(OutsideFailure);
        expect((await payoutAddresses(context.database.knex)).size).toBe(0);
      }
    }
    sim.conditions.faults = null;
    await payUntilIdle(context);
    await world.bury(6);
    await payUntilIdle(context);
    const states = [...(await payoutAddresses(context.database.knex)).values()].map(({ name, state }) => [name, state]);
    expect(states.filter(([, state]) => state === 'payable')).toEqual([[alice, 'payable']]);
    const users = await minerBalances(context.database.knex);
    expect(users.filter(({ paid_sats }) => paid_sats > 0n).map(({ name }) => name)).toEqual([alice]);
    expect(users.filter(({ balance_sats }) => balance_sats > 0n)).toHaveLength(3);
  });

  it('two users with one address get one output, and each bears the own part of the fee', async () => {
    const world = await createPayingWorld(await open());
    const { context, sim, alice, bob } = world;
    await world.earn({ [alice]: 300, [alice.toUpperCase()]: 200, [bob]: 100 });
    await world.mature();
    await payUntilIdle(context);
    await world.bury(6);
    await payUntilIdle(context);
    const [spend] = await spendsOnChain(sim);
    const { script } = await sim.node.address(alice);
    const paid = (await sim.node.decode(spend!.raw_hex)).outputs.filter((output) => output.script === script);
    expect(paid).toHaveLength(1);
    const users = (await minerBalances(context.database.knex)).filter(({ name }) => name.toLowerCase() === alice);
    expect(sumSatoshis(users.map(({ paid_sats }) => paid_sats))).toBe(paid[0]?.amount);
    expect(users.every(({ network_fee_sats }) => network_fee_sats > 0n)).toBe(true);
    await expectBooksAndChainAgree(world);
  });

  it('with network_fee "pool" miners get everything and the fee account pays, or the batch waits for it', async () => {
    const world = await earnedWorld(await open(), { network_fee_from: 'pool' });
    const { context } = world;
    expect(await payUntilIdle(context)).toEqual(['check addresses']);
    expect(context.waits.current()[0]?.sentence).toMatch(/fee account/);
    await context.database.transaction((transaction) => postEvent(transaction, {
      kind: 'settle', cause: 'test', round_id: null, batch_id: null, detail: 'test', occurred_at: '2026-01-01 00:00:00.000',
      entries: [{ account: 'coinbase', user_id: null, amount_sats: satoshis(-1_000_000n) }, { account: 'pool_fee', user_id: null, amount_sats: satoshis(1_000_000n) }],
    }));
    // One more coin covers the fee: both blocks are promised to the miners already.
    await world.earn({});
    await world.mature();
    await payUntilIdle(context);
    await world.bury(6);
    await payUntilIdle(context);
    const stored = await transactionOf(context.database.knex, 1);
    expect((await accountBalances(context.database.knex)).pool_fee).toBe(1_000_000n - stored!.network_fee_sats);
    for (const user of await minerBalances(context.database.knex)) {
      expect(user).toMatchObject({ network_fee_sats: 0n, balance_sats: 0n, paid_sats: user.earned_sats });
    }
  });

  it('with network_fee "pool" a fee that is promised to a payout under way is not promised again', async () => {
    const world = await earnedWorld(await open(), { network_fee_from: 'pool' });
    const { context } = world;
    const give = async (amount: bigint): Promise<void> => context.database.transaction((transaction) => postEvent(transaction, {
      kind: 'settle', cause: `test ${amount}`, round_id: null, batch_id: null, detail: 'test', occurred_at: '2026-01-01 00:00:00.000',
      entries: [{ account: 'coinbase', user_id: null, amount_sats: satoshis(-amount) }, { account: 'pool_fee', user_id: null, amount_sats: satoshis(amount) }],
    }));
    await give(350n); // Enough for one payout, not for two.
    await world.earn({});
    await world.mature();
    await payUntilIdle(context);
    expect(await stateOf(world)).toBe('broadcast');
    // Blocks that leave it in the mempool.
    await world.facts.work({ [world.alice]: 1 });
    await world.facts.line(world.sim.mineBlock({ pays: world.pool_address, transactions: [] }));
    await world.facts.withoutLine(world.sim.mineBlock({ pays: world.pool_address, transactions: [] })); // A coin for the fee.
    for (let blocks = 0; blocks < 100; blocks += 1) world.sim.mineBlock({ pays: world.sim.foreignAddress(), transactions: [] });
    await world.facts.complete();
    while ((await settle(context)) === 'progress');
    for (const state of ['broadcast', 'confirmed']) {
      await payUntilIdle(context);
      expect([await stateOf(world), await stateOf(world, 2)]).toEqual([state, undefined]);
      expect(context.waits.current().map(({ sentence }) => sentence).join()).toMatch(/fee account/);
      await world.bury(1);
    }
    await give(1_000n);
    expect(await payUntilIdle(context)).toEqual(['plan', 'prepare', 'broadcast']);
  });

  it('a process that was replaced writes nothing any more', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await until(context, 'plan');
    await context.database.knex('payments_lease').increment('epoch', 1);
    await expect(payingStep(context)).rejects.toMatchObject({ name: 'LeaseLost' });
    expect(await stateOf(world)).toBe('planned');
    expect(await sim.node.walletSpends(null)).toHaveLength(0);
  });

  it('a fee above the cap postpones and never shrinks; an open incident stops what is planned and what is signed', async () => {
    const world = await earnedWorld(await open(), { max_fee_rate: satoshis(2_000n) });
    const { context, sim } = world;
    sim.conditions.fee_rate = satoshis(3_000n);
    await payUntilIdle(context);
    expect(context.waits.current()[0]?.sentence).toMatch(/max_fee_rate/);
    sim.conditions.fee_rate = null;
    await until(context, 'prepare');
    await context.database.knex('payment_incidents').insert({ kind: 'block_lost', subject: 'x', state: 'open', stops_paying: 1, detail: 'test', raised_at: '2026-01-01 00:00:00.000' });
    expect(await payUntilIdle(context)).toEqual([]);
    expect(await stateOf(world)).toBe('prepared');
    expect(context.waits.current()[0]?.sentence).toMatch(/Incident 1/);
    expect((await sim.node.walletSpends(null))).toHaveLength(0);
  });
});
