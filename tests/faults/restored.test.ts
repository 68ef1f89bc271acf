// Row 13 of the fault matrix: the database is a back-up of yesterday, and payouts were made since. The ledger owes
// what was paid, so nothing may be paid by it. Real dump, real daemons, a real node.
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { auditChain } from '../../lab/demo/chain-audit.js';
import { parseCoins } from '../../shared/amount.js';
import * as shapes from '../json-shapes.js';
import { ask, until } from '../programs.js';
import { startSmallPool, untilBatchIs, type SmallPool } from './small-pool.js';

let small: SmallPool;
beforeAll(async () => { small = await startSmallPool(); });
afterAll(() => small?.close());

function client(program: 'mariadb-dump' | 'mariadb', words: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync(program, ['--no-defaults', `--socket=${small.ground.mariadb.socket_path}`, '--user=root', ...words], {
    input, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024,
  });
  expect(status, stderr).toBe(0);
  return stdout;
}

const balances = () => ask(shapes.paymentsBalances, 'payments', small.ground.config_file, 'balances');

/** What `resolve` prints, the time of an incident left out. */
async function told(): Promise<string[]> {
  const { status, stdout, stderr } = await small.command('payments', 'resolve');
  expect(status, stderr).toBe(0);
  return stdout.trimEnd().split('\n').map((line) => line.replace(/since [-\d: .]+ UTC/, 'since then'));
}

/** As docs/operating.md says. */
const dump = () => client('mariadb-dump', ['--single-transaction', '--triggers', 'pool_base']);

function restore(copy: string): void {
  client('mariadb', ['-e', 'DROP DATABASE pool_base; CREATE DATABASE pool_base CHARACTER SET utf8mb4 COLLATE utf8mb4_bin']);
  client('mariadb', ['pool_base'], copy);
}

it('fault 13: a database of yesterday pays nobody a second time, and `resolve N book` brings its ledger up to the chain', async () => {
  await small.earn();
  await small.once('payments');
  await small.bury(6);
  await small.once('accounting');
  await small.once('payments');
  const yesterday = dump();

  const second = await small.earn();
  await small.once('payments');
  await small.bury(6);
  await small.once('payments');
  expect((await small.payouts()).map(({ state }) => state)).toEqual(['final', 'final']);
  const third = await small.earn();
  const before = await auditChain(small.ground.node, small.ground.pool_address);
  const lost = (await small.payouts())[1]!;
  const change = (await small.database.knex('payout_transactions').where({ batch_id: 1 }).first<{ txid: string; change_index: number }>());
  const paid_before = await balances();

  restore(yesterday);
  for (const name of ['accounting', 'payments'] as const) await small.leaseRunsOut(name);
  // Payments looks at a tip of which the restored facts know nothing yet; then accounting catches up.
  const payments = small.start('payments');
  await until('payments to find what it does not know', 30_000, [payments], async () => (await told()).length > 1);
  const accounting = small.start('accounting');
  await until('both blocks to be credited again', 60_000, [accounting, payments], async () =>
    (await small.database.knex('rounds').whereIn('block_hash', [second.hash, third.hash])).length === 2);
  await small.bury(1);
  const { coinbase_txid: coinbase } = (await small.database.knex('blocks').where({ hash: second.hash }).first<{ coinbase_txid: string }>());
  await until('both coins of the lost payout to be told', 60_000, [accounting, payments], async () => (await told()).length === 8);
  const unknown = 'was spent by a transaction that this ledger does not know: the database was restored from an older copy, or something else '
    + 'pays from this wallet. Nothing is paid until an operator has looked and resolved this incident.';
  const choices = (id: number) => [
    `  resolve ${id} book: books the transaction that spent this coin as a payout of this ledger, after an older database was restored: what it paid is owed no `
      + 'more; refused unless it spends only coins of the pool and pays only users to whom the ledger owes as much',
    `  resolve ${id} resume: records that this spend is accounted for outside this ledger; paying goes on with the ledger as it stands: first make sure that it `
      + 'paid nobody whom the ledger still owes',
  ];
  expect(await told()).toEqual([
    `incident 1: foreign_spend, ${change.txid}:${change.change_index}, since then, open; it stops paying`,
    `  The change of a payout (${change.txid}:${change.change_index}) ${unknown}`,
    ...choices(1),
    `incident 2: foreign_spend, ${second.hash}, since then, open; it stops paying`,
    `  The coinbase of block ${second.height} (${coinbase}:0) ${unknown}`,
    ...choices(2),
  ]);
  expect((await small.payouts()).map(({ id }) => id)).toEqual([1]);
  expect([...(await auditChain(small.ground.node, small.ground.pool_address)).spends.keys()]).toEqual([...before.spends.keys()]);

  // The daemon that runs acts on the word; one word closes both incidents, because one transaction spent both coins.
  const booked = await small.command('payments', 'resolve', '1', 'book');
  expect(booked).toMatchObject({ status: 0, stdout: expect.stringMatching(
    new RegExp(`^done: Transaction ${lost.txid} is booked as a payout of this ledger: 2 outputs, \\d+\\.\\d{8} with the network fee\\.\\n$`)) });
  expect(await told()).toEqual(['No incident is open.']);
  await untilBatchIs(small, payments, 2, 'final');
  expect((await small.payouts())[1]).toMatchObject({ txid: lost.txid, network_fee: lost.network_fee });

  // What the third block gave is paid; everybody has what he would have without the accident.
  await untilBatchIs(small, payments, 3, 'broadcast');
  await small.bury(6);
  await untilBatchIs(small, payments, 3, 'final');
  for (const daemon of [payments, accounting]) expect(await daemon.stop()).toMatchObject({ ended: 0 });
  const chain = await auditChain(small.ground.node, small.ground.pool_address);
  expect(chain.spends.size).toBe(3);
  for (const { user, paid, earned, network_fee, balance } of await balances()) {
    expect(await small.ground.received(user)).toBe(parseCoins(paid));
    expect(parseCoins(paid) + parseCoins(network_fee) + parseCoins(balance)).toBe(parseCoins(earned));
    expect(parseCoins(earned)).toBeGreaterThan(parseCoins(paid_before.find((line) => line.user === user)!.earned));
  }
  expect(await small.violations()).toEqual([]);
});
