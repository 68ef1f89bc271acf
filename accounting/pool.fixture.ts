// A small pool for the tests of accounting: a log directory that the test writes as ckpool would, a node in
// memory, a database of its own and a clock that the test turns. The daemon over it is the real one.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { testConfig } from '../lab/payments-context.js';
import { createSimulatedNode, type SimulatedNode } from '../lab/simulated-node.js';
import type { ChainNode } from '../shared/bitcoind/node.js';
import type { Clock } from '../shared/clock.js';
import type { Config } from '../shared/config.js';
import { connect } from '../shared/database/connect.js';
import type { Database } from '../shared/database/database.js';
import { createLease } from '../shared/database/lease.js';
import { migrate } from '../shared/database/migrate.js';
import { silentLogger, type Logger } from '../shared/logger.js';
import { defaultOptions, type AccountingOptions } from './context.js';
import { createAccountingDaemon, type AccountingDaemon } from './daemon.js';
import { openLogFiles } from './edges/log-files.js';
import { openShareLogs } from './edges/share-log-files.js';
import { loadLogState } from './edges/log-state.js';
import { replayLog, type ReplayResult } from './replay.js';

export interface TestPool {
  readonly database: Database;
  readonly chain: SimulatedNode;
  readonly pool_address: string;
  readonly directory: string;
  readonly log_file: string;
  /** Turned by the test; sleeping takes no time. */
  readonly clock: Clock & {
    add(duration_ms: number): void;
    /** Somebody sets the wall clock; no time passes. */
    jump(difference_ms: number): void;
  };
  readonly warnings: string[];
  /** Lines as ckpool writes them, each with the stamp of the test's clock. Names are bytes, one character each. */
  say(...texts: string[]): void;
  /** users/<name>, written in place. */
  file(user: string, shares: number | bigint | string): void;
  /** One pass of a minute: the file, then its line. */
  pass(user: string, shares: number | bigint): void;
  /** A process of the daemon; the one before is gone. */
  start(
    options?: Partial<AccountingOptions>,
    ports?: { node?: ChainNode; database?: Database; config?: Partial<Config> },
  ): Promise<AccountingDaemon>;
  untilIdle(daemon: AccountingDaemon): Promise<void>;
  counts(): Promise<Record<string, bigint>>;
  rows(table: string): Promise<Record<string, unknown>[]>;
  replay(): Promise<ReplayResult>;
  close(): Promise<void>;
}

/** @param updated_seconds when ckpool wrote it; any time where a test does not mind */
export const userLine = (user: string, shares: number | bigint, updated_seconds = 1795166709): string =>
  `User ${user}:${userJson(shares, updated_seconds)}`;
const userJson = (shares: number | bigint | string, updated_seconds: number): string =>
  `{"hashrate1m": "1T", "lastupdate": ${updated_seconds}, "workers": 1, "shares": ${shares}, "bestshare": 1.5}`;

export async function createTestPool(): Promise<TestPool> {
  const root = mkdtempSync(path.join(tmpdir(), 'accounting-pool-'));
  // The database stands beside ckpool's directory, which a test may take away.
  const directory = path.join(root, 'logs');
  const log_file = path.join(directory, 'ckpool.log');
  const users = path.join(directory, 'users');
  mkdirSync(users, { recursive: true });
  const database = await connect({ engine: 'sqlite', file: path.join(root, 'pool.sqlite') });
  await migrate(database);
  const chain = createSimulatedNode();
  const pool_address = chain.newAddress();
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (message) => { warnings.push(message); } };
  const clock = testClock();
  let close = async (): Promise<void> => undefined;

  const say = (...texts: string[]): void => {
    const stamp = new Date(clock.now_ms()).toISOString().replace('T', ' ').slice(0, 23);
    appendFileSync(log_file, texts.map((text) => `[${stamp}] ${text}\n`).join(''), 'latin1');
  };
  const file = (user: string, shares: number | bigint | string): void =>
    writeFileSync(fileOf(user), shares === '' ? '' : `${userJson(shares, nowSeconds())}\n`);
  const fileOf = (user: string): Buffer => Buffer.concat([Buffer.from(`${users}${path.sep}`), Buffer.from(user, 'latin1')]);
  const nowSeconds = (): number => Math.floor(clock.now_ms() / 1000);

  return {
    database, chain, pool_address, directory, log_file, clock, warnings, say, file,
    pass(user, shares) {
      file(user, shares);
      say(userLine(user, shares, nowSeconds()));
    },
    async start(options = {}, ports = {}) {
      await close();
      const lease = createLease(database, 'accounting_lease', 'test');
      await database.knex('accounting_lease').where('id', 1).update({ expires_at_ms: 0 });
      await lease.tryTake();
      const all: AccountingOptions = {
        ...defaultOptions,
        pairing_wait_ms: 0,
        chain_period_ms: 0,
        ...options,
      };
      const log_files = openLogFiles({ log_file, quiet_ms: 60_000, once: all.once, clock });
      const share_logs = openShareLogs({ log_directory: directory, clock });
      close = async () => {
        await log_files.close();
        share_logs.close();
      };
      const config = testConfig(pool_address, { log_directory: directory, log_file, ...ports.config });
      return createAccountingDaemon({
        config, lease, clock, log, log_files, share_logs, options: all,
        database: ports.database ?? database, node: ports.node ?? chain.node,
      });
    },
    async untilIdle(daemon) {
      for (let steps = 0; (await daemon.step()) === 'progress'; steps++) {
        if (steps > 2_000) throw new Error('the daemon never comes to rest');
      }
    },
    async counts() {
      const rows: { name: Buffer; ledger_count: unknown }[] = await database
        .knex('users')
        .select('name', 'ledger_count');
      return Object.fromEntries(
        rows.map((row) => [row.name.toString('latin1'), BigInt(String(row.ledger_count))]),
      );
    },
    rows: async (table) => database.knex<Record<string, unknown>>(table),
    async replay() {
      const { cursors } = await loadLogState(database);
      const log_files = openLogFiles({ log_file, quiet_ms: 0, once: true, clock });
      try {
        return await replayLog(database, cursors, log_files, () => undefined);
      } finally {
        await log_files.close();
      }
    },
    async close() {
      await close();
      await database.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function testClock(): TestPool['clock'] {
  let past_ms = 0;
  let start_ms = Date.now();
  return {
    now_ms: () => start_ms + past_ms,
    monotonic_ms: () => past_ms,
    sleep: async (duration_ms) => { past_ms += duration_ms; },
    add: (duration_ms) => { past_ms += duration_ms; },
    jump: (difference_ms) => { start_ms += difference_ms; },
  };
}
