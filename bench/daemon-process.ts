// The accounting daemon as an operator starts it: `run` in a process of its own with a configuration file. It is
// ended by its process id, when the row ends or with this process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
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

const program = fileURLToPath(new URL('../accounting/main.js', import.meta.url));
const ticks_a_second = 100;

export function startAccounting(directory: string, pool: PoolPlace, settings: DatabaseSettings): DaemonProcess {
  const config_file = join(directory, 'ckpool.conf');
  writeFileSync(config_file, configuration(pool, settings), { mode: 0o600 });
  const log_file = join(directory, 'accounting.log');
  const log = openSync(log_file, 'a');
  const child = spawn(process.execPath, [program, '-c', config_file, 'run'], { stdio: ['ignore', log, log] });
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

function configuration({ node, log_directory }: PoolPlace, settings: DatabaseSettings): string {
  const sql = settings.engine === 'sqlite'
    ? { file: settings.file }
    : {
      auth: settings.user, pass: settings.password, database: settings.database, port: settings.port,
      host: settings.host, ...(settings.socket_path === null ? {} : { socket: settings.socket_path }),
    };
  return JSON.stringify({
    btcd: [{ url: node.url, auth: node.user, pass: node.password }],
    btcaddress: pool_address,
    logdir: log_directory,
    parser: { sql },
  }, null, 2);
}

function cpuSeconds(pid: number | undefined): number | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticks_a_second;
  } catch {
    return null;
  }
}
