// Rows 31 and 32 of the fault matrix, on a real node in regtest: lines that tell of blocks which are not the pool's, and
// more blocks in a second than a snapshot can tell apart. A line is a hint; only what the node says becomes a block.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestPool, type TestPool } from '../../accounting/pool.fixture.js';
import type { AccountingDaemon } from '../../accounting/daemon.js';
import { openPayments } from '../../lab/payments-context.js';
import { startRegtestNode, type RegtestNode } from '../../lab/regtest-node.js';
import { allRounds } from '../../payments/edges/round-store.js';
import { minerBalances } from '../../payments/edges/ledger-store.js';
import { settle } from '../../payments/settle.js';
import type { BlockHash } from '../../shared/units.js';

let node: RegtestNode;
let stranger: string;
beforeAll(async () => {
  node = await startRegtestNode();
  // Whose key it is does not matter to accounting: another script than the pool's.
  stranger = await node.newAddress('legacy');
  await node.mine(3, stranger);
});
afterAll(() => node.stop());

let pool: TestPool;
let pool_address: string;
let daemon: AccountingDaemon;
beforeEach(async () => {
  pool = await createTestPool();
  pool_address = await node.newAddress();
  pool.say('ckpool generator starting');
  daemon = await pool.start({}, { node: node.node, config: { pool_address } });
  await pool.untilIdle(daemon);
});
afterEach(() => pool.close());

const tipHeight = async (): Promise<number> => Number((await node.node.chainInfo()).tip_height);
const solved = (height: number | bigint, by = 'anna.rig'): string => `Solved and confirmed block ${height} by ${by}`;
const recorded = async () => (await pool.rows('blocks')).map(({ hash }) => String(hash));
const states = async () => (await pool.rows('snapshots')).map(({ state }) => String(state));

/** What a miner or a stranger can make the log say; `refused` are not even hints. */
const forged: readonly [title: string, text: (tip: number) => string, snapshots: number][] = [
  ['of a stranger\'s block', (tip) => solved(tip), 1],
  ['of a height that is still to come', (tip) => solved(tip + 400), 1],
  ['of height 0', () => solved(0), 1],
  ['of the largest height there is', () => solved(2_147_483_647), 1],
  ['of a height beyond 32 bits', () => solved(2_147_483_648), 0],
  ['of height 2^53', () => solved(2n ** 53n), 0],
  ['of a height of a thousand digits', () => solved(10n ** 1000n), 0],
  ['of a negative height', () => solved(-5), 0],
  ['without a height', () => 'Solved and confirmed block by anna.rig', 0],
  ['of a hash, without a block', () => `Block hash changed to ${'ab'.repeat(32)}`, 0],
  ['of a stranger\'s hash', () => `Block hash changed to ${strangers_hash}`, 0],
];
let strangers_hash: BlockHash;

describe('fault 31: a forged block line leaves no block and moves no work', () => {
  beforeAll(async () => { [strangers_hash] = await node.mine(1, stranger) as [BlockHash]; });

  it.each(forged)('%s', async (_, text, snapshots) => {
    pool.pass('anna', 100);
    await pool.untilIdle(daemon);
    // As it gets there: out of the name of a worker, with a newline in it.
    pool.say(`Authorised client 7 worker evil\n[2026-11-20 09:00:00.000] ${text(await tipHeight())} as user evil`);
    pool.say(text(await tipHeight()));
    await pool.untilIdle(daemon);
    expect(await recorded()).toEqual([]);
    // One with ` as user evil` behind it, one without.
    expect(await states()).toEqual(Array.from({ length: snapshots * 2 }, () => 'unverified'));

    const [hash] = await node.mine(1, pool_address);
    pool.pass('bert', 30);
    pool.say(solved(await tipHeight(), 'bert.rig'), `Block hash changed to ${hash}`);
    await pool.untilIdle(daemon);
    expect(await recorded()).toEqual([hash]);
    const { round, balances } = await settledAt();
    expect(round).toMatchObject([{ round_shares: 130n, state: 'credited' }]);
    expect(balances).toEqual(['anna', 'bert']);
  });
});

/** Payments over the facts as they are, a hundred blocks later; its copy of the chain is the real node's. */
async function settledAt() {
  await node.mine(100, stranger);
  pool.say('Possible block solve diff 2048.100000 !');
  await pool.untilIdle(daemon);
  const payments = await openPayments(pool.database, node.node, pool_address);
  while ((await settle(payments)) === 'progress');
  const earned = await minerBalances(pool.database.knex);
  return {
    round: await allRounds(pool.database.knex),
    balances: earned.filter(({ earned_sats }) => earned_sats > 0n).map(({ name }) => name as string).sort(),
    earned_sats: earned.reduce((sum, one) => sum + one.earned_sats, 0n),
  };
}

describe('fault 32: every block of a burst is recorded, and its reward is paid once', () => {
  it('twenty blocks in a second: one snapshot each, rounds without work carry their reward to the next with work', async () => {
    pool.pass('anna', 300);
    const first_height = (await tipHeight()) + 1;
    const began_ms = performance.now();
    const hashes = await node.mine(20, pool_address);
    const mined_ms = performance.now() - began_ms;
    hashes.forEach((hash, index) => pool.say(solved(first_height + index), `Block hash changed to ${hash}`));
    await pool.untilIdle(daemon);
    expect(mined_ms).toBeLessThan(5_000);

    expect(await recorded()).toEqual(hashes);
    const snapshots = await pool.rows('snapshots');
    expect(snapshots.map(({ state }) => state)).toEqual(hashes.map(() => 'confirmed'));
    expect(snapshots.map(({ total_difference }) => total_difference)).toEqual([300n, ...Array.from({ length: 19 }, () => 0n)]);

    pool.pass('bert', 50);
    const [last] = await node.mine(1, pool_address);
    pool.say(solved(await tipHeight(), 'bert.rig'), `Block hash changed to ${last}`);
    await pool.untilIdle(daemon);
    const { round, balances, earned_sats } = await settledAt();
    expect(round.map(({ state }) => state)).toEqual(Array.from({ length: 21 }, () => 'credited'));
    expect(round.map(({ round_shares }) => round_shares)).toEqual([300n, ...Array.from({ length: 19 }, () => 0n), 50n]);
    const rewards = (await pool.rows('blocks')).reduce((sum, row) => sum + BigInt(String(row['reward_sats'])), 0n);
    expect(earned_sats).toBe(rewards);
    expect(balances).toEqual(['anna', 'bert']);
  });

  it('two found before the first snapshot could be taken: each has its own, with the work that its line stands behind', async () => {
    const [one, two] = await node.mine(2, pool_address) as [BlockHash, BlockHash];
    const height = await tipHeight();
    pool.pass('anna', 100);
    pool.say(solved(height - 1), `Block hash changed to ${one}`);
    pool.pass('bert', 40);
    pool.say(solved(height, 'bert.rig'), `Block hash changed to ${two}`);
    await pool.untilIdle(daemon);
    expect(await recorded()).toEqual([one, two]);
    expect((await pool.rows('snapshots')).map(({ total_difference }) => total_difference)).toEqual([100n, 40n]);
    expect((await pool.replay()).differences).toEqual([]);
  });
});
