// How soon a share counts: the accounting daemon as a process of its own, shares written as ckpool writes them,
// 5,000 a second, and the database asked every few milliseconds how far the share logs are counted. Cursors
// and counts commit together, so that a share is in the ledger count the moment its file's cursor is behind
// it. At the end the counts must be what was written. On SQLite, and on MariaDB where it is installed.
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startMariadb } from '../../lab/mariadb.js';
import type { DatabaseSettings } from '../../shared/database/connect.js';
import type { Database } from '../../shared/database/database.js';
import { startAccounting, type DaemonProcess } from '../daemon-process.js';
import type { Bench, Measurement, Row } from '../row.js';
import { createShareLines } from '../share-lines.js';
import { committedTo, countedWork, createSharePool, openMigrated } from '../share-pool.js';
import { createShareWriter, type ShareWriter } from '../share-writer.js';
import { quantile } from '../side-by-side.js';

const shares_a_second = 5_000;
const duration_ms = 20_000;
/** Not counted: the daemon starts and looks at the chain for the first time; then compilers warm up. */
const first_shares_ms = 200;
const settle_ms = 2_000;
const warm_up_ms = 3_000;
const poll_ms = 5;
const patience_ms = 30_000;

interface Engine {
  readonly name: string;
  readonly settings: DatabaseSettings;
}

export const shareLive: Row<readonly Engine[]> = {
  name: 'share-live',
  async prepare({ directory, say, defer }) {
    const sqlite: Engine = { name: 'SQLite', settings: { engine: 'sqlite', file: join(directory, 'pool.sqlite') } };
    try {
      const server = await startMariadb();
      defer(() => server.stop());
      return [sqlite, { name: 'MariaDB', settings: await server.createDatabase('pool_base') }];
    } catch (failure) {
      say(`MariaDB is left out: ${(failure as Error).message.split('\n')[0]}`);
      return [sqlite];
    }
  },
  async measure(engines, bench) {
    const figures: Measurement[] = [];
    for (const engine of engines) figures.push(...(await measureOn(engine, bench)));
    return figures;
  },
};

async function measureOn({ name, settings }: Engine, bench: Bench): Promise<Measurement[]> {
  bench.say(`${shares_a_second} shares a second for ${(warm_up_ms + duration_ms) / 1_000} s on ${name}`);
  const directory = join(bench.directory, name);
  const pool = await createSharePool(directory);
  bench.defer(() => pool.close());
  const database = await openMigrated(settings);
  bench.defer(() => database.close());
  const daemon = startAccounting(directory, pool, settings);
  try {
    const lines = createShareLines(bench.users, bench.random);
    const { share_directory } = pool;
    const writer = createShareWriter({ share_directory, lines, shares_a_second, stop: bench.stop });
    await follow({ writer, database, daemon, duration_ms: first_shares_ms });
    await wait(settle_ms);
    const cpu = { started_seconds: daemon.cpuSeconds() ?? Number.NaN, started_ms: performance.now() };
    const counted = await follow({ writer, database, daemon, duration_ms: warm_up_ms + duration_ms });
    const work = await countedWork(database);
    if (work !== lines.accepted_work) throw new Error(`counted ${work} and not ${lines.accepted_work}`);
    const latencies = counted.filter(({ written_ms }) => written_ms >= cpu.started_ms + warm_up_ms)
      .map(({ written_ms, counted_ms }) => counted_ms - written_ms);
    const cpu_seconds = (daemon.cpuSeconds() ?? Number.NaN) - cpu.started_seconds;
    return figures(name, latencies, (100_000 * cpu_seconds) / (performance.now() - cpu.started_ms));
  } finally {
    await daemon.stop();
  }
}

interface CountedShare {
  readonly written_ms: number;
  /** At most one look at the database too late. */
  readonly counted_ms: number;
}

/** Writes shares for so long and looks on until all of them are counted. */
async function follow({ writer, database, daemon, duration_ms }: {
  writer: ShareWriter; database: Database; daemon: DaemonProcess; duration_ms: number;
}): Promise<CountedShare[]> {
  const shares: CountedShare[] = [];
  let done_ms: number | null = null;
  // Ends a wait at once when the writer fails, and never when it is done.
  const writer_fails = writer.run(duration_ms).then(() => {
    done_ms = performance.now();
    return new Promise<never>(() => undefined);
  });
  writer_fails.catch(() => undefined);
  while (done_ms === null || writer.waiting > 0) {
    daemon.requireRunning();
    if (done_ms !== null && performance.now() - done_ms > patience_ms) {
      throw new Error(`${writer.waiting} shares were not counted ${patience_ms / 1_000} s after the last was written`);
    }
    const committed = await committedTo(database);
    const counted_ms = performance.now();
    for (const [workinfoid, offset] of committed) {
      for (const written_ms of writer.takeUpTo(workinfoid, offset)) shares.push({ written_ms, counted_ms });
    }
    await Promise.race([wait(poll_ms), writer_fails]);
  }
  return shares;
}

function figures(engine: string, latencies: readonly number[], cpu_percent: number): Measurement[] {
  const figure = (what: string, value: number): Measurement => ({
    name: `share to ledger count, ${engine}, ${what}`,
    value, unit: 'ms', peer: null, ratio_as: 'time',
    goal: { of: 'value', bound: 'at most', limit: 1_000 },
  });
  return [
    figure('p50', quantile(latencies, 0.5)),
    figure('p99', quantile(latencies, 0.99)),
    figure('longest', quantile(latencies, 1)),
    {
      name: `the daemon's processor time at ${shares_a_second} shares a second, ${engine}`,
      value: cpu_percent, unit: '% of one core', peer: null, ratio_as: 'time', goal: null,
    },
  ];
}
