import { expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { createPayablePool, payingStep, payUntilIdle } from '../../lab/payable-pool.js';
import { createSimulatedNode } from '../../lab/simulated-node.js';
import type { Database } from '../../shared/database/database.js';
import { blockHeight, satoshis } from '../../shared/units.js';
import { askPayments } from '../commands/ask.js';
import { incidentReport } from '../commands/resolve.js';
import { coinKey } from '../core/coin-choice.js';
import { batchById, payoutsOf } from '../edges/batch-store.js';
import { incidentById, openIncidents, raiseIncident } from '../edges/incident-store.js';
import { minerBalances } from '../edges/ledger-store.js';
import { transactionOf } from '../edges/transaction-store.js';
import { watchForeignSpends } from '../foreign-spends.js';
import { payoutChecks } from './audit.js';
import { payoutRequests } from './requests.js';

type PayableWorld = Awaited<ReturnType<typeof createWorld>>;

/** The payment of a signed batch as another transaction: the same coins pay the same users, in another order. */
async function copyOfBatch({ context: { database: { knex } }, sim }: PayableWorld): Promise<string> {
  const { inputs, raw_hex } = (await transactionOf(knex, 1))!;
  const addresses = new Map((await payoutsOf(knex, 1)).map(({ script, address }) => [script, address]));
  const { outputs } = await sim.node.decode(raw_hex);
  const reversed = outputs.map(({ script, amount }) => ({ address: addresses.get(script)!, amount })).reverse();
  return sim.node.sign(await sim.node.createTransaction(inputs, reversed));
}

async function createWorld(database: Database) {
  const sim = createSimulatedNode();
  const chain = { node: sim.node, mine: async (blocks: number, address: string) => sim.mine(blocks, address) };
  const pool = await createPayablePool(database, chain, { pool: sim.newAddress(), nobody: sim.foreignAddress() });
  await pool.earn({ [sim.foreignAddress()]: 3, [sim.foreignAddress()]: 2 });
  await pool.mature();
  return { ...pool, sim };
}

forEachDatabase("an operator's word", (open) => {
  const ask = (context: Parameters<typeof askPayments>[0], incident_id: number, choice: string) =>
    askPayments(context, { action: 'resolve', arguments: { incident_id, choice }, handlers: payoutRequests });

  it('resumes paying after a lost block; without a daemon the command acts itself, once', async () => {
    const { context } = await createWorld(await open());
    await context.database.transaction(async (transaction) => {
      await raiseIncident(transaction, { kind: 'block_lost', subject: 'x', stops_paying: true, detail: 'test', raised_at: '2026-01-01 00:00:00.000' });
    });
    expect(await payUntilIdle(context)).toEqual(['check addresses']);
    await context.lease.release();
    expect(await ask(context, 1, 'release')).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('resume') });
    expect(await ask(context, 1, 'resume')).toMatchObject({ outcome: 'done' });
    expect(await ask(context, 1, 'resume')).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('resolved already') });
    expect(await ask(context, 7, 'resume')).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('no incident 7') });
    expect(await incidentById(context.database.knex, 1)).toMatchObject({ state: 'resolved' });
    await context.lease.tryTake();
    expect(await payUntilIdle(context)).toEqual(['plan', 'prepare', 'broadcast']);
  });

  it('a payout whose coin left the chain with its block is held, and released without paying anybody twice', async () => {
    const { context, sim } = await createWorld(await open());
    while ((await payingStep(context)) !== 'prepare');
    sim.reorg(101, 102, sim.foreignAddress());
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    const [incident] = await openIncidents(context.database.knex);
    const report = await incidentReport(context, incident!);
    expect(report).toMatchObject({ kind: 'payout_conflicted', now: expect.stringContaining('left the chain') });
    expect(report.choices.map(({ choice }) => choice)).toEqual(['book', 'retry', 'release']);
    await context.lease.release();
    expect(await ask(context, incident!.id, 'book')).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('nothing to book') });
    expect(await ask(context, incident!.id, 'release')).toMatchObject({ outcome: 'done' });
    expect((await batchById(context.database.knex, 1))?.state).toBe('released');
    for (const user of await minerBalances(context.database.knex)) {
      expect(user).toMatchObject({ reserved_sats: 0n, paid_sats: 0n, balance_sats: user.earned_sats });
    }
    expect((await sim.node.walletSpends(null)).filter(({ confirmations }) => confirmations > 0)).toEqual([]);
  });

  it('the other coins of a payout that died pay its users in the next one', async () => {
    const pool = await createWorld(await open());
    const { context, sim } = pool;
    await pool.earn({ [sim.foreignAddress()]: 3, [sim.foreignAddress()]: 2 });
    await pool.mature();
    while ((await payingStep(context)) !== 'prepare');
    const { inputs } = (await transactionOf(context.database.knex, 1))!;
    expect(inputs).toHaveLength(2);
    sim.mineBlock({ transactions: [await sim.node.sign(await sim.node.createTransaction(inputs.slice(0, 1),
      [{ address: sim.foreignAddress(), amount: satoshis(inputs[0]!.amount - 10_000n) }]))] });
    await pool.bury(6);
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    await context.lease.release();
    expect(await ask(context, 1, 'release')).toMatchObject({ outcome: 'done' });
    await context.lease.tryTake();
    await pool.earn({}); // Its coin alone is less than anybody is owed.
    await pool.mature();
    expect(await payUntilIdle(context)).toEqual(['plan', 'prepare', 'broadcast']);
    expect((await transactionOf(context.database.knex, 2))!.inputs.map(coinKey)).toContain(coinKey(inputs[1]!));
  });

  it('a payout whose coins pay its users in another transaction is not released: nobody is paid twice (D-2)', async () => {
    const pool = await createWorld(await open());
    const { context, sim } = pool;
    while ((await payingStep(context)) !== 'prepare');
    const copy = await copyOfBatch(pool);
    const { txid } = await sim.node.decode(copy);
    sim.mineBlock({ transactions: [copy] });
    await pool.bury(6);
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    const [incident] = await openIncidents(context.database.knex);
    expect(incident!.detail).toContain(`was spent by ${txid}, which pays users of this batch,`);
    expect((await incidentReport(context, incident!)).now).toMatch(/release would be refused/);
    await context.lease.release();
    expect(await ask(context, incident!.id, 'release')).toMatchObject({ outcome: 'refused', detail: expect.stringMatching(`${txid} .*twice`) });
    expect((await batchById(context.database.knex, 1))?.state).toBe('held');
    await context.lease.tryTake();
    expect(await payUntilIdle(context)).toEqual([]);
  });

  it('the transaction that pays the users of a held payout instead becomes the payout: they are paid once, and paying goes on (D-2)', async () => {
    const pool = await createWorld(await open());
    const { context, sim } = pool;
    while ((await payingStep(context)) !== 'prepare');
    const copy = await copyOfBatch(pool);
    const { txid } = await sim.node.decode(copy);
    sim.mineBlock({ transactions: [copy] });
    await pool.bury(5);
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    await context.lease.release();
    expect(await ask(context, 1, 'book')).toMatchObject({ outcome: 'done', detail: expect.stringContaining(txid) });
    expect(await openIncidents(context.database.knex)).toEqual([]);
    expect((await batchById(context.database.knex, 1))?.state).toBe('released');
    await context.lease.tryTake();
    expect(await payUntilIdle(context)).toEqual(['watch', 'watch']);
    expect(await watchForeignSpends(context)).toBe('idle');
    expect((await batchById(context.database.knex, 2))?.state).toBe('final');
    for (const user of await minerBalances(context.database.knex)) {
      expect(user).toMatchObject({ balance_sats: 0n, reserved_sats: 0n, paid_sats: user.earned_sats - user.network_fee_sats });
    }
    for (const { run } of payoutChecks) expect(await run(context)).toMatchObject({ ok: true });
    await pool.earn({ [sim.foreignAddress()]: 1 });
    await pool.mature();
    expect(await payUntilIdle(context)).toEqual(['check addresses', 'plan', 'prepare', 'broadcast']);
  });

  it('a payout whose users another transaction pays is not given up for it before that is buried deep', async () => {
    const pool = await createWorld(await open());
    const { context, sim } = pool;
    while ((await payingStep(context)) !== 'prepare');
    const copy = await copyOfBatch(pool);
    sim.mineBlock({ transactions: [copy] });
    await pool.bury(5);
    await payUntilIdle(context);
    const { tip_height } = await sim.node.chainInfo();
    sim.invalidate((await sim.node.blockHashAt(blockHeight(tip_height - 1)))!);
    await context.lease.release();
    expect(await ask(context, 1, 'book')).toMatchObject({ outcome: 'refused', detail: expect.stringMatching(/has 4 of 6 confirmations/) });
    expect((await batchById(context.database.knex, 1))?.state).toBe('held');
  });

  it('a payout with one coin stolen and one that pays its users, in a block or not yet, is not released (D-2)', async () => {
    const pool = await createWorld(await open());
    const { context, sim } = pool;
    await pool.earn({ [sim.foreignAddress()]: 3, [sim.foreignAddress()]: 2 });
    await pool.mature();
    while ((await payingStep(context)) !== 'prepare');
    const [first, second] = (await transactionOf(context.database.knex, 1))!.inputs;
    const [payout] = await payoutsOf(context.database.knex, 1);
    const spend = async (coin: typeof first, address: string) =>
      sim.node.sign(await sim.node.createTransaction([coin!], [{ address, amount: satoshis(coin!.amount - 10_000n) }]));
    sim.mineBlock({ transactions: [await spend(first, sim.foreignAddress())] });
    await pool.bury(6);
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    expect(await sim.node.broadcast(await spend(second, payout!.address))).toEqual({ outcome: 'accepted' });
    await context.lease.release();
    expect(await ask(context, 1, 'release')).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('twice') });
    await pool.bury(1);
    expect(await ask(context, 1, 'release')).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('twice') });
  });

  it('a held payout that a miner took all the same is not released; retry follows it, and it is paid once', async () => {
    const pool = await createWorld(await open());
    const { context, sim } = pool;
    while ((await payingStep(context)) !== 'prepare');
    sim.conditions.relay_fee_rate = satoshis(5_000_000n);
    await payUntilIdle(context);
    context.clock.advance(25 * 60 * 60 * 1000);
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    sim.mineBlock({ transactions: [(await transactionOf(context.database.knex, 1))!.raw_hex] });
    await context.lease.release();
    expect(await ask(context, 1, 'release')).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('is in the chain') });
    expect(await ask(context, 1, 'retry')).toMatchObject({ outcome: 'done' });
    await context.lease.tryTake();
    await pool.bury(6);
    await payUntilIdle(context);
    expect((await batchById(context.database.knex, 1))?.state).toBe('final');
    for (const user of await minerBalances(context.database.knex)) {
      expect(user).toMatchObject({ balance_sats: 0n, paid_sats: user.earned_sats - user.network_fee_sats });
    }
  });

  it('retry of a payout that stays dead holds it again, as an incident of its own', async () => {
    const { context, sim } = await createWorld(await open());
    while ((await payingStep(context)) !== 'prepare');
    sim.reorg(101, 102, sim.foreignAddress());
    await payUntilIdle(context);
    await context.lease.release();
    expect(await ask(context, 1, 'retry')).toMatchObject({ outcome: 'done' });
    await context.lease.tryTake();
    expect(await payUntilIdle(context)).toEqual(['broadcast']);
    expect((await openIncidents(context.database.knex)).map(({ subject }) => subject)).toEqual(['batch 1 (2)']);
  });
});
