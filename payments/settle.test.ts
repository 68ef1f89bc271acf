import { describe, expect, it } from 'vitest';
import { forEachDatabase } from '../lab/databases.js';
import { createFacts } from '../lab/facts.js';
import { openPayments, type TestPayments } from '../lab/payments-context.js';
import { createSimulatedNode } from '../lab/simulated-node.js';
import type { Config } from '../shared/config.js';
import type { Database } from '../shared/database/database.js';
import { satoshis, type BlockHash } from '../shared/units.js';
import { printable } from '../shared/username.js';
import { blockLines } from './commands/blocks.js';
import { factsAndLedgerChecks } from './commands/audit-checks.js';
import { openIncidents } from './edges/incident-store.js';
import { resolveIncident } from './edges/incident-store.js';
import { accountBalances, minerBalances } from './edges/ledger-store.js';
import { payoutRequests } from './paying/requests.js';
import { settle } from './settle.js';
import { createBlockWatch } from './watch-blocks.js';

async function pool(database: Database, change: Partial<Config> = {}) {
  const simulated = createSimulatedNode();
  const address = simulated.newAddress();
  const elsewhere = simulated.newAddress();
  const facts = createFacts(database, simulated.node, address);
  const payments = await openPayments(database, simulated.node, address, change);
  const mine = (): ReturnType<typeof simulated.mineBlock> => simulated.mineBlock({ pays: address });
  const mature = async (blocks = 100) => {
    simulated.mine(blocks, elsewhere);
    await facts.complete();
  };
  return { simulated, address, elsewhere, facts, payments, mine, mature, watch: createBlockWatch() };
}

async function settleAll(payments: TestPayments): Promise<number> {
  let settled = 0;
  while ((await settle(payments)) === 'progress') settled += 1;
  return settled;
}

async function owed({ database }: TestPayments): Promise<Record<string, number>> {
  const balances = await minerBalances(database.knex);
  return Object.fromEntries(balances.map(({ name, balance_sats }) => [printable(name), Number(balance_sats)]));
}

async function violations(payments: TestPayments): Promise<string[]> {
  const found: string[] = [];
  for (const { name, run } of factsAndLedgerChecks) {
    const { ok, detail } = await run(payments);
    if (!ok) found.push(`${name}: ${detail}`);
  }
  return found;
}

const states = async (payments: TestPayments) => (await blockLines(payments)).map(({ state }) => state);

describe('settling', () => {
  forEachDatabase('settling', (open) => {
    it('credits a due block by share differences, once, and sums to its reward', async () => {
      const { facts, payments, mine, mature } = await pool(await open(), { pool_fee_ppm: 10_000n });
      await facts.work({ alice: 3, bob: 1 });
      await facts.line(mine());
      await mature(99);
      expect(await settle(payments)).toBe('idle');
      expect(payments.waits.current().map(({ sentence }) => sentence).join()).toContain('matures');
      await mature(1);
      expect(await settleAll(payments)).toBe(1);
      expect(await settleAll(payments)).toBe(0);
      expect(await owed(payments)).toEqual({ alice: 3_712_500_000, bob: 1_237_500_000 });
      expect(await blockLines(payments)).toMatchObject([{
        state: 'credited', reward: '50.00000000', round_shares: '4', pool_fee: '0.50000000', carried_in: '0.00000000',
        credited: '49.50000000', carried_out: '0.00000000',
      }]);
      expect(await violations(payments)).toEqual([]);
    });

    it('never credits a block that the node knows but that is not in the active chain; its work goes on (D-3)', async () => {
      const { simulated, facts, payments, mine, mature, elsewhere } = await pool(await open());
      await facts.work({ alice: 6 });
      const stale = mine();
      await facts.line(stale);
      simulated.reorg(1, 2, elsewhere);
      await facts.work({ bob: 2 });
      await facts.line(mine());
      await mature();
      expect((await simulated.node.header(stale))?.confirmations).toBe(-1);
      expect(await settleAll(payments)).toBe(2);
      expect(await states(payments)).toEqual(['orphaned', 'credited']);
      expect(await owed(payments)).toEqual({ alice: 3_750_000_000, bob: 1_250_000_000 });
      expect(await violations(payments)).toEqual([]);
    });

    it('decides nothing while the node is down, answers in part or is catching up (D-4)', async () => {
      const { simulated, facts, payments, mine, mature } = await pool(await open());
      await facts.work({ alice: 6 });
      await facts.line(mine());
      await mature();
      for (const method of ['chainInfo', 'blockHashAt', 'address', 'blockWithCoinbase'] as const) {
        simulated.conditions.faults = (called) => (called === method ? 'connection_refused' : null);
        await expect(settle(payments)).rejects.toMatchObject({ name: 'OutsideFailure' });
      }
      simulated.conditions.faults = null;
      simulated.conditions.initial_download = true;
      expect(await settle(payments)).toBe('idle');
      expect(await states(payments)).toEqual(['immature']);
      simulated.conditions.initial_download = false;
      expect(await settleAll(payments)).toBe(1);
    });

    it('takes for the reward what the coinbase pays to the pool: every output of it, and no donation (D-37)', async () => {
      const { simulated, address, elsewhere, facts, payments, mature } = await pool(await open());
      await facts.work({ alice: 1 });
      await facts.line(simulated.mineBlock({ pays: [
        { address: elsewhere, amount: satoshis(700_000_000n) }, { address, amount: satoshis(4_000_000_000n) },
        { address, amount: satoshis(300_000_000n) },
      ] }));
      await mature();
      expect(await settleAll(payments)).toBe(1);
      expect(await owed(payments)).toEqual({ alice: 4_300_000_000 });
    });

    it('credits nothing that left the chain while it was being read', async () => {
      const { simulated, facts, payments, mine, mature, elsewhere } = await pool(await open());
      await facts.work({ alice: 6 });
      await facts.line(mine());
      await mature();
      const node = { ...payments.node, blockWithCoinbase: async (hash: BlockHash) => {
        const block = await payments.node.blockWithCoinbase(hash);
        simulated.reorg(101, 102, elsewhere);
        return block;
      } };
      await expect(settle({ ...payments, node })).rejects.toMatchObject({ kind: 'retry' });
      expect(await owed(payments)).toEqual({});
      await facts.complete();
      expect(await settleAll(payments)).toBe(1);
      expect(await states(payments)).toEqual(['orphaned']);
    });

    it('orphans nothing that came back while it was being looked at', async () => {
      const { simulated, facts, payments, mine, mature, elsewhere } = await pool(await open());
      await facts.work({ alice: 6 });
      const block = mine();
      await facts.line(block);
      const [rival] = simulated.reorg(1, 2, elsewhere);
      await mature();
      const { height } = (await payments.node.header(block))!;
      const node = { ...payments.node, blockHashAt: async (at: typeof height) => {
        const answer = await payments.node.blockHashAt(at);
        if (at === height) simulated.invalidate(rival!);
        return answer;
      } };
      await expect(settle({ ...payments, node })).rejects.toMatchObject({ kind: 'retry' });
      expect(await states(payments)).toEqual(['immature']);
      await mature();
      expect(await settleAll(payments)).toBe(1);
      expect(await states(payments)).toEqual(['credited']);
    });

    it('carries the reward of a round without work to the next one with work (D-5)', async () => {
      const { facts, payments, mine, mature } = await pool(await open(), { pool_fee_ppm: 10_000n });
      await facts.line(mine());
      await facts.withoutLine(mine());
      await facts.work({ alice: 1 });
      await facts.line(mine());
      await mature();
      expect(await settleAll(payments)).toBe(3);
      expect((await blockLines(payments)).map(({ carried_in, credited, carried_out }) => [carried_in, credited, carried_out])).toEqual([
        ['0.00000000', '0.00000000', '49.50000000'],
        ['49.50000000', '0.00000000', '99.00000000'],
        ['99.00000000', '148.50000000', '0.00000000'],
      ]);
      expect(await violations(payments)).toEqual([]);
    });

    it('counts the work before lines that no block bears out, and that of users who are gone (D-7, D-8)', async () => {
      const { facts, payments, mine, mature } = await pool(await open());
      await facts.work({ alice: 1, gone: 2 });
      await facts.line(null);
      await facts.work({ alice: 1 });
      await facts.line(mine());
      await mature();
      await settleAll(payments);
      expect(await owed(payments)).toEqual({ alice: 2_500_000_000, gone: 2_500_000_000 });
    });

    it('starts the first round at the baseline: work before it is not paid again (D-9)', async () => {
      const { facts, payments, mine, mature } = await pool(await open());
      await facts.work({ alice: 1_000_000 });
      await facts.baseline();
      await facts.work({ bob: 1 });
      await facts.line(mine());
      await mature();
      await settleAll(payments);
      expect(await owed(payments)).toEqual({ bob: 5_000_000_000 });
      expect(await violations(payments)).toEqual([]);
    });

    it('settles in the order of the chain, whatever order the lines came in (D-10)', async () => {
      const { simulated, facts, payments, mine, mature, elsewhere } = await pool(await open());
      const first = mine();
      simulated.mine(5, elsewhere);
      const second = mine();
      await facts.work({ alice: 1 });
      await facts.line(second);
      await facts.work({ bob: 1 });
      await facts.line(first);
      await mature();
      expect(await settleAll(payments)).toBe(2);
      const lines = await blockLines(payments);
      expect(lines.map(({ hash, credited }) => [hash, credited])).toEqual([[first, '50.00000000'], [second, '0.00000000']]);
      expect(await owed(payments)).toEqual({ alice: 2_500_000_000, bob: 2_500_000_000 });
      expect(await violations(payments)).toEqual([]);
    });

    it('does not settle above what accounting has read, or what it read on another branch', async () => {
      const { simulated, facts, payments, mine, elsewhere } = await pool(await open());
      simulated.mine(1, elsewhere);
      await facts.complete();
      await facts.work({ alice: 1 });
      await facts.line(mine());
      simulated.mine(100, elsewhere);
      expect(await settle(payments)).toBe('idle');
      expect(payments.waits.current()[0]?.sentence).toContain('has not read log and chain up to it yet');
      simulated.mine(1, elsewhere);
      await facts.complete();
      simulated.reorg(1, 120, elsewhere);
      expect(await settle(payments)).toBe('idle');
      expect(payments.waits.current()[0]?.sentence).toContain('not in this node\'s active chain');
      await facts.complete();
      expect(await settleAll(payments)).toBe(1);
    });

    it('waits for the word on disputed counts and then takes or drops them (D-6)', async () => {
      const { facts, payments, mine, mature } = await pool(await open());
      await facts.work({ alice: 10, bob: 5 });
      await facts.disputed({ alice: 5 });
      const disputed = await facts.line(mine());
      await facts.line(mine());
      await mature();
      expect(await settleAll(payments)).toBe(1);
      expect(await settle(payments)).toBe('idle');
      expect(await openIncidents(payments.database.knex)).toMatchObject([{ kind: 'disputed_counts', stops_paying: false }]);
      expect(await states(payments)).toEqual(['immature', 'immature']);
      const [incident] = await openIncidents(payments.database.knex);
      const word = { id: 1, action: 'resolve', arguments: { incident_id: incident?.id, choice: 'resume' }, requested_by: 'test', requested_at: '' };
      expect(await payoutRequests['resolve']?.(payments, word))
        .toMatchObject({ outcome: 'refused', detail: expect.stringContaining('obtc-accounting resolve') });
      await facts.decideDispute(disputed, 'dropped');
      expect(await settleAll(payments)).toBe(2);
      expect(await openIncidents(payments.database.knex)).toEqual([]);
      expect((await owed(payments)).alice).toBe(2_500_000_000);
      expect(await violations(payments)).toEqual([]);
    });

    it('does not settle a block whose coinbase accounting recorded otherwise, until a person decides', async () => {
      const { facts, payments, mine, mature } = await pool(await open());
      await facts.work({ alice: 1 });
      await facts.line(mine());
      await payments.database.knex('blocks').update({ reward_sats: 1 });
      await mature();
      expect(await settleAll(payments)).toBe(1);
      expect(await states(payments)).toEqual(['immature']);
      const [incident] = await openIncidents(payments.database.knex);
      expect(incident).toMatchObject({ kind: 'coinbase_mismatch', stops_paying: true });
      await payments.database.transaction(async (transaction) => {
        await resolveIncident(transaction, incident?.id ?? 0, 'by the chain', '2026-01-01 00:00:00.000');
      });
      expect(await settleAll(payments)).toBe(1);
      expect(await owed(payments)).toEqual({ alice: 5_000_000_000 });
    });

    it('cannot settle a block twice, nor settle anything after losing the lease (D-2, D-16)', async () => {
      const { facts, payments, mine, mature } = await pool(await open());
      await facts.work({ alice: 1 });
      await facts.line(mine());
      await facts.work({ alice: 1 });
      await facts.line(mine());
      await mature();
      expect(await settle(payments)).toBe('progress');
      await payments.database.knex('payments_lease').update({ epoch: payments.database.knex.raw('epoch + 1') });
      await expect(settle(payments)).rejects.toMatchObject({ name: 'LeaseLost' });
      expect(await states(payments)).toEqual(['credited', 'immature']);
      await expect(payments.database.knex('ledger_entries').delete()).rejects.toThrow('append-only');
    });

    it('keeps what was credited when a block is deleted from the facts, and never credits it again (D-16)', async () => {
      const { facts, payments, mine, mature } = await pool(await open());
      await facts.work({ alice: 1 });
      const hash = mine();
      await facts.line(hash);
      await mature();
      expect(await settleAll(payments)).toBe(1);
      const { knex } = payments.database;
      await knex('blocks').delete();
      for (const table of ['users', 'rounds']) await expect(knex(table).delete()).rejects.toMatchObject({ kind: 'refused' });
      expect(await owed(payments)).toEqual({ alice: 5_000_000_000 });
      await facts.withoutLine(hash); // Accounting finds it in the chain again.
      await mature();
      expect(await settleAll(payments)).toBe(0);
      expect(await owed(payments)).toEqual({ alice: 5_000_000_000 });
    });

    it('credits an orphan that comes back, with an empty round, exactly once', async () => {
      const { simulated, facts, payments, mine, mature, elsewhere, watch } = await pool(await open());
      await facts.work({ alice: 6 });
      const stale = mine();
      await facts.line(stale);
      const [rival] = simulated.reorg(1, 2, elsewhere);
      await facts.work({ bob: 2 });
      await facts.line(mine());
      await mature();
      await settleAll(payments);
      expect(await watch(payments)).toBe('idle');
      let tip = stale;
      for (let depth = 0; depth < 130; depth += 1) tip = simulated.mineBlock({ on: tip, pays: elsewhere });
      expect((await simulated.node.header(rival!))?.confirmations).toBe(-1);
      await facts.complete();
      // The other block is lost by the same reorganisation; its correction comes first.
      expect(await watch(payments)).toBe('progress');
      expect(await watch(payments)).toBe('progress');
      expect(await watch(payments)).toBe('idle');
      expect(await states(payments)).toEqual(['credited', 'lost']);
      expect((await blockLines(payments))[0]).toMatchObject({ round_shares: '0', credited: '0.00000000', carried_out: '50.00000000' });
      expect(await violations(payments)).toEqual([]);
    });
  });
});

describe('a credited block that leaves the chain', () => {
  forEachDatabase('watching blocks', (open) => {
    async function lost(database: Database) {
      const made = await pool(database, { pool_fee_ppm: 10_000n });
      const { simulated, facts, payments, mine, mature, elsewhere, watch } = made;
      await facts.line(mine());
      await facts.work({ alice: 3, bob: 1 });
      const block = mine();
      await facts.line(block);
      await mature();
      await settleAll(payments);
      expect(await watch(payments)).toBe('idle');
      const before = await owed(payments);
      simulated.reorg(101, 102, elsewhere);
      return { ...made, block, before };
    }

    it('stops paying, takes back what is unpaid and keeps every sum', async () => {
      const { payments, watch } = await lost(await open());
      expect(await watch(payments)).toBe('progress');
      expect(await watch(payments)).toBe('idle');
      expect(await states(payments)).toEqual(['credited', 'lost']);
      expect(await owed(payments)).toEqual({ alice: 0, bob: 0 });
      expect(await openIncidents(payments.database.knex)).toMatchObject([{ kind: 'block_lost', stops_paying: true }]);
      expect(Number((await accountBalances(payments.database.knex)).carry)).toBe(4_950_000_000);
      expect(await violations(payments)).toEqual([]);
    });

    it('is found after a restart as well', async () => {
      const { payments } = await lost(await open());
      expect(await createBlockWatch()(payments)).toBe('progress');
    });

    it('is given back in full when it returns', async () => {
      const { simulated, address, facts, payments, mature, watch, block, before, elsewhere } = await lost(await open());
      await watch(payments);
      let tip = block;
      for (let depth = 0; depth < 110; depth += 1) tip = simulated.mineBlock({ on: tip, pays: elsewhere });
      await facts.complete();
      expect(await watch(payments)).toBe('progress');
      expect(await watch(payments)).toBe('idle');
      expect(await owed(payments)).toEqual(before);
      expect(await states(payments)).toEqual(['credited', 'credited']);
      expect(await violations(payments)).toEqual([]);
      // Lost once more: what it had given is taken back once, and a person is asked again.
      await facts.work({ alice: 1 });
      await facts.line(simulated.mineBlock({ on: tip, pays: address }));
      await mature();
      expect(await settleAll(payments)).toBe(1);
      const since = await owed(payments);
      simulated.reorg(212, 213, elsewhere);
      await facts.complete();
      while ((await watch(payments)) === 'progress');
      expect(await states(payments)).toEqual(['credited', 'lost', 'lost']);
      expect(await owed(payments)).toEqual({ alice: 0, bob: 0 });
      expect(since['alice']).toBeGreaterThan(before['alice']!);
      expect((await accountBalances(payments.database.knex)).orphan_loss).toBe(0n);
      expect(await violations(payments)).toEqual([]);
    });

    it('is not taken for lost when it comes back while it is looked at', async () => {
      const { simulated, payments, watch, block } = await lost(await open());
      const { height } = (await payments.node.header(block))!;
      const rival = await payments.node.blockHashAt(height);
      const node = { ...payments.node, blockHashAt: async (at: typeof height) => {
        const answer = await payments.node.blockHashAt(at);
        if (at === height) simulated.invalidate(rival!);
        return answer;
      } };
      await expect(watch({ ...payments, node })).rejects.toMatchObject({ kind: 'retry' });
      expect(await watch(payments)).toBe('idle');
      expect(await states(payments)).toEqual(['credited', 'credited']);
      expect(await openIncidents(payments.database.knex)).toEqual([]);
    });

    it('is not taken for lost while the node does not answer or catches up (D-4)', async () => {
      const { simulated, payments, watch } = await lost(await open());
      simulated.conditions.initial_download = true;
      expect(await watch(payments)).toBe('idle');
      simulated.conditions.initial_download = false;
      simulated.conditions.faults = (method) => (method === 'blockHashAt' ? 'connection_refused' : null);
      await expect(watch(payments)).rejects.toMatchObject({ name: 'OutsideFailure' });
      expect(await states(payments)).toEqual(['credited', 'credited']);
    });
  });
});
