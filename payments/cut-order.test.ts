// Rounds are stretches of the order in which work was cut, whatever order block lines and snapshots stand in.
import { expect, it } from 'vitest';
import { forEachDatabase } from '../lab/databases.js';
import { createFacts } from '../lab/facts.js';
import { openPayments, type TestPayments } from '../lab/payments-context.js';
import { createSimulatedNode } from '../lab/simulated-node.js';
import type { Database } from '../shared/database/database.js';
import { printable, type NameBytes } from '../shared/username.js';
import { factsAndLedgerChecks } from './commands/audit-checks.js';
import { blockLines } from './commands/blocks.js';
import { explainUser } from './commands/explain.js';
import { statusOfPayments } from './commands/status.js';
import { userNamed } from './edges/facts.js';
import { openIncidents } from './edges/incident-store.js';
import { minerBalances } from './edges/ledger-store.js';
import { allRounds } from './edges/round-store.js';
import { settle } from './settle.js';
import { createBlockWatch } from './watch-blocks.js';

async function pool(database: Database) {
  const simulated = createSimulatedNode();
  const address = simulated.newAddress();
  const elsewhere = simulated.newAddress();
  const facts = createFacts(database, simulated.node, address);
  const payments = await openPayments(database, simulated.node, address);
  return {
    simulated, address, elsewhere, facts, payments,
    mine: () => simulated.mineBlock({ pays: address }),
    mature: async () => {
      simulated.mine(100, elsewhere);
      await facts.complete();
    },
  };
}

async function settleAll(payments: TestPayments): Promise<number> {
  let settled = 0;
  while ((await settle(payments)) === 'progress') settled += 1;
  return settled;
}

const roundsOf = async ({ database }: TestPayments) =>
  (await allRounds(database.knex)).map(({ block_hash, cut_from, cut_to, round_shares }) =>
    [block_hash, cut_from, cut_to, round_shares]);

async function owed({ database }: TestPayments): Promise<Record<string, number>> {
  const balances = await minerBalances(database.knex);
  return Object.fromEntries(balances.map(({ name, balance_sats }) => [printable(name), Number(balance_sats)]));
}

async function sharesOf(payments: TestPayments, name: string): Promise<string[]> {
  const user = await userNamed(payments.database.knex, name as NameBytes);
  const { rounds, unsettled_shares } = await explainUser(payments, user!, null);
  return [...rounds.map(({ shares }) => shares), `${unsettled_shares} unsettled`];
}

async function expectBooksHold(payments: TestPayments): Promise<void> {
  for (const { name, run } of factsAndLedgerChecks) expect({ name, ...await run(payments) }).toMatchObject({ ok: true });
}

const waits = (payments: TestPayments) => payments.waits.current().map(({ sentence }) => sentence).join();

forEachDatabase('the order of cuts', (open) => {
  it('gives each round exactly the work between two cuts, where the block lines stand in the opposite order', async () => {
    const { facts, payments, mine, mature } = await pool(await open());
    const [first, second, third] = [mine(), mine(), mine()];
    const lines = {
      third: await facts.line(third, { undecided: true }),
      second: await facts.line(second, { undecided: true }),
      first: await facts.line(first, { undecided: true }),
    };
    await facts.work({ alice: 3, bob: 1 });
    await facts.decide(lines.first, 70n);
    await facts.work({ bob: 2 });
    await facts.decide(lines.second, 71n);
    await facts.work({ alice: 1 });
    await facts.decide(lines.third, 900n);
    await mature();
    expect(await settleAll(payments)).toBe(3);
    expect(await roundsOf(payments)).toEqual([[first, 0n, 70n, 4n], [second, 70n, 71n, 2n], [third, 71n, 900n, 1n]]);
    expect(await owed(payments)).toEqual({ alice: 8_750_000_000, bob: 6_250_000_000 });
    expect(await sharesOf(payments, 'alice')).toEqual(['3', '1', '0 unsettled']);
    expect(await sharesOf(payments, 'bob')).toEqual(['1', '2', '0 unsettled']);
    await expectBooksHold(payments);
  });

  it('of two blocks at one height gives the work up to its own cut to the one in the chain (D-10)', async () => {
    const { simulated, address, elsewhere, facts, payments, mature } = await pool(await open());
    const fork = simulated.mineBlock({ pays: elsewhere });
    const siblings = [simulated.mineBlock({ on: fork, pays: address }), simulated.mineBlock({ on: fork, pays: address })];
    const [stays, goes] = siblings as [(typeof siblings)[0], (typeof siblings)[0]];
    const child = simulated.mineBlock({ on: stays, pays: address });
    // The lines say: goes, stays. The shares say: stays, goes.
    const line_of_goes = await facts.line(goes, { undecided: true });
    const line_of_stays = await facts.line(stays, { undecided: true });
    await facts.work({ alice: 5 });
    await facts.decide(line_of_stays);
    await facts.work({ bob: 7 });
    await facts.decide(line_of_goes);
    await facts.work({ carol: 1 });
    await facts.line(child, { place: 10_000n });
    await mature();
    expect(await settleAll(payments)).toBe(3);
    expect((await blockLines(payments)).map(({ hash, state, round_shares }) => [hash, state, round_shares])).toEqual([
      [stays, 'credited', '5'], [goes, 'orphaned', '0'], [child, 'credited', '8'],
    ]);
    expect(await owed(payments)).toEqual({ alice: 5_000_000_000, bob: 4_375_000_000, carol: 625_000_000 });
    await expectBooksHold(payments);
  });

  it('gives a block without a line that a share log proves a round of its own', async () => {
    const { facts, payments, mine, mature } = await pool(await open());
    const [first, second, third] = [mine(), mine(), mine()];
    await facts.work({ alice: 1 });
    await facts.line(first);
    await facts.work({ bob: 2 });
    const snapshot_id = await facts.proven(second);
    await facts.work({ carol: 4 });
    await facts.line(third);
    await mature();
    expect(await settleAll(payments)).toBe(3);
    expect(await payments.database.knex('snapshots').where({ id: snapshot_id }).where('log_position', '<', 0)).toHaveLength(1);
    expect((await roundsOf(payments)).map(([hash, , , shares]) => [hash, shares])).toEqual([[first, 1n], [second, 2n], [third, 4n]]);
    expect(await owed(payments)).toEqual({ alice: 5_000_000_000, bob: 5_000_000_000, carol: 5_000_000_000 });
    await expectBooksHold(payments);
  });

  it('a line that is never cut is in no round and its dispute holds up nobody; its work is in the next cut', async () => {
    const { facts, payments, mine, mature } = await pool(await open());
    const block = mine();
    await facts.work({ alice: 1 });
    const rumour = await facts.line(null, { undecided: true });
    await facts.decideDispute(rumour, 'open');
    await facts.work({ bob: 1 });
    await facts.line(block);
    await mature();
    expect(await settleAll(payments)).toBe(1);
    expect(await openIncidents(payments.database.knex)).toEqual([]);
    expect(await owed(payments)).toEqual({ alice: 2_500_000_000, bob: 2_500_000_000 });
    await expectBooksHold(payments);
  });

  it('holds up the round in which disputed work was cut, not the one near whose line it stands', async () => {
    const { facts, payments, mine, mature } = await pool(await open());
    const [first, second] = [mine(), mine()];
    const line_of_second = await facts.line(second, { undecided: true });
    await facts.work({ alice: 1 });
    await facts.line(first);
    await facts.work({ alice: 4 });
    await facts.disputed({ alice: 3 });
    await facts.decide(line_of_second);
    await mature();
    expect(await settleAll(payments)).toBe(2);
    expect((await blockLines(payments)).map(({ state }) => state)).toEqual(['credited', 'immature']);
    expect(waits(payments)).toContain(`disputed (snapshot ${line_of_second})`);
    await facts.decideDispute(line_of_second, 'dropped');
    await settleAll(payments);
    expect((await roundsOf(payments)).map(([, , , shares]) => shares)).toEqual([1n, 1n]);
    await expectBooksHold(payments);
  });

  it('keeps places apart that a float would take for one', async () => {
    const { facts, payments, mine, mature } = await pool(await open());
    const [first, second] = [mine(), mine()];
    const exact_max = 2n ** 53n;
    await facts.work({ alice: 1 });
    await facts.line(first, { place: exact_max });
    await facts.work({ bob: 1 });
    await facts.line(second, { place: exact_max + 1n });
    await facts.work({ bob: 6 });
    await facts.line(null, { place: 2n ** 63n - 1n });
    await mature();
    expect(await settleAll(payments)).toBe(2);
    expect(await roundsOf(payments)).toEqual([[first, 0n, exact_max, 1n], [second, exact_max, exact_max + 1n, 1n]]);
    expect(await owed(payments)).toEqual({ alice: 5_000_000_000, bob: 5_000_000_000 });
    expect(await sharesOf(payments, 'bob')).toEqual(['1', '6 unsettled']);
    await expectBooksHold(payments);
  });

  it('starts the first round where a baseline was cut, not where it stands in the log (D-9)', async () => {
    const { facts, payments, mine, mature } = await pool(await open());
    const block = mine();
    const line = await facts.line(block, { undecided: true });
    await facts.work({ alice: 1_000_000 });
    await facts.baseline();
    await facts.work({ bob: 1 });
    await facts.decide(line);
    await mature();
    await settleAll(payments);
    expect(await owed(payments)).toEqual({ bob: 5_000_000_000 });
    await expectBooksHold(payments);
  });
});

forEachDatabase('a block whose counts are not decided', (open) => {
  it('waits although accounting is complete up to it, and those after it; then takes exactly its work', async () => {
    const { facts, payments, mine, mature } = await pool(await open());
    const [first, second] = [mine(), mine()];
    await facts.work({ alice: 1 });
    const line = await facts.line(first, { undecided: true });
    await mature();
    const sentence = 'Settling waits at block 1: accounting has not yet decided the counts of block 1.';
    expect(await settle(payments)).toBe('idle');
    expect(waits(payments)).toBe(sentence);
    expect((await statusOfPayments(payments)).waits).toContain(sentence);
    expect((await blockLines(payments)).map(({ state }) => state)).toEqual(['immature']);
    await facts.decide(line);
    await facts.work({ bob: 1 });
    await facts.line(second);
    expect(await settleAll(payments)).toBe(2);
    expect(waits(payments)).toBe('');
    expect(await owed(payments)).toEqual({ alice: 5_000_000_000, bob: 5_000_000_000 });
    await expectBooksHold(payments);
  });

  it('is settled by what accounting wrote before it said that it is complete, not by what was read before that', async () => {
    const { simulated, facts, payments, mine, mature } = await pool(await open());
    const block = mine();
    await facts.work({ alice: 1 });
    await facts.withoutLine(block);
    await mature();
    // While the node is asked for its tip, accounting finds the proof and makes the cut.
    let cut = false;
    const node: typeof payments.node = { ...payments.node, chainInfo: async () => {
      if (!cut) {
        cut = true;
        await payments.database.knex('blocks').where({ hash: block }).delete();
        await facts.proven(block);
      }
      return simulated.node.chainInfo();
    } };
    expect(await settle({ ...payments, node })).toBe('progress');
    expect(await blockLines(payments)).toMatchObject([{ round_shares: '1', credited: '50.00000000' }]);
  });

  it('does not keep an orphan that has come back from its credit: its round is empty anyway', async () => {
    const { simulated, facts, payments, mine, elsewhere } = await pool(await open());
    const stale = mine();
    const watch = createBlockWatch();
    await facts.work({ alice: 6 });
    const line = await facts.line(stale);
    simulated.reorg(1, 102, elsewhere);
    await facts.complete();
    await settleAll(payments);
    await payments.database.knex('cuts').where({ snapshot_id: line }).delete();
    let tip = stale;
    for (let depth = 0; depth < 130; depth += 1) tip = simulated.mineBlock({ on: tip, pays: elsewhere });
    await facts.complete();
    expect(await watch(payments)).toBe('progress');
    expect(await blockLines(payments)).toMatchObject([{ state: 'credited', round_shares: '0', carried_out: '50.00000000' }]);
  });
});
