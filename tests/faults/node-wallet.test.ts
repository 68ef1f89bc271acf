// Rows 16 to 22 of the fault matrix: wallet locked, funds short, answers late or lost, a payout sent twice, refused,
// forgotten, its coins spent elsewhere. A real node and its wallet; whatever it was put through, each batch is one
// transaction, and nobody gets more than was earned.
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { rpcRequests, startFaultProxy, type FaultProxy } from '../../lab/fault-proxy.js';
import * as faults from '../../lab/fault-proxy.js';
import { payingStep, payUntilIdle } from '../../lab/payable-pool.js';
import { createPaymentsDaemon } from '../../payments/daemon.js';
import { minerBalances } from '../../payments/edges/ledger-store.js';
import { openIncidents } from '../../payments/edges/incident-store.js';
import { transactionOf } from '../../payments/edges/transaction-store.js';
import { batch_states } from '../../payments/core/payout-state.js';
import { batchesIn } from '../../payments/edges/batch-store.js';
import { watchForeignSpends } from '../../payments/foreign-spends.js';
import { payingMoves } from '../../payments/paying/moves.js';
import { settle } from '../../payments/settle.js';
import { createNode } from '../../shared/bitcoind/client.js';
import type { Config } from '../../shared/config.js';
import { runOnce } from '../../shared/daemon.js';
import { satoshis, type BlockHash } from '../../shared/units.js';
import {
  openEarnedPool, openRealPool, overpaid, receivedOnChain, say, signedSpend, spendsSince, startRealNode, stateOf, untilMove,
  type RealNode, type RealPool,
} from './real-pool.js';

const day_ms = 24 * 60 * 60 * 1000;

let real: RealNode;
let proxy: FaultProxy;
const pools: RealPool[] = [];
beforeAll(async () => {
  real = await startRealNode(['-persistmempool=0']);
  proxy = await startFaultProxy({ target_port: Number(real.regtest.url.split(':')[1]), protocol: rpcRequests });
});
afterEach(async () => {
  for (const { database } of pools.splice(0)) await database.close();
});
afterAll(async () => {
  await proxy?.close();
  await real?.regtest.stop();
});

async function earned(change: Partial<Config> = {}): Promise<RealPool> {
  const pool = await openEarnedPool(real, change);
  pools.push(pool);
  return pool;
}

/** With its signed transaction, of which nobody has heard yet. */
async function prepared(): Promise<RealPool & { txid: string; raw_hex: string }> {
  const pool = await earned();
  await untilMove(pool.context, 'prepare');
  const stored = (await transactionOf(pool.database.knex, 1))!;
  return { ...pool, txid: stored.txid, raw_hex: stored.raw_hex };
}

const waitsFor = ({ context }: RealPool): string => context.waits.current().map(({ sentence }) => sentence).join(' ');

/** Whatever went before: the payout gets into the chain, once, and everybody has what the ledger says. */
async function expectPaidOnce(pool: RealPool, before: readonly string[]): Promise<void> {
  await pool.bury(6);
  await payUntilIdle(pool.context);
  expect(await stateOf(pool)).toBe('final');
  const { txid } = (await transactionOf(pool.database.knex, 1))!;
  expect((await spendsSince(real, null)).filter((one) => !before.includes(one))).toEqual([txid]);
  for (const { name, paid_sats, balance_sats } of await minerBalances(pool.database.knex)) {
    expect([name, await receivedOnChain(real, name), balance_sats]).toEqual([name, paid_sats, 0n]);
  }
  expect(await overpaid(pool)).toEqual([]);
}

const spendsSoFar = () => spendsSince(real, null);

it.each([
  ['a fee above the cap', { max_fee_rate: satoshis(2_000n) }, async () => undefined, 'nothing', /max_fee_rate/],
  ['coins spent elsewhere since the plan', {}, spendAllByHand, 'released', /coins that can be spent now/],
] as const)('fault 17: %s: the batch waits whole, with a sentence of its own, and nobody is short-paid', async (_, change, happens, state, sentence) => {
  const pool = await earned(change);
  const before = await minerBalances(pool.database.knex);
  if (state !== 'nothing') await untilMove(pool.context, 'plan');
  await happens(pool);
  await payUntilIdle(pool.context);
  expect(waitsFor(pool)).toMatch(sentence);
  expect(await stateOf(pool)).toBe(state === 'nothing' ? undefined : state);
  expect(await minerBalances(pool.database.knex)).toEqual(before);
  expect(await transactionOf(pool.database.knex, 1)).toBeNull();
});

async function spendAllByHand({ bury, nobody }: RealPool): Promise<void> {
  const amount = await real.pool_wallet.call(z.number(), 'getbalance');
  await real.pool_wallet.call(z.string(), 'sendtoaddress', nobody, amount, '', '', true);
  await bury(1);
}

it('fault 17: coins of settled blocks that are still immature: nobody is paid before they can be spent', async () => {
  const pool = await openRealPool(real, { maturity: 10 });
  pools.push(pool);
  await pool.earn({ [pool.alice]: 1 });
  await pool.bury(10);
  await pool.facts.complete();
  expect(await settle(pool.context)).toBe('progress');
  expect(await payUntilIdle(pool.context)).toEqual(['check addresses']);
  expect(waitsFor(pool)).toMatch(/coins that can be spent now/);
  const before = await spendsSoFar();
  await pool.bury(90);
  expect(await payUntilIdle(pool.context)).toEqual(['plan', 'prepare', 'broadcast']);
  await expectPaidOnce(pool, before);
});

it('fault 17: without an estimate of the node the fee is fallback_fee_rate, withheld to the satoshi', async () => {
  const pool = await earned();
  const before = await spendsSoFar();
  expect(await real.node.feeRate(6)).toBeNull();
  await payUntilIdle(pool.context);
  const stored = (await transactionOf(pool.database.knex, 1))!;
  const { virtual_size } = await real.node.decode(stored.raw_hex);
  expect(stored.network_fee_sats * 1000n).toBeGreaterThanOrEqual(BigInt(virtual_size) * 10_000n);
  await expectPaidOnce(pool, before);
});

it.each([
  ['its answer is lost', faults.cutAfter],
  ['it is lost itself', faults.cutBefore],
  ['it is held until we have given up, and then delivered', faults.heldUntilGivenUp(50)],
  ['we are cut off, and it is delivered when we have sent again', faults.deliveredLate(400)],
] as const)('fault 18: sendrawtransaction, and %s: the same bytes again, one transaction', async (_, fault) => {
  const pool = await prepared();
  const before = await spendsSoFar();
  const behind = { ...pool.context, node: createNode({ ...real.login, url: `127.0.0.1:${proxy.port}`, timeout_ms: 800 }) };
  const met = proxy.meet(({ name }) => name === 'sendrawtransaction', fault);
  await expect(payingStep(behind)).rejects.toMatchObject({ name: 'OutsideFailure', kind: 'unknown' });
  expect(await stateOf(pool)).toBe('prepared');
  expect(await payUntilIdle(behind)).toEqual(['broadcast']);
  await met;
  expect(await stateOf(pool)).toBe('broadcast');
  expect(await payUntilIdle(behind)).toEqual([]);
  await expectPaidOnce(pool, before);
});

it.each([
  ['in the mempool', 0, false],
  ['in the chain, its outputs unspent (-27)', 1, false],
  ['in the chain, all its outputs spent (-25)', 1, true],
] as const)('fault 19: what is already %s is recognised as paid, not sent as another', async (_, blocks, spent) => {
  const pool = await prepared();
  const before = await spendsSoFar();
  // Sent, and we died before we could write down that it was.
  await real.regtest.rpc('sendrawtransaction', pool.raw_hex);
  if (blocks > 0) await pool.bury(blocks);
  if (spent) await spendAllOutputs(pool);
  const answer = await real.node.broadcast(pool.raw_hex);
  expect(answer).toEqual({ outcome: spent ? 'inputs_missing' : blocks > 0 ? 'already_in_chain' : 'accepted' });
  expect(await payingStep(pool.context)).toBe('broadcast');
  expect(await stateOf(pool)).toBe('broadcast');
  await expectPaidOnce(pool, before);
});

/** The payees spend what they got; there is no change, because the pool owed all it had. */
async function spendAllOutputs({ raw_hex, txid, bury, nobody }: RealPool & { txid: string; raw_hex: string }): Promise<void> {
  for (const { index, amount } of (await real.node.decode(raw_hex)).outputs) {
    const onward = await signedSpend(real.miners_wallet, { txid, index, amount }, nobody);
    await real.regtest.rpc('sendrawtransaction', onward.raw_hex);
  }
  await bury(1);
}

it('fault 20: a payout that the node refuses is tried for a day, then held; `retry` sends the same bytes, `release` is refused', async () => {
  const pool = await prepared();
  const before = await spendsSoFar();
  await real.restart(['-minrelaytxfee=0.01']);
  expect(await payUntilIdle(pool.context)).toEqual([]);
  expect(waitsFor(pool)).toMatch(/^Batch 1 is prepared\. The node refuses its transaction \(.*fee.*\)\. It is tried again\.$/);
  pool.context.clock.advance(day_ms + 1);
  expect(await payUntilIdle(pool.context)).toEqual(['broadcast']);
  expect(await stateOf(pool)).toBe('held');
  expect(await openIncidents(pool.database.knex)).toMatchObject([{
    id: 1, kind: 'payout_rejected', stops_paying: true, detail: expect.stringMatching(/^Batch 1 is held\. The node refuses its transaction \(.*\)\. It was tried for 24 hours\.$/),
  }]);
  expect(await say(pool.context, 1, 'release')).toMatchObject({ outcome: 'refused', detail: expect.stringContaining('could still confirm') });
  await real.restart();
  expect(await say(pool.context, 1, 'retry')).toEqual({ outcome: 'done', detail: 'Batch 1 is prepared again and its stored transaction is sent again.' });
  expect(await payUntilIdle(pool.context)).toEqual(['broadcast']);
  await expectPaidOnce(pool, before);
});

it('fault 20: a payout that the node has forgotten or thrown out is given to it again, with -walletbroadcast=0 too', async () => {
  const pool = await prepared();
  const before = await spendsSoFar();
  expect(await payUntilIdle(pool.context)).toEqual(['broadcast']);
  const inMempool = async () => z.array(z.string()).parse(await real.regtest.rpc('getrawmempool'));
  expect(await inMempool()).toEqual([pool.txid]);
  await real.restart(['-walletbroadcast=0']);
  expect(await inMempool()).toEqual([]);
  expect(await payUntilIdle(pool.context)).toEqual(['broadcast']);
  expect(await inMempool()).toEqual([pool.txid]);
  await expectPaidOnce(pool, before);
  await real.restart();
});

it.each([['before', false], ['after', true]] as const)(
  'fault 21: the operator spends a coin of a payout %s it was sent: held once that is buried, and no second payment by itself', async (_, sent) => {
    const pool = await prepared();
    if (sent) expect(await payingStep(pool.context)).toBe('broadcast');
    const coin = (await transactionOf(pool.database.knex, 1))!.inputs[0]!;
    const elsewhere = await signedSpend(real.pool_wallet, coin, pool.nobody);
    await real.regtest.mineOnly([elsewhere.raw_hex], pool.nobody);
    expect(await payUntilIdle(pool.context)).toEqual([]);
    const told = `Its coin ${coin.txid}:${coin.index} was spent by ${elsewhere.txid}, which is no payout of this batch,`;
    expect(waitsFor(pool)).toBe(`Batch 1 is ${sent ? 'broadcast' : 'prepared'}. ${told} 1 of 6 confirmations ago.`);
    await pool.bury(5);
    expect(await payUntilIdle(pool.context)).toEqual(['broadcast']);
    expect(await stateOf(pool)).toBe('held');
    expect(await openIncidents(pool.database.knex)).toMatchObject([{
      kind: 'payout_conflicted', stops_paying: true,
      detail: `Batch 1 is held. ${told} 6 of 6 confirmations ago. Its transaction can never confirm.`,
    }]);
    await pool.bury(10);
    expect(await payUntilIdle(pool.context)).toEqual([]);
    for (const name of [pool.alice, pool.bob]) expect(await receivedOnChain(real, name)).toBe(0n);
    expect(await say(pool.context, 1, 'release')).toMatchObject({ outcome: 'done' });
    expect(await stateOf(pool)).toBe('released');
    await payUntilIdle(pool.context);
    await pool.bury(6);
    await payUntilIdle(pool.context);
    expect(await overpaid(pool)).toEqual([]);
  });

it('fault 13: a payout that neither ledger nor mempool know, but the wallet does, stops a restored ledger from paying', async () => {
  const lost = await prepared();
  await real.restart(['-walletbroadcast=0']);
  expect(await payingStep(lost.context)).toBe('broadcast');
  await real.restart(['-walletbroadcast=0']);
  expect(await real.regtest.rpc('getrawmempool')).toEqual([]);
  // The same pool with a ledger of before: it knows the blocks, and owes what they gave.
  const restored = await openRealPool(real, {}, lost.pool_address);
  pools.push(restored);
  const blocks = (await lost.database.knex('blocks').orderBy('height').select<{ hash: BlockHash }[]>('hash')).map(({ hash }) => hash);
  for (const hash of blocks) {
    await restored.facts.work({ [lost.alice]: 300, [lost.bob]: 100 });
    await restored.facts.line(hash);
  }
  await restored.facts.work({ [restored.alice]: 1 });
  await restored.earn({});
  await restored.mature();
  expect(await watchForeignSpends(restored.context)).toBe('progress');
  expect((await openIncidents(restored.database.knex)).map(({ kind, subject }) => [kind, subject])).toEqual(blocks.map((hash) => ['foreign_spend', hash]));
  expect(await payUntilIdle(restored.context)).toEqual(['check addresses']);
  const [incident] = await openIncidents(restored.database.knex);
  expect(await say(restored.context, incident!.id, 'book')).toMatchObject({ outcome: 'done' });
  expect(await openIncidents(restored.database.knex)).toEqual([]);
  await payUntilIdle(restored.context);
  await restored.bury(6);
  await payUntilIdle(restored.context);
  expect((await batchesIn(restored.database.knex, batch_states)).map(({ state }) => state)).toEqual(['final', 'final']);
  expect((await transactionOf(restored.database.knex, 1))!.txid).toBe(lost.txid);
  expect(await overpaid(restored)).toEqual([]);
  await real.restart();
});

it('fault 22: a node that restarts between signing and sending is given what was signed before anything else is planned', async () => {
  const pool = await prepared();
  const before = await spendsSoFar();
  await pool.earn({ [pool.alice]: 7 });
  await pool.mature();
  await real.restart();
  expect(await payingStep(pool.context)).toBe('broadcast');
  expect(await payUntilIdle(pool.context)).toEqual(['plan', 'prepare', 'broadcast']);
  const [first, second] = [(await transactionOf(pool.database.knex, 1))!, (await transactionOf(pool.database.knex, 2))!];
  const coins = [...first.inputs, ...second.inputs].map(({ txid, index }) => `${txid}:${index}`);
  expect(new Set(coins).size).toBe(coins.length);
  await pool.bury(6);
  await payUntilIdle(pool.context);
  expect((await spendsSoFar()).filter((one) => !before.includes(one)).sort()).toEqual([first.txid, second.txid].sort());
  expect(await overpaid(pool)).toEqual([]);
});

// The last one: from here on the wallet is encrypted.
it('fault 16: a locked wallet is waited for and told once; locked again between signing and sending it is not needed', async () => {
  const pool = await earned();
  const before = await spendsSoFar();
  await untilMove(pool.context, 'plan');
  await real.pool_wallet.call(z.string(), 'encryptwallet', 'four words of nobody');
  const said: string[] = [];
  const note = (message: string) => void said.push(message);
  const log = { debug: note, info: note, warn: note, error: note };
  const daemon = createPaymentsDaemon(pool.context, { lease: pool.context.lease, paying: payingMoves, requests: {} });
  const ended = runOnce(daemon, { clock: pool.context.clock, log, stop: new AbortController().signal, outside_wait_ms: 600_000 });
  await expect(ended).rejects.toMatchObject({ kind: 'retry', code: -13 });
  expect(said).toEqual([expect.stringMatching(/wallet.*locked/)]);
  expect(await stateOf(pool)).toBe('planned');
  await real.pool_wallet.call(z.null(), 'walletpassphrase', 'four words of nobody', 60);
  expect(await payingStep(pool.context)).toBe('prepare');
  await real.pool_wallet.call(z.null(), 'walletlock');
  expect(await payingStep(pool.context)).toBe('broadcast');
  await expectPaidOnce(pool, before);
});
