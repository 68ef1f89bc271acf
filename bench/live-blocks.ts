// From a block line to its snapshot: the accounting daemon as a process of its own on a private MariaDB, a pool
// that writes as ckpool does, and the database asked every millisecond whether the snapshot is there. A snapshot
// counts only with the right shares: as many rows as users changed, with the sum by which they rose.
import { setTimeout as wait } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { startMariadb, type PrivateMariadb } from '../lab/mariadb.js';
import type { DatabaseSettings } from '../shared/database/connect.js';
import { createCounterPool, type CounterPool } from './counter-pool.js';
import { startAccounting, type DaemonProcess } from './daemon-process.js';
import type { Bench } from './row.js';
import { openMigrated } from './share-pool.js';

const patience_ms = 120_000;
/** The server's own defaults; tests take less. */
const server_options = ['--innodb-buffer-pool-size=128M', '--innodb-log-file-size=96M'];

export interface LivePool {
  readonly pool: CounterPool;
  readonly daemon: DaemonProcess;
  readonly settings: DatabaseSettings & { engine: 'mysql' };
  readonly connection: mysql.Connection;
  /** A pass, until it is counted. */
  countPass(): Promise<void>;
  /** A block line, until its snapshot is committed: how long that took. At most one look too late. */
  blockToSnapshot(poll_ms?: number): Promise<Snapshot>;
}

export interface Snapshot {
  readonly id: number;
  readonly took_ms: number;
}

export const startServer = async ({ defer }: Bench): Promise<PrivateMariadb> => {
  const server = await startMariadb(server_options);
  defer(() => server.stop());
  return server;
};

export async function startLivePool(bench: Bench, server: PrivateMariadb, users: number): Promise<LivePool> {
  const pool = await createCounterPool(bench.directory, users, bench.random);
  bench.defer(() => pool.close());
  const settings = await server.createDatabase('pool_base');
  await (await openMigrated(settings)).close();
  const connection = await connectTo(settings);
  bench.defer(() => connection.end());
  const daemon = startAccounting(bench.directory, pool, settings);
  bench.defer(() => daemon.stop());
  let counted = 0n;

  async function countPass(): Promise<void> {
    await pool.pass();
    await until(async () => {
      const sum = await numberIn(connection, 'SELECT COALESCE(SUM(ledger_count), 0) FROM users');
      return BigInt(sum) === pool.shares_total ? true : null;
    }, 20);
  }

  async function blockToSnapshot(poll_ms = 1): Promise<Snapshot> {
    const started_ms = performance.now();
    const position = pool.solve();
    const id = await until(async () => {
      const [rows] = await connection.execute('SELECT id FROM snapshots WHERE log_position = ?', [position]);
      return (rows as { id: number }[])[0]?.id ?? null;
    }, poll_ms);
    const took_ms = performance.now() - started_ms;
    await requireRight(id);
    return { id, took_ms };
  }

  async function requireRight(id: number): Promise<void> {
    const [rows] = await connection.query(
      'SELECT COUNT(*) AS users, CAST(COALESCE(SUM(difference), 0) AS CHAR) AS shares FROM snapshot_shares WHERE snapshot_id = ?',
      [id]);
    const [found] = rows as { users: number; shares: string }[];
    const left = await numberIn(connection, 'SELECT COUNT(*) FROM users WHERE snapshot_count <> ledger_count');
    const right = found?.users === users && BigInt(found.shares) === pool.shares_total - counted && left === '0';
    if (!right) throw new Error(`the snapshot has ${found?.users} users with ${found?.shares} shares: no speed counts`);
    counted = pool.shares_total;
  }

  async function until<T>(look: () => Promise<T | null>, pause_ms: number): Promise<T> {
    const give_up_ms = performance.now() + patience_ms;
    for (;;) {
      const found = await look();
      if (found !== null) return found;
      bench.stop.throwIfAborted();
      daemon.requireRunning();
      if (performance.now() > give_up_ms) throw new Error(`nothing was counted for ${patience_ms / 1_000} s`);
      await wait(pause_ms);
    }
  }

  return { pool, daemon, settings, connection, countPass, blockToSnapshot };
}

export const connectTo = ({ socket_path, user, password, database }: DatabaseSettings & { engine: 'mysql' }):
Promise<mysql.Connection> => mysql.createConnection({ socketPath: socket_path ?? '', user, password, database });

async function numberIn(connection: mysql.Connection, sql: string): Promise<string> {
  const [rows] = await connection.query({ sql, rowsAsArray: true });
  return String((rows as unknown[][])[0]?.[0]);
}
