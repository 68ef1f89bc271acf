// A private MariaDB: its own data directory, socket and port, gone when it is stopped. The machine's
// own server is never touched, and what is ended is ended by the process id that was started here.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { connect, type DatabaseSettings } from '../shared/database/connect.js';
import { ConfigurationFault } from '../shared/errors.js';

type MysqlSettings = Extract<DatabaseSettings, { engine: 'mysql' }>;

export interface PrivateMariadb {
  readonly pid: number;
  readonly port: number;
  readonly socket_path: string;
  /** With another server's data in it, once that one was shut down, a new server begins where it ended. */
  readonly directory: string;
  /** How to reach it; the administrator (root, no password) unless a login is given. */
  settings(database_name: string, login?: { user: string; password: string }): MysqlSettings;
  createDatabase(name: string): Promise<MysqlSettings>;
  /** Asks it to end and waits; the directory stays. */
  shutDown(): Promise<void>;
  /** Asks it to end, waits, removes its directory. */
  stop(): Promise<void>;
  /** SIGKILL, as a power cut would; the data directory stays until `stop`. */
  kill(): Promise<void>;
  /** Starts it again on the same data, port and socket. */
  restart(options?: readonly string[]): Promise<void>;
}

const start_max_ms = 30_000;
const look_again_ms = 50;

/**
 * `options` are added to the server's command line, such as `--innodb-flush-log-at-trx-commit=2`. `copy_of`: the
 * directory of one that was shut down; its data are copied instead of made.
 */
export async function startMariadb(options: readonly string[] = [], copy_of: string | null = null): Promise<PrivateMariadb> {
  const server = findProgram(['mariadbd', 'mysqld']);
  const directory = mkdtempSync(join(tmpdir(), 'pool-mariadb-'));
  const socket_path = join(directory, 's');
  try {
    if (copy_of === null) install(join(directory, 'data'));
    else cpSync(join(copy_of, 'data'), join(directory, 'data'), { recursive: true });
    const port = await freePort();
    return await run({ server, directory, socket_path, port, options });
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

interface Place {
  readonly server: string;
  readonly directory: string;
  readonly socket_path: string;
  readonly port: number;
  readonly options: readonly string[];
}

async function run(place: Place): Promise<PrivateMariadb> {
  let child = await launch(place, place.options);
  const settings: PrivateMariadb['settings'] = (database, login) => ({
    engine: 'mysql',
    host: '127.0.0.1',
    port: place.port,
    socket_path: place.socket_path,
    user: login?.user ?? 'root',
    password: login?.password ?? '',
    database,
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  };
  const lastResort = (): void => { child.kill('SIGKILL'); };
  process.once('exit', lastResort);
  return {
    get pid() { return child.pid ?? 0; },
    port: place.port,
    socket_path: place.socket_path,
    directory: place.directory,
    settings,
    async createDatabase(name) {
      const admin = await connect(settings('mysql'));
      await admin.knex.raw('CREATE DATABASE ?? CHARACTER SET utf8mb4 COLLATE utf8mb4_bin', [name]);
      await admin.close();
      return settings(name);
    },
    shutDown: () => end('SIGTERM'),
    async stop() {
      await end('SIGTERM');
      process.off('exit', lastResort);
      rmSync(place.directory, { recursive: true, force: true });
    },
    kill: () => end('SIGKILL'),
    async restart(changed = place.options) {
      await end('SIGTERM');
      child = await launch(place, changed);
    },
  };
}

async function launch(place: Place, options: readonly string[]): Promise<ChildProcess> {
  const log_file = join(place.directory, 'error.log');
  const child = spawn(place.server, [
    '--no-defaults', ...asRoot(),
    // A server that starts removes what it takes for its own old temporary tables.
    `--tmpdir=${place.directory}`, `--datadir=${join(place.directory, 'data')}`, `--socket=${place.socket_path}`, `--log-error=${log_file}`,
    `--pid-file=${join(place.directory, 'pid')}`, '--bind-address=127.0.0.1', `--port=${place.port}`,
    '--innodb-buffer-pool-size=32M', '--innodb-log-file-size=8M', '--key-buffer-size=1M',
    '--performance-schema=OFF', '--skip-name-resolve', ...options,
  ], { stdio: 'ignore' });
  const until = Date.now() + start_max_ms;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > until) {
      child.kill('SIGKILL');
      const log = existsSync(log_file) ? readFileSync(log_file, 'utf8').slice(-2000) : '';
      throw new Error(`the private MariaDB did not start:\n${log}`);
    }
    if (existsSync(place.socket_path) && await answers(place)) return child;
    await wait(look_again_ms);
  }
}

async function answers({ socket_path, port }: Place): Promise<boolean> {
  const settings: MysqlSettings = {
    engine: 'mysql', host: '127.0.0.1', port, socket_path, user: 'root', password: '', database: 'mysql',
  };
  try {
    await (await connect(settings)).close();
    return true;
  } catch {
    return false;
  }
}

/** Makes the system tables. As root, the files belong to `user`. */
export function install(data_directory: string, user = 'root'): void {
  const installer = findProgram(['mariadb-install-db', 'mysql_install_db']);
  const made = spawnSync(installer, [
    '--no-defaults', ...asRoot(user), `--datadir=${data_directory}`, '--auth-root-authentication-method=normal',
    '--skip-test-db', '--innodb-log-file-size=8M',
  ], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`mariadb-install-db failed:\n${made.stdout}${made.stderr}`);
}

/** The server refuses to run as root unless told so. */
export const asRoot = (user = 'root'): string[] => (userInfo().uid === 0 ? [`--user=${user}`] : []);

/** @throws ConfigurationFault naming what to install. */
export function findProgram(names: readonly string[]): string {
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
    '/usr/bin',
  ];
  for (const name of names) {
    for (const folder of folders) if (existsSync(join(folder, name))) return join(folder, name);
  }
  throw new ConfigurationFault([
    `${names[0]} is missing: install MariaDB (on Debian or Ubuntu: apt-get install mariadb-server).`,
  ]);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => { resolve(typeof address === 'object' && address !== null ? address.port : 0); });
    });
  });
}
