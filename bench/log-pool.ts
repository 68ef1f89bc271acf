// `obtc-accounting run --once` over a log directory, as an operator starts it: a process of its own, a configuration
// file, a SQLite file, a node that answers with the recorded chain. What it found is asked of the database.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '../shared/database/connect.js';
import { smallInteger } from '../shared/database/database.js';
import { serveRecordedChain } from '../lab/recorded-node.js';
import { chain_directory, pool_address } from './place.js';
import type { Bench } from './row.js';

export interface OnceRun {
  readonly seconds: number;
  /** The most memory it had, as the system counts it. */
  readonly peak_bytes: number;
  readonly snapshots: number;
  /** The sum of all users' counts. */
  readonly work: number;
}

const program = fileURLToPath(new URL('../accounting/main.js', import.meta.url));

export async function runOnce(bench: Bench, log_directory: string, database_file: string): Promise<OnceRun> {
  mkdirSync(join(log_directory, 'users'), { recursive: true });
  const node = await serveRecordedChain(chain_directory);
  const config_file = `${database_file}.conf`;
  writeFileSync(config_file, JSON.stringify({
    btcd: [{ url: node.url, auth: node.user, pass: node.password }],
    btcaddress: pool_address, logdir: log_directory, parser: { sql: { file: database_file } },
  }), { mode: 0o600 });
  const began_ms = performance.now();
  const child = spawn(process.execPath, [program, '-c', config_file, 'run', '--once'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let peak_bytes = 0;
  const timer = setInterval(() => { peak_bytes = Math.max(peak_bytes, peakOf(child.pid)); }, 20);
  const end = async (): Promise<void> => {
    clearInterval(timer);
    child.kill('SIGKILL');
    await node.close();
  };
  bench.defer(end);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => { said = (said + text.toString()).slice(-2_000); });
  const [status] = (await once(child, 'exit', { signal: bench.stop })) as [number | null];
  const seconds = (performance.now() - began_ms) / 1_000;
  await end();
  if (status !== 0) throw new Error(`accounting ended with ${status}: ${said}`);
  return { seconds, peak_bytes, ...(await found(database_file)) };
}

function peakOf(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1_024;
  } catch {
    return 0;
  }
}

async function found(database_file: string): Promise<{ snapshots: number; work: number }> {
  const database = await connect({ engine: 'sqlite', file: database_file });
  try {
    const row: Record<string, unknown> | undefined = await database.knex('users').sum({ work: 'ledger_count' }).first();
    const count: Record<string, unknown> | undefined = await database.knex('snapshots').count({ count: '*' }).first();
    return { work: smallInteger(row?.['work']), snapshots: smallInteger(count?.['count']) };
  } finally {
    await database.close();
  }
}
