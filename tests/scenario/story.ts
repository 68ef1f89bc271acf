// What happens in the scenario, in order. Both daemons run as processes from the beginning; accounting is
// killed while ckpool writes and three blocks are found without it, the database is killed under both, the node is
// away while a block is reported, ckpool runs without -L for a while, one block is orphaned, the line of another is
// lost, ckpool is killed before it has written its counters, payments is killed twice: when it has just signed, and
// when it has just sent.
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { NameBytes } from '../../shared/username.js';
import * as shapes from '../json-shapes.js';
import { ask, startDaemon, until, type DaemonProcess } from '../programs.js';
import type { Ground } from './ground.js';
import { openPool, type FoundBlock, type Miner, type Pool } from './miners.js';

export interface Story {
  readonly pool: Pool;
  readonly miners: readonly Miner[];
  readonly blocks: {
    readonly next_second: FoundBlock;
    readonly while_node_down: FoundBlock;
    /** Found when ckpool ran without -L, the second of them before any counter had moved. */
    readonly without_share_logs: readonly [FoundBlock, FoundBlock];
    /** The first with -L again: its round begins without share logs. */
    readonly with_them_again: FoundBlock;
    readonly orphan: FoundBlock;
    readonly unlogged: FoundBlock;
    /** What was done just before ckpool was killed belongs to its round. */
    readonly after_crash: FoundBlock;
  };
  /** What accounting said of the block that was reported while the node was away, before the node came back. */
  readonly seen_without_node: shapes.AccountingBlocks;
  /** What the database held of each payout at which payments was killed, when it was gone. */
  readonly killed_payouts: readonly KilledPayout[];
  readonly daemons: { readonly accounting: DaemonProcess; readonly payments: DaemonProcess };
}

export interface KilledPayout {
  readonly batch: number;
  readonly state: string;
  readonly txid: string;
}

const maturity = 100;
/**
 * Counters are compared with share logs two to five seconds after their pass. A minute of this pool is a moment, so
 * without a rest shares of minutes to come would be there by then, which no pool has.
 */
const compared_ms = 7_000;

async function createMiners(ground: Ground): Promise<readonly Miner[]> {
  const miner = (address: string, suffixes: readonly string[], shares_per_minute: number): Miner => ({
    user: address as NameBytes, address, shares_per_minute, workers: suffixes.map((suffix) => `${address}${suffix}` as NameBytes),
  });
  return [
    miner(await ground.minerAddress('bech32'), ['.rig1', '_rig2'], 20),
    miner(await ground.minerAddress('legacy'), [''], 33),
    miner(await ground.minerAddress('p2sh-segwit'), ['.farm'], 70),
    // Its name is no address and would break out of a statement, a path and a terminal.
    { user: "x');DROP TABLE blocks;--\u001b[2J" as NameBytes, address: null, shares_per_minute: 7, workers: ["x');DROP TABLE blocks;--\u001b[2J" as NameBytes] },
  ];
}

export async function tellStory(ground: Ground): Promise<Story> {
  const { config_file } = ground;
  const miners = await createMiners(ground);
  const [alice, bob, carol, garage] = miners as [Miner, Miner, Miner, Miner];
  const pool = await openPool(ground);
  const start = (name: 'accounting' | 'payments') => startDaemon(name, config_file, join(ground.directory, `${name}.log`));
  const accountingBlocks = () => ask(shapes.accountingBlocks, 'accounting', config_file, 'blocks');

  let accounting = start('accounting');
  let payments = start('payments');
  for (const miner of [alice, bob, garage]) pool.join(miner);
  await pool.minutes(2);
  await pool.solve(alice.workers[0]);
  await pool.strangerBlocks(1);
  await pool.minutes(2);
  await pool.solve(bob.workers[0]);
  const next_second = await pool.solve(alice.workers[1]);
  pool.join(carol);
  await wait(1_000);

  // Accounting is killed while ckpool writes, and blocks are found before it is back.
  await pool.minutes(1);
  const killed = accounting.kill();
  await pool.solve(carol.workers[0]);
  await killed;
  await pool.minutes(2);
  await pool.solve(garage.workers[0]);
  await pool.minutes(1);
  await pool.solve(bob.workers[0]);
  await pool.minutes(1);
  accounting = start('accounting');

  // The database dies under both daemons.
  await until('the first six blocks', 30_000, [accounting, payments], async () =>
    (await accountingBlocks()).filter(({ state }) => state === 'confirmed').length === 6);
  await ground.mariadb.kill();
  await pool.minutes(2);
  await pool.solve(bob.workers[0]);
  await wait(1_500);
  await ground.mariadb.restart();

  // A block is reported while the node is away: its shares are recorded now, its hash follows.
  await pool.minutes(2);
  const while_node_down = await pool.solve(carol.workers[0], { beforeLine: () => ground.node.shutDown() });
  pool.minutesWithoutNode(1);
  await until('the block that the node could not name', 30_000, [accounting, payments], async () =>
    (await accountingBlocks()).some(({ height, hash }) => height === while_node_down.height && hash === null));
  const seen_without_node = (await accountingBlocks()).filter(({ height }) => height === while_node_down.height);
  await ground.restartNode(pool.now_ms());
  await pool.minutes(1);

  // ckpool runs without -L for a while, and without carol, who finds the first block when both are back.
  pool.leave(carol);
  pool.restart({ share_log: false });
  await pool.minutes(2);
  await wait(compared_ms);
  const without_share_logs = [await pool.solve(bob.workers[0]), await pool.solve(garage.workers[0])] as const;
  await pool.minutes(1);
  await wait(compared_ms);
  pool.restart({ share_log: true });
  pool.join(carol);
  await pool.minutes(1);
  const with_them_again = await pool.solve(carol.workers[0]);

  // One block becomes an orphan, the line of another is never written.
  await pool.minutes(1);
  const orphan = await pool.solve(alice.workers[0]);
  await wait(1_500);
  await pool.orphanTip();
  await pool.minutes(2);
  await pool.solve(bob.workers[0]);
  await pool.minutes(1);
  const unlogged = await pool.solve(carol.workers[0], { logged: false });
  await pool.minutes(1);
  await pool.strangerBlocks(1);

  // ckpool is killed before it has written its counters: only share logs hold what was done since its last pass.
  await until('the counts of the blocks without share logs', 30_000, [accounting, payments], async () =>
    (await accountingBlocks()).some(({ hash, quality }) => hash === with_them_again.hash && quality !== null));
  pool.halfMinute();
  pool.restart({ share_log: true });
  await pool.minutes(1);
  const after_crash = await pool.solve(alice.workers[1]);

  // The first blocks mature; payments is killed when its first transaction is signed.
  const first_kill = killAtPayout(ground, payments, 0, ['prepared', 'broadcast']);
  first_kill.catch(() => undefined);
  await pool.strangerBlocks(pool.found[1]!.height + maturity - pool.tip());
  const signed = await first_kill;
  payments = start('payments');

  // Everything else matures to a stranger's address; payments is killed when the next transaction is sent, and
  // that one gets into a block while payments is dead.
  const second_kill = killAtPayout(ground, payments, signed.batch, ['broadcast']);
  second_kill.catch(() => undefined);
  await pool.strangerBlocks(pool.found.at(-1)!.height + maturity - pool.tip());
  const sent = await second_kill;
  await pool.strangerBlocks(1);
  payments = start('payments');

  // A payout needs blocks on top of it to be final.
  await until('everything to be settled, paid and final', 120_000, [accounting, payments], async () => {
    const blocks = await ask(shapes.paymentsBlocks, 'payments', config_file, 'blocks');
    const payouts = await ask(shapes.paymentsPayouts, 'payments', config_file, 'payouts');
    const balances = await ask(shapes.paymentsBalances, 'payments', config_file, 'balances');
    const settled = blocks.length === pool.found.length && blocks.every(({ state }) => state !== 'immature');
    if (settled && balances.every(({ state }) => state !== 'payable') && payouts.every(({ state }) => state === 'final')) return true;
    if (payouts.some(({ state }) => state === 'broadcast' || state === 'confirmed')) await pool.strangerBlocks(1);
    return false;
  });
  pool.end();
  return {
    pool, miners, seen_without_node, killed_payouts: [signed, sent], daemons: { accounting, payments },
    blocks: { next_second, while_node_down, without_share_logs, with_them_again, orphan, unlogged, after_crash },
  };
}

/** Watches the database over a connection of its own; kills payments when a later batch has come so far. */
async function killAtPayout(
  ground: Ground, payments: DaemonProcess, after_batch: number, states: readonly string[],
): Promise<KilledPayout> {
  const database = await ground.administrator();
  const latest = async (): Promise<KilledPayout | undefined> => {
    const [row] = await database.knex('payout_batches as b').join('payout_transactions as t', 't.batch_id', 'b.id')
      .where('b.id', '>', after_batch).orderBy('b.id', 'desc').limit(1)
      .select('b.id as batch', 'b.state as state', 't.txid as txid') as unknown as Record<keyof KilledPayout, unknown>[];
    return row && { batch: Number(row.batch), state: String(row.state), txid: String(row.txid) };
  };
  try {
    const given_up_ms = performance.now() + 60_000;
    while (!states.includes((await latest())?.state ?? '')) {
      if (payments.ended() !== null || performance.now() > given_up_ms) throw new Error(`no payout was ${states.join(' or ')}:\n${payments.said().slice(-2000)}`);
      await wait(1);
    }
    await payments.kill();
    return (await latest())!;
  } finally {
    await database.close();
  }
}
