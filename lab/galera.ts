// A private Galera cluster: MariaDB nodes on loopback, each with its own data directory, socket and free ports,
// all gone when it is stopped. A node can be killed, stopped without a word, cut off from the others, and brought
// back. The nodes are the real thing; only the time after which a silent one is left out is shorter than Galera's
// own five seconds, so that nobody has to wait. The machine's own server is never touched, and what is ended is
// ended by the process id that was started here.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import mysql, { type RowDataPacket } from 'mysql2/promise';
import { connect, type DatabaseSettings } from '../shared/database/connect.js';
import type { Database } from '../shared/database/database.js';
import { ConfigurationFault } from '../shared/errors.js';
import { asRoot, findProgram, install } from './mariadb.js';

type MysqlSettings = Extract<DatabaseSettings, { engine: 'mysql' }>;

export interface GaleraNode {
  readonly name: string;
  readonly port: number;
  /** By its own socket; the administrator (root, no password) unless a login is given. */
  settings(database_name: string, login?: { user: string; password: string }): MysqlSettings;
  /** A connection of the administrator's; the caller closes it. */
  administrator(database_name?: string): Promise<Database>;
  /** A status variable, such as wsrep_ready; null while the node does not answer. */
  status(name: string): Promise<string | null>;
  /** SIGKILL, as a power cut would; its data stay. */
  kill(): Promise<void>;
  /** SIGSTOP: it says nothing more and closes no connection. */
  pause(): void;
  resume(): void;
  /** Cuts it off from the other nodes, or joins it to them again; its clients still reach it. */
  isolate(cut_off: boolean): Promise<void>;
  /** Starts it again on its data after `kill`, and waits until it has what it missed. */
  rejoin(): Promise<void>;
}

export interface GaleraCluster {
  readonly nodes: readonly GaleraNode[];
  /** Waits until each node is in step with a cluster of all of them. */
  whole(): Promise<void>;
  createDatabase(name: string): Promise<void>;
  /** SIGTERM, then SIGKILL for what is stuck; removes the directory. */
  stop(): Promise<void>;
}

/** After so long a silent node is left out. Galera's default is PT5S. */
export const suspect_timeout = 'PT1S';
const library_places = [
  '/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera/libgalera_smm.so',
  '/usr/lib64/galera-4/libgalera_smm.so', '/usr/lib/libgalera_smm.so',
];
const start_max_ms = 60_000;
const stop_max_ms = 10_000;
const look_again_ms = 50;
const answer_max_ms = 1_000;
/** A node needs a port for clients, for the group, and for receiving the changes or the state that it missed. */
const ports_per_node = 4;

interface Place {
  readonly name: string;
  readonly folder: string;
  readonly socket_path: string;
  readonly port: number;
  readonly group_port: number;
  readonly changes_port: number;
  readonly state_port: number;
  readonly members: string;
}

/** `options` are added to each server's command line. */
export async function startGalera(count = 3, options: readonly string[] = []): Promise<GaleraCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'pool-galera-'));
  giveToServer(directory);
  const started: RunningNode[] = [];
  try {
    for (const place of await layOut(directory, count)) {
      const node = createClusterNode(place, options);
      // The first makes the cluster; each further one copies its data when it joins.
      await node.start(started.length === 0);
      started.push(node);
    }
    return clusterOf(directory, started);
  } catch (error) {
    for (const node of started) await node.end();
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

interface RunningNode extends GaleraNode {
  start(first: boolean): Promise<void>;
  end(): Promise<void>;
}

function clusterOf(directory: string, nodes: readonly RunningNode[]): GaleraCluster {
  return {
    nodes,
    whole: async () => {
      for (const node of nodes) {
        await until(`${node.name} to be in step with all others`, async () => await node.status('wsrep_local_state_comment') === 'Synced'
          && await node.status('wsrep_cluster_size') === String(nodes.length));
      }
    },
    createDatabase: async (name) => {
      const administrator = await nodes[0]!.administrator();
      await administrator.knex.raw('CREATE DATABASE ?? CHARACTER SET utf8mb4 COLLATE utf8mb4_bin', [name]);
      await administrator.close();
    },
    stop: async () => {
      await Promise.all(nodes.map((node) => node.end()));
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function createClusterNode(place: Place, options: readonly string[]): RunningNode {
  let child: ChildProcess | null = null;
  const lastResort = (): void => { child?.kill('SIGKILL'); };
  process.once('exit', lastResort);
  const running = (): ChildProcess => {
    if (!child || isOver(child)) throw new Error(`${place.name} does not run`);
    return child;
  };
  const settings: GaleraNode['settings'] = (database, login) => ({
    engine: 'mysql', host: '127.0.0.1', port: place.port, socket_path: place.socket_path,
    user: login?.user ?? 'root', password: login?.password ?? '', database,
  });
  const administrator = (database = 'mysql'): Promise<Database> => connect(settings(database));
  const status = (name: string): Promise<string | null> => {
    const answer = ask(place, 'SHOW GLOBAL STATUS LIKE ?', name).then((rows) => (rows[0]?.['Value'] as string | undefined) ?? null, () => null);
    return Promise.race([answer, wait(answer_max_ms, null, { ref: false })]);
  };
  const start = async (first: boolean): Promise<void> => {
    child = spawnServer(place, first, options);
    const launched = child;
    await until(`${place.name} to join`, async () => {
      if (isOver(launched)) throw new Error(`${place.name} did not start:\n${logOf(place)}`);
      return existsSync(place.socket_path) && await status('wsrep_local_state_comment') === 'Synced';
    }).catch((failure: unknown) => {
      launched.kill('SIGKILL');
      throw failure;
    });
  };
  return {
    name: place.name, port: place.port, settings, administrator, status, start,
    kill: () => ended(running(), 'SIGKILL'),
    pause: () => { running().kill('SIGSTOP'); },
    resume: () => { running().kill('SIGCONT'); },
    isolate: async (cut_off) => {
      await ask(place, `SET GLOBAL wsrep_provider_options = 'gmcast.isolate=${cut_off ? 1 : 0}'`);
    },
    rejoin: () => start(false),
    end: async () => {
      if (child) {
        child.kill('SIGCONT');
        await Promise.race([ended(child, 'SIGTERM'), wait(stop_max_ms, undefined, { ref: false })]);
        await ended(child, 'SIGKILL');
      }
      process.off('exit', lastResort);
    },
  };
}

function spawnServer(place: Place, first: boolean, options: readonly string[]): ChildProcess {
  const data = join(place.folder, 'data');
  if (!existsSync(data)) {
    mkdirSync(data);
    giveToServer(data);
    if (first) install(data, server_user);
  }
  const provider = [
    `gmcast.listen_addr=tcp://127.0.0.1:${place.group_port}`, `ist.recv_addr=127.0.0.1:${place.changes_port}`,
    'gcache.size=16M', `evs.suspect_timeout=${suspect_timeout}`, 'evs.inactive_timeout=PT3S',
    'evs.keepalive_period=PT0.3S', 'evs.inactive_check_period=PT0.2S', 'evs.install_timeout=PT3S',
  ];
  return spawn(findProgram(['mariadbd', 'mysqld']), [
    '--no-defaults', ...asRoot(server_user), `--datadir=${data}`, `--socket=${place.socket_path}`,
    `--log-error=${join(place.folder, 'error.err')}`, `--pid-file=${join(place.folder, 'pid')}`,
    '--bind-address=127.0.0.1', `--port=${place.port}`, '--skip-name-resolve', '--performance-schema=OFF',
    '--innodb-buffer-pool-size=32M', '--innodb-log-file-size=8M', '--key-buffer-size=1M',
    '--binlog-format=ROW', '--innodb-autoinc-lock-mode=2', '--wsrep-on=ON', `--wsrep-provider=${findLibrary()}`,
    '--wsrep-cluster-name=pool', `--wsrep-cluster-address=gcomm://${first ? '' : place.members}`,
    `--wsrep-node-name=${place.name}`, `--wsrep-node-address=127.0.0.1:${place.group_port}`,
    '--wsrep-sst-method=rsync', `--wsrep-sst-receive-address=127.0.0.1:${place.state_port}`,
    `--wsrep-provider-options=${provider.join(';')}`, ...options,
  ], { stdio: 'ignore' });
}

const logOf = ({ folder }: Place): string => {
  const file = join(folder, 'error.err');
  return existsSync(file) ? readFileSync(file, 'utf8').slice(-3000) : '';
};

async function layOut(directory: string, count: number): Promise<Place[]> {
  const ports = await freePorts(count * ports_per_node);
  const ownPorts = (index: number) => ports.slice(index * ports_per_node, (index + 1) * ports_per_node);
  const members = Array.from({ length: count }, (_, index) => `127.0.0.1:${ownPorts(index)[1]}`).join(',');
  return Array.from({ length: count }, (_, index) => {
    const [port, group_port, changes_port, state_port] = ownPorts(index) as [number, number, number, number];
    const folder = join(directory, `node${index + 1}`);
    mkdirSync(folder);
    giveToServer(folder);
    return { name: `node${index + 1}`, folder, socket_path: join(folder, 's'), port, group_port, changes_port, state_port, members };
  });
}

/** All at once, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  })));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => { server.close(resolve); })));
  return ports;
}

/** The copy of the data to a joining node (rsync) writes nothing as root, so the servers run as this user. */
const server_user = 'mysql';

function giveToServer(path: string): void {
  if (userInfo().uid !== 0) return;
  const idOf = (what: '-u' | '-g') => Number(spawnSync('id', [what, server_user], { encoding: 'utf8' }).stdout.trim());
  chownSync(path, idOf('-u'), idOf('-g'));
}

/** @throws ConfigurationFault naming what to install. */
function findLibrary(): string {
  const found = library_places.find((file) => existsSync(file));
  if (found === undefined) {
    throw new ConfigurationFault(['libgalera_smm.so is missing: install Galera (on Debian or Ubuntu: apt-get install galera-4 rsync).']);
  }
  return found;
}

/** Over a plain connection of its own: ours ask for the state of the cluster, which a node that was cut off refuses. */
async function ask({ socket_path }: Place, sql: string, ...values: readonly string[]): Promise<RowDataPacket[]> {
  const connection = await mysql.createConnection({ socketPath: socket_path, user: 'root', connectTimeout: answer_max_ms });
  try {
    const [rows] = await connection.query(sql, [...values]);
    return Array.isArray(rows) ? rows as RowDataPacket[] : [];
  } finally {
    connection.destroy();
  }
}

const isOver = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (isOver(child)) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const given_up_ms = performance.now() + start_max_ms;
  while (!(await holds())) {
    if (performance.now() > given_up_ms) throw new Error(`waited ${start_max_ms / 1000} s in vain for ${what}`);
    await wait(look_again_ms);
  }
}
