// What must hold right after an operator's word or a failure of the database: nothing stands still because of it, and
// nothing is planned before the pool's coins were looked at again.
import { expect, it } from 'vitest';
import { forEachDatabase } from '../lab/databases.js';
import { createPayablePool, payUntilIdle, type PayablePool } from '../lab/payable-pool.js';
import { createPayingWorld, earnedWorld, expectBooksAndChainAgree, type PayingWorld } from '../lab/paying-world.js';
import type { Database } from '../shared/database/database.js';
import { recordRequest } from '../shared/database/requests.js';
import { OutsideFailure } from '../shared/errors.js';
import { satoshis, type BlockHash } from '../shared/units.js';
import { createPaymentsDaemon } from './daemon.js';
import { batchesIn } from './edges/batch-store.js';
import { openIncidents } from './edges/incident-store.js';
import { payingMoves } from './paying/moves.js';
import { payoutRequests } from './paying/requests.js';
import type { PaymentsContext } from './context.js';
import { settle } from './settle.js';
import { batch_states } from './core/payout-state.js';

type Work = readonly (readonly [hash: BlockHash, shares: Record<string, number>])[];

/** The same pool on the same node with a ledger that has read all facts and knows of no payout. */
async function restored({ sim, pool_address, bob }: PayingWorld, database: Database, work: Work, outputs_max = 500): Promise<PayablePool> {
  const chain = { node: sim.node, mine: async (blocks: number, address: string) => sim.mine(blocks, address) };
  const pool = await createPayablePool(database, chain, { pool: pool_address, nobody: bob }, { max_outputs_per_transaction: outputs_max });
  for (const [hash, shares] of work) {
    await pool.facts.work(shares);
    await pool.facts.line(hash);
  }
  await pool.facts.complete();
  return pool;
}

const daemonOf = (context: PayablePool['context'], requests: typeof payoutRequests = payoutRequests) =>
  createPaymentsDaemon(context, { lease: context.lease, paying: payingMoves, requests });

async function untilIdle(daemon: ReturnType<typeof daemonOf>): Promise<void> {
  for (let steps = 0; (await daemon.step()) === 'progress'; steps += 1) if (steps > 100) throw new Error('it finds no rest');
}

const book = ({ context: { database } }: PayablePool, incident_id: number) => recordRequest(database, {
  daemon: 'payments', action: 'resolve', arguments: { incident_id, choice: 'book' }, requested_by: 'operator',
});
const outcomes = ({ context: { database } }: PayablePool) =>
  database.knex<{ outcome: string; detail: string }>('payment_outcomes').orderBy('request_id');

forEachDatabase('after an operator\'s word', (open) => {
  it('one that the database refuses to write down is refused with its sentence, and payments goes on', async () => {
    const world = await createPayingWorld(await open());
    const { context } = world;
    const twice = async (): Promise<{ outcome: 'done'; detail: string; write: (transaction: Parameters<Parameters<Database['transaction']>[0]>[0]) => Promise<void> }> => ({
      outcome: 'done', detail: 'done', write: async (transaction) => {
        for (let times = 0; times < 2; times += 1) {
          await transaction('settings').insert({ name: 'the same', value: '', set_at: '2026-01-01 00:00:00.000' });
        }
      },
    });
    const daemon = daemonOf(context, { resolve: twice });
    await book(world, 1);
    await untilIdle(daemon);
    expect(await outcomes(world)).toMatchObject([{ outcome: 'refused', detail: expect.stringMatching(/^It was not carried out\. The database refused the row/) }]);
    expect(await context.database.knex('settings').where({ name: 'the same' })).toEqual([]);
  });

  it('whoever works a little under the address of another in capitals does not keep a lost payout from being booked', async () => {
    const world = await createPayingWorld(await open());
    const { alice, bob, sim } = world;
    const shares = { [alice]: 300, [bob]: 100 };
    const paid = await world.earn(shares);
    await world.mature();
    await payUntilIdle(world.context);
    await world.bury(6);
    // The twin earns a single satoshi, of which the lost payout has paid less than a half.
    const twin = { [alice.toUpperCase()]: 1, [alice]: 4_000_000_000 };
    const later = sim.mineBlock({ pays: world.pool_address });
    await world.bury(100);
    const pool = await restored(world, await open(), [[paid, shares], [later, twin]]);
    const daemon = daemonOf(pool.context);
    await untilIdle(daemon);
    const [incident] = await openIncidents(pool.context.database.knex);
    await book(pool, incident!.id);
    await untilIdle(daemon);
    expect(await outcomes(pool)).toMatchObject([{ outcome: 'done' }]);
    await expectBooksAndChainAgree({ ...world, ...pool });
  });

  it('the next payout of a lost chain of payouts is told before anything is planned, though the first is in no block (D-2)', async () => {
    const change = { max_outputs_per_transaction: 1 };
    const world = await createPayingWorld(await open(), change);
    const { alice, bob, sim } = world;
    const shares = { [alice]: 300, [bob]: 100 };
    const first = await world.earn(shares);
    await world.bury(3);
    const nobody = { 'no address': 1 };
    const second = await world.earn(nobody);
    await world.bury(96);
    await world.facts.complete();
    while ((await settle(world.context)) === 'progress');
    await payUntilIdle(world.context);
    await world.bury(1);
    await payUntilIdle(world.context);
    expect(await sim.node.walletSpends(null)).toHaveLength(2);
    const { tip_height } = await sim.node.chainInfo();
    const below = await sim.node.blockHashAt((tip_height - 1) as Parameters<typeof sim.node.blockHashAt>[0]);
    sim.restart({ keep_mempool: false });
    for (let on = below!, blocks = 0; blocks < 8; blocks += 1) on = sim.mineBlock({ on, pays: bob, transactions: [] });
    sim.restart({ keep_mempool: false });

    const pool = await restored(world, await open(), [[first, shares], [second, nobody]], 1);
    const daemon = daemonOf(pool.context);
    await untilIdle(daemon);
    const [incident] = await openIncidents(pool.context.database.knex);
    await book(pool, incident!.id);
    await untilIdle(daemon);
    expect(await outcomes(pool)).toMatchObject([{ outcome: 'done' }]);
    expect(await openIncidents(pool.context.database.knex)).toMatchObject([{ kind: 'foreign_spend' }]);
    expect(await batchesIn(pool.context.database.knex, batch_states)).toHaveLength(1);
    await book(pool, incident!.id + 1);
    for (const { raw_hex } of await sim.node.walletSpends(null)) await sim.node.broadcast(raw_hex);
    await untilIdle(daemon);
    await pool.bury(1);
    pool.context.clock.advance(pool.context.config.check_mature_period_ms);
    await untilIdle(daemon);
    await expectBooksAndChainAgree({ ...world, ...pool });
  });

  it('after a failure of the database the pool\'s coins are looked at again at the same tip: it may be another one', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    let failing = false;
    const database: Database = { ...context.database, knex: context.database.knex, transaction: async (work) => {
      if (!failing) return context.database.transaction(work);
      failing = false;
      throw new OutsideFailure('retry', 'database', 'out of reach', 'ECONNREFUSED');
    } };
    const failable: PaymentsContext = { ...context, database };
    const lease = { ...context.lease, renew: async () => { await database.transaction((transaction) => context.lease.fence(transaction)); } };
    const daemon = createPaymentsDaemon(failable, { lease: { ...lease, epoch: context.lease.epoch }, paying: [], requests: {} });
    await untilIdle(daemon);
    const [coin] = (await sim.node.walletCoins()).filter(({ amount }) => amount > 1_000_000n);
    const raw = await sim.node.createTransaction([coin!], [{ address: sim.foreignAddress(), amount: satoshis(coin!.amount - 10_000n) }]);
    await sim.node.broadcast(await sim.node.sign(raw));
    const pass = async (): Promise<void> => {
      context.clock.advance(context.config.check_mature_period_ms);
      await untilIdle(daemon);
    };
    await pass();
    expect(await openIncidents(context.database.knex)).toEqual([]);
    failing = true;
    context.clock.advance(context.config.check_mature_period_ms);
    await expect(daemon.step()).rejects.toThrow('out of reach');
    await pass();
    expect(await openIncidents(context.database.knex)).toMatchObject([{ kind: 'foreign_spend' }]);
  });
});
