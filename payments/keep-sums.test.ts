// Kept sums are for speed alone: with them, without them or in the middle of adding up, a balance is the sum of the
// user's entries; where they are wrong the daemon stops and audit says so; nobody is paid by them.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { forEachDatabase } from '../lab/databases.js';
import { payUntilIdle } from '../lab/payable-pool.js';
import { createPayingWorld, earnedWorld, stateOf, until, type PayingWorld } from '../lab/paying-world.js';
import { openPayments } from '../lab/payments-context.js';
import { createSimulatedNode } from '../lab/simulated-node.js';
import { integer, timeText, type Database } from '../shared/database/database.js';
import { migrate, migrationsOf } from '../shared/database/migrate.js';
import { InvariantBroken } from '../shared/errors.js';
import { satoshis } from '../shared/units.js';
import { nameToBuffer, type NameBytes } from '../shared/username.js';
import { auditLines } from './commands/audit.js';
import type { LedgerAccount, LedgerEntry, LedgerEventKind } from './core/ledger.js';
import { undecidedBlocks, userNamed } from './edges/facts.js';
import { accountBalances, minerBalances, postEvent } from './edges/ledger-store.js';
import { oldestUnpaidCredit } from './edges/overview.js';
import { sumsReach, wrongSums } from './edges/sums-store.js';
import { watchForeignSpends } from './foreign-spends.js';
import { createSumKeeper } from './keep-sums.js';
import { createBlockWatch } from './watch-blocks.js';

const users = 4;
/** What each kind of event posts for a user, in parts of an amount; in what order they come is not asked here. */
const posts: Readonly<Record<LedgerEventKind, Partial<Record<LedgerAccount, bigint>>>> = {
  settle: { coinbase: -3n, miner: 3n },
  reserve: { miner: -3n, reserved: 3n },
  release: { reserved: -3n, miner: 3n },
  pay: { reserved: -3n, paid: 2n, network_fee: 1n },
  reverse: { miner: -3n, orphan_loss: 3n },
};

/** An event about some users, or a move of the keeper (null). */
const anyStep = fc.option(fc.record({
  kind: fc.constantFrom(...Object.keys(posts) as LedgerEventKind[]),
  amounts: fc.array(fc.record({
    user_id: fc.integer({ min: 1, max: users }), amount: fc.bigInt({ min: -(1n << 40n), max: 1n << 40n }),
  }), { maxLength: 3 }),
}), { freq: 3 });

const entriesOf = (kind: LedgerEventKind, user_id: number, amount: bigint): LedgerEntry[] =>
  (Object.entries(posts[kind]) as [LedgerAccount, bigint][]).map(([account, part]) => ({
    account, user_id: account === 'coinbase' || account === 'orphan_loss' ? null : user_id, amount_sats: satoshis(part * amount),
  }));

/** The last schema without kept sums. */
const version_before_sums = 4;

async function migrateTo({ knex, engine }: Database, last: number): Promise<void> {
  await knex.raw('CREATE TABLE schema_migrations (version INT NOT NULL PRIMARY KEY, name VARCHAR(64) NOT NULL, '
    + 'applied_at VARCHAR(30) NOT NULL)');
  for (const { version, name, statements } of migrationsOf(engine)) {
    if (version > last) continue;
    for (const statement of statements) await knex.raw(statement);
    await knex('schema_migrations').insert({ version, name, applied_at: timeText(0) });
  }
}

async function writeUsers({ knex }: Database): Promise<void> {
  for (let id = 1; id <= users; id += 1) {
    await knex('users').insert({
      id, name: nameToBuffer(`user${id}` as NameBytes), counter: 0, ledger_count: 0, snapshot_count: 0, disputed_count: 0,
    });
  }
}

/** From the entries alone, by whoever distrusts the stores. */
async function sumsByHand({ knex }: Database): Promise<{ users: Map<number, bigint[]>; accounts: Map<string, bigint> }> {
  const rows = await knex('ledger_entries').join('ledger_events', 'ledger_events.id', 'ledger_entries.event_id')
    .select<Record<string, unknown>[]>('kind', 'account', 'user_id', 'amount_sats');
  const by_user = new Map<number, bigint[]>();
  const by_account = new Map<string, bigint>();
  for (const { kind, account, user_id, amount_sats } of rows) {
    const amount = integer(amount_sats);
    by_account.set(String(account), (by_account.get(String(account)) ?? 0n) + amount);
    if (user_id === null) continue;
    const sums = by_user.get(Number(user_id)) ?? [0n, 0n, 0n, 0n, 0n];
    const add = (index: number): void => { sums[index] = (sums[index] ?? 0n) + amount; };
    if (account === 'miner') add(0);
    if (account === 'miner' && (kind === 'settle' || kind === 'reverse')) add(1);
    if (account === 'paid') add(2);
    if (account === 'network_fee') add(3);
    if (account === 'reserved') add(4);
    by_user.set(Number(user_id), sums);
  }
  return { users: by_user, accounts: by_account };
}

async function expectTheSumOfAllEntries(database: Database): Promise<void> {
  const expected = await sumsByHand(database);
  const balances = await minerBalances(database.knex);
  expect(balances.map(({ user_id, balance_sats, earned_sats, paid_sats, network_fee_sats, reserved_sats }) =>
    [user_id, [balance_sats, earned_sats, paid_sats, network_fee_sats, reserved_sats]]))
    .toEqual([...expected.users].sort(([left], [right]) => left - right));
  for (const [account, total] of Object.entries(await accountBalances(database.knex))) {
    expect([account, total]).toEqual([account, expected.accounts.get(account) ?? 0n]);
  }
}

async function keepAll({ context }: PayingWorld, keep = createSumKeeper()): Promise<void> {
  while ((await keep(context)) === 'progress');
}

const violated = async ({ context }: PayingWorld): Promise<string[]> =>
  (await auditLines(context)).filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);

forEachDatabase('kept sums', (open, databases) => {
  it('and what came after them are the sum of all entries, whatever was posted and whenever it was added up', async () => {
    const { node, newAddress } = createSimulatedNode();
    const database = await open();
    await writeUsers(database);
    const context = await openPayments(database, node, newAddress());
    const keep = createSumKeeper();
    let events = 0;
    await fc.assert(fc.asyncProperty(fc.array(anyStep, { maxLength: 8 }), async (steps) => {
      for (const step of steps) {
        if (step === null) await keep(context);
        else {
          const { kind } = step;
          const entries = step.amounts.flatMap(({ user_id, amount }) => entriesOf(kind, user_id, amount));
          events += 1;
          await database.transaction((transaction) => postEvent(transaction, {
            kind, entries, cause: `any:${events}`, round_id: null, batch_id: null, detail: '', occurred_at: timeText(0),
          }));
        }
        await expectTheSumOfAllEntries(database);
      }
    }), { numRuns: 25 });
    while ((await keep(context)) === 'progress');
    expect((await sumsReach(database.knex)).event_id).toBe(events);
    await expectTheSumOfAllEntries(database);
  });

  it('start from nothing on a ledger that was filled before them: balances stay what they were, at once and added up', async () => {
    const database = await databases.connect(await databases.createEmpty());
    await migrateTo(database, version_before_sums);
    await writeUsers(database);
    for (let id = 1; id <= 7; id += 1) {
      const kind = id === 5 ? 'reserve' : 'settle';
      await database.knex('ledger_events').insert({ id, kind, cause: `old:${id}`, detail: '', occurred_at: timeText(0) });
      const entries = kind === 'reserve' ? [['miner', 2, -40], ['reserved', 2, 40]] as const
        : [['coinbase', null, -70], ['miner', 2, 30], ['miner', id % 2 === 0 ? 1 : 3, 40]] as const;
      await database.knex('ledger_entries').insert(
        entries.map(([account, user_id, amount_sats]) => ({ event_id: id, account, user_id, amount_sats })));
    }
    expect(await migrate(database)).toBe(migrationsOf(database.engine).length - version_before_sums);
    await expectTheSumOfAllEntries(database);
    const { node, newAddress } = createSimulatedNode();
    const context = await openPayments(database, node, newAddress());
    expect(await createSumKeeper()(context)).toBe('progress');
    expect((await sumsReach(database.knex)).event_id).toBe(7);
    await expectTheSumOfAllEntries(database);
    expect(await wrongSums(database.knex)).toEqual([]);
  });

  it('hold through a whole life of a payout, and audit finds them right', async () => {
    const world = await earnedWorld(await open());
    const keep = createSumKeeper();
    for (const move of ['plan', 'prepare', 'broadcast']) {
      await until(world.context, move);
      await keepAll(world, keep);
      await expectTheSumOfAllEntries(world.context.database);
    }
    for (let blocks = 0; blocks < 8; blocks += 1) {
      await world.bury(1);
      await payUntilIdle(world.context);
      await keepAll(world, keep);
    }
    expect(await stateOf(world)).toBe('final');
    await world.facts.complete();
    await expectTheSumOfAllEntries(world.context.database);
    expect(await violated(world)).toEqual([]);
    const { decided_block_id, spent_block_id } = await sumsReach(world.context.database.knex);
    expect([decided_block_id, spent_block_id]).toEqual([2, 2]);
  });

  it('that are wrong stop the daemon, and audit names the user', async () => {
    const world = await earnedWorld(await open());
    const keep = createSumKeeper();
    await keepAll(world, keep);
    await world.context.database.knex('user_sums').where({ user_id: 1 }).update({ balance_sats: 7, earned_sats: 7 });
    const lookAgain = async () => { for (let looks = 0; looks < 10; looks += 1) await keep(world.context); };
    await expect(lookAgain()).rejects.toThrow(InvariantBroken);
    expect((await violated(world)).join()).toMatch(/kept sums equal the ledger: user 1: earned_sats is kept as 7/);
  });

  it('that are missing stop the daemon as well', async () => {
    const world = await earnedWorld(await open());
    await keepAll(world);
    await world.context.database.knex('user_sums').delete();
    await expect(createSumKeeper()(world.context)).rejects.toThrow(/differs from the ledger/);
  });

  it('pay nobody: a payout is promised by the entries, whatever is kept', async () => {
    const world = await earnedWorld(await open());
    await keepAll(world);
    await world.context.database.knex('user_sums').where({ user_id: 1 }).increment('balance_sats', 1);
    await expect(until(world.context, 'plan')).rejects.toThrow(/balance of user 1 changed/);
    expect(await world.context.database.knex('payout_batches').select('id')).toEqual([]);
  });

  it('never hide a block: one that is found late and lower is settled, one that is orphaned is counted as decided', async () => {
    const world = await createPayingWorld(await open());
    const { context: { database }, sim, facts, pool_address } = world;
    const [late] = sim.mine(1, pool_address);
    await world.earn({ [world.alice]: 1 });
    await world.mature();
    await keepAll(world);
    expect(await undecidedBlocks(database.knex)).toEqual([]);
    await facts.withoutLine(late!);
    await keepAll(world);
    expect((await undecidedBlocks(database.knex)).map(({ hash }) => hash)).toEqual([late]);
  });

  it('look again at the coins of a block that left the chain and came back', async () => {
    const world = await earnedWorld(await open());
    const { context, sim } = world;
    await payUntilIdle(context);
    for (let blocks = 0; blocks < 8; blocks += 1) {
      await world.bury(1);
      await payUntilIdle(context);
    }
    await keepAll(world);
    expect((await sumsReach(context.database.knex)).spent_block_id).toBe(2);
    // The block of the payout is replaced: it is a promise again, and its coins may be spent by somebody else.
    sim.reorg(8, 9, sim.foreignAddress());
    const watch = createBlockWatch();
    while ((await watch(context)) === 'progress');
    expect(await stateOf(world)).toBe('broadcast');
    expect((await sumsReach(context.database.knex)).spent_block_id).toBe(0);
    await keepAll(world);
    expect((await sumsReach(context.database.knex)).spent_block_id).toBe(0);
    expect(await watchForeignSpends(context)).toBe('idle');
  });

  it('leave the oldest unpaid credit what it is: since the last promise, or since the first credit', async () => {
    const world = await createPayingWorld(await open(), { min_payout_sats: satoshis(3_000_000_000n) });
    const { context, alice, bob } = world;
    const at = async () => {
      const oldest = await oldestUnpaidCredit(context.database.knex);
      return oldest && [oldest.user_id, oldest.credited_at_ms];
    };
    expect(await at()).toBeNull();
    const user_id = async (name: string): Promise<number> =>
      (await userNamed(context.database.knex, name as NameBytes))!.user_id;
    const settleAt = async (shares: Record<string, number>): Promise<number> => {
      context.clock.advance(1_000);
      await world.earn(shares);
      await world.mature();
      return context.clock.now_ms();
    };
    const first = await settleAt({ [alice]: 9, [bob]: 1 });
    expect(await at()).toEqual([await user_id(alice), first]);
    await until(context, 'plan');
    // Alice is promised what she had; Bob waits below the minimum since the same block.
    expect(await at()).toEqual([await user_id(bob), first]);
    await settleAt({ [alice]: 1 });
    await keepAll(world);
    expect(await at()).toEqual([await user_id(bob), first]);
  });
});
