// The way out after an older database was restored: what the ledger has lost is booked from the chain.
import { expect, it } from 'vitest';
import { forEachDatabase } from '../../lab/databases.js';
import { createPayablePool, payUntilIdle, type PayablePool } from '../../lab/payable-pool.js';
import { createPayingWorld, expectBooksAndChainAgree, spendsOnChain, stateOf, type PayingWorld } from '../../lab/paying-world.js';
import type { Config } from '../../shared/config.js';
import type { Database } from '../../shared/database/database.js';
import { satoshis, type BlockHash, type Satoshis, type TransactionId } from '../../shared/units.js';
import { askPayments } from '../commands/ask.js';
import { auditLines } from '../commands/audit.js';
import { incidentReport } from '../commands/resolve.js';
import { openIncidents } from '../edges/incident-store.js';
import { accountBalances, minerBalances, type MinerBalance } from '../edges/ledger-store.js';
import { watchForeignSpends } from '../foreign-spends.js';
import { settle } from '../settle.js';
import { payoutRequests } from './requests.js';

interface Found { readonly hash: BlockHash; readonly shares: Record<string, number> }

/** Earns and pays a block; what was found is kept, so that a restored ledger can read it again. */
async function payBlock(world: PayingWorld, found: Found[], shares: Record<string, number>): Promise<void> {
  found.push({ hash: await world.earn(shares), shares });
  await world.mature();
  await payUntilIdle(world.context);
  await world.bury(6);
  await payUntilIdle(world.context);
}

/** The same pool on the same node with a ledger that has read all facts again and knows of no payout. */
async function restored({ sim, pool_address, bob }: PayingWorld, database: Database, found: readonly Found[], change: Partial<Config> = {}): Promise<PayablePool> {
  const pool = await createPayablePool(database, { node: sim.node, mine: async (blocks, address) => sim.mine(blocks, address) }, { pool: pool_address, nobody: bob }, change);
  for (const { hash, shares } of found) {
    await pool.facts.work(shares);
    await pool.facts.line(hash);
  }
  await pool.facts.complete();
  while ((await settle(pool.context)) === 'progress');
  await notice(pool);
  return pool;
}

/** Raises what there is to raise; nothing is paid then, but addresses are looked at. */
async function notice({ context }: PayablePool): Promise<void> {
  while ((await watchForeignSpends(context)) === 'progress');
  await payUntilIdle(context);
}

const ask = async ({ context }: PayablePool, incident_id: number, choice: string) => {
  await context.lease.release();
  const outcome = await askPayments(context, { action: 'resolve', arguments: { incident_id, choice }, handlers: payoutRequests });
  await context.lease.tryTake();
  return outcome;
};
const violations = async ({ context }: PayablePool) => (await auditLines(context)).filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
const amounts = async ({ context: { database } }: PayablePool) => Object.fromEntries((await minerBalances(database.knex))
  .map(({ name, earned_sats, paid_sats, network_fee_sats, balance_sats }: MinerBalance) => [name, { earned_sats, paid_sats, network_fee_sats, balance_sats }]));

/** A block whose coinbase pays the pool twice, earned and settled; its two coins. */
async function twoCoins(world: PayingWorld, shares: Record<string, number>): Promise<{ hash: BlockHash; coins: readonly Coin[] }> {
  const { sim, facts, pool_address: address } = world;
  await facts.work(shares);
  const amounts = [satoshis(3_000_000_000n), satoshis(2_000_000_000n)];
  const hash = sim.mineBlock({ pays: amounts.map((amount) => ({ address, amount })) });
  await facts.line(hash);
  await world.mature();
  const { coinbase_txid: txid } = (await sim.node.blockWithCoinbase(hash))!;
  return { hash, coins: amounts.map((amount, index) => ({ txid, index, amount })) };
}

interface Coin { readonly txid: TransactionId; readonly index: number; readonly amount: Satoshis }

/** A payout as the lost ledger would have made it: one coin, one user. */
async function payout({ sim: { node } }: PayingWorld, coin: Coin, address: string, fee_sats = 10_000n): Promise<{ txid: TransactionId; raw_hex: string }> {
  const raw_hex = await node.sign(await node.createTransaction([coin], [{ address, amount: satoshis(coin.amount - fee_sats) }]));
  return { raw_hex, txid: (await node.decode(raw_hex)).txid };
}

const subjects = async ({ context }: PayablePool) => (await openIncidents(context.database.knex)).map(({ subject }) => subject);

async function follow(pool: PayablePool): Promise<void> {
  await payUntilIdle(pool.context);
}

forEachDatabase('a payout that the ledger has lost', (open) => {
  it('fault 13: is booked by the word of an operator: what it paid is owed no more, and nobody is paid twice (D-2)', async () => {
    const world = await createPayingWorld(await open());
    const { alice, bob, sim } = world;
    const found: Found[] = [];
    await payBlock(world, found, { [alice]: 300, [bob]: 101 });
    const pool = await restored(world, await open(), found);
    const [incident] = await openIncidents(pool.context.database.knex);
    const report = await incidentReport(pool.context, incident!);
    expect(report.choices.map(({ choice }) => choice)).toEqual(['book', 'resume']);
    const [spend] = await spendsOnChain(sim);
    expect(await ask(pool, incident!.id, 'book')).toEqual({
      outcome: 'done', detail: `Transaction ${spend!.txid} is booked as a payout of this ledger: 2 outputs, 50.00000000 with the network fee.`,
    });
    expect(await openIncidents(pool.context.database.knex)).toEqual([]);
    await follow(pool);
    expect(await stateOf({ ...world, ...pool })).toBe('final');
    expect(await amounts(pool)).toEqual(await amounts(world));
    expect(await violations(pool)).toEqual([]);
    await expectBooksAndChainAgree({ ...world, ...pool });
    // And the pool pays on, once.
    found.push({ hash: await pool.earn({ [alice]: 5 }), shares: { [alice]: 5 } });
    await pool.mature();
    await follow(pool);
    await pool.bury(6);
    await follow(pool);
    expect(await spendsOnChain(sim)).toHaveLength(2);
    await expectBooksAndChainAgree({ ...world, ...pool });
    expect(await violations(pool)).toEqual([]);
  });

  it('fault 13: several are booked one after the other, those first whose change the others spend', async () => {
    const world = await createPayingWorld(await open());
    const { alice, bob } = world;
    const found: Found[] = [];
    // Somebody who is not paid leaves change, which the second payout spends.
    await payBlock(world, found, { [alice]: 300, 'no address': 100 });
    await payBlock(world, found, { [alice]: 200, [bob]: 100, 'no address': 10 });
    const pool = await restored(world, await open(), found);
    const incidents = await openIncidents(pool.context.database.knex);
    expect(incidents.map(({ subject }) => subject)).toEqual(found.map(({ hash }) => hash));
    expect(await ask(pool, incidents[1]!.id, 'book')).toMatchObject({ outcome: 'refused', detail: expect.stringMatching(/book older payouts first\.$/) });
    expect(await ask(pool, incidents[0]!.id, 'book')).toMatchObject({ outcome: 'done' });
    await follow(pool);
    expect(await ask(pool, incidents[1]!.id, 'book')).toMatchObject({ outcome: 'done' });
    await follow(pool);
    expect(await amounts(pool)).toEqual(await amounts(world));
    expect(await violations(pool)).toEqual([]);
    await expectBooksAndChainAgree({ ...world, ...pool });
  });

  it('fault 13: is booked with its network fee where the pool pays it', async () => {
    const change = { network_fee_from: 'pool', pool_fee_ppm: 10_000n } as const;
    const world = await createPayingWorld(await open(), change);
    const found: Found[] = [];
    await payBlock(world, found, { [world.alice]: 300 });
    const pool = await restored(world, await open(), found, change);
    const [incident] = await openIncidents(pool.context.database.knex);
    expect(await ask(pool, incident!.id, 'book')).toMatchObject({ outcome: 'done' });
    await follow(pool);
    expect(await accountBalances(pool.context.database.knex)).toEqual(await accountBalances(world.context.database.knex));
    expect(await violations(pool)).toEqual([]);
  });

  it.each([1_003n, 2_001n])('fault 13: the audit holds after it, however its network fee falls on users who got the same (%s satoshis per 1000 bytes)', async (rate) => {
    const change = { fallback_fee_rate: satoshis(rate) };
    const world = await createPayingWorld(await open(), change);
    const { alice, bob } = world;
    const found: Found[] = [];
    await payBlock(world, found, { [alice]: 1, [bob]: 1 });
    // They are owed more than they were paid, so that the fee can be split otherwise than it was.
    found.push({ hash: await world.earn({ [alice]: 1, [bob]: 1 }), shares: { [alice]: 1, [bob]: 1 } });
    await world.mature();
    const pool = await restored(world, await open(), found, change);
    expect(await ask(pool, 1, 'book')).toMatchObject({ outcome: 'done' });
    expect(await violations(pool)).toEqual([]);
    await follow(pool);
    expect(await violations(pool)).toEqual([]);
  });

  it('fault 13: is booked where the ledger knows another payout from the same coinbase', async () => {
    const world = await createPayingWorld(await open());
    const { alice, bob, sim } = world;
    const { hash, coins } = await twoCoins(world, { [alice]: 1, 'no address': 9 });
    await payUntilIdle(world.context);
    await world.bury(6);
    await payUntilIdle(world.context);
    expect(await stateOf(world)).toBe('final');
    await world.earn({ [bob]: 1 });
    await world.mature();
    const lost = await payout(world, coins[1]!, bob);
    sim.mineBlock({ transactions: [lost.raw_hex] });
    await notice(world);
    expect(await subjects(world)).toEqual([hash]);
    expect(await ask(world, 1, 'book')).toMatchObject({ outcome: 'done', detail: expect.stringContaining(lost.txid) });
    expect(await subjects(world)).toEqual([]);
    await world.bury(6);
    await follow(world);
    expect(await violations(world)).toEqual([]);
    await expectBooksAndChainAgree(world);
  });

  it('fault 13: one of two from the same coinbase does not close the incident over the other, and both are booked', async () => {
    const world = await createPayingWorld(await open());
    const { alice, sim } = world;
    const { hash, coins } = await twoCoins(world, { [alice]: 1 });
    const [later, first] = [await payout(world, coins[1]!, alice), await payout(world, coins[0]!, alice)];
    expect(await sim.node.broadcast(later.raw_hex)).toEqual({ outcome: 'accepted' });
    sim.mineBlock({ transactions: [first.raw_hex] });
    await notice(world);
    expect(await ask(world, 1, 'book')).toMatchObject({ outcome: 'done', detail: expect.stringMatching(`${first.txid} .*stays open`) });
    expect(await subjects(world)).toEqual([hash]);
    await follow(world);
    expect(await ask(world, 1, 'book')).toMatchObject({ outcome: 'done', detail: expect.stringContaining(later.txid) });
    expect(await subjects(world)).toEqual([]);
    await world.bury(6);
    await follow(world);
    expect(await amounts(world)).toMatchObject({ [alice]: { balance_sats: 0n, network_fee_sats: 20_000n } });
    expect(await violations(world)).toEqual([]);
  });

  it('fault 13: closes the incident over another coinbase only when nothing else has spent of it', async () => {
    const world = await createPayingWorld(await open());
    const { alice, sim } = world;
    const [one, two] = [await twoCoins(world, { [alice]: 1 }), await twoCoins(world, { [alice]: 1 })];
    const { node } = sim;
    const both = await node.sign(await node.createTransaction([one.coins[0]!, two.coins[0]!], [{ address: alice, amount: satoshis(5_999_990_000n) }]));
    const other = await payout(world, two.coins[1]!, alice);
    sim.mineBlock({ transactions: [both] });
    sim.mineBlock({ transactions: [other.raw_hex] });
    await notice(world);
    expect(await subjects(world)).toEqual([one.hash, two.hash]);
    expect(await ask(world, 1, 'book')).toMatchObject({ outcome: 'done' });
    expect(await subjects(world)).toEqual([two.hash]);
    expect(await ask(world, 2, 'book')).toMatchObject({ outcome: 'done', detail: expect.stringContaining(other.txid) });
    expect(await subjects(world)).toEqual([]);
    expect(await violations(world)).toEqual([]);
  });

  it('fault 13: of two that want the same coin none is booked before one is in a block, and then that one', async () => {
    const world = await createPayingWorld(await open());
    const { alice, sim } = world;
    const { coins } = await twoCoins(world, { [alice]: 1 });
    const [replaced, taken] = [await payout(world, coins[0]!, alice), await payout(world, coins[0]!, alice, 20_000n)];
    expect(await sim.node.broadcast(replaced.raw_hex)).toEqual({ outcome: 'accepted' });
    sim.evict(replaced.txid);
    expect(await sim.node.broadcast(taken.raw_hex)).toEqual({ outcome: 'accepted' });
    await notice(world);
    expect(await ask(world, 1, 'book')).toMatchObject({ outcome: 'refused', detail: expect.stringMatching(/none is in a block/) });
    expect(await stateOf(world)).toBeUndefined();
    await world.bury(1);
    expect(await ask(world, 1, 'book')).toMatchObject({ outcome: 'done', detail: expect.stringContaining(taken.txid) });
    expect(await subjects(world)).toEqual([]);
  });

  it('fault 13: is refused where it pays somebody whom the ledger does not owe, and nothing changes', async () => {
    const world = await createPayingWorld(await open());
    const { alice, bob } = world;
    const found: Found[] = [];
    await payBlock(world, found, { [alice]: 300, [bob]: 101 });
    const pool = await restored(world, await open(), [{ ...found[0]!, shares: { [alice]: 300 } }]);
    const [incident] = await openIncidents(pool.context.database.knex);
    const before = await amounts(pool);
    expect(await ask(pool, incident!.id, 'book')).toMatchObject({
      outcome: 'refused', detail: expect.stringMatching(/^Transaction [0-9a-f]{64} is no payout that this ledger could have made\. It pays \S+ to a script of nobody whom the ledger owes/),
    });
    expect(await amounts(pool)).toEqual(before);
    expect(await openIncidents(pool.context.database.knex)).toHaveLength(1);
    expect(await stateOf({ ...world, ...pool })).toBeUndefined();
  });
});
