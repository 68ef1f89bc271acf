// Rows 24, 25, 27 and 28 of the fault matrix: what the chain takes away, before and at maturity, from a payout, and
// what its coinbases really pay. A real node that is made to change its mind by invalidateblock and a longer branch.
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { mineProvableBlock } from '../../lab/block-miner.js';
import { payUntilIdle } from '../../lab/payable-pool.js';
import { factsAndLedgerChecks } from '../../payments/commands/audit-checks.js';
import { blockLines } from '../../payments/commands/blocks.js';
import { accountBalances, minerBalances } from '../../payments/edges/ledger-store.js';
import { openIncidents } from '../../payments/edges/incident-store.js';
import { transactionOf } from '../../payments/edges/transaction-store.js';
import { settle } from '../../payments/settle.js';
import { createBlockWatch } from '../../payments/watch-blocks.js';
import type { WalletNode } from '../../shared/bitcoind/node.js';
import { blockHeight, satoshis, type BlockHash } from '../../shared/units.js';
import { openEarnedPool, openRealPool, overpaid, spendsSince, startRealNode, stateOf, type RealNode, type RealPool } from './real-pool.js';

const maturity = 100;

let real: RealNode;
const pools: RealPool[] = [];
beforeAll(async () => { real = await startRealNode(); });
afterEach(async () => {
  for (const { database } of pools.splice(0)) await database.close();
});
afterAll(() => real?.regtest.stop());

async function open(make = openRealPool): Promise<RealPool> {
  const pool = await make(real);
  pools.push(pool);
  return pool;
}

const states = async ({ context }: RealPool) => (await blockLines(context)).map(({ state }) => state);
const earnedBy = async ({ database }: RealPool) => Object.fromEntries((await minerBalances(database.knex)).map(({ name, earned_sats }) => [name, earned_sats]));

async function settleAll({ context, facts }: RealPool): Promise<void> {
  await facts.complete();
  for (let limit = 0; limit < 10; limit += 1) if ((await settle(context)) === 'idle') return;
  throw new Error('settling finds no rest');
}

/** Rules A and B, and L1 to L7, from the numbers in the database. */
async function violations({ context }: RealPool): Promise<string[]> {
  const found: string[] = [];
  for (const { name, run } of factsAndLedgerChecks) {
    const { ok, detail } = await run(context);
    if (!ok) found.push(`${name}: ${detail}`);
  }
  return found;
}

const rewardOf = async ({ context, pool_address }: RealPool, hash: BlockHash): Promise<bigint> => {
  const { script } = await context.node.address(pool_address);
  const block = await context.node.blockWithCoinbase(hash);
  return block!.coinbase_outputs.filter((output) => output.script === script).reduce((sum, { amount }) => sum + amount, 0n);
};

/** To the satoshi, of which the last goes by the largest fraction. */
async function expectThreeToOne(pool: RealPool, reward: bigint): Promise<void> {
  const earned = await earnedBy(pool);
  const [alice, bob] = [earned[pool.alice]!, earned[pool.bob]!];
  expect(alice + bob).toBe(reward);
  expect([0n, 1n]).toContain(alice - (reward * 3n) / 4n);
}

it.each([1, 2, 3, 4, 5, 6])('fault 24: a block that %i blocks replace before maturity is orphaned and credits nobody; its work goes on', async (depth) => {
  const pool = await open();
  await pool.earn({ [pool.alice]: 300 });
  await pool.bury(depth - 1);
  await real.regtest.reorg(depth, depth + 1, pool.nobody);
  const next = await pool.earn({ [pool.bob]: 100 });
  await pool.bury(maturity);
  await settleAll(pool);
  expect(await states(pool)).toEqual(['orphaned', 'credited']);
  await expectThreeToOne(pool, await rewardOf(pool, next));
  expect(await violations(pool)).toEqual([]);
});

it('fault 24: a block that goes and comes and goes and comes before maturity is credited with its work, once', async () => {
  const pool = await open();
  const block = await pool.earn({ [pool.alice]: 300 });
  await pool.bury(2);
  const [rival] = await real.regtest.reorg(3, 4, pool.nobody);
  const standing = async () => (await real.node.header(block))!.confirmations;
  for (let flips = 0; flips < 2; flips += 1) {
    expect(await standing()).toBe(-1);
    await real.regtest.invalidate(rival!);
    expect(await standing()).toBe(3);
    await real.regtest.reconsider(rival!);
  }
  await real.regtest.invalidate(rival!);
  await pool.bury(maturity);
  await settleAll(pool);
  await settleAll(pool);
  expect(await states(pool)).toEqual(['credited']);
  expect(await earnedBy(pool)).toEqual({ [pool.alice]: await rewardOf(pool, block) });
  expect(await violations(pool)).toEqual([]);
});

it.each([
  ['one block before maturity', 'orphaned', -1],
  ['at maturity, before the credit', 'orphaned', 0],
  ['one block after maturity, after the credit', 'lost', 1],
] as const)('fault 25: a reorganisation %s: the block is %s, and nobody keeps a credit of it', async (_, after, blocks) => {
  const pool = await open();
  const { context } = pool;
  await pool.earn({ [pool.alice]: 300 });
  await pool.bury(maturity + blocks);
  await pool.facts.complete();
  // Due exactly at maturity; at -1 a look at it decides nothing.
  if (blocks !== 0) expect(await settle(context)).toBe(blocks > 0 ? 'progress' : 'idle');
  if (blocks > 0) expect(await states(pool)).toEqual(['credited']);
  await real.regtest.reorg(maturity + blocks + 1, maturity + blocks + 2, pool.nobody);
  await settleAll(pool);
  const watch = createBlockWatch();
  while ((await watch(context)) === 'progress');
  expect(await states(pool)).toEqual([after]);
  expect(await openIncidents(context.database.knex)).toMatchObject(after === 'lost' ? [{ kind: 'block_lost', stops_paying: true }] : []);
  expect(await earnedBy(pool)).toEqual(after === 'lost' ? { [pool.alice]: 0n } : {});
  expect(await accountBalances(context.database.knex)).toMatchObject({ coinbase: 0n, miner: 0n, orphan_loss: 0n, carry: 0n });
  expect(await payUntilIdle(context)).not.toContain('plan');
  expect(await violations(pool)).toEqual([]);
});

it.each([
  ['its height was looked at', 'blockHashAt'], ['its coinbase was read', 'blockWithCoinbase'],
] as const)('fault 25: a reorganisation after %s and before the credit is written: nothing is credited', async (_, method) => {
  const pool = await open();
  await pool.earn({ [pool.alice]: 300 });
  await pool.bury(maturity);
  await pool.facts.complete();
  let struck = false;
  const node = new Proxy(pool.context.node, {
    get: (target, name: keyof WalletNode) => {
      const call = (target[name] as (...parameters: unknown[]) => Promise<unknown>).bind(target);
      if (name !== method) return call;
      return async (...parameters: unknown[]) => {
        const answer = await call(...parameters);
        if (!struck) await real.regtest.reorg(maturity + 1, maturity + 2, pool.nobody);
        struck = true;
        return answer;
      };
    },
  });
  await settle({ ...pool.context, node }).catch((failure: unknown) => expect(failure).toMatchObject({ name: 'OutsideFailure', kind: 'retry' }));
  expect(struck).toBe(true);
  expect(await minerBalances(pool.database.knex)).toEqual([]);
  await settleAll(pool);
  expect(await states(pool)).toEqual(['orphaned']);
});

it('fault 27: a payout that a reorganisation unconfirms goes back to broadcast and is confirmed in another block', async () => {
  const pool = await open(openEarnedPool);
  const { context } = pool;
  const before = await spendsSince(real, null);
  await payUntilIdle(context);
  await pool.bury(1);
  expect(await payUntilIdle(context)).toEqual(['watch']);
  const first = (await transactionOf(pool.database.knex, 1))!;
  await real.regtest.invalidate(first.confirmed!.hash);
  for (let blocks = 0; blocks < 2; blocks += 1) await real.regtest.mineOnly([], pool.nobody);
  await real.regtest.reconsider(first.confirmed!.hash);
  expect((await payUntilIdle(context))[0]).toBe('watch');
  expect(await stateOf(pool)).toBe('broadcast');
  expect((await transactionOf(pool.database.knex, 1))!.confirmed).toBeNull();
  await pool.bury(6);
  await payUntilIdle(context);
  const second = (await transactionOf(pool.database.knex, 1))!;
  expect(await stateOf(pool)).toBe('final');
  expect(second.txid).toBe(first.txid);
  expect(second.confirmed!.hash).not.toBe(first.confirmed!.hash);
  expect((await spendsSince(real, null)).filter((one) => !before.includes(one))).toEqual([first.txid]);
  expect(await overpaid(pool)).toEqual([]);
});

it('fault 27: a payout that another block confirms at the same height is followed by hash, not by height', async () => {
  const pool = await open(openEarnedPool);
  const { context } = pool;
  await payUntilIdle(context);
  await pool.bury(1);
  await payUntilIdle(context);
  const first = (await transactionOf(pool.database.knex, 1))!;
  await real.regtest.invalidate(first.confirmed!.hash);
  const rival = await real.regtest.mineOnly([first.txid], pool.nobody);
  await pool.bury(1);
  await real.regtest.reconsider(first.confirmed!.hash);
  expect(await payUntilIdle(context)).toEqual(['watch', 'watch']);
  expect((await transactionOf(pool.database.knex, 1))!.confirmed).toEqual({ height: first.confirmed!.height, hash: rival });
  await pool.bury(6);
  await payUntilIdle(context);
  expect(await stateOf(pool)).toBe('final');
  expect(await overpaid(pool)).toEqual([]);
});

it('fault 27: of two own blocks at one height each is told by its hash, and the one in the chain is credited', async () => {
  const pool = await open();
  const orphan = await pool.earn({ [pool.alice]: 300 });
  await real.regtest.invalidate(orphan);
  // Mined at the same moment by generatetoaddress it would be the same block again.
  const { script } = await real.node.address(pool.pool_address);
  await pool.facts.work({ [pool.bob]: 100 });
  const { hash: block } = await mineProvableBlock(real.regtest, { script: script!, enonce1: '01020304', nonce2: '0000000000000002' });
  await pool.facts.line(block);
  await pool.bury(1);
  await real.regtest.reconsider(orphan);
  const [one, other] = [await real.node.header(orphan), await real.node.header(block)];
  expect(one!.height).toBe(other!.height);
  await pool.bury(maturity);
  await settleAll(pool);
  expect((await blockLines(pool.context)).map(({ hash, state }) => [hash, state]).sort()).toEqual([[orphan, 'orphaned'], [block, 'credited']].sort());
  await expectThreeToOne(pool, await rewardOf(pool, block));
  expect(await violations(pool)).toEqual([]);
});

it('fault 28: a halving between two blocks of one pool: each is credited with what its own coinbase pays', async () => {
  const pool = await open();
  const { tip_height } = await real.node.chainInfo();
  await pool.bury(150 - (tip_height % 150) - 2);
  const blocks = [await pool.earn({ [pool.alice]: 1 }), await pool.earn({ [pool.alice]: 1 })];
  const [before, after] = await Promise.all(blocks.map((hash) => rewardOf(pool, hash)));
  expect(after).toBe(before! / 2n);
  expect((await real.node.header(blocks[1]!))!.height % 150).toBe(0);
  await pool.bury(maturity);
  await settleAll(pool);
  expect(await earnedBy(pool)).toEqual({ [pool.alice]: before! + after! });
  expect(await violations(pool)).toEqual([]);
});

it.each([
  ['pays a part to somebody else: the reward is the rest', 'stranger', 30_000_000n],
  ['has several outputs of ours: the reward is their sum', 'pool', 0n],
] as const)('fault 28: a coinbase that %s', async (_, payee, less) => {
  const pool = await open();
  const script = (await real.node.address(pool.pool_address)).script!;
  const second = payee === 'pool' ? script : (await real.node.address(pool.nobody)).script!;
  const { tip_height } = await real.node.chainInfo();
  const subsidy = await rewardAt(pool, tip_height);
  await pool.facts.work({ [pool.alice]: 1 });
  const part = satoshis(subsidy / 10n);
  const { hash } = await mineProvableBlock(real.regtest, { script, donation: { script: second, amount: part }, enonce1: '0a0b0c0d', nonce2: '0000000000000001' });
  await pool.facts.line(hash);
  await pool.bury(maturity);
  await settleAll(pool);
  expect(await earnedBy(pool)).toEqual({ [pool.alice]: less === 0n ? subsidy : subsidy - part });
  expect(await violations(pool)).toEqual([]);
});

/** All that the coinbase of a block pays, whoever gets it: on an empty block the subsidy. */
async function rewardAt({ context }: RealPool, height: number): Promise<bigint> {
  const hash = await context.node.blockHashAt(blockHeight(height));
  const block = await context.node.blockWithCoinbase(hash!);
  return block!.coinbase_outputs.reduce((sum, { amount }) => sum + amount, 0n);
}
