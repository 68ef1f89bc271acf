// Row 38 of the fault matrix: the machine has no room, no file handles, nowhere to write its own log. Both daemons as
// processes on a real node: they go on, or wait and say for what; nothing is half-written and nobody is paid twice.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startRegtestNode, type RegtestNode } from '../../lab/regtest-node.js';
import * as shapes from '../json-shapes.js';
import { ask, buildPrograms, until, type ProgramName } from '../programs.js';
import { openMachinePool, satoshisOf, type MachinePool } from './machine-pool.js';

let node: RegtestNode;
beforeAll(async () => {
  buildPrograms();
  node = await startRegtestNode();
});
afterAll(() => node.stop());

let pool: MachinePool;
beforeEach(async () => { pool = await openMachinePool(node); });
afterEach(() => pool.close());

const both: readonly ProgramName[] = ['accounting', 'payments'];
const blocks = () => ask(shapes.accountingBlocks, 'accounting', pool.config_file, 'blocks');
const confirmed = async () => (await blocks()).flatMap(({ state, hash }) => (state === 'confirmed' ? [hash] : []));
const payouts = () => ask(shapes.paymentsPayouts, 'payments', pool.config_file, 'payouts');

/** Everybody was paid once what the ledger says, by one transaction, and every check of the audit holds. */
async function expectPaidOnce(): Promise<void> {
  const { transactions, sums } = await pool.paidOnChain();
  expect(transactions).toBe(1);
  for (const { user, earned, network_fee } of await ask(shapes.paymentsBalances, 'payments', pool.config_file, 'balances')) {
    expect(sums.get(user)).toBe(satoshisOf(earned) - satoshisOf(network_fee));
  }
  expect((await ask(shapes.paymentsAudit, 'payments', pool.config_file, 'audit')).checks.filter(({ ok }) => !ok)).toEqual([]);
}

/** A disk of its own where the system lets us make one; else a limit on the size of the process's files. */
function smallDisk(size: string): { readonly mounted: boolean; readonly place: string; end(): void } {
  const place = path.join(pool.directory, 'small-disk');
  mkdirSync(place);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'small', place]).status === 0;
  return { mounted, place, end: () => { if (mounted) spawnSync('umount', [place]); } };
}

it('fault 38: on a disk that is full payments waits and says so; with room again everybody is paid once', async () => {
  const disk = smallDisk('1m');
  pool.configure({ sql: { file: 'small-disk/pool.sqlite' } });
  try {
    await pool.block();
    await pool.bury(100);
    expect((await pool.run('accounting')).status).toBe(0);
    const filler = path.join(disk.place, 'filler');
    if (disk.mounted) spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'], { stdio: 'ignore' });
    const payments = pool.start('payments');
    try {
      if (!disk.mounted) spawnSync('prlimit', ['--pid', String(payments.pid), '--fsize=4096:unlimited']);
      await until('the complaint', 30_000, [payments], async () => /The disk of the database is full: free space there|disk I\/O error/.test(payments.said()));
      rmSync(filler, { force: true });
      if (!disk.mounted) spawnSync('prlimit', ['--pid', String(payments.pid), '--fsize=unlimited']);
      await until('the payout', 60_000, [payments], async () => (await payouts()).some(({ state }) => state === 'broadcast'));
      await pool.bury(1);
      await until('the end of it', 60_000, [payments], async () => (await payouts()).every(({ state }) => state === 'final'));
      expect(await payments.stop()).toMatchObject({ ended: 0 });
    } finally {
      await payments.kill();
    }
    expect((await pool.run('accounting')).status).toBe(0);
    await expectPaidOnce();
  } finally {
    disk.end();
  }
});

it.each([
  ['on a full disk', 'exec "$@" 2> /dev/full'],
  ['in a pipe whose reader has gone', '{ "$@" 2>&1 >&3 | true; } 3> /dev/null'],
])('fault 38: with its own log %s each daemon does all of its work', async (_, script) => {
  await pool.block();
  await pool.bury(100);
  const runBoth = async (): Promise<void> => {
    for (const name of both) {
      const { status, stderr } = await pool.run(name, ['run', '--once'], { through: ['sh', '-c', script, 'sh'] });
      expect([name, status, stderr]).toEqual([name, 0, '']);
    }
  };
  await runBoth();
  expect(await confirmed()).toEqual(pool.found);
  await pool.bury(1);
  await runBoth();
  await expectPaidOnce();
});

it('fault 38: without a file handle left accounting waits and says so, and goes on when there are some', async () => {
  await pool.block();
  expect((await pool.run('accounting')).status).toBe(0);
  const accounting = pool.start('accounting');
  try {
    await until('it to follow the log', 30_000, [accounting], async () => /following/.test(accounting.said()));
    // The soft limit: what is open stays open, and nothing new is opened.
    const limit = (files: number) => expect(spawnSync('prlimit', ['--pid', String(accounting.pid), `--nofile=${files}:`]).status).toBe(0);
    limit(3);
    await pool.block();
    await until('the complaint', 30_000, [accounting], async () => /EMFILE/.test(accounting.said()));
    limit(1_024);
    await until('the second block', 60_000, [accounting], async () => (await confirmed()).length === 2);
    expect(await confirmed()).toEqual(pool.found);
    expect(await accounting.stop()).toMatchObject({ ended: 0 });
  } finally {
    await accounting.kill();
  }
});

it.each([20, 24, 28])('fault 38: with %i file handles from the start nothing is half-written, and how it ends is said in words', async (files) => {
  await pool.block();
  const { status, stderr } = await pool.run('accounting', ['run', '--once'], { through: ['prlimit', `--nofile=${files}`] });
  if (status !== 0) expect(stderr.trim()).not.toBe('');
  expect((await pool.run('accounting')).status).toBe(0);
  expect(await confirmed()).toEqual(pool.found);
  expect((await pool.run('accounting', ['replay', path.join(pool.directory, 'logs')])).status).toBe(0);
});

it('fault 38: a log directory that is full for a while costs no block: half lines and glued ones are told apart', async () => {
  await pool.block();
  const log = path.join(pool.directory, 'logs', 'ckpool.log');
  // What ckpool managed to write of a line before there was no room, and what it wrote when there was.
  writeFileSync(log, '[2026-11-20 09:00:00.000] User no', { flag: 'a' });
  await pool.block();
  expect((await pool.run('accounting')).status).toBe(0);
  expect(await confirmed()).toEqual(pool.found);
});
