// What the daemons cost while nothing happens, as processes of their own on MariaDB, by the system's own account of
// their processor time. Payments: a pool of a few thousand users with balances below the minimum and a block that is not
// mature; its passes come a second apart here, and the node counts the questions. Accounting: a log that stands still.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startMariadb } from '../../lab/mariadb.js';
import type { DatabaseSettings } from '../../shared/database/connect.js';
import { startAccounting, startDaemon, writeConfiguration, type DaemonProcess } from '../daemon-process.js';
import { historyOf, writeHistory } from '../ledger-history.js';
import { completeTo, writeBlocks, writePool } from '../payment-facts.js';
import type { Bench, Measurement, Row } from '../row.js';
import { createSharePool, openMigrated, type SharePool } from '../share-pool.js';
import { serveStillNode, still_pool_address, type StillNode } from '../still-node.js';
import { server_options } from './settle-round.js';

const blocks = 200;
const pass_period_seconds = 1;
/** Until it has looked at everything once, and compilers have warmed up. */
const warm_up_ms = 8_000;
const measured_ms = 20_000;

interface Input {
  readonly payments: { readonly settings: DatabaseSettings; readonly node: StillNode };
  readonly accounting: { readonly settings: DatabaseSettings; readonly pool: SharePool };
}

export const idleCost: Row<Input> = {
  name: 'idle-cost',
  async prepare({ directory, users, stop, say, defer }) {
    const server = await startMariadb(server_options);
    defer(() => server.stop());
    const settings = await server.createDatabase('payments');
    const tip_height = blocks + 101;
    const node = await serveStillNode(tip_height, blocks);
    defer(() => node.close());
    const database = await openMigrated(settings);
    try {
      const history = historyOf(users, blocks, blocks * 100);
      await writePool(database, users, tip_height);
      await writeHistory(database, history, { stop, say });
      await writeBlocks(database, { from: blocks + 2, to: blocks + 2, users, workers: history.workers });
      await completeTo(database, tip_height);
    } finally {
      await database.close();
    }
    const pool = await createSharePool(join(directory, 'accounting'));
    defer(() => pool.close());
    const accounting = await server.createDatabase('accounting');
    await (await openMigrated(accounting)).close();
    return { payments: { settings, node }, accounting: { settings: accounting, pool } };
  },
  async measure(input, bench) {
    return [...(await payments(input.payments, bench)), ...(await accounting(input.accounting, bench))];
  },
};

async function payments({ settings, node }: Input['payments'], bench: Bench): Promise<Measurement[]> {
  bench.say(`payments: a pass every second for ${measured_ms / 1_000} s`);
  const directory = join(bench.directory, 'payments');
  mkdirSync(directory);
  const config_file = writeConfiguration(directory, {
    login: node.login, log_directory: directory, pool_address: still_pool_address, settings,
    parser: { checkmature_period: pass_period_seconds, min_payout: '1000000' },
  });
  const daemon = startDaemon('payments', directory, config_file);
  try {
    await wait(warm_up_ms, undefined, { signal: bench.stop });
    const before = { calls: node.calls_total, visits: node.visits };
    const cpu_seconds = await cpuWhile(daemon, bench);
    const passes = node.visits - before.visits;
    if (passes < measured_ms / 1_000 / pass_period_seconds / 2) throw new Error(`the daemon made only ${passes} passes`);
    return [
      goal('payments: questions to the node a pass', (node.calls_total - before.calls) / passes, 'calls', 3),
      goal('payments: processor time a pass', (1_000 * cpu_seconds) / passes, 'ms', 10),
    ];
  } finally {
    await daemon.stop();
  }
}

async function accounting({ settings, pool }: Input['accounting'], bench: Bench): Promise<Measurement[]> {
  bench.say(`accounting: a log that stands still for ${measured_ms / 1_000} s`);
  const daemon = startAccounting(join(bench.directory, 'accounting'), pool, settings);
  try {
    await wait(warm_up_ms, undefined, { signal: bench.stop });
    const cpu_seconds = await cpuWhile(daemon, bench);
    return [goal('accounting: processor time while the log is still', (100_000 * cpu_seconds) / measured_ms, '% of one core', 1)];
  } finally {
    await daemon.stop();
  }
}

async function cpuWhile(daemon: DaemonProcess, { stop }: Bench): Promise<number> {
  const started_seconds = daemon.cpuSeconds() ?? Number.NaN;
  await wait(measured_ms, undefined, { signal: stop });
  daemon.requireRunning();
  return (daemon.cpuSeconds() ?? Number.NaN) - started_seconds;
}

const goal = (name: string, value: number, unit: string, limit: number): Measurement =>
  ({ name, value, unit, peer: null, ratio_as: 'time', goal: { of: 'value', bound: 'at most', limit } });
