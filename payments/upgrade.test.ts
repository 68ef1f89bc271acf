// A database filled before the cuts (schema 003) and brought up to date settles as it would have: every snapshot
// was cut at its log position. Compared with the numbers worked out by hand and with the same facts written today.
import { expect, it } from 'vitest';
import { forEachDatabase } from '../lab/databases.js';
import { createFacts, type FactsBuilder } from '../lab/facts.js';
import { openPayments, type TestPayments } from '../lab/payments-context.js';
import { createSimulatedNode } from '../lab/simulated-node.js';
import { integer, timeText, type Database } from '../shared/database/database.js';
import { migrate, migrationsOf } from '../shared/database/migrate.js';
import { printable } from '../shared/username.js';
import { factsAndLedgerChecks } from './commands/audit-checks.js';
import { minerBalances } from './edges/ledger-store.js';
import { allRounds } from './edges/round-store.js';
import { settle } from './settle.js';

/** The last schema in which the log position was the order of work. */
const version_before_cuts = 3;

async function migrateBeforeCuts({ knex, engine }: Database): Promise<void> {
  await knex.raw('CREATE TABLE schema_migrations (version INT NOT NULL PRIMARY KEY, name VARCHAR(64) NOT NULL, '
    + 'applied_at VARCHAR(30) NOT NULL)');
  for (const { version, name, statements } of migrationsOf(engine)) {
    if (version > version_before_cuts) continue;
    for (const statement of statements) await knex.raw(statement);
    await knex('schema_migrations').insert({ version, name, applied_at: timeText(0) });
  }
}

/** The same chain each time: baseline, two blocks in log order, an orphan, and two whose lines stand in the other order. */
async function fill(database: Database, with_cuts: boolean) {
  const simulated = createSimulatedNode();
  const address = simulated.newAddress();
  const elsewhere = simulated.newAddress();
  const facts: FactsBuilder = createFacts(database, simulated.node, address, { with_cuts });
  const mine = () => simulated.mineBlock({ pays: address });
  await facts.work({ early: 1_000 });
  await facts.baseline();
  await facts.work({ alice: 3, bob: 1 });
  await facts.line(mine());
  await facts.line(null);
  await facts.work({ alice: 1, carol: 1 });
  await facts.line(mine());
  await facts.work({ bob: 6 });
  await facts.line(mine());
  simulated.reorg(1, 2, elsewhere);
  await facts.withoutLine(mine());
  const [first, second] = [mine(), mine()];
  await facts.work({ dave: 2 });
  await facts.line(second);
  await facts.work({ alice: 2 });
  await facts.disputed({ alice: 1 });
  const disputed = await facts.line(first);
  await facts.decideDispute(disputed, 'dropped');
  simulated.mine(100, elsewhere);
  await facts.complete();
  return { simulated, address };
}

const blocksStats = async ({ knex }: Database): Promise<unknown[]> =>
  (await knex('blocks_stats').orderBy('id_stat') as Record<string, unknown>[]).map(({ id_stat, id_block, id_miner, shares }) =>
    [id_stat, id_block, id_miner, shares].map(integer));

async function outcome({ database }: TestPayments) {
  const rounds = (await allRounds(database.knex)).map(({ height, state, cut_from, cut_to, round_shares, carried_in_sats, credited_sats }) =>
    [height, state, cut_from, cut_to, round_shares, carried_in_sats, credited_sats]);
  const owed = (await minerBalances(database.knex)).map(({ name, balance_sats }) => [printable(name), balance_sats]);
  return { rounds, owed: Object.fromEntries(owed) as Record<string, bigint> };
}

async function settleBlocks(payments: TestPayments, count: number): Promise<void> {
  for (let block = 0; block < count; block += 1) expect(await settle(payments)).toBe('progress');
}

const blocks = 6;
/** Worked out by hand: snapshots stand at 2000 (baseline), 3000, 4000 (no block), 5000, 6000 (orphan), 7000 and 8000. */
const expected = {
  rounds: [
    [1, 'credited', 2_000n, 3_000n, 4n, 0n, 5_000_000_000n],
    [2, 'credited', 3_000n, 5_000n, 2n, 0n, 5_000_000_000n],
    [3, 'orphaned', 5_000n, 5_000n, 0n, 0n, 0n],
    [5, 'credited', 5_000n, 5_000n, 0n, 0n, 0n],
    [6, 'credited', 5_000n, 8_000n, 9n, 5_000_000_000n, 10_000_000_000n],
    [7, 'credited', 8_000n, 8_000n, 0n, 0n, 0n],
  ],
  owed: {
    alice: 3_750_000_000n + 2_500_000_000n + 1_111_111_111n,
    bob: 1_250_000_000n + 6_666_666_667n,
    carol: 2_500_000_000n,
    dave: 2_222_222_222n,
  },
};

forEachDatabase('a database from before the cuts', (open, { connect, createEmpty }) => {
  const openBefore = async (): Promise<Database> => {
    const database = await connect(await createEmpty());
    await migrateBeforeCuts(database);
    return database;
  };

  it('settles the same rounds, to the satoshi, and shows the same counts at every block', async () => {
    const database = await openBefore();
    const { simulated, address } = await fill(database, false);
    const stats = await blocksStats(database);
    expect(stats).toHaveLength(3 + 4 + 4 + 5 + 5);
    expect(await migrate(database)).toBe(migrationsOf(database.engine).length - version_before_cuts);
    expect(await blocksStats(database)).toEqual(stats);
    const payments = await openPayments(database, simulated.node, address);
    await settleBlocks(payments, blocks);
    expect(await settle(payments)).toBe('idle');
    expect(await outcome(payments)).toEqual(expected);
    for (const { run } of factsAndLedgerChecks) expect(await run(payments)).toMatchObject({ ok: true });

    const today = await open();
    const twin = await fill(today, true);
    expect(await blocksStats(today)).toEqual(stats);
    const twin_payments = await openPayments(today, twin.simulated.node, twin.address);
    await settleBlocks(twin_payments, blocks);
    expect(await outcome(twin_payments)).toEqual(expected);
  });

  it('goes on behind the rounds that were settled before', async () => {
    const today = await open();
    const twin = await fill(today, true);
    await settleBlocks(await openPayments(today, twin.simulated.node, twin.address), 3);
    const database = await openBefore();
    const { simulated, address } = await fill(database, false);
    for (const table of ['rounds', 'ledger_events', 'ledger_entries']) {
      const columns = (row: object) => Object.entries(row).filter(([column]) => column !== 'user_key');
      for (const row of await today.knex(table).orderBy('id') as object[]) {
        await database.knex(table).insert(Object.fromEntries(columns(row)));
      }
    }
    await migrate(database);
    const payments = await openPayments(database, simulated.node, address);
    await settleBlocks(payments, blocks - 3);
    expect(await outcome(payments)).toEqual(expected);
    for (const { run } of factsAndLedgerChecks) expect(await run(payments)).toMatchObject({ ok: true });
  });
});
