// A daemon as an operator starts it: `run` in a process of its own with a configuration file; and a command, which is
// waited for. They are ended by their process id, when the row ends or with this process.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { NodeLogin } from '../shared/bitcoind/client.js';
import type { DatabaseSettings } from '../shared/database/connect.js';
import { pool_address } from './place.js';
import type { RecordedNode } from '../lab/recorded-node.js';

/** Where its log is and which node answers. */
export interface PoolPlace {
  readonly log_directory: string;
  readonly node: RecordedNode;
}

export interface DaemonProcess {
  /** @throws Error when it has ended by itself, with its last words. */
  requireRunning(): void;
  /** CPU seconds used so far, by the system's own account; null where there is none. */
  cpuSeconds(): number | null;
  stop(): Promise<void>;
}

export type Program = 'accounting' | 'payments';

const programOf = (program: Program): string => fileURLToPath(new URL(`../${program}/main.js`, import.meta.url));
const ticks_a_second = 100;
const answer_bytes_max = 2 ** 30;

export function startAccounting(directory: string, pool: PoolPlace, settings: DatabaseSettings): DaemonProcess {
  const { node: { login }, log_directory } = pool;
  return startDaemon('accounting', directory, writeConfiguration(directory, { login, log_directory, pool_address, settings }));
}

export function startDaemon(program: Program, directory: string, config_file: string): DaemonProcess {
  const log_file = join(directory, `${program}.log`);
  const log = openSync(log_file, 'a');
  const child = spawn(process.execPath, [programOf(program), '-c', config_file, 'run'], { stdio: ['ignore', log, log] });
  closeSync(log);
  const lastResort = (): void => { child.kill('SIGKILL'); };
  process.once('exit', lastResort);
  const ended = once(child, 'exit');
  const has_ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    requireRunning() {
      if (has_ended()) throw new Error(`the daemon ended: ${readFileSync(log_file, 'utf8').slice(-2_000)}`);
    },
    cpuSeconds: () => cpuSeconds(child.pid),
    async stop() {
      child.kill('SIGTERM');
      await ended;
      process.off('exit', lastResort);
    },
  };
}

/** What it prints. @throws Error when it fails. */
export async function runCommand(program: Program, config_file: string, words: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath, [programOf(program), '-c', config_file, ...words], { maxBuffer: answer_bytes_max });
  return stdout;
}

export interface Configured {
  readonly login: NodeLogin;
  readonly log_directory: string;
  readonly pool_address: string;
  readonly settings: DatabaseSettings;
  /** Further keys of our section. */
  readonly parser?: Readonly<Record<string, unknown>>;
}

/** Returns the name of the file. */
export function writeConfiguration(
  directory: string, { login, log_directory, pool_address: address, settings, parser }: Configured,
): string {
  const sql = settings.engine === 'sqlite'
    ? { file: settings.file }
    : {
      auth: settings.user, pass: settings.password, database: settings.database, port: settings.port,
      host: settings.host, ...(settings.socket_path === null ? {} : { socket: settings.socket_path }),
    };
  const config_file = join(directory, 'ckpool.conf');
  writeFileSync(config_file, JSON.stringify({
    btcd: [{ url: login.url, auth: login.user, pass: login.password }],
    btcaddress: address,
    logdir: log_directory,
    parser: { sql, ...parser },
  }, null, 2), { mode: 0o600 });
  return config_file;
}

function cpuSeconds(pid: number | undefined): number | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticks_a_second;
  } catch {
    return null;
  }
}
