// What happens to a pool on a cluster, in order. The node under both daemons is killed while blocks are found; it
// comes back, and the node that took over is cut off from the others; both daemons hang for longer than a lease lasts
// and are replaced by two on another machine and another node, then wake again; the node under the payer is killed
// when the first payout is signed, the next one stops without a word at the second payout.
import { join } from 'node:path';
import type { GaleraNode } from '../../lab/galera.js';
import { smallInteger } from '../../shared/database/database.js';
import type { NameBytes } from '../../shared/username.js';
import * as shapes from '../json-shapes.js';
import { ask, startDaemon, until, type DaemonProcess } from '../programs.js';
import { openPool, type Miner, type Pool } from '../scenario/miners.js';
import type { ClusterGround, Machine } from './pool-ground.js';

export interface Story {
  readonly pool: Pool;
  readonly miners: readonly Miner[];
  /** From each blow to the first commit of accounting on a node that was left. */
  readonly took_over_ms: Readonly<Record<'killed' | 'cut off', number>>;
  readonly replaced: Daemons;
  readonly daemons: Daemons;
}

interface Daemons { readonly accounting: DaemonProcess; readonly payments: DaemonProcess }

const maturity = 100;

export async function tellStory(ground: ClusterGround): Promise<Story> {
  const { cluster, first, second, directory } = ground;
  const miners = await createMiners(ground);
  const [alice, bob] = miners as [Miner, Miner];
  const pool = await openPool(ground);
  const start = ({ config_file }: Machine, place: string): Daemons => ({
    accounting: startDaemon('accounting', config_file, join(directory, `accounting-${place}.log`)),
    payments: startDaemon('payments', config_file, join(directory, `payments-${place}.log`)),
  });

  const replaced = start(first, 'first');
  const begun = [replaced.accounting, replaced.payments];
  for (const miner of miners) pool.join(miner);
  await pool.minutes(2);
  await pool.solve(alice.workers[0]);
  await confirmed(first, pool, begun);

  // The node dies while blocks are found.
  const killed = first.front.current();
  const stops = pool.minutes(1);
  await killed.kill();
  const after_kill = tookOver(ground, killed, begun);
  await stops;
  await pool.solve(bob.workers[0]);
  await pool.minutes(1);
  await pool.solve(alice.workers[1]);
  const killed_ms = await after_kill;
  await killed.rejoin();
  await confirmed(first, pool, begun);

  // The node that took over loses the others; its clients still reach it.
  const cut_off = first.front.current();
  await cut_off.isolate(true);
  const after_cut = tookOver(ground, cut_off, begun);
  await pool.minutes(1);
  await pool.solve(bob.workers[0]);
  const cut_off_ms = await after_cut;
  await confirmed(first, pool, begun);
  await cut_off.isolate(false);
  await cluster.whole();

  // Both daemons hang; two others on another node take over, and the first two wake.
  for (const { pid } of begun) process.kill(pid, 'SIGSTOP');
  const daemons = start(second, 'second');
  const now = [daemons.accounting, daemons.payments];
  await pool.minutes(1);
  await pool.solve(alice.workers[0]);
  await confirmed(second, pool, now);
  for (const { pid } of begun) process.kill(pid, 'SIGCONT');
  await until('the daemons that were replaced to end', 30_000, now, async () => begun.every((daemon) => daemon.ended() !== null));

  // Half of it matures; the node under the payer is killed at the first payout.
  const killed_too = second.front.current();
  await atPayout(ground, killed_too, 1, () => pool.strangerBlocks(pool.found[1]!.height + maturity - pool.tip()), (node) => node.kill());
  await until('a payout that the node accepted', 60_000, now, () => answered(async () => (await ask(shapes.paymentsPayouts, 'payments', second.config_file, 'payouts'))
    .every(({ state }) => state !== 'planned' && state !== 'prepared')));
  await killed_too.rejoin();
  // The rest; the node that took over stops without a word.
  const paused = second.front.current();
  await atPayout(ground, paused, 2, () => pool.strangerBlocks(pool.found.at(-1)!.height + maturity - pool.tip()), (node) => node.pause());
  await untilPaid(ground, pool, now);
  paused.resume();
  pool.end();
  return { pool, miners, replaced, daemons, took_over_ms: { killed: killed_ms, 'cut off': cut_off_ms } };
}

async function createMiners(ground: ClusterGround): Promise<readonly Miner[]> {
  const miner = (address: string, suffixes: readonly string[], shares_per_minute: number): Miner => ({
    user: address as NameBytes, address, shares_per_minute, workers: suffixes.map((suffix) => `${address}${suffix}` as NameBytes),
  });
  return [miner(await ground.minerAddress('bech32'), ['.rig1', '_rig2'], 20), miner(await ground.minerAddress('legacy'), [''], 33)];
}

/** Accounting has said of every block so far that it is the pool's. */
const confirmed = ({ config_file }: Machine, pool: Pool, daemons: readonly DaemonProcess[]): Promise<void> =>
  until('every block to be confirmed', 60_000, daemons, () => answered(async () => (await ask(shapes.accountingBlocks, 'accounting', config_file, 'blocks'))
    .filter(({ state, hash }) => state === 'confirmed' && pool.found.some((block) => block.hash === hash)).length === pool.found.length));

/** Looks at a node that was left until the lease was renewed there. */
async function tookOver(ground: ClusterGround, gone: GaleraNode, daemons: readonly DaemonProcess[]): Promise<number> {
  const began_ms = performance.now();
  const database = await ground.cluster.nodes.find((node) => node !== gone)!.administrator('pool_base');
  try {
    const expires = async (): Promise<number> =>
      smallInteger((await database.knex('accounting_lease').first<{ expires_at_ms: unknown }>('expires_at_ms')).expires_at_ms);
    const before = await expires();
    await until('accounting to write on another node', 60_000, daemons, async () => (await expires().catch(() => before)) > before);
    return performance.now() - began_ms;
  } finally {
    await database.close();
  }
}

/** Strikes the node as soon as the n-th batch is written down, seen from another one. */
async function atPayout(
  ground: ClusterGround, node: GaleraNode, nth: number, mature: () => Promise<void>, strike: (node: GaleraNode) => void | Promise<void>,
): Promise<void> {
  const watched = ground.cluster.nodes.find((other) => other !== node && other === ground.first.front.current())
    ?? ground.cluster.nodes.find((other) => other !== node)!;
  const database = await watched.administrator('pool_base');
  try {
    const maturing = mature();
    await until(`batch ${nth}`, 60_000, [], async () => (await database.knex('payout_batches').select('id')).length >= nth);
    await strike(node);
    await maturing;
  } finally {
    await database.close();
  }
}

/** A command that comes while the front has no node to go to says so and ends: then it is asked again. */
const answered = (look: () => Promise<boolean>): Promise<boolean> => look().catch((failure: unknown) => {
  if (String(failure).includes('ended with 3')) return false;
  throw failure;
});

/** A payout needs blocks on top of it. */
async function untilPaid(ground: ClusterGround, pool: Pool, daemons: readonly DaemonProcess[]): Promise<void> {
  const { config_file } = ground.second;
  await until('everything to be settled, paid and final', 120_000, daemons, () => answered(async () => {
    const blocks = await ask(shapes.paymentsBlocks, 'payments', config_file, 'blocks');
    const payouts = await ask(shapes.paymentsPayouts, 'payments', config_file, 'payouts');
    const balances = await ask(shapes.paymentsBalances, 'payments', config_file, 'balances');
    const settled = blocks.length === pool.found.length && blocks.every(({ state }) => state !== 'immature');
    if (settled && balances.every(({ state }) => state !== 'payable') && payouts.every(({ state }) => state === 'final')) return true;
    if (payouts.some(({ state }) => state === 'broadcast' || state === 'confirmed')) await pool.strangerBlocks(1);
    return false;
  }));
}
