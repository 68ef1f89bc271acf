import { describe, expect, it } from 'vitest';
import { forEachDatabase } from '../lab/databases.js';
import { createPayablePool, type PayablePool } from '../lab/payable-pool.js';
import { createSimulatedNode, type SimulatedNode } from '../lab/simulated-node.js';
import { runOnce } from '../shared/daemon.js';
import type { Database } from '../shared/database/database.js';
import { recordRequest, outcomeOf } from '../shared/database/requests.js';
import { ConfigurationFault } from '../shared/errors.js';
import { silentLogger } from '../shared/logger.js';
import { satoshis, transactionId } from '../shared/units.js';
import { auditLines } from './commands/audit.js';
import { balanceLines } from './commands/balances.js';
import { blockLines } from './commands/blocks.js';
import { explainUser } from './commands/explain.js';
import { statusOfPayments } from './commands/status.js';
import type { PaymentsContext } from './context.js';
import { createPaymentsDaemon, type PaymentsDaemonOptions } from './daemon.js';
import { userNamed } from './edges/facts.js';
import { openIncidents } from './edges/incident-store.js';
import { payingMoves } from './paying/moves.js';
import type { NameBytes } from '../shared/username.js';

interface World extends PayablePool {
  readonly sim: SimulatedNode;
  readonly pool: string;
  readonly alice: string;
  readonly bob: string;
}

async function createWorld(database: Database): Promise<World> {
  const sim = createSimulatedNode();
  const pool = sim.newAddress();
  const chain = { node: sim.node, mine: async (blocks: number, address: string) => sim.mine(blocks, address) };
  const made = await createPayablePool(database, chain, { pool, nobody: sim.foreignAddress() });
  return { ...made, sim, pool, alice: sim.foreignAddress(), bob: sim.foreignAddress('legacy') };
}

const daemonOf = ({ context }: World, change: Partial<PaymentsDaemonOptions> = {}) =>
  createPaymentsDaemon(context, { lease: context.lease, paying: payingMoves, requests: {}, ...change });

/** One whole pass, as `run --once` does it, at the next period. */
async function pass(world: World, daemon = daemonOf(world)): Promise<void> {
  const { clock } = world.context;
  await runOnce(daemon, { clock, log: silentLogger, stop: new AbortController().signal, outside_wait_ms: 0 });
  clock.advance(world.context.config.check_mature_period_ms);
}

const violations = async (context: PaymentsContext): Promise<string[]> =>
  (await auditLines(context)).filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);

/** Two blocks found, matured and complete, nothing settled. */
async function worked(database: Database): Promise<World> {
  const world = await createWorld(database);
  await world.earn({ [world.alice]: 3, [world.bob]: 1 });
  await world.earn({ [world.alice]: 1 });
  await world.bury(100);
  await world.facts.complete();
  return world;
}

describe('the payments daemon', () => {
  forEachDatabase('daemon', (open) => {
    it('settles and pays in one run, and ledger, chain and wallet agree to the satoshi at every stage', async () => {
      const world = await worked(await open());
      const { context, facts, alice } = world;
      const daemon = daemonOf(world);
      await pass(world, daemon);
      expect(await violations(context)).toEqual([]);
      expect((await statusOfPayments(context)).in_flight).toMatchObject([{ id: 1, state: 'broadcast' }]);
      for (const blocks of [1, 5]) {
        await world.bury(blocks);
        await facts.complete();
        await pass(world, daemon);
        expect(await violations(context)).toEqual([]);
      }
      const [line] = (await balanceLines(context)).filter(({ user }) => user === alice);
      expect(line).toMatchObject({ earned: '87.50000000', reserved: '0.00000000', balance: '0.00000000' });
      expect(satoshis(BigInt(line?.paid.replace('.', '') ?? 0) + BigInt(line?.network_fee.replace('.', '') ?? 0))).toBe(8_750_000_000n);
    });

    it('fault 2: does nothing twice when it dies after any of its steps and starts again (D-2)', async () => {
      const world = await worked(await open());
      for (let steps = 0; steps < 40; steps += 1) {
        // A new daemon each time: whatever the one before kept in memory is gone.
        if ((await daemonOf(world).step()) === 'idle') break;
      }
      expect(await violations(world.context)).toEqual([]);
      expect((await world.sim.node.walletSpends(null)).length).toBe(1);
      expect((await blockLines(world.context)).map(({ state }) => state)).toEqual(['credited', 'credited']);
    });

    it('explains every number of a miner\'s pay', async () => {
      const world = await worked(await open());
      await pass(world);
      const user = await userNamed(world.context.database.knex, world.alice as NameBytes);
      const explanation = await explainUser(world.context, user!, null);
      expect(explanation.rounds).toMatchObject([
        {
          shares: '3', round_shares: '4', divided: '50.00000000', part: '37.50000000', rounding: '0.00000000',
          credit: '37.50000000', snapshots: [{ share_count: '3', difference: '3' }],
        },
        { shares: '1', round_shares: '1', credit: '50.00000000', snapshots: [{ share_count: '4', difference: '1' }] },
      ]);
      expect(explanation.payouts).toMatchObject([{ batch: 1, planned: '87.50000000' }]);
      expect((await explainUser(world.context, user!, String(explanation.rounds[0]?.height))).rounds).toHaveLength(1);
    });

    it('stops paying when a coinbase is spent by a transaction that the ledger does not know', async () => {
      const world = await worked(await open());
      const { context, sim } = world;
      const [coin] = (await sim.node.walletCoins()).filter(({ coinbase, confirmations }) => coinbase && confirmations > 100);
      const raw = await sim.node.createTransaction([coin!], [{ address: sim.foreignAddress(), amount: satoshis(coin!.amount - 10_000n) }]);
      await sim.node.broadcast(await sim.node.sign(raw));
      await pass(world);
      expect(await openIncidents(context.database.knex)).toMatchObject([{ kind: 'foreign_spend', stops_paying: true }]);
      await world.bury(1);
      await pass(world);
      expect((await statusOfPayments(context)).in_flight).toEqual([]);
      expect((await violations(context)).join('\n')).toContain('spent by a stranger');
    });

    it('does not take its own payout for a stranger\'s', async () => {
      const world = await worked(await open());
      for (let passes = 0; passes < 3; passes += 1) {
        await pass(world);
        await world.bury(3);
        await world.facts.complete();
      }
      expect(await openIncidents(world.context.database.knex)).toEqual([]);
    });

    it.each([
      ['another chain', { genesis_hash: 'ab'.repeat(32) }, 'genesis block'],
      ['another pool address', { pool_script: '0014' }, 'btcaddress has changed'],
    ])('fault 15: refuses %s than at its first start', async (_, stored, sentence) => {
      const world = await worked(await open());
      const [[name, value]] = Object.entries(stored) as [[string, string]];
      await world.context.database.knex('settings').insert({ name, value, set_at: '2026-01-01 00:00:00.000' });
      await expect(pass(world)).rejects.toThrow(sentence);
      await expect(pass(world)).rejects.toBeInstanceOf(ConfigurationFault);
      expect((await blockLines(world.context)).map(({ state }) => state)).toEqual(['immature', 'immature']);
    });

    it('refuses a pool address that the wallet does not have', async () => {
      const sim = createSimulatedNode();
      const chain = { node: sim.node, mine: async (blocks: number, address: string) => sim.mine(blocks, address) };
      const pool = sim.foreignAddress();
      const made = await createPayablePool(await open(), chain, { pool, nobody: sim.newAddress() });
      await expect(pass({ ...made, sim, pool, alice: '', bob: '' })).rejects.toThrow('not in the node\'s wallet');
    });

    it('waits for a node that is catching up, then goes on (D-4)', async () => {
      const world = await worked(await open());
      world.sim.conditions.headers_ahead = true;
      await expect(pass(world)).rejects.toMatchObject({ name: 'OutsideFailure', kind: 'retry' });
      world.sim.conditions.headers_ahead = false;
      await pass(world);
      expect((await blockLines(world.context)).map(({ state }) => state)).toEqual(['credited', 'credited']);
    });

    it('acts on a request once, even with the node away, and says what became of it', async () => {
      const world = await worked(await open());
      const { context: { database }, sim } = world;
      let acted = 0;
      const requests = { note: async () => {
        acted += 1;
        return { outcome: 'done' as const, detail: 'noted' };
      } };
      const asked = await recordRequest(database, { daemon: 'payments', action: 'note', arguments: {}, requested_by: 'test' });
      const strange = await recordRequest(database, { daemon: 'payments', action: 'toString', arguments: {}, requested_by: 'test' });
      sim.conditions.down = true;
      const daemon = daemonOf(world, { requests });
      expect(await daemon.step()).toBe('progress');
      expect(await daemon.step()).toBe('progress');
      await expect(daemon.step()).rejects.toMatchObject({ name: 'OutsideFailure' });
      expect(acted).toBe(1);
      expect(await outcomeOf(database, 'payments', asked)).toEqual({ outcome: 'done', detail: 'noted' });
      expect((await outcomeOf(database, 'payments', strange))?.outcome).toBe('refused');
    });

    it('fault 4: writes nothing once another process has the lease', async () => {
      const world = await worked(await open());
      await world.context.database.knex('payments_lease').update({ epoch: world.context.database.knex.raw('epoch + 1') });
      await expect(pass(world)).rejects.toMatchObject({ name: 'LeaseLost' });
      expect(await world.context.database.knex('rounds').select('id')).toEqual([]);
    });

    it('an audit names what was tampered with', async () => {
      const world = await worked(await open());
      await pass(world);
      const { knex } = world.context.database;
      await knex('rounds').where({ id: 1 }).update({ round_shares: 5 });
      await knex('payout_transactions').update({ txid: transactionId('cd'.repeat(32)) });
      const found = (await violations(world.context)).join('\n');
      expect(found).toContain('work is conserved');
      expect(found).toContain('4 shares in its snapshots, 5 in the round');
      expect(found).toContain('payout');
    });
  });
});
