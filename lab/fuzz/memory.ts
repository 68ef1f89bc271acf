// Nothing grows without bound: the accounting daemon, as an operator starts it, reads logs and share logs that are
// far too long, and the most memory that it ever held is what the system says of its process. It is measured after
// everything was read and committed. Everything is made in a temporary directory and removed.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Database } from '../../shared/database/database.js';
import { connect } from '../../shared/database/connect.js';
import { migrate } from '../../shared/database/migrate.js';
import { serveRecordedChain } from '../recorded-node.js';
import { root_directory } from './place.js';

/** Where a case writes its input. */
export interface Ground {
  readonly directory: string;
  readonly log_directory: string;
  readonly log_file: string;
}

export interface MemoryCase {
  readonly name: string;
  /** Where it is not `peak_limit_mib`. */
  readonly limit_mib?: number;
  /**
   * Writes the input, so many times its whole size, and says how to see that all of it was read.
   */
  write(ground: Ground, part: number): Promise<(database: Database) => Promise<boolean>>;
}

export interface MemoryReport {
  readonly name: string;
  readonly peak_mib: number;
  readonly seconds: number;
  /** It was read to its end, and the peak stayed below the limit. */
  readonly fault: string | null;
}

export const peak_limit_mib = 200;
const program = join(root_directory, 'dist/accounting/main.js');
const chain_directory = join(root_directory, 'lab/recordings/busy/chain');
/** `btcaddress` of the pool of that chain. */
const pool_address = 'bcrt1qt2g0twkvnhd33vq37805pvg05jgxh6r87jfhru';
const poll_ms = 250;

export async function measureMemory(one: MemoryCase, part: number, limit_ms: number): Promise<MemoryReport> {
  if (!existsSync(program)) throw new Error('dist/ is missing: npm run build');
  const directory = mkdtempSync(join(tmpdir(), 'fuzz-memory-'));
  const log_directory = join(directory, 'logs');
  mkdirSync(join(log_directory, 'users'), { recursive: true });
  const node = await serveRecordedChain(chain_directory);
  const settings = { engine: 'sqlite' as const, file: join(directory, 'pool.sqlite') };
  const database = await connect(settings);
  try {
    await migrate(database);
    const isRead = await one.write({ directory, log_directory, log_file: join(log_directory, 'ckpool.log') }, part);
    const config_file = join(directory, 'ckpool.conf');
    writeFileSync(config_file, JSON.stringify({
      btcd: [{ url: node.url, auth: node.user, pass: node.password }], btcaddress: pool_address, logdir: log_directory,
      parser: { sql: { file: settings.file } },
    }), { mode: 0o600 });
    return { name: one.name, ...await watch(directory, config_file, () => isRead(database), limit_ms, one.limit_mib ?? peak_limit_mib) };
  } finally {
    await database.close();
    await node.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function watch(
  directory: string, config_file: string, isRead: () => Promise<boolean>, limit_ms: number, limit_mib: number,
): Promise<Omit<MemoryReport, 'name'>> {
  const log_file = join(directory, 'accounting.log');
  const log = openSync(log_file, 'a');
  const child = spawn(process.execPath, [program, 'run', '-c', config_file], { stdio: ['ignore', log, log] });
  closeSync(log);
  const lastResort = (): void => { child.kill('SIGKILL'); };
  process.once('exit', lastResort);
  const began_ms = performance.now();
  let peak_mib = 0;
  let fault: string | null = null;
  try {
    for (let done = false; !done && fault === null;) {
      await wait(poll_ms);
      if (hasEnded(child)) fault = `the daemon ended: ${readFileSync(log_file, 'utf8').slice(-1_000)}`;
      else if (performance.now() - began_ms > limit_ms) fault = `not read to its end within ${limit_ms / 1000} s`;
      done = await isRead();
      peak_mib = Math.max(peak_mib, peakOf(child.pid));
    }
  } finally {
    await end(child);
    process.off('exit', lastResort);
  }
  if (fault === null && peak_mib === 0) fault = 'the system does not say how much memory a process held';
  if (fault === null && peak_mib >= limit_mib) fault = `it held ${Math.round(peak_mib)} MiB, more than ${limit_mib}`;
  return { peak_mib, seconds: (performance.now() - began_ms) / 1000, fault };
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function end(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const limit = setTimeout(() => child.kill('SIGKILL'), 10_000);
  child.kill('SIGTERM');
  await once(child, 'exit');
  clearTimeout(limit);
}

/** The most memory that was ever resident. */
function peakOf(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

export const memoryLine = ({ name, peak_mib, seconds, fault }: MemoryReport): string =>
  `${name.padEnd(52)} ${peak_mib.toFixed(0).padStart(5)} MiB at most ${seconds.toFixed(0).padStart(5)} s${fault === null ? '' : `  FAILED: ${fault}`}`;
